//! Memoized functions in memory: callables that look their arguments up before they call.
//!
//! | module | what it holds |
//! | --- | --- |
//! | `layout` | value, hash and equality of exact `int` and `str`, read from their layout |
//! | `key` | arguments as a key: looked for without a tuple, owned once stored |
//! | `table` | the index, the entries, the exact LRU list |
//! | `call` | the calls of `LruCache`, chosen once when it is made |
//! | `object`, `methods` | `_native.LruCache` as a Python type: life, garbage collection, methods |
//! | `bind` | arguments in canonical order: positions, names and defaults meet |
//! | `cached`, `cached_call`, `cached_entry`, `cached_methods` | `_native.CachedFunction`, the table behind `cached` |
//! | `precomputed` | `_native.Precomputed`, the table behind `precomputed` |
//! | `ready` | `_native.Ready`: a hit of a coroutine function |
//! | `clock` | the clock of deadlines |
//! | `class` | how a type with a vectorcall slot is declared |
//!
//! Everything here is raw CPython: PyO3's `__call__` alone costs 0.7 of a `functools.lru_cache` hit. What holds
//! throughout:
//! - Python code runs only in `PyObject_Hash`, in the comparisons of `Table::find`, in the wrapped function and where a
//!   reference is given up. The table is whole at each of these, and nothing borrows from it.
//! - Reference counts: an entry owns its key's objects and its value; a hit returns a new reference.
//! - With `Py_GIL_DISABLED` each look at the table is in the object's critical section, never the wrapped function. A
//!   critical section is given up where Python blocks: to the table that is one more `__eq__` that lets others in.
#![allow(unsafe_code)]

use pyo3::ffi;
use pyo3::prelude::*;

mod bind;
mod cached;
mod cached_call;
mod cached_entry;
mod cached_methods;
mod call;
mod class;
mod clock;
mod key;
mod layout;
mod methods;
mod object;
mod precomputed;
mod ready;
mod table;

/// Adds the types of this module to the extension module.
pub(crate) fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("LruCache", object::class(module.py())?)?;
    module.add("Ready", ready::class(module.py())?)?;
    module.add("CachedFunction", cached::class(module.py())?)?;
    module.add("Precomputed", precomputed::class(module.py())?)
}

/// Whether a guard holds. Without one of our own, an object that is true does.
///
/// # Safety
/// `guard` is a live object, and the calling thread is attached.
unsafe fn guard_holds(guard: *mut ffi::PyObject) -> bool {
    // SAFETY: promised by the caller. An error means that nobody knows: it is dropped, and the guard fails.
    unsafe {
        if crate::guard::is_guard(guard) {
            return crate::guard::holds(guard);
        }
        let holds = ffi::PyObject_IsTrue(guard);
        if holds < 0 {
            ffi::PyErr_Clear();
        }
        holds == 1
    }
}

/// Runs `body` in the critical section of `object`: nothing to do where there is a global lock.
#[inline(always)]
unsafe fn locked<R>(object: *mut ffi::PyObject, body: impl FnOnce() -> R) -> R {
    #[cfg(Py_GIL_DISABLED)]
    {
        let mut section = std::mem::MaybeUninit::uninit();
        // SAFETY: the section is begun and ended once and stays where it is between.
        unsafe { ffi::PyCriticalSection_Begin(section.as_mut_ptr(), object) };
        let result = body();
        // SAFETY: it was begun above.
        unsafe { ffi::PyCriticalSection_End(section.as_mut_ptr()) };
        result
    }
    #[cfg(not(Py_GIL_DISABLED))]
    {
        let _ = object;
        body()
    }
}
