//! Sinks: where results go. Every write is atomic, and every run looks whether the target still is what was written.

mod file;
mod sqlite;

use crate::{
    cache::Cache,
    engine::{Batches, BoxError, Cancel},
    fault::{Failure, Fault},
    reason::{Change, Reason},
    report::Outcome,
    run::{Context, Done, Looked, elapsed_ns, may_store},
    sabotage::Sabotage,
    spec::model::{Sink, SinkKind, SinkMode},
    table::Input,
};
use arrow::datatypes::SchemaRef;
use everfresh::{Fingerprint, FingerprintBuilder, disk::Space, file::Seen};
use serde::{Deserialize, Serialize};
use std::time::Instant;

/// What is remembered of a sink under its name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct SinkRecord {
    /// What it was asked to write, and where to.
    asked: Fingerprint,
    /// The table that it wrote.
    input: Fingerprint,
    rows: u64,
    bytes: u64,
    cost_ns: u64,
    /// The target's files after the write.
    seen: Vec<Option<Seen>>,
    /// The target's content after the write.
    content: Fingerprint,
}

/// What lies at a sink's target.
struct Target {
    seen: Vec<Option<Seen>>,
    content: Fingerprint,
    bytes: u64,
}

/// How a target compares with what was written.
enum Compared {
    Same,
    SameContent(Vec<Option<Seen>>),
    Differs(&'static str),
}

/// A sink at work.
pub struct SinkRun<'a> {
    /// The run.
    pub context: &'a Context<'a>,
    /// What the file says.
    pub sink: &'a Sink,
    /// The table that it writes.
    pub input: Input,
}

impl SinkRun<'_> {
    fn asked(&self) -> Fingerprint {
        let builder = FingerprintBuilder::new("everfresh.sink")
            .u64(crate::key::OPERATORS.into())
            .u64(self.context.spec.cache.version);
        match &self.sink.kind {
            SinkKind::File { path, format } => {
                builder.str("file").bytes(path.as_os_str().as_encoded_bytes()).str(&format!("{format:?}"))
            }
            SinkKind::Sqlite { path, table, mode } => {
                builder.str("sqlite").bytes(path.as_os_str().as_encoded_bytes()).str(table).str(&format!("{mode:?}"))
            }
        }
        .finish()
    }

    fn record(&self, cache: &Cache) -> Option<SinkRecord> {
        cache.record(Space::Steps, &self.context.node_key(&self.sink.name))
    }

    /// Looks whether the target still is what this table would make it.
    pub fn lookup(&self) -> Result<Looked, Fault> {
        let cache = self.context.cache;
        if self.context.refreshes(&self.sink.name) {
            return Ok(Err(Reason::Refreshed));
        }
        let Some(mut record) = self.record(cache) else { return Ok(Err(Reason::New)) };
        if record.asked != self.asked() {
            return Ok(Err(Reason::Changed(vec![Change::Setting {
                name: "the target".into(),
                before: None,
                after: Some(self.target_name()),
            }])));
        }
        if record.input != self.input.table.id {
            return Ok(Err(Reason::Changed(vec![Change::File {
                path: self.input.name.clone(),
                how: "changed".into(),
            }])));
        }
        match self.compare(&record)? {
            _ if cache.planted(Sabotage::TrustTarget) => {}
            Compared::Same => {}
            Compared::SameContent(seen) => {
                record.seen = seen;
                cache.put(Space::Steps, &self.context.node_key(&self.sink.name), &record, &[])?;
            }
            Compared::Differs(how) => {
                return Ok(Err(Reason::Changed(vec![Change::File { path: self.target_name(), how: how.into() }])));
            }
        }
        Ok(Ok(Done { saved_ns: record.cost_ns, ..self.done(&record, Outcome::Hit, Reason::Unchanged) }))
    }

    fn target_name(&self) -> String {
        match &self.sink.kind {
            SinkKind::File { path, .. } => self.context.shown(path),
            SinkKind::Sqlite { path, table, .. } => format!("{}:{table}", self.context.shown(path)),
        }
    }

    fn compare(&self, record: &SinkRecord) -> Result<Compared, Fault> {
        let now = match &self.sink.kind {
            SinkKind::File { path, .. } => vec![everfresh::file::observe(path).ok()],
            SinkKind::Sqlite { path, .. } => {
                everfresh_sources::sqlite::witness(path).map_err(Failure::io("look at", path))?
            }
        };
        if now.first().is_none_or(Option::is_none) {
            return Ok(Compared::Differs("deleted"));
        }
        let same = now.len() == record.seen.len()
            && now.iter().zip(&record.seen).all(|(now, then)| match (now, then) {
                (Some(now), Some(then)) => now.stat == then.stat && !then.racy,
                (None, None) => true,
                _ => false,
            });
        if same {
            return Ok(Compared::Same);
        }
        let content = match &self.sink.kind {
            SinkKind::File { path, .. } => Some(everfresh::file::hash_file(path).map_err(Failure::io("read", path))?),
            SinkKind::Sqlite { path, table, mode: SinkMode::Append } => {
                sqlite::was_appended(path, table, &record.input)?.then_some(record.content)
            }
            SinkKind::Sqlite { path, table, .. } => sqlite::content(path, table)?,
        };
        Ok(match content {
            Some(content) if content == record.content => Compared::SameContent(now),
            Some(_) => Compared::Differs("edited"),
            None => Compared::Differs("deleted"),
        })
    }

    /// Writes the table.
    pub fn compute(&self, reason: Reason) -> Result<Done, Fault> {
        let (cache, started) = (self.context.cache, Instant::now());
        let scan = self.input.open(cache)?;
        let (schema, rows) = (scan.schema(), scan.rows());
        let every: Vec<usize> = (0..schema.fields().len()).collect();
        let batches = scan.scan(&every).map_err(crate::table::from_box)?;
        let target = self.write(&schema, stop_when(batches, self.context.options.cancel.clone()))?;
        let record = SinkRecord {
            asked: self.asked(),
            input: self.input.table.id,
            rows,
            bytes: target.bytes,
            cost_ns: elapsed_ns(started),
            seen: target.seen,
            content: target.content,
        };
        let mut done = self.done(&record, Outcome::Ran, reason);
        if may_store(self.context, std::slice::from_ref(&self.input))? {
            cache.put(Space::Steps, &self.context.node_key(&self.sink.name), &record, &[])?;
        } else {
            done.note = Some("its input changed or was out of date: it is written again on the next run".into());
        }
        Ok(done)
    }

    fn write(&self, schema: &SchemaRef, batches: Batches) -> Result<Target, Fault> {
        match &self.sink.kind {
            SinkKind::File { path, format } => file::write(path, *format, schema, batches),
            SinkKind::Sqlite { path, table, mode } => {
                sqlite::write(path, table, mode, &self.input.table.id, schema, batches)
            }
        }
    }

    fn done(&self, record: &SinkRecord, outcome: Outcome, reason: Reason) -> Done {
        Done {
            rows: Some(record.rows),
            bytes: Some(record.bytes),
            fingerprint: Some(record.content),
            ..Done::new(outcome, reason)
        }
    }
}

/// The batches, ended by an error as soon as somebody asks to stop.
fn stop_when(batches: Batches, cancel: Cancel) -> Batches {
    Box::new(batches.map(move |batch| {
        if cancel.is_cancelled() {
            return Err(BoxError::from(Fault::Cancelled));
        }
        batch
    }))
}
