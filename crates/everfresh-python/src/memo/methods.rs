//! The methods of `_native.LruCache`.

use pyo3::ffi;
use pyo3::prelude::*;
use std::ptr;

use super::class::{itself, of_one, reduce, without_arguments};
use super::locked;
use super::object::{LruCache, UNBOUNDED};

pub(super) fn all() -> Vec<ffi::PyMethodDef> {
    vec![
        without_arguments(c"cache_info", cache_info, c"cache_info($self, /)\n--\n\nReport cache statistics"),
        without_arguments(
            c"cache_clear",
            cache_clear,
            c"cache_clear($self, /)\n--\n\nClear the cache and cache statistics",
        ),
        without_arguments(
            c"_table_bytes",
            table_bytes,
            c"_table_bytes($self, /)\n--\n\nThe bytes that index and entries take, without keys and values.",
        ),
        without_arguments(c"__reduce__", reduce, c""),
        without_arguments(c"__copy__", itself, c""),
        of_one(c"__deepcopy__", itself, c""),
    ]
}

unsafe extern "C" fn cache_info(me: *mut ffi::PyObject, _: *mut ffi::PyObject) -> *mut ffi::PyObject {
    let cache = me.cast::<LruCache>();
    // SAFETY: CPython calls this attached, with a live object of this type.
    unsafe {
        let py = Python::assume_attached();
        let Some(info) = Bound::from_borrowed_ptr_or_opt(py, (*cache).info) else {
            ffi::PyErr_SetString(ffi::PyExc_RuntimeError, c"the cache was taken apart by the collector".as_ptr());
            return ptr::null_mut();
        };
        let (hits, misses, len) = locked(me, || ((*cache).hits, (*cache).misses, (*cache).table.len()));
        let maxsize = Some((*cache).maxsize).filter(|maxsize| *maxsize != UNBOUNDED);
        match info.call1((hits, misses, maxsize, len)) {
            Ok(info) => info.into_ptr(),
            Err(error) => {
                error.restore(py);
                ptr::null_mut()
            }
        }
    }
}

unsafe extern "C" fn cache_clear(me: *mut ffi::PyObject, _: *mut ffi::PyObject) -> *mut ffi::PyObject {
    let cache = me.cast::<LruCache>();
    // SAFETY: CPython passes a live object of this type.
    unsafe {
        locked(me, || {
            (*cache).hits = 0;
            (*cache).misses = 0;
        });
        empty(cache);
        ffi::Py_INCREF(ffi::Py_None());
        ffi::Py_None()
    }
}

unsafe extern "C" fn table_bytes(me: *mut ffi::PyObject, _: *mut ffi::PyObject) -> *mut ffi::PyObject {
    let cache = me.cast::<LruCache>();
    // SAFETY: CPython passes a live object of this type.
    unsafe { ffi::PyLong_FromSize_t(locked(me, || (*cache).table.bytes())) }
}

/// Takes every entry out, then releases them.
pub(super) unsafe fn empty(cache: *mut LruCache) {
    // SAFETY: the caller passes a live object; releasing runs after the table is whole again.
    unsafe {
        let entries = locked(cache.cast(), || (*cache).table.take());
        for entry in entries {
            entry.release();
        }
    }
}
