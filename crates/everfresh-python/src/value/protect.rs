//! What a memory tier keeps of a value: nothing that a caller could change.
//!
//! What cannot change is kept and handed out itself. Lists, dicts and tuples are copied at every level that could change and
//! no further. Whatever Rust does not know, `everfresh._values.protect` does: arrays and frames are kept in memory of their
//! own that cannot be written to, and handed out as views; other objects are deep-copied.

use super::{
    DEPTH, imported, parts,
    template::{Kept, Template},
};
use crate::once::Once;
use pyo3::{
    PyTypeInfo,
    prelude::*,
    types::{
        PyBool, PyByteArray, PyBytes, PyComplex, PyDict, PyEllipsis, PyFloat, PyFrozenSet, PyInt, PyList, PySet,
        PyString, PyTuple,
    },
};
use std::collections::HashSet;

/// What is kept, and what makes a caller's copy of it; none if it cannot change.
pub(super) fn protect<'py>(value: &Bound<'py, PyAny>) -> PyResult<(Bound<'py, PyAny>, Option<Bound<'py, PyAny>>)> {
    let py = value.py();
    static LIST_COPY: Once<Py<PyAny>> = Once::new();
    static DICT_COPY: Once<Py<PyAny>> = Once::new();
    static TEMPLATE_COPY: Once<Py<PyAny>> = Once::new();
    let Some(kept) = (Keeper { seen: HashSet::new(), depth: 0 }).keep(value)? else {
        // A deep copy keeps what is shared shared, and cycles closed.
        return parts::protect(value);
    };
    let native = "everfresh._native";
    Ok(match kept {
        Kept::Same(value) => (value.into_bound(py), None),
        Kept::Copied { kept, copy } => (kept.into_bound(py), Some(copy.into_bound(py))),
        flat @ Kept::List(_) if flat.is_flat() => {
            let copy = LIST_COPY.try_make(|| method::<PyList>(py))?;
            (flat.copy(py)?, Some(copy.bind(py).clone()))
        }
        flat @ Kept::Dict(_) if flat.is_flat() => {
            let copy = DICT_COPY.try_make(|| method::<PyDict>(py))?;
            (flat.copy(py)?, Some(copy.bind(py).clone()))
        }
        nested => {
            let template = Bound::new(py, Template::new(nested))?.into_any();
            (template, Some(imported(py, &TEMPLATE_COPY, native, "Template")?.getattr("copy")?))
        }
    })
}

/// The method `copy` of a class.
fn method<T: PyTypeInfo>(py: Python<'_>) -> PyResult<Py<PyAny>> {
    Ok(py.get_type::<T>().getattr("copy")?.unbind())
}

type Pairs = Vec<(Py<PyAny>, Kept)>;

struct Keeper {
    /// The addresses of what can change, to find what is shared.
    seen: HashSet<usize>,
    depth: usize,
}

impl Keeper {
    /// `None` if this has to be deep-copied: two ways lead to one thing, or it is nested too deep.
    fn keep(&mut self, value: &Bound<'_, PyAny>) -> PyResult<Option<Kept>> {
        if is_immutable(value) {
            return Ok(Some(Kept::Same(value.clone().unbind())));
        }
        if self.depth == DEPTH {
            return Ok(None);
        }
        self.depth += 1;
        let kept = self.keep_mutable(value);
        self.depth -= 1;
        kept
    }

    fn keep_mutable(&mut self, value: &Bound<'_, PyAny>) -> PyResult<Option<Kept>> {
        let py = value.py();
        if let Ok(items) = value.cast_exact::<PyTuple>() {
            let kept = self.items(items)?;
            let all_same = kept.as_ref().is_some_and(|items| items.iter().all(Kept::is_same));
            return Ok(if all_same { Some(Kept::Same(value.clone().unbind())) } else { kept.map(Kept::Tuple) });
        }
        if !self.seen.insert(value.as_ptr() as usize) {
            return Ok(None);
        }
        Ok(if let Ok(items) = value.cast_exact::<PyList>() {
            self.items(&items.to_tuple())?.map(Kept::List)
        } else if let Ok(items) = value.cast_exact::<PyDict>() {
            self.dict(items)?.map(Kept::Dict)
        } else if value.is_exact_instance_of::<PySet>() && self.is_flat(value)? {
            Some(Kept::Copied { kept: value.call_method0("copy")?.unbind(), copy: method::<PySet>(py)? })
        } else if value.is_exact_instance_of::<PyFrozenSet>() && self.is_flat(value)? {
            Some(Kept::Same(value.clone().unbind()))
        } else if value.is_exact_instance_of::<PyByteArray>() {
            Some(Kept::Copied { kept: value.call_method0("copy")?.unbind(), copy: method::<PyByteArray>(py)? })
        } else {
            let (kept, copy) = parts::protect(value)?;
            Some(match copy {
                None => Kept::Same(kept.unbind()),
                Some(copy) => Kept::Copied { kept: kept.unbind(), copy: copy.unbind() },
            })
        })
    }

    fn items(&mut self, items: &Bound<'_, PyTuple>) -> PyResult<Option<Vec<Kept>>> {
        items.iter_borrowed().map(|item| self.keep(&item)).collect()
    }

    fn dict(&mut self, dict: &Bound<'_, PyDict>) -> PyResult<Option<Pairs>> {
        let item = |item: Bound<'_, PyAny>| {
            let (key, value): (Bound<'_, PyAny>, Bound<'_, PyAny>) = item.extract()?;
            match self.keep(&key)? {
                Some(Kept::Same(key)) => Ok(self.keep(&value)?.map(|value| (key, value))),
                _ => Ok(None),
            }
        };
        dict.items().iter().map(item).collect()
    }

    /// Whether nothing in a set can change.
    fn is_flat(&mut self, set: &Bound<'_, PyAny>) -> PyResult<bool> {
        for item in set.try_iter()? {
            if !self.keep(&item?)?.as_ref().is_some_and(Kept::is_same) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn is_immutable(value: &Bound<'_, PyAny>) -> bool {
    value.is_none()
        || value.is_exact_instance_of::<PyInt>()
        || value.is_exact_instance_of::<PyString>()
        || value.is_exact_instance_of::<PyFloat>()
        || value.is_exact_instance_of::<PyBool>()
        || value.is_exact_instance_of::<PyBytes>()
        || value.is_exact_instance_of::<PyComplex>()
        || value.is_exact_instance_of::<PyEllipsis>()
}
