//! `Guard`: says in nanoseconds that nothing which a walk over a function's code read has changed since.
//!
//! A walk (`python/everfresh/_code.py`) hands over every mutable place that it read, with the objects that it found there;
//! what is immutable in these objects needs no look. Such a place is one of
//!
//! | place | looked at |
//! | --- | --- |
//! | names in a dict (globals, builtins, a module), absent ones included | the version tag; the objects if it moved |
//! | a dict as a whole (an instance's, keyword defaults, a dict as a value) | the same, its order included |
//! | a class | its dict as a whole, its method resolution order |
//! | a function | `__code__`, `__defaults__`, `__kwdefaults__`, that it still has no attributes |
//! | a closure's cell | its object |
//! | a list, a set | its objects, one by one |
//! | an instance | its class |
//!
//! Objects are compared by identity, so a guard may fail where nothing of weight changed (the caller walks again and finds equal
//! items), and never holds where something did. What has no such place (an array, a slot) makes it `volatile`: the caller
//! fingerprints these values again.
//!
//! Version tags: CPython 3.11 to 3.13 give a dict a new number, unique in the process, at each change; 3.14 dropped it. Not so for a
//! dict whose values live in an instance (3.13 stores past it), so a tag counts only while the dict owns its table, and only if
//! the self-test has seen tags move. Otherwise, and on free-threaded builds, objects are compared at each call.
//!
//! Ownership: a guard owns what it expects. An address alone could be taken by another object after the first one was freed, and
//! the guard would hold wrongly. So a replaced global lives until the guard is dropped, which its caller does as soon as it fails.
//! It has `traverse` and no `clear`: no reference in it changes after `__new__`, so like a tuple it is never alone in a cycle.

#![allow(unsafe_code)]

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use crate::once::Once;
use pyo3::exceptions::PyTypeError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyFunction, PyList, PySet, PyString, PyTuple, PyType};
use pyo3::{Borrowed, ffi};

/// Holds while nothing that was handed over has changed.
#[pyclass(frozen, module = "everfresh._native")]
pub struct Guard {
    names: Vec<Names>,
    contents: Vec<Contents>,
    classes: Vec<Class>,
    functions: Vec<Function>,
    cells: Vec<(Py<PyAny>, Option<Py<PyAny>>)>,
    lists: Vec<(Py<PyList>, Py<PyTuple>)>,
    sets: Vec<(Py<PySet>, Py<PyTuple>)>,
    kinds: Vec<(Py<PyAny>, Py<PyType>)>,
    /// Whether the walk met values that only a new fingerprint can compare.
    #[pyo3(get)]
    volatile: bool,
    retired: AtomicBool,
}

/// A dict, and its version tag when it was last seen as expected (0: look at the objects).
struct Tagged {
    dict: Py<PyDict>,
    tag: AtomicU64,
}

/// Some names in a dict; `None` for one that has to be absent.
struct Names {
    dict: Tagged,
    expected: Vec<(Py<PyString>, Option<Py<PyAny>>)>,
}

/// The whole of a dict, in its order.
struct Contents {
    dict: Tagged,
    expected: Vec<(Py<PyAny>, Py<PyAny>)>,
}

struct Class {
    class: Py<PyType>,
    mro: Py<PyAny>,
    contents: Contents,
}

struct Function {
    function: Py<PyFunction>,
    code: Py<PyAny>,
    defaults: Option<Py<PyAny>>,
    kwdefaults: Option<Py<PyAny>>,
    /// Whether it had attributes of its own; if so their dict is watched as well.
    attributes: bool,
}

/// Whether an object is a `Guard`.
///
/// # Safety
/// `object` is a live object, and the calling thread is attached to the interpreter.
pub unsafe fn is_guard(object: *mut ffi::PyObject) -> bool {
    // SAFETY: promised by the caller.
    unsafe { Borrowed::from_ptr(Python::assume_attached(), object).is_exact_instance_of::<Guard>() }
}

/// Whether the guard at `guard` holds; a volatile one says nothing of its volatile values.
///
/// # Safety
/// `guard` is a live `Guard`, and the calling thread is attached to the interpreter.
pub unsafe fn holds(guard: *mut ffi::PyObject) -> bool {
    // SAFETY: promised by the caller.
    unsafe {
        let py = Python::assume_attached();
        Borrowed::from_ptr(py, guard).cast_unchecked::<Guard>().get().holds(py)
    }
}

type Pairs<'py> = Vec<(Bound<'py, PyAny>, Bound<'py, PyAny>)>;

#[pymethods]
impl Guard {
    /// Takes the places of one walk: `names` as (dict, its present names, absent names), `contents` as (dict, items), `classes` as
    /// (class, its `__mro__`, items), `functions` as (function, code, defaults,
    /// kwdefaults, whether it has attributes), `cells` as (cell, its contents as a
    /// tuple of at most one), `lists` and `sets` as (container, tuple), `kinds` as (object, class).
    #[new]
    #[allow(clippy::too_many_arguments, clippy::type_complexity)]
    #[pyo3(signature = (*, names, contents, classes, functions, cells, lists, sets, kinds, volatile))]
    fn new(
        names: Vec<(Bound<'_, PyDict>, Bound<'_, PyDict>, Vec<Bound<'_, PyString>>)>,
        contents: Vec<(Bound<'_, PyDict>, Pairs<'_>)>,
        classes: Vec<(Bound<'_, PyType>, Py<PyAny>, Pairs<'_>)>,
        functions: Vec<(Py<PyFunction>, Py<PyAny>, Option<Py<PyAny>>, Option<Py<PyAny>>, bool)>,
        cells: Vec<(Bound<'_, PyAny>, Bound<'_, PyTuple>)>,
        lists: Vec<(Py<PyList>, Py<PyTuple>)>,
        sets: Vec<(Py<PySet>, Py<PyTuple>)>,
        kinds: Vec<(Py<PyAny>, Py<PyType>)>,
        volatile: bool,
    ) -> PyResult<Self> {
        let names = names.into_iter().map(|(dict, present, absent)| {
            let mut expected = Vec::with_capacity(present.len() + absent.len());
            for (name, object) in present {
                expected.push((name.cast_into::<PyString>()?.unbind(), Some(object.unbind())));
            }
            expected.extend(absent.into_iter().map(|name| (name.unbind(), None)));
            Ok(Names { dict: Tagged::new(dict), expected })
        });
        let classes = classes.into_iter().map(|(class, mro, items)| {
            let contents = Contents::new(dict_of(&class)?, items);
            Ok(Class { class: class.unbind(), mro, contents })
        });
        let cells = cells.into_iter().map(|(cell, held)| {
            // SAFETY: only looks at the type of a live object.
            if unsafe { ffi::PyCell_Check(cell.as_ptr()) } == 0 {
                return Err(PyTypeError::new_err("a cell is needed"));
            }
            Ok((cell.unbind(), held.iter().next().map(Bound::unbind)))
        });
        let function = |(function, code, defaults, kwdefaults, attributes)| Function {
            function,
            code,
            defaults,
            kwdefaults,
            attributes,
        };
        Ok(Self {
            names: names.collect::<PyResult<_>>()?,
            contents: contents.into_iter().map(|(dict, items)| Contents::new(dict, items)).collect(),
            classes: classes.collect::<PyResult<_>>()?,
            functions: functions.into_iter().map(function).collect(),
            cells: cells.collect::<PyResult<_>>()?,
            lists,
            sets,
            kinds,
            volatile,
            retired: AtomicBool::new(false),
        })
    }

    /// Whether everything is as the walk found it, volatile values aside.
    pub fn holds(&self, py: Python<'_>) -> bool {
        !self.retired.load(Relaxed)
            && self.names.iter().all(|names| names.hold(py))
            && self.functions.iter().all(|function| function.holds(py))
            && self.cells.iter().all(|(cell, held)| cell_holds(py, cell, held.as_ref()))
            && self.classes.iter().all(|class| class.holds(py))
            && self.contents.iter().all(|contents| contents.hold(py))
            && self.lists.iter().all(|(list, items)| list_holds(list.bind(py), items.bind(py)))
            && self.sets.iter().all(|(set, items)| set_holds(set.bind(py), items.bind(py)))
            && self.kinds.iter().all(|(object, class)| object.bind(py).get_type().is(class))
    }

    /// It never holds again: there is a guard that watches more.
    fn retire(&self) {
        self.retired.store(true, Relaxed);
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        for names in &self.names {
            visit.call(&names.dict.dict)?;
            for (name, object) in &names.expected {
                visit.call(name)?;
                visit.call(object)?;
            }
        }
        for contents in self.contents.iter().chain(self.classes.iter().map(|class| &class.contents)) {
            visit.call(&contents.dict.dict)?;
            for (key, object) in &contents.expected {
                visit.call(key)?;
                visit.call(object)?;
            }
        }
        for class in &self.classes {
            visit.call(&class.class)?;
            visit.call(&class.mro)?;
        }
        for it in &self.functions {
            visit.call(&it.function)?;
            visit.call(&it.code)?;
            visit.call(&it.defaults)?;
            visit.call(&it.kwdefaults)?;
        }
        for (cell, held) in &self.cells {
            visit.call(cell)?;
            visit.call(held)?;
        }
        for (list, items) in &self.lists {
            visit.call(list)?;
            visit.call(items)?;
        }
        for (set, items) in &self.sets {
            visit.call(set)?;
            visit.call(items)?;
        }
        for (object, class) in &self.kinds {
            visit.call(object)?;
            visit.call(class)?;
        }
        Ok(())
    }
}

impl Tagged {
    fn new(dict: Bound<'_, PyDict>) -> Self {
        Self { dict: dict.unbind(), tag: AtomicU64::new(0) }
    }

    /// Whether the tag did not move, or else `same` finds the dict as expected; the tag is taken anew then.
    #[inline]
    fn holds(&self, py: Python<'_>, same: impl FnOnce(&Bound<'_, PyDict>) -> bool) -> bool {
        let dict = self.dict.bind(py);
        let now = tag(dict);
        if now != 0 && now == self.tag.load(Relaxed) {
            return true;
        }
        // With tags, the interpreter's lock is held and no Python runs in `same`: `now` belongs to what it sees.
        let holds = same(dict);
        if holds {
            self.tag.store(if tags_work() { now } else { 0 }, Relaxed);
        }
        holds
    }
}

impl Names {
    #[inline]
    fn hold(&self, py: Python<'_>) -> bool {
        self.dict.holds(py, |dict| {
            self.expected.iter().all(|(name, expected)| match (dict.get_item(name), expected) {
                (Ok(Some(found)), Some(expected)) => found.is(expected),
                (Ok(None), None) => true,
                _ => false,
            })
        })
    }
}

impl Contents {
    fn new(dict: Bound<'_, PyDict>, items: Pairs<'_>) -> Self {
        let expected = items.into_iter().map(|(key, object)| (key.unbind(), object.unbind())).collect();
        Self { dict: Tagged::new(dict), expected }
    }

    #[inline]
    fn hold(&self, py: Python<'_>) -> bool {
        self.dict.holds(py, |dict| {
            // Locked, so that on free-threaded builds nobody changes it meanwhile.
            let at = Cell::new(0);
            let seen = dict.locked_for_each(|key, object| {
                let same = self.expected.get(at.get()).is_some_and(|(k, o)| key.is(k) && object.is(o));
                at.set(at.get() + 1);
                if same { Ok(()) } else { Err(PyTypeError::new_err(())) }
            });
            seen.is_ok() && at.get() == self.expected.len()
        })
    }
}

impl Class {
    #[inline]
    fn holds(&self, py: Python<'_>) -> bool {
        self.class.bind(py).mro().is(&self.mro) && self.contents.hold(py)
    }
}

impl Function {
    #[inline]
    #[cfg(not(Py_GIL_DISABLED))]
    fn holds(&self, _py: Python<'_>) -> bool {
        // SAFETY: a `PyFunction` is exactly of `PyFunction_Type`, which cannot be subclassed, and the interpreter's lock is held;
        // the fields are compared and not dereferenced.
        unsafe {
            let now = &*self.function.as_ptr().cast::<ffi::PyFunctionObject>();
            now.func_code == self.code.as_ptr()
                && now.func_defaults == pointer(self.defaults.as_ref())
                && now.func_kwdefaults == pointer(self.kwdefaults.as_ref())
                // A dict is made when somebody asks for it, empty.
                && (self.attributes || now.func_dict.is_null() || ffi::PyDict_Size(now.func_dict) == 0)
        }
    }

    #[cfg(Py_GIL_DISABLED)]
    fn holds(&self, py: Python<'_>) -> bool {
        let function = self.function.bind(py);
        let is = |name: &str, expected: *mut ffi::PyObject| {
            function.getattr(name).is_ok_and(|now| now.as_ptr() == expected || (expected.is_null() && now.is_none()))
        };
        is("__code__", self.code.as_ptr())
            && is("__defaults__", pointer(self.defaults.as_ref()))
            && is("__kwdefaults__", pointer(self.kwdefaults.as_ref()))
            && (self.attributes || function.getattr("__dict__").and_then(|held| held.len()).is_ok_and(|size| size == 0))
    }
}

/// The attributes of a function, if it has any; asking Python for them would make a dict.
#[pyfunction]
pub fn attributes_of<'py>(function: &Bound<'py, PyFunction>) -> PyResult<Option<Bound<'py, PyDict>>> {
    #[cfg(not(Py_GIL_DISABLED))]
    // SAFETY: a `PyFunction` is exactly of `PyFunction_Type`, and its dict is null or a live object that is borrowed here.
    let held = unsafe {
        let dict = (*function.as_ptr().cast::<ffi::PyFunctionObject>()).func_dict;
        Bound::from_borrowed_ptr_or_opt(function.py(), dict)
    };
    #[cfg(Py_GIL_DISABLED)]
    let held = Some(function.getattr("__dict__")?);
    let held = held.map(|held| held.cast_into::<PyDict>()).transpose()?;
    Ok(held.filter(|held| !held.is_empty()))
}

fn pointer(object: Option<&Py<PyAny>>) -> *mut ffi::PyObject {
    object.map_or(std::ptr::null_mut(), Py::as_ptr)
}

#[inline]
fn cell_holds(_py: Python<'_>, cell: &Py<PyAny>, held: Option<&Py<PyAny>>) -> bool {
    // SAFETY: `__new__` checked that it is a cell, whose type cannot be subclassed; `PyCell_Get` gives an owned reference or null,
    // which is released after the pointers were compared, while `held` keeps the expected object alive.
    unsafe {
        let now = ffi::PyCell_Get(cell.as_ptr());
        ffi::Py_XDECREF(now);
        now == pointer(held)
    }
}

#[cfg(not(Py_GIL_DISABLED))]
fn list_holds(list: &Bound<'_, PyList>, items: &Bound<'_, PyTuple>) -> bool {
    let size = list.len();
    if size != items.len() || size == 0 {
        return size == items.len();
    }
    // SAFETY: both hold `size` pointers, and no Python runs while the interpreter's lock is held here; they are compared only.
    unsafe {
        let now = std::slice::from_raw_parts((*list.as_ptr().cast::<ffi::PyListObject>()).ob_item, size);
        let was = (&raw const (*items.as_ptr().cast::<ffi::PyTupleObject>()).ob_item).cast::<*mut ffi::PyObject>();
        now == std::slice::from_raw_parts(was, size)
    }
}

#[cfg(Py_GIL_DISABLED)]
fn list_holds(list: &Bound<'_, PyList>, items: &Bound<'_, PyTuple>) -> bool {
    list.len() == items.len() && list.iter().zip(items.iter_borrowed()).all(|(now, was)| now.is(&*was))
}

fn set_holds(set: &Bound<'_, PySet>, items: &Bound<'_, PyTuple>) -> bool {
    set.len() == items.len() && set.iter().zip(items.iter_borrowed()).all(|(now, was)| now.is(&*was))
}

/// The dict behind a class's `__dict__`, which Python shows through a read-only proxy.
fn dict_of<'py>(class: &Bound<'py, PyType>) -> PyResult<Bound<'py, PyDict>> {
    #[cfg(Py_3_12)]
    // SAFETY: `PyType_GetDict` gives an owned reference to the dict of a live class.
    let dict = unsafe { Bound::from_owned_ptr_or_err(class.py(), ffi::PyType_GetDict(class.as_type_ptr()))? };
    #[cfg(not(Py_3_12))]
    // SAFETY: a ready class has a dict, which lives at least as long as the class.
    let dict = unsafe { Bound::from_borrowed_ptr_or_err(class.py(), (*class.as_type_ptr()).tp_dict)? };
    Ok(dict.cast_into()?)
}

/// The version tag, or 0 where it says nothing: on builds without tags, and while the values live in an instance.
#[inline]
#[cfg(not(any(Py_GIL_DISABLED, Py_3_14)))]
fn tag(dict: &Bound<'_, PyDict>) -> u64 {
    // SAFETY: a dict, or an instance of a subclass, begins with a `PyDictObject`; the interpreter's lock is held.
    #[allow(deprecated)]
    unsafe {
        let dict = &*dict.as_ptr().cast::<ffi::PyDictObject>();
        if dict.ma_values.is_null() { dict.ma_version_tag } else { 0 }
    }
}

#[inline]
#[cfg(any(Py_GIL_DISABLED, Py_3_14))]
fn tag(_dict: &Bound<'_, PyDict>) -> u64 {
    0
}

static TAGS_WORK: Once<bool> = Once::new();

fn tags_work() -> bool {
    TAGS_WORK.get().is_some_and(|works| *works)
}

/// The self-test, when the extension is loaded: each way to change a dict gives it a tag that it never had, reading does
/// not, and the fields are where the headers say.
pub fn test_tags(py: Python<'_>) {
    TAGS_WORK.make(|| self_test(py).unwrap_or(false));
}

fn self_test(py: Python<'_>) -> PyResult<bool> {
    let dict = PyDict::new(py);
    let other = PyDict::new(py);
    other.set_item("name", 0)?;
    let mut seen = vec![tag(&dict), tag(&other)];
    let mut moved = |dict: &Bound<'_, PyDict>| {
        let now = tag(dict);
        let new = now != 0 && !seen.contains(&now);
        seen.push(now);
        new
    };
    dict.set_item("name", 1)?;
    let mut works = moved(&dict);
    dict.set_item("name", 2)?;
    works &= moved(&dict);
    py.run(c"def write():\n    global name\n    name = object()\nfor _ in range(40): write()", Some(&dict), None)?;
    works &= moved(&dict);
    dict.update(other.as_mapping())?;
    works &= moved(&dict);
    dict.clear();
    works &= moved(&dict);
    dict.set_item("name", 3)?;
    works &= moved(&dict);
    let before = tag(&dict);
    let read = dict.get_item("name")?.is_some() && dict.len() == 1 && dict.copy()?.len() == 1;
    works &= read && tag(&dict) == before;
    dict.del_item("name")?;
    works &= moved(&dict);
    Ok(works)
}
