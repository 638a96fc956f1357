//! A value with its trace, and those of one key that this process met.

use crate::{Fingerprint, trace::Trace};
use std::sync::Arc;

/// More states of the world than this are left to the store.
const TRACES_IN_MEMORY: usize = 4;

#[derive(Debug)]
pub(super) struct Held<V> {
    pub(super) trace: Trace,
    /// Why it was not kept, if so: whoever waited for it may use it, and nobody else.
    pub(super) unstorable: Option<String>,
    pub(super) value: V,
}

impl<V> Held<V> {
    /// A value that was computed beside all others, and is not kept.
    pub(super) fn alone(value: V) -> Arc<Self> {
        let trace = Trace {
            observations: Vec::new(),
            output: Fingerprint::from_bytes([0; 32]),
            cost_ns: 0,
            bytes: 0,
            rows: 0,
            made_ns: 0,
            expires_ns: None,
        };
        let unstorable = Some("it has no key, or was asked for while it was computed".to_owned());
        Arc::new(Self { trace, unstorable, value })
    }
}

/// The values of one key, each with its trace, the last that was met first.
#[derive(Debug)]
pub(super) struct Kept<V>(pub(super) Vec<Arc<Held<V>>>);

impl<V> Kept<V> {
    /// These with one more, in the place of one that observed the same.
    pub(super) fn with(old: Option<&Self>, held: Arc<Held<V>>) -> Self {
        let others = old.into_iter().flat_map(|kept| &kept.0);
        let others = others.filter(|other| other.trace.observations != held.trace.observations).cloned();
        Self([Arc::clone(&held)].into_iter().chain(others).take(TRACES_IN_MEMORY).collect())
    }
}
