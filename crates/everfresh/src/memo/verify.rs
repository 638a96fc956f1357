//! Whether a function is pure: some hits are computed once more and compared.

use super::{Call, cache::Inner, counts::count};
use crate::{codec, memory::chance};
use serde::Serialize;
use std::sync::atomic::Ordering::Relaxed;

/// Whether two values are the same.
pub(super) type Same<V> = fn(&V, &V) -> bool;

impl<V: Serialize, A: ?Sized> Call<'_, V, A> {
    /// Computes such a share of hits (0 to 1) once more, chosen at random, and compares the fingerprints of the two results:
    /// for functions of which nobody knows whether they are pure, or read by other means than Everfresh sees. A result that
    /// differs is counted in [`MemoStats::impure`](super::MemoStats::impure), kept in place of the old one and given to the
    /// caller; the first one of a memo is logged as a warning. What is due to be computed anew is not compared, nor is what
    /// another caller computes right now, nor a result whose inputs changed meanwhile.
    ///
    /// ```
    /// use everfresh::Memo;
    ///
    /// let dice = Memo::builder("Call::verify").build();
    /// assert_eq!(dice.call(&()).verify(1.0).or_compute(|| 4), 4);
    /// assert_eq!(dice.call(&()).verify(1.0).or_compute(|| 6), 6);
    /// assert_eq!((dice.stats().verified, dice.stats().impure), (1, 1));
    /// ```
    pub fn verify(mut self, share: f64) -> Self {
        // What has no fingerprint is not told apart.
        let same: Same<V> = |one, other| codec::fingerprint(one).ok() == codec::fingerprint(other).ok();
        self.terms.same = (chance() < share).then_some(same);
        self
    }
}

impl<V> Inner<V> {
    /// Counts a value that was computed to be compared.
    pub(super) fn verified(&self, same: bool) {
        count(&self.counts.verified);
        if same {
            return;
        }
        count(&self.counts.impure);
        if !self.warned_impure.swap(true, Relaxed) {
            let function = self.name.as_str();
            tracing::warn!(function, "it is not pure: computed once more, a result came out different");
        }
    }
}
