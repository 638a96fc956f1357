//! What a node gives to those that wait for it.

use crate::{
    key::KeyParts,
    reason::{Change, Reason},
    report::{CheckReport, NodeReport, Outcome},
    table::Table,
};
use everfresh::{Fingerprint, disk::Space};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

/// The result of a node.
#[derive(Clone, Debug)]
pub struct Done {
    /// Hit or ran.
    pub outcome: Outcome,
    /// Why.
    pub reason: Reason,
    /// The table that it makes.
    pub table: Option<Arc<Table>>,
    /// The rows of the result.
    pub rows: Option<u64>,
    /// The bytes of the result.
    pub bytes: Option<u64>,
    /// The fingerprint of the result.
    pub fingerprint: Option<Fingerprint>,
    /// What computing it took when it was computed, in nanoseconds, if that was saved now.
    pub saved_ns: u64,
    /// What a check found.
    pub check: Option<CheckReport>,
    /// Something to know.
    pub note: Option<String>,
}

impl Done {
    /// A result without a table.
    pub fn new(outcome: Outcome, reason: Reason) -> Self {
        Self {
            outcome,
            reason,
            table: None,
            rows: None,
            bytes: None,
            fingerprint: None,
            saved_ns: 0,
            check: None,
            note: None,
        }
    }

    /// The same in a report.
    pub fn report(&self, name: &str, kind: &str, seconds: f64) -> NodeReport {
        NodeReport {
            name: name.to_owned(),
            kind: kind.to_owned(),
            outcome: self.outcome,
            reason: self.reason.clone(),
            rows: self.rows,
            bytes: self.bytes,
            fingerprint: self.fingerprint,
            seconds,
            saved_seconds: self.saved_ns as f64 / 1e9,
            error: None,
            check: self.check.clone(),
            note: self.note.clone(),
        }
    }
}

/// What a lookup of a node gives: its result, or why it must be computed.
pub type Looked = Result<Done, Reason>;

/// What is remembered of a step or a check under its name, to say why it missed and to clear it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NodeRecord {
    /// The parts of the key of its last computation.
    pub parts: Option<KeyParts>,
    /// The keys that it had, the newest first.
    pub keys: Vec<Fingerprint>,
    /// The keys of its partitions in the last computation.
    pub partitions: Vec<Fingerprint>,
}

/// How many earlier keys of a node are kept.
const KEYS_KEPT: usize = 32;

impl NodeRecord {
    /// Reads the record of a node.
    pub fn load(cache: &crate::cache::Cache, node: &Fingerprint) -> Self {
        cache.record(Space::Steps, node).unwrap_or_default()
    }

    /// Remembers that the node was computed under this key.
    pub fn store(
        cache: &crate::cache::Cache,
        node: &Fingerprint,
        parts: &KeyParts,
    ) -> Result<(), crate::fault::Failure> {
        let mut record = Self::load(cache, node);
        let key = parts.key();
        record.keys.retain(|old| *old != key);
        record.keys.insert(0, key);
        record.keys.truncate(KEYS_KEPT);
        record.parts = Some(parts.clone());
        cache.put(Space::Steps, node, &record, &[])
    }

    /// Remembers the keys of a node's partitions.
    pub fn store_partitions(
        cache: &crate::cache::Cache,
        node: &Fingerprint,
        partitions: Vec<Fingerprint>,
    ) -> Result<(), crate::fault::Failure> {
        cache.put(Space::Steps, node, &Self { partitions, ..Self::load(cache, node) }, &[])
    }

    /// What differs between the key of the last computation and this one.
    pub fn changes(&self, now: &KeyParts) -> Vec<Change> {
        let Some(before) = &self.parts else { return Vec::new() };
        let mut changes = Vec::new();
        if before.query != now.query {
            changes.push(Change::Query { before: before.query.clone(), after: now.query.clone() });
        }
        let code = changed_items(&before.code, &now.code);
        if !code.is_empty() {
            changes.push(Change::Code(code));
        }
        let setting = |name: &str, before: Option<String>, after: Option<String>| Change::Setting {
            name: name.to_owned(),
            before,
            after,
        };
        let value = |parts: &KeyParts, name: &str| {
            parts.params.iter().find(|(param, _)| param == name).map(|(_, value)| value.to_string())
        };
        let mut names: Vec<&String> = before.params.iter().chain(&now.params).map(|(name, _)| name).collect();
        names.sort();
        names.dedup();
        for name in names {
            let (was, is) = (value(before, name), value(now, name));
            if was != is {
                changes.push(setting(&format!("parameter {name}"), was, is));
            }
        }
        let pairs = [
            ("the query engine", before.engine.clone(), now.engine.clone()),
            ("everfresh's operators", before.operators.to_string(), now.operators.to_string()),
            ("the cache version", before.cache_version.to_string(), now.cache_version.to_string()),
            ("`per: partition`", describe(&before.partition_of), describe(&now.partition_of)),
            ("a ttl", before.unrepeatable.to_string(), now.unrepeatable.to_string()),
        ];
        for (name, was, is) in pairs {
            if was != is {
                changes.push(setting(name, Some(was), Some(is)));
            }
        }
        changes
    }
}

/// The names of items that are not the same, or in one of the lists alone.
fn changed_items(before: &[(String, Fingerprint)], now: &[(String, Fingerprint)]) -> Vec<String> {
    let not_in = |list: &[(String, Fingerprint)]| {
        let list: HashMap<String, Fingerprint> = list.iter().cloned().collect();
        move |(name, version): &&(String, Fingerprint)| list.get(name) != Some(version)
    };
    let names = before.iter().filter(not_in(now)).chain(now.iter().filter(not_in(before))).map(|(name, _)| name.clone());
    names.collect::<BTreeSet<_>>().into_iter().collect()
}

fn describe(partition_of: &Option<String>) -> String {
    partition_of.clone().unwrap_or_else(|| "off".into())
}
