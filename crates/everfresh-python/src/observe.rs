//! What a cached function reads, as the package's wrappers around `os` tell it, and its threads.

use crate::gate;
use everfresh::{Context, Fingerprint, observe};
use pyo3::{
    prelude::*,
    types::{PyDict, PyTuple},
};
use std::path::PathBuf;

/// Whether a cached function runs on this thread.
#[pyfunction]
pub fn is_recording() -> bool {
    observe::is_recording()
}

/// Says that something is about to be looked at: a `file`'s or a `dir`'s content, whether it `exists`, its `kind`, all that
/// `stat` says of it (`metadata`); that it is `made` by the function itself.
#[pyfunction]
pub fn observe_path(py: Python<'_>, how: &str, path: PathBuf) {
    gate::detached(py, || match how {
        "file" => file(&path),
        "dir" => observe::dir(path),
        "exists" => observe::exists(path),
        "kind" => observe::kind(path),
        "metadata" => observe::metadata(path),
        "made" => observe::made(path),
        _ => observe::refuse(format!("it looks at `{}` in an unknown way: {how}", path.display())),
    });
}

/// What is no regular file is never hashed.
pub fn file(path: &std::path::Path) {
    const DEVICES: [&str; 3] = ["/dev", "/proc", "/sys"];
    if path == std::path::Path::new("/dev/null") {
        return;
    }
    if DEVICES.iter().any(|devices| path.starts_with(devices)) {
        observe::impure(format!("it reads {}", path.display()));
    } else if path.is_dir() {
        observe::dir(path);
    } else {
        observe::file(path);
    }
}

/// Whether the function makes or writes this file itself.
#[pyfunction]
pub fn is_made(path: PathBuf) -> bool {
    observe::is_made(path)
}

/// Says that what the function writes from now on is a part of its result.
#[pyfunction]
pub fn observe_outputs() {
    observe::outputs();
}

/// Looks at what such a function wrote.
#[pyfunction]
pub fn observe_written(py: Python<'_>) {
    gate::detached(py, observe::written);
}

/// Says that an environment variable is about to be read.
#[pyfunction]
pub fn observe_env(name: &str) {
    observe::env(name);
}

/// Says that the working folder is about to be asked for.
#[pyfunction]
pub fn observe_working_dir() {
    observe::working_dir();
}

/// Says by which code the result is made.
#[pyfunction]
pub fn observe_version(name: &str, version: [u8; 32]) {
    observe::version(name, Fingerprint::from_bytes(version));
}

/// Says that the result hangs on something that cannot be observed, so it is not kept.
#[pyfunction]
pub fn refuse(why: &str) {
    observe::refuse(why);
}

/// The same, unless the result has an end anyway.
#[pyfunction]
pub fn unseen(why: &str) {
    observe::unseen(why);
}

/// Says that the function does something that no pure function does.
#[pyfunction]
pub fn impure(what: &str) {
    observe::impure(what);
}

/// What the function did so far that no pure function does.
#[pyfunction]
pub fn impurities(py: Python<'_>) -> Vec<String> {
    gate::detached(py, || {
        for path in observe::left_behind() {
            observe::impure(format!("it writes {}", path.display()));
        }
        observe::impurities()
    })
}

/// Calls a function of which nothing is written down: what it reads counts by other means.
#[pyfunction]
#[pyo3(signature = (function, *args, **kwargs))]
pub fn unrecorded<'py>(
    function: &Bound<'py, PyAny>,
    args: &Bound<'py, PyTuple>,
    kwargs: Option<&Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, PyAny>> {
    observe::record(None, || function.call(args, kwargs)).0
}

/// The cached function that runs on this thread, for other threads that work for it.
#[pyclass(frozen, module = "everfresh._native", name = "Context")]
pub struct PyContext(Context);

#[pymethods]
impl PyContext {
    #[new]
    fn new() -> Self {
        Self(Context::current())
    }

    /// Calls a function on this thread as a part of that computation.
    #[pyo3(signature = (function, *args, **kwargs))]
    fn run<'py>(
        &self,
        function: &Bound<'py, PyAny>,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.0.run(|| function.call(args, kwargs))
    }
}
