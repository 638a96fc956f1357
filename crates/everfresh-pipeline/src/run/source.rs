//! Sources: looked at on every run, read only when they changed.

use super::{
    Context,
    context::{age, elapsed_ns, now_ns},
    done::{Done, Looked},
    lookup::expired,
};
use crate::{
    engine::{BATCH_ROWS, BoxError, ParamValue},
    fault::{Failure, Fault},
    graph::NodeId,
    reason::{Change, Reason},
    report::Outcome,
    spec::model::{Source, SourceKind, SqliteQuery},
    table::{Facts, FileOrigin, Origin, SourceFile, Table, declared_columns_exist, write_part},
};
use everfresh::{Fingerprint, FingerprintBuilder, disk::Space, file::Seen};
use everfresh_sources::{
    Format, Secret,
    sqlite::{self, SqliteValue, Volatile},
    url::{self, Fetched, UrlRequest, Validators},
};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

/// What is remembered of a source under its name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SourceRecord {
    /// What it is asked for: without this being equal, nothing below counts.
    asked: Fingerprint,
    /// The table that it gave.
    pub id: Fingerprint,
    rows: u64,
    bytes: u64,
    cost_ns: u64,
    /// The files that it was made from, as people write them.
    files: Vec<(String, Fingerprint)>,
    /// A database's files when it was read.
    witness: Vec<Option<Seen>>,
    /// What a server said of its answer, and when.
    validators: Option<Validators>,
    asked_ns: i64,
}

/// A source at work.
pub struct SourceRun<'a> {
    /// The run.
    pub context: &'a Context<'a>,
    /// Its node.
    pub id: NodeId,
    /// What the file says.
    pub source: &'a Source,
}

impl SourceRun<'_> {
    fn record(&self) -> Option<SourceRecord> {
        self.context.cache.record(Space::Steps, &self.context.node_key(&self.source.name))
    }

    fn store(&self, record: &SourceRecord) -> Result<(), Failure> {
        self.context.cache.put(Space::Steps, &self.context.node_key(&self.source.name), record, &[])
    }

    fn asked(&self) -> Fingerprint {
        let builder = FingerprintBuilder::new("everfresh.asked")
            .u64(crate::key::OPERATORS.into())
            .u64(self.context.spec.cache.version);
        match &self.source.kind {
            SourceKind::File { pattern, options, .. } => {
                builder.str("file").str(pattern).fingerprint(&options.fingerprint())
            }
            SourceKind::Sqlite { path, query, ttl } => {
                // Without a `ttl` it must be repeatable: what was read under one does not count then.
                let builder = builder.str("sqlite").bool(ttl.is_some()).bytes(path.as_os_str().as_encoded_bytes());
                match query {
                    SqliteQuery::Table(table) => builder.str("table").str(table),
                    SqliteQuery::Query { sql, bind } => {
                        builder.str("query").str(sql).list(bind, |builder, value| builder.str(&format!("{value:?}")))
                    }
                }
            }
            SourceKind::Url { url, headers, options, .. } => builder
                .str("url")
                .fingerprint(url.fingerprint())
                .list(headers, |builder, (name, value)| builder.str(name).fingerprint(value.fingerprint()))
                .fingerprint(&options.fingerprint()),
        }
        .finish()
    }

    /// Looks whether what is stored still holds, by stat, or by `ttl` for a URL. Reads nothing.
    pub fn quick(&self) -> Result<Looked, Fault> {
        let cache = self.context.cache;
        let Some(record) = self.record() else { return Ok(Err(Reason::New)) };
        if self.context.refreshes(&self.source.name) {
            return Ok(Err(Reason::Refreshed));
        }
        match &self.source.kind {
            SourceKind::File { pattern, options, check_content } => {
                if *check_content || record.asked != self.asked() {
                    return Ok(Err(Reason::New));
                }
                let listing = everfresh_sources::list(pattern)?;
                let files: Option<Vec<SourceFile>> =
                    listing.files.iter().map(|path| SourceFile::look_at_stat(cache, path)).collect();
                let Some(files) = files else { return Ok(Err(Reason::New)) };
                let origin = FileOrigin::new(files, Arc::new(options.clone()));
                if origin.id(cache) != record.id {
                    return Ok(Err(Reason::New));
                }
                let table = Table::known(record.id, Origin::Files(Arc::new(origin)));
                Ok(Ok(hit(&record, table, Reason::Unchanged)))
            }
            SourceKind::Sqlite { path, ttl, .. } => {
                let now = sqlite::witness(path).map_err(Failure::io("look at", path))?;
                let same = now.len() == record.witness.len()
                    && now.iter().zip(&record.witness).all(|(now, then)| match (now, then) {
                        (Some(now), Some(then)) => now.stat == then.stat && !then.racy,
                        (None, None) => true,
                        _ => false,
                    });
                Ok(if record.asked != self.asked() {
                    Err(Reason::Changed(vec![reading_changed()]))
                } else if !same {
                    Err(Reason::Changed(vec![Change::File { path: self.context.shown(path), how: "changed".into() }]))
                } else {
                    self.young(&record, *ttl)
                })
            }
            SourceKind::Url { ttl, .. } if record.asked == self.asked() => Ok(self.young(&record, Some(*ttl))),
            SourceKind::Url { .. } => Ok(Err(Reason::Changed(vec![reading_changed()]))),
        }
    }

    /// A hit, unless what is remembered is older than it may be.
    fn young(&self, record: &SourceRecord, ttl: Option<Duration>) -> Looked {
        match expired(record.asked_ns, ttl) {
            Some(reason) => Err(reason),
            None => Ok(self.stored_hit(record, Reason::Unchanged)),
        }
    }

    /// Looks as closely as it can without storing any rows.
    pub fn foresee(&self) -> Result<Looked, Fault> {
        let looked = self.quick()?;
        let (Err(_), SourceKind::File { pattern, options, check_content }) = (&looked, &self.source.kind) else {
            return Ok(looked);
        };
        if self.context.refreshes(&self.source.name) {
            return Ok(looked);
        }
        let cache = self.context.cache;
        let files = everfresh_sources::list(pattern)?
            .files
            .into_par_iter()
            .map(|path| SourceFile::look(cache, path, *check_content))
            .collect::<Result<Vec<_>, Failure>>()?;
        let shown: Vec<(String, Fingerprint)> =
            files.iter().map(|file| (self.context.shown(&file.path), file.content)).collect();
        let origin = FileOrigin::new(files, Arc::new(options.clone()));
        let id = origin.id(cache);
        let record = self.record();
        if cache.store.get(Space::Tables, &id).is_some() {
            let table = Table::known(id, Origin::Files(Arc::new(origin)));
            let done = Done { table: Some(Arc::new(table)), ..Done::new(Outcome::Hit, Reason::Unchanged) };
            return Ok(Ok(done));
        }
        let changes = record.map(|record| file_changes(&record.files, &shown)).unwrap_or_default();
        Ok(Err(if changes.is_empty() { Reason::New } else { Reason::Changed(changes) }))
    }

    fn stored_hit(&self, record: &SourceRecord, reason: Reason) -> Done {
        hit(record, Table::known(record.id, Origin::Stored(self.id)), reason)
    }

    /// Looks closely, and reads what changed. `reason` is why a quick look was not enough.
    pub fn full(&self, reason: Reason) -> Result<Done, Fault> {
        let refresh = self.context.refreshes(&self.source.name);
        match &self.source.kind {
            SourceKind::File { pattern, options, check_content } => {
                let mut last = None;
                for _ in 0..3 {
                    match self.files(pattern, options, *check_content || refresh) {
                        Err(Fault::Failed(failure)) => last = Some(Fault::Failed(failure)),
                        other => return other,
                    }
                    if !matches!(last, Some(Fault::Failed(Failure::Other(_)))) {
                        break;
                    }
                }
                Err(last.unwrap_or(Fault::Cancelled))
            }
            SourceKind::Sqlite { path, query, ttl } => {
                let done = self.sqlite(path, query, ttl.map_or(Volatile::Refused, |_| Volatile::Allowed))?;
                let expired = matches!(reason, Reason::Expired { .. });
                Ok(Done { reason: if expired { reason } else { done.reason }, ..done })
            }
            SourceKind::Url { url, headers, ttl, stale_if_error, timeout, options } => {
                self.url(url, headers, *ttl, *stale_if_error, *timeout, options)
            }
        }
    }

    fn files(&self, pattern: &str, options: &everfresh_sources::ReadOptions, always_hash: bool) -> Result<Done, Fault> {
        let (cache, started) = (self.context.cache, Instant::now());
        let listing = everfresh_sources::list(pattern)?;
        let files = listing
            .files
            .into_par_iter()
            .map(|path| SourceFile::look(cache, path, always_hash))
            .collect::<Result<Vec<_>, Failure>>()?;
        let shown: Vec<(String, Fingerprint)> =
            files.iter().map(|file| (self.context.shown(&file.path), file.content)).collect();
        let origin = Arc::new(FileOrigin::new(files, Arc::new(options.clone())));
        let id = origin.id(cache);
        let before = self.record();
        let known = cache.store.get(Space::Tables, &id).is_some();
        let table = Table::known(id, Origin::Files(origin));
        let facts = table.facts(cache)?;
        let record = SourceRecord {
            asked: self.asked(),
            id,
            rows: facts.rows(),
            bytes: facts.bytes(),
            cost_ns: match &before {
                Some(before) if known && before.id == id => before.cost_ns,
                _ => elapsed_ns(started),
            },
            files: shown,
            witness: Vec::new(),
            validators: None,
            asked_ns: now_ns(),
        };
        if before.as_ref().is_none_or(|before| SourceRecord { asked_ns: record.asked_ns, ..before.clone() } != record) {
            self.store(&record)?;
        }
        if known && before.as_ref().is_some_and(|before| before.id == id) && !self.context.refreshes(&self.source.name)
        {
            return Ok(hit(&record, table, Reason::Unchanged));
        }
        let reason = match &before {
            _ if self.context.refreshes(&self.source.name) => Reason::Refreshed,
            None => Reason::New,
            Some(before) => match file_changes(&before.files, &record.files) {
                changes if !changes.is_empty() => Reason::Changed(changes),
                _ if before.asked != record.asked => Reason::Changed(vec![reading_changed()]),
                _ => Reason::New,
            },
        };
        if known && !self.context.refreshes(&self.source.name) {
            return Ok(hit(&record, table, reason));
        }
        Ok(ran(&record, table, reason))
    }

    fn sqlite(&self, path: &Path, query: &SqliteQuery, volatile: Volatile) -> Result<Done, Fault> {
        let (cache, started) = (self.context.cache, Instant::now());
        let witness = sqlite::witness(path).map_err(Failure::io("look at", path))?;
        let read = match query {
            SqliteQuery::Table(table) => sqlite::read_table(path, table, volatile)?,
            SqliteQuery::Query { sql, bind } => {
                let bind: Vec<SqliteValue> = bind.iter().map(sqlite_value).collect();
                sqlite::read_query(path, sql, &bind, volatile)?
            }
        };
        let schema = read.schema.clone();
        let batches = read.map(|batch| batch.map_err(BoxError::from));
        let written = write_part(cache, &schema, batches, &self.context.options.cancel, started, &|_| {})?;
        let facts = Facts::new(written.schema, vec![written.part]);
        let shown = vec![(self.context.shown(path), facts.content_id())];
        self.finish(facts, shown, witness, None, started)
    }

    fn url(
        &self,
        url: &Secret,
        headers: &[(String, Secret)],
        ttl: Duration,
        stale_if_error: Option<Duration>,
        timeout: Duration,
        options: &everfresh_sources::ReadOptions,
    ) -> Result<Done, Fault> {
        let (cache, started) = (self.context.cache, Instant::now());
        let before = self.record().filter(|record| record.asked == self.asked());
        let rows_there = before.as_ref().is_some_and(|record| self.rows_are_there(&record.id));
        let validators = before.as_ref().filter(|_| rows_there).and_then(|record| record.validators.as_ref());
        let request = UrlRequest { url, headers, timeout };
        let answer = match url::fetch(&request, validators) {
            Ok(answer) => answer,
            Err(error) => {
                let Some(record) = before.filter(|_| rows_there) else { return Err(error.into()) };
                let age = age(record.asked_ns);
                let young = stale_if_error.map(|more| age < ttl.saturating_add(more));
                let stands_in = young.unwrap_or(error.is_offline()) && error.is_transient();
                if !stands_in {
                    return Err(error.into());
                }
                let why = error.to_string();
                let table = Table::known(record.id, Origin::Stored(self.id)).stale();
                let mut done = hit(&record, table, Reason::StandsIn(why.clone()));
                done.note = Some(format!("{why}; the last good answer, {} s old, stands in", age.as_secs()));
                return Ok(done);
            }
        };
        match (answer, before) {
            (Fetched::NotModified, Some(mut record)) => {
                record.asked_ns = now_ns();
                self.store(&record)?;
                Ok(self.stored_hit(&record, Reason::Unchanged))
            }
            (Fetched::NotModified, None) => {
                Err(Failure::Other(format!("`{url}` says that nothing changed, but was asked for the first time"))
                    .into())
            }
            (Fetched::Body { file, validators, .. }, _) => {
                let options = &with_format(url, options);
                let schema = everfresh_sources::infer_schema(file.path(), options)?;
                let schema = everfresh_sources::unify(&[(file.path().to_owned(), schema)])?;
                declared_columns_exist(options, &schema)?;
                let every: Vec<usize> = (0..schema.fields().len()).collect();
                let batches = everfresh_sources::read(file.path(), options, &schema, &every, BATCH_ROWS)?;
                let batches = batches.map(|batch| batch.map_err(BoxError::from));
                let written = write_part(cache, &schema, batches, &self.context.options.cancel, started, &|_| {})?;
                let facts = Facts::new(written.schema, vec![written.part]);
                let shown = vec![(url.redacted().to_owned(), facts.content_id())];
                self.finish(facts, shown, Vec::new(), Some(validators), started)
            }
        }
    }

    fn rows_are_there(&self, id: &Fingerprint) -> bool {
        let cache = self.context.cache;
        let record = cache.record::<crate::table::TableRecord>(Space::Tables, id);
        record.is_some_and(|record| record.blobs().iter().all(|blob| cache.store.has_blob(blob)))
    }

    /// Stores a table that was read, and tells whether it is a new one.
    fn finish(
        &self,
        facts: Facts,
        files: Vec<(String, Fingerprint)>,
        witness: Vec<Option<Seen>>,
        validators: Option<Validators>,
        started: Instant,
    ) -> Result<Done, Fault> {
        let cache = self.context.cache;
        let (id, stored) = (facts.content_id(), facts.record());
        cache.put(Space::Tables, &id, &stored, &stored.blobs())?;
        let before = self.record();
        let record = SourceRecord {
            asked: self.asked(),
            id,
            rows: facts.rows(),
            bytes: facts.bytes(),
            cost_ns: elapsed_ns(started),
            files,
            witness,
            validators,
            asked_ns: now_ns(),
        };
        self.store(&record)?;
        let reason = match &before {
            _ if self.context.refreshes(&self.source.name) => Reason::Refreshed,
            None => Reason::New,
            Some(before) if before.id == id => Reason::Unchanged,
            Some(before) if before.asked != record.asked => Reason::Changed(vec![reading_changed()]),
            Some(before) => Reason::Changed(file_changes(&before.files, &record.files)),
        };
        Ok(ran(&record, Table::with_facts(id, Origin::Stored(self.id), facts), reason))
    }
}

/// A body has no file name of its own: the URL's path tells its format, and JSON is what a URL usually gives.
fn with_format(url: &Secret, options: &everfresh_sources::ReadOptions) -> everfresh_sources::ReadOptions {
    let path = url.redacted().split(['?', '#']).next().unwrap_or_default();
    let format = options.format.or_else(|| options.format_of(Path::new(path)).ok()).unwrap_or(Format::Json);
    everfresh_sources::ReadOptions { format: Some(format), ..options.clone() }
}

/// The table of a source as it is now, if its rows are in the cache or in its files.
pub fn source_table(context: &Context<'_>, id: NodeId, source: &Source) -> Result<Option<Arc<Table>>, Fault> {
    Ok(SourceRun { context, id, source }.foresee()?.ok().and_then(|done| done.table))
}

fn reading_changed() -> Change {
    Change::Setting {
        name: "how it is read".into(),
        before: Some("other settings".into()),
        after: Some("these".into()),
    }
}

fn sqlite_value(value: &ParamValue) -> SqliteValue {
    match value {
        ParamValue::Bool(value) => SqliteValue::Bool(*value),
        ParamValue::Int(value) => SqliteValue::Int(*value),
        ParamValue::Float(value) => SqliteValue::Float(*value),
        ParamValue::Text(value) => SqliteValue::Text(value.clone()),
    }
}

fn hit(record: &SourceRecord, table: Table, reason: Reason) -> Done {
    Done { saved_ns: record.cost_ns, ..done(record, table, Outcome::Hit, reason) }
}

fn ran(record: &SourceRecord, table: Table, reason: Reason) -> Done {
    done(record, table, Outcome::Ran, reason)
}

fn done(record: &SourceRecord, table: Table, outcome: Outcome, reason: Reason) -> Done {
    Done {
        fingerprint: Some(table.id),
        table: Some(Arc::new(table)),
        rows: Some(record.rows),
        bytes: Some(record.bytes),
        ..Done::new(outcome, reason)
    }
}

/// Which files changed, were added or went.
fn file_changes(before: &[(String, Fingerprint)], after: &[(String, Fingerprint)]) -> Vec<Change> {
    let find = |files: &[(String, Fingerprint)], path: &str| {
        files.iter().find(|(other, _)| other == path).map(|(_, content)| *content)
    };
    let mut changes = Vec::new();
    for (path, content) in after {
        match find(before, path) {
            None => changes.push(Change::File { path: path.clone(), how: "added".into() }),
            Some(was) if was != *content => changes.push(Change::File { path: path.clone(), how: "changed".into() }),
            Some(_) => {}
        }
    }
    for (path, _) in before.iter().filter(|(path, _)| find(after, path).is_none()) {
        changes.push(Change::File { path: path.clone(), how: "removed".into() });
    }
    changes
}
