//! What a call says beside its arguments: what it depends on, and what becomes of its result.

use super::verify::Same;
use crate::{
    Fingerprint,
    observation::Observation,
    recording::{Frame, absolute, content, env_fingerprint, listing},
};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

#[derive(Clone)]
pub(super) struct Terms<V> {
    pub(super) depends: Vec<Dependency>,
    /// Values by name, with the function's.
    pub(super) values: Vec<(String, Fingerprint)>,
    /// What keeps the call from being kept.
    pub(super) bad: Option<String>,
    pub(super) ttl: Option<Duration>,
    /// Beside the memo's own.
    pub(super) tags: Vec<String>,
    /// Whether to compute in any case.
    pub(super) anew: bool,
    /// How to compare a value that is there with one that is computed to verify it.
    pub(super) same: Option<Same<V>>,
    /// Asked now and then while the caller's thread waits for somebody who computes: whether it waits on.
    pub(super) goes_on: Option<GoesOn>,
}

pub(super) type GoesOn = Arc<dyn Fn() -> bool + Send + Sync>;

/// An input that a caller declared.
#[derive(Clone)]
pub(super) enum Dependency {
    File(PathBuf),
    Dir(PathBuf),
    Env(String),
}

impl<V> Default for Terms<V> {
    fn default() -> Self {
        let (depends, values, tags) = (Vec::new(), Vec::new(), Vec::new());
        Self { depends, values, bad: None, ttl: None, tags, anew: false, same: None, goes_on: None }
    }
}

impl<V> Terms<V> {
    /// Whether the caller waits on.
    pub(super) fn goes_on(&self) -> Option<&dyn Fn() -> bool> {
        let goes_on = self.goes_on.as_deref()?;
        Some(goes_on)
    }

    /// What has to be in a trace, since it is declared: the first that is not.
    pub(super) fn missing(&self, observations: &[Observation]) -> Option<String> {
        let path_of = |path: &Path| absolute(path).unwrap_or_default().display().to_string();
        let declared = self.depends.iter().map(|dependency| match dependency {
            Dependency::File(path) => Observation::File { path: path_of(path), content: None },
            Dependency::Dir(path) => Observation::Dir { path: path_of(path), listing: None },
            Dependency::Env(name) => Observation::Env { name: name.clone(), value: None },
        });
        let values = self.values.iter().map(|(name, value)| Observation::Value { name: name.clone(), value: *value });
        let observed = |subject: &Observation| observations.iter().any(|seen| seen.subject() == subject.subject());
        let missing = declared.chain(values).find(|subject| !observed(subject))?;
        Some(missing.subject().1.to_owned())
    }

    /// Looks at all that is declared, before the computation begins.
    pub(super) fn look(&self, frame: &Frame) {
        for (name, value) in &self.values {
            frame.add(Observation::Value { name: name.clone(), value: *value });
        }
        self.depends.iter().for_each(|dependency| dependency.look(frame));
    }
}

impl Dependency {
    fn look(&self, frame: &Frame) {
        let path_of = |path: &Path| {
            let absolute = frame.absolute(path)?;
            let name = absolute.to_str()?.to_owned();
            Some((absolute, name))
        };
        let cannot = |path: &str, error: std::io::Error| frame.recorded().refuse(|| format!("`{path}`: {error}"));
        match self {
            Self::File(path) => {
                let Some((absolute, name)) = path_of(path) else { return };
                match content(&absolute, frame.store.as_ref()) {
                    Ok(found) => {
                        let (content, seen) = found.unzip();
                        frame.add_file(&absolute, Observation::File { path: name, content }, seen);
                    }
                    Err(error) => cannot(&name, error),
                }
            }
            Self::Dir(path) => {
                let Some((absolute, name)) = path_of(path) else { return };
                match listing(&absolute) {
                    Ok(listing) => frame.add(Observation::Dir { path: name, listing }),
                    Err(error) => cannot(&name, error),
                }
            }
            Self::Env(name) => {
                frame.add(Observation::Env { name: name.clone(), value: env_fingerprint(name.as_ref()) });
            }
        }
    }
}
