//! The extension module `everfresh._native`: what has to be fast or is the engine's.
//!
//! | module | what it holds |
//! | --- | --- |

use pyo3::prelude::*;

#[pymodule(gil_used = false)]
mod _native {
    #[pymodule_export]
    #[allow(non_upper_case_globals)]
    const __version__: &str = env!("CARGO_PKG_VERSION");
}
