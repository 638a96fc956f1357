//! What a cache did.

use super::{
    builder::Cause,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};
use std::{fmt, time::Duration};

/// What a cache did since it was made, and what it holds. [`advice`](Self::advice) says what to make of it; `Display`
/// prints it for people.
///
/// ```
/// use everfresh::memory::Cache;
///
/// let cache = Cache::new(10);
/// cache.get_or_compute(&1, || 1);
/// cache.get(&1);
/// assert!(cache.stats().to_string().starts_with("lookups    2, of which 1 found a value (50.0%"));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Stats {
    /// Lookups that found a value.
    pub hits: u64,
    /// Lookups that did not.
    pub misses: u64,
    /// Those of them that would have been hits with twice the room, estimated from the keys that were evicted last.
    pub ghost_hits: u64,
    /// Lookups that were given a value whose ttl was over.
    pub stale: u64,
    /// Those of them, and of other hits, that were given the value in place of an error.
    pub rescued: u64,
    /// Values that were computed by `get_or_compute` and its kin.
    pub loads: u64,
    /// Computations that gave an error, panicked or were cancelled.
    pub failures: u64,
    /// Hits that were computed once more to be compared, see [`Lookup::verify`](super::Lookup::verify).
    pub verified: u64,
    /// Those of them that came out different.
    pub impure: u64,
    /// Values whose computation was seen to do more than give them: it left files behind that it
    /// [made](crate::observe::made) and that are no [outputs](crate::observe::outputs), or was said to be
    /// [impure](crate::observe::impure).
    pub effects: u64,
    /// How long computations took, failures left out.
    pub compute_time: Duration,
    /// How long the values that were found had taken to compute.
    pub saved_time: Duration,
    /// How long the lookups took that were measured: some of those that found nothing.
    pub lookup_time: Duration,
    /// How many lookups were measured.
    pub measured: u64,
    /// How long it took to keep what was computed: to weigh it, to make room, to wake who waited.
    pub store_time: Duration,
    /// Entries that went because there was no room.
    pub evicted: u64,
    /// Entries whose time was over.
    pub expired: u64,
    /// Those of them that nobody had found.
    pub expired_unused: u64,
    /// Entries that made way for another value of their key.
    pub replaced: u64,
    /// Entries that somebody removed.
    pub invalidated: u64,
    /// Entries that were found to be made from something that has changed.
    pub outdated: u64,
    /// Values that were not kept: what they were made from changed meanwhile, or nobody can look at it again.
    pub unsteady: u64,
    /// Values that were not kept because they alone are too heavy.
    pub refused: u64,
    /// Entries at this moment; those whose time is over count until they are removed.
    pub entries: usize,
    /// The weight of all entries at this moment, as the weigher says; without one, their number.
    pub weight: u64,
}

/// What a part of a cache counts outside its lock. Times are in nanoseconds.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) misses: AtomicU64,
    pub(super) ghost_hits: AtomicU64,
    pub(super) stale: AtomicU64,
    pub(super) rescued: AtomicU64,
    pub(super) loads: AtomicU64,
    pub(super) failures: AtomicU64,
    pub(super) verified: AtomicU64,
    pub(super) impure: AtomicU64,
    pub(super) effects: AtomicU64,
    pub(super) compute_time: AtomicU64,
    pub(super) lookup_time: AtomicU64,
    pub(super) measured: AtomicU64,
    pub(super) store_time: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) unsteady: AtomicU64,
}

impl Counts {
    /// Counts what was computed.
    pub(super) fn load(&self, took: Duration) {
        self.loads.fetch_add(1, Relaxed);
        self.compute_time.fetch_add(super::clock::nanoseconds(took), Relaxed);
    }

    pub(super) fn add_to(&self, stats: &mut Stats) {
        let count = |counter: &AtomicU64| counter.load(Relaxed);
        let time = |counter: &AtomicU64| Duration::from_nanos(counter.load(Relaxed));
        stats.add(&Stats {
            misses: count(&self.misses),
            ghost_hits: count(&self.ghost_hits),
            stale: count(&self.stale),
            rescued: count(&self.rescued),
            loads: count(&self.loads),
            failures: count(&self.failures),
            verified: count(&self.verified),
            impure: count(&self.impure),
            effects: count(&self.effects),
            compute_time: time(&self.compute_time),
            lookup_time: time(&self.lookup_time),
            measured: count(&self.measured),
            store_time: time(&self.store_time),
            refused: count(&self.refused),
            unsteady: count(&self.unsteady),
            ..Stats::default()
        });
    }
}

impl Stats {
    /// Hits in all lookups, from 0 to 1; 0 before the first.
    ///
    /// ```
    /// use everfresh::memory::Cache;
    ///
    /// let cache = Cache::new(10);
    /// cache.insert(1, "one")?;
    /// cache.get(&1);
    /// cache.get(&2);
    /// assert_eq!(cache.stats().hit_ratio(), 0.5);
    /// # Ok::<_, everfresh::memory::Refused>(())
    /// ```
    pub fn hit_ratio(&self) -> f64 {
        ratio(self.hits, self.lookups())
    }

    /// The same with twice the room, as far as evicted keys tell.
    ///
    /// ```
    /// use everfresh::memory::{Cache, Policy};
    ///
    /// let cache = Cache::builder().max_entries(1).policy(Policy::Lru).build();
    /// cache.insert(1, "one")?;
    /// cache.insert(2, "two")?;
    /// assert_eq!(cache.get(&1), None);
    /// let stats = cache.stats();
    /// assert_eq!((stats.hit_ratio(), stats.hit_ratio_at_double()), (0.0, 1.0));
    /// # Ok::<_, everfresh::memory::Refused>(())
    /// ```
    pub fn hit_ratio_at_double(&self) -> f64 {
        ratio(self.hits + self.ghost_hits.min(self.misses), self.lookups())
    }

    pub(super) fn lookups(&self) -> u64 {
        self.hits + self.misses
    }

    /// How long one lookup takes, on average; zero before the first was measured.
    ///
    /// ```
    /// use everfresh::memory::Stats;
    /// use std::time::Duration;
    ///
    /// let mut stats = Stats::default();
    /// (stats.lookup_time, stats.measured) = (Duration::from_micros(6), 3);
    /// assert_eq!(stats.lookup_cost(), Duration::from_micros(2));
    /// ```
    pub fn lookup_cost(&self) -> Duration {
        mean(self.lookup_time, self.measured)
    }

    /// How long all lookups took, by that measure, and all that was kept took to keep.
    ///
    /// ```
    /// use everfresh::memory::Stats;
    /// use std::time::Duration;
    ///
    /// let mut stats = Stats::default();
    /// (stats.lookup_time, stats.measured) = (Duration::from_secs(1), 1);
    /// (stats.hits, stats.store_time) = (5, Duration::from_secs(2));
    /// assert_eq!(stats.spent_time(), Duration::from_secs(7));
    /// ```
    pub fn spent_time(&self) -> Duration {
        let lookups = self.lookup_cost().as_secs_f64() * self.lookups() as f64;
        Duration::try_from_secs_f64(lookups).unwrap_or(Duration::MAX).saturating_add(self.store_time)
    }

    /// Whether hits saved more time than lookups and storing took. A value that was put in without a cost saves nothing.
    ///
    /// ```
    /// use everfresh::memory::{Cache, EntryOptions};
    /// use std::time::Duration;
    ///
    /// let cache = Cache::new(10);
    /// cache.insert_with("rate", 4, EntryOptions::new().cost(Duration::from_secs(3600)))?;
    /// assert!(!cache.stats().pays());
    /// cache.get("rate");
    /// assert!(cache.stats().pays());
    /// # Ok::<_, everfresh::memory::Refused>(())
    /// ```
    pub fn pays(&self) -> bool {
        self.saved_time > self.spent_time()
    }

    pub(super) fn count(&mut self, cause: Cause) {
        match cause {
            Cause::Evicted => self.evicted += 1,
            Cause::Expired => self.expired += 1,
            Cause::Replaced => self.replaced += 1,
            Cause::Invalidated => self.invalidated += 1,
            Cause::Outdated => self.outdated += 1,
        }
    }

    /// Adds another shard's.
    pub(super) fn add(&mut self, other: &Self) {
        for (sum, more) in [
            (&mut self.hits, other.hits),
            (&mut self.misses, other.misses),
            (&mut self.ghost_hits, other.ghost_hits),
            (&mut self.stale, other.stale),
            (&mut self.rescued, other.rescued),
            (&mut self.loads, other.loads),
            (&mut self.failures, other.failures),
            (&mut self.verified, other.verified),
            (&mut self.impure, other.impure),
            (&mut self.effects, other.effects),
            (&mut self.measured, other.measured),
            (&mut self.evicted, other.evicted),
            (&mut self.expired, other.expired),
            (&mut self.expired_unused, other.expired_unused),
            (&mut self.replaced, other.replaced),
            (&mut self.invalidated, other.invalidated),
            (&mut self.outdated, other.outdated),
            (&mut self.unsteady, other.unsteady),
            (&mut self.refused, other.refused),
            (&mut self.weight, other.weight),
        ] {
            *sum += more;
        }
        for (sum, more) in [
            (&mut self.compute_time, other.compute_time),
            (&mut self.saved_time, other.saved_time),
            (&mut self.lookup_time, other.lookup_time),
            (&mut self.store_time, other.store_time),
        ] {
            *sum = sum.saturating_add(more);
        }
        self.entries += other.entries;
    }
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = |ratio: f64| format!("{:.1}%", ratio * 100.0);
        let (now, double) = (percent(self.hit_ratio()), percent(self.hit_ratio_at_double()));
        writeln!(
            f,
            "lookups    {}, of which {} found a value ({now}; {double} with twice the room)",
            self.lookups(),
            self.hits
        )?;
        writeln!(f, "computed   {} in {:.1?}, {} failed", self.loads, self.compute_time, self.failures)?;
        let pays = if self.pays() { "pays" } else { "does not pay" };
        writeln!(f, "saved      {:.1?} for {:.1?} of lookups and storing: {pays}", self.saved_time, self.spent_time())?;
        if self.stale + self.rescued > 0 {
            writeln!(f, "stale      {}, and {} in place of an error", self.stale, self.rescued)?;
        }
        if self.verified > 0 {
            writeln!(f, "verified   {}, of which {} came out different", self.verified, self.impure)?;
        }
        if self.effects > 0 {
            writeln!(f, "effects    {} computations did more than give a value", self.effects)?;
        }
        writeln!(
            f,
            "left       {} evicted, {} expired ({} unused), {} replaced, {} invalidated, {} outdated, {} refused",
            self.evicted,
            self.expired,
            self.expired_unused,
            self.replaced,
            self.invalidated,
            self.outdated,
            self.refused
        )?;
        write!(f, "holds      {} entries that weigh {}", self.entries, self.weight)
    }
}

/// A part of a whole, 0 of nothing.
pub(crate) fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// One of so many, 0 of none.
pub(super) fn mean(sum: Duration, count: u64) -> Duration {
    if count == 0 { Duration::ZERO } else { Duration::from_secs_f64(sum.as_secs_f64() / count as f64) }
}
