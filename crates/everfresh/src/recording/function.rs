//! Which code runs: the versions that authors gave their functions, and the executable.

use crate::{Fingerprint, build_id::build_id};
use std::{
    collections::HashMap,
    sync::{LazyLock, PoisonError, RwLock},
};

static VERSIONS: LazyLock<RwLock<HashMap<String, Option<u64>>>> = LazyLock::new(RwLock::default);

/// Tells everybody which version of a function this process runs.
pub(crate) fn register(name: &str, version: Option<u64>) {
    VERSIONS.write().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), version);
}

/// Whether the code of a function is what it was. A version that was given counts in place of the executable; where the
/// function was not met yet in this process, nobody knows its version, so the executable has to be the same.
pub(crate) fn build_matches(name: &str, version: Option<u64>, build: &Fingerprint) -> bool {
    if version.is_some()
        && let Some(now) = VERSIONS.read().unwrap_or_else(PoisonError::into_inner).get(name)
    {
        return *now == version;
    }
    *build == build_id()
}
