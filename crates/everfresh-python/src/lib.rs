//! The extension module `everfresh._native`: what has to be fast or is the engine's.
//!
//! | module | what it holds |
//! | --- | --- |
//! | `value` | fingerprints, safe encodings, and protected copies of values |

mod value;

use pyo3::prelude::*;

#[pymodule(gil_used = false)]
mod _native {
    #[pymodule_export]
    #[allow(non_upper_case_globals)]
    const __version__: &str = env!("CARGO_PKG_VERSION");

    #[pymodule_export]
    use crate::value::api::{Template, dumps, encode, fingerprint, loads, protect, set_code_hook};
}
