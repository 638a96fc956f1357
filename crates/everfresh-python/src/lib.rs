//! The extension module `everfresh._native`: what has to be fast or is the engine's.
//!
//! | module | what it holds |
//! | --- | --- |
//! | `blake3_of` | BLAKE3-256 of bytes, for what is written in Python |
//! | `guard` | `Guard`: nothing that a function is made of has changed |

pub mod blake3_of;
pub mod guard;

use pyo3::prelude::*;

#[pymodule(gil_used = false)]
mod _native {
    #[pymodule_export]
    #[allow(non_upper_case_globals)]
    const __version__: &str = env!("CARGO_PKG_VERSION");

    #[pymodule_export]
    use super::blake3_of::blake3_of;

    #[pymodule_export]
    use super::guard::{Guard, attributes_of};
}
