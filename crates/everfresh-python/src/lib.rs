//! The extension module `everfresh._native`: what has to be fast or is the engine's.
//!
//! | module | what it holds |
//! | --- | --- |
//! | `memo` | memoized functions in memory: `LruCache`, `CachedFunction` |

use pyo3::prelude::*;

mod memo;

#[pymodule(gil_used = false)]
mod _native {
    use pyo3::prelude::*;

    #[pymodule_export]
    #[allow(non_upper_case_globals)]
    const __version__: &str = env!("CARGO_PKG_VERSION");

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        crate::memo::add(module)
    }
}
