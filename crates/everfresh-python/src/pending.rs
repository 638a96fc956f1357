//! A call that somebody has to compute, or wait for: the package says what it is, and the table that was called runs it.
//!
//! So between a cached function and its caller lies no Python frame of the package, and a recursive one goes as deep as with
//! `functools`. A `Call` of the package is told what happens:
//!
//! | method | when | gives |
//! | --- | --- | --- |
//! | `begin(anew)` | before it is computed | function, args and kwargs; or a result that came meanwhile |
//! | `computed(value)` | after it | what is kept |
//! | `raised(error)` | in place of that | the same, or `None`: the error is the caller's |
//! | `finish(found)`, `given(found)` | at the end; the second for what came meanwhile | the caller's result |

use crate::{
    engine::{Declared, Found, Function, Kept, Value},
    once::intern,
    stack,
};
use everfresh::Fingerprint;
use pyo3::{
    exceptions::PyRecursionError,
    prelude::*,
    types::{PyDict, PyTuple},
};
use std::sync::Arc;

/// A call that the table runs which was called.
#[pyclass(frozen, module = "everfresh._native")]
pub struct Pending {
    function: Arc<Function>,
    key: Fingerprint,
    declared: Vec<Declared>,
    anew: bool,
    call: Py<PyAny>,
}

/// Why nothing was computed.
enum Stop {
    /// There is a result by now.
    Late(Py<Found>),
    Raised(PyErr),
}

impl From<PyErr> for Stop {
    fn from(error: PyErr) -> Self {
        Self::Raised(error)
    }
}

impl Pending {
    pub fn new(
        function: Arc<Function>,
        key: Fingerprint,
        declared: Vec<Declared>,
        anew: bool,
        call: Py<PyAny>,
    ) -> Self {
        Self { function, key, declared, anew, call }
    }

    fn compute(&self, py: Python<'_>) -> Result<Value, Stop> {
        let call = self.call.bind(py);
        let begun = call.call_method1(intern!(py, "begin"), (self.anew,))?;
        if let Ok(late) = begun.cast::<Found>() {
            return Err(Stop::Late(late.clone().unbind()));
        }
        let (function, args, kwargs): (Bound<'_, PyAny>, Bound<'_, PyTuple>, Bound<'_, PyDict>) = begun.extract()?;
        let made = match function.call(args, Some(&kwargs)) {
            Ok(value) => call.call_method1(intern!(py, "computed"), (value,))?,
            Err(error) => {
                let made = call.call_method1(intern!(py, "raised"), (error.value(py),))?;
                if made.is_none() {
                    return Err(error.into());
                }
                made
            }
        };
        Ok(Arc::new(Kept::new(&made)?))
    }
}

#[pymethods]
impl Pending {
    /// Computes, or waits for who does; gives the caller's result.
    pub fn run<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        if stack::is_short() {
            return Err(PyRecursionError::new_err("maximum recursion depth exceeded: the thread's stack is used up"));
        }
        let found = self.function.found(py, self.key, &self.declared, self.anew, |py| self.compute(py));
        let call = self.call.bind(py);
        match found {
            Ok(found) => call.call_method1(intern!(py, "finish"), (found,)),
            Err(Stop::Late(found)) => call.call_method1(intern!(py, "given"), (found,)),
            Err(Stop::Raised(error)) => Err(error),
        }
    }
}
