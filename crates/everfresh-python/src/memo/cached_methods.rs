//! The methods of `_native.CachedFunction`, for its slow path.

use pyo3::IntoPyObjectExt;
use pyo3::exceptions::PyTypeError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use std::os::raw::{c_int, c_void};
use std::ptr;

use super::cached::{CachedFunction, Held, NEVER};
use super::cached_entry::{Arguments, Find, Put, Remove};
use super::class::{itself, of_one, reduce, with_keywords, without_arguments};
use super::table::Extra;
use super::{clock, locked};
use crate::once::intern;

pub(super) fn all() -> Vec<ffi::PyMethodDef> {
    vec![
        with_keywords(
            c"put",
            put,
            c"put($self, args, kwargs, value, /, *, deadline_ns=None, size=0, simple=True, state=None, copy=None)\n--\n\nStore a result; tell whether it was stored: not if it is larger than the bound, nor if the arguments make no key.",
        ),
        with_keywords(
            c"find",
            find,
            c"find($self, args, kwargs, /)\n--\n\nThe value and the state of an entry, past its deadline or not, or None. Not a use of it.",
        ),
        with_keywords(
            c"use",
            find_used,
            c"use($self, args, kwargs, /)\n--\n\nThe same, for a call: not what was idle for too long; it is the last used now.",
        ),
        with_keywords(
            c"remove",
            remove,
            c"remove($self, args, kwargs, /)\n--\n\nRemove an entry; tell whether there was one.",
        ),
        without_arguments(c"clear", clear, c"clear($self, /)\n--\n\nRemove every entry; count from zero again."),
        without_arguments(c"forget", forget, c"forget($self, /)\n--\n\nRemove every entry."),
        without_arguments(
            c"info",
            info,
            c"info($self, /)\n--\n\n(hits, misses, maxsize or None, entries, maxbytes or None, bytes)",
        ),
        without_arguments(
            c"items",
            items,
            c"items($self, /)\n--\n\nA list of (arguments, names or None, value, state, deadline_ns or None, size), in no order.",
        ),
        without_arguments(c"hit", hit, c"hit($self, /)\n--\n\nCount a hit that the slow path served."),
        without_arguments(c"miss", miss, c"miss($self, /)\n--\n\nCount a miss."),
        with_keywords(c"count", count, c"count($self, hits, misses, /)\n--\n\nCount calls of another table too."),
        with_keywords(
            c"set_defaults",
            set_defaults,
            c"set_defaults($self, defaults, /)\n--\n\nReplace the defaults of parameters: pairs of a position and a value. Entries stay.",
        ),
        with_keywords(c"__set_name__", set_name, c"Calls `_on_set_name(owner, name)` if there is one."),
        without_arguments(c"__reduce__", reduce, c""),
        without_arguments(c"__copy__", itself, c""),
        of_one(c"__deepcopy__", itself, c""),
    ]
}

pub(super) fn getters() -> Vec<ffi::PyGetSetDef> {
    vec![ffi::PyGetSetDef {
        name: c"guard".as_ptr(),
        get: Some(get_guard),
        set: Some(set_guard),
        doc: c"What has to hold before an entry is served, or None.".as_ptr(),
        closure: ptr::null_mut(),
    }]
}

/// Restores an error of `body` for CPython.
pub(super) unsafe fn answer<'py, T: IntoPyObject<'py>>(
    body: impl FnOnce(Python<'py>) -> PyResult<T>,
) -> *mut ffi::PyObject {
    // SAFETY: CPython calls methods attached.
    let py = unsafe { Python::assume_attached() };
    let made = body(py).and_then(|value| value.into_py_any(py).map(Py::into_ptr));
    made.unwrap_or_else(|error| {
        error.restore(py);
        ptr::null_mut()
    })
}

unsafe extern "C" fn put(
    me: *mut ffi::PyObject,
    arguments: *mut ffi::PyObject,
    keywords: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: CPython passes a live object of this type, a tuple, and a dict or null.
    unsafe {
        answer(|py| {
            let cached = me.cast::<CachedFunction>();
            let (args, kwargs, value): (Bound<'_, PyAny>, Bound<'_, PyAny>, Bound<'_, PyAny>) =
                Bound::from_borrowed_ptr(py, arguments).extract()?;
            let keywords = match Bound::from_borrowed_ptr_or_opt(py, keywords) {
                Some(keywords) => keywords.cast_into::<PyDict>()?,
                None => PyDict::new(py),
            };
            let given = |name: &str| keywords.get_item(name).map(|value| value.filter(|value| !value.is_none()));
            let deadline: Option<u64> = given("deadline_ns")?.map(|value| value.extract()).transpose()?;
            let size: usize = given("size")?.map_or(Ok(0), |value| value.extract())?;
            let simple: bool = given("simple")?.map_or(Ok(true), |value| value.extract())?;
            let (state, copy) = (given("state")?, given("copy")?);
            if let Some(unknown) = keywords.keys().iter().find(|name| {
                !["deadline_ns", "size", "simple", "state", "copy"].iter().any(|known| name.eq(known).unwrap_or(false))
            }) {
                return Err(PyTypeError::new_err(format!("put() got an unexpected keyword argument {unknown}")));
            }
            if (*cached).maxsize == 0 {
                return Ok(false);
            }
            let arguments = Arguments::new(&args, &kwargs)?;
            if size > (*cached).maxbytes {
                // The result in place is older than the one that is refused.
                if let Some(Some(entry)) = arguments.with(cached, Remove { cached })?.transpose()? {
                    entry.release();
                }
                return Ok(false);
            }
            let held = Held {
                deadline: deadline.unwrap_or(NEVER),
                used: clock::now(),
                size,
                state: state.map_or(ptr::null_mut(), Bound::into_ptr),
                copy: copy.map_or(ptr::null_mut(), Bound::into_ptr),
                simple,
            };
            let mut waiting = Some((value.into_ptr(), held));
            let stored = arguments.with(cached, Put { cached, waiting: &mut waiting });
            if let Some((value, held)) = waiting {
                ffi::Py_DECREF(value);
                held.release();
            }
            let (kept, gone) = stored?.transpose()?.unwrap_or((false, Vec::new()));
            for entry in gone {
                entry.release();
            }
            Ok(kept)
        })
    }
}

/// The two arguments of `find` and `remove`.
unsafe fn two<'py>(
    py: Python<'py>,
    arguments: *mut ffi::PyObject,
    keywords: *mut ffi::PyObject,
) -> PyResult<Arguments<'py>> {
    // SAFETY: CPython passes a tuple, and a dict or null.
    let (arguments, keywords) =
        unsafe { (Bound::from_borrowed_ptr(py, arguments), Bound::from_borrowed_ptr_or_opt(py, keywords)) };
    if keywords.is_some() {
        return Err(PyTypeError::new_err("expected two positional arguments"));
    }
    let (args, kwargs): (Bound<'_, PyAny>, Bound<'_, PyAny>) = arguments.extract()?;
    Arguments::new(&args, &kwargs)
}

unsafe extern "C" fn find(
    me: *mut ffi::PyObject,
    arguments: *mut ffi::PyObject,
    keywords: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    let cached = me.cast::<CachedFunction>();
    // SAFETY: CPython passes a live object of this type.
    unsafe {
        answer(|py| {
            Ok(two(py, arguments, keywords)?.with(cached, Find { cached, uses: false })?.transpose()?.flatten())
        })
    }
}

unsafe extern "C" fn find_used(
    me: *mut ffi::PyObject,
    arguments: *mut ffi::PyObject,
    keywords: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    let cached = me.cast::<CachedFunction>();
    // SAFETY: CPython passes a live object of this type.
    unsafe {
        answer(|py| Ok(two(py, arguments, keywords)?.with(cached, Find { cached, uses: true })?.transpose()?.flatten()))
    }
}

unsafe extern "C" fn remove(
    me: *mut ffi::PyObject,
    arguments: *mut ffi::PyObject,
    keywords: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    let cached = me.cast::<CachedFunction>();
    // SAFETY: CPython passes a live object of this type; the entry is released when the table is whole.
    unsafe {
        answer(|py| {
            let entry = two(py, arguments, keywords)?.with(cached, Remove { cached })?.transpose()?.flatten();
            let removed = entry.is_some();
            if let Some(entry) = entry {
                entry.release();
            }
            Ok(removed)
        })
    }
}

unsafe extern "C" fn clear(me: *mut ffi::PyObject, _: *mut ffi::PyObject) -> *mut ffi::PyObject {
    let cached = me.cast::<CachedFunction>();
    // SAFETY: CPython passes a live object of this type.
    unsafe {
        locked(me, || {
            (*cached).hits = 0;
            (*cached).misses = 0;
        });
        empty(cached);
        answer(|_| Ok(()))
    }
}

unsafe extern "C" fn forget(me: *mut ffi::PyObject, _: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: CPython passes a live object of this type.
    unsafe {
        empty(me.cast());
        answer(|_| Ok(()))
    }
}

/// Takes every entry out, then releases them.
pub(super) unsafe fn empty(cached: *mut CachedFunction) {
    // SAFETY: the caller passes a live object; releasing runs after the table is whole again.
    unsafe {
        let entries = locked(cached.cast(), || {
            (*cached).bytes = 0;
            (*cached).table.take()
        });
        for entry in entries {
            entry.release();
        }
    }
}

unsafe extern "C" fn info(me: *mut ffi::PyObject, _: *mut ffi::PyObject) -> *mut ffi::PyObject {
    let cached = me.cast::<CachedFunction>();
    let bound = |bound: usize| Some(bound).filter(|bound| *bound != usize::MAX);
    // SAFETY: CPython passes a live object of this type.
    unsafe {
        let info = locked(me, || {
            (
                (*cached).hits,
                (*cached).misses,
                bound((*cached).maxsize),
                (*cached).table.len(),
                bound((*cached).maxbytes),
                (*cached).bytes,
            )
        });
        answer(|_| Ok(info))
    }
}

unsafe extern "C" fn items(me: *mut ffi::PyObject, _: *mut ffi::PyObject) -> *mut ffi::PyObject {
    let cached = me.cast::<CachedFunction>();
    // SAFETY: CPython passes a live object of this type. References are taken first, and objects made after: making one
    // may run the collector, and that any code.
    unsafe {
        answer(|py| {
            let own = |object: *mut ffi::PyObject| Bound::from_borrowed_ptr_or_opt(py, object);
            let seen: Vec<_> = locked(me, || {
                let table = &raw const (*cached).table;
                let entries = (*table).entries().iter();
                entries
                    .map(|entry| {
                        let mut arguments = Vec::new();
                        let names = entry.key.elements(|element| arguments.extend(own(element)));
                        let deadline = Some(entry.extra.deadline).filter(|deadline| *deadline != NEVER);
                        (arguments, own(names), own(entry.value), own(entry.extra.state), deadline, entry.extra.size)
                    })
                    .collect()
            });
            seen.into_iter()
                .map(|(arguments, names, value, state, deadline, size)| {
                    Ok((PyTuple::new(py, arguments)?, names, value, state, deadline, size))
                })
                .collect::<PyResult<Vec<_>>>()
        })
    }
}

unsafe extern "C" fn hit(me: *mut ffi::PyObject, _: *mut ffi::PyObject) -> *mut ffi::PyObject {
    let cached = me.cast::<CachedFunction>();
    // SAFETY: CPython passes a live object of this type.
    unsafe {
        locked(me, || (*cached).hits += 1);
        answer(|_| Ok(()))
    }
}

unsafe extern "C" fn miss(me: *mut ffi::PyObject, _: *mut ffi::PyObject) -> *mut ffi::PyObject {
    let cached = me.cast::<CachedFunction>();
    // SAFETY: CPython passes a live object of this type.
    unsafe {
        locked(me, || (*cached).misses += 1);
        answer(|_| Ok(()))
    }
}

unsafe extern "C" fn count(
    me: *mut ffi::PyObject,
    arguments: *mut ffi::PyObject,
    _: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    let cached = me.cast::<CachedFunction>();
    // SAFETY: CPython passes a live object of this type and a tuple.
    unsafe {
        answer(|py| {
            let (hits, misses): (u64, u64) = Bound::from_borrowed_ptr(py, arguments).extract()?;
            locked(me, || {
                (*cached).hits += hits;
                (*cached).misses += misses;
            });
            Ok(())
        })
    }
}

unsafe extern "C" fn set_defaults(
    me: *mut ffi::PyObject,
    arguments: *mut ffi::PyObject,
    _: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    let cached = me.cast::<CachedFunction>();
    // SAFETY: CPython passes a live object of this type and a tuple. What is replaced stays alive: a call on the way may hold it.
    unsafe {
        answer(|py| {
            let (defaults,): (Vec<(usize, Py<PyAny>)>,) = Bound::from_borrowed_ptr(py, arguments).extract()?;
            let count = locked(me, || (*cached).signature.names.len());
            let mut fresh = vec![ptr::null_mut(); count];
            for (position, default) in defaults {
                let place = fresh.get_mut(position).ok_or_else(|| PyTypeError::new_err("no such parameter"))?;
                *place = default.into_ptr();
            }
            locked(me, || {
                let signature = &mut (*cached).signature;
                let old = std::mem::replace(&mut signature.defaults, fresh);
                signature.retired.extend(old.into_iter().filter(|default| !default.is_null()));
            });
            Ok(())
        })
    }
}

unsafe extern "C" fn set_name(
    me: *mut ffi::PyObject,
    arguments: *mut ffi::PyObject,
    _: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: CPython passes a live object of this type and a tuple.
    unsafe {
        answer(|py| {
            let me = Bound::from_borrowed_ptr(py, me);
            let (owner, name): (Bound<'_, PyAny>, Bound<'_, PyAny>) =
                Bound::from_borrowed_ptr(py, arguments).extract()?;
            if let Some(told) = me.getattr_opt("_on_set_name")? {
                told.call1((owner, name))?;
            }
            Ok(())
        })
    }
}

/// `__get__`: to a class, which a `classmethod` gives, by `_class_bound(self, class)` if there is one.
pub(super) unsafe extern "C" fn bind(
    me: *mut ffi::PyObject,
    instance: *mut ffi::PyObject,
    class: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: CPython passes live objects, or null for no instance.
    unsafe {
        if !instance.is_null() && ffi::PyType_Check(instance) != 0 {
            let py = Python::assume_attached();
            let (me, owner) = (Bound::from_borrowed_ptr(py, me), Bound::from_borrowed_ptr(py, instance));
            let make = me.getattr_opt(intern!(py, "_class_bound"));
            match make.and_then(|make| make.map(|make| make.call1((me, owner))).transpose()) {
                Ok(Some(bound)) => return bound.into_ptr(),
                Ok(None) => {}
                Err(error) => {
                    error.restore(py);
                    return ptr::null_mut();
                }
            }
        }
        super::class::bind(me, instance, class)
    }
}

pub(super) unsafe extern "C" fn len(me: *mut ffi::PyObject) -> ffi::Py_ssize_t {
    let cached = me.cast::<CachedFunction>();
    // SAFETY: CPython passes a live object of this type.
    unsafe { locked(me, || (*cached).table.len()) as ffi::Py_ssize_t }
}

unsafe extern "C" fn get_guard(me: *mut ffi::PyObject, _: *mut c_void) -> *mut ffi::PyObject {
    let cached = me.cast::<CachedFunction>();
    // SAFETY: CPython passes a live object of this type.
    unsafe {
        locked(me, || {
            let guard = if (*cached).guard.is_null() { ffi::Py_None() } else { (*cached).guard };
            ffi::Py_INCREF(guard);
            guard
        })
    }
}

unsafe extern "C" fn set_guard(me: *mut ffi::PyObject, guard: *mut ffi::PyObject, _: *mut c_void) -> c_int {
    let cached = me.cast::<CachedFunction>();
    // SAFETY: CPython passes a live object of this type, and a live object or null; the old guard is released after.
    unsafe {
        let guard = if guard == ffi::Py_None() { ptr::null_mut() } else { guard };
        ffi::Py_XINCREF(guard);
        let old = locked(me, || std::mem::replace(&mut (*cached).guard, guard));
        ffi::Py_XDECREF(old);
    }
    0
}
