//! `everfresh.Store`: a folder of results, shared by the processes of a machine.

use crate::{errors::store_error, gate, units::parse_size};
use everfresh::{
    disk::{self, GcReport, Limits, StoreOptions},
    memo::{default_folder, function_stats},
};
use pyo3::{
    exceptions::{PyOSError, PyValueError},
    prelude::*,
    types::PyDict,
};
use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

/// All that this process uses, so that a forked child can let go of what belongs to its parent.
static SLOTS: Mutex<Vec<Weak<Slot>>> = Mutex::new(Vec::new());

/// A folder, and the store in it once somebody needs it.
#[derive(Debug)]
pub struct Slot {
    path: PathBuf,
    options: StoreOptions,
    open: Mutex<Option<disk::Store>>,
}

impl Slot {
    /// The store, open. Never call it with the interpreter attached: another thread may be opening it.
    pub fn get(&self) -> Result<disk::Store, disk::StoreError> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(store) = &*open {
            return Ok(store.clone());
        }
        let store = disk::Store::open(&self.path, self.options)?;
        *open = Some(store.clone());
        Ok(store)
    }
}

/// In a child, right after a fork: its stores are opened anew when they are needed.
pub fn after_fork() {
    let slots = SLOTS.lock().map(|slots| slots.clone()).unwrap_or_default();
    for slot in slots.iter().filter_map(Weak::upgrade) {
        if let Ok(mut open) = slot.open.try_lock() {
            *open = None;
        }
    }
}

/// A folder of results that outlive the process, shared by all processes of the machine.
///
/// Without a folder it is the user's own: the one that EVERFRESH_CACHE_DIR names, or `everfresh` in the user's cache folder.
/// `max_size` (5 GB unless said otherwise) bounds it: what saves the least time for its size goes first.
#[pyclass(frozen, module = "everfresh", weakref)]
pub struct Store {
    pub slot: Arc<Slot>,
}

#[pymethods]
impl Store {
    #[new]
    #[pyo3(signature = (path=None, *, max_size=None))]
    fn new(path: Option<PathBuf>, max_size: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        let mut options = StoreOptions::default();
        if let Some(max_size) = max_size {
            options.max_size = parse_size(max_size)?;
        }
        let no_home =
            || PyOSError::new_err("there is no cache folder: set HOME or EVERFRESH_CACHE_DIR, or give a path");
        let path = path.or_else(default_folder).ok_or_else(no_home)?;
        let path = std::path::absolute(path)?;
        let slot = Arc::new(Slot { path, options, open: Mutex::default() });
        if let Ok(mut slots) = SLOTS.lock() {
            slots.retain(|slot| slot.strong_count() > 0);
            slots.push(Arc::downgrade(&slot));
        }
        Ok(Self { slot })
    }

    /// The folder.
    #[getter]
    fn path(&self) -> &Path {
        &self.slot.path
    }

    /// How many bytes it may hold.
    #[getter]
    fn max_size(&self) -> u64 {
        self.slot.options.max_size
    }

    /// Opens the store anew when it is used next, if somebody removed its folder. Whether that is so.
    fn reopen_if_gone(&self, py: Python<'_>) -> bool {
        gate::detached(py, || {
            let gone = !self.slot.path.is_dir();
            if gone {
                *self.slot.open.lock().unwrap_or_else(PoisonError::into_inner) = None;
                crate::engine::let_go(&self.slot);
            }
            gone
        })
    }

    /// A number that is another one after each write of any process: as long as it is the same, nothing was invalidated.
    fn revision(&self, py: Python<'_>) -> PyResult<u64> {
        if let Ok(open) = self.slot.open.try_lock()
            && let Some(store) = &*open
        {
            return store.revision().map_err(store_error);
        }
        gate::detached(py, || self.slot.get()?.revision()).map_err(store_error)
    }

    /// Removes results of functions, those that were used the longest ago first, until they take at most `max_size` bytes,
    /// there are at most `max_results`, and all were used within `unused_for` seconds. Says what was removed.
    #[pyo3(signature = (*, max_size=None, max_results=None, unused_for=None))]
    fn reduce<'py>(
        &self,
        py: Python<'py>,
        max_size: Option<u64>,
        max_results: Option<u64>,
        unused_for: Option<f64>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let unused_for = unused_for.map(Duration::try_from_secs_f64).transpose();
        let unused_for = unused_for.map_err(|error| PyValueError::new_err(error.to_string()))?;
        let limits = Limits { bytes: max_size, results: max_results, unused_for };
        let report = gate::detached(py, || self.slot.get()?.reduce(&limits)).map_err(store_error)?;
        said(py, &report)
    }

    /// How many bytes it holds.
    fn size(&self, py: Python<'_>) -> PyResult<u64> {
        gate::detached(py, || Ok(self.slot.get()?.size())).map_err(store_error)
    }

    /// Forgets everything.
    fn clear(&self, py: Python<'_>) -> PyResult<()> {
        gate::detached(py, || self.slot.get()?.wipe()).map_err(store_error)?;
        crate::engine::outdated();
        Ok(())
    }

    /// Removes what nothing refers to, and what goes first until it holds at most `max_size` bytes. Says what was removed.
    #[pyo3(signature = (*, max_size=None))]
    fn gc<'py>(&self, py: Python<'py>, max_size: Option<&Bound<'py, PyAny>>) -> PyResult<Bound<'py, PyDict>> {
        let max_size = max_size.map(parse_size).transpose()?;
        let report = gate::detached(py, || self.slot.get()?.gc(max_size)).map_err(store_error)?;
        said(py, &report)
    }

    /// Reads everything, and removes what is damaged. Says what was found.
    fn verify<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let report = gate::detached(py, || self.slot.get()?.verify()).map_err(store_error)?;
        let said = PyDict::new(py);
        said.set_item("records", report.records)?;
        said.set_item("results", report.blobs)?;
        said.set_item("bytes", report.bytes)?;
        said.set_item("damaged", report.damaged)?;
        Ok(said)
    }

    /// What its functions did in all processes: for each name its hits, misses and times in seconds.
    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let functions = gate::detached(py, || function_stats(&self.slot.get()?)).map_err(store_error)?;
        let said = PyDict::new(py);
        for function in functions {
            said.set_item(&function.name, crate::engine::stats_of(py, &function.stats)?)?;
        }
        Ok(said)
    }

    fn __repr__(&self) -> String {
        format!("Store({:?}, max_size={})", self.slot.path, self.slot.options.max_size)
    }
}

/// What was removed, and what is left.
fn said<'py>(py: Python<'py>, report: &GcReport) -> PyResult<Bound<'py, PyDict>> {
    let said = PyDict::new(py);
    said.set_item("removed_results", report.removed_blobs)?;
    said.set_item("removed_bytes", report.removed_bytes)?;
    said.set_item("removed_records", report.removed_records)?;
    said.set_item("kept_results", report.kept_blobs)?;
    said.set_item("kept_bytes", report.kept_bytes)?;
    Ok(said)
}
