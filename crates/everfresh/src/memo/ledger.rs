//! What the functions of a store did, over all processes: for `everfresh stats`.

use super::counts::MemoStats;
use crate::{
    Fingerprint, FingerprintBuilder, codec,
    disk::{Space, Store, StoreError},
};
use serde::{Deserialize, Serialize};
use std::{
    sync::Mutex,
    time::{Duration, SystemTime},
};

/// What a function did in all processes that used a store.
///
/// ```
/// use everfresh::{Memo, disk::{Store, StoreOptions}, memo::function_stats};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("results");
/// let store = Store::open(&path, StoreOptions::default())?;
/// Memo::builder("square").store(store.clone()).build().get_or_compute(&12, || 144);
/// assert_eq!(function_stats(&store)?[0].name, "square");
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FunctionStats {
    /// The function's name.
    pub name: String,
    /// What it did. Up to an eighth of what each process did last may be missing.
    pub stats: MemoStats,
    /// When somebody called it last, as far as is known, in seconds since the Unix epoch.
    pub last_call: u64,
}

/// What the functions of a store did, by name.
///
/// ```
/// use everfresh::{Memo, disk::{Store, StoreOptions}, memo::function_stats};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("results");
/// let store = Store::open(&path, StoreOptions::default())?;
/// assert_eq!(function_stats(&store)?, []);
/// Memo::builder("cube").store(store.clone()).build().get_or_compute(&2, || 8);
/// assert_eq!(function_stats(&store)?[0].stats.misses, 1);
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// If the store cannot be read.
pub fn function_stats(store: &Store) -> Result<Vec<FunctionStats>, StoreError> {
    let mut functions: Vec<FunctionStats> = Vec::new();
    store.for_each(Space::Functions, |_, record| {
        functions.extend(codec::from_slice(record).map(|decoded| decoded.value));
    })?;
    functions.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(functions)
}

fn key(name: &str) -> Fingerprint {
    FingerprintBuilder::new("everfresh.function").str(name).finish()
}

/// What of a memo's counts the store has.
#[derive(Debug, Default)]
pub(super) struct Ledger(Mutex<MemoStats>);

impl Ledger {
    /// Writes down what was done since the last time, if that is an eighth of all, so that a function that is called all the
    /// time seldom writes.
    pub(super) fn write(&self, store: &Store, name: &str, calls: u64, now: impl FnOnce() -> MemoStats) {
        // Whoever writes now writes this too, or somebody will.
        let Ok(mut written) = self.0.try_lock() else { return };
        let new = calls.saturating_sub(written.calls());
        if new == 0 || new < calls / 8 {
            return;
        }
        let now = now();
        let more = now.since(&written);
        let last_call = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        let result = store.update(Space::Functions, &key(name), |old| {
            let old = old.and_then(|record| codec::from_slice::<FunctionStats>(&record).ok());
            let stats = old.map_or(MemoStats::default(), |old| old.value.stats).plus(&more);
            Some((codec::to_vec(&FunctionStats { name: name.to_owned(), stats, last_call }).ok()?, Vec::new()))
        });
        match result {
            Ok(_) => *written = now,
            Err(error) => tracing::warn!("{error}"),
        }
    }
}

impl MemoStats {
    /// Calls that were answered.
    ///
    /// ```
    /// use everfresh::memo::MemoStats;
    ///
    /// let mut stats = MemoStats::default();
    /// (stats.memory_hits, stats.disk_hits, stats.misses) = (3, 1, 2);
    /// assert_eq!(stats.calls(), 6);
    /// ```
    pub fn calls(&self) -> u64 {
        self.hits() + self.misses
    }

    fn zip(
        &self,
        other: &Self,
        number: impl Fn(u64, u64) -> u64,
        time: impl Fn(Duration, Duration) -> Duration,
    ) -> Self {
        Self {
            memory_hits: number(self.memory_hits, other.memory_hits),
            disk_hits: number(self.disk_hits, other.disk_hits),
            stale: number(self.stale, other.stale),
            rescued: number(self.rescued, other.rescued),
            misses: number(self.misses, other.misses),
            loads: number(self.loads, other.loads),
            failures: number(self.failures, other.failures),
            unstored: number(self.unstored, other.unstored),
            verified: number(self.verified, other.verified),
            impure: number(self.impure, other.impure),
            effects: number(self.effects, other.effects),
            ghost_hits: number(self.ghost_hits, other.ghost_hits),
            expired: number(self.expired, other.expired),
            outdated: number(self.outdated, other.outdated),
            evicted: number(self.evicted, other.evicted),
            unused: number(self.unused, other.unused),
            replaced: number(self.replaced, other.replaced),
            invalidated: number(self.invalidated, other.invalidated),
            refused: number(self.refused, other.refused),
            // What is there now is no sum.
            entries: 0,
            weight: 0,
            compute_time: time(self.compute_time, other.compute_time),
            lookup_time: time(self.lookup_time, other.lookup_time),
            saved_time: time(self.saved_time, other.saved_time),
        }
    }

    fn plus(&self, other: &Self) -> Self {
        self.zip(other, u64::saturating_add, Duration::saturating_add)
    }

    fn since(&self, earlier: &Self) -> Self {
        self.zip(earlier, u64::saturating_sub, Duration::saturating_sub)
    }
}
