//! The engine's errors as Python's exceptions.

use everfresh::disk::StoreError;
use pyo3::{PyErr, exceptions::PyOSError};

/// What a store says is an `OSError`: its folder, its disk or its index.
pub fn store_error(error: StoreError) -> PyErr {
    PyOSError::new_err(error.to_string())
}
