//! `_native.LruCache` as a Python type: how it is made, collected and freed.

use pyo3::exceptions::PyTypeError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyTuple, PyType};
use std::mem::offset_of;
use std::os::raw::{c_int, c_void};
use std::ptr;

use super::table::Table;
use super::{call, class, methods};

/// Any number of results.
pub(super) const UNBOUNDED: usize = usize::MAX;

#[repr(C)]
pub(super) struct LruCache {
    header: ffi::PyObject,
    vectorcall: ffi::vectorcallfunc,
    /// Null once the collector has taken the object apart.
    pub(super) function: *mut ffi::PyObject,
    pub(super) hits: u64,
    pub(super) misses: u64,
    pub(super) maxsize: usize,
    pub(super) table: Table<()>,
    /// Makes what `cache_info` returns from hits, misses, maxsize and size.
    pub(super) info: *mut ffi::PyObject,
    dict: *mut ffi::PyObject,
    weakrefs: *mut ffi::PyObject,
}

pub(super) fn class(py: Python<'_>) -> PyResult<Bound<'_, PyType>> {
    let offsets = class::Offsets {
        vectorcall: offset_of!(LruCache, vectorcall),
        dict: offset_of!(LruCache, dict),
        weakrefs: offset_of!(LruCache, weakrefs),
    };
    let slots = vec![
        (ffi::Py_tp_new, new as *mut c_void),
        (ffi::Py_tp_dealloc, dealloc as *mut c_void),
        (ffi::Py_tp_traverse, traverse as *mut c_void),
        (ffi::Py_tp_clear, clear as *mut c_void),
        (ffi::Py_tp_descr_get, class::bind as *mut c_void),
        (
            ffi::Py_tp_doc,
            c"A function whose results are kept; made by `everfresh.lru_cache` and `everfresh.cache`.".as_ptr()
                as *mut c_void,
        ),
    ];
    class::make(py, c"everfresh._native.LruCache", size_of::<LruCache>(), &offsets, methods::all(), Vec::new(), slots)
}

/// `LruCache(function, maxsize, typed, cache_info_type)`; `maxsize` is an `int`, or `None` for no bound.
unsafe extern "C" fn new(
    class: *mut ffi::PyTypeObject,
    arguments: *mut ffi::PyObject,
    keywords: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: CPython calls this attached, with a tuple and a dict or null.
    let made = unsafe {
        let py = Python::assume_attached();
        let arguments = Bound::from_borrowed_ptr(py, arguments).cast_into::<PyTuple>();
        match arguments {
            Ok(arguments) if keywords.is_null() => make(class, &arguments),
            _ => Err(PyTypeError::new_err("LruCache takes no keyword arguments")),
        }
        .map_err(|error| error.restore(py))
    };
    made.unwrap_or(ptr::null_mut())
}

unsafe fn make(class: *mut ffi::PyTypeObject, arguments: &Bound<'_, PyTuple>) -> PyResult<*mut ffi::PyObject> {
    let (function, maxsize, typed, info): (Bound<'_, PyAny>, Option<Bound<'_, PyAny>>, bool, Bound<'_, PyAny>) =
        arguments.extract()?;
    if !function.is_callable() {
        return Err(PyTypeError::new_err("the first argument must be callable"));
    }
    let maxsize = match maxsize {
        None => UNBOUNDED,
        Some(maxsize) => maxsize.extract::<isize>()?.max(0) as usize,
    };
    // SAFETY: a heap type always has an allocator; every field is written before Python can see the object.
    unsafe {
        let Some(allocate) = (*class).tp_alloc else {
            return Err(PyTypeError::new_err("the class has no allocator"));
        };
        let me = allocate(class, 0);
        if me.is_null() {
            return Err(PyErr::fetch(arguments.py()));
        }
        let cache = me.cast::<LruCache>();
        (&raw mut (*cache).vectorcall).write(call::choose(maxsize, typed));
        (&raw mut (*cache).table).write(Table::new(maxsize != UNBOUNDED));
        (*cache).maxsize = maxsize;
        (*cache).function = function.into_ptr();
        (*cache).info = info.into_ptr();
        Ok(me)
    }
}

unsafe extern "C" fn traverse(me: *mut ffi::PyObject, visit: ffi::visitproc, argument: *mut c_void) -> c_int {
    let cache = me.cast::<LruCache>();
    // SAFETY: the collector calls this while nothing else runs; every object here is live or null.
    unsafe {
        let fields = [ffi::Py_TYPE(me).cast(), (*cache).function, (*cache).info, (*cache).dict];
        for object in fields.into_iter().filter(|object: &*mut ffi::PyObject| !object.is_null()) {
            let stop = visit(object, argument);
            if stop != 0 {
                return stop;
            }
        }
        (*cache).table.traverse(visit, argument)
    }
}

pub(super) unsafe extern "C" fn clear(me: *mut ffi::PyObject) -> c_int {
    let cache = me.cast::<LruCache>();
    // SAFETY: each field is emptied before what it held is released, since that may run any code. The dict comes last:
    // its own release bounds the depth of a long chain of decorated functions.
    unsafe {
        methods::empty(cache);
        ffi::Py_CLEAR(&raw mut (*cache).function);
        ffi::Py_CLEAR(&raw mut (*cache).info);
        ffi::Py_CLEAR(&raw mut (*cache).dict);
    }
    0
}

unsafe extern "C" fn dealloc(me: *mut ffi::PyObject) {
    let cache = me.cast::<LruCache>();
    // SAFETY: nobody refers to the object any more; the order is the one that CPython asks for.
    unsafe {
        let class = ffi::Py_TYPE(me);
        ffi::PyObject_GC_UnTrack(me.cast());
        if !(*cache).weakrefs.is_null() {
            ffi::PyObject_ClearWeakRefs(me);
        }
        clear(me);
        ptr::drop_in_place(&raw mut (*cache).table);
        if let Some(free) = (*class).tp_free {
            free(me.cast());
        }
        ffi::Py_DECREF(class.cast());
    }
}
