//! Python 3.11: a profile hook in front of those that are written in Python, which it calls where there is something new.
#![allow(unsafe_code)]

use super::seen::{Seen, function_of, value_of};
use crate::once::intern;
use pyo3::{
    PyTraverseError, PyVisit, ffi,
    prelude::*,
    types::{PyFrame, PyList},
};
use std::{
    ffi::{CStr, CString, c_int},
    ptr,
};

/// Calls `called(code, frame)` for code that starts and that the block of `current` is not done with, and
/// `calls(function, frame)` for C functions with such names while there is something in `listening`; then the hook that was
/// there before.
#[pyclass(frozen, module = "everfresh._native")]
pub struct Hook {
    current: Py<PyAny>,
    listening: Py<PyList>,
    /// Sorted.
    names: Vec<CString>,
    called: Py<PyAny>,
    calls: Py<PyAny>,
    before: Option<Py<PyAny>>,
}

#[pymethods]
impl Hook {
    #[new]
    fn new(
        current: Py<PyAny>,
        listening: Py<PyList>,
        mut names: Vec<CString>,
        called: Py<PyAny>,
        calls: Py<PyAny>,
        before: Option<Py<PyAny>>,
    ) -> Self {
        names.sort();
        Self { current, listening, names, called, calls, before }
    }

    /// From now on on this thread.
    fn begin(slf: &Bound<'_, Self>) {
        // SAFETY: `heard` is the hook of such an object, which Python holds as long as it is set.
        unsafe { ffi::PyEval_SetProfile(Some(heard), slf.as_ptr()) };
    }

    /// As a hook of `sys.setprofile`, which a new thread begins with: it goes on without Python's detour.
    fn __call__(
        slf: &Bound<'_, Self>,
        frame: &Bound<'_, PyFrame>,
        event: &Bound<'_, PyAny>,
        arg: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let event = match event.extract::<&str>()? {
            "call" => ffi::PyTrace_CALL,
            "c_call" => ffi::PyTrace_C_CALL,
            "c_return" => ffi::PyTrace_C_RETURN,
            "c_exception" => ffi::PyTrace_C_EXCEPTION,
            _ => ffi::PyTrace_RETURN,
        };
        let py = slf.py();
        if py.import(intern!(py, "sys"))?.call_method0(intern!(py, "getprofile"))?.is(slf) {
            Self::begin(slf);
        }
        slf.get().hear(frame, event, arg)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.current)?;
        visit.call(&self.listening)?;
        visit.call(&self.called)?;
        visit.call(&self.calls)?;
        self.before.iter().try_for_each(|before| visit.call(before))
    }
}

impl Hook {
    fn hear(&self, frame: &Bound<'_, PyFrame>, event: c_int, arg: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = frame.py();
        if event == ffi::PyTrace_CALL {
            // SAFETY: Python's hooks get frames, and a frame has its code.
            let code = unsafe { Bound::from_owned_ptr(py, ffi::PyFrame_GetCode(frame.as_ptr().cast()).cast()) };
            if !self.is_known(&code, frame)? {
                self.called.bind(py).call1((code, frame))?;
            }
        } else if event == ffi::PyTrace_C_CALL && !self.listening.bind(py).is_empty() && self.may_be(arg) {
            self.calls.bind(py).call1((arg, frame))?;
        }
        let Some(before) = &self.before else { return Ok(()) };
        let name = match event {
            ffi::PyTrace_CALL => intern!(py, "call"),
            ffi::PyTrace_C_CALL => intern!(py, "c_call"),
            ffi::PyTrace_C_RETURN => intern!(py, "c_return"),
            ffi::PyTrace_C_EXCEPTION => intern!(py, "c_exception"),
            _ => intern!(py, "return"),
        };
        before.bind(py).call1((frame, name, arg)).map(drop)
    }

    fn is_known(&self, code: &Bound<'_, PyAny>, frame: &Bound<'_, PyFrame>) -> PyResult<bool> {
        let Some(own) = value_of(self.current.bind(code.py()))? else { return Ok(false) };
        let Ok(own) = own.cast::<Seen>() else { return Ok(false) };
        let (own, code) = (own.get(), code.as_ptr() as usize);
        Ok(own.count(code).is_some() || own.has_closure(code, || function_of(frame)))
    }

    /// Whether a C function is worth a closer look.
    fn may_be(&self, called: &Bound<'_, PyAny>) -> bool {
        // SAFETY: a C function has its definition for as long as it is there, and that has a name.
        let name = unsafe {
            if ffi::PyCFunction_CheckExact(called.as_ptr()) == 0 {
                return false;
            }
            CStr::from_ptr((*(*called.as_ptr().cast::<ffi::PyCFunctionObject>()).m_ml).ml_name)
        };
        self.names.binary_search_by(|own| own.as_c_str().cmp(name)).is_ok()
    }
}

/// What Python calls: -1 takes the hook away, and raises.
unsafe extern "C" fn heard(
    own: *mut ffi::PyObject,
    frame: *mut ffi::PyFrameObject,
    event: c_int,
    arg: *mut ffi::PyObject,
) -> c_int {
    // SAFETY: Python calls with the interpreter attached, the object that was set, a frame, and an argument or null.
    let py = unsafe { Python::assume_attached() };
    // SAFETY: as above.
    let (own, frame, arg) = unsafe {
        let arg = Bound::from_borrowed_ptr_or_opt(py, arg).unwrap_or_else(|| py.None().into_bound(py));
        let frame = Bound::from_borrowed_ptr(py, frame.cast()).cast_into_unchecked::<PyFrame>();
        (Bound::from_borrowed_ptr(py, own), frame, arg)
    };
    let told = own.cast::<Hook>().map_err(PyErr::from).and_then(|own| own.get().hear(&frame, event, &arg));
    let Err(error) = told else { return 0 };
    // SAFETY: no hook, on this thread.
    unsafe { ffi::PyEval_SetProfile(None, ptr::null_mut()) };
    error.restore(py);
    -1
}
