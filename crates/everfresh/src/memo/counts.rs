//! What a [`Memo`](super::Memo) did.

use super::reason::Tier;
use crate::memory::{Advice, ENOUGH, nanoseconds};
use serde::{Deserialize, Serialize};
use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// What a [`Memo`](super::Memo) did since it was made, in this process.
///
/// ```
/// use everfresh::Memo;
///
/// let squares = Memo::builder("MemoStats").build();
/// (0..3).for_each(|_| _ = squares.get_or_compute(&12, || 144));
/// let stats = squares.stats();
/// assert_eq!((stats.loads, stats.misses, stats.memory_hits, stats.disk_hits), (1, 1, 2, 0));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct MemoStats {
    /// Results that were found in memory.
    pub memory_hits: u64,
    /// Results that were found in the store.
    pub disk_hits: u64,
    /// Of those, the ones that were served though their time was over.
    pub stale: u64,
    /// Results that were served in the place of an error.
    pub rescued: u64,
    /// Calls that found none.
    pub misses: u64,
    /// Computations that gave a value.
    pub loads: u64,
    /// Computations that gave an error, panicked or were cancelled.
    pub failures: u64,
    /// Values that were returned and not kept, since something that they were made from changed meanwhile, cannot be
    /// observed, or has no encoding.
    pub unstored: u64,
    /// Results that were computed once more to be compared.
    pub verified: u64,
    /// Of those, the ones that came out different.
    pub impure: u64,
    /// How long computations took that gave a value.
    pub compute_time: Duration,
    /// How long it took to look for results: to take fingerprints, and to verify traces.
    pub lookup_time: Duration,
    /// How long the values that were found had taken to compute.
    pub saved_time: Duration,
}

impl MemoStats {
    /// Results that were found.
    ///
    /// ```
    /// use everfresh::memo::MemoStats;
    ///
    /// let mut stats = MemoStats::default();
    /// (stats.memory_hits, stats.disk_hits) = (3, 1);
    /// assert_eq!(stats.hits(), 4);
    /// ```
    pub fn hits(&self) -> u64 {
        self.memory_hits + self.disk_hits
    }

    /// The part of all calls that found a result; 0 if there was none.
    ///
    /// ```
    /// use everfresh::memo::MemoStats;
    ///
    /// let mut stats = MemoStats::default();
    /// assert_eq!(stats.hit_ratio(), 0.0);
    /// (stats.memory_hits, stats.misses) = (3, 1);
    /// assert_eq!(stats.hit_ratio(), 0.75);
    /// ```
    pub fn hit_ratio(&self) -> f64 {
        let calls = self.hits() + self.misses;
        if calls == 0 { 0.0 } else { self.hits() as f64 / calls as f64 }
    }

    /// Whether hits saved more time than all lookups took.
    ///
    /// ```
    /// use everfresh::memo::MemoStats;
    /// use std::time::Duration;
    ///
    /// let mut stats = MemoStats::default();
    /// (stats.saved_time, stats.lookup_time) = (Duration::from_secs(2), Duration::from_secs(1));
    /// assert!(stats.pays());
    /// ```
    pub fn pays(&self) -> bool {
        self.saved_time > self.lookup_time
    }

    /// What to change about the function; before it was called a hundred times, only that it is not pure.
    ///
    /// ```
    /// use everfresh::Memo;
    ///
    /// let memo: Memo<u32> = Memo::builder("advised").build();
    /// (0..200).for_each(|n| _ = memo.get_or_compute(&n, || n));
    /// assert!(memo.stats().advice()[0].to_string().starts_with("never hit: "));
    /// ```
    pub fn advice(&self) -> Vec<Advice> {
        let mean = |time: Duration, count: u64| time / u32::try_from(count).unwrap_or(u32::MAX).max(1);
        let lookup = mean(self.lookup_time, self.calls());
        let compute = mean(self.compute_time, self.loads);
        let (hit_ratio, not_kept) = (self.hit_ratio(), self.unstored as f64 / self.loads.max(1) as f64);
        let used = self.calls() >= ENOUGH;
        let all = [
            (used && hit_ratio < 0.01, Advice::NeverHit { hit_ratio }),
            (used && self.loads > 0 && lookup > compute, Advice::SlowToHash { lookup, compute }),
            (self.loads >= ENOUGH && not_kept > 0.05, Advice::NotKept { not_kept }),
            (self.impure > 0, Advice::Impure { impure: self.impure, verified: self.verified }),
        ];
        all.into_iter().filter_map(|(holds, advice)| holds.then_some(advice)).collect()
    }
}

impl fmt::Display for MemoStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { memory_hits, disk_hits, misses, failures, unstored, .. } = self;
        writeln!(f, "hits      {} ({memory_hits} in memory, {disk_hits} in the store)", self.hits())?;
        writeln!(f, "misses    {misses} ({failures} failed, {unstored} not kept)")?;
        if self.stale + self.rescued > 0 {
            writeln!(f, "stale     {}, and {} in place of an error", self.stale, self.rescued)?;
        }
        if self.verified > 0 {
            writeln!(f, "verified  {}, of which {} came out different", self.verified, self.impure)?;
        }
        writeln!(f, "saved     {:.3?}", self.saved_time)?;
        write!(f, "spent     {:.3?} computing, {:.3?} looking", self.compute_time, self.lookup_time)
    }
}

#[derive(Debug, Default)]
pub(super) struct Counts {
    memory_hits: AtomicU64,
    disk_hits: AtomicU64,
    pub(super) stale: AtomicU64,
    pub(super) rescued: AtomicU64,
    pub(super) misses: AtomicU64,
    pub(super) loads: AtomicU64,
    pub(super) failures: AtomicU64,
    pub(super) unstored: AtomicU64,
    pub(super) verified: AtomicU64,
    pub(super) impure: AtomicU64,
    compute_ns: AtomicU64,
    lookup_ns: AtomicU64,
    saved_ns: AtomicU64,
}

pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}

impl Counts {
    pub(super) fn hit(&self, tier: Tier) {
        count(if tier == Tier::Memory { &self.memory_hits } else { &self.disk_hits });
    }

    pub(super) fn computed(&self, took: Duration) {
        count(&self.loads);
        self.compute_ns.fetch_add(nanoseconds(took), Relaxed);
    }

    pub(super) fn looked(&self, took: Duration) {
        self.lookup_ns.fetch_add(nanoseconds(took), Relaxed);
    }

    pub(super) fn saved(&self, cost_ns: u64) {
        self.saved_ns.fetch_add(cost_ns, Relaxed);
    }

    pub(super) fn stats(&self) -> MemoStats {
        let number = |counter: &AtomicU64| counter.load(Relaxed);
        let time = |counter: &AtomicU64| Duration::from_nanos(number(counter));
        MemoStats {
            memory_hits: number(&self.memory_hits),
            disk_hits: number(&self.disk_hits),
            stale: number(&self.stale),
            rescued: number(&self.rescued),
            misses: number(&self.misses),
            loads: number(&self.loads),
            failures: number(&self.failures),
            unstored: number(&self.unstored),
            verified: number(&self.verified),
            impure: number(&self.impure),
            compute_time: time(&self.compute_ns),
            lookup_time: time(&self.lookup_ns),
            saved_time: time(&self.saved_ns),
        }
    }
}
