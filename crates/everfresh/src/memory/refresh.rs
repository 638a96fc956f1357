//! Entries that age: found by anybody, computed anew while they are served, served stale, over.
//!
//! ```text
//! put in        due            ttl's end       deadline
//!   |---- found ---|---- found ----|--- stale ---|  over
//!                  |-- computed anew while served --|
//! ```
//!
//! An entry stores its deadline and how long before that it is due; the end of its ttl is `stale` before the deadline.
//! That somebody computes it anew is known by its flight; that this failed, by its being due later.

use crate::recording::current;

use super::{
    Cache,
    entry::{Entry, KeyHash, More, NEVER},
    flight::{Joined, Lead, Wait},
    key::KeyRef,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};
use std::{
    borrow::Borrow,
    hash::{BuildHasher, Hash},
    time::Duration,
};

/// So that no sum of it and the time overflows: 146 years.
const LONGEST_STALE: u64 = NEVER / 4;

/// The least and the most time, in nanoseconds, from a computation that failed to the next.
const PAUSE: (u64, u64) = (1_000_000, 1_000_000_000);

/// What a lookup gave, and whether its time is over.
///
/// ```
/// use everfresh::memory::{Cache, ManualClock};
/// use std::{sync::Arc, time::Duration};
///
/// let clock = Arc::new(ManualClock::default());
/// let (ttl, stale) = (Duration::from_secs(60), Duration::from_secs(600));
/// let cache = Cache::builder().ttl(ttl).stale(stale).clock(clock.clone()).build();
/// cache.insert("rate", 4)?;
/// clock.advance(ttl);
/// let served = cache.get_stale("rate").ok_or("gone")?;
/// assert_eq!((served.value, served.stale), (4, true));
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Served<V> {
    /// The value.
    pub value: V,
    /// Whether its ttl is over. Nothing that is made of it may be kept.
    pub stale: bool,
}

impl<V> Served<V> {
    pub(crate) fn fresh(value: V) -> Self {
        Self { value, stale: false }
    }
}

/// How the entries of a cache age.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ages {
    /// In nanoseconds.
    stale: u64,
    ahead: Option<f64>,
}

impl Ages {
    pub(super) fn new(stale: Duration, ahead: Option<f64>) -> Self {
        Self { stale: super::clock::nanoseconds(stale).min(LONGEST_STALE), ahead }
    }

    /// Whether an entry may be due before the end of its ttl.
    #[inline]
    pub(super) fn ahead(self) -> bool {
        self.ahead.is_some()
    }

    /// Whether an entry may be due before it is over.
    #[inline]
    fn any(self) -> bool {
        self.stale > 0 || self.ahead()
    }

    /// The deadline of an entry whose ttl ends at `end`, and when it is due.
    pub(super) fn life(self, now: u64, end: u64) -> (u64, Option<Due>) {
        if end == NEVER || !self.any() {
            return (end, None);
        }
        let end = end.min(NEVER - 1 - self.stale);
        let ttl = end.saturating_sub(now);
        let ahead = self.ahead.map_or(0, |part| ttl.saturating_sub((ttl as f64 * part) as u64));
        let due = Due::default();
        due.put_off_to(self.stale + ahead);
        (end + self.stale, Some(due))
    }

    /// What is left of an entry's ttl.
    pub(super) fn left<K, V>(self, entry: &Entry<K, V>, now: u64) -> Option<u64> {
        (entry.deadline != NEVER).then(|| (entry.deadline - self.stale).saturating_sub(now))
    }

    #[inline]
    pub(super) fn is_fresh<K, V>(self, entry: &Entry<K, V>, now: u64) -> bool {
        entry.deadline == NEVER || now.saturating_add(self.stale) < entry.deadline
    }
}

/// How many nanoseconds before its deadline an entry is due.
#[derive(Debug, Default)]
pub(super) struct Due(AtomicU64);

impl Due {
    fn put_off_to(&self, before_deadline: u64) {
        self.0.store(before_deadline, Relaxed);
    }
}

impl<K, V> Entry<K, V> {
    fn is_due(&self, now: u64) -> bool {
        let due = |more: &More| now >= self.deadline.saturating_sub(more.due.0.load(Relaxed));
        self.deadline != NEVER && self.more.as_deref().is_some_and(due)
    }

    fn put_off(&self, before_deadline: u64) {
        if let Some(more) = &self.more {
            more.due.put_off_to(before_deadline);
        }
    }
}

/// A value that was found by somebody who may compute it anew.
pub(super) struct Old<V> {
    pub(super) served: Served<V>,
    /// Not due, it is computed only to be compared.
    pub(super) due: bool,
}

/// What a lookup comes to before anybody computes.
pub(super) enum Start<'a, K, V> {
    Served(Served<V>),
    /// The caller computes, anew if there is an old value.
    Lead(Lead<'a, K, V>, Option<Old<V>>),
    /// Another caller computes.
    Wait(Wait<'a, K, V>),
    /// The caller computes it already, further up.
    Again,
}

impl<K: Eq, V, S> Cache<K, V, S> {
    /// Whether an entry is within its ttl and its idle time.
    #[inline]
    pub(super) fn is_found(&self, entry: &Entry<K, V>, now: u64) -> bool {
        entry.is_alive(now, self.inner.idle) && self.inner.ages.is_fresh(entry, now)
    }
}

impl<K: Eq + Hash, V, S: BuildHasher> Cache<K, V, S> {
    /// The value of a key, even if its ttl is over and it is served [stale](super::CacheBuilder::stale). Counts as a use.
    ///
    /// ```
    /// use everfresh::memory::{Cache, ManualClock, Served};
    /// use std::{sync::Arc, time::Duration};
    ///
    /// let (clock, second) = (Arc::new(ManualClock::default()), Duration::from_secs(1));
    /// let cache = Cache::builder().ttl(60 * second).stale(60 * second).clock(clock.clone()).build();
    /// cache.insert("rate", 4)?;
    /// assert_eq!(cache.get_stale("rate"), Some(Served { value: 4, stale: false }));
    /// clock.advance(60 * second);
    /// assert_eq!(cache.get_stale("rate"), Some(Served { value: 4, stale: true }));
    /// # Ok::<_, everfresh::memory::Refused>(())
    /// ```
    pub fn get_stale<Q>(&self, key: &Q) -> Option<Served<V>>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
        V: Clone,
    {
        let hash = self.hash(key);
        let Some(old) = self.find_aged(hash, |own| own.borrow() == key, true) else {
            self.count_miss(key, hash);
            return None;
        };
        Some(self.serve(hash, old.served))
    }

    /// Counts what is served stale.
    pub(super) fn serve(&self, hash: KeyHash, served: Served<V>) -> Served<V> {
        if served.stale {
            if let Some(caller) = current() {
                caller.recorded().refuse(|| "a value that it used was served stale".to_owned());
            }
            self.part(hash).counts.stale.fetch_add(1, Relaxed);
        }
        served
    }

    /// The value of a key that is not over, of whatever age, or within its ttl.
    pub(super) fn find_aged(&self, hash: KeyHash, is_key: impl Fn(&K) -> bool, also_stale: bool) -> Option<Old<V>>
    where
        V: Clone,
    {
        let (now, idle) = (self.now(), self.inner.idle);
        let take = |entry: &Entry<K, V>| {
            let take = || {
                let served = Served { value: entry.value.clone(), stale: !self.inner.ages.is_fresh(entry, now) };
                if idle != NEVER {
                    entry.touch(now);
                }
                let found = self.matters(entry).then(|| self.found(entry));
                let due = self.inner.ages.any() && entry.is_due(now);
                (Old { served, due }, found, entry.cost)
            };
            let alive = entry.is_alive(now, idle) && (also_stale || self.inner.ages.is_fresh(entry, now));
            alive.then(take)
        };
        let part = self.part(hash);
        let taken = if self.inner.exact {
            let mut shard = part.write();
            let (slot, entry) = shard.find_entry(hash, &is_key)?;
            let taken = take(entry);
            if taken.is_some() {
                shard.hit(slot);
            }
            taken
        } else {
            let shard = part.read();
            let (_, entry) = shard.find_entry(hash, &is_key)?;
            take(entry).inspect(|_| shard.note(entry))
        };
        let Some((old, found, cost)) = taken else {
            self.remove_dead(hash, is_key);
            return None;
        };
        if let Some(found) = found {
            self.admit(hash, is_key, (), &found)?;
        }
        self.inner.hits.count(cost);
        Some(old)
    }

    /// What a look at an entry that is not over says, without counting as a use.
    fn standing<T>(
        &self,
        hash: KeyHash,
        is_key: impl Fn(&K) -> bool,
        say: impl Fn(&Entry<K, V>, u64) -> T,
    ) -> Option<T> {
        let now = self.now();
        let shard = self.part(hash).read();
        let entry = shard.entry(shard.find(hash, is_key)?)?;
        entry.is_alive(now, self.inner.idle).then(|| say(entry, now))
    }

    /// Whether a key has a value that is to be computed anew.
    pub(super) fn is_due(&self, hash: KeyHash, is_key: impl Fn(&K) -> bool) -> bool {
        self.standing(hash, is_key, Entry::is_due) == Some(true)
    }

    /// The value that takes the place of an error: the one that stands now, since somebody may have removed the old one.
    pub(super) fn rescue<Q>(&self, key: &Q) -> Option<Served<V>>
    where
        Q: KeyRef<K> + ?Sized,
        V: Clone,
    {
        let (hash, ages) = (self.hash(key), self.inner.ages);
        let say = |entry: &Entry<K, V>, now| {
            let served = Served { value: entry.value.clone(), stale: !ages.is_fresh(entry, now) };
            (served, self.matters(entry).then(|| self.found(entry)))
        };
        let (mut served, found) = self.standing(hash, |own| key.is(own), say)?;
        // What it was made from has to hold, as for any other hit.
        if let Some(found) = found {
            served = self.admit(hash, |own| key.is(own), served, &found)?;
        }
        self.part(hash).counts.rescued.fetch_add(1, Relaxed);
        Some(self.serve(hash, served))
    }

    /// Counts a computation that came to nothing; the next one waits a little.
    pub(super) fn count_failure<Q>(&self, key: &Q)
    where
        Q: KeyRef<K> + ?Sized,
    {
        let hash = self.hash(key);
        if self.inner.ages.any() {
            let put_off = |entry: &Entry<K, V>, now| {
                if entry.is_due(now) {
                    let left = entry.deadline - now;
                    entry.put_off(left.saturating_sub((left / 10).clamp(PAUSE.0, PAUSE.1)));
                }
            };
            self.standing(hash, |own| key.is(own), put_off);
        }
        self.part(hash).counts.failures.fetch_add(1, Relaxed);
    }

    /// The value of a key, or how to get it. A value that is to be compared is one to be computed.
    #[inline]
    pub(super) fn start<Q>(&self, key: &Q, compare: bool) -> Start<'_, K, V>
    where
        Q: KeyRef<K> + ?Sized,
        V: Clone,
    {
        let hash = self.hash(key);
        let is_key = |own: &K| key.is(own);
        let found = if self.inner.ages.any() {
            self.find_aged(hash, is_key, true)
        } else {
            match self.find(hash, is_key) {
                Some(value) if !compare => return Start::Served(Served::fresh(value)),
                found => found.map(|value| Old { served: Served::fresh(value), due: false }),
            }
        };
        self.start_with(found, key, hash, compare)
    }

    /// The caller computes, whatever there is, and in place of whoever does.
    pub(super) fn start_anew<Q>(&self, key: &Q) -> Start<'_, K, V>
    where
        Q: KeyRef<K> + ?Sized,
        V: Clone,
    {
        let (hash, ages) = (self.hash(key), self.inner.ages);
        let say = |entry: &Entry<K, V>, now| Served { value: entry.value.clone(), stale: !ages.is_fresh(entry, now) };
        let old = if ages.any() { self.standing(hash, |own| key.is(own), say) } else { None };
        let lead = self.part(hash).flights.begin_anew(hash, key.to_key());
        Start::Lead(lead, old.map(|served| Old { served, due: true }))
    }

    /// Apart from that, so that a hit takes no more than it needs.
    #[inline(never)]
    fn start_with<Q>(&self, found: Option<Old<V>>, key: &Q, hash: KeyHash, compare: bool) -> Start<'_, K, V>
    where
        Q: KeyRef<K> + ?Sized,
        V: Clone,
    {
        let is_key = |own: &K| key.is(own);
        let flights = &self.part(hash).flights;
        if let Some(old) = found {
            if old.due || compare {
                let needed = || !old.due || self.is_due(hash, is_key);
                if let Some(lead) = flights.begin(hash, is_key, || key.to_key(), needed) {
                    return Start::Lead(lead, Some(old));
                }
            }
            return Start::Served(self.serve(hash, old.served));
        }
        self.count_miss(key, hash);
        loop {
            return match flights.join(hash, is_key, || key.to_key(), || self.look(hash, is_key)) {
                Err((value, found)) => match self.admit(hash, is_key, value, &found) {
                    Some(value) => Start::Served(Served::fresh(value)),
                    None => continue,
                },
                Ok(Joined::Lead(lead)) => Start::Lead(lead, None),
                Ok(Joined::Wait(wait)) => Start::Wait(wait),
                Ok(Joined::Again) => Start::Again,
            };
        }
    }
}
