//! `_native.Ready`: a result that is there, as an awaitable. A hit of a coroutine function returns it.
//!
//! It does what the coroutine of a function that returns at once does, without a frame: it may be awaited once, and it is a
//! `collections.abc.Coroutine`, so tasks take it. One that is never awaited warns nobody, since nothing was left undone.
//!
//! `value` is null once it was awaited, thrown into or closed. The collector knows only those whose value it knows.

use pyo3::exceptions::{PyBaseException, PyRuntimeError, PyTypeError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyTraceback, PyType};
use std::os::raw::{c_int, c_void};
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering::Relaxed};

use super::cached_methods::answer;
use super::class::{leak, of_one, with_keywords, without_arguments};
use super::locked;

#[repr(C)]
struct Ready {
    header: ffi::PyObject,
    value: *mut ffi::PyObject,
}

/// The type, which lives as long as the process.
static CLASS: AtomicPtr<ffi::PyTypeObject> = AtomicPtr::new(ptr::null_mut());

pub(super) fn class(py: Python<'_>) -> PyResult<Bound<'_, PyType>> {
    let methods = vec![
        of_one(c"send", send, c"send($self, value, /)\n--\n\nEnds with the result, as a coroutine's."),
        with_keywords(c"throw", throw, c"Raises the error, as a coroutine that has not begun."),
        without_arguments(c"close", close, c"close($self, /)\n--\n\nLets go of the result."),
    ];
    let slots = vec![
        (ffi::Py_tp_new, construct as *mut c_void),
        (ffi::Py_tp_dealloc, dealloc as *mut c_void),
        (ffi::Py_tp_traverse, traverse as *mut c_void),
        (ffi::Py_tp_clear, clear as *mut c_void),
        (ffi::Py_tp_iter, itself as *mut c_void),
        (ffi::Py_tp_iternext, next as *mut c_void),
        (ffi::Py_am_await, itself as *mut c_void),
        (ffi::Py_am_send, resume as *mut c_void),
        (ffi::Py_tp_methods, leak(methods, ffi::PyMethodDef::zeroed()).cast()),
        (ffi::Py_tp_doc, c"A result that is there, as an awaitable.".as_ptr() as *mut c_void),
    ];
    let slots = slots.into_iter().map(|(slot, pfunc)| ffi::PyType_Slot { slot, pfunc }).collect();
    let mut spec = ffi::PyType_Spec {
        name: c"everfresh._native.Ready".as_ptr(),
        basicsize: size_of::<Ready>() as c_int,
        itemsize: 0,
        flags: (ffi::Py_TPFLAGS_DEFAULT | ffi::Py_TPFLAGS_HAVE_GC | ffi::Py_TPFLAGS_IMMUTABLETYPE) as _,
        slots: leak(slots, ffi::PyType_Slot { slot: 0, pfunc: ptr::null_mut() }),
    };
    // SAFETY: every array ends with its mark and is never freed; the functions have the types that their slots ask for.
    let class = unsafe { Bound::from_owned_ptr_or_err(py, ffi::PyType_FromSpec(&raw mut spec))? };
    CLASS.store(class.clone().into_ptr().cast(), Relaxed);
    Ok(class.cast_into::<PyType>()?)
}

/// A new one, which takes over the reference of `value`; null with an error set if there is no memory.
///
/// # Safety
/// The thread is attached, `value` is a live object or null with an error set, and `class` was called.
#[inline]
pub(super) unsafe fn new(value: *mut ffi::PyObject) -> *mut ffi::PyObject {
    if value.is_null() {
        return value;
    }
    // SAFETY: promised by the caller; the field is written before anybody sees the object.
    unsafe {
        let me = ffi::PyObject_GC_New::<Ready>(CLASS.load(Relaxed));
        if me.is_null() {
            ffi::Py_DECREF(value);
            return ptr::null_mut();
        }
        (*me).value = value;
        // What holds no object of the collector's is in no cycle.
        if ffi::PyObject_IS_GC(value) != 0 {
            ffi::PyObject_GC_Track(me.cast());
        }
        me.cast()
    }
}

unsafe extern "C" fn construct(
    _: *mut ffi::PyTypeObject,
    arguments: *mut ffi::PyObject,
    keywords: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: CPython passes a tuple, and a dict or null.
    unsafe {
        if ffi::PyTuple_GET_SIZE(arguments) != 1 || !keywords.is_null() {
            ffi::PyErr_SetString(ffi::PyExc_TypeError, c"Ready() takes one positional argument".as_ptr());
            return ptr::null_mut();
        }
        let value = ffi::PyTuple_GET_ITEM(arguments, 0);
        ffi::Py_INCREF(value);
        new(value)
    }
}

unsafe extern "C" fn dealloc(me: *mut ffi::PyObject) {
    // SAFETY: nobody refers to the object any more; the order is the one that CPython asks for.
    unsafe {
        let class = ffi::Py_TYPE(me);
        ffi::PyObject_GC_UnTrack(me.cast());
        clear(me);
        ffi::PyObject_GC_Del(me.cast());
        ffi::Py_DECREF(class.cast());
    }
}

unsafe extern "C" fn traverse(me: *mut ffi::PyObject, visit: ffi::visitproc, argument: *mut c_void) -> c_int {
    // SAFETY: the collector calls this while nothing else runs; every object here is live or null.
    unsafe {
        let stop = visit(ffi::Py_TYPE(me).cast(), argument);
        let value = (*me.cast::<Ready>()).value;
        if stop != 0 || value.is_null() { stop } else { visit(value, argument) }
    }
}

unsafe extern "C" fn clear(me: *mut ffi::PyObject) -> c_int {
    // SAFETY: CPython passes a live object of this type.
    unsafe { ffi::Py_XDECREF(take(me)) };
    0
}

/// The value with its reference; null if it was taken before.
#[inline(always)]
unsafe fn take(me: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: the caller passes a live object of this type.
    unsafe { locked(me, || ptr::replace(&raw mut (*me.cast::<Ready>()).value, ptr::null_mut())) }
}

/// The same for who awaits: it is an error if it was taken before.
#[inline(always)]
unsafe fn take_once(me: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: the caller passes a live object of this type, attached.
    unsafe {
        let value = take(me);
        if value.is_null() {
            ffi::PyErr_SetString(ffi::PyExc_RuntimeError, AGAIN.as_ptr());
        }
        value
    }
}

/// What coroutines say.
const AGAIN: &std::ffi::CStr = c"cannot reuse already awaited coroutine";

unsafe extern "C" fn itself(me: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: CPython passes a live object.
    unsafe { ffi::Py_INCREF(me) };
    me
}

/// How `await` (3.11) and tasks take the result: no `StopIteration` is made.
unsafe extern "C" fn resume(
    me: *mut ffi::PyObject,
    sent: *mut ffi::PyObject,
    result: *mut *mut ffi::PyObject,
) -> ffi::PySendResult {
    // SAFETY: CPython passes a live object of this type, a live object or null, and a place for the result.
    unsafe {
        let nothing_sent = sent.is_null() || sent == ffi::Py_None();
        *result = if nothing_sent {
            take_once(me)
        } else {
            let what = c"can't send non-None value to a just-started coroutine";
            ffi::PyErr_SetString(ffi::PyExc_TypeError, what.as_ptr());
            ptr::null_mut()
        };
        if (*result).is_null() { ffi::PySendResult::PYGEN_ERROR } else { ffi::PySendResult::PYGEN_RETURN }
    }
}

/// Ends an iteration with a value, of which it takes over the reference.
unsafe fn stop(value: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: the caller passes a live object or null with an error set. `StopIteration` is made here: given the value
    // alone, CPython would take a tuple for its arguments.
    unsafe {
        if !value.is_null() && value != ffi::Py_None() {
            let end = ffi::PyObject_CallOneArg(ffi::PyExc_StopIteration, value);
            if !end.is_null() {
                ffi::PyErr_SetObject(ffi::PyExc_StopIteration, end);
                ffi::Py_DECREF(end);
            }
        }
        ffi::Py_XDECREF(value);
    }
    ptr::null_mut()
}

unsafe extern "C" fn next(me: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: CPython passes a live object of this type. No error at all is the end with `None`.
    unsafe { stop(take_once(me)) }
}

unsafe extern "C" fn send(me: *mut ffi::PyObject, sent: *mut ffi::PyObject) -> *mut ffi::PyObject {
    let mut value = ptr::null_mut();
    // SAFETY: CPython passes live objects. A method has to set an error, also for the end with `None`.
    unsafe {
        if resume(me, sent, &raw mut value) == ffi::PySendResult::PYGEN_RETURN && value == ffi::Py_None() {
            ffi::PyErr_SetNone(ffi::PyExc_StopIteration);
        }
        stop(value)
    }
}

unsafe extern "C" fn throw(
    me: *mut ffi::PyObject,
    arguments: *mut ffi::PyObject,
    keywords: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: CPython passes a live object of this type, a tuple, and a dict or null.
    unsafe {
        answer(|py| -> PyResult<()> {
            if !keywords.is_null() {
                return Err(PyTypeError::new_err("throw() takes no keyword arguments"));
            }
            let given = Bound::from_borrowed_ptr(py, arguments).cast_into::<pyo3::types::PyTuple>()?;
            let mut given = given.iter();
            let error = given.next().ok_or_else(|| PyTypeError::new_err("throw() needs an error"))?;
            let value = given.next().filter(|value| !value.is_none());
            let error = match value {
                None => error,
                Some(value) if value.is_instance_of::<PyBaseException>() => value,
                Some(value) => error.call1((value,))?,
            };
            let error = PyErr::from_value(error);
            if let Some(traceback) = given.next().filter(|traceback| !traceback.is_none()) {
                error.set_traceback(py, Some(traceback.cast_into::<PyTraceback>()?));
            }
            let value = Bound::from_owned_ptr_or_opt(py, take(me));
            Err(value.map_or_else(|| PyRuntimeError::new_err(AGAIN.to_string_lossy().into_owned()), |_| error))
        })
    }
}

unsafe extern "C" fn close(me: *mut ffi::PyObject, _: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: CPython passes a live object of this type.
    unsafe {
        clear(me);
        answer(|_| Ok(()))
    }
}
