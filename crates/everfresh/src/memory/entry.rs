//! One entry of a cache, and what a caller says about it.

use super::{
    clock::nanoseconds,
    observed::Made,
    policy::State,
    refresh::Due,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};
use std::{num::NonZeroU32, sync::Arc, time::Duration};

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
    pub(super) made: Option<Arc<Made>>,
    /// For how long at most, whatever the ttl.
    pub(super) within: Option<Duration>,
    /// Somebody asked for a new value, whatever there is.
    pub(super) anew: bool,
}

impl EntryOptions {
    /// Nothing but what the cache says for all entries.
    ///
    /// ```
    /// use everfresh::memory::{Cache, EntryOptions};
    ///
    /// let cache = Cache::new(10);
    /// cache.insert_with("rate", 4, EntryOptions::new())?;
    /// assert_eq!(cache.get("rate"), Some(4));
    /// # Ok::<_, everfresh::memory::Refused>(())
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// How long the entry lives at most, in place of the cache's own `ttl`.
    ///
    /// ```
    /// use everfresh::memory::{Cache, EntryOptions, ManualClock};
    /// use std::{sync::Arc, time::Duration};
    ///
    /// let (clock, second) = (Arc::new(ManualClock::default()), Duration::from_secs(1));
    /// let cache = Cache::builder().clock(clock.clone()).build();
    /// cache.insert_with("brief", 1, EntryOptions::new().ttl(second))?;
    /// cache.insert("long", 2)?;
    /// clock.advance(second);
    /// assert_eq!((cache.get("brief"), cache.get("long")), (None, Some(2)));
    /// # Ok::<_, everfresh::memory::Refused>(())
    /// ```
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// How long it took to compute, which every hit saves. What [`Cache::get_or_compute`](super::Cache::get_or_compute)
    /// computes is measured.
    ///
    /// ```
    /// use everfresh::memory::{Cache, EntryOptions};
    /// use std::time::Duration;
    ///
    /// let cache = Cache::new(10);
    /// cache.insert_with("rate", 4, EntryOptions::new().cost(Duration::from_secs(1)))?;
    /// assert_eq!(cache.get("rate"), Some(4));
    /// assert_eq!(cache.stats().saved_time, Duration::from_secs(1));
    /// # Ok::<_, everfresh::memory::Refused>(())
    /// ```
    #[must_use]
    pub fn cost(mut self, cost: Duration) -> Self {
        self.cost = cost;
        self
    }

    /// A name under which [`Cache::invalidate_tag`](super::Cache::invalidate_tag) finds the entry. It may have several.
    ///
    /// ```
    /// use everfresh::memory::{Cache, EntryOptions};
    ///
    /// let cache = Cache::new(10);
    /// cache.insert_with("EUR", 4, EntryOptions::new().tag("rates").tag("europe"))?;
    /// assert_eq!((cache.invalidate_tag("asia"), cache.invalidate_tag("europe")), (0, 1));
    /// # Ok::<_, everfresh::memory::Refused>(())
    /// ```
    #[must_use]
    pub fn tag(mut self, tag: impl Into<Arc<str>>) -> Self {
        self.tags.push(tag.into());
        self
    }
}

/// A key's hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeyHash(u64);

impl KeyHash {
    pub(crate) fn new(hash: u64) -> Self {
        Self(hash)
    }

    pub(super) fn get(self) -> u64 {
        self.0
    }

    /// What an entry keeps of it: all bits count, and it is never zero, so that an empty slot takes no room beside it. The
    /// bit that is always set neither places a key in a table nor tells it from its neighbours.
    #[inline]
    pub(super) fn short(self) -> NonZeroU32 {
        NonZeroU32::MIN.saturating_add((1 << 24) - 1) | (self.0 ^ self.0 >> 32) as u32
    }
}

/// What a table of entries is asked by: it takes the place from the lowest bits and a tag from the highest.
#[inline]
pub(super) fn table_hash(short: u32) -> u64 {
    u64::from(short) << 32 | u64::from(short)
}

#[derive(Debug)]
pub(super) struct Entry<K, V> {
    pub(super) key: K,
    pub(super) value: V,
    /// When it is over for good, in nanoseconds of the cache's clock: at the end of its ttl and the cache's `stale`.
    pub(super) deadline: u64,
    pub(super) more: Option<Box<More>>,
    pub(super) hash: NonZeroU32,
    pub(super) state: State,
    pub(super) weight: u32,
    /// In nanoseconds; 0 if it is not known.
    pub(super) cost: f32,
}

/// What few entries have.
#[derive(Debug)]
pub(super) struct More {
    /// When it was last used, where that counts.
    pub(super) used: AtomicU64,
    /// When it is computed anew while it is served, where that counts.
    pub(super) due: Due,
    pub(super) tags: Vec<Arc<str>>,
    /// What it was made from, where that is more than its key.
    pub(super) made: Option<Arc<Made>>,
}

impl<K, V> Entry<K, V> {
    pub(super) fn is_alive(&self, now: u64, idle: u64) -> bool {
        let unused = || self.more.as_ref().map_or(0, |more| now.saturating_sub(more.used.load(Relaxed)));
        now < self.deadline && (idle == NEVER || unused() < idle)
    }

    /// Notes when it was used.
    pub(super) fn touch(&self, now: u64) {
        if let Some(more) = &self.more {
            more.used.store(now, Relaxed);
        }
    }

    pub(super) fn cost(&self) -> Duration {
        Duration::try_from_secs_f64(f64::from(self.cost) / 1e9).unwrap_or(Duration::MAX)
    }

    pub(super) fn tags(&self) -> &[Arc<str>] {
        self.more.as_ref().map_or(&[], |more| &more.tags)
    }

    #[inline]
    pub(super) fn made(&self) -> Option<&Arc<Made>> {
        self.more.as_ref()?.made.as_ref()
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
    fn an_entry_takes_32_bytes_beside_key_and_value() {
        assert_eq!(size_of::<Option<Entry<u64, u64>>>(), 16 + 32);
    }

    #[test]
    fn no_hash_is_zero_and_all_its_bits_count() {
        for hash in [0, 1, u64::MAX, 0x1234_5678_9abc_def0] {
            let short = KeyHash::new(hash).short().get();
            assert_eq!(short, (hash as u32 ^ (hash >> 32) as u32) | 1 << 24);
            assert_eq!((table_hash(short) as u32, table_hash(short) >> 57), (short, u64::from(short >> 25)));
        }
    }
}
