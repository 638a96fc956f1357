//! The files that modules read while they are imported: what a module made of them may be held
//! where no name leads, in a package or in C.
//!
//! `exec` says that the body of a module begins; nothing says that one ends. So a thread that began one looks for its frame
//! whenever it opens a file, until there is none.

use crate::{audit::Use, gate, once::intern};
use everfresh::file::hash_file_here;
use pyo3::{ffi, prelude::*};
use std::{
    cell::Cell,
    collections::{HashMap, HashSet},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf, absolute},
    sync::{LazyLock, Mutex, MutexGuard, PoisonError},
};

thread_local! {
    /// Whether a module's body may be running on this thread.
    static IMPORTING: Cell<bool> = const { Cell::new(false) };
}

/// Device, inode, size, and when it was written and changed: what is another whenever somebody writes a file.
type Stamp = (u64, u64, u64, i64, i64, i64, i64);

/// What one module's body did with files; those that it wrote are not its input.
#[derive(Default)]
struct Reads {
    read: HashMap<PathBuf, Option<Stamp>>,
    written: HashSet<PathBuf>,
}

/// By the file of the module.
static READS: LazyLock<Mutex<HashMap<String, Reads>>> = LazyLock::new(Mutex::default);

fn reads() -> MutexGuard<'static, HashMap<String, Reads>> {
    READS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether a module's body may be running on this thread.
pub fn is_importing() -> bool {
    IMPORTING.with(Cell::get)
}

/// Code begins to run, perhaps a module's body: if it is imported again, it reads again.
pub fn begins(code: &Bound<'_, PyAny>) -> PyResult<()> {
    let py = code.py();
    let file = code.getattr(intern!(py, "co_filename"))?;
    let file = file.extract::<&str>()?;
    if !file.starts_with('<') && code.getattr(intern!(py, "co_name"))?.extract::<&str>()? == "<module>" {
        IMPORTING.with(|own| own.set(true));
        reads().remove(file);
    }
    Ok(())
}

/// A file is opened. If a module is being imported for whose body that is done, it is written down.
pub fn opened(py: Python<'_>, path: &Path, used: &Use) -> PyResult<()> {
    let Some(module) = importing_module(py)? else { return Ok(()) };
    let Ok(path) = absolute(path) else { return Ok(()) };
    let metadata = path.metadata().ok();
    if metadata.as_ref().is_some_and(|metadata| !metadata.is_file()) {
        return Ok(());
    }
    let mut modules = reads();
    let module = modules.entry(module).or_default();
    if used.reads && !module.written.contains(&path) {
        module.read.entry(path.clone()).or_insert_with(|| metadata.as_ref().map(stamp));
    }
    if used.writes {
        module.written.insert(path);
    }
    Ok(())
}

fn stamp(of: &std::fs::Metadata) -> Stamp {
    (of.dev(), of.ino(), of.size(), of.mtime(), of.mtime_nsec(), of.ctime(), of.ctime_nsec())
}

/// The file of the module whose body is the innermost on this thread, if it runs because of an import.
fn importing_module(py: Python<'_>) -> PyResult<Option<String>> {
    // SAFETY: a borrowed frame, or null if no Python code runs; the interpreter is attached.
    #[allow(unsafe_code)]
    let innermost = unsafe { Bound::from_borrowed_ptr_or_opt(py, ffi::PyEval_GetFrame().cast()) };
    let mut frame = innermost;
    while let Some(at) = frame.filter(|frame| !frame.is_none()) {
        let code = at.getattr(intern!(py, "f_code"))?;
        let back = at.getattr(intern!(py, "f_back"))?;
        if code.getattr(intern!(py, "co_name"))?.extract::<&str>()? == "<module>" && is_import(&back)? {
            return Ok(Some(code.getattr(intern!(py, "co_filename"))?.extract()?));
        }
        frame = Some(back);
    }
    IMPORTING.with(|own| own.set(false));
    Ok(None)
}

/// Whether a frame is of the import system, or of a loader that it calls: a script's body runs because of neither.
fn is_import(frame: &Bound<'_, PyAny>) -> PyResult<bool> {
    let py = frame.py();
    let mut frame = frame.clone();
    for _ in 0..2 {
        if frame.is_none() {
            break;
        }
        let file = frame.getattr(intern!(py, "f_code"))?.getattr(intern!(py, "co_filename"))?;
        if file.extract::<&str>()?.starts_with("<frozen importlib") {
            return Ok(true);
        }
        frame = frame.getattr(intern!(py, "f_back"))?;
    }
    Ok(false)
}

/// The files that a module's body read when it was imported last, by the module's own file; each with what tells one writing
/// of it from another, which is `None` if there was none.
#[pyfunction]
pub fn import_reads(module: &str) -> Vec<(PathBuf, Option<Stamp>)> {
    let modules = reads();
    let Some(module) = modules.get(module) else { return Vec::new() };
    let mut all: Vec<_> = module.read.iter().map(|(path, stamp)| (path.clone(), *stamp)).collect();
    all.sort();
    all
}

/// The files of all modules that read files when they were imported.
#[pyfunction]
pub fn reading_modules() -> Vec<String> {
    reads().iter().filter(|(_, module)| !module.read.is_empty()).map(|(file, _)| file.clone()).collect()
}

/// The fingerprint of a file's content, unless it was written since that stamp was taken.
#[pyfunction]
pub fn content_since(py: Python<'_>, path: PathBuf, then: Stamp) -> Option<[u8; 32]> {
    gate::detached(py, || {
        let now = || path.metadata().ok().map(|metadata| stamp(&metadata));
        let unchanged = |found: Option<Stamp>| found == Some(then);
        let content = unchanged(now()).then(|| hash_file_here(&path).ok()).flatten()?;
        unchanged(now()).then_some(*content.as_bytes())
    })
}
