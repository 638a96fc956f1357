//! How results become bytes in a store, and come back.

use crate::{
    Fingerprint,
    codec::{self, Storable},
    disk::Blob,
};
use serde::{Serialize, de::DeserializeOwned};
use std::{error::Error, io::Write, marker::PhantomData};

/// Why a result cannot be encoded or decoded.
///
/// ```
/// let error: everfresh::memo::EncodingError = "a socket cannot be stored".into();
/// assert_eq!(error.to_string(), "a socket cannot be stored");
/// ```
pub type EncodingError = Box<dyn Error + Send + Sync>;

/// How the results of a function are stored, where that is not serde's business: values of another language, for example.
///
/// ```
/// use everfresh::{Fingerprint, Memo, disk::{Blob, Store, StoreOptions}, memo::{Encoding, EncodingError}};
/// use std::io::Write;
///
/// struct Text;
///
/// impl Encoding<String> for Text {
///     fn encode(&self, value: &String, output: &mut dyn Write) -> Result<Fingerprint, EncodingError> {
///         output.write_all(value.as_bytes())?;
///         Ok(Fingerprint::of_bytes(b"text"))
///     }
///
///     fn decode(&self, stored: Blob) -> Result<(String, Fingerprint), EncodingError> {
///         Ok((str::from_utf8(&stored)?.to_owned(), Fingerprint::of_bytes(b"text")))
///     }
/// }
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("results");
/// let store = Store::open(&path, StoreOptions::default())?;
/// let names = || Memo::builder("Encoding").store_with(store.clone(), Text).build();
/// assert_eq!(names().get_or_compute(&1, || "one".to_owned()), "one");
/// assert_eq!(names().get_or_compute(&1, || unreachable!("it is there")), "one");
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
pub trait Encoding<V>: Send + Sync {
    /// Writes a value, and returns the *shape* of its type: whatever has to be the same when it is read.
    ///
    /// # Errors
    /// If the value cannot be written so that it comes back equal. It is returned to the caller and not stored.
    fn encode(&self, value: &V, output: &mut dyn Write) -> Result<Fingerprint, EncodingError>;

    /// Reads a value and the shape of its type. The bytes may be mapped from a file; they never change.
    ///
    /// # Errors
    /// If this is no value, which is then a miss.
    fn decode(&self, stored: Blob) -> Result<(V, Fingerprint), EncodingError>;
}

/// Values of serde, by the [`codec`].
pub(super) struct Serde<V>(PhantomData<fn() -> V>);

impl<V> Default for Serde<V> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<V: Serialize + DeserializeOwned> Encoding<V> for Serde<V> {
    fn encode(&self, value: &V, output: &mut dyn Write) -> Result<Fingerprint, EncodingError> {
        let Storable { bytes, shape } = codec::to_storable(value)?;
        output.write_all(&bytes)?;
        Ok(shape)
    }

    fn decode(&self, stored: Blob) -> Result<(V, Fingerprint), EncodingError> {
        let decoded = codec::from_storable(&stored)?;
        Ok((decoded.value, decoded.shape))
    }
}
