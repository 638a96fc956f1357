//! What a run tells: one line a node, and the whole as `run --json` prints it.

use crate::reason::Reason;
use everfresh::Fingerprint;
use serde::{Deserialize, Serialize};

/// How a node ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Served from the cache.
    Hit,
    /// Computed.
    Ran,
    /// Tried, without success; for a check: its table did not pass.
    Failed,
    /// Not tried, because something before it failed or was stopped.
    Skipped,
}

/// What is told of one node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NodeReport {
    /// Its name.
    pub name: String,
    /// `source`, `step`, `check` or `sink`.
    pub kind: String,
    /// How it ended.
    pub outcome: Outcome,
    /// Why.
    pub reason: Reason,
    /// The rows of its table; the bad rows of a check.
    pub rows: Option<u64>,
    /// The size of its table, in bytes, as stored.
    pub bytes: Option<u64>,
    /// The fingerprint of its result.
    pub fingerprint: Option<Fingerprint>,
    /// How long it took now, in seconds.
    pub seconds: f64,
    /// How long it took when it was computed, in seconds, if that was saved.
    pub saved_seconds: f64,
    /// What went wrong.
    pub error: Option<String>,
    /// What a check found.
    pub check: Option<CheckReport>,
    /// Something to know that does not fail the run.
    pub note: Option<String>,
}

/// What a check found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CheckReport {
    /// Whether it passed, within what it allows.
    pub passed: bool,
    /// `error` or `warn`.
    pub severity: String,
    /// The number of bad rows.
    pub bad: u64,
    /// The number of rows that were looked at.
    pub total: u64,
    /// What was found, in one sentence.
    pub message: String,
    /// The names of the columns of `sample`.
    pub columns: Vec<String>,
    /// The first five bad rows, as text; `None` is null.
    pub sample: Vec<Vec<Option<String>>>,
    /// The table of kept bad rows.
    pub kept: Option<Fingerprint>,
    /// Further findings, one a line (differences of a schema).
    pub details: Vec<String>,
}

impl CheckReport {
    /// Bad rows in a hundred.
    pub fn percent(&self) -> f64 {
        if self.total == 0 { 0.0 } else { 100.0 * self.bad as f64 / self.total as f64 }
    }
}

/// A whole run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunReport {
    /// Whether everything that had to succeed did.
    pub ok: bool,
    /// Whether it was stopped before its end.
    pub stopped: bool,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// Every node that belonged to the run, in an order in which each comes after what it reads.
    pub nodes: Vec<NodeReport>,
    /// Whether the query engine was used at all.
    pub engine_started: bool,
    /// Whether a Python process was started.
    pub python_started: bool,
    /// The bytes that were read to fingerprint files.
    pub hashed_bytes: u64,
}

impl RunReport {
    /// The object that `run --json` prints.
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::json!({
            "status": if self.ok { "ok" } else { "failed" },
            "stopped": self.stopped,
            "seconds": self.seconds,
            "engine_started": self.engine_started,
            "python_started": self.python_started,
            "hashed_bytes": self.hashed_bytes,
            "steps": self.nodes.iter().map(NodeReport::to_json).collect::<Vec<_>>(),
        })
    }
}

impl NodeReport {
    /// One element of `steps` in `run --json`.
    pub fn to_json(&self) -> serde_json::Value {
        let mut object = serde_json::json!({
            "name": self.name,
            "kind": self.kind,
            "outcome": self.outcome,
            "reason": self.reason.to_string(),
            "rows": self.rows,
            "bytes": self.bytes,
            "fingerprint": self.fingerprint.map(|fingerprint| fingerprint.to_string()),
            "seconds": self.seconds,
            "saved_seconds": self.saved_seconds,
        });
        if let Some(object) = object.as_object_mut() {
            if let Some(error) = &self.error {
                object.insert("error".into(), error.clone().into());
            }
            if let Some(note) = &self.note {
                object.insert("note".into(), note.clone().into());
            }
            if let Some(check) = &self.check {
                object.insert(
                    "check".into(),
                    serde_json::json!({
                        "passed": check.passed,
                        "severity": check.severity,
                        "bad": check.bad,
                        "total": check.total,
                        "percent": check.percent(),
                        "message": check.message,
                        "columns": check.columns,
                        "sample": check.sample,
                        "details": check.details,
                    }),
                );
            }
        }
        object
    }
}

/// What a run tells while it goes on. Called from any thread.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    /// A node began to compute, for this reason.
    Started {
        /// The node.
        name: &'a str,
        /// Why it was not served from the cache.
        reason: &'a Reason,
    },
    /// A node has made so many rows so far.
    Progress {
        /// The node.
        name: &'a str,
        /// The rows.
        rows: u64,
    },
    /// A Python step printed a line.
    Printed {
        /// The node.
        name: &'a str,
        /// The line.
        line: &'a str,
    },
    /// A node ended.
    Ended(&'a NodeReport),
}

/// Hears the events of a run.
pub trait Observer: Sync {
    /// One event.
    fn event(&self, event: Event<'_>);
}

/// Hears nothing.
pub struct Silent;

impl Observer for Silent {
    fn event(&self, _: Event<'_>) {}
}
