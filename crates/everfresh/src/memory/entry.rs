//! One entry of a cache, and what a caller says about it.

use super::{clock::nanoseconds, refresh::Due};
use std::{
    num::NonZeroU64,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

/// A deadline that never comes.
pub(super) const NEVER: u64 = u64::MAX;

/// What a caller may say about an entry when it goes in.
///
/// ```
/// use everfresh::memory::{Cache, EntryOptions};
/// use std::time::Duration;
///
/// let cache = Cache::new(10);
/// cache.insert_with("EUR", 1.08, EntryOptions::new().ttl(Duration::from_secs(60)).tag("rates"))?;
/// assert_eq!(cache.invalidate_tag("rates"), 1);
/// # Ok::<_, everfresh::memory::Refused>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct EntryOptions {
    pub(super) ttl: Option<Duration>,
    pub(super) cost: Duration,
    pub(super) tags: Vec<Arc<str>>,
}

impl EntryOptions {
    /// Nothing but what the cache says for all entries.
    pub fn new() -> Self {
        Self::default()
    }

    /// How long the entry lives at most, in place of the cache's own `ttl`.
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// How long it took to compute, which every hit saves. What [`Cache::get_or_compute`](super::Cache::get_or_compute)
    /// computes is measured.
    #[must_use]
    pub fn cost(mut self, cost: Duration) -> Self {
        self.cost = cost;
        self
    }

    /// A name under which [`Cache::invalidate_tag`](super::Cache::invalidate_tag) finds the entry. It may have several.
    #[must_use]
    pub fn tag(mut self, tag: impl Into<Arc<str>>) -> Self {
        self.tags.push(tag.into());
        self
    }
}

/// A key's hash, never zero, so that an empty slot takes no room beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct KeyHash(NonZeroU64);

impl KeyHash {
    /// A bit that neither places a key in the table nor tells it from its neighbours.
    const MARK: NonZeroU64 = NonZeroU64::MIN.saturating_add((1 << 56) - 1);

    pub(super) fn new(hash: u64) -> Self {
        Self(Self::MARK | hash)
    }

    pub(super) fn get(self) -> u64 {
        self.0.get()
    }
}

/// Few entries have any, so they stand behind one pointer.
#[derive(Debug)]
pub(super) struct Tags(pub(super) Vec<Arc<str>>);

#[derive(Debug)]
pub(super) struct Entry<K, V> {
    pub(super) key: K,
    pub(super) value: V,
    pub(super) hash: KeyHash,
    /// When it is over for good, in nanoseconds of the cache's clock: at the end of its ttl and the cache's `stale`.
    pub(super) deadline: u64,
    /// When it was last used, where that counts.
    pub(super) used: AtomicU64,
    pub(super) hits: AtomicU32,
    pub(super) weight: u32,
    /// Seconds.
    pub(super) cost: f32,
    /// From when on it is computed anew while it is served.
    pub(super) due: Due,
    pub(super) tags: Option<Box<Tags>>,
}

impl<K, V> Entry<K, V> {
    /// Counts a hit. Of several at once on one entry some may not count.
    #[inline]
    pub(super) fn count_hit(&self) {
        self.hits.store(self.hits.load(Relaxed).wrapping_add(1), Relaxed);
    }

    pub(super) fn is_alive(&self, now: u64, idle: u64) -> bool {
        now < self.deadline && (idle == NEVER || now.saturating_sub(self.used.load(Relaxed)) < idle)
    }

    pub(super) fn cost(&self) -> Duration {
        Duration::try_from_secs_f32(self.cost).unwrap_or(Duration::MAX)
    }

    pub(super) fn tags(&self) -> &[Arc<str>] {
        self.tags.as_ref().map_or(&[], |tags| &tags.0)
    }

    pub(super) fn has_tag(&self, tag: &str) -> bool {
        self.tags().iter().any(|own| **own == *tag)
    }
}

/// When something expires that lives for `ttl` from `now` on, less a part of it, 0 to 1. A `ttl` of zero is over at once.
pub(super) fn deadline(now: u64, ttl: Option<Duration>, less: f64) -> u64 {
    ttl.map_or(NEVER, |ttl| {
        let ttl = nanoseconds(ttl);
        now.saturating_add(ttl - (ttl as f64 * less) as u64).min(NEVER - 1)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_takes_at_most_48_bytes_beside_key_and_value() {
        assert!(size_of::<Option<Entry<u64, u64>>>() <= 16 + 48, "{}", size_of::<Option<Entry<u64, u64>>>());
    }

    #[test]
    fn no_hash_is_zero_and_what_matters_of_it_stays() {
        for hash in [0, 1, u64::MAX, 0x1234_5678_9abc_def0] {
            assert_eq!(KeyHash::new(hash).get(), hash | 1 << 56);
        }
    }
}
