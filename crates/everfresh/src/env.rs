//! Environment variables, so that a cached computation knows of them: as in [`std::env`](mod@std::env), but what is read
//! inside a computation that [`Memo`](crate::Memo) or `#[cached]` keeps is observed, absences included.
//!
//! ```
//! use everfresh::Memo;
//!
//! let region: Memo<Option<String>> = Memo::builder("region").build();
//! let read = || region.get_or_compute(&(), || everfresh::env::var("EVERFRESH_DOC_REGION").ok());
//! assert_eq!((read(), read(), region.stats().loads), (None, None, 1));
//! ```

use crate::{
    observation::Observation,
    recording::{current, env_fingerprint},
};
use std::{
    env::VarError,
    ffi::{OsStr, OsString},
};

/// The value of a variable, as [`std::env::var`].
///
/// ```
/// assert_eq!(everfresh::env::var("PATH"), std::env::var("PATH"));
/// assert!(everfresh::env::var("EVERFRESH_DOC_UNSET").is_err());
/// ```
///
/// # Errors
/// If it is unset or not Unicode.
pub fn var(name: impl AsRef<OsStr>) -> Result<String, VarError> {
    observe(name.as_ref());
    std::env::var(name)
}

/// The value of a variable, as [`std::env::var_os`]; `None` if it is unset.
///
/// ```
/// use everfresh::Memo;
///
/// let read = || everfresh::env::var_os("EVERFRESH_DOC_UNSET");
/// let seen = Memo::builder("env::var_os").build();
/// assert_eq!(seen.get_or_compute(&(), read), None);
/// assert!(seen.explain(&()).to_string().contains("environment variable EVERFRESH_DOC_UNSET (absent)"));
/// ```
pub fn var_os(name: impl AsRef<OsStr>) -> Option<OsString> {
    observe(name.as_ref());
    std::env::var_os(name)
}

fn observe(name: &OsStr) {
    let Some(frame) = current() else { return };
    match name.to_str() {
        Some(text) => frame.add(Observation::Env { name: text.to_owned(), value: env_fingerprint(name) }),
        None => frame.recorded().refuse(|| "the name of a variable is not Unicode".to_owned()),
    }
}
