//! What a key can be looked up by.

use std::{borrow::Borrow, hash::Hash};

/// A borrowed form of a key, which is made into one only when something is to be kept: `str` of `String`, `[T]` of
/// `Vec<T>`, and every key of itself. It hashes as the key does.
///
/// For a key of several parts, a type of references does the same:
///
/// ```
/// use everfresh::memory::{Cache, KeyRef};
///
/// #[derive(Hash)]
/// struct Place<'a>(&'a str, u32);
///
/// impl KeyRef<(String, u32)> for Place<'_> {
///     fn is(&self, key: &(String, u32)) -> bool {
///         (self.0, self.1) == (key.0.as_str(), key.1)
///     }
///     fn to_key(&self) -> (String, u32) {
///         (self.0.to_owned(), self.1)
///     }
/// }
///
/// let cache: Cache<(String, u32), u32> = Cache::new(10);
/// assert_eq!(cache.get_or_compute(&Place("a", 1), || 5), 5);
/// assert_eq!(cache.get(&("a".to_owned(), 1)), Some(5));
/// ```
pub trait KeyRef<K>: Hash {
    /// Whether it stands for this key.
    fn is(&self, key: &K) -> bool;

    /// The key that it stands for.
    fn to_key(&self) -> K;
}

impl<K, Q> KeyRef<K> for Q
where
    K: Borrow<Q>,
    Q: Eq + Hash + ToOwned<Owned = K> + ?Sized,
{
    #[inline]
    fn is(&self, key: &K) -> bool {
        key.borrow() == self
    }

    fn to_key(&self) -> K {
        self.to_owned()
    }
}
