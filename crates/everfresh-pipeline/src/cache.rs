//! The disk tier as a pipeline uses it: typed records, and the memo of parsed SQL.

use crate::{
    engine::{ParsedSql, QueryEngine, SqlError},
    fault::Failure,
    python::Workers,
    sabotage::Sabotage,
};
use everfresh::{
    Fingerprint, FingerprintBuilder,
    disk::{Blob, Space, Store},
    trace::{Trace, Traces},
};
use serde::{Serialize, de::DeserializeOwned};
use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

/// The store and the engine of one run.
pub struct Cache {
    /// The disk tier.
    pub store: Store,
    engine: Arc<dyn QueryEngine>,
    engine_version: String,
    engine_started: AtomicBool,
    /// The processes that run Python steps.
    pub python: Workers,
    opened: Mutex<Vec<Fingerprint>>,
    #[cfg(feature = "sabotage")]
    sabotage: Option<Sabotage>,
}

impl Cache {
    /// Puts a store and an engine together. The engine is not started.
    pub fn new(store: Store, engine: Arc<dyn QueryEngine>) -> Self {
        let engine_version = engine.version();
        Self {
            store,
            engine,
            engine_version,
            engine_started: AtomicBool::new(false),
            python: Workers::default(),
            opened: Mutex::default(),
            #[cfg(feature = "sabotage")]
            sabotage: None,
        }
    }

    /// Plants a fault.
    #[cfg(feature = "sabotage")]
    pub fn plant(&mut self, sabotage: Option<Sabotage>) {
        self.sabotage = sabotage;
    }

    /// Whether this fault was planted.
    #[cfg(feature = "sabotage")]
    pub(crate) fn planted(&self, sabotage: Sabotage) -> bool {
        self.sabotage == Some(sabotage)
    }

    /// Whether this fault was planted: never, outside of tests.
    #[cfg(not(feature = "sabotage"))]
    #[inline(always)]
    pub(crate) const fn planted(&self, _: Sabotage) -> bool {
        false
    }

    /// The engine, to parse, plan or run something.
    pub fn engine(&self) -> &dyn QueryEngine {
        self.engine_started.store(true, Ordering::Relaxed);
        self.engine.as_ref()
    }

    /// Which engine it is.
    pub fn engine_version(&self) -> &str {
        &self.engine_version
    }

    /// Whether anything was parsed, planned or run so far.
    pub fn engine_started(&self) -> bool {
        self.engine_started.load(Ordering::Relaxed)
    }

    /// Opens a blob, and counts that as a use of it.
    pub fn open_blob(&self, name: &Fingerprint) -> Option<Blob> {
        let blob = self.store.blob(name)?;
        self.opened.lock().unwrap_or_else(PoisonError::into_inner).push(*name);
        Some(blob)
    }

    /// Tells the store which blobs were used, so that they are evicted later than others.
    pub fn tell_uses(&self) {
        let opened = std::mem::take(&mut *self.opened.lock().unwrap_or_else(PoisonError::into_inner));
        let uses: Vec<(Fingerprint, f64)> = opened.into_iter().map(|name| (name, 0.0)).collect();
        self.store.used(&uses);
    }

    /// Reads a record; one that is absent, damaged or of another shape is `None`.
    pub fn record<T: DeserializeOwned>(&self, space: Space, key: &Fingerprint) -> Option<T> {
        postcard::from_bytes(&self.store.get(space, key)?).ok()
    }

    /// Writes a record that refers to blobs.
    pub fn put<T: Serialize>(
        &self,
        space: Space,
        key: &Fingerprint,
        value: &T,
        blobs: &[Fingerprint],
    ) -> Result<(), Failure> {
        let bytes =
            postcard::to_stdvec(value).map_err(|error| Failure::Other(format!("cannot encode a record: {error}")))?;
        Ok(self.store.put(space, key, &bytes, blobs)?)
    }

    /// The traces of a key.
    pub fn traces(&self, key: &Fingerprint) -> Traces {
        self.record(Space::Traces, key).unwrap_or_default()
    }

    /// Adds a trace to a key.
    pub fn remember(&self, key: &Fingerprint, trace: Trace) -> Result<(), Failure> {
        let mut traces = self.traces(key);
        traces.remember(trace);
        self.put(Space::Traces, key, &traces, &[])
    }

    /// What the text of a query tells by itself; the same text is parsed once in the life of the cache.
    pub fn parse(&self, sql: &str) -> Result<ParsedSql, SqlError> {
        let key = FingerprintBuilder::new("everfresh.parse").str(&self.engine_version).str(sql).finish();
        if let Some(parsed) = self.record(Space::Memos, &key) {
            return Ok(parsed);
        }
        let parsed = self.engine().parse(sql)?;
        if let Err(error) = self.put(Space::Memos, &key, &parsed, &[]) {
            tracing::warn!(%error, "cannot remember a parsed query");
        }
        Ok(parsed)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::engine::{PlanRequest, PlannedQuery, SqlErrorKind};
    use everfresh::disk::StoreOptions;

    /// For what needs no query.
    struct NoEngine;

    impl QueryEngine for NoEngine {
        fn version(&self) -> String {
            "none".into()
        }

        fn parse(&self, _: &str) -> Result<ParsedSql, SqlError> {
            Err(SqlError { message: "no engine".into(), span: None, help: None, kind: SqlErrorKind::Invalid })
        }

        fn plan(&self, request: PlanRequest<'_>) -> Result<Box<dyn PlannedQuery>, SqlError> {
            Err(self.parse(request.sql).err().unwrap())
        }
    }

    /// A cache in a folder of its own.
    pub(crate) fn empty_cache() -> (tempfile::TempDir, Cache) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("cache"), StoreOptions::default()).unwrap();
        (folder, Cache::new(store, Arc::new(NoEngine)))
    }
}
