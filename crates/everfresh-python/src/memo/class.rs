//! How a type with a vectorcall slot is declared. The declarations live as long as the process, as CPython asks.

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyType;
use std::ffi::CStr;
use std::os::raw::{c_int, c_void};
use std::ptr;

/// Where the fields are that CPython itself reads.
pub(super) struct Offsets {
    pub(super) vectorcall: usize,
    pub(super) dict: usize,
    pub(super) weakrefs: usize,
}

/// A type whose calls, `__dict__` and weak references CPython finds by `offsets`.
pub(super) fn make<'py>(
    py: Python<'py>,
    name: &'static CStr,
    size: usize,
    offsets: &Offsets,
    methods: Vec<ffi::PyMethodDef>,
    getters: Vec<ffi::PyGetSetDef>,
    slots: Vec<(c_int, *mut c_void)>,
) -> PyResult<Bound<'py, PyType>> {
    let member = |name: &'static CStr, offset: usize| ffi::PyMemberDef {
        name: name.as_ptr(),
        type_code: ffi::Py_T_PYSSIZET,
        offset: offset as ffi::Py_ssize_t,
        flags: ffi::Py_READONLY,
        doc: ptr::null(),
    };
    let end = ffi::PyMemberDef { name: ptr::null(), type_code: 0, offset: 0, flags: 0, doc: ptr::null() };
    let members = Box::leak(Box::new([
        member(c"__vectorcalloffset__", offsets.vectorcall),
        member(c"__dictoffset__", offsets.dict),
        member(c"__weaklistoffset__", offsets.weakrefs),
        end,
    ]));
    let dict = ffi::PyGetSetDef {
        name: c"__dict__".as_ptr(),
        get: Some(ffi::PyObject_GenericGetDict),
        set: Some(ffi::PyObject_GenericSetDict),
        doc: ptr::null(),
        closure: ptr::null_mut(),
    };
    let methods = leak(methods, ffi::PyMethodDef::zeroed());
    let no_getter =
        ffi::PyGetSetDef { name: ptr::null(), get: None, set: None, doc: ptr::null(), closure: ptr::null_mut() };
    let getters = leak(getters.into_iter().chain([dict]).collect(), no_getter);
    let own = [
        (ffi::Py_tp_call, ffi::PyVectorcall_Call as *mut c_void),
        (ffi::Py_tp_members, members.as_mut_ptr().cast()),
        (ffi::Py_tp_methods, methods.cast()),
        (ffi::Py_tp_getset, getters.cast()),
    ];
    let slots: Vec<_> = slots.into_iter().chain(own).map(|(slot, pfunc)| ffi::PyType_Slot { slot, pfunc }).collect();
    let mut spec = ffi::PyType_Spec {
        name: name.as_ptr(),
        basicsize: size as c_int,
        itemsize: 0,
        flags: (ffi::Py_TPFLAGS_DEFAULT
            | ffi::Py_TPFLAGS_BASETYPE
            | ffi::Py_TPFLAGS_HAVE_GC
            | ffi::Py_TPFLAGS_HAVE_VECTORCALL
            | ffi::Py_TPFLAGS_METHOD_DESCRIPTOR
            | ffi::Py_TPFLAGS_IMMUTABLETYPE) as _,
        slots: leak(slots, ffi::PyType_Slot { slot: 0, pfunc: ptr::null_mut() }),
    };
    // SAFETY: every array ends with its mark and is never freed; the functions have the types that their slots ask for.
    let class = unsafe { Bound::from_owned_ptr_or_err(py, ffi::PyType_FromSpec(&raw mut spec))? };
    Ok(class.cast_into::<PyType>()?)
}

/// A declaration that CPython reads up to its end mark, for as long as the process lives.
pub(super) fn leak<T>(mut items: Vec<T>, end: T) -> *mut T {
    items.push(end);
    items.leak().as_mut_ptr()
}

/// A method without arguments.
pub(super) fn without_arguments(name: &'static CStr, method: ffi::PyCFunction, doc: &'static CStr) -> ffi::PyMethodDef {
    self::method(name, ffi::PyMethodDefPointer { PyCFunction: method }, ffi::METH_NOARGS, doc)
}

/// A method of one positional argument.
pub(super) fn of_one(name: &'static CStr, method: ffi::PyCFunction, doc: &'static CStr) -> ffi::PyMethodDef {
    self::method(name, ffi::PyMethodDefPointer { PyCFunction: method }, ffi::METH_O, doc)
}

/// A method that gets its positional arguments as a tuple, and keywords as a dict or null.
pub(super) fn with_keywords(
    name: &'static CStr,
    method: ffi::PyCFunctionWithKeywords,
    doc: &'static CStr,
) -> ffi::PyMethodDef {
    let pointer = ffi::PyMethodDefPointer { PyCFunctionWithKeywords: method };
    self::method(name, pointer, ffi::METH_VARARGS | ffi::METH_KEYWORDS, doc)
}

fn method(name: &'static CStr, pointer: ffi::PyMethodDefPointer, flags: c_int, doc: &'static CStr) -> ffi::PyMethodDef {
    ffi::PyMethodDef { ml_name: name.as_ptr(), ml_meth: pointer, ml_flags: flags, ml_doc: doc.as_ptr() }
}

unsafe extern "C" {
    fn PyMethod_New(function: *mut ffi::PyObject, object: *mut ffi::PyObject) -> *mut ffi::PyObject;
}

/// `__get__` as functions have it: bound to an instance, itself on the class.
pub(super) unsafe extern "C" fn bind(
    me: *mut ffi::PyObject,
    instance: *mut ffi::PyObject,
    _class: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: CPython passes live objects, or null for no instance.
    unsafe {
        if instance.is_null() || instance == ffi::Py_None() {
            ffi::Py_INCREF(me);
            return me;
        }
        PyMethod_New(me, instance)
    }
}

/// Pickled by its name, as functions are.
pub(super) unsafe extern "C" fn reduce(me: *mut ffi::PyObject, _: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: CPython passes a live object.
    unsafe { ffi::PyObject_GetAttrString(me, c"__qualname__".as_ptr()) }
}

/// A copy is the object itself, as with functions.
pub(super) unsafe extern "C" fn itself(me: *mut ffi::PyObject, _: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: CPython passes a live object.
    unsafe { ffi::Py_INCREF(me) };
    me
}
