//! Values: their fingerprints, their encodings, and copies that no caller can reach.
//!
//! | module | what it holds |
//! | --- | --- |
//! | `api` | the functions that Python sees |
//! | `hash` | the walk that makes a fingerprint |
//! | `leaf` | hashes of arrays and tables |
//! | `table` | fingerprints of Arrow tables, by the engine's own hasher |
//! | `format` | the encoding, to the byte: header, tags, lengths |
//! | `encode`, `decode` | the two ways through it |
//! | `seal` | the MAC of a pickled part |
//! | `protect`, `template` | what a memory tier keeps, and the copies that it hands out |
//! | `parts` | objects taken apart and put together, by `everfresh._values` |
//! | `buffer`, `strided` | memory behind the buffer protocol |
//! | `owned` | memory that nobody can write to, and the hashes that are known of it |
//! | `pool` | threads for hashing, also in the child of a fork |
//! | `failure` | an error that knows where in the value it stands |
//!
//! Rust knows the builtin types. Every other type is a row of a table in `everfresh._values`, which takes an object apart
//! into a name, a value of simpler types, and buffers; fingerprints and encodings are made of those alike.

pub mod api;
mod buffer;
mod decode;
mod encode;
mod failure;
mod format;
mod hash;
mod leaf;
pub mod owned;
mod parts;
mod pool;
mod protect;
mod seal;
mod strided;
mod table;
mod template;

use crate::once::Once;
use failure::Failure;
use pyo3::prelude::*;
use std::sync::Mutex;

/// How deep values may be nested: a release build needs less than a megabyte of the thread's stack for that.
const DEPTH: usize = 500;

/// The error of a value that is nested deeper.
fn too_deep() -> Failure {
    Failure::refused(format!("it is nested more than {DEPTH} levels deep, or contains itself"))
}

static CODE_HOOK: Mutex<Option<Py<PyAny>>> = Mutex::new(None);

/// What tells one version of a function or a class from another.
fn code_hook(py: Python<'_>) -> Option<Py<PyAny>> {
    CODE_HOOK.lock().ok().and_then(|hook| hook.as_ref().map(|hook| hook.clone_ref(py)))
}

/// An attribute of a module, looked up once.
fn imported<'py>(
    py: Python<'py>,
    cell: &'static Once<Py<PyAny>>,
    module: &str,
    name: &str,
) -> PyResult<&'py Bound<'py, PyAny>> {
    cell.try_make(|| Ok(py.import(module)?.getattr(name)?.unbind())).map(|object| object.bind(py))
}
