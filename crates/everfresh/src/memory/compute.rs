//! Computing what is not there.

use super::{
    Cache,
    clock::nanoseconds,
    entry::EntryOptions,
    flight::{Joined, Lead},
    key::KeyRef,
    lookup::Lookup,
};
use std::{
    future::Future,
    hash::{BuildHasher, Hash},
    sync::atomic::Ordering::Relaxed,
    time::Instant,
};

impl<K: Eq + Hash, V: Clone, S: BuildHasher> Cache<K, V, S> {
    /// The value of a key, or what `compute` makes of it, which is kept. See [`lookup`](Self::lookup).
    pub fn get_or_compute<Q>(&self, key: &Q, compute: impl FnOnce() -> V) -> V
    where
        K: Clone,
        Q: KeyRef<K> + ?Sized,
    {
        self.lookup(key).or_compute(compute)
    }

    /// The same for a computation that can fail; an error is not kept.
    ///
    /// # Errors
    /// Those of `compute`.
    pub fn try_get_or_compute<Q, E>(&self, key: &Q, compute: impl FnOnce() -> Result<V, E>) -> Result<V, E>
    where
        K: Clone,
        Q: KeyRef<K> + ?Sized,
    {
        self.lookup(key).or_try_compute(compute)
    }

    /// The same for a future, which is polled only if there is no value.
    pub async fn get_or_compute_async<Q>(&self, key: &Q, compute: impl Future<Output = V>) -> V
    where
        K: Clone,
        Q: KeyRef<K> + ?Sized,
    {
        self.lookup(key).or_compute_async(compute).await
    }

    /// The same for a future that can fail; an error is not kept.
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
        self.lookup(key).or_try_compute_async(compute).await
    }

    /// A lookup of a key, to which a ttl or tags can be added for what it may compute.
    pub fn lookup<'a, Q>(&'a self, key: &'a Q) -> Lookup<'a, K, V, S, Q>
    where
        Q: KeyRef<K> + ?Sized,
    {
        Lookup::new(self, key)
    }

    /// The value of a key, or how to get it.
    pub(super) fn find_or_join<Q>(&self, key: &Q) -> Result<Joined<'_, K, V>, V>
    where
        Q: KeyRef<K> + ?Sized,
    {
        let hash = self.hash(key);
        let is_key = |own: &K| key.is(own);
        if let Some(value) = self.find(hash, is_key) {
            return Err(value);
        }
        let part = self.part(hash);
        part.misses.fetch_add(1, Relaxed);
        part.flights.join(hash, is_key, || key.to_key(), || self.look(hash, is_key))
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
        let mut gone = Vec::new();
        let kept = value.clone();
        lead.land(
            || value.clone(),
            || {
                // A value that is too heavy is counted, and given to the caller all the same.
                let _ = self.put(hash, key, kept, options, weight, &mut gone);
            },
        );
        let part = self.part(hash);
        part.loads.fetch_add(1, Relaxed);
        part.compute_time.fetch_add(nanoseconds(took), Relaxed);
        self.tell(gone);
        value
    }

    /// Counts a computation that came to nothing.
    pub(super) fn count_failure<Q: Hash + ?Sized>(&self, key: &Q) {
        self.part(self.hash(key)).failures.fetch_add(1, Relaxed);
    }
}
