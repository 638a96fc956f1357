//! `blake3_of`: BLAKE3-256 of bytes, for the parts that are written in Python.

use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// The BLAKE3-256 digest of `data`, 32 bytes.
#[pyfunction]
#[pyo3(signature = (data, /))]
pub fn blake3_of<'py>(py: Python<'py>, data: &[u8]) -> Bound<'py, PyBytes> {
    PyBytes::new(py, blake3::hash(data).as_bytes())
}
