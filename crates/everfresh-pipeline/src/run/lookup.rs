//! The lookup: is there a trace whose observations all still hold?

use super::context::age;
use crate::{
    cache::Cache,
    fault::Fault,
    reason::{Change, Reason, schema_lines},
    sabotage::Sabotage,
    table::{Facts, Input, TableRecord},
};
use everfresh::{
    Fingerprint,
    disk::Space,
    observation::{Observation, TableObservation},
    trace::Trace,
};
use std::time::Duration;

/// How far a lookup goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Compares ids only; reads no data, so it is quick, and a miss may still be a hit.
    Ids,
    /// Compares what was read, column by column.
    Facts,
}

/// What a lookup found.
#[derive(Debug)]
pub enum Lookup {
    /// This trace holds.
    Hit(Trace, Reason),
    /// None does; the reason comes from the one that came nearest.
    Miss(Reason),
}

/// Looks for a trace of `key` that holds for these inputs.
pub fn lookup(
    cache: &Cache,
    key: &Fingerprint,
    inputs: &[Input],
    ttl: Option<Duration>,
    depth: Depth,
) -> Result<Lookup, Fault> {
    let traces = cache.traces(key);
    let mut too_old = None;
    let mut live = Vec::new();
    for trace in &traces.0 {
        match expired(trace.made_ns, ttl).or_else(|| over(trace)) {
            Some(reason) => {
                too_old.get_or_insert(reason);
            }
            None => live.push(trace),
        }
    }
    for trace in &live {
        if holds_by_id(cache, trace, inputs)? {
            return Ok(Lookup::Hit((*trace).clone(), Reason::Unchanged));
        }
    }
    if depth == Depth::Ids {
        return Ok(Lookup::Miss(Reason::New));
    }
    let mut nearest: Option<Vec<Change>> = None;
    for trace in &live {
        let changes = differences(cache, trace, inputs)?;
        if changes.is_empty() {
            let moved: Vec<String> = inputs
                .iter()
                .filter(|input| !table_observations(trace).any(|seen| input.id(cache).is_ok_and(|id| id == seen.id)))
                .map(|input| input.name.clone())
                .collect();
            return Ok(Lookup::Hit((*trace).clone(), Reason::NotRead(moved)));
        }
        if nearest.as_ref().is_none_or(|nearest| changes.len() < nearest.len()) {
            nearest = Some(changes);
        }
    }
    Ok(Lookup::Miss(match (nearest, too_old) {
        (Some(changes), _) => Reason::Changed(changes),
        (None, Some(too_old)) => too_old,
        (None, None) => Reason::New,
    }))
}

/// Why what was made at this time is too old, if it is.
pub fn expired(made_ns: i64, ttl: Option<Duration>) -> Option<Reason> {
    let (ttl, age) = (ttl?, age(made_ns));
    (age >= ttl).then_some(Reason::Expired { age: age.as_secs(), ttl: ttl.as_secs() })
}

/// A result that was made with another one ends no later than that.
fn over(trace: &Trace) -> Option<Reason> {
    let ttl = Duration::from_nanos(u64::try_from(trace.expires_ns?.saturating_sub(trace.made_ns)).unwrap_or(0));
    expired(trace.made_ns, Some(ttl))
}

/// What else than tables a trace saw and is not so any more: what Python code read by itself.
fn other_changes<'a>(cache: &'a Cache, trace: &'a Trace) -> impl Iterator<Item = Change> + 'a {
    let others = trace.observations.iter().filter(|seen| !matches!(seen, Observation::Table(_)));
    others.filter_map(|seen| everfresh::observe::holds(seen, Some(&cache.store)).err()).map(|reason| match reason {
        everfresh::memo::Reason::FileChanged { path } => Change::File { path, how: "changed".into() },
        everfresh::memo::Reason::FileAppeared { path } => Change::File { path, how: "added".into() },
        everfresh::memo::Reason::FileGone { path } => Change::File { path, how: "removed".into() },
        other => Change::Observed(other.to_string()),
    })
}

fn table_observations(trace: &Trace) -> impl Iterator<Item = &TableObservation> {
    trace.observations.iter().filter_map(|observation| match observation {
        Observation::Table(table) => Some(table),
        _ => None,
    })
}

fn holds_by_id(cache: &Cache, trace: &Trace, inputs: &[Input]) -> Result<bool, Fault> {
    let mut seen = 0;
    for observation in table_observations(trace) {
        let Some(input) = inputs.iter().find(|input| input.name == observation.name) else { return Ok(false) };
        if input.id(cache)? != observation.id {
            return Ok(false);
        }
        seen += 1;
    }
    Ok(seen == inputs.len() && other_changes(cache, trace).next().is_none())
}

/// What differs between what a trace saw and what is there now; nothing means that it holds.
fn differences(cache: &Cache, trace: &Trace, inputs: &[Input]) -> Result<Vec<Change>, Fault> {
    let mut changes = Vec::new();
    for input in inputs {
        let Some(before) = table_observations(trace).find(|observation| observation.name == input.name) else {
            changes.push(Change::Input(input.name.clone()));
            continue;
        };
        if input.id(cache)? == before.id {
            continue;
        }
        let facts = input.table.facts(cache)?;
        if facts.schema_fingerprint != before.schema && !cache.planted(Sabotage::IgnoreSchema) {
            let old = cache.record::<TableRecord>(Space::Tables, &before.id).and_then(Facts::from_record);
            let lines = old.map(|old| schema_lines(&old.schema, &facts.schema)).unwrap_or_default();
            changes.push(Change::Schema { table: input.name.clone(), lines });
            continue;
        }
        let columns: Vec<usize> =
            before.columns.iter().filter_map(|(name, _)| facts.schema.index_of(name).ok()).collect();
        let rows = input.observe(cache, &[])?.rows;
        if rows != before.rows && !cache.planted(Sabotage::IgnoreRows) {
            changes.push(Change::Rows { table: input.name.clone(), before: before.rows, after: rows });
            continue;
        }
        let now = input.observe(cache, &columns)?;
        for ((name, was), (_, is)) in before.columns.iter().zip(&now.columns) {
            if was != is {
                changes.push(Change::Column {
                    table: input.name.clone(),
                    column: name.clone(),
                    before: was.short(),
                    after: is.short(),
                });
            }
        }
    }
    changes.extend(other_changes(cache, trace));
    Ok(changes)
}

/// The trace as it stands for the inputs of today, so that the next lookup need only compare ids.
pub fn renewed(cache: &Cache, trace: &Trace, inputs: &[Input]) -> Result<Trace, Fault> {
    let mut trace = trace.clone();
    for observation in &mut trace.observations {
        if let Observation::Table(table) = observation
            && let Some(input) = inputs.iter().find(|input| input.name == table.name)
        {
            table.id = input.id(cache)?;
        }
    }
    Ok(trace)
}
