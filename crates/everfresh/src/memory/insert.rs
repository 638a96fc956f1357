//! Putting values in.

use super::{
    Cache,
    builder::Cause,
    entry::{Entry, EntryOptions, KeyHash, More, NEVER, deadline},
    policy::State,
    shard::{Gone, Limits},
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};
use std::{
    hash::{BuildHasher, Hash},
    time::Duration,
};

/// A value that a cache does not keep. What was there for its key is gone all the same.
///
/// ```
/// use everfresh::memory::{Cache, Refused};
///
/// let cache = Cache::builder().max_bytes(3, |_: &u32, text: &&str| text.len() as u32).build();
/// assert_eq!(cache.insert(1, "one"), Ok(()));
/// assert_eq!(cache.insert(4, "four"), Err(Refused::TooHeavy { weight: 4, max_bytes: 3 }));
/// assert_eq!(Cache::new(0).insert(1, "one"), Err(Refused::NoEntries));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// It alone is heavier than the whole cache may be.
    #[error("a value that weighs {weight} is not kept: the whole cache may weigh {max_bytes}")]
    TooHeavy {
        /// The value's weight.
        weight: u32,
        /// What the cache may weigh.
        max_bytes: u64,
    },
    /// The cache was made for no entries.
    #[error("a value is not kept: the cache was made for 0 entries")]
    NoEntries,
}

/// An entry that was refused, to be dropped when no lock is held.
pub(super) type NotKept<K, V> = Box<(Refused, Entry<K, V>)>;

impl<K: Eq + Hash, V, S: BuildHasher> Cache<K, V, S> {
    /// Puts a value in, in place of the one that its key has. What is being computed for the key now is not kept.
    ///
    /// ```
    /// use everfresh::memory::Cache;
    ///
    /// let cache = Cache::new(10);
    /// cache.insert("rate", 4)?;
    /// cache.insert("rate", 5)?;
    /// assert_eq!(cache.get("rate"), Some(5));
    /// # Ok::<_, everfresh::memory::Refused>(())
    /// ```
    ///
    /// # Errors
    /// If the value has no room even in an empty cache.
    pub fn insert(&self, key: K, value: V) -> Result<(), Refused> {
        self.insert_with(key, value, EntryOptions::default())
    }

    /// The same, with what there is to say about this entry.
    ///
    /// ```
    /// use everfresh::memory::{Cache, EntryOptions};
    ///
    /// let cache = Cache::new(10);
    /// cache.insert_with("EUR", 4, EntryOptions::new().tag("rates"))?;
    /// cache.invalidate_tag("rates");
    /// assert_eq!(cache.get("EUR"), None);
    /// # Ok::<_, everfresh::memory::Refused>(())
    /// ```
    ///
    /// # Errors
    /// If the value has no room even in an empty cache.
    pub fn insert_with(&self, key: K, value: V, mut options: EntryOptions) -> Result<(), Refused> {
        let weight = self.judge(&key, &value, &mut options);
        let hash = self.hash(&key);
        let mut gone = Vec::new();
        let closed = self.part(hash).flights.outdate(|other, own| other == hash && *own == key);
        let kept = self.put(hash, key, value, options, weight, &mut gone);
        drop(closed);
        // Also if the old value was evicted before: somebody may have used it.
        self.inner.identity.outdate();
        self.tell(gone);
        kept.map_err(|refused| refused.0)
    }

    /// What a value weighs and how long it lives: what the user's functions say, with no lock held.
    pub(super) fn judge(&self, key: &K, value: &V, options: &mut EntryOptions) -> u32 {
        options.ttl = self.ttl_of(key, value, options);
        self.inner.weigher.as_ref().map_or(1, |weigher| weigher(key, value))
    }

    /// How long a value lives.
    pub(super) fn ttl_of(&self, key: &K, value: &V, options: &EntryOptions) -> Option<Duration> {
        let own = options.ttl.or_else(|| self.inner.ttl_by.as_ref()?(key, value)).or(self.inner.ttl);
        own.into_iter().chain(options.within).min()
    }

    pub(super) fn put(
        &self,
        hash: KeyHash,
        key: K,
        value: V,
        options: EntryOptions,
        weight: u32,
        gone: &mut Gone<K, V>,
    ) -> Result<(), NotKept<K, V>> {
        let part = self.part(hash);
        let now = self.now();
        let entry = self.entry_of(hash, key, value, options, weight, now);
        let mut shard = part.write();
        if shard.has_room_for(weight) {
            shard.insert(hash, entry, now, gone);
            return Ok(());
        }
        // What is out of date must not stay.
        if let Some(slot) = shard.find(hash, |key| *key == entry.key) {
            shard.remove(slot, Cause::Replaced, gone);
        }
        let Limits { entries, weight: max_bytes } = shard.limits();
        drop(shard);
        part.counts.refused.fetch_add(1, Relaxed);
        let why = if entries == 0 { Refused::NoEntries } else { Refused::TooHeavy { weight, max_bytes } };
        Err(Box::new((why, entry)))
    }

    /// Puts a value in if nothing has to go for it, its key has none, and nobody computes that. Whether it did.
    pub(super) fn fill(&self, hash: KeyHash, key: K, value: V, options: EntryOptions, weight: u32) -> bool {
        let (part, now, mut gone) = (self.part(hash), self.now(), Vec::new());
        let entry = self.entry_of(hash, key, value, options, weight, now);
        let Some(closed) = part.flights.close_unless_flying(hash, |own| *own == entry.key) else { return false };
        let mut shard = part.write();
        let fits = shard.find(hash, |own| *own == entry.key).is_none() && shard.room().take(weight);
        if fits {
            shard.insert(hash, entry, now, &mut gone);
        }
        drop(shard);
        drop(closed);
        self.tell(gone);
        fits
    }

    fn entry_of(&self, hash: KeyHash, key: K, value: V, options: EntryOptions, weight: u32, now: u64) -> Entry<K, V> {
        let end = deadline(now, options.ttl, self.inner.jitter * chance(hash, now));
        let (deadline, due) = self.inner.ages.life(now, end);
        let EntryOptions { tags, made, .. } = options;
        let has_more = self.inner.idle != NEVER || due.is_some() || !tags.is_empty() || made.is_some();
        let more = || More { used: AtomicU64::new(now), due: due.unwrap_or_default(), tags, made };
        let more = has_more.then(|| Box::new(more()));
        Entry {
            key,
            value,
            deadline,
            more,
            hash: hash.short(),
            state: State::default(),
            weight,
            cost: (options.cost.as_secs_f64() * 1e9) as f32,
        }
    }
}

/// A number from 0 to 1 that differs from entry to entry.
fn chance(hash: KeyHash, now: u64) -> f64 {
    let mixed = (hash.get() ^ now).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 11) as f64 / (1u64 << 53) as f64
}
