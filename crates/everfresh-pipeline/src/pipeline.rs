//! A pipeline, opened: the file read, the graph checked, the cache at hand.

use crate::{
    cache::Cache,
    diagnose::diagnostics,
    engine::QueryEngine,
    fault::{Failure, Fault},
    graph::{Graph, NodeKind},
    history::{History, Kept},
    report::{Observer, RunReport, Silent},
    run::{self, Context, NodeRecord, Planned, RunOptions, SourceRecord, node_key, source_table},
    spec::{Diagnostic, LoadError, LoadOptions, Loaded, Partial, model::SourceKind, read, suggest::closest},
    table::{Input, Origin, Table, TableRecord},
};
use arrow::{array::RecordBatch, datatypes::SchemaRef};
use everfresh::{
    Fingerprint,
    disk::{GcReport, Space, Store, StoreError, StoreOptions, VerifyReport},
    trace::Traces,
};
use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    sync::Arc,
};

/// How to open a pipeline.
pub struct Settings<'a> {
    /// What the file is read with.
    pub load: LoadOptions<'a>,
    /// The query engine. It is not started before something must be computed.
    pub engine: Arc<dyn QueryEngine>,
    /// Keep nothing and use nothing that is kept.
    pub no_cache: bool,
    /// Make no cache folder where there is none.
    pub look_only: bool,
}

/// Why a pipeline cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The file cannot be loaded.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The cache cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no temporary folder.
    #[error("cannot make a temporary folder: {0}")]
    Temporary(std::io::Error),
}

/// Why something could not be shown.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ShowError {
    /// There is nothing of that name.
    #[error("{0}")]
    Unknown(String),
    /// It has no stored rows.
    #[error("`{0}` has no stored result: run the pipeline first, with `--refresh {0}` if its rows were evicted")]
    NothingStored(String),
    /// Its rows cannot be read.
    #[error(transparent)]
    Failed(#[from] Failure),
}

/// What to clear.
#[derive(Clone, Debug, Default)]
pub struct Clear {
    /// These steps, checks and sinks.
    pub steps: Vec<String>,
    /// These sources.
    pub sources: Vec<String>,
    /// Steps with one of these tags.
    pub tags: Vec<String>,
    /// Everything in the cache folder.
    pub all: bool,
}

/// An open pipeline.
pub struct Pipeline {
    loaded: Loaded,
    graph: Graph,
    cache: Cache,
    /// A cache that is thrown away with the pipeline.
    _temporary: Option<tempfile::TempDir>,
}

impl Pipeline {
    /// Reads the file, checks the graph and opens the cache.
    ///
    /// # Errors
    /// Everything that is wrong with the file, in one pass; or why the cache cannot be used.
    pub fn open(path: &Path, settings: &Settings<'_>) -> Result<Self, OpenError> {
        let Partial { loaded, mut errors, left_out } = read(path, &settings.load)?;
        let cache = &loaded.spec.cache;
        let options = StoreOptions { max_size: cache.max_size, ..StoreOptions::default() };
        let existing = if settings.look_only { Store::open_existing(&cache.dir)? } else { None };
        let throw_away = settings.no_cache || !cache.enabled || (settings.look_only && existing.is_none());
        let (store, temporary) = match existing {
            Some(store) => (store, None),
            None if throw_away => {
                let folder = tempfile::tempdir().map_err(OpenError::Temporary)?;
                (Store::open(folder.path(), options)?, Some(folder))
            }
            None => (Store::open(&cache.dir, options)?, None),
        };
        let cache = Cache::new(store, settings.engine.clone());
        let graph = Graph::build(&loaded.spec, &left_out, &cache).map_err(|problems| diagnostics(&loaded, problems));
        match graph {
            Ok(graph) if errors.is_empty() => Ok(Self { loaded, graph, cache, _temporary: temporary }),
            graph => {
                errors.extend(graph.err().into_iter().flatten());
                Err(LoadError::Invalid(errors).into())
            }
        }
    }

    /// What the file says.
    pub fn loaded(&self) -> &Loaded {
        &self.loaded
    }

    /// Its graph.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// Plants a fault in its engine.
    #[cfg(feature = "sabotage")]
    pub fn plant(&mut self, sabotage: Option<crate::sabotage::Sabotage>) {
        self.cache.plant(sabotage);
    }

    /// Its cache.
    pub fn cache(&self) -> &Cache {
        &self.cache
    }

    /// Things in the file that somebody should look at.
    pub fn warnings(&self) -> &[Diagnostic] {
        &self.loaded.warnings
    }

    fn context<'a>(&'a self, options: &'a RunOptions, observer: &'a dyn Observer) -> Context<'a> {
        Context {
            cache: &self.cache,
            spec: &self.loaded.spec,
            loaded: &self.loaded,
            graph: &self.graph,
            path: self.loaded.path.clone(),
            options,
            observer,
        }
    }

    /// The first of these names that no node has, with the nearest one that exists.
    pub fn unknown_name(&self, names: &[String]) -> Option<String> {
        let unknown = names.iter().find(|name| self.graph.find(name).is_none())?;
        let close = closest(unknown, self.graph.nodes.iter().map(|node| node.name.as_str()));
        let hint = close.map(|close| format!(": did you mean `{close}`?")).unwrap_or_default();
        Some(format!("nothing in this pipeline is named `{unknown}`{hint}"))
    }

    /// Runs it, remembers what happened and keeps the cache within its bounds.
    pub fn run(&self, options: &RunOptions, observer: &dyn Observer) -> RunReport {
        let report = run::run(&self.context(options, observer));
        let mut history = History::load(&self.cache, &self.loaded.path);
        history.add(&report);
        history.env = self.loaded.env.iter().map(|read| (read.name.clone(), read.value)).collect();
        self.cache.tell_uses();
        let kept = history.store(&self.cache, &self.loaded.path);
        let bounded = self.cache.store.enforce().map_err(Failure::from);
        for error in [kept.err(), bounded.err()].into_iter().flatten() {
            tracing::warn!(%error, "the run is done, but its record is not");
        }
        report
    }

    /// Tells what a run would do.
    ///
    /// # Errors
    /// A source or a cache that cannot be read.
    pub fn plan(&self, options: &RunOptions) -> Result<Vec<Planned>, Failure> {
        run::plan(&self.context(options, &Silent))
    }

    /// What earlier runs left.
    pub fn history(&self) -> History {
        History::load(&self.cache, &self.loaded.path)
    }

    /// The traces that are kept of a node, the newest first.
    pub fn traces(&self, name: &str) -> Traces {
        let record = NodeRecord::load(&self.cache, &node_key(&self.loaded.path, name));
        record.keys.first().map(|key| self.cache.traces(key)).unwrap_or_default()
    }

    /// The first rows of the last result of a source or step, or of the bad rows of a check.
    ///
    /// # Errors
    /// If there is no such node, or nothing of it is stored.
    pub fn show(&self, name: &str, limit: usize) -> Result<(SchemaRef, Vec<RecordBatch>, u64), ShowError> {
        if let Some(unknown) = self.unknown_name(&[name.to_owned()]) {
            return Err(ShowError::Unknown(unknown));
        }
        let nothing = || ShowError::NothingStored(name.to_owned());
        let id = self.graph.find(name).ok_or_else(nothing)?;
        let options = RunOptions::default();
        let context = self.context(&options, &Silent);
        let last = self.history().last.remove(name);
        let table = match self.graph.nodes.get(id).map(|node| &node.kind) {
            Some(NodeKind::Source(source)) => source_table(&context, id, source).ok().flatten().ok_or_else(nothing)?,
            Some(NodeKind::Step(..) | NodeKind::Python(..)) => {
                let fingerprint = last.and_then(|last| last.fingerprint).ok_or_else(nothing)?;
                Arc::new(Table::known(fingerprint, Origin::Stored(id)))
            }
            Some(NodeKind::Check(..)) => {
                let kept = last.and_then(|last| last.check).and_then(|check| check.kept).ok_or_else(nothing)?;
                Arc::new(Table::known(kept, Origin::Stored(id)))
            }
            Some(NodeKind::Sink(sink)) => return self.show(&sink.from.0, limit),
            None => return Err(nothing()),
        };
        self.first_rows(Input { name: name.to_owned(), table, part: None }, limit).map_err(|fault| match fault {
            Fault::Failed(failure) => failure.into(),
            Fault::Missing(_) | Fault::Cancelled => nothing(),
        })
    }

    fn first_rows(&self, input: Input, limit: usize) -> Result<(SchemaRef, Vec<RecordBatch>, u64), Fault> {
        let scan = input.open(&self.cache)?;
        let every: Vec<usize> = (0..scan.schema().fields().len()).collect();
        let (mut left, mut rows) = (limit, Vec::new());
        for batch in scan.scan(&every).map_err(crate::table::from_box)? {
            if left == 0 {
                break;
            }
            let batch = batch.map_err(crate::table::from_box)?;
            let batch = batch.slice(0, batch.num_rows().min(left));
            left -= batch.num_rows();
            rows.push(batch);
        }
        Ok((scan.schema(), rows, scan.rows()))
    }

    /// Forgets results; the next run computes them again. Tells how many records went.
    ///
    /// # Errors
    /// A cache that cannot be written.
    pub fn clear(&self, clear: &Clear) -> Result<u64, Failure> {
        if clear.all {
            let records = self.records()?;
            self.cache.store.wipe()?;
            return Ok(records);
        }
        let tagged = self.loaded.spec.steps.iter().filter(|step| step.tags.iter().any(|tag| clear.tags.contains(tag)));
        let names: Vec<&str> =
            clear.steps.iter().map(String::as_str).chain(tagged.map(|step| step.name.as_str())).collect();
        let mut gone = 0;
        for name in names {
            let node = node_key(&self.loaded.path, name);
            let record = NodeRecord::load(&self.cache, &node);
            for key in record.keys.into_iter().chain(record.partitions) {
                gone += u64::from(self.cache.store.delete(Space::Traces, &key)?);
            }
            gone += u64::from(self.cache.store.delete(Space::Steps, &node)?);
        }
        for source in self.loaded.spec.sources.iter().filter(|source| clear.sources.contains(&source.name)) {
            let node = node_key(&self.loaded.path, &source.name);
            if let Some(record) = self.cache.record::<SourceRecord>(Space::Steps, &node) {
                gone += u64::from(self.cache.store.delete(Space::Tables, &record.id)?);
            }
            gone += u64::from(self.cache.store.delete(Space::Steps, &node)?);
            if let SourceKind::File { pattern, .. } = &source.kind {
                for path in everfresh_sources::list(pattern).map(|listing| listing.files).unwrap_or_default() {
                    gone += u64::from(crate::table::SourceFile::forget(&self.cache, &path)?);
                }
            }
        }
        Ok(gone)
    }

    fn records(&self) -> Result<u64, Failure> {
        let mut count = 0;
        for space in [Space::Traces, Space::Tables, Space::Files, Space::Memos, Space::Runs, Space::Steps] {
            self.cache.store.for_each(space, |_, _| count += 1)?;
        }
        Ok(count)
    }

    /// Removes what nothing refers to, then what saves the least, until the cache is within `max_size`.
    ///
    /// # Errors
    /// A cache that cannot be written.
    pub fn gc(&self, max_size: Option<u64>) -> Result<GcReport, Failure> {
        collect_garbage(&self.cache, max_size.or(Some(self.loaded.spec.cache.max_size)))
    }

    /// Holds every stored object against its fingerprint.
    ///
    /// # Errors
    /// A cache that cannot be read.
    pub fn verify(&self) -> Result<VerifyReport, Failure> {
        Ok(self.cache.store.verify()?)
    }

    /// Where the cache is.
    pub fn cache_dir(&self) -> PathBuf {
        self.cache.store.dir().to_owned()
    }
}

/// Tables that no trace, source or check names any more go first; then the store removes their blobs.
fn collect_garbage(cache: &Cache, max_size: Option<u64>) -> Result<GcReport, Failure> {
    let mut live: HashSet<Fingerprint> = HashSet::new();
    cache.store.for_each(Space::Traces, |_, bytes| {
        let traces = postcard::from_bytes::<Traces>(bytes).unwrap_or_default();
        for trace in &traces.0 {
            live.insert(trace.output);
        }
    })?;
    cache.store.for_each(Space::Steps, |_, bytes| {
        live.extend(postcard::from_bytes::<SourceRecord>(bytes).map(|record| record.id));
    })?;
    cache.store.for_each(Space::Runs, |_, bytes| match postcard::from_bytes::<Kept>(bytes) {
        Ok(Kept::Check(found)) => live.extend(found.kept),
        Ok(Kept::History(history)) => live.extend(history.last.values().filter_map(|node| node.fingerprint)),
        Err(_) => {}
    })?;
    let mut dead = Vec::new();
    cache.store.for_each(Space::Tables, |id, _| {
        if !live.contains(id) {
            dead.push(*id);
        }
    })?;
    for id in &dead {
        cache.store.delete(Space::Tables, id)?;
    }
    let mut report = cache.store.gc(max_size)?;
    report.removed_records += dead.len() as u64;
    Ok(report)
}

/// The stored form of a table, if it is there; for tests and tools.
pub fn stored_table(cache: &Cache, id: &Fingerprint) -> Option<TableRecord> {
    cache.record(Space::Tables, id)
}
