//! A value with its trace, and those of one key that this process met.

use crate::{Fingerprint, memory::Cause, trace::Trace};
use std::sync::{Arc, atomic::AtomicI64};

/// More states of the world than this are left to the store.
const TRACES_IN_MEMORY: usize = 4;

#[derive(Debug)]
pub(super) struct Held<V> {
    pub(super) trace: Trace,
    /// Why it was not kept, if so: whoever waited for it may use it, and nobody else.
    pub(super) unstorable: Option<String>,
    /// As the memo's weigher says.
    pub(super) weight: u32,
    /// When it may be computed anew at the earliest, since that failed, in nanoseconds since the Unix epoch.
    pub(super) not_before: AtomicI64,
    pub(super) value: V,
}

/// The values of one key, each with its trace, the last that was met first.
#[derive(Debug)]
pub(super) struct Kept<V>(pub(super) Vec<Arc<Held<V>>>);

/// What left the memory, and why.
pub(super) type Gone<V> = Vec<(Arc<Held<V>>, Cause)>;

impl<V> Held<V> {
    pub(super) fn new(trace: Trace, value: V) -> Self {
        Self { trace, unstorable: None, weight: 1, not_before: AtomicI64::new(0), value }
    }

    /// A value that was computed beside all others, and is not kept.
    pub(super) fn alone(value: V) -> Self {
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
        Self { unstorable, ..Self::new(trace, value) }
    }
}

impl<V> Kept<V> {
    /// These with one more, in the place of one that observed the same, less what was invalidated and what has no room: all
    /// together weigh at most `room`. And what left.
    pub(super) fn with(
        old: Option<&Self>,
        held: &Arc<Held<V>>,
        room: u64,
        is_invalidated: impl Fn(&Trace) -> bool,
    ) -> (Self, Gone<V>) {
        let (mut kept, mut gone) = (vec![Arc::clone(held)], Vec::new());
        let mut weight = u64::from(held.weight);
        for other in old.into_iter().flat_map(|kept| &kept.0) {
            let with_other = weight + u64::from(other.weight);
            let cause = if other.trace.observations == held.trace.observations {
                Cause::Replaced
            } else if is_invalidated(&other.trace) {
                Cause::Invalidated
            } else if kept.len() < TRACES_IN_MEMORY && with_other <= room {
                kept.push(Arc::clone(other));
                weight = with_other;
                continue;
            } else {
                Cause::Evicted
            };
            gone.push((Arc::clone(other), cause));
        }
        (Self(kept), gone)
    }

    pub(super) fn weight(&self) -> u32 {
        self.0.iter().fold(0, |sum, held| sum.saturating_add(held.weight))
    }
}
