//! The extension module `everfresh._native`: what has to be fast or is the engine's.
//!
//! | module | what it holds |
//! | --- | --- |
//! | `memo` | tables of results in memory: `LruCache`, and the one in front of `cached` |
//! | `engine` | a cached function's results with their traces |
//! | `pending` | calls that have to be computed or waited for, run by the table that was called |
//! | `stack` | whether a thread has stack left for one more of them |
//! | `flight` | asynchronous calls, driven by Python's event loop |
//! | `gate` | no fork while a thread is inside the engine |
//! | `store` | `everfresh.Store` |
//! | `guard` | nothing that a function is made of has changed |
//! | `observe`, `audit` | what a cached function reads: as the package tells it, and by audit events |
//! | `ran` | what code runs during a miss: the fast path |
//! | `imports` | the files that modules read while they are imported |
//! | `buffer` | stored results as read-only buffers |
//! | `value` | fingerprints, safe encodings, and protected copies of values |
//! | `blake3_of` | BLAKE3-256 of bytes, for what is written in Python |
//! | `once` | what is made once and kept |
//! | `units` | sizes and durations as people write them |
//! | `yaml` | YAML as Python values |
//! | `log` | what the engine has to say, for `logging` |
//! | `errors` | the engine's errors as Python's exceptions |

mod audit;
mod blake3_of;
mod buffer;
mod engine;
mod errors;
mod flight;
mod gate;
mod guard;
mod imports;
mod log;
mod memo;
mod observe;
mod once;
mod pending;
mod ran;
mod stack;
mod store;
mod units;
mod value;
mod yaml;

use pyo3::prelude::*;

#[pymodule(gil_used = false)]
mod _native {
    use super::{Bound, PyModule, PyResult, pyfunction};

    #[pymodule_export]
    use super::{
        audit::{authorize, set_carried, set_opened_at},
        blake3_of::blake3_of,
        buffer::Stored,
        engine::{Engine, Found, invalidations},
        flight::Flight,
        guard::{Guard, attributes_of},
        imports::{content_since, import_reads, reading_modules},
        observe::{
            PyContext, impure, impurities, is_made, is_recording, observe_env, observe_outputs, observe_path,
            observe_version, observe_working_dir, observe_written, refuse, unrecorded, unseen,
        },
        pending::Pending,
        ran::Seen,
        store::Store,
        units::{parse_duration, parse_size},
        yaml::parse_yaml,
    };

    #[cfg(not(Py_3_12))]
    #[pymodule_export]
    use super::ran::Hook;

    #[cfg(Py_3_12)]
    #[pymodule_export]
    use super::ran::Starts;

    #[pymodule_export]
    #[allow(non_upper_case_globals)]
    const __version__: &str = env!("CARGO_PKG_VERSION");

    #[pymodule_export]
    use crate::value::api::{
        Template, dumps, encode, fingerprint, is_known, is_owned, loads, private, protect, set_code_hook,
    };

    /// Right before a fork: waits until no other thread is inside the engine, and lets none in.
    #[pyfunction]
    fn before_fork(py: pyo3::Python<'_>) {
        super::gate::close(py);
    }

    /// Right after it; `in_child`: lets go of what belongs to the parent.
    #[pyfunction]
    fn after_fork(in_child: bool) {
        if !in_child {
            super::gate::open();
        } else {
            super::gate::open_anew();
            super::engine::after_fork();
            super::store::after_fork();
        }
    }

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        super::log::begin();
        super::guard::test_tags(module.py());
        super::ran::functions_are_read(module.py());
        super::memo::add(module)?;
        super::audit::listen(module.py())
    }
}
