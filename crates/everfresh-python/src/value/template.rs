//! A kept value of which parts can change, and the copies that callers get.

use pyo3::{
    PyTraverseError, PyVisit,
    prelude::*,
    types::{PyDict, PyList, PyTuple},
};

/// A private value.
pub(super) enum Kept {
    /// What cannot change.
    Same(Py<PyAny>),
    Tuple(Vec<Kept>),
    List(Vec<Kept>),
    /// The keys cannot change.
    Dict(Vec<(Py<PyAny>, Kept)>),
    /// An object, and what copies it.
    Copied {
        kept: Py<PyAny>,
        copy: Py<PyAny>,
    },
}

impl Kept {
    pub fn is_same(&self) -> bool {
        matches!(self, Self::Same(_))
    }

    /// Whether a container's items cannot change.
    pub fn is_flat(&self) -> bool {
        match self {
            Self::List(items) | Self::Tuple(items) => items.iter().all(Self::is_same),
            Self::Dict(items) => items.iter().all(|(_, item)| item.is_same()),
            _ => false,
        }
    }

    pub fn copy<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let copies = |items: &[Self]| items.iter().map(|item| item.copy(py)).collect::<PyResult<Vec<_>>>();
        Ok(match self {
            Self::Same(value) => value.bind(py).clone(),
            Self::Tuple(items) => PyTuple::new(py, copies(items)?)?.into_any(),
            Self::List(items) => PyList::new(py, copies(items)?)?.into_any(),
            Self::Dict(items) => {
                let dict = PyDict::new(py);
                for (key, value) in items {
                    dict.set_item(key, value.copy(py)?)?;
                }
                dict.into_any()
            }
            Self::Copied { kept, copy } => copy.bind(py).call1((kept,))?,
        })
    }

    fn visit(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        match self {
            Self::Same(value) => visit.call(value),
            Self::Tuple(items) | Self::List(items) => items.iter().try_for_each(|item| item.visit(visit)),
            Self::Dict(items) => items.iter().try_for_each(|(key, value)| {
                visit.call(key)?;
                value.visit(visit)
            }),
            Self::Copied { kept, copy } => {
                visit.call(kept)?;
                visit.call(copy)
            }
        }
    }
}

/// What `protect` keeps of a value of which parts can change.
#[pyclass(frozen, module = "everfresh._native")]
pub struct Template(Kept);

impl Template {
    pub(super) fn new(kept: Kept) -> Self {
        Self(kept)
    }
}

#[pymethods]
impl Template {
    /// A caller's own copy of the value.
    fn copy<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.0.copy(py)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.0.visit(&visit)
    }
}
