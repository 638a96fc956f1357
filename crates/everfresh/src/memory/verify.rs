//! Whether what is cached is pure: some hits are computed once more and compared.

use super::{
    Cache, Lookup,
    key::KeyRef,
    sync::{Instant, atomic::Ordering::Relaxed},
};
use std::{
    cell::Cell,
    hash::{BuildHasher, Hash, RandomState},
};

/// Whether two values are the same.
pub(super) type Same<V> = fn(&V, &V) -> bool;

impl<K, V: PartialEq, S, Q: ?Sized> Lookup<'_, K, V, S, Q> {
    /// Computes such a share of hits (0 to 1) once more, chosen at random, and compares: for functions of which nobody
    /// knows whether they are pure. A value that differs is counted in [`Stats::impure`](super::Stats::impure), kept in
    /// place of the old one and given to the caller; the first one of a cache is logged as a warning. What is due to be
    /// computed anew is not compared, nor is what another caller computes right now.
    ///
    /// ```
    /// use everfresh::memory::Cache;
    ///
    /// let cache = Cache::new(10);
    /// let lookup = || cache.lookup(&"dice").verify(1.0);
    /// assert_eq!(lookup().or_compute(|| 4), 4);
    /// assert_eq!(lookup().or_compute(|| 6), 6);
    /// assert_eq!((cache.stats().verified, cache.stats().impure), (1, 1));
    /// ```
    pub fn verify(mut self, share: f64) -> Self {
        let same: Same<V> = |one, other| one == other;
        self.same = (chance() < share).then_some(same);
        self
    }
}

impl<K: Eq + Hash, V, S: BuildHasher> Cache<K, V, S> {
    /// Counts a value that was computed to be compared; whether it is the same, which it says.
    pub(super) fn verify<Q>(&self, key: &Q, same: bool, started: Instant) -> bool
    where
        Q: KeyRef<K> + ?Sized,
    {
        let counts = &self.part(self.hash(key)).counts;
        counts.verified.fetch_add(1, Relaxed);
        if same {
            counts.load(started.elapsed());
            return true;
        }
        counts.impure.fetch_add(1, Relaxed);
        if !self.inner.warned.swap(true, Relaxed) {
            let cache = self.inner.name.as_deref().unwrap_or("without a name");
            tracing::warn!(cache, "what is cached is not pure: computed once more, a value came out different");
        }
        false
    }
}

/// A number from 0 to less than 1 (splitmix64, one state a thread).
pub(crate) fn chance() -> f64 {
    thread_local! {
        static STATE: Cell<u64> = Cell::new(RandomState::new().hash_one(0));
    }
    let state = STATE.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
    STATE.set(state);
    let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chances_are_spread_evenly_from_0_to_1() {
        let mut tenths = [0; 10];
        for _ in 0..10_000 {
            tenths[(chance() * 10.0) as usize] += 1;
        }
        // Nine standard deviations.
        assert!(tenths.iter().all(|count| (730..1270).contains(count)), "{tenths:?}");
    }
}
