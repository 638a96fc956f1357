//! The cache itself: shards, each under a lock of its own, and the flights of each.

use super::{
    builder::{CacheBuilder, Cause, Listener, TtlBy, Weigher},
    clock::{CacheClock, nanoseconds},
    entry::{Entry, EntryOptions, KeyHash, More, NEVER, deadline},
    flight::Flights,
    key::KeyRef,
    observed::{Found, Identity},
    policy::State,
    refresh::Ages,
    shard::{Gone, Limits, Shard},
    stats::{Counts, Stats},
    sync::{
        RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    tally::Tally,
};
use hashbrown::DefaultHashBuilder;
use std::{
    borrow::Borrow,
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
    ttl: Option<Duration>,
    ttl_by: Option<TtlBy<K, V>>,
    /// In nanoseconds.
    pub(super) idle: u64,
    jitter: f64,
    pub(super) ages: Ages,
    pub(super) name: Option<Arc<str>>,
    /// Whether somebody was warned that what it caches is not pure.
    pub(super) warned: AtomicBool,
    weigher: Option<Weigher<K, V>>,
    listener: Option<Listener<K, V>>,
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

    /// Removes everything. What is being computed now is not kept either.
    ///
    /// ```
    /// use everfresh::memory::Cache;
    ///
    /// let cache = Cache::new(10);
    /// cache.insert(1, "one")?;
    /// cache.clear();
    /// assert!(cache.is_empty());
    /// # Ok::<_, everfresh::memory::Refused>(())
    /// ```
    pub fn clear(&self) {
        self.remove_in_all(|_, _| true, |shard, gone| shard.clear(gone));
    }

    /// Removes all entries for which `stays` does not hold; looks at every entry, and is called under a lock, so it must not
    /// use the cache. What is being computed now is not kept.
    ///
    /// ```
    /// use everfresh::memory::Cache;
    ///
    /// let cache = Cache::new(10);
    /// cache.insert(1, "odd")?;
    /// cache.insert(2, "even")?;
    /// cache.retain(|key, _| key % 2 == 0);
    /// assert_eq!((cache.get(&1), cache.get(&2)), (None, Some("even")));
    /// # Ok::<_, everfresh::memory::Refused>(())
    /// ```
    pub fn retain(&self, stays: impl Fn(&K, &V) -> bool) {
        self.remove_in_all(
            |_, _| true,
            |shard, gone| {
                shard.remove_where(Cause::Invalidated, gone, |entry| !stays(&entry.key, &entry.value));
            },
        );
    }

    /// Removes all entries with a tag. How many there were. Looks at every entry. What is being computed now is not kept,
    /// since it may be about to have the tag.
    ///
    /// ```
    /// use everfresh::memory::Cache;
    ///
    /// let cache = Cache::new(10);
    /// cache.lookup(&"EUR").tag("rates").or_compute(|| 4);
    /// cache.lookup(&"ten").or_compute(|| 10);
    /// assert_eq!(cache.invalidate_tag("rates"), 1);
    /// assert_eq!((cache.get("EUR"), cache.get("ten")), (None, Some(10)));
    /// ```
    pub fn invalidate_tag(&self, tag: &str) -> usize {
        self.remove_in_all(
            |_, _| true,
            |shard, gone| shard.remove_where(Cause::Invalidated, gone, |entry| entry.has_tag(tag)),
        )
    }

    /// Removes all entries whose time is over. How many there were. Looks at every entry.
    ///
    /// ```
    /// use everfresh::memory::{Cache, ManualClock};
    /// use std::{sync::Arc, time::Duration};
    ///
    /// let (clock, second) = (Arc::new(ManualClock::default()), Duration::from_secs(1));
    /// let cache = Cache::builder().ttl(second).clock(clock.clone()).build();
    /// cache.insert("rate", 4)?;
    /// clock.advance(second);
    /// assert_eq!((cache.len(), cache.remove_expired(), cache.len()), (1, 1, 0));
    /// # Ok::<_, everfresh::memory::Refused>(())
    /// ```
    pub fn remove_expired(&self) -> usize {
        let (now, idle) = (self.now(), self.inner.idle);
        self.remove_in_all(
            |_, _| false,
            |shard, gone| shard.remove_where(Cause::Expired, gone, |entry| !entry.is_alive(now, idle)),
        )
    }

    /// Removes in every shard, after what is being computed for some keys was declared out of date.
    fn remove_in_all(
        &self,
        outdated: impl Fn(KeyHash, &K) -> bool,
        remove: impl Fn(&mut Shard<K, V>, &mut Gone<K, V>),
    ) -> usize {
        let mut removed = 0;
        for part in &self.inner.parts {
            let mut gone = Vec::new();
            let closed = part.flights.outdate(&outdated);
            remove(&mut part.write(), &mut gone);
            drop(closed);
            removed += gone.len();
            self.tell(gone);
        }
        self.inner.identity.outdate();
        removed
    }

    pub(super) fn now(&self) -> u64 {
        self.inner.clock.now()
    }

    /// Whether an entry is within its ttl and its idle time. The clock is not asked where no time counts.
    #[inline]
    fn is_alive(&self, entry: &Entry<K, V>) -> bool {
        let idle = self.inner.idle;
        if entry.deadline == NEVER && idle == NEVER {
            return true;
        }
        let now = self.now();
        let alive = self.is_found(entry, now);
        if alive && idle != NEVER {
            entry.touch(now);
        }
        alive
    }

    /// Drops what left, and tells the listener. No lock is held.
    pub(super) fn tell(&self, gone: Gone<K, V>) {
        if let Some(listener) = &self.inner.listener {
            for (entry, cause) in gone {
                listener(entry.key, entry.value, cause);
            }
        }
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
        // The number of shards is a power of two. The table uses the lowest and the highest bits.
        &self.inner.parts[(hash.get() >> 40) as usize & (self.inner.parts.len() - 1)]
    }

    /// The value of a key. Counts as a use.
    ///
    /// ```
    /// use everfresh::memory::Cache;
    ///
    /// let cache = Cache::new(10);
    /// cache.insert("two".to_owned(), 2)?;
    /// assert_eq!((cache.get("two"), cache.get("three")), (Some(2), None));
    /// # Ok::<_, everfresh::memory::Refused>(())
    /// ```
    #[inline]
    pub fn get<Q>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
        V: Clone,
    {
        let hash = self.hash(key);
        let found = self.find(hash, |own| own.borrow() == key);
        if found.is_none() {
            self.count_miss(key, hash);
        }
        found
    }

    /// The value of a key, of which a miss does not count: for callers who go on with [`lookup`](Self::lookup). One that is
    /// to be computed anew is a miss.
    ///
    /// ```
    /// use everfresh::memory::Cache;
    ///
    /// let cache: Cache<u32, &str> = Cache::new(10);
    /// assert_eq!((cache.hit(&1), cache.stats().misses), (None, 0));
    /// cache.insert(1, "one")?;
    /// assert_eq!((cache.hit(&1), cache.stats().hits), (Some("one"), 1));
    /// # Ok::<_, everfresh::memory::Refused>(())
    /// ```
    #[inline]
    pub fn hit<Q>(&self, key: &Q) -> Option<V>
    where
        Q: KeyRef<K> + ?Sized,
        V: Clone,
    {
        let hash = self.hash(key);
        if self.inner.ages.ahead() && self.is_due(hash, |own| key.is(own)) {
            return None;
        }
        self.find(hash, |own| key.is(own))
    }

    #[inline]
    pub(super) fn find(&self, hash: KeyHash, is_key: impl Fn(&K) -> bool) -> Option<V>
    where
        V: Clone,
    {
        let part = self.part(hash);
        if self.inner.exact {
            let mut shard = part.write();
            let (slot, entry) = shard.find_entry(hash, &is_key)?;
            if self.matters(entry) {
                drop(shard);
                return self.find_watched(hash, is_key);
            }
            if !shard.is_timed() || self.is_alive(entry) {
                let (value, cost) = (entry.value.clone(), entry.cost);
                shard.hit(slot);
                drop(shard);
                self.inner.hits.count(cost);
                return Some(value);
            }
        } else {
            let shard = part.read();
            let (_, entry) = shard.find_entry(hash, &is_key)?;
            if self.matters(entry) {
                drop(shard);
                return self.find_watched(hash, is_key);
            }
            if !shard.is_timed() || self.is_alive(entry) {
                shard.note(entry);
                let (value, cost) = (entry.value.clone(), entry.cost);
                drop(shard);
                self.inner.hits.count(cost);
                return Some(value);
            }
        }
        self.remove_dead(hash, is_key);
        None
    }

    /// The same where more than the value matters.
    #[cold]
    fn find_watched(&self, hash: KeyHash, is_key: impl Fn(&K) -> bool) -> Option<V>
    where
        V: Clone,
    {
        self.find_aged(hash, is_key, false).map(|old| old.served.value)
    }

    #[cold]
    pub(super) fn remove_dead(&self, hash: KeyHash, is_key: impl Fn(&K) -> bool) {
        let mut gone = Vec::new();
        let mut shard = self.part(hash).write();
        if let Some(slot) = shard.find(hash, is_key)
            && shard.entry(slot).is_some_and(|entry| !entry.is_alive(self.now(), self.inner.idle))
        {
            shard.remove(slot, Cause::Expired, &mut gone);
        }
        drop(shard);
        self.tell(gone);
    }

    /// The value of a key, without counting as a use or a lookup.
    ///
    /// ```
    /// use everfresh::memory::Cache;
    ///
    /// let cache = Cache::new(10);
    /// cache.insert(1, "one")?;
    /// assert_eq!((cache.peek(&1), cache.peek(&2)), (Some("one"), None));
    /// assert_eq!((cache.stats().hits, cache.stats().misses), (0, 0));
    /// # Ok::<_, everfresh::memory::Refused>(())
    /// ```
    pub fn peek<Q>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
        V: Clone,
    {
        let (hash, is_key) = (self.hash(key), |own: &K| own.borrow() == key);
        let (value, found) = self.look(hash, is_key)?;
        self.admit(hash, is_key, value, &found)
    }

    /// What is there now, and what to look at before it is used.
    pub(super) fn look(&self, hash: KeyHash, is_key: impl Fn(&K) -> bool) -> Option<(V, Found)>
    where
        V: Clone,
    {
        let shard = self.part(hash).read();
        let entry = shard.entry(shard.find(hash, is_key)?)?;
        let alive = (entry.deadline == NEVER && self.inner.idle == NEVER) || self.is_found(entry, self.now());
        alive.then(|| (entry.value.clone(), self.found(entry)))
    }

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
        options.ttl = options.ttl.or_else(|| self.inner.ttl_by.as_ref()?(key, value)).or(self.inner.ttl);
        options.ttl = options.ttl.into_iter().chain(options.within).min();
        self.inner.weigher.as_ref().map_or(1, |weigher| weigher(key, value))
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
        let end = deadline(now, options.ttl, self.inner.jitter * chance(hash, now));
        let (deadline, due) = self.inner.ages.life(now, end);
        let EntryOptions { tags, made, .. } = options;
        let has_more = self.inner.idle != NEVER || due.is_some() || !tags.is_empty() || made.is_some();
        let more = || More { used: AtomicU64::new(now), due: due.unwrap_or_default(), tags, made };
        let more = has_more.then(|| Box::new(more()));
        let entry = Entry {
            key,
            value,
            deadline,
            more,
            hash: hash.short(),
            state: State::default(),
            weight,
            cost: (options.cost.as_secs_f64() * 1e9) as f32,
        };
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

    /// Removes the entry of a key, and gives its value. What is being computed for the key now is not kept.
    ///
    /// ```
    /// use everfresh::memory::Cache;
    ///
    /// let cache = Cache::new(10);
    /// cache.insert("rate", 4)?;
    /// assert_eq!((cache.remove("rate"), cache.remove("rate")), (Some(4), None));
    /// # Ok::<_, everfresh::memory::Refused>(())
    /// ```
    pub fn remove<Q>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
        V: Clone,
    {
        let hash = self.hash(key);
        let part = self.part(hash);
        let mut gone = Vec::new();
        let closed = part.flights.outdate(|other, own| other == hash && own.borrow() == key);
        let mut shard = part.write();
        let mut value = None;
        if let Some(slot) = shard.find(hash, |own| own.borrow() == key) {
            value = shard.entry(slot).filter(|entry| self.is_alive(entry)).map(|entry| entry.value.clone());
            let cause = if value.is_some() { Cause::Invalidated } else { Cause::Expired };
            shard.remove(slot, cause, &mut gone);
        }
        drop(shard);
        drop(closed);
        self.inner.identity.outdate();
        self.tell(gone);
        value
    }

    /// Removes the entry of a key, whatever is being computed.
    pub(super) fn take(&self, hash: KeyHash, key: &K, gone: &mut Gone<K, V>) {
        let mut shard = self.part(hash).write();
        if let Some(slot) = shard.find(hash, |own| own == key) {
            shard.remove(slot, Cause::Invalidated, gone);
        }
    }

    /// All entries, as they are while this goes from shard to shard; those whose time is over are left out.
    ///
    /// ```
    /// use everfresh::memory::Cache;
    ///
    /// let cache = Cache::new(10);
    /// cache.insert(1, "one")?;
    /// cache.insert(2, "two")?;
    /// let mut entries: Vec<_> = cache.iter().collect();
    /// entries.sort();
    /// assert_eq!(entries, [(1, "one"), (2, "two")]);
    /// # Ok::<_, everfresh::memory::Refused>(())
    /// ```
    pub fn iter(&self) -> impl Iterator<Item = (K, V)>
    where
        K: Clone,
        V: Clone,
    {
        let now = self.now();
        self.inner.parts.iter().flat_map(move |part| {
            let shard = part.read();
            let alive = shard.entries().filter(|entry| self.is_found(entry, now));
            alive.map(|entry| (entry.key.clone(), entry.value.clone())).collect::<Vec<_>>()
        })
    }
}

/// How many shards a cache of so many entries has.
fn shards_for(entries: usize) -> usize {
    let cores = available_parallelism().map_or(1, NonZero::get);
    let most = (4 * cores).min(entries / SHARD_ENTRIES).clamp(1, MOST_SHARDS);
    // Down to a power of two.
    1 << most.ilog2()
}

/// A number from 0 to 1 that differs from entry to entry.
fn chance(hash: KeyHash, now: u64) -> f64 {
    let mixed = (hash.get() ^ now).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 11) as f64 / (1u64 << 53) as f64
}
