//! What a step's results are kept under, whoever computes them.

use super::{
    Context,
    done::{Done, Looked, NodeRecord},
    lookup::{Depth, Lookup, lookup, renewed},
};
use crate::{
    cache::Cache,
    fault::Fault,
    graph::NodeId,
    key::KeyParts,
    reason::Reason,
    report::Outcome,
    spec::model::Step,
    table::{Facts, Input, Origin, Table},
};
use everfresh::{Fingerprint, disk::Space, trace::Trace};
use std::sync::Arc;

/// A step, its inputs and its key.
pub struct Kept<'a> {
    /// The run.
    pub context: &'a Context<'a>,
    /// The step's node.
    pub id: NodeId,
    /// What the file says.
    pub step: &'a Step,
    /// Its input tables.
    pub inputs: &'a [Input],
    /// The parts of its key.
    pub parts: KeyParts,
}

/// Why a step is computed whatever is kept, if so.
pub fn asked_for(context: &Context<'_>, step: &Step) -> Option<Reason> {
    if context.refreshes(&step.name) {
        return Some(Reason::Refreshed);
    }
    (!step.enabled).then_some(Reason::Disabled)
}

/// Puts the record of a table into the cache, and gives its id.
pub fn store_table(cache: &Cache, facts: &Facts) -> Result<Fingerprint, Fault> {
    let (id, record) = (facts.content_id(), facts.record());
    cache.put(Space::Tables, &id, &record, &record.blobs())?;
    Ok(id)
}

impl Kept<'_> {
    /// Looks whether a result can be served.
    pub fn lookup(&self, depth: Depth) -> Result<Looked, Fault> {
        let (cache, key) = (self.context.cache, self.parts.key());
        match lookup(cache, &key, self.inputs, self.step.ttl, depth)? {
            Lookup::Hit(trace, reason) => {
                if reason != Reason::Unchanged {
                    cache.remember(&key, renewed(cache, &trace, self.inputs)?)?;
                }
                Ok(Ok(self.hit(&trace, reason)))
            }
            Lookup::Miss(reason) if reason == Reason::New && depth == Depth::Facts => {
                let node = self.context.node_key(&self.step.name);
                let changes = NodeRecord::load(cache, &node).changes(&self.parts);
                Ok(Err(if changes.is_empty() { Reason::New } else { Reason::Changed(changes) }))
            }
            Lookup::Miss(reason) => Ok(Err(reason)),
        }
    }

    fn hit(&self, trace: &Trace, reason: Reason) -> Done {
        Done {
            table: Some(Arc::new(Table::known(trace.output, Origin::Stored(self.id)))),
            rows: Some(trace.rows),
            bytes: Some(trace.bytes),
            fingerprint: Some(trace.output),
            saved_ns: trace.cost_ns,
            ..Done::new(Outcome::Hit, reason)
        }
    }

    /// Remembers a result that was computed just now, unless it has no trace: then an input changed meanwhile.
    pub fn store(
        &self,
        id: Fingerprint,
        facts: Facts,
        trace: Option<Trace>,
        note: Option<String>,
        reason: &Reason,
    ) -> Result<Done, Fault> {
        let cache = self.context.cache;
        let (rows, bytes) = (facts.rows(), facts.bytes());
        let note = match trace {
            Some(trace) => {
                if self.step.enabled {
                    cache.remember(&self.parts.key(), trace)?;
                }
                NodeRecord::store(cache, &self.context.node_key(&self.step.name), &self.parts)?;
                note
            }
            None => Some(note.unwrap_or_else(|| {
                "an input changed or was out of date while this ran: not stored, so the next run computes it again".into()
            })),
        };
        Ok(Done {
            table: Some(Arc::new(Table::with_facts(id, Origin::Stored(self.id), facts))),
            rows: Some(rows),
            bytes: Some(bytes),
            fingerprint: Some(id),
            note,
            ..Done::new(Outcome::Ran, reason.clone())
        })
    }
}
