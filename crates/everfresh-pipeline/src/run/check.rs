//! Checks: what was found is remembered, whether that is good enough is judged on every run.

use super::{
    Context,
    done::{Done, Looked, NodeRecord},
    lookup::{Depth, Lookup, lookup, renewed},
    query_run::{Prepared, Reads, Terms, observe_to_store, trace},
};
use crate::{
    engine::BoxError,
    fault::{Failure, Fault},
    history::Kept,
    key::{KeyParts, OPERATORS},
    query::{Query, count_sql, newest_sql, quote},
    reason::Reason,
    report::{CheckReport, Outcome},
    run::context::{elapsed_ns, now_ns},
    sabotage::Sabotage,
    spec::model::{Check, CheckKind, MaxBad, Severity},
    table::{Facts, Input, write_part},
};
use arrow::{
    array::{Array, AsArray, RecordBatch},
    compute::cast,
    datatypes::{DataType, Int64Type, TimeUnit, TimestampNanosecondType},
    util::display::{ArrayFormatter, FormatOptions},
};
use everfresh::{Fingerprint, FingerprintBuilder, disk::Space};
use serde::{Deserialize, Serialize};
use std::time::Instant;

/// How many bad rows are kept for `show --failures`.
pub const KEPT_ROWS: usize = 10_000;

/// How many bad rows a report shows.
pub const SAMPLE_ROWS: usize = 5;

/// What a check found, before it is judged.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Found {
    bad: u64,
    total: u64,
    columns: Vec<String>,
    sample: Vec<Vec<Option<String>>>,
    /// The table of bad rows.
    pub kept: Option<Fingerprint>,
    newest_ns: Option<i64>,
    details: Vec<String>,
}

/// A check at work.
pub struct CheckRun<'a> {
    /// The run.
    pub context: &'a Context<'a>,
    /// Its name, with the table's in front.
    pub name: &'a str,
    /// What the file says.
    pub check: &'a Check,
    /// The query that finds its bad rows, where it has one.
    pub query: Option<&'a Query>,
    /// The tables that it reads.
    pub inputs: Vec<Input>,
}

impl CheckRun<'_> {
    fn key_parts(&self) -> KeyParts {
        let (query, params) = match self.query {
            Some(query) => (query.parsed.normal.clone(), query.params.clone()),
            None => (format!("{:?} of {}", self.check.kind, quote(&self.check.table)), Default::default()),
        };
        KeyParts {
            kind: "check".into(),
            operators: OPERATORS,
            engine: self.context.cache.engine_version().to_owned(),
            cache_version: self.context.spec.cache.version,
            query,
            params: params.into_iter().collect(),
            partition_of: None,
            unrepeatable: false,
            code: Vec::new(),
        }
    }

    /// Looks whether what was found can be served.
    pub fn lookup(&self, depth: Depth) -> Result<Looked, Fault> {
        let cache = self.context.cache;
        if self.context.refreshes(self.name) {
            return Ok(Err(Reason::Refreshed));
        }
        let parts = self.key_parts();
        let key = parts.key();
        let sticky = if cache.planted(Sabotage::StickyChecks) { cache.traces(&key).0.pop() } else { None };
        let looked = match sticky {
            Some(trace) => Lookup::Hit(trace, Reason::Unchanged),
            None => lookup(cache, &key, &self.inputs, None, depth)?,
        };
        match looked {
            Lookup::Hit(trace, reason) => {
                let Some(Kept::Check(found)) = cache.record(Space::Runs, &trace.output) else {
                    return Ok(Err(Reason::RowsGone));
                };
                if reason != Reason::Unchanged {
                    cache.remember(&key, renewed(cache, &trace, &self.inputs)?)?;
                }
                let done = self.done(&found, Outcome::Hit, reason, trace.output);
                Ok(Ok(Done { saved_ns: trace.cost_ns, ..done }))
            }
            Lookup::Miss(Reason::New) if depth == Depth::Facts => {
                let changes = NodeRecord::load(cache, &self.context.node_key(self.name)).changes(&parts);
                Ok(Err(if changes.is_empty() { Reason::New } else { Reason::Changed(changes) }))
            }
            Lookup::Miss(reason) => Ok(Err(reason)),
        }
    }

    /// Asks anew, and remembers what was found.
    pub fn compute(&self, reason: Reason) -> Result<Done, Fault> {
        let (cache, started) = (self.context.cache, Instant::now());
        let (found, reads) = self.find(started)?;
        let encoded = Kept::Check(found.clone());
        let bytes = postcard::to_stdvec(&encoded).map_err(|error| Failure::Other(error.to_string()))?;
        let output = FingerprintBuilder::new("everfresh.check").bytes(&bytes).finish();
        cache.put(Space::Runs, &output, &encoded, &[])?;
        if let Some(observations) = observe_to_store(self.context, &self.inputs, &reads)? {
            let (parts, cost_ns) = (self.key_parts(), elapsed_ns(started));
            cache.remember(&parts.key(), trace(observations, output, found.bad, bytes.len() as u64, cost_ns))?;
            NodeRecord::store(cache, &self.context.node_key(self.name), &parts)?;
        }
        Ok(self.done(&found, Outcome::Ran, reason, output))
    }

    fn checked(&self) -> Result<&Input, Fault> {
        self.inputs
            .iter()
            .find(|input| input.name == self.check.table)
            .ok_or_else(|| Fault::Failed(Failure::Other(format!("`{}` is no input of its check", self.check.table))))
    }

    /// What is told by schemas and row counts alone reads no column of any input.
    fn no_column(&self) -> Reads {
        vec![Vec::new(); self.inputs.len()]
    }

    fn find(&self, started: Instant) -> Result<(Found, Reads), Fault> {
        let cache = self.context.cache;
        let facts = self.checked()?.table.facts(cache)?;
        let total = facts.rows();
        let found = Found { total, ..Found::default() };
        match (&self.check.kind, self.query) {
            (CheckKind::RowCount(low, high), _) => {
                let outside = low.is_some_and(|low| total < low) || high.is_some_and(|high| total > high);
                Ok((Found { bad: u64::from(outside), ..found }, self.no_column()))
            }
            (CheckKind::Schema { columns, exact }, _) => {
                let details = drift(&facts, columns, *exact);
                Ok((Found { bad: details.len() as u64, details, ..found }, self.no_column()))
            }
            (CheckKind::Freshness { column, .. }, _) => {
                let query = self.own_query(newest_sql(&self.check.table, column));
                let (batches, reads) = self.ask(&query)?;
                Ok((Found { newest_ns: newest(&batches)?, ..found }, reads))
            }
            (_, Some(query)) => self.find_bad_rows(query, found, started),
            (_, None) => Err(Fault::Failed(Failure::Other(format!("`{}` has no query", self.name)))),
        }
    }

    fn own_query(&self, sql: String) -> Query {
        let params = self.query.map(|query| query.params.clone()).unwrap_or_default();
        let parsed = crate::engine::ParsedSql { normal: String::new(), tables: Vec::new(), params: Vec::new() };
        Query { sql, origin: None, parsed, params }
    }

    fn ask(&self, query: &Query) -> Result<(Vec<RecordBatch>, Reads), Fault> {
        let prepared = Prepared::new(self.context, query, &self.inputs, &Terms::default())?;
        prepared.collect(query, &self.context.options.cancel)
    }

    /// Counts first: a table without bad rows need not be read in full.
    fn find_bad_rows(&self, query: &Query, found: Found, started: Instant) -> Result<(Found, Reads), Fault> {
        let counting = self.own_query(count_sql(&query.sql));
        let (batches, reads) = match self.ask(&counting) {
            Ok(counted) => counted,
            // What is wrong is better told of the text that the user wrote.
            Err(Fault::Failed(failure)) => {
                Prepared::new(self.context, query, &self.inputs, &Terms::default())?;
                return Err(Fault::Failed(failure));
            }
            Err(fault) => return Err(fault),
        };
        let bad = batches
            .iter()
            .filter_map(|batch| batch.column(0).as_primitive_opt::<Int64Type>())
            .flat_map(|counts| counts.iter().flatten())
            .sum::<i64>();
        let bad = u64::try_from(bad).unwrap_or(0);
        if bad == 0 {
            return Ok((found, reads));
        }
        let prepared = Prepared::new(self.context, query, &self.inputs, &Terms::default())?;
        let schema = prepared.schema();
        let mut left = KEPT_ROWS;
        let mut kept = Vec::new();
        let (batches, reads) = prepared.collect(query, &self.context.options.cancel)?;
        for batch in batches {
            let batch = batch.slice(0, batch.num_rows().min(left));
            left -= batch.num_rows();
            kept.push(batch);
        }
        let sample = sample(&kept)?;
        let batches = kept.into_iter().map(Ok::<_, BoxError>);
        let written = write_part(self.context.cache, &schema, batches, &self.context.options.cancel, started, &|_| {})?;
        let facts = Facts::new(written.schema, vec![written.part]);
        let (id, record) = (facts.content_id(), facts.record());
        self.context.cache.put(Space::Tables, &id, &record, &record.blobs())?;
        let columns = schema.fields().iter().map(|field| field.name().clone()).collect();
        Ok((Found { bad, columns, sample, kept: Some(id), ..found }, reads))
    }

    fn done(&self, found: &Found, outcome: Outcome, reason: Reason, output: Fingerprint) -> Done {
        let report = judge(self.check, found, now_ns());
        let failed = !report.passed && self.check.severity == Severity::Error;
        Done {
            rows: Some(report.bad),
            fingerprint: Some(output),
            check: Some(report),
            ..Done::new(if failed { Outcome::Failed } else { outcome }, reason)
        }
    }
}

/// Whether what was found is good enough.
fn judge(check: &Check, found: &Found, now_ns: i64) -> CheckReport {
    let mut bad = found.bad;
    let message = match &check.kind {
        CheckKind::RowCount(low, high) => format!("{} rows, expected {}", found.total, bounds(*low, *high)),
        CheckKind::Schema { .. } => match found.details.len() {
            0 => "the schema is as expected".into(),
            1 => "1 difference from the expected schema".into(),
            more => format!("{more} differences from the expected schema"),
        },
        CheckKind::Freshness { column, within } => match found.newest_ns {
            None => {
                bad = 1;
                format!("`{column}` has no value")
            }
            Some(newest) => {
                let age = u64::try_from(now_ns.saturating_sub(newest) / 1_000_000_000).unwrap_or(0);
                bad = u64::from(age > within.as_secs());
                format!("the newest `{column}` is {} old, allowed are {}", period(age), period(within.as_secs()))
            }
        },
        _ => format!("{} of {} rows", found.bad, found.total),
    };
    let allowed = match check.max_bad {
        MaxBad::Count(count) => bad <= count,
        MaxBad::Percent(percent) => bad as f64 * 100.0 <= percent * found.total as f64,
    };
    CheckReport {
        passed: allowed,
        severity: match check.severity {
            Severity::Error => "error".into(),
            Severity::Warn => "warn".into(),
        },
        bad,
        total: found.total,
        message,
        columns: found.columns.clone(),
        sample: found.sample.clone(),
        kept: found.kept,
        details: found.details.clone(),
    }
}

fn bounds(low: Option<u64>, high: Option<u64>) -> String {
    match (low, high) {
        (Some(low), Some(high)) if low == high => format!("{low}"),
        (Some(low), Some(high)) => format!("{low} to {high}"),
        (Some(low), None) => format!("at least {low}"),
        (None, Some(high)) => format!("at most {high}"),
        (None, None) => "any number".into(),
    }
}

fn period(seconds: u64) -> String {
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7_199 => format!("{} min", seconds / 60),
        7_200..=172_799 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// How a table's columns differ from the expected ones, one line each.
fn drift(facts: &Facts, expected: &[(String, String)], exact: bool) -> Vec<String> {
    let mut lines = Vec::new();
    for (name, wanted) in expected {
        let is = facts.schema.field_with_name(name).ok().map(|field| field.data_type().clone());
        let same = |is: &DataType| match everfresh_sources::parse_type(wanted) {
            Some(wanted) => wanted == *is,
            None => everfresh_sources::type_name(is).eq_ignore_ascii_case(wanted),
        };
        match is {
            None => lines.push(format!("- {name} {wanted}")),
            Some(is) if !same(&is) => {
                lines.push(format!("~ {name} {} (expected {wanted})", everfresh_sources::type_name(&is)))
            }
            Some(_) => {}
        }
    }
    if exact {
        let unexpected =
            facts.schema.fields().iter().filter(|field| !expected.iter().any(|(name, _)| name == field.name()));
        lines.extend(
            unexpected.map(|field| format!("+ {} {}", field.name(), everfresh_sources::type_name(field.data_type()))),
        );
    }
    lines
}

/// The newest value, in nanoseconds since the epoch.
fn newest(batches: &[RecordBatch]) -> Result<Option<i64>, Failure> {
    let Some(batch) = batches.iter().find(|batch| batch.num_rows() > 0) else { return Ok(None) };
    let values = cast(batch.column(0), &DataType::Timestamp(TimeUnit::Nanosecond, None))?;
    let values = values.as_primitive_opt::<TimestampNanosecondType>();
    Ok(values.and_then(|values| (!values.is_empty() && values.is_valid(0)).then(|| values.value(0))))
}

/// The first rows, as text.
fn sample(batches: &[RecordBatch]) -> Result<Vec<Vec<Option<String>>>, Failure> {
    let options = FormatOptions::default();
    let mut rows = Vec::new();
    for batch in batches {
        let formatters = batch
            .columns()
            .iter()
            .map(|column| ArrayFormatter::try_new(column.as_ref(), &options))
            .collect::<Result<Vec<_>, _>>()?;
        for row in 0..batch.num_rows() {
            if rows.len() == SAMPLE_ROWS {
                return Ok(rows);
            }
            let cell = |(column, formatter): (&arrow::array::ArrayRef, &ArrayFormatter<'_>)| {
                column.is_valid(row).then(|| formatter.value(row).to_string())
            };
            rows.push(batch.columns().iter().zip(&formatters).map(cell).collect());
        }
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn check(kind: CheckKind, max_bad: MaxBad) -> Check {
        Check { table: "t".into(), span: 0..0, name: "c".into(), kind, severity: Severity::Error, max_bad }
    }

    #[test]
    fn a_share_of_bad_rows_is_measured_against_all_rows() {
        let kind = CheckKind::NotNull(vec!["a".into()]);
        let found = Found { bad: 2, total: 100, ..Found::default() };
        assert!(judge(&check(kind.clone(), MaxBad::Percent(2.0)), &found, 0).passed);
        assert!(!judge(&check(kind.clone(), MaxBad::Percent(1.9)), &found, 0).passed);
        assert!(judge(&check(kind.clone(), MaxBad::Count(2)), &found, 0).passed);
        assert!(!judge(&check(kind, MaxBad::Count(1)), &found, 0).passed);
    }

    #[test]
    fn freshness_is_judged_by_the_clock_of_the_run() {
        let kind = CheckKind::Freshness { column: "ts".into(), within: Duration::from_secs(60) };
        let found = Found { newest_ns: Some(1_000_000_000), total: 1, ..Found::default() };
        let check = check(kind, MaxBad::Count(0));
        assert!(judge(&check, &found, 61_000_000_000).passed);
        assert!(!judge(&check, &found, 62_000_000_000).passed);
        assert!(!judge(&check, &Found { newest_ns: None, ..found }, 0).passed);
    }
}
