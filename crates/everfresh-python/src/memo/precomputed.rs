//! `_native.Precomputed`: a function whose results over a range of ints lie in a tuple.
//!
//! A call with one small int that has a place there, while the guard holds, is answered here. All else is for `slow`,
//! which gets the call as it came, and hands a new table in.

use pyo3::exceptions::PyTypeError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyTuple, PyType};
use std::mem::offset_of;
use std::os::raw::{c_int, c_void};
use std::ptr;

use super::call::Call;
use super::class::{itself, of_one, reduce, with_keywords, without_arguments};
use super::{class, guard_holds, layout, locked};

#[repr(C)]
struct Precomputed {
    header: ffi::PyObject,
    vectorcall: ffi::vectorcallfunc,
    /// Null once the collector has taken the object apart.
    slow: *mut ffi::PyObject,
    /// A tuple, or null while there is none that the guard alone speaks for.
    results: *mut ffi::PyObject,
    /// Not null where `results` is not.
    guard: *mut ffi::PyObject,
    /// The argument of the first result.
    first: i64,
    dict: *mut ffi::PyObject,
    weakrefs: *mut ffi::PyObject,
}

pub(super) fn class(py: Python<'_>) -> PyResult<Bound<'_, PyType>> {
    let offsets = class::Offsets {
        vectorcall: offset_of!(Precomputed, vectorcall),
        dict: offset_of!(Precomputed, dict),
        weakrefs: offset_of!(Precomputed, weakrefs),
    };
    let methods = vec![
        with_keywords(
            c"fill",
            fill,
            c"fill($self, results, first, guard, /)\n--\n\nAnswer from now on `first`, `first + 1` and so on from a tuple, while the guard holds.",
        ),
        without_arguments(c"__reduce__", reduce, c""),
        without_arguments(c"__copy__", itself, c""),
        of_one(c"__deepcopy__", itself, c""),
    ];
    let slots = vec![
        (ffi::Py_tp_new, new as *mut c_void),
        (ffi::Py_tp_dealloc, dealloc as *mut c_void),
        (ffi::Py_tp_traverse, traverse as *mut c_void),
        (ffi::Py_tp_clear, clear as *mut c_void),
        (ffi::Py_tp_descr_get, class::bind as *mut c_void),
        (
            ffi::Py_tp_doc,
            c"A function whose results lie in a table; made by `everfresh.precomputed`.".as_ptr() as *mut c_void,
        ),
    ];
    class::make(py, c"everfresh._native.Precomputed", size_of::<Precomputed>(), &offsets, methods, Vec::new(), slots)
}

/// `Precomputed(slow)`.
unsafe extern "C" fn new(
    class: *mut ffi::PyTypeObject,
    arguments: *mut ffi::PyObject,
    keywords: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: CPython calls this attached, with a tuple and a dict or null; every field is written before Python can see
    // the object, and those that are not named here are null.
    unsafe {
        let py = Python::assume_attached();
        let made = || -> PyResult<*mut ffi::PyObject> {
            let (slow,): (Bound<'_, PyAny>,) = Bound::from_borrowed_ptr(py, arguments).extract()?;
            if !keywords.is_null() || !slow.is_callable() {
                return Err(PyTypeError::new_err("Precomputed takes something that can be called"));
            }
            let me = (*class).tp_alloc.map_or(ptr::null_mut(), |allocate| allocate(class, 0));
            if me.is_null() {
                return Err(PyErr::fetch(py));
            }
            let table = me.cast::<Precomputed>();
            (&raw mut (*table).vectorcall).write(call);
            (*table).slow = slow.into_ptr();
            Ok(me)
        };
        made().unwrap_or_else(|error| {
            error.restore(py);
            ptr::null_mut()
        })
    }
}

unsafe extern "C" fn call(
    me: *mut ffi::PyObject,
    arguments: *const *mut ffi::PyObject,
    nargsf: usize,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: CPython calls this with a live object of this type and live arguments.
    unsafe {
        let call = Call { arguments, nargsf, names };
        if names.is_null()
            && call.positional() == 1
            && let Some(argument) = layout::small_int(*arguments)
            // Whoever records has to hear what the table was made from.
            && !everfresh::observe::is_recording()
        {
            let value = find(me.cast(), argument);
            if !value.is_null() {
                return value;
            }
        }
        call.of((*me.cast::<Precomputed>()).slow)
    }
}

/// A new reference to the result, or null.
#[inline(always)]
unsafe fn find(table: *mut Precomputed, argument: i64) -> *mut ffi::PyObject {
    // SAFETY: the caller holds the table; guard and result are held while the guard is asked, which may run any code.
    unsafe {
        let (guard, value) = locked(table.cast(), || {
            let at = argument.wrapping_sub((*table).first) as usize;
            if (*table).results.is_null() || at >= ffi::PyTuple_GET_SIZE((*table).results) as usize {
                return (ptr::null_mut(), ptr::null_mut());
            }
            let value = ffi::PyTuple_GET_ITEM((*table).results, at as ffi::Py_ssize_t);
            ffi::Py_INCREF((*table).guard);
            ffi::Py_INCREF(value);
            ((*table).guard, value)
        });
        if value.is_null() {
            return value;
        }
        let holds = guard_holds(guard);
        ffi::Py_DECREF(guard);
        if holds {
            return value;
        }
        ffi::Py_DECREF(value);
        ptr::null_mut()
    }
}

unsafe extern "C" fn fill(
    me: *mut ffi::PyObject,
    arguments: *mut ffi::PyObject,
    _: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    let table = me.cast::<Precomputed>();
    // SAFETY: CPython passes a live object of this type and a tuple; what was there is released when the table is whole.
    unsafe {
        let py = Python::assume_attached();
        let given: PyResult<(Bound<'_, PyTuple>, i64, Bound<'_, PyAny>)> =
            Bound::from_borrowed_ptr(py, arguments).extract();
        match given {
            Ok((results, first, guard)) => {
                let (results, guard) = locked(me, || {
                    (*table).first = first;
                    (
                        std::mem::replace(&mut (*table).results, results.into_ptr()),
                        std::mem::replace(&mut (*table).guard, guard.into_ptr()),
                    )
                });
                ffi::Py_XDECREF(results);
                ffi::Py_XDECREF(guard);
                ffi::Py_INCREF(ffi::Py_None());
                ffi::Py_None()
            }
            Err(error) => {
                error.restore(py);
                ptr::null_mut()
            }
        }
    }
}

unsafe extern "C" fn traverse(me: *mut ffi::PyObject, visit: ffi::visitproc, argument: *mut c_void) -> c_int {
    let table = me.cast::<Precomputed>();
    // SAFETY: the collector calls this while nothing else runs; every object here is live or null.
    unsafe {
        let fields = [ffi::Py_TYPE(me).cast(), (*table).slow, (*table).results, (*table).guard, (*table).dict];
        for object in fields.into_iter().filter(|object: &*mut ffi::PyObject| !object.is_null()) {
            let stop = visit(object, argument);
            if stop != 0 {
                return stop;
            }
        }
    }
    0
}

unsafe extern "C" fn clear(me: *mut ffi::PyObject) -> c_int {
    let table = me.cast::<Precomputed>();
    // SAFETY: each field is emptied before what it held is released; without results nobody asks for the guard.
    unsafe {
        ffi::Py_CLEAR(&raw mut (*table).results);
        ffi::Py_CLEAR(&raw mut (*table).guard);
        ffi::Py_CLEAR(&raw mut (*table).slow);
        ffi::Py_CLEAR(&raw mut (*table).dict);
    }
    0
}

unsafe extern "C" fn dealloc(me: *mut ffi::PyObject) {
    let table = me.cast::<Precomputed>();
    // SAFETY: nobody refers to the object any more; the order is the one that CPython asks for.
    unsafe {
        let class = ffi::Py_TYPE(me);
        ffi::PyObject_GC_UnTrack(me.cast());
        if !(*table).weakrefs.is_null() {
            ffi::PyObject_ClearWeakRefs(me);
        }
        clear(me);
        if let Some(free) = (*class).tp_free {
            free(me.cast());
        }
        ffi::Py_DECREF(class.cast());
    }
}
