//! Arguments by their fingerprint.

use crate::{
    Fingerprint,
    codec::{self, CodecError},
};
use serde::{Serialize, Serializer, ser::Error as _};

/// The arguments of a call by their fingerprint, so that the call does not borrow them, and the computation may take them.
///
/// ```
/// use everfresh::{Memo, memo::Arguments};
///
/// let sorted: Memo<Vec<u32>> = Memo::builder("sorted").build();
/// let mut numbers = vec![3, 1, 2];
/// let arguments = Arguments::of(&numbers);
/// let sort = move || {
///     numbers.sort();
///     numbers
/// };
/// assert_eq!(sorted.call(&arguments).or_compute(sort), [1, 2, 3]);
/// assert_eq!(sorted.get(&Arguments::of(&vec![3u32, 1, 2])), Some(vec![1, 2, 3]));
/// ```
///
/// They are other arguments than the values themselves would be.
#[derive(Clone, Debug)]
pub struct Arguments(Result<Fingerprint, String>);

impl Arguments {
    /// Those of these values. If they have no fingerprint, nothing is kept for them, as for values that have none.
    ///
    /// ```
    /// use everfresh::{Memo, memo::Arguments};
    ///
    /// let sums = Memo::builder("Arguments::of").build();
    /// assert_eq!(sums.get_or_compute(&Arguments::of(&(1, 2)), || 3), 3);
    /// assert_eq!(sums.get(&Arguments::of(&(1, 2))), Some(3));
    /// ```
    pub fn of(values: &(impl Serialize + ?Sized)) -> Self {
        Self(codec::fingerprint(values).map_err(|error| match error {
            CodecError::Encode { reason, .. } => reason,
            other => other.to_string(),
        }))
    }
}

impl Serialize for Arguments {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Ok(fingerprint) => fingerprint.serialize(serializer),
            Err(error) => Err(S::Error::custom(error)),
        }
    }
}
