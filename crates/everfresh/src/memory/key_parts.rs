//! Borrowed keys of several parts.

use super::key::KeyRef;
use std::{borrow::Borrow, hash::Hash};

/// A tuple of up to 12 references, by which a cache looks up a key that is the tuple of what they own: nothing is
/// allocated on a hit.
///
/// ```
/// use everfresh::memory::{Cache, KeyParts};
///
/// let cache: Cache<(String, u32), u32> = Cache::new(10);
/// assert_eq!(cache.get_or_compute(&KeyParts(("a", &1)), || 5), 5);
/// assert_eq!(cache.get(&("a".to_owned(), 1)), Some(5));
/// ```
#[derive(Debug, Hash)]
pub struct KeyParts<T>(
    /// The references.
    pub T,
);

macro_rules! tuples {
    ($($part:ident $at:tt),+) => {
        impl<$($part),+> KeyRef<($(<$part as ToOwned>::Owned,)+)> for KeyParts<($(&$part,)+)>
        where
            $($part: ToOwned + Eq + Hash + ?Sized),+
        {
            #[inline]
            fn is(&self, key: &($(<$part as ToOwned>::Owned,)+)) -> bool {
                $(*self.0.$at == *Borrow::<$part>::borrow(&key.$at))&&+
            }

            fn to_key(&self) -> ($(<$part as ToOwned>::Owned,)+) {
                ($(self.0.$at.to_owned(),)+)
            }
        }
    };
}

tuples!(A 0);
tuples!(A 0, B 1);
tuples!(A 0, B 1, C 2);
tuples!(A 0, B 1, C 2, D 3);
tuples!(A 0, B 1, C 2, D 3, E 4);
tuples!(A 0, B 1, C 2, D 3, E 4, F 5);
tuples!(A 0, B 1, C 2, D 3, E 4, F 5, G 6);
tuples!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7);
tuples!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8);
tuples!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9);
tuples!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10);
tuples!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11);
