//! Values and traces of functions in the store.
//!
//! | record | key | holds |
//! | --- | --- | --- |
//! | `Traces` | function and arguments | up to 16 traces, each with the shape of its value's type ([`codec`]) |
//! | blob | shape and encoding of a value | the encoding |

use super::{
    encoding::{Encoding, EncodingError},
    held::Held,
    lock::Turns,
    reason::Reason,
};
use crate::{
    Fingerprint, FingerprintBuilder, codec,
    disk::{Space, Store, StoreError, StoreOptions},
    trace::{TRACES_PER_KEY, Trace},
};
use serde::{Deserialize, Serialize};
use std::{
    env, fmt,
    path::PathBuf,
    sync::{Arc, OnceLock},
    time::Duration,
};

/// Where a memo keeps values, and how.
pub(super) struct Disk<V> {
    pub(super) store: Store,
    pub(super) encoding: Box<dyn Encoding<V>>,
    pub(super) turns: Arc<Turns>,
}

impl<V> fmt::Debug for Disk<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Disk").field(&self.store.dir()).finish()
    }
}

/// A trace as it is stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Stored {
    pub(super) trace: Trace,
    shape: Fingerprint,
}

/// Why a value could not be stored.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotStored {
    #[error(transparent)]
    Encoding(#[from] EncodingError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl<V> Disk<V> {
    /// The traces of a key, the last that was stored first.
    pub(super) fn traces(&self, key: &Fingerprint) -> Vec<Stored> {
        let record = self.store.get(Space::Traces, key);
        // What another version of Everfresh wrote is none.
        record.and_then(|record| Some(codec::from_slice(&record).ok()?.value)).unwrap_or_default()
    }

    /// The value of a trace.
    pub(super) fn value(&self, stored: &Stored) -> Result<V, Reason> {
        let blob = self.store.blob(&stored.trace.output).ok_or(Reason::ResultGone)?;
        let (value, shape) = self.encoding.decode(blob).map_err(|_| Reason::ShapeChanged)?;
        if shape != stored.shape {
            return Err(Reason::ShapeChanged);
        }
        let cost = Duration::from_nanos(stored.trace.cost_ns);
        self.store.used(&[(stored.trace.output, cost.as_secs_f64())]);
        Ok(value)
    }

    /// Stores a value, then its trace beside those of its key for which `stays` holds.
    pub(super) fn put(
        &self,
        key: &Fingerprint,
        held: &mut Held<V>,
        stays: impl Fn(&Trace) -> bool,
    ) -> Result<(), NotStored> {
        let mut writer = self.store.blob_writer()?.here();
        let shape = self.encoding.encode(&held.value, &mut writer)?;
        let content = writer.content();
        let output = FingerprintBuilder::new("everfresh.value").fingerprint(&shape).fingerprint(&content).finish();
        held.trace.output = output;
        held.trace.bytes = writer.finish(output, Duration::from_nanos(held.trace.cost_ns))?;
        let mut traces = vec![Stored { trace: held.trace.clone(), shape }];
        let old = self.traces(key).into_iter().map(|old| (old.trace.observations != held.trace.observations, old));
        let others = old.filter_map(|(differs, old)| (differs && stays(&old.trace)).then_some(old));
        traces.extend(others.take(TRACES_PER_KEY - 1));
        let outputs: Vec<Fingerprint> = traces.iter().map(|stored| stored.trace.output).collect();
        self.store.put(Space::Traces, key, &codec::to_vec(&traces).map_err(EncodingError::from)?, &outputs)?;
        self.store.enforce()?;
        Ok(())
    }
}

/// The user's own store, for functions: in the folder that `EVERFRESH_CACHE_DIR` names, or `everfresh` in the user's cache
/// folder (`XDG_CACHE_HOME`, `~/.cache`; `~/Library/Caches` on macOS). Open once a process.
///
/// ```no_run
/// use everfresh::{Memo, memo::default_store};
///
/// let lengths: Memo<usize> = Memo::builder("lengths").store(default_store()?).build();
/// # Ok::<_, everfresh::disk::StoreError>(())
/// ```
///
/// # Errors
/// If there is no such folder and none can be made, or it cannot be a cache: see [`Store::open`].
pub fn default_store() -> Result<Store, StoreError> {
    static STORE: OnceLock<Store> = OnceLock::new();
    if let Some(store) = STORE.get() {
        return Ok(store.clone());
    }
    let folder = default_folder().ok_or(StoreError::NoHome)?;
    let store = Store::open(&folder, StoreOptions::default())?;
    Ok(STORE.get_or_init(|| store).clone())
}

/// The folder of the user's own store; `None` if nothing says where the user's files are.
///
/// ```
/// if let Some(folder) = everfresh::memo::default_folder() {
///     println!("functions keep their results in {}", folder.display());
/// }
/// ```
pub fn default_folder() -> Option<PathBuf> {
    if let Some(folder) = env::var_os("EVERFRESH_CACHE_DIR").filter(|folder| !folder.is_empty()) {
        return Some(folder.into());
    }
    let absolute = |name| env::var_os(name).map(PathBuf::from).filter(|folder| folder.is_absolute());
    let user = if cfg!(target_os = "macos") {
        absolute("HOME")?.join("Library/Caches")
    } else {
        absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))?
    };
    Some(user.join("everfresh"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::Observation;

    #[test]
    fn the_format_of_traces_is_pinned_by_golden_bytes() {
        let trace = Trace {
            observations: vec![
                Observation::Function {
                    name: "f".into(),
                    version: Some(1),
                    source: Some(8),
                    build: Fingerprint::from_bytes([1; 32]),
                },
                Observation::File { path: "/a".into(), content: None },
            ],
            output: Fingerprint::from_bytes([2; 32]),
            cost_ns: 3,
            bytes: 4,
            rows: 0,
            made_ns: 5,
            expires_ns: Some(6),
        };
        let traces = vec![Stored { trace, shape: Fingerprint::from_bytes([7; 32]) }];
        let bytes = codec::to_vec(&traces).unwrap();
        assert_eq!((bytes.len(), Fingerprint::of_bytes(&bytes).short()), (473, "6c60c30cff7b".to_owned()));
        let read: Vec<Stored> = codec::from_slice(&bytes).unwrap().value;
        assert_eq!(read[0].trace, traces[0].trace);
    }
}
