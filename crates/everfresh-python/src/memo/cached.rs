//! `_native.CachedFunction` as a Python type: the memory tier of `everfresh.cached`, whose slow path is Python.
//!
//! A call that finds a plain entry in time, while the guard holds, returns its value here. All else is for `slow(self,
//! args, kwargs, state)`, which returns the result and puts it in itself; or a `Pending`, which is run here. `state` is that
//! of an entry that was found in time and is not plain, or `None`: then nothing usable was found, the guard fails, or the
//! arguments fit no parameter or have no hash.

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple, PyType};
use std::mem::offset_of;
use std::os::raw::{c_int, c_void};
use std::ptr;

use super::bind::Signature;
use super::table::{Extra, Table};
use super::{cached_call, cached_methods, class};

/// No bound, and no deadline.
pub(super) const NEVER: u64 = u64::MAX;

#[repr(C)]
pub(super) struct CachedFunction {
    header: ffi::PyObject,
    vectorcall: ffi::vectorcallfunc,
    /// How many positional arguments alone are a key as they come.
    pub(super) direct: usize,
    /// Something that has to hold before an entry is served, or null.
    pub(super) guard: *mut ffi::PyObject,
    pub(super) hits: u64,
    pub(super) misses: u64,
    /// Nanoseconds after which an entry that nobody asked for is not served, or [`NEVER`].
    pub(super) idle: u64,
    pub(super) maxsize: usize,
    pub(super) maxbytes: usize,
    /// The sum of the sizes of all entries.
    pub(super) bytes: usize,
    pub(super) table: Table<Held>,
    pub(super) signature: Signature,
    /// Null once the collector has taken the object apart.
    pub(super) slow: *mut ffi::PyObject,
    dict: *mut ffi::PyObject,
    weakrefs: *mut ffi::PyObject,
}

/// What an entry holds besides key and value.
pub(super) struct Held {
    /// When it ends, by the monotonic clock in nanoseconds, or [`NEVER`].
    pub(super) deadline: u64,
    /// When it was last asked for; kept only where `idle` is set.
    pub(super) used: u64,
    pub(super) size: usize,
    pub(super) state: *mut ffi::PyObject,
    /// What makes a value for a caller from the stored one, or null.
    pub(super) copy: *mut ffi::PyObject,
    /// Whether nothing has to be looked at but the guard and the clock.
    pub(super) simple: bool,
}

impl Extra for Held {
    unsafe fn traverse(&self, visit: ffi::visitproc, argument: *mut c_void) -> c_int {
        for object in [self.state, self.copy].into_iter().filter(|object| !object.is_null()) {
            // SAFETY: the collector's own function is called with its own argument, on live objects.
            let stop = unsafe { visit(object, argument) };
            if stop != 0 {
                return stop;
            }
        }
        0
    }

    unsafe fn release(self) {
        // SAFETY: the entry owned a reference of each.
        unsafe {
            ffi::Py_XDECREF(self.state);
            ffi::Py_XDECREF(self.copy);
        }
    }
}

impl CachedFunction {
    pub(super) fn bounded(&self) -> bool {
        self.maxsize != usize::MAX || self.maxbytes != usize::MAX
    }
}

pub(super) fn class(py: Python<'_>) -> PyResult<Bound<'_, PyType>> {
    let offsets = class::Offsets {
        vectorcall: offset_of!(CachedFunction, vectorcall),
        dict: offset_of!(CachedFunction, dict),
        weakrefs: offset_of!(CachedFunction, weakrefs),
    };
    let slots = vec![
        (ffi::Py_tp_new, new as *mut c_void),
        (ffi::Py_tp_dealloc, dealloc as *mut c_void),
        (ffi::Py_tp_traverse, traverse as *mut c_void),
        (ffi::Py_tp_clear, clear as *mut c_void),
        (ffi::Py_tp_descr_get, cached_methods::bind as *mut c_void),
        (ffi::Py_mp_length, cached_methods::len as *mut c_void),
        (ffi::Py_nb_bool, always as *mut c_void),
        (ffi::Py_tp_doc, c"A function whose results are kept; made by `everfresh.cached`.".as_ptr() as *mut c_void),
    ];
    class::make(
        py,
        c"everfresh._native.CachedFunction",
        size_of::<CachedFunction>(),
        &offsets,
        cached_methods::all(),
        cached_methods::getters(),
        slots,
    )
}

/// A function is true, whether it has entries or not.
unsafe extern "C" fn always(_: *mut ffi::PyObject) -> c_int {
    1
}

unsafe extern "C" fn new(
    class: *mut ffi::PyTypeObject,
    arguments: *mut ffi::PyObject,
    keywords: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: CPython calls this attached, with a tuple and a dict or null.
    let made = unsafe {
        let py = Python::assume_attached();
        let made = || -> PyResult<*mut ffi::PyObject> {
            let arguments = Bound::from_borrowed_ptr(py, arguments).cast_into::<PyTuple>()?;
            let keywords = match Bound::from_borrowed_ptr_or_opt(py, keywords) {
                Some(keywords) => keywords.cast_into::<PyDict>()?,
                None => PyDict::new(py),
            };
            make(class, &arguments, &keywords)
        };
        made().map_err(|error| error.restore(py))
    };
    made.unwrap_or(ptr::null_mut())
}

/// A keyword argument that has to be there.
fn need<'py, T: for<'a> FromPyObject<'a, 'py>>(keywords: &Bound<'py, PyDict>, name: &str) -> PyResult<T> {
    let value = keywords
        .get_item(name)?
        .ok_or_else(|| PyTypeError::new_err(format!("CachedFunction needs the keyword argument `{name}`")))?;
    value.extract().map_err(Into::into)
}

unsafe fn make(
    class: *mut ffi::PyTypeObject,
    arguments: &Bound<'_, PyTuple>,
    keywords: &Bound<'_, PyDict>,
) -> PyResult<*mut ffi::PyObject> {
    let (function, slow): (Bound<'_, PyAny>, Bound<'_, PyAny>) = arguments.extract()?;
    if !function.is_callable() || !slow.is_callable() {
        return Err(PyTypeError::new_err("the first two arguments must be callable"));
    }
    let maxsize: Option<usize> = need(keywords, "maxsize")?;
    let maxbytes: Option<usize> = need(keywords, "maxbytes")?;
    let idle: Option<u64> = need(keywords, "idle_ns")?;
    let guard: Option<Py<PyAny>> = need(keywords, "guard")?;
    let is_async: bool = need(keywords, "is_async")?;
    let mut signature = signature(keywords)?;
    // SAFETY: a heap type always has an allocator; every field is written before Python can see the object.
    unsafe {
        let me = (*class).tp_alloc.map_or(ptr::null_mut(), |allocate| allocate(class, 0));
        if me.is_null() {
            signature.release();
            return Err(PyErr::fetch(arguments.py()));
        }
        let cached = me.cast::<CachedFunction>();
        (&raw mut (*cached).vectorcall).write(cached_call::choose(is_async));
        (&raw mut (*cached).table).write(Table::new(maxsize.is_some() || maxbytes.is_some()));
        (*cached).direct = signature.direct();
        (&raw mut (*cached).signature).write(signature);
        (*cached).guard = guard.map_or(ptr::null_mut(), Py::into_ptr);
        (*cached).idle = idle.unwrap_or(NEVER);
        (*cached).maxsize = maxsize.unwrap_or(usize::MAX);
        (*cached).maxbytes = maxbytes.unwrap_or(usize::MAX);
        (*cached).slow = slow.into_ptr();
        let me = Bound::from_owned_ptr(arguments.py(), me);
        me.setattr("__wrapped__", function)?;
        Ok(me.into_ptr())
    }
}

fn signature(keywords: &Bound<'_, PyDict>) -> PyResult<Signature> {
    let names: Vec<Bound<'_, PyString>> = need(keywords, "names")?;
    let positional_only: usize = need(keywords, "positional_only")?;
    let positional: usize = need(keywords, "positional")?;
    let defaults: Vec<(usize, Py<PyAny>)> = need(keywords, "defaults")?;
    let ignore: Vec<usize> = need(keywords, "ignore")?;
    let (var_positional, var_keyword): (bool, bool) =
        (need(keywords, "var_positional")?, need(keywords, "var_keyword")?);
    let typed: bool = need(keywords, "typed")?;
    let outside = |position: &usize| *position >= names.len();
    if positional_only > positional
        || positional > names.len()
        || ignore.iter().any(outside)
        || defaults.iter().any(|(position, _)| outside(position))
    {
        return Err(PyValueError::new_err("the positions do not fit the names"));
    }
    let mut by_name = vec![ptr::null_mut(); names.len()];
    for (position, default) in defaults {
        // SAFETY: a second default of a position replaces the first.
        unsafe { ffi::Py_XDECREF(std::mem::replace(&mut by_name[position], default.into_ptr())) };
    }
    let interned = |name: &Bound<'_, PyString>| {
        let mut name = name.clone().into_ptr();
        // SAFETY: the call takes the reference of a live `str` and gives one of the interned object; hashing makes the
        // `str` ready to be compared.
        unsafe {
            ffi::PyUnicode_InternInPlace(&raw mut name);
            ffi::PyObject_Hash(name);
        }
        name
    };
    Ok(Signature {
        keyed: (0..names.len()).filter(|position| !ignore.contains(position)).collect(),
        names: names.iter().map(interned).collect(),
        defaults: by_name,
        retired: Vec::new(),
        positional_only,
        positional,
        var_positional,
        var_keyword,
        typed,
    })
}

unsafe extern "C" fn traverse(me: *mut ffi::PyObject, visit: ffi::visitproc, argument: *mut c_void) -> c_int {
    let cached = me.cast::<CachedFunction>();
    // SAFETY: the collector calls this while nothing else runs; every object here is live or null.
    unsafe {
        let fields = [ffi::Py_TYPE(me).cast(), (*cached).slow, (*cached).guard, (*cached).dict];
        let signature = &raw const (*cached).signature;
        let objects =
            fields.iter().chain(&(*signature).defaults).chain(&(*signature).retired).filter(|object| !object.is_null());
        for object in objects {
            let stop = visit(*object, argument);
            if stop != 0 {
                return stop;
            }
        }
        (*cached).table.traverse(visit, argument)
    }
}

unsafe extern "C" fn clear(me: *mut ffi::PyObject) -> c_int {
    let cached = me.cast::<CachedFunction>();
    // SAFETY: each field is emptied before what it held is released; the dict comes last, as in `LruCache`.
    unsafe {
        cached_methods::empty(cached);
        ffi::Py_CLEAR(&raw mut (*cached).slow);
        ffi::Py_CLEAR(&raw mut (*cached).guard);
        (*cached).direct = usize::MAX;
        let signature = &raw mut (*cached).signature;
        (*signature).release();
        ffi::Py_CLEAR(&raw mut (*cached).dict);
    }
    0
}

unsafe extern "C" fn dealloc(me: *mut ffi::PyObject) {
    let cached = me.cast::<CachedFunction>();
    // SAFETY: nobody refers to the object any more; the order is the one that CPython asks for.
    unsafe {
        let class = ffi::Py_TYPE(me);
        ffi::PyObject_GC_UnTrack(me.cast());
        if !(*cached).weakrefs.is_null() {
            ffi::PyObject_ClearWeakRefs(me);
        }
        clear(me);
        ptr::drop_in_place(&raw mut (*cached).table);
        ptr::drop_in_place(&raw mut (*cached).signature);
        if let Some(free) = (*class).tp_free {
            free(me.cast());
        }
        ffi::Py_DECREF(class.cast());
    }
}
