//! What can go wrong between a value and its bytes.

use super::MAX_DEPTH;
use serde::{de, ser};
use std::fmt;

/// A value that cannot be encoded, bytes that are no value of a type, or a type that does not come back equal.
///
/// ```
/// # use everfresh::codec::{self, CodecError};
/// let error = codec::from_slice::<u32>(&codec::to_vec(&7u64)?).unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "the bytes hold no `u32` (byte 1): u32 is asked for and u64 was stored; compute the value again",
/// );
/// # Ok::<(), CodecError>(())
/// ```
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CodecError {
    /// The value cannot be encoded.
    #[error("a value of `{type_name}` cannot be encoded: {reason}")]
    Encode {
        /// The type that was to be encoded.
        type_name: &'static str,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// The bytes do not hold a value of the type.
    #[error("the bytes hold no `{type_name}` (byte {position}): {reason}; compute the value again")]
    Decode {
        /// The type that was asked for.
        type_name: &'static str,
        /// How many bytes had been read.
        position: usize,
        /// What is wrong.
        reason: String,
    },
    /// The value can be encoded, but does not come back equal.
    #[error(
        "a value of `{type_name}` cannot be stored: {reason}; give it a Serialize and a Deserialize that agree, or do not store it"
    )]
    NotStorable {
        /// The type that was to be stored.
        type_name: &'static str,
        /// What is wrong, and what to do.
        reason: String,
    },
}

/// What serde passes on inside; the public error adds the type.
#[derive(Debug, thiserror::Error)]
pub(super) enum Problem {
    #[error("{0}")]
    Custom(String),
    #[error("it is nested deeper than {MAX_DEPTH} levels: make it flatter, or cache its parts")]
    Depth,
    #[error("its Serialize writes a map's values without their keys, or keys without values: correct it")]
    Unpaired,
    #[error("the error of one of its parts was dropped: let its Serialize or Deserialize return it")]
    Dropped,
    #[error("the bytes end in the middle of a value")]
    Truncated,
    #[error("{0} bytes follow the value")]
    Trailing(usize),
    #[error("a length is not written as it should be")]
    Length,
    #[error("{0} is no tag")]
    Tag(u8),
    #[error("{asked} is asked for and {stored} was stored")]
    Kind { asked: &'static str, stored: &'static str },
    #[error("{0} is no bool")]
    Bool(u8),
    #[error("{0:#x} is no char")]
    Char(u32),
    #[error("a text is not UTF-8")]
    Utf8,
    #[error("a name refers to another that is not there")]
    Name,
    #[error("`{asked}` is asked for and `{stored}` was stored")]
    OtherName { asked: &'static str, stored: String },
    #[error("`{owner}` has no field `{stored}`, which was stored")]
    Field { owner: &'static str, stored: String },
    #[error("`{owner}` has no variant `{stored}`, which was stored")]
    Variant { owner: &'static str, stored: String },
    #[error("{asked} items are asked for and {stored} were stored")]
    TupleLength { asked: usize, stored: usize },
    #[error("more was stored than its Deserialize reads")]
    Unread,
    #[error("what was read would be stored otherwise today: the type has changed")]
    Outdated,
}

impl ser::Error for Problem {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::Custom(message.to_string())
    }
}

impl de::Error for Problem {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::Custom(message.to_string())
    }
}
