//! What a cache did.

use super::builder::Cause;
use std::time::Duration;

/// What a cache did since it was made, and what it holds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Stats {
    /// Lookups that found a value.
    pub hits: u64,
    /// Lookups that did not.
    pub misses: u64,
    /// Values that were computed by `get_or_compute` and its kin.
    pub loads: u64,
    /// Computations that gave an error, panicked or were cancelled.
    pub failures: u64,
    /// How long computations took, failures left out.
    pub compute_time: Duration,
    /// How long the values that were found had taken to compute.
    pub saved_time: Duration,
    /// Entries that went because there was no room.
    pub evicted: u64,
    /// Entries whose time was over.
    pub expired: u64,
    /// Entries that made way for another value of their key.
    pub replaced: u64,
    /// Entries that somebody removed.
    pub invalidated: u64,
    /// Values that were not kept because they alone are too heavy.
    pub refused: u64,
    /// Entries at this moment; those whose time is over count until they are removed.
    pub entries: usize,
    /// The weight of all entries at this moment, as the weigher says; without one, their number.
    pub weight: u64,
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
        match self.hits + self.misses {
            0 => 0.0,
            lookups => self.hits as f64 / lookups as f64,
        }
    }

    pub(super) fn count(&mut self, cause: Cause) {
        match cause {
            Cause::Evicted => self.evicted += 1,
            Cause::Expired => self.expired += 1,
            Cause::Replaced => self.replaced += 1,
            Cause::Invalidated => self.invalidated += 1,
        }
    }

    /// Adds another shard's.
    pub(super) fn add(&mut self, other: &Self) {
        self.hits += other.hits;
        self.misses += other.misses;
        self.loads += other.loads;
        self.failures += other.failures;
        self.compute_time = self.compute_time.saturating_add(other.compute_time);
        self.saved_time = self.saved_time.saturating_add(other.saved_time);
        self.evicted += other.evicted;
        self.expired += other.expired;
        self.replaced += other.replaced;
        self.invalidated += other.invalidated;
        self.refused += other.refused;
        self.entries += other.entries;
        self.weight += other.weight;
    }
}
