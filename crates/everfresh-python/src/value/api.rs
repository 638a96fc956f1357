//! The functions that Python sees.

use super::{CODE_HOOK, decode, encode as encoding, hash, leaf, owned, parts, protect as protection, seal::Seal};
use pyo3::{
    prelude::*,
    types::{PyBytes, PyList},
};

pub use super::template::Template;

/// Sets what tells one version of a function or a class from another: called with it, gives bytes. `None` takes it away:
/// functions are then told by their module, name and byte code, classes by their module and name.
#[pyfunction]
pub fn set_code_hook(hook: Option<Py<PyAny>>) {
    let old = match CODE_HOOK.lock() {
        Ok(mut held) => std::mem::replace(&mut *held, hook),
        Err(_) => hook,
    };
    // Dropped here, where code that runs then finds the lock free.
    drop(old);
}

/// The BLAKE3-256 fingerprint of a value: 32 bytes. Types count (1, 1.0 and True differ), and so does everything else
/// that a program could see, but not how an array or a table lies in memory. The order of a dict counts unless
/// `order_free`; that of a set never does. `what` names the value in errors.
///
/// Raises TypeError for a type that has no fingerprint, saying where in the value it stands and what can be done.
#[pyfunction]
#[pyo3(signature = (value, *, order_free = false, what = "value"))]
pub fn fingerprint<'py>(value: &Bound<'py, PyAny>, order_free: bool, what: &str) -> PyResult<Bound<'py, PyBytes>> {
    let fingerprint = hash::fingerprint(value, order_free).map_err(|failure| failure.into_error(what))?;
    Ok(PyBytes::new(value.py(), fingerprint.as_bytes()))
}

/// The buffers that make up the encoding of a value, to be written one after the other. Arrays stand in it as they are:
/// they must not change until it is written. With `pickle`, parts that have no safe encoding are pickled, under a MAC
/// whose key is `pickle_key` or the user's own. Without `checksum`, `loads` reads it only as `verified`; in place of it stand
/// the hashes of large arrays, which need not be hashed again where they lie in a stored result.
///
/// Raises TypeError for a type that has no safe encoding, saying where in the value it stands and what can be done.
#[pyfunction]
#[pyo3(signature = (value, *, pickle = false, pickle_key = None, checksum = true))]
pub fn encode<'py>(
    value: &Bound<'py, PyAny>,
    pickle: bool,
    pickle_key: Option<&[u8]>,
    checksum: bool,
) -> PyResult<Bound<'py, PyList>> {
    let seal = match (pickle, pickle_key) {
        (false, _) => None,
        (true, Some(key)) => Some(Seal::new(key)?),
        (true, None) => Some(Seal::new(&parts::pickle_key(value.py())?)?),
    };
    encoding::encode(value, seal, checksum).map_err(|failure| failure.into_error("value"))
}

/// The encoding of a value as one piece: see `encode`.
#[pyfunction]
#[pyo3(signature = (value, *, pickle = false, pickle_key = None, checksum = true))]
pub fn dumps<'py>(
    value: &Bound<'py, PyAny>,
    pickle: bool,
    pickle_key: Option<&[u8]>,
    checksum: bool,
) -> PyResult<Bound<'py, PyAny>> {
    let pieces = encode(value, pickle, pickle_key, checksum)?;
    PyBytes::new(value.py(), b"").call_method1("join", (pieces,))
}

/// The value that a buffer encodes. No code runs but that of the types' own constructors; modules of dataclasses, enums
/// and named tuples are imported. Arrays are read-only views of the buffer, which they keep alive. Pickled parts are
/// read with the key that sealed them. `verified` tells that the bytes are known to be those that `encode` made: the
/// checksum is not looked at, and opening takes no longer for larger arrays. `writable` gives the same bytes as memory of the
/// caller's own, for arrays to write to; frames stay views of the buffer, since pandas copies before it writes.
///
/// Raises ValueError if the bytes are not what `encode` made, or hold a pickled part that the key does not open.
#[pyfunction]
#[pyo3(signature = (buffer, *, pickle_key = None, verified = false, writable = None))]
pub fn loads<'py>(
    buffer: &Bound<'py, PyAny>,
    pickle_key: Option<&[u8]>,
    verified: bool,
    writable: Option<Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    let seal = pickle_key.map(Seal::new).transpose()?;
    decode::decode(buffer, seal, verified, writable)
}

/// What a cache may keep of a value, and how a caller gets it: `(kept, None)` if the value cannot change and is handed
/// out itself, else `(kept, copy)`, where `copy(kept)` makes what a caller gets. What is kept shares nothing with the
/// value that could be changed.
///
/// Raises TypeError if the value cannot be copied.
#[pyfunction]
pub fn protect<'py>(value: &Bound<'py, PyAny>) -> PyResult<(Bound<'py, PyAny>, Option<Bound<'py, PyAny>>)> {
    protection::protect(value)
}

/// A copy of a value, of encodable parts, whose arrays are read-only; memory that nobody can write to is shared and not
/// copied.
///
/// Raises TypeError if a part has no safe encoding.
#[pyfunction]
pub fn private<'py>(value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    encoding::private(value).map_err(|failure| failure.into_error("value"))
}

/// Whether an array, or a table of pyarrow, lies in memory that nobody can write to.
#[pyfunction]
pub fn is_owned(object: &Bound<'_, PyAny>) -> PyResult<bool> {
    let owned = leaf::at_place(object, |place| owned::is_owned(&place));
    Ok(owned.map_err(|failure| failure.into_error("object"))?.unwrap_or(false))
}

/// Whether the hash of such an object is known, so that its fingerprint takes no look at its memory.
#[pyfunction]
pub fn is_known(object: &Bound<'_, PyAny>) -> PyResult<bool> {
    let known = leaf::at_place(object, |place| owned::known(&place).is_some());
    Ok(known.map_err(|failure| failure.into_error("object"))?.unwrap_or(false))
}
