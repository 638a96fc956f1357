//! What a computation has seen of the code that it runs.
#![allow(unsafe_code)]

use crate::once::Once;
use pyo3::{
    PyTraverseError, PyVisit, ffi,
    prelude::*,
    types::{PyCFunction, PyDict, PyFrame, PyTuple},
};
use std::{
    collections::{HashMap, HashSet},
    ptr,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Code that need not be looked at again when it starts: by its object; a closure's by the function, since others may hold
/// something else. All of it is kept, so that addresses stay their own.
#[pyclass(frozen, subclass, module = "everfresh._native")]
#[derive(Default)]
pub struct Seen(Mutex<Known>);

#[derive(Default)]
struct Known {
    /// How often each started since.
    codes: HashMap<usize, u32>,
    /// Closures with their code, which may be replaced.
    functions: HashSet<(usize, usize)>,
    /// The code of those.
    closures: HashSet<usize>,
    kept: Vec<Py<PyAny>>,
}

impl Seen {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How often code has started since it was done; `None` if it is not.
    pub fn count(&self, code: usize) -> Option<u32> {
        let mut known = self.known();
        let count = known.codes.get_mut(&code)?;
        *count = count.saturating_add(1);
        Some(*count)
    }

    /// Whether code is that of a closure, and this one is done; `function` is asked for in the first case.
    pub fn has_closure(&self, code: usize, function: impl FnOnce() -> Option<usize>) -> bool {
        let is_closure = self.known().closures.contains(&code);
        is_closure && function().is_some_and(|function| self.known().functions.contains(&(function, code)))
    }
}

#[pymethods]
impl Seen {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs))]
    fn new(_args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> Self {
        Self::default()
    }

    /// Code that starts need not be looked at again.
    fn done(&self, code: &Bound<'_, PyAny>) {
        let mut known = self.known();
        if known.codes.insert(code.as_ptr() as usize, 0).is_none() {
            known.kept.push(code.clone().unbind());
        }
    }

    /// The function that a frame runs need not be looked at again.
    fn done_closure(&self, code: &Bound<'_, PyAny>, frame: &Bound<'_, PyFrame>) {
        let Some(function) = function_of(frame) else { return };
        // SAFETY: a frame that runs holds its function.
        let kept = unsafe { Bound::from_borrowed_ptr(frame.py(), function as *mut ffi::PyObject) };
        let mut known = self.known();
        known.closures.insert(code.as_ptr() as usize);
        if known.functions.insert((function, code.as_ptr() as usize)) {
            known.kept.extend([kept.unbind(), code.clone().unbind()]);
        }
    }

    /// Whether code was done.
    fn is_done(&self, code: &Bound<'_, PyAny>) -> bool {
        self.known().codes.contains_key(&(code.as_ptr() as usize))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        let Ok(known) = self.0.try_lock() else { return Ok(()) };
        known.kept.iter().try_for_each(|kept| visit.call(kept))
    }

    fn __clear__(&self) {
        let known = std::mem::take(&mut *self.known());
        drop(known);
    }
}

/// The value of a context variable, if it has one.
pub fn value_of<'py>(variable: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
    let mut value = ptr::null_mut();
    // SAFETY: it is a context variable, else this says so; what it gives is the caller's.
    if unsafe { ffi::PyContextVar_Get(variable.as_ptr(), ptr::null_mut(), &raw mut value) } < 0 {
        return Err(PyErr::fetch(variable.py()));
    }
    // SAFETY: as above; null if there is no value.
    Ok(unsafe { Bound::from_owned_ptr_or_opt(variable.py(), value) })
}

/// The beginning of a frame object, and of what it runs.
#[repr(C)]
struct Frame {
    base: ffi::PyObject,
    back: *mut ffi::PyObject,
    runs: *const *mut ffi::PyObject,
}

/// Where the function is in what a frame runs, in words.
const FUNCTION: usize = if cfg!(Py_3_12) { 2 } else { 0 };

/// The address of the function that a frame runs. Python has no way to ask, so it is read where the headers of 3.11 to 3.13
/// say; `None` where a test of that fails.
pub fn function_of(frame: &Bound<'_, PyFrame>) -> Option<usize> {
    // SAFETY: it is a frame, and the test showed that these are its fields.
    functions_are_read(frame.py()).then(|| unsafe { read(frame) })
}

/// Whether the test holds. It is made once, when the extension is loaded: running code fills cells of PyO3 as well.
pub fn functions_are_read(py: Python<'_>) -> bool {
    static WORKS: Once<bool> = Once::new();
    *WORKS.make(|| test(py).unwrap_or(false))
}

/// # Safety
/// The version of Python is one of those, and the frame runs.
unsafe fn read(frame: &Bound<'_, PyFrame>) -> usize {
    // SAFETY: the caller's.
    unsafe { *(*frame.as_ptr().cast::<Frame>()).runs.add(FUNCTION) as usize }
}

/// Whether what is read in the frame of a function, of a closure, and of a generator is that function.
fn test(py: Python<'_>) -> PyResult<bool> {
    if cfg!(any(Py_3_14, Py_GIL_DISABLED)) {
        return Ok(false);
    }
    let read = PyCFunction::new_closure(py, None, None, |arguments: &Bound<'_, PyTuple>, _| -> PyResult<usize> {
        let frame = arguments.get_item(0)?.cast_into::<PyFrame>()?;
        // SAFETY: it is one of those versions; frames are given that call this.
        Ok(unsafe { read(&frame) })
    })?;
    let names = PyDict::new(py);
    names.set_item("read", read)?;
    py.run(
        c"import sys
def plain(): return read(sys._getframe())
def outer(held):
    def inner(): return held and read(sys._getframe())
    return inner
def generator(): yield read(sys._getframe())
one, other = outer(1), outer(2)
works = plain() == id(plain) and one() == id(one) and other() == id(other) and next(generator()) == id(generator)",
        Some(&names),
        None,
    )?;
    names.get_item("works")?.map_or(Ok(false), |works| works.extract())
}
