//! Python 3.12 and later: in front of the callback of `sys.monitoring` for code that starts.
#![allow(unsafe_code)]

use super::seen::{Seen, function_of, value_of};
use pyo3::{
    PyTraverseError, PyVisit, ffi,
    prelude::*,
    types::{PyCode, PyFrame},
};

/// Calls `slow(code, offset)` for code that the block of `current` is not done with, and once in `often` starts for code
/// that it is done with, which may be switched off then.
#[pyclass(frozen, module = "everfresh._native")]
pub struct Starts {
    current: Py<PyAny>,
    slow: Py<PyAny>,
    often: u32,
}

/// The frame that runs.
fn running(py: Python<'_>) -> Option<Bound<'_, PyFrame>> {
    // SAFETY: the interpreter is attached; the frame is borrowed, or null.
    let frame = unsafe { Bound::from_borrowed_ptr_or_opt(py, ffi::PyEval_GetFrame().cast()) };
    // SAFETY: it is a frame.
    frame.map(|frame| unsafe { frame.cast_into_unchecked() })
}

#[pymethods]
impl Starts {
    #[new]
    fn new(current: Py<PyAny>, slow: Py<PyAny>, often: u32) -> Self {
        Self { current, slow, often }
    }

    /// The callback.
    fn start<'py>(&self, code: &Bound<'py, PyCode>, offset: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let py = code.py();
        let own = value_of(self.current.bind(py))?;
        if let Some(own) = own.as_ref().and_then(|own| own.cast::<Seen>().ok()) {
            let own = own.get();
            if let Some(count) = own.count(code.as_ptr() as usize) {
                if count % self.often != 0 {
                    return Ok(None);
                }
            } else if own.has_closure(code.as_ptr() as usize, || running(py).as_ref().and_then(function_of)) {
                return Ok(None);
            }
        }
        let said = self.slow.bind(py).call1((code, offset))?;
        Ok((!said.is_none()).then_some(said))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.current)?;
        visit.call(&self.slow)
    }
}
