//! The MAC of a pickled part: BLAKE3, keyed by what is derived from a secret that lies outside the cache.

use pyo3::{PyResult, exceptions::PyValueError};

const CONTEXT: &str = "everfresh 2026-11 pickled part";

/// What pickled parts are sealed with, and checked before a byte of them is unpickled.
pub(super) struct Seal([u8; blake3::KEY_LEN]);

impl Seal {
    /// # Errors
    /// For a key of fewer than 32 bytes.
    pub fn new(key: &[u8]) -> PyResult<Self> {
        if key.len() < 32 {
            return Err(PyValueError::new_err(format!("a pickle key has 32 bytes or more, this one {}", key.len())));
        }
        Ok(Self(blake3::derive_key(CONTEXT, key)))
    }

    /// The MAC of a part. Two of these are compared in constant time.
    pub fn mac(&self, bytes: &[u8]) -> blake3::Hash {
        blake3::keyed_hash(&self.0, bytes)
    }
}
