//! What is remembered of a pipeline's runs: the last report of every node, and counters since the beginning.

use crate::{
    cache::Cache,
    fault::Failure,
    report::{NodeReport, Outcome, RunReport},
    run::{Found, node_key},
};
use everfresh::{Fingerprint, disk::Space};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, path::Path};

/// A record of the `Runs` space.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Kept {
    /// What a check found, under the fingerprint of its encoding.
    Check(Found),
    /// A pipeline's runs, under the pipeline's key.
    History(History),
}

/// A pipeline's runs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// The last report of each node.
    pub last: BTreeMap<String, NodeReport>,
    /// What each node counted since the beginning.
    pub counts: BTreeMap<String, Counts>,
    /// The environment variables that the pipeline file named, as they were.
    pub env: Vec<(String, Option<Fingerprint>)>,
}

/// Counters of one node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Counts {
    /// How often it was served from the cache.
    pub hits: u64,
    /// How often it was computed.
    pub misses: u64,
    /// How often it failed.
    pub failures: u64,
    /// Seconds saved by hits.
    pub saved_seconds: f64,
    /// Seconds spent on computing it.
    pub spent_seconds: f64,
    /// The size of its last result.
    pub bytes: u64,
}

fn history_key(pipeline: &Path) -> Fingerprint {
    node_key(pipeline, "")
}

impl History {
    /// The history of a pipeline; empty if there is none.
    pub fn load(cache: &Cache, pipeline: &Path) -> Self {
        match cache.record(Space::Runs, &history_key(pipeline)) {
            Some(Kept::History(history)) => history,
            _ => Self::default(),
        }
    }

    /// Adds a run.
    pub fn add(&mut self, report: &RunReport) {
        for node in &report.nodes {
            let counts = self.counts.entry(node.name.clone()).or_default();
            match node.outcome {
                Outcome::Hit => {
                    counts.hits += 1;
                    counts.saved_seconds += node.saved_seconds;
                }
                Outcome::Ran => {
                    counts.misses += 1;
                    counts.spent_seconds += node.seconds;
                }
                Outcome::Failed => counts.failures += 1,
                Outcome::Skipped => continue,
            }
            counts.bytes = node.bytes.unwrap_or(counts.bytes);
            self.last.insert(node.name.clone(), node.clone());
        }
    }

    /// Stores it.
    pub fn store(self, cache: &Cache, pipeline: &Path) -> Result<(), Failure> {
        cache.put(Space::Runs, &history_key(pipeline), &Kept::History(self), &[])
    }
}
