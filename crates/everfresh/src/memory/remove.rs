//! Taking entries out, and telling of those that left.

use super::{
    Cache,
    builder::Cause,
    entry::KeyHash,
    shard::{Gone, Shard},
};
use std::{
    borrow::Borrow,
    hash::{BuildHasher, Hash},
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
};

impl<K: Eq, V, S> Cache<K, V, S> {
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

    /// Removes in every shard, after what is being computed for some keys was declared out of date. Listeners hear of it
    /// when all is done.
    fn remove_in_all(
        &self,
        outdated: impl Fn(KeyHash, &K) -> bool,
        remove: impl Fn(&mut Shard<K, V>, &mut Gone<K, V>),
    ) -> usize {
        let mut gone = Vec::new();
        // What has left is told even if a function of the user's ends it early.
        let ended = catch_unwind(AssertUnwindSafe(|| {
            for part in &self.inner.parts {
                let _closed = part.flights.outdate(&outdated);
                remove(&mut part.write(), &mut gone);
            }
        }));
        self.inner.identity.outdate();
        let removed = gone.len();
        self.tell(gone);
        ended.unwrap_or_else(|panic| resume_unwind(panic));
        removed
    }

    /// Drops what left, and tells the listener of all of it, even if that panics. No lock is held.
    pub(super) fn tell(&self, gone: Gone<K, V>) {
        if let Some(listener) = &self.inner.listener {
            tell_all(gone, |(entry, cause)| listener(entry.key, entry.value, cause));
        }
    }
}

/// Tells of all of these. If that panics, the first panic goes on afterwards.
pub(crate) fn tell_all<T>(all: impl IntoIterator<Item = T>, tell: impl Fn(T)) {
    let panics = all.into_iter().filter_map(|one| catch_unwind(AssertUnwindSafe(|| tell(one))).err());
    if let Some(panic) = panics.reduce(|first, _| first) {
        resume_unwind(panic);
    }
}

impl<K: Eq + Hash, V, S: BuildHasher> Cache<K, V, S> {
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
}
