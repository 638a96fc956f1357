//! Objects taken apart into simpler values, and put together again, by `everfresh._values`.

use super::{
    failure::{Failure, Outcome, type_name},
    imported,
};
use crate::once::Once;
use pyo3::{
    prelude::*,
    types::{PyList, PyString, PyTuple},
};

/// What an object is made of.
pub(super) struct Parts<'py> {
    /// The kind of object: which constructor puts it together.
    pub name: Bound<'py, PyString>,
    /// A value of types that are simpler.
    pub value: Bound<'py, PyAny>,
    /// Objects with memory of their own: for a fingerprint, buffers of any layout or Arrow tables; to be stored,
    /// contiguous buffers.
    pub buffers: Bound<'py, PyTuple>,
}

const VALUES: &str = "everfresh._values";

/// Takes an object apart, to be stored or for its fingerprint; `None` if there is no way to.
pub(super) fn take_apart<'py>(object: &Bound<'py, PyAny>, stored: bool) -> Outcome<Option<Parts<'py>>> {
    static TAKE_APART: Once<Py<PyAny>> = Once::new();
    let py = object.py();
    let taken = imported(py, &TAKE_APART, VALUES, "take_apart")?.call1((object, stored));
    let parts = taken.map_err(|error| refusal(py, error))?;
    if parts.is_none() {
        return Ok(None);
    }
    let (name, value, buffers) = parts.extract()?;
    Ok(Some(Parts { name, value, buffers }))
}

/// A refusal becomes a failure that learns where in the value it stands.
fn refusal(py: Python<'_>, error: PyErr) -> Failure {
    static REFUSAL: Once<Py<PyAny>> = Once::new();
    match imported(py, &REFUSAL, VALUES, "Refusal") {
        Ok(class) if error.is_instance(py, class) => Failure::refused(error.value(py).to_string()),
        _ => error.into(),
    }
}

/// Puts an object together from its parts, `buffers` being memory views; `trusted` if they are known to be as they were
/// written.
pub(super) fn put_together<'py>(
    name: &Bound<'py, PyAny>,
    value: &Bound<'py, PyAny>,
    buffers: &Bound<'py, PyList>,
    trusted: bool,
) -> PyResult<Bound<'py, PyAny>> {
    static PUT_TOGETHER: Once<Py<PyAny>> = Once::new();
    imported(value.py(), &PUT_TOGETHER, VALUES, "put_together")?.call1((name, value, buffers, trusted))
}

/// Whether the memory in an object of a kind is never written to, because whoever changes it copies it before; `None` if
/// that is as around it.
pub(super) fn is_frozen(name: &Bound<'_, PyAny>) -> Option<bool> {
    let name = name.cast::<PyString>().ok()?.to_str().ok()?;
    match name.split_once('.')? {
        ("pandas", "DataFrame" | "Series") => Some(true),
        ("pandas", kind) if kind.ends_with("Index") => Some(true),
        ("pyarrow" | "polars", _) => Some(true),
        // Its items, if it is an array of objects.
        ("numpy", _) => Some(false),
        _ => None,
    }
}

/// What a memory tier keeps of an object that Rust does not know: see `everfresh._values.protect`.
pub(super) fn protect<'py>(object: &Bound<'py, PyAny>) -> PyResult<(Bound<'py, PyAny>, Option<Bound<'py, PyAny>>)> {
    static PROTECT: Once<Py<PyAny>> = Once::new();
    imported(object.py(), &PROTECT, VALUES, "protect")?.call1((object,))?.extract()
}

/// The user's own key for pickled parts.
pub(super) fn pickle_key(py: Python<'_>) -> PyResult<Vec<u8>> {
    static PICKLE_KEY: Once<Py<PyAny>> = Once::new();
    imported(py, &PICKLE_KEY, "everfresh._values_key", "pickle_key")?.call0()?.extract()
}

/// The failure of an object that nothing is known of.
pub(super) fn unknown(object: &Bound<'_, PyAny>, remedy: &str) -> Failure {
    Failure::refused(format!("values of type {} {remedy}", type_name(object)))
}
