//! One typed, self-describing, canonical encoding of serde values: what arguments are fingerprinted by, and what results
//! of functions are stored as.
//!
//! Every item is a tag byte (`Tag`) and what the table says after it, so no two different values share an encoding, and
//! nothing is read as another type than it was written as: not a `u64` as a `u32`, no tuple of another length, no struct
//! of another name.
//!
//! | item | after its tag |
//! | --- | --- |
//! | unit, none | nothing |
//! | bool | 0 or 1 |
//! | integers, floats, char | little endian, in their own width; floats by their bits, a char as a `u32` |
//! | str, bytes | length, bytes |
//! | some | item |
//! | seq, tuple | items, end |
//! | map | key and value in turn, end |
//! | unit struct, newtype struct, tuple struct | name, and as unit, one item, tuple |
//! | struct | name, field name and item in turn, 0 |
//! | the four kinds of variants | enum name, index, variant name, and as the four kinds of structs |
//!
//! Lengths and indices are LEB128 in their shortest form. A name is 1, length and bytes where it stands for the first
//! time, and after that 2 + its place among the names so far (fingerprints have it in full each time).
//!
//! # Order
//! Maps and sets are written in the order in which they are iterated. [`fingerprint`] sorts the entries of maps, so two
//! equal `HashMap`s have one fingerprint. A `HashSet` looks to serde like a list, and its order is random: use a
//! `BTreeSet` in arguments and results.
//!
//! # Shape
//! [`from_slice`] also returns the *shape*: a hash of all that the type asked for while it was read: the kinds of
//! scalars, the lengths of tuples, the names of structs and enums, all their fields and variants, whether stored or not.
//! Equal types give an equal shape for equal bytes, in every process and every build; a type that gained, lost, renamed
//! or reordered a field or a variant gives another one even where it can still be read. What the bytes do not reach is not
//! part of it: the items of an empty list, the content of a `None`, the fields of another variant. Nor is what serde hides
//! behind a buffer: `#[serde(flatten)]`, untagged and internally tagged enums do not say what they ask for;
//! [`from_storable`] encodes those again and compares.

mod access;
mod canonical;
mod decode;
mod encode;
mod error;
mod shape;
mod stream;
mod tag;
#[cfg(test)]
mod tests;

use crate::Fingerprint;
use canonical::Canonical;
use decode::Decoder;
use encode::{Encoder, Plain};
pub use error::CodecError;
use error::Problem;
use serde::{Serialize, de::DeserializeOwned};
use std::any::type_name;

/// The version of the encoding; it also enters every shape and fingerprint. Whoever stores an encoding stores it too.
///
/// ```
/// assert_eq!(everfresh::codec::FORMAT_VERSION, 1);
/// ```
pub const FORMAT_VERSION: u32 = 1;

/// How deep a value may be nested: each list, tuple, map, struct, variant with content and `Some` is one level. Deeper
/// ones are an error, in both directions, so that no value can exhaust the stack.
///
/// ```
/// # use everfresh::codec;
/// #[derive(serde::Serialize)]
/// struct List(Option<Box<List>>);
///
/// let mut list = List(None);
/// for _ in 0..codec::MAX_DEPTH {
///     list = List(Some(Box::new(list)));
/// }
/// assert!(codec::to_vec(&list).is_err());
/// ```
pub const MAX_DEPTH: usize = 128;

/// A value that was read, and the shape of its type.
///
/// ```
/// # use everfresh::codec;
/// let decoded = codec::from_slice::<u8>(&codec::to_vec(&7u8)?)?;
/// assert_eq!(decoded.value, 7);
/// # Ok::<(), codec::CodecError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded<T> {
    /// The value.
    pub value: T,
    /// What its type asked for (see the [module](self)).
    pub shape: Fingerprint,
}

/// An encoded value that is known to come back equal, and the shape of its type.
///
/// ```
/// # use everfresh::codec;
/// let storable = codec::to_storable(&"text".to_owned())?;
/// let decoded = codec::from_slice::<String>(&storable.bytes)?;
/// assert_eq!((decoded.value.as_str(), decoded.shape), ("text", storable.shape));
/// # Ok::<(), codec::CodecError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Storable {
    /// The encoding, without its version.
    pub bytes: Vec<u8>,
    /// What [`from_slice`] has to return with it.
    pub shape: Fingerprint,
}

/// Encodes a value; maps in the order in which they are iterated.
///
/// # Errors
/// [`CodecError::Encode`] if the value is nested deeper than [`MAX_DEPTH`] or its `Serialize` fails.
///
/// ```
/// # use everfresh::codec;
/// assert_ne!(codec::to_vec(&1u8)?, codec::to_vec(&1u16)?);
/// assert_ne!(codec::to_vec(&None::<Option<u8>>)?, codec::to_vec(&Some(None::<u8>))?);
/// # Ok::<(), codec::CodecError>(())
/// ```
pub fn to_vec<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, CodecError> {
    Ok(encode(value, Plain::default())?.into_bytes())
}

/// Reads a value from all of `bytes`.
///
/// # Errors
/// [`CodecError::Decode`] unless the bytes hold exactly one value of this type: strict about kinds, names, lengths and what
/// follows. Memory stays within a small multiple of the input's size, whatever lengths it claims.
///
/// ```
/// # use everfresh::codec;
/// let bytes = codec::to_vec(&(1u8, "one"))?;
/// assert_eq!(codec::from_slice::<(u8, String)>(&bytes)?.value, (1, "one".to_owned()));
/// assert!(codec::from_slice::<(u16, String)>(&bytes).is_err());
/// # Ok::<(), codec::CodecError>(())
/// ```
pub fn from_slice<T: DeserializeOwned>(bytes: &[u8]) -> Result<Decoded<T>, CodecError> {
    decode(bytes).map(|(decoded, _)| decoded)
}

/// The canonical fingerprint of a value: types told apart, the entries of maps sorted by their encoded keys.
///
/// Equal fingerprints mean equal encodings. Without maps it streams; a map is held in memory, encoded, while it is sorted.
///
/// # Errors
/// As [`to_vec`].
///
/// ```
/// # use everfresh::codec;
/// use std::collections::{BTreeMap, HashMap};
///
/// let one = HashMap::from([("a", 1), ("b", 2), ("c", 3)]);
/// let other = BTreeMap::from([("a", 1), ("b", 2), ("c", 3)]);
/// assert_eq!(codec::fingerprint(&one)?, codec::fingerprint(&other)?);
/// assert_ne!(codec::fingerprint(&0.0)?, codec::fingerprint(&-0.0)?);
/// # Ok::<(), codec::CodecError>(())
/// ```
pub fn fingerprint<T: Serialize + ?Sized>(value: &T) -> Result<Fingerprint, CodecError> {
    Ok(encode(value, Canonical::new())?.finish())
}

/// Encodes a value to be stored, after it was seen to come back equal: it is decoded, encoded once more and compared (maps
/// by their entries, in any order).
///
/// # Errors
/// As [`to_vec`]; [`CodecError::NotStorable`] if the value cannot be read back or comes back as another one, such as an
/// untagged enum that reads another variant. What a type never writes (`#[serde(skip)]`) cannot be missed: it comes back
/// as its default.
///
/// ```
/// # use everfresh::codec::{self, CodecError};
/// #[derive(serde::Serialize, serde::Deserialize)]
/// struct Rate {
///     currency: String,
///     #[serde(serialize_with = "rounded")]
///     rate: f64,
/// }
/// fn rounded<S: serde::Serializer>(rate: &f64, to: S) -> Result<S::Ok, S::Error> {
///     to.serialize_i64(*rate as i64)
/// }
///
/// let rate = Rate { currency: "EUR".to_owned(), rate: 1.5 };
/// assert!(matches!(codec::to_storable(&rate), Err(CodecError::NotStorable { .. })));
/// assert!(codec::to_storable(&(rate.currency, rate.rate)).is_ok());
/// ```
pub fn to_storable<T: Serialize + DeserializeOwned>(value: &T) -> Result<Storable, CodecError> {
    let bytes = to_vec(value)?;
    let refused = |reason: String| CodecError::NotStorable { type_name: type_name::<T>(), reason };
    let decoded = from_slice::<T>(&bytes)
        .map_err(|error| refused(format!("what its Serialize writes, its Deserialize does not read: {error}")))?;
    let again = to_vec(&decoded.value)?;
    if again != bytes && fingerprint(&decoded.value)? != fingerprint(value)? {
        let at = again.iter().zip(&bytes).take_while(|(one, other)| one == other).count();
        return Err(refused(format!(
            "it comes back as another value (byte {at} of {} is the first that differs): an untagged enum may read \
             another variant, or a HashSet (use a BTreeSet) has another order",
            bytes.len()
        )));
    }
    Ok(Storable { bytes, shape: decoded.shape })
}

/// Reads what [`to_storable`] made, as [`from_slice`] does, and also refuses what a shape cannot tell: where the type
/// hides what it asks for (`flatten`, untagged and internally tagged enums), the value is encoded again and compared.
///
/// # Errors
/// [`CodecError::Decode`], as [`from_slice`], or if the value would be encoded otherwise today.
///
/// ```
/// # use everfresh::codec;
/// # use serde::{Deserialize, Serialize};
/// #[derive(Serialize, Deserialize)]
/// #[serde(untagged)]
/// enum Old { Size { width: u32 } }
///
/// #[derive(Serialize, Deserialize)]
/// #[serde(untagged, rename = "Old")]
/// enum New { Size { width: u32, #[serde(default)] height: u32 } }
///
/// let bytes = codec::to_storable(&Old::Size { width: 1 })?.bytes;
/// assert!(codec::from_storable::<Old>(&bytes).is_ok());
/// assert!(codec::from_storable::<New>(&bytes).is_err());
/// # Ok::<(), codec::CodecError>(())
/// ```
pub fn from_storable<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Result<Decoded<T>, CodecError> {
    let (decoded, hidden) = decode::<T>(bytes)?;
    if hidden && to_vec(&decoded.value)? != bytes {
        let mut stored = Canonical::new();
        stored.copy(&mut Decoder::new(bytes)).map_err(|problem| decode_error::<T>(0, &problem))?;
        if stored.finish() != fingerprint(&decoded.value)? {
            return Err(decode_error::<T>(bytes.len(), &Problem::Outdated));
        }
    }
    Ok(decoded)
}

fn encode<T: Serialize + ?Sized, S: encode::Sink>(value: &T, sink: S) -> Result<S, CodecError> {
    let mut encoder = Encoder::new(sink);
    value
        .serialize(&mut encoder)
        .and_then(|()| encoder.finish())
        .map_err(|problem| CodecError::Encode { type_name: type_name::<T>(), reason: problem.to_string() })
}

/// The value, and whether its type asked for something in a way that hides what it knows.
fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<(Decoded<T>, bool), CodecError> {
    let mut decoder = Decoder::new(bytes);
    let result = T::deserialize(&mut decoder).and_then(|value| decoder.finish().map(|()| value));
    let value = result.map_err(|problem| decode_error::<T>(decoder.position(), &problem))?;
    let (shape, hidden) = decoder.into_shape();
    Ok((Decoded { value, shape }, hidden))
}

fn decode_error<T>(position: usize, problem: &Problem) -> CodecError {
    CodecError::Decode { type_name: type_name::<T>(), position, reason: problem.to_string() }
}
