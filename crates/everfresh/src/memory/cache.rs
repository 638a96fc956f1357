//! The cache itself: shards, each under a lock of its own, and the flights of each.

use super::{
    builder::{CacheBuilder, Listener, TtlBy, Weigher},
    clock::{CacheClock, nanoseconds},
    entry::{KeyHash, NEVER},
    flight::Flights,
    observed::Identity,
    refresh::Ages,
    shard::{Limits, Shard},
    stats::{Counts, Stats},
    sync::{RwLock, RwLockReadGuard, RwLockWriteGuard, atomic::AtomicBool},
    tally::Tally,
};
use hashbrown::DefaultHashBuilder;
use std::{
    fmt,
    hash::{BuildHasher, Hash},
    num::NonZero,
    sync::{Arc, PoisonError},
    thread::available_parallelism,
    time::Duration,
};

/// How many entries there are unless something else is said, as in Python's `functools`.
///
/// ```
/// use everfresh::memory::{Cache, DEFAULT_ENTRIES};
///
/// let cache = Cache::builder().build();
/// (0..1000).try_for_each(|key| cache.insert(key, key))?;
/// assert_eq!(cache.len(), DEFAULT_ENTRIES);
/// # Ok::<_, everfresh::memory::Refused>(())
/// ```
pub const DEFAULT_ENTRIES: usize = 128;

/// A cache of fewer entries a shard would let one shard evict while another has room.
const SHARD_ENTRIES: usize = 1024;
const MOST_SHARDS: usize = 64;

/// A cache in the memory of one process. Clones share it; all threads may use it at once.
///
/// Its bounds hold at every moment, for every observer: there are never more entries, nor do they ever weigh more, than was
/// asked for. From 2,048 entries on a cache is made of several shards (but for an exact policy and a bound on bytes), each
/// with its part of the entries, so it may evict a little before it is full. Each operation takes constant time, but for
/// those that say something else. In a cache of thousands an entry takes up to 64 bytes beside its key and its value, all
/// told; a ttl adds some 24 for the list of deadlines, and an idle time or tags what an allocation takes.
///
/// `Hash`, `Eq` and `Clone` of keys and values, and a [`Clock`](super::Clock), are called while a part of the cache is
/// locked, so they must not use it; computations, weighers and listeners run without a lock, and so do destructors of
/// what leaves the cache.
///
/// ```
/// use everfresh::memory::Cache;
///
/// let squares = Cache::new(1000);
/// assert_eq!(squares.get_or_compute(&12, || 12 * 12), 144);
/// assert_eq!(squares.get_or_compute(&12, || unreachable!("it is there")), 144);
/// assert_eq!((squares.stats().hits, squares.stats().loads), (1, 1));
/// ```
pub struct Cache<K, V, S = DefaultHashBuilder> {
    pub(super) inner: Arc<Inner<K, V, S>>,
}

pub(super) struct Inner<K, V, S> {
    pub(super) parts: Box<[Part<K, V>]>,
    hasher: S,
    /// Whether every hit goes through the order.
    pub(super) exact: bool,
    pub(super) ttl: Option<Duration>,
    pub(super) ttl_by: Option<TtlBy<K, V>>,
    /// In nanoseconds.
    pub(super) idle: u64,
    pub(super) jitter: f64,
    pub(super) ages: Ages,
    pub(super) name: Option<Arc<str>>,
    /// Whether somebody was warned that what it caches is not pure.
    pub(super) warned: AtomicBool,
    pub(super) weigher: Option<Weigher<K, V>>,
    pub(super) listener: Option<Listener<K, V>>,
    clock: CacheClock,
    pub(super) hits: Tally,
    /// Whether any value was made from more than its key.
    pub(super) observing: AtomicBool,
    pub(super) identity: Identity,
    /// Part of something that looks after what its values hang on.
    pub(super) private: bool,
}

/// Padded, so that a hit in one part is no concern of the others.
#[repr(align(128))]
pub(super) struct Part<K, V> {
    shard: RwLock<Shard<K, V>>,
    pub(super) flights: Flights<K, V>,
    pub(super) counts: Counts,
}

impl<K, V> Part<K, V> {
    pub(super) fn read(&self) -> RwLockReadGuard<'_, Shard<K, V>> {
        self.shard.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn write(&self) -> RwLockWriteGuard<'_, Shard<K, V>> {
        self.shard.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K, V, S> Clone for Cache<K, V, S> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<K: Eq, V, S> fmt::Debug for Cache<K, V, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").field("len", &self.len()).field("weight", &self.weight()).finish_non_exhaustive()
    }
}

impl<K: Eq + Hash, V> Cache<K, V> {
    /// A cache of up to so many entries.
    ///
    /// ```
    /// use everfresh::memory::Cache;
    ///
    /// let cache = Cache::new(2);
    /// for key in 0..10 {
    ///     cache.insert(key, key)?;
    /// }
    /// assert_eq!(cache.len(), 2);
    /// # Ok::<_, everfresh::memory::Refused>(())
    /// ```
    pub fn new(max_entries: usize) -> Self {
        Self::builder().max_entries(max_entries).build()
    }

    /// Settings for a cache.
    ///
    /// ```
    /// use everfresh::memory::{Cache, Policy};
    ///
    /// let cache = Cache::builder().max_entries(1).policy(Policy::Fifo).build();
    /// cache.insert(1, "one")?;
    /// cache.insert(2, "two")?;
    /// assert_eq!((cache.get(&1), cache.get(&2)), (None, Some("two")));
    /// # Ok::<_, everfresh::memory::Refused>(())
    /// ```
    pub fn builder() -> CacheBuilder<K, V> {
        CacheBuilder::default()
    }
}

impl<K: Eq, V, S> Cache<K, V, S> {
    /// How many entries there are now. Those whose time is over count until they are removed, which happens when
    /// somebody asks for them, when there is no room, or by [`remove_expired`](Self::remove_expired).
    ///
    /// ```
    /// use everfresh::memory::Cache;
    ///
    /// let cache = Cache::new(10);
    /// cache.insert(1, "one")?;
    /// cache.insert(2, "two")?;
    /// assert_eq!(cache.len(), 2);
    /// # Ok::<_, everfresh::memory::Refused>(())
    /// ```
    pub fn len(&self) -> usize {
        self.inner.parts.iter().map(|part| part.read().len()).sum()
    }

    /// Whether there is no entry.
    ///
    /// ```
    /// use everfresh::memory::Cache;
    ///
    /// let cache = Cache::new(10);
    /// assert!(cache.is_empty());
    /// cache.insert(1, "one")?;
    /// assert!(!cache.is_empty());
    /// # Ok::<_, everfresh::memory::Refused>(())
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What all entries weigh now; without a weigher, how many there are.
    ///
    /// ```
    /// use everfresh::memory::Cache;
    ///
    /// let cache = Cache::builder().max_bytes(10, |_: &u32, text: &&str| text.len() as u32).build();
    /// cache.insert(3, "three")?;
    /// cache.insert(4, "four")?;
    /// assert_eq!(cache.weight(), 9);
    /// # Ok::<_, everfresh::memory::Refused>(())
    /// ```
    pub fn weight(&self) -> u64 {
        self.inner.parts.iter().map(|part| part.read().weight()).sum()
    }

    /// What the cache did and holds.
    ///
    /// ```
    /// use everfresh::memory::Cache;
    ///
    /// let cache = Cache::new(10);
    /// cache.get_or_compute(&2, || 4);
    /// cache.get_or_compute(&2, || 4);
    /// let stats = cache.stats();
    /// assert_eq!((stats.hits, stats.misses, stats.entries), (1, 1, 1));
    /// ```
    pub fn stats(&self) -> Stats {
        let (hits, saved_time) = self.inner.hits.total();
        let mut all = Stats { hits, saved_time, ..Stats::default() };
        for part in &self.inner.parts {
            let mut stats = part.read().stats();
            part.counts.add_to(&mut stats);
            all.add(&stats);
        }
        all
    }

    pub(super) fn now(&self) -> u64 {
        self.inner.clock.now()
    }
}

impl<K: Eq + Hash, V, S: BuildHasher> Cache<K, V, S> {
    pub(super) fn from_builder(builder: CacheBuilder<K, V, S>) -> Self {
        let CacheBuilder {
            max_entries,
            max_bytes,
            weigher,
            listener,
            ttl,
            ttl_by,
            idle,
            jitter,
            stale,
            ahead,
            name,
            policy,
            clock,
            private,
            hasher,
        } = builder;
        let entries = max_entries.unwrap_or(if max_bytes.is_some() { u32::MAX as usize - 1 } else { DEFAULT_ENTRIES });
        let idle = idle.map_or(NEVER, nanoseconds);
        // An exact order and a bound on weights are over all entries.
        let shards = if policy.is_exact() || max_bytes.is_some() { 1 } else { shards_for(entries) };
        let part = |at: usize| {
            let entries = (entries / shards + usize::from(at < entries % shards)).min(u32::MAX as usize - 1);
            let limits = Limits { entries, weight: max_bytes.unwrap_or(u64::MAX) };
            Part {
                shard: RwLock::new(Shard::new(policy, limits, shards)),
                flights: Flights::default(),
                counts: Counts::default(),
            }
        };
        let parts = (0..shards).map(part).collect();
        let exact = policy.is_exact();
        let inner = Inner {
            parts,
            hasher,
            exact,
            ttl,
            ttl_by,
            idle,
            jitter,
            ages: Ages::new(stale, ahead),
            name,
            warned: AtomicBool::new(false),
            weigher,
            listener,
            clock,
            hits: Tally::new(),
            observing: AtomicBool::new(false),
            identity: Identity::default(),
            private,
        };
        Self { inner: Arc::new(inner) }
    }

    #[inline]
    pub(super) fn hash<Q: Hash + ?Sized>(&self, key: &Q) -> KeyHash {
        KeyHash::new(self.inner.hasher.hash_one(key))
    }

    #[inline]
    pub(super) fn part(&self, hash: KeyHash) -> &Part<K, V> {
        &self.inner.parts[self.part_at(hash)]
    }

    #[inline]
    pub(super) fn part_at(&self, hash: KeyHash) -> usize {
        // The number of shards is a power of two. The table uses the lowest and the highest bits.
        (hash.get() >> 40) as usize & (self.inner.parts.len() - 1)
    }
}

/// How many shards a cache of so many entries has.
fn shards_for(entries: usize) -> usize {
    let cores = available_parallelism().map_or(1, NonZero::get);
    let most = (4 * cores).min(entries / SHARD_ENTRIES).clamp(1, MOST_SHARDS);
    // Down to a power of two.
    1 << most.ilog2()
}
