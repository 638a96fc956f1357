//! What the slow path of a `CachedFunction` does with one entry: store, find, remove.

use pyo3::exceptions::PyMemoryError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use std::ptr;

use super::bind::{Ask, Room};
use super::cached::{CachedFunction, Held, NEVER};
use super::cached_call::refused;
use super::call::Call;
use super::key::Probe;
use super::table::{Entry, Extra, FAILED, NIL, Table};
use super::{clock, locked};

/// Arguments of a call as `slow` gets them, laid out as in a vectorcall; owns what it holds.
pub(super) struct Arguments<'py> {
    values: Vec<Bound<'py, PyAny>>,
    positional: usize,
    names: Option<Bound<'py, PyTuple>>,
}

impl<'py> Arguments<'py> {
    pub(super) fn new(args: &Bound<'py, PyAny>, kwargs: &Bound<'py, PyAny>) -> PyResult<Self> {
        let mut values: Vec<_> = args.cast::<PyTuple>()?.iter().collect();
        let positional = values.len();
        let mut names = None;
        if !kwargs.is_none() {
            let kwargs = kwargs.cast::<PyDict>()?;
            names = Some(PyTuple::new(args.py(), kwargs.keys())?);
            values.extend(kwargs.values());
        }
        Ok(Arguments { values, positional, names })
    }

    /// Does what `ask` says with the key of these arguments; `None` if they make none.
    pub(super) unsafe fn with<A: Ask>(&self, cached: *mut CachedFunction, ask: A) -> PyResult<Option<A::Answer>> {
        let pointers: Vec<_> = self.values.iter().map(Bound::as_ptr).collect();
        let names = self.names.as_ref().map_or(ptr::null_mut(), Bound::as_ptr);
        let call = Call { arguments: pointers.as_ptr(), nargsf: self.positional, names };
        let mut room = Room::new();
        // SAFETY: the caller holds the object, and this struct its arguments.
        unsafe {
            let signature = &raw const (*cached).signature;
            let answer = (*signature).bind(call, &mut room).and_then(|canonical| canonical.probe(ask));
            if answer.is_none() && !refused() {
                return Err(PyErr::fetch(Python::assume_attached()));
            }
            Ok(answer)
        }
    }
}

/// An error that an `__eq__` raised while the table was searched.
unsafe fn raised() -> PyErr {
    // SAFETY: methods run attached.
    PyErr::fetch(unsafe { Python::assume_attached() })
}

/// Stores what waits; tells whether it is stored, and what had to go.
pub(super) struct Put<'a> {
    pub(super) cached: *mut CachedFunction,
    /// Taken once it belongs to the table.
    pub(super) waiting: &'a mut Option<(*mut ffi::PyObject, Held)>,
}

/// What an entry leaves behind.
pub(super) enum Gone {
    Entry(Entry<Held>),
    Value(*mut ffi::PyObject, Held),
}

impl Gone {
    pub(super) unsafe fn release(self) {
        // SAFETY: each was owned by an entry that is no more.
        unsafe {
            match self {
                Gone::Entry(entry) => entry.release(),
                Gone::Value(value, held) => {
                    ffi::Py_DECREF(value);
                    held.release();
                }
            }
        }
    }
}

impl Ask for Put<'_> {
    type Answer = PyResult<(bool, Vec<Gone>)>;

    unsafe fn ask<P: Probe>(self, probe: P) -> Self::Answer {
        let cached = self.cached;
        // SAFETY: the caller holds the object; no Python runs after `find`.
        unsafe {
            locked(cached.cast(), || {
                let at = Table::find(&raw const (*cached).table, &probe);
                if at == FAILED {
                    return Err(raised());
                }
                let mut gone = Vec::new();
                let table = &mut (*cached).table;
                if at == NIL {
                    let Some(key) = probe.own() else {
                        return Err(PyMemoryError::new_err(()));
                    };
                    let Some((value, held)) = self.waiting.take() else {
                        return Ok((false, gone));
                    };
                    (*cached).bytes += held.size;
                    if let Err(entry) = table.insert(Entry::new(probe.hash(), key, value, held)) {
                        (*cached).bytes -= entry.extra.size;
                        return Ok((false, vec![Gone::Entry(entry)]));
                    }
                } else if let Some((value, held)) = self.waiting.take() {
                    (*cached).bytes += held.size;
                    let entry = table.entry(at);
                    let old = std::mem::replace(&mut entry.value, value);
                    let old_held = std::mem::replace(&mut entry.extra, held);
                    (*cached).bytes -= old_held.size;
                    gone.push(Gone::Value(old, old_held));
                    if (*cached).bounded() {
                        (*cached).table.touch(at);
                    }
                }
                while (*cached).bytes > (*cached).maxbytes || (*cached).table.len() > (*cached).maxsize {
                    let table = &mut (*cached).table;
                    let entry = table.remove(table.oldest());
                    (*cached).bytes -= entry.extra.size;
                    gone.push(Gone::Entry(entry));
                }
                Ok((true, gone))
            })
        }
    }
}

pub(super) struct Remove {
    pub(super) cached: *mut CachedFunction,
}

impl Ask for Remove {
    type Answer = PyResult<Option<Entry<Held>>>;

    unsafe fn ask<P: Probe>(self, probe: P) -> Self::Answer {
        let cached = self.cached;
        // SAFETY: the caller holds the object; no Python runs after `find`.
        unsafe {
            locked(cached.cast(), || {
                let at = Table::find(&raw const (*cached).table, &probe);
                if at == FAILED {
                    return Err(raised());
                }
                if at == NIL {
                    return Ok(None);
                }
                let entry = (*cached).table.remove(at);
                (*cached).bytes -= entry.extra.size;
                Ok(Some(entry))
            })
        }
    }
}

pub(super) struct Find {
    pub(super) cached: *mut CachedFunction,
    /// Whether that is a use of the entry: one that was idle for too long is not found, another is the last used now.
    pub(super) uses: bool,
}

impl Ask for Find {
    type Answer = PyResult<Option<(Py<PyAny>, Option<Py<PyAny>>)>>;

    unsafe fn ask<P: Probe>(self, probe: P) -> Self::Answer {
        let cached = self.cached;
        // SAFETY: the caller holds the object; no Python runs after `find`.
        unsafe {
            locked(cached.cast(), || {
                let py = Python::assume_attached();
                let at = Table::find(&raw const (*cached).table, &probe);
                if at == FAILED {
                    return Err(raised());
                }
                if at == NIL {
                    return Ok(None);
                }
                let (idle, bounded) = ((*cached).idle, (*cached).bounded());
                let entry = (*cached).table.entry(at);
                if self.uses && idle != NEVER {
                    let now = clock::now();
                    if now.saturating_sub(entry.extra.used) > idle {
                        return Ok(None);
                    }
                    entry.extra.used = now;
                }
                if self.uses && bounded {
                    (*cached).table.touch(at);
                }
                let entry = (*cached).table.entry(at);
                let value = Bound::from_borrowed_ptr(py, entry.value).unbind();
                Ok(Some((value, Bound::from_borrowed_ptr_or_opt(py, entry.extra.state).map(Bound::unbind))))
            })
        }
    }
}
