//! Which code runs: the versions that authors gave their functions, and the executable.

use crate::{Fingerprint, build_id::build_id};
use std::{
    collections::HashMap,
    sync::{LazyLock, PoisonError, RwLock},
};

/// By a function's name and the hash of its text: another text is another function, of which nobody knows the version.
type Versions = HashMap<String, HashMap<Option<u64>, Option<u64>>>;

static VERSIONS: LazyLock<RwLock<Versions>> = LazyLock::new(RwLock::default);

/// Tells everybody which version of a function this process runs.
pub(crate) fn register(name: &str, source: Option<u64>, version: Option<u64>) {
    let mut versions = VERSIONS.write().unwrap_or_else(PoisonError::into_inner);
    versions.entry(name.to_owned()).or_default().insert(source, version);
}

/// Whether the code of a function is what it was. A version that was given counts, with the function's own text, in place of
/// the executable; where the function was not met yet in this process, nobody knows its version, so the executable has to be
/// the same.
pub(crate) fn runs(name: &str, source: Option<u64>, version: Option<u64>, build: &Fingerprint) -> bool {
    let known = || VERSIONS.read().unwrap_or_else(PoisonError::into_inner).get(name)?.get(&source).copied();
    match version.and_then(|_| known()) {
        Some(now) => now == version,
        None => *build == build_id(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: Option<u64> = Some(0x7e47);
    const OTHER_TEXT: Option<u64> = Some(0x07e4);

    /// Whether code holds that another build observed.
    fn holds(name: &str, source: Option<u64>, version: u64) -> bool {
        runs(name, source, Some(version), &Fingerprint::of_bytes(b"another build"))
    }

    #[test]
    fn a_version_holds_in_another_build_until_it_or_the_text_changes() {
        register("edited", TEXT, Some(1));
        assert!(holds("edited", TEXT, 1));
        assert!(!holds("edited", TEXT, 2));
        assert!(!holds("edited", OTHER_TEXT, 1));
        assert!(!holds("edited", None, 1));
    }

    #[test]
    fn functions_of_one_name_have_versions_of_their_own() {
        register("twins", TEXT, Some(1));
        register("twins", OTHER_TEXT, Some(2));
        assert!(holds("twins", TEXT, 1) && holds("twins", OTHER_TEXT, 2));
        assert!(!holds("twins", TEXT, 2) && !holds("twins", OTHER_TEXT, 1));
    }

    #[test]
    fn code_without_a_version_holds_in_its_own_build() {
        register("unversioned", TEXT, None);
        assert!(runs("unversioned", TEXT, None, &build_id()));
        assert!(!runs("unversioned", TEXT, None, &Fingerprint::of_bytes(b"another build")));
        assert!(!holds("unversioned", TEXT, 1));
    }
}
