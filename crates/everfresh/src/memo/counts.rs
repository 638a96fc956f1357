//! What a [`Memo`](super::Memo) did.

use super::reason::Tier;
use crate::memory::{Advice, Cause, ENOUGH, Stats, nanoseconds, ratio};
use serde::{Deserialize, Serialize};
use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// What a [`Memo`](super::Memo) did since it was made, in this process, and what is in its memory. Several results of one
/// call's arguments that leave the memory together count once.
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
    /// Those of them that would have been hits with twice the room in memory, estimated from the keys that were evicted last.
    pub ghost_hits: u64,
    /// Those of them that found a result whose time was over.
    pub expired: u64,
    /// Those of them that found nothing but results that were invalidated, or made from something that has changed.
    pub outdated: u64,
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
    /// Values whose computation was seen to do more than give them: it left files behind that it
    /// [made](crate::observe::made) and that are no [outputs](crate::observe::outputs), or was said to be
    /// [impure](crate::observe::impure).
    pub effects: u64,
    /// Results that left the memory because there was no room.
    pub evicted: u64,
    /// Results that left the memory because they went unused for too long.
    pub unused: u64,
    /// Results in memory that made way for another one of the same state of the world.
    pub replaced: u64,
    /// Results in memory that somebody invalidated.
    pub invalidated: u64,
    /// Results that were not kept in memory because they alone are too heavy.
    pub refused: u64,
    /// For how many arguments there are results in memory at this moment. Not added up in a store's
    /// [`function_stats`](super::function_stats).
    #[serde(skip)]
    pub entries: u64,
    /// What these weigh, as the weigher says; without one, their number. Not added up either.
    #[serde(skip)]
    pub weight: u64,
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
        ratio(self.hits(), self.calls())
    }

    /// The same with twice the room in memory, as far as evicted keys tell.
    ///
    /// ```
    /// use everfresh::memo::MemoStats;
    ///
    /// let mut stats = MemoStats::default();
    /// (stats.memory_hits, stats.misses, stats.ghost_hits) = (2, 2, 1);
    /// assert_eq!((stats.hit_ratio(), stats.hit_ratio_at_double()), (0.5, 0.75));
    /// ```
    pub fn hit_ratio_at_double(&self) -> f64 {
        ratio(self.hits() + self.ghost_hits.min(self.misses), self.calls())
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

    /// What to change about the function; before it was called a hundred times, only that it is not pure or has side
    /// effects.
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
        let (hit_ratio, at_double) = (self.hit_ratio(), self.hit_ratio_at_double());
        // What is found in the store comes to the memory too.
        let came = self.loads + self.disk_hits;
        let (not_kept, refused) = (ratio(self.unstored, self.loads), ratio(self.refused, came));
        let (used, seen) = (self.calls() >= ENOUGH, ratio(self.effects, self.loads));
        let all = [
            (used && at_double >= hit_ratio + 0.05, Advice::TooSmall { hit_ratio, at_double }),
            (used && at_double < 0.01, Advice::NeverHit { hit_ratio }),
            (used && self.loads > 0 && lookup > compute, Advice::SlowToHash { lookup, compute }),
            (came >= ENOUGH && refused > 0.05, Advice::TooLarge { refused }),
            (self.loads >= ENOUGH && not_kept > 0.05, Advice::NotKept { not_kept }),
            (self.impure > 0, Advice::Impure { impure: self.impure, verified: self.verified }),
            (seen > 0.05, Advice::SideEffects { seen }),
        ];
        all.into_iter().filter_map(|(holds, advice)| holds.then_some(advice)).collect()
    }
}

impl fmt::Display for MemoStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { memory_hits, disk_hits, misses, expired, outdated, failures, unstored, .. } = self;
        let Self { evicted, unused, replaced, invalidated, refused, entries, weight, .. } = self;
        writeln!(f, "hits      {} ({memory_hits} in memory, {disk_hits} in the store)", self.hits())?;
        writeln!(f, "misses    {misses} ({expired} expired, {outdated} outdated)")?;
        writeln!(f, "computed  {} ({unstored} not kept), {failures} failed", self.loads)?;
        if self.stale + self.rescued > 0 {
            writeln!(f, "stale     {}, and {} in place of an error", self.stale, self.rescued)?;
        }
        if self.verified > 0 {
            writeln!(f, "verified  {}, of which {} came out different", self.verified, self.impure)?;
        }
        if self.effects > 0 {
            writeln!(f, "effects   {} computations did more than give a result", self.effects)?;
        }
        writeln!(f, "saved     {:.3?}", self.saved_time)?;
        writeln!(f, "spent     {:.3?} computing, {:.3?} looking", self.compute_time, self.lookup_time)?;
        writeln!(
            f,
            "left      {evicted} evicted, {unused} unused, {replaced} replaced, {invalidated} invalidated, {refused} refused"
        )?;
        write!(f, "holds     {entries} in memory that weigh {weight}")
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
    pub(super) effects: AtomicU64,
    pub(super) ghost_hits: AtomicU64,
    pub(super) expired: AtomicU64,
    pub(super) outdated: AtomicU64,
    pub(super) invalidated: AtomicU64,
    pub(super) refused: AtomicU64,
    evicted: AtomicU64,
    replaced: AtomicU64,
    compute_ns: AtomicU64,
    lookup_ns: AtomicU64,
    saved_ns: AtomicU64,
}

pub(super) fn count(counter: &AtomicU64) {
    add(counter, 1);
}

pub(super) fn add(counter: &AtomicU64, more: u64) {
    counter.fetch_add(more, Relaxed);
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

    /// Counts a result that left the others of its arguments.
    pub(super) fn left(&self, cause: Cause) {
        count(match cause {
            Cause::Replaced => &self.replaced,
            Cause::Invalidated => &self.invalidated,
            _ => &self.evicted,
        });
    }

    pub(super) fn calls(&self) -> u64 {
        [&self.memory_hits, &self.disk_hits, &self.misses].into_iter().map(|counter| counter.load(Relaxed)).sum()
    }

    /// All of it, with what the memory says.
    pub(super) fn stats(&self, memory: &Stats) -> MemoStats {
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
            effects: number(&self.effects),
            ghost_hits: number(&self.ghost_hits),
            expired: number(&self.expired),
            outdated: number(&self.outdated),
            evicted: number(&self.evicted) + memory.evicted,
            unused: memory.expired,
            replaced: number(&self.replaced),
            invalidated: number(&self.invalidated),
            refused: number(&self.refused),
            entries: memory.entries as u64,
            weight: memory.weight,
            compute_time: time(&self.compute_ns),
            lookup_time: time(&self.lookup_ns),
            saved_time: time(&self.saved_ns),
        }
    }
}
