//! What every node of a run has at hand.

use crate::{
    cache::Cache,
    engine::Cancel,
    graph::Graph,
    report::{Event, Observer},
    spec::{Loaded, model::Spec},
};
use everfresh::{Fingerprint, FingerprintBuilder};
use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// Which results are computed even though they could be served.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Refresh {
    /// None.
    #[default]
    None,
    /// These nodes'.
    These(Vec<String>),
    /// All.
    All,
}

/// How to run.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// How many nodes may compute at once.
    pub jobs: usize,
    /// What to compute in any case.
    pub refresh: Refresh,
    /// These steps and what they need, and nothing else; empty is everything.
    pub only: Vec<String>,
    /// Stops the run.
    pub cancel: Cancel,
}

impl Default for RunOptions {
    fn default() -> Self {
        let jobs = std::thread::available_parallelism().map_or(1, |cores| cores.get());
        Self { jobs, refresh: Refresh::None, only: Vec::new(), cancel: Cancel::default() }
    }
}

/// One run of one pipeline.
pub struct Context<'a> {
    /// The store and the engine.
    pub cache: &'a Cache,
    /// What the file says.
    pub spec: &'a Spec,
    /// The file itself, to point into.
    pub loaded: &'a Loaded,
    /// Its graph.
    pub graph: &'a Graph,
    /// The pipeline file, absolute.
    pub path: PathBuf,
    /// How to run.
    pub options: &'a RunOptions,
    /// Who hears what happens.
    pub observer: &'a dyn Observer,
}

impl Context<'_> {
    /// The key of what is remembered of a node under its name.
    pub fn node_key(&self, name: &str) -> Fingerprint {
        node_key(&self.path, name)
    }

    /// The folder of the pipeline file.
    pub fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(&self.path)
    }

    /// Tells an event.
    pub fn tell(&self, event: Event<'_>) {
        self.observer.event(event);
    }

    /// A path as people write it: relative to the pipeline's folder where it lies inside.
    pub fn shown(&self, path: &Path) -> String {
        path.strip_prefix(self.folder()).unwrap_or(path).display().to_string()
    }

    /// Whether the node's result is computed in any case.
    pub fn refreshes(&self, name: &str) -> bool {
        match &self.options.refresh {
            Refresh::None => false,
            Refresh::These(names) => names.iter().any(|wanted| wanted == name),
            Refresh::All => true,
        }
    }
}

/// The key of what is remembered of a node of a pipeline under its name.
pub fn node_key(path: &Path, name: &str) -> Fingerprint {
    FingerprintBuilder::new("everfresh.node").bytes(path.as_os_str().as_encoded_bytes()).str(name).finish()
}

/// The time since `started`, in nanoseconds.
pub fn elapsed_ns(started: Instant) -> u64 {
    u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

/// How long ago something was. A clock that was set back since makes it as old as can be.
pub fn age(then_ns: i64) -> Duration {
    Duration::from_nanos(u64::try_from(now_ns().saturating_sub(then_ns)).unwrap_or(u64::MAX))
}

/// Now, in nanoseconds since the Unix epoch.
pub fn now_ns() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).ok().and_then(|now| i64::try_from(now.as_nanos()).ok()).unwrap_or(0)
}
