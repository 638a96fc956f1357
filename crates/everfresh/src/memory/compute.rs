//! Computing what is not there.

use super::{
    Cache,
    clock::nanoseconds,
    entry::{EntryOptions, KeyHash},
    flight::Lead,
    key::KeyRef,
    lookup::Lookup,
    sync::{Instant, atomic::Ordering::Relaxed},
};
use crate::recording::{Recorded, hand_up, is_recording};
use std::{
    future::Future,
    hash::{BuildHasher, Hash},
    hint::black_box,
    time::Duration,
};

/// Of so many lookups that find nothing one is measured.
const MEASURED: u64 = 16;

impl<K: Eq + Hash, V: Clone, S: BuildHasher> Cache<K, V, S> {
    /// The value of a key, or what `compute` makes of it, which is kept. See [`lookup`](Self::lookup).
    ///
    /// ```
    /// use everfresh::memory::Cache;
    ///
    /// let cache: Cache<String, usize> = Cache::new(10);
    /// assert_eq!(cache.get_or_compute("four", || "four".len()), 4);
    /// assert_eq!(cache.get("four"), Some(4));
    /// ```
    #[inline]
    pub fn get_or_compute<Q>(&self, key: &Q, compute: impl FnOnce() -> V) -> V
    where
        K: Clone,
        Q: KeyRef<K> + ?Sized,
    {
        // Looked up without what only a computation needs.
        self.hit(key).unwrap_or_else(|| self.lookup(key).or_compute(compute))
    }

    /// The same for a computation that can fail; an error is not kept.
    ///
    /// ```
    /// use everfresh::memory::Cache;
    ///
    /// let cache: Cache<&str, u16> = Cache::new(10);
    /// assert!(cache.try_get_or_compute(&"port", || "http".parse()).is_err());
    /// assert_eq!(cache.try_get_or_compute(&"port", || "80".parse()), Ok(80));
    /// assert_eq!(cache.get("port"), Some(80));
    /// ```
    ///
    /// # Errors
    /// Those of `compute`.
    #[inline]
    pub fn try_get_or_compute<Q, E>(&self, key: &Q, compute: impl FnOnce() -> Result<V, E>) -> Result<V, E>
    where
        K: Clone,
        Q: KeyRef<K> + ?Sized,
    {
        self.hit(key).map_or_else(|| self.lookup(key).or_try_compute(compute), Ok)
    }

    /// The same for a future, which is polled only if there is no value.
    ///
    /// ```
    /// use everfresh::memory::Cache;
    ///
    /// # use std::{pin::pin, task::{Context, Poll, Waker}};
    /// # let example = async {
    /// let cache = Cache::new(10);
    /// assert_eq!(cache.get_or_compute_async(&12, async { 12 * 12 }).await, 144);
    /// assert_eq!(cache.get(&12), Some(144));
    /// # };
    /// # assert_eq!(pin!(example).poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(()));
    /// ```
    pub async fn get_or_compute_async<Q>(&self, key: &Q, compute: impl Future<Output = V>) -> V
    where
        K: Clone,
        Q: KeyRef<K> + ?Sized,
    {
        match self.hit(key) {
            Some(value) => value,
            None => self.lookup(key).or_compute_async(compute).await,
        }
    }

    /// The same for a future that can fail; an error is not kept.
    ///
    /// ```
    /// use everfresh::memory::Cache;
    ///
    /// # use std::{pin::pin, task::{Context, Poll, Waker}};
    /// # let example = async {
    /// let cache: Cache<&str, u16> = Cache::new(10);
    /// assert!(cache.try_get_or_compute_async(&"port", async { "http".parse() }).await.is_err());
    /// assert_eq!(cache.try_get_or_compute_async(&"port", async { "80".parse() }).await, Ok(80));
    /// # };
    /// # assert_eq!(pin!(example).poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(()));
    /// ```
    ///
    /// # Errors
    /// Those of `compute`.
    pub async fn try_get_or_compute_async<Q, E>(
        &self,
        key: &Q,
        compute: impl Future<Output = Result<V, E>>,
    ) -> Result<V, E>
    where
        K: Clone,
        Q: KeyRef<K> + ?Sized,
    {
        match self.hit(key) {
            Some(value) => Ok(value),
            None => self.lookup(key).or_try_compute_async(compute).await,
        }
    }

    /// A lookup of a key, to which a ttl or tags can be added for what it may compute.
    ///
    /// ```
    /// use everfresh::memory::Cache;
    ///
    /// let cache = Cache::new(10);
    /// assert_eq!(cache.lookup(&"EUR").tag("rates").or_compute(|| 4), 4);
    /// assert_eq!(cache.invalidate_tag("rates"), 1);
    /// ```
    pub fn lookup<'a, Q>(&'a self, key: &'a Q) -> Lookup<'a, K, V, S, Q>
    where
        Q: KeyRef<K> + ?Sized,
    {
        Lookup::new(self, key)
    }

    /// Keeps what a leader computed, since `started`, and hands it to all who wait.
    pub(super) fn land(&self, lead: Lead<'_, K, V>, value: V, started: Instant, mut options: EntryOptions) -> V
    where
        K: Clone,
    {
        let took = started.elapsed();
        options.cost = took;
        let key = lead.key().clone();
        let hash = self.hash(&key);
        let weight = self.judge(&key, &value, &mut options);
        let (made, ttl, anew) = (options.made.clone(), options.ttl, options.anew);
        let mut gone = Vec::new();
        let (kept, mut refused) = (value.clone(), None);
        lead.land(
            || value.clone(),
            // A value that is too heavy is counted, and given to the caller all the same.
            || refused = self.put(hash, key, kept, options, weight, &mut gone).err(),
        );
        drop(refused);
        let counts = &self.part(hash).counts;
        counts.load(took);
        counts.store_time.fetch_add(nanoseconds(started.elapsed().saturating_sub(took)), Relaxed);
        self.tell(gone);
        if anew {
            self.inner.identity.outdate();
        }
        if is_recording() {
            self.hand_up(made.as_deref(), ttl);
        }
        value
    }

    /// Counts a computation that did more than give a value.
    pub(super) fn count_effect(&self, hash: KeyHash, what: &str) {
        if self.part(hash).counts.effects.fetch_add(1, Relaxed) == 0 {
            tracing::info!(cache = self.inner.name.as_deref(), "a computation has side effects: {what}");
        }
    }

    /// Counts a value that is not kept, and what its computation hangs on.
    pub(super) fn pass_on(&self, hash: KeyHash, recorded: Recorded, took: Duration) {
        let counts = &self.part(hash).counts;
        counts.load(took);
        counts.unsteady.fetch_add(1, Relaxed);
        hand_up(recorded);
        self.hand_up(None, None);
    }
}

impl<K: Eq + Hash, V, S: BuildHasher> Cache<K, V, S> {
    /// How many lookups it stands for that this key is not there any more, and would be with twice the room.
    pub(crate) fn ghost_hits(&self, key: &K) -> u64 {
        let hash = self.hash(key);
        self.part(hash).read().ghost_hits(hash)
    }

    /// Counts a lookup that found nothing, and whether it would have with twice the room. Some are measured: done once
    /// more, so that hits need no clock.
    #[inline(never)]
    pub(super) fn count_miss<Q: Hash + ?Sized>(&self, key: &Q, hash: KeyHash) {
        let part = self.part(hash);
        let before = part.counts.misses.fetch_add(1, Relaxed);
        let started = before.is_multiple_of(MEASURED).then(Instant::now);
        let again = if started.is_some() { self.hash(key) } else { hash };
        let shard = part.read();
        black_box(started.and_then(|_| shard.find(again, |_| false)));
        let ghost_hits = shard.ghost_hits(hash);
        drop(shard);
        part.counts.ghost_hits.fetch_add(ghost_hits, Relaxed);
        if let Some(started) = started {
            part.counts.measured.fetch_add(1, Relaxed);
            part.counts.lookup_time.fetch_add(nanoseconds(started.elapsed()), Relaxed);
        }
    }
}
