//! Environment variables.

use crate::{Fingerprint, FingerprintBuilder};
use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    os::unix::ffi::OsStrExt,
    sync::OnceLock,
};

/// As they were, if that is what counts.
static KEPT: OnceLock<BTreeMap<OsString, OsString>> = OnceLock::new();

pub(crate) fn keep_environment() {
    KEPT.get_or_init(|| std::env::vars_os().collect());
}

pub(crate) fn environment_is_kept() -> bool {
    KEPT.get().is_some()
}

/// The fingerprint of a variable; `None` if it is unset. The empty name stands for the names of all.
pub(crate) fn env_fingerprint(name: &OsStr) -> Option<Fingerprint> {
    if name.is_empty() {
        return Some(names());
    }
    let value = match KEPT.get() {
        Some(kept) => kept.get(name).cloned(),
        None => std::env::var_os(name),
    };
    value.map(|value| FingerprintBuilder::new("everfresh.env").bytes(value.as_bytes()).finish())
}

/// Which variables there are. Python adds `LC_CTYPE` to its own environment where the locale is C.
fn names() -> Fingerprint {
    let mut names: Vec<_> = match KEPT.get() {
        Some(kept) => kept.keys().cloned().collect(),
        None => std::env::vars_os().map(|(name, _)| name).collect(),
    };
    names.retain(|name| name != "LC_CTYPE");
    names.sort();
    FingerprintBuilder::new("everfresh.env.names").list(&names, |builder, name| builder.bytes(name.as_bytes())).finish()
}
