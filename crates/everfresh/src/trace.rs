//! The observations of one computation, what came out of it, and what it cost.
//!
//! A key holds several traces, so that going back to an earlier state of the world hits again. These are the
//! constructive traces of "Build Systems a la Carte" (Mokhov, Mitchell, Peyton Jones; ICFP 2018), one level deep.

use crate::{Fingerprint, observation::Observation};
use serde::{Deserialize, Serialize};

/// How many traces one key keeps; the one unused for the longest makes room for a new one.
///
/// ```
/// use everfresh::{Fingerprint, observation::Observation, trace::{TRACES_PER_KEY, Trace, Traces}};
///
/// # let output = Fingerprint::of_bytes(b"out");
/// # let trace = |name: usize| {
/// #     let observations = vec![Observation::WorkingDir { path: name.to_string() }];
/// #     Trace { observations, output, cost_ns: 1, bytes: 3, rows: 1, made_ns: 0, expires_ns: None }
/// # };
/// let mut traces = Traces::default();
/// (0..=TRACES_PER_KEY).for_each(|n| traces.remember(trace(n)));
/// assert_eq!(traces.0.len(), TRACES_PER_KEY);
/// ```
pub const TRACES_PER_KEY: usize = 16;

/// One computation, remembered.
///
/// ```
/// use everfresh::{Fingerprint, trace::{Trace, Traces}};
///
/// let output = Fingerprint::of_bytes(b"out");
/// let trace = Trace { observations: vec![], output, cost_ns: 1, bytes: 3, rows: 1, made_ns: 0, expires_ns: None };
/// let mut traces = Traces::default();
/// traces.remember(trace.clone());
/// assert_eq!(traces.0, [trace]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trace {
    /// What it read. All of it must still hold for the output to be served.
    pub observations: Vec<Observation>,
    /// The fingerprint of what came out.
    pub output: Fingerprint,
    /// How long it took, in nanoseconds.
    pub cost_ns: u64,
    /// The size of what came out, in bytes.
    pub bytes: u64,
    /// The rows of what came out.
    pub rows: u64,
    /// When it was computed, in nanoseconds since the Unix epoch.
    pub made_ns: i64,
    /// When it stops being served, in nanoseconds since the Unix epoch; `None` is never.
    pub expires_ns: Option<i64>,
}

/// The traces of one key, the most recently used first.
///
/// ```
/// use everfresh::{Fingerprint, observation::Observation, trace::{Trace, Traces}};
///
/// # let output = Fingerprint::of_bytes(b"out");
/// # let trace = |name: &str| {
/// #     let observations = vec![Observation::WorkingDir { path: name.to_owned() }];
/// #     Trace { observations, output, cost_ns: 1, bytes: 3, rows: 1, made_ns: 0, expires_ns: None }
/// # };
/// let mut traces = Traces::default();
/// traces.remember(trace("/a"));
/// traces.remember(trace("/b"));
/// assert_eq!(traces.0, [trace("/b"), trace("/a")]);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traces(pub Vec<Trace>);

impl Traces {
    /// Puts a trace in front, in the place of one with the same observations; the oldest beyond
    /// [`TRACES_PER_KEY`] is dropped.
    ///
    /// ```
    /// use everfresh::{Fingerprint, observation::Observation, trace::{Trace, Traces}};
    ///
    /// # let output = Fingerprint::of_bytes(b"out");
    /// # let trace = |name: &str| {
    /// #     let observations = vec![Observation::WorkingDir { path: name.to_owned() }];
    /// #     Trace { observations, output, cost_ns: 1, bytes: 3, rows: 1, made_ns: 0, expires_ns: None }
    /// # };
    /// let mut traces = Traces(vec![trace("/a"), trace("/b")]);
    /// traces.remember(trace("/b"));
    /// assert_eq!(traces.0, [trace("/b"), trace("/a")]);
    /// ```
    pub fn remember(&mut self, trace: Trace) {
        self.0.retain(|old| old.observations != trace.observations);
        self.0.insert(0, trace);
        self.0.truncate(TRACES_PER_KEY);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace(version: u64, output: u8) -> Trace {
        Trace {
            observations: vec![Observation::Version {
                name: "code".into(),
                version: crate::FingerprintBuilder::new("test").u64(version).finish(),
            }],
            output: Fingerprint::from_bytes([output; 32]),
            cost_ns: 1,
            bytes: 2,
            rows: 3,
            made_ns: 4,
            expires_ns: None,
        }
    }

    #[test]
    fn a_key_keeps_the_newest_traces_and_one_for_each_state_of_the_world() {
        let mut traces = Traces::default();
        for version in 0..40 {
            traces.remember(trace(version, 0));
        }
        assert_eq!(traces.0.len(), TRACES_PER_KEY);
        traces.remember(trace(39, 9));
        assert_eq!(traces.0.len(), TRACES_PER_KEY);
        assert_eq!(traces.0.first(), Some(&trace(39, 9)));
    }
}
