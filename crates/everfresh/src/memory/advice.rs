//! What to change about a cache that does not do what it might.

use super::stats::{Stats, mean, ratio};
use std::{fmt, time::Duration};

/// Below so many lookups nothing is said.
pub(crate) const ENOUGH: u64 = 100;

/// Something to change, with the figure that says so. `Display` is a sentence for people.
///
/// ```
/// use everfresh::memory::{Advice, Cache};
///
/// let cache: Cache<u32, u32> = Cache::new(10);
/// for key in 0..100 {
///     cache.get(&key);
/// }
/// assert!(cache.stats().advice().contains(&Advice::NeverHit { hit_ratio: 0.0 }));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Advice {
    /// With twice the room at least a twentieth more of all lookups would be hits.
    TooSmall {
        /// Hits in all lookups.
        hit_ratio: f64,
        /// The same with twice the room.
        at_double: f64,
    },
    /// Of all lookups less than one in a hundred is a hit, and would be with twice the room.
    NeverHit {
        /// Hits in all lookups.
        hit_ratio: f64,
    },
    /// A lookup takes longer than computing.
    SlowToHash {
        /// One lookup.
        lookup: Duration,
        /// One computation.
        compute: Duration,
    },
    /// More than a twentieth of all values have no room even in an empty cache.
    TooLarge {
        /// Their part of what was computed or inserted.
        refused: f64,
    },
    /// More than a twentieth of all values were not kept: what they were made from changed meanwhile, nobody can look at it
    /// again, or the values have no encoding.
    NotKept {
        /// Their part of what was computed.
        not_kept: f64,
    },
    /// What was computed once more came out different.
    Impure {
        /// How many values were.
        impure: u64,
        /// How many were compared.
        verified: u64,
    },
    /// More than a twentieth of all computations were seen to do more than give a value: to write files, to start processes.
    SideEffects {
        /// Their part of what was computed.
        seen: f64,
    },
    /// More than half of what expired was never found.
    ExpiresUnused {
        /// Their part of what expired.
        unused: f64,
    },
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = |ratio: f64| format!("{:.1}%", ratio * 100.0);
        match *self {
            Self::TooSmall { hit_ratio, at_double } => {
                let (now, double) = (percent(hit_ratio), percent(at_double));
                write!(
                    f,
                    "too small: {now} of lookups are hits, {double} would be with twice the room: raise its bounds"
                )
            }
            Self::NeverHit { hit_ratio } => {
                write!(
                    f,
                    "never hit: {} of lookups are hits: compute without a cache, or key it by less",
                    percent(hit_ratio)
                )
            }
            Self::SlowToHash { lookup, compute } => {
                write!(
                    f,
                    "slow to hash: a lookup takes {lookup:.1?} and computing {compute:.1?}: use a smaller key or no cache"
                )
            }
            Self::TooLarge { refused } => {
                write!(f, "values too large: {} of them have no room: raise max_bytes or cache parts", percent(refused))
            }
            Self::NotKept { not_kept } => {
                write!(
                    f,
                    "not kept: {} of the values hang on something that changed meanwhile or cannot be looked at, or have \
                     no encoding (the first is in the log): read it through everfresh::fs, or keep parts of it",
                    percent(not_kept)
                )
            }
            Self::Impure { impure, verified } => {
                write!(
                    f,
                    "not pure: {impure} of {verified} values computed once more came out different: add what else \
                    they depend on to the key, or give them a ttl"
                )
            }
            Self::SideEffects { seen } => {
                write!(
                    f,
                    "side effects: {} of the computations were seen to do more than give a value (the first is in the log), \
                     which a hit does not do: leave that to the caller, or declare files that they write by \
                     everfresh::observe::outputs",
                    percent(seen)
                )
            }
            Self::ExpiresUnused { unused } => {
                write!(
                    f,
                    "expires unused: {} of what expired was never found: raise the ttl, or use no cache",
                    percent(unused)
                )
            }
        }
    }
}

impl Stats {
    /// What to change about the cache; before it was used a hundred times, only that it is not pure or has side effects.
    ///
    /// ```
    /// use everfresh::memory::Cache;
    ///
    /// let cache = Cache::new(100);
    /// for key in 0..1000 {
    ///     cache.get_or_compute(&(key % 150), || key % 150);
    /// }
    /// let advice = cache.stats().advice();
    /// assert!(advice[0].to_string().starts_with("too small: "), "{advice:?}");
    /// ```
    pub fn advice(&self) -> Vec<Advice> {
        let (hit_ratio, at_double) = (self.hit_ratio(), self.hit_ratio_at_double());
        let (lookup, compute) = (self.lookup_cost(), mean(self.compute_time, self.loads));
        let left = [self.evicted, self.expired, self.replaced, self.invalidated, self.outdated, self.refused];
        let came = self.entries as u64 + left.iter().sum::<u64>();
        let refused = ratio(self.refused, came);
        let unused = ratio(self.expired_unused, self.expired);
        let not_kept = ratio(self.unsteady, self.loads);
        let (impure, verified, seen) = (self.impure, self.verified, ratio(self.effects, self.loads));
        let used = self.lookups() >= ENOUGH;
        let all = [
            (used && at_double >= hit_ratio + 0.05, Advice::TooSmall { hit_ratio, at_double }),
            (used && at_double < 0.01, Advice::NeverHit { hit_ratio }),
            (used && self.loads > 0 && lookup > compute, Advice::SlowToHash { lookup, compute }),
            (came >= ENOUGH && refused > 0.05, Advice::TooLarge { refused }),
            (self.loads >= ENOUGH && not_kept > 0.05, Advice::NotKept { not_kept }),
            (impure > 0, Advice::Impure { impure, verified }),
            (seen > 0.05, Advice::SideEffects { seen }),
            (self.expired >= ENOUGH && unused > 0.5, Advice::ExpiresUnused { unused }),
        ];
        all.into_iter().filter_map(|(holds, advice)| holds.then_some(advice)).collect()
    }
}
