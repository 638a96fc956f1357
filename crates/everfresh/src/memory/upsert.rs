//! Read, change and write as one: updates of a key wait for each other.
//!
//! An update leads the key's flight while its function runs, with no lock held. Whoever inserts or removes meanwhile makes
//! the flight out of date; then the function runs again, on what is there now, so no change is lost.

use super::{
    Cache, Lookup,
    entry::EntryOptions,
    flight::{Joined, Lead, Waited},
    key::KeyRef,
};
use std::{
    convert::Infallible,
    future::Future,
    hash::{BuildHasher, Hash},
    time::Duration,
};

impl<K: Eq + Hash, V: Clone, S: BuildHasher> Cache<K, V, S> {
    /// A key's entry, to be changed in place. Another name of [`lookup`](Self::lookup).
    ///
    /// ```
    /// use everfresh::memory::Cache;
    ///
    /// let cache: Cache<String, u32> = Cache::new(10);
    /// for word in "to be or not to be".split(' ') {
    ///     cache.entry(word).upsert(|count| Some(count.unwrap_or(0) + 1));
    /// }
    /// assert_eq!((cache.get("to"), cache.get("or")), (Some(2), Some(1)));
    /// assert_eq!(cache.entry("not").and_modify(|count| *count *= 10), Some(10));
    /// assert_eq!(cache.entry("is").or_insert(7), 7);
    /// assert_eq!(cache.entry("to").upsert(|_| None), None);
    /// assert_eq!(cache.get("to"), None);
    /// ```
    pub fn entry<'a, Q>(&'a self, key: &'a Q) -> Lookup<'a, K, V, S, Q>
    where
        Q: KeyRef<K> + ?Sized,
    {
        self.lookup(key)
    }

    /// The value within its ttl, and what the entry that takes its place says: its tags are kept.
    fn current<Q>(&self, key: &Q, mut options: EntryOptions) -> (Option<V>, EntryOptions)
    where
        Q: KeyRef<K> + ?Sized,
    {
        let (hash, now) = (self.hash(key), self.now());
        let is_key = |own: &K| key.is(own);
        let shard = self.part(hash).read();
        let entry = shard.find(hash, is_key).and_then(|slot| shard.entry(slot));
        let Some(entry) = entry.filter(|entry| self.is_found(entry, now)) else { return (None, options) };
        for tag in entry.tags() {
            if !options.tags.contains(tag) {
                options.tags.push(tag.clone());
            }
        }
        let (value, found) = (entry.value.clone(), self.found(entry));
        drop(shard);
        // What is made of the value hangs on what the value hangs on.
        if found.made.is_some() {
            options.within = found.left.map(Duration::from_nanos);
            options.made.clone_from(&found.made);
        }
        (self.admit(hash, is_key, value, &found), options)
    }

    /// Keeps what an update made. Whether it did: not if it is out of date by now.
    fn settle(&self, lead: Lead<'_, K, V>, value: Option<&V>, mut options: EntryOptions) -> bool
    where
        K: Clone,
    {
        let key = lead.key().clone();
        let hash = self.hash(&key);
        let (mut gone, mut refused) = (Vec::new(), None);
        let settled = match value {
            Some(value) => {
                let weight = self.judge(&key, value, &mut options);
                let kept = value.clone();
                lead.land_if_current(Some(value.clone()), || {
                    // A value that is too heavy is counted, and given to the caller all the same.
                    refused = self.put(hash, key, kept, options, weight, &mut gone).err();
                })
            }
            None => lead.land_if_current(None, || self.take(hash, &key, &mut gone)),
        };
        self.inner.identity.outdate();
        drop(refused);
        self.tell(gone);
        settled
    }
}

impl<'a, K, V, S, Q> Lookup<'a, K, V, S, Q>
where
    K: Clone + Eq + Hash,
    V: Clone,
    S: BuildHasher,
    Q: KeyRef<K> + ?Sized,
{
    /// The value, or this one, which is kept.
    ///
    /// ```
    /// use everfresh::memory::Cache;
    ///
    /// let cache = Cache::new(10);
    /// assert_eq!((cache.entry(&"rate").or_insert(4), cache.entry(&"rate").or_insert(5)), (4, 4));
    /// ```
    pub fn or_insert(self, value: V) -> V {
        self.or_compute(|| value)
    }

    /// Changes the value, if there is one, as [`upsert`](Self::upsert) does. What it is then.
    ///
    /// ```
    /// use everfresh::memory::Cache;
    ///
    /// let cache = Cache::new(10);
    /// cache.insert("count", 1)?;
    /// assert_eq!(cache.entry(&"count").and_modify(|count| *count += 1), Some(2));
    /// assert_eq!(cache.entry(&"other").and_modify(|count| *count += 1), None);
    /// # Ok::<_, everfresh::memory::Refused>(())
    /// ```
    pub fn and_modify(self, mut change: impl FnMut(&mut V)) -> Option<V> {
        self.upsert(|value| {
            let mut value = value?;
            change(&mut value);
            Some(value)
        })
    }

    /// Puts in what `update` makes of the value, or removes it if that is `None`. What it is then.
    ///
    /// Updates of one key come one after the other, and so do computations of it: none is lost. If somebody inserts or
    /// removes a value of the key, or clears the cache, while `update` runs, it runs again, on what is there now; what `update`
    /// itself does to the cache makes nothing run again, and its result takes its place. A
    /// value whose ttl is over is none. The entry keeps its tags; its ttl begins anew. An update of a key in the midst of
    /// its own computation or update does not wait for that, whose result takes its place.
    ///
    /// ```
    /// use everfresh::memory::Cache;
    ///
    /// let cache: Cache<&str, u32> = Cache::new(10);
    /// let take_one = || cache.entry(&"tokens").upsert(|left| left?.checked_sub(1));
    /// cache.insert("tokens", 1)?;
    /// assert_eq!((take_one(), take_one(), cache.get("tokens")), (Some(0), None, None));
    /// # Ok::<_, everfresh::memory::Refused>(())
    /// ```
    pub fn upsert(self, mut update: impl FnMut(Option<V>) -> Option<V>) -> Option<V> {
        loop {
            let waited = match self.join() {
                Joined::Lead(lead) => Waited::Lead(lead),
                Joined::Wait(wait) => wait.wait(),
                Joined::Again => {
                    let (old, options) = self.cache.current(self.key, self.options.clone());
                    return self.place(update(old), options);
                }
            };
            let Some(lead) = self.turn(waited) else { continue };
            lead.updates();
            let (old, options) = self.cache.current(self.key, self.options.clone());
            let value = lead.run(|| update(old));
            if self.cache.settle(lead, value.as_ref(), options) {
                return value;
            }
        }
    }

    /// The same for a function that gives a future. Dropped before it is ready, it leaves the value as it was.
    ///
    /// ```
    /// use everfresh::memory::Cache;
    ///
    /// # use std::{pin::pin, task::{Context, Poll, Waker}};
    /// # let example = async {
    /// let cache: Cache<&str, u32> = Cache::new(10);
    /// let count = |old: Option<u32>| async move { Some(old.unwrap_or(0) + 1) };
    /// assert_eq!(cache.entry(&"count").upsert_async(count).await, Some(1));
    /// assert_eq!(cache.entry(&"count").upsert_async(count).await, Some(2));
    /// # };
    /// # assert_eq!(pin!(example).poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(()));
    /// ```
    pub async fn upsert_async<F>(self, mut update: impl FnMut(Option<V>) -> F) -> Option<V>
    where
        F: Future<Output = Option<V>>,
    {
        loop {
            let waited = match self.join() {
                Joined::Lead(lead) => Waited::Lead(lead),
                Joined::Wait(wait) => wait.await,
                Joined::Again => {
                    let (old, options) = self.cache.current(self.key, self.options.clone());
                    return self.place(update(old).await, options);
                }
            };
            let Some(lead) = self.turn(waited) else { continue };
            lead.updates();
            let (old, options) = self.cache.current(self.key, self.options.clone());
            let value = lead.run_async(async { update(old).await }).await;
            if self.cache.settle(lead, value.as_ref(), options) {
                return value;
            }
        }
    }

    fn join(&self) -> Joined<'a, K, V> {
        let (cache, key) = (self.cache, self.key);
        let hash = cache.hash(key);
        let none = || None::<Infallible>;
        let Ok(joined) = cache.part(hash).flights.join(hash, |own| key.is(own), || key.to_key(), none);
        joined
    }

    /// The lead, if it is this caller's turn.
    fn turn(&self, waited: Waited<'a, K, V>) -> Option<Lead<'a, K, V>> {
        match waited {
            Waited::Lead(lead) => (!lead.is_outdated()).then_some(lead),
            Waited::Value(_) => None,
            // It would wait for ever, so what is computed now counts as begun too early.
            Waited::Blocked => {
                let hash = self.cache.hash(self.key);
                Some(self.cache.part(hash).flights.begin_anew(hash, self.key.to_key()))
            }
        }
    }

    /// Puts in or removes under a flight that goes on.
    fn place(&self, value: Option<V>, mut options: EntryOptions) -> Option<V> {
        let (cache, key) = (self.cache, self.key.to_key());
        let (hash, mut gone) = (cache.hash(&key), Vec::new());
        match &value {
            Some(value) => {
                let weight = cache.judge(&key, value, &mut options);
                let _ = cache.put(hash, key, value.clone(), options, weight, &mut gone);
            }
            None => cache.take(hash, &key, &mut gone),
        }
        cache.inner.identity.outdate();
        cache.tell(gone);
        value
    }
}
