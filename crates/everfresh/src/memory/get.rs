//! Reading what is there.

use super::{
    Cache,
    entry::{Entry, KeyHash, NEVER},
    key::KeyRef,
    observed::Found,
};
use std::{
    borrow::Borrow,
    hash::{BuildHasher, Hash},
};

impl<K: Eq, V, S> Cache<K, V, S> {
    /// Whether an entry is within its ttl and its idle time. The clock is not asked where no time counts.
    #[inline]
    pub(super) fn is_alive(&self, entry: &Entry<K, V>) -> bool {
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
}

impl<K: Eq + Hash, V, S: BuildHasher> Cache<K, V, S> {
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
