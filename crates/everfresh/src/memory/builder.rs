//! How a cache is made.

use super::{
    Cache,
    clock::{CacheClock, Clock},
    policy::Policy,
};
use hashbrown::DefaultHashBuilder;
use std::{
    fmt,
    hash::{BuildHasher, Hash},
    sync::Arc,
    time::Duration,
};

/// Why an entry left.
///
/// ```
/// use everfresh::memory::{Cache, Cause};
/// use std::sync::mpsc;
///
/// let (sender, gone) = mpsc::channel();
/// let cache = Cache::builder().on_removal(move |_: &str, value, cause| _ = sender.send((value, cause))).build();
/// cache.insert("rate", 4)?;
/// cache.insert("rate", 5)?;
/// cache.remove("rate");
/// assert_eq!(gone.try_iter().collect::<Vec<_>>(), [(4, Cause::Replaced), (5, Cause::Invalidated)]);
/// # Ok::<_, everfresh::memory::Refused>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// There was no room.
    Evicted,
    /// Its time was over.
    Expired,
    /// Another value came for its key.
    Replaced,
    /// Somebody removed it, by key, tag or predicate, or cleared the cache.
    Invalidated,
    /// Something that was read through [`fs`](crate::fs) or [`env`](crate::env) while it was computed has changed.
    Outdated,
}

pub(super) type Weigher<K, V> = Arc<dyn Fn(&K, &V) -> u32 + Send + Sync>;
pub(super) type TtlBy<K, V> = Arc<dyn Fn(&K, &V) -> Option<Duration> + Send + Sync>;
pub(super) type Listener<K, V> = Arc<dyn Fn(K, V, Cause) + Send + Sync>;

/// Settings of a [`Cache`]; made by [`Cache::builder`].
///
/// ```
/// use everfresh::memory::{Cache, CacheBuilder};
///
/// let settings: CacheBuilder<u32, &str> = Cache::builder().max_entries(1).name("numbers");
/// let cache = settings.build();
/// cache.insert(1, "one")?;
/// cache.insert(2, "two")?;
/// assert_eq!(cache.len(), 1);
/// # Ok::<_, everfresh::memory::Refused>(())
/// ```
pub struct CacheBuilder<K, V, S = DefaultHashBuilder> {
    pub(super) max_entries: Option<usize>,
    pub(super) max_bytes: Option<u64>,
    pub(super) weigher: Option<Weigher<K, V>>,
    pub(super) listener: Option<Listener<K, V>>,
    pub(super) ttl: Option<Duration>,
    pub(super) ttl_by: Option<TtlBy<K, V>>,
    pub(super) idle: Option<Duration>,
    pub(super) jitter: f64,
    pub(super) stale: Duration,
    pub(super) ahead: Option<f64>,
    pub(super) name: Option<Arc<str>>,
    pub(super) policy: Policy,
    pub(super) clock: CacheClock,
    pub(super) private: bool,
    pub(super) hasher: S,
}

impl<K, V, S> fmt::Debug for CacheBuilder<K, V, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheBuilder")
            .field("max_entries", &self.max_entries)
            .field("max_bytes", &self.max_bytes)
            .field("ttl", &self.ttl)
            .field("idle", &self.idle)
            .field("stale", &self.stale)
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}

impl<K, V> Default for CacheBuilder<K, V> {
    fn default() -> Self {
        Self {
            max_entries: None,
            max_bytes: None,
            weigher: None,
            listener: None,
            ttl: None,
            ttl_by: None,
            idle: None,
            jitter: 0.0,
            stale: Duration::ZERO,
            ahead: None,
            name: None,
            policy: Policy::default(),
            clock: CacheClock::System,
            private: false,
            hasher: DefaultHashBuilder::default(),
        }
    }
}

impl<K, V, S> CacheBuilder<K, V, S> {
    /// How many entries there may be at most: 128 unless this or [`max_bytes`](Self::max_bytes) is said. With 0 nothing is
    /// kept.
    ///
    /// ```
    /// use everfresh::memory::Cache;
    ///
    /// let cache = Cache::builder().max_entries(2).build();
    /// for key in 0..10 {
    ///     cache.insert(key, key * key)?;
    /// }
    /// assert_eq!(cache.len(), 2);
    /// # Ok::<_, everfresh::memory::Refused>(())
    /// ```
    #[must_use]
    pub fn max_entries(mut self, entries: usize) -> Self {
        self.max_entries = Some(entries);
        self
    }

    /// How much all entries may weigh together, as `weigher` says; it is asked once for each value that goes in. A value
    /// that is heavier than this alone is refused. A weight is below 4 GiB: say a larger one as `u32::MAX`.
    /// [`estimated_bytes`](super::estimated_bytes) is a weigher for keys and values that are `Serialize`.
    ///
    /// ```
    /// use everfresh::memory::Cache;
    ///
    /// let cache = Cache::builder().max_bytes(10, |_: &&str, text: &String| text.len() as u32).build();
    /// cache.insert("a", "seven..".to_owned())?;
    /// assert!(cache.insert("b", "more than ten".to_owned()).is_err());
    /// cache.insert("c", "four".to_owned())?;
    /// assert_eq!((cache.len(), cache.weight()), (1, 4));
    /// # Ok::<_, everfresh::memory::Refused>(())
    /// ```
    #[must_use]
    pub fn max_bytes(mut self, bytes: u64, weigher: impl Fn(&K, &V) -> u32 + Send + Sync + 'static) -> Self {
        self.max_bytes = Some(bytes);
        self.weigher = Some(Arc::new(weigher));
        self
    }

    /// How long an entry lives at most. Without it, until there is no room.
    ///
    /// ```
    /// use everfresh::memory::{Cache, ManualClock};
    /// use std::{sync::Arc, time::Duration};
    ///
    /// let clock = Arc::new(ManualClock::default());
    /// let cache = Cache::builder().ttl(Duration::from_secs(60)).clock(clock.clone()).build();
    /// cache.insert("rate", 4)?;
    /// clock.advance(Duration::from_secs(60));
    /// assert_eq!(cache.get("rate"), None);
    /// # Ok::<_, everfresh::memory::Refused>(())
    /// ```
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// How long an entry lives at most, by what it is; `None` stands for the cache's own `ttl`.
    ///
    /// ```
    /// use everfresh::memory::Cache;
    /// use std::time::Duration;
    ///
    /// let unless_empty = |_: &u32, text: &&str| text.is_empty().then_some(Duration::ZERO);
    /// let cache = Cache::builder().ttl_by(unless_empty).build();
    /// cache.insert(0, "")?;
    /// cache.insert(1, "one")?;
    /// assert_eq!((cache.get(&0), cache.get(&1)), (None, Some("one")));
    /// # Ok::<_, everfresh::memory::Refused>(())
    /// ```
    #[must_use]
    pub fn ttl_by(mut self, ttl: impl Fn(&K, &V) -> Option<Duration> + Send + Sync + 'static) -> Self {
        self.ttl_by = Some(Arc::new(ttl));
        self
    }

    /// How long an entry may go unused.
    ///
    /// ```
    /// use everfresh::memory::{Cache, ManualClock};
    /// use std::{sync::Arc, time::Duration};
    ///
    /// let (clock, second) = (Arc::new(ManualClock::default()), Duration::from_secs(1));
    /// let cache = Cache::builder().idle(2 * second).clock(clock.clone()).build();
    /// cache.insert("rate", 4)?;
    /// let after = |pause| (clock.advance(pause), cache.get("rate")).1;
    /// assert_eq!([after(second), after(second), after(2 * second)], [Some(4), Some(4), None]);
    /// # Ok::<_, everfresh::memory::Refused>(())
    /// ```
    #[must_use]
    pub fn idle(mut self, idle: Duration) -> Self {
        self.idle = Some(idle);
        self
    }

    /// Shortens each entry's life by a random part of it, up to this one (0 to 1), so that entries that were made together
    /// do not expire together.
    ///
    /// ```
    /// use everfresh::memory::{Cache, ManualClock};
    /// use std::{sync::Arc, time::Duration};
    ///
    /// let (clock, second) = (Arc::new(ManualClock::default()), Duration::from_secs(1));
    /// let cache = Cache::builder().ttl(60 * second).jitter(0.5).clock(clock.clone()).build();
    /// cache.insert("rate", 4)?;
    /// let after = |pause| (clock.advance(pause), cache.get("rate")).1;
    /// assert_eq!([after(29 * second), after(31 * second)], [Some(4), None]);
    /// # Ok::<_, everfresh::memory::Refused>(())
    /// ```
    #[must_use]
    pub fn jitter(mut self, part: f64) -> Self {
        self.jitter = part.clamp(0.0, 1.0);
        self
    }

    /// For how long after its ttl an entry may still be served while it is computed anew (stale while revalidate), or
    /// because that failed (stale if error). Only lookups that compute serve it, and
    /// [`get_stale`](Cache::get_stale), never [`get`](Cache::get). None unless said; at most 146 years.
    ///
    /// Of all who look such an entry up, one computes and the others have the old value at once; or all of them, if it is
    /// computed behind them, by a thread ([`or_compute_behind`](super::Lookup::or_compute_behind)) or a task
    /// ([`or_compute_async_behind`](super::Lookup::or_compute_async_behind)). If the computation
    /// fails, the old value takes the place of its error, and a tenth of the time that is left passes, at most a second,
    /// before a lookup tries again.
    ///
    /// ```
    /// use everfresh::memory::{Cache, ManualClock};
    /// use std::{sync::Arc, time::Duration};
    ///
    /// let clock = Arc::new(ManualClock::default());
    /// let (ttl, stale) = (Duration::from_secs(60), Duration::from_secs(3600));
    /// let cache = Cache::builder().ttl(ttl).stale(stale).clock(clock.clone()).build();
    /// assert_eq!(cache.get_or_compute(&"rate", || 4), 4);
    /// clock.advance(ttl);
    /// assert_eq!(cache.get("rate"), None);
    /// assert_eq!(cache.try_get_or_compute(&"rate", || Err("no answer")), Ok(4));
    /// ```
    #[must_use]
    pub fn stale(mut self, stale: Duration) -> Self {
        self.stale = stale;
        self
    }

    /// From which part of its ttl on (0 to 1) an entry is computed anew while it is still served, so that nobody waits
    /// for one that is in use: by one caller, or behind all of them
    /// ([`or_compute_behind`](super::Lookup::or_compute_behind)). Off unless said.
    ///
    /// ```
    /// use everfresh::memory::{Cache, ManualClock};
    /// use std::{sync::Arc, time::Duration};
    ///
    /// let clock = Arc::new(ManualClock::default());
    /// let cache = Cache::builder().ttl(Duration::from_secs(10)).refresh_ahead(0.8).clock(clock.clone()).build();
    /// assert_eq!(cache.get_or_compute(&"rate", || 4), 4);
    /// clock.advance(Duration::from_secs(8));
    /// assert_eq!((cache.get("rate"), cache.get_or_compute(&"rate", || 5)), (Some(4), 5));
    /// ```
    #[must_use]
    pub fn refresh_ahead(mut self, part: f64) -> Self {
        self.ahead = Some(part.clamp(0.0, 1.0));
        self
    }

    /// What messages call the cache.
    ///
    /// ```
    /// use everfresh::{Memo, memory::Cache};
    ///
    /// let rates = Cache::builder().name("rates").build();
    /// let doubled: Memo<u32> = Memo::builder("doubled").build();
    /// assert_eq!(doubled.get_or_compute(&"EUR", || 2 * rates.get_or_compute(&"EUR", || 4)), 8);
    /// rates.clear();
    /// assert!(doubled.explain(&"EUR").to_string().starts_with("miss: rates ("));
    /// ```
    #[must_use]
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Which entry goes when there is no room.
    ///
    /// ```
    /// use everfresh::memory::{Cache, Policy};
    ///
    /// let cache = Cache::builder().max_entries(2).policy(Policy::Lru).build();
    /// for key in [1, 2, 1, 3] {
    ///     cache.get_or_compute(&key, || 10 * key);
    /// }
    /// assert_eq!((cache.get(&1), cache.get(&2), cache.get(&3)), (Some(10), None, Some(30)));
    /// ```
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// Is told of each entry that left, after it left, on the thread that made it leave, with no lock held. It may use the
    /// cache. If it panics, the entry is gone all the same; it is told of all others that left with it, and then the panic
    /// goes to the caller.
    ///
    /// ```
    /// use everfresh::memory::{Cache, Cause};
    /// use std::sync::mpsc;
    ///
    /// let (sender, gone) = mpsc::channel();
    /// let cache = Cache::builder().on_removal(move |key, value, cause| _ = sender.send((key, value, cause))).build();
    /// cache.insert(1, "one")?;
    /// cache.clear();
    /// assert_eq!(gone.try_recv(), Ok((1, "one", Cause::Invalidated)));
    /// # Ok::<_, everfresh::memory::Refused>(())
    /// ```
    #[must_use]
    pub fn on_removal(mut self, listener: impl Fn(K, V, Cause) + Send + Sync + 'static) -> Self {
        self.listener = Some(Arc::new(listener));
        self
    }

    /// For a part of something that looks after what its values hang on.
    pub(crate) fn private(mut self) -> Self {
        self.private = true;
        self
    }

    /// Another clock than the system's.
    ///
    /// ```
    /// use everfresh::memory::{Cache, ManualClock};
    /// use std::{sync::Arc, time::Duration};
    ///
    /// let stopped = Arc::new(ManualClock::default());
    /// let cache = Cache::builder().ttl(Duration::from_nanos(1)).clock(stopped).build();
    /// cache.insert("rate", 4)?;
    /// assert_eq!(cache.get("rate"), Some(4));
    /// # Ok::<_, everfresh::memory::Refused>(())
    /// ```
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = CacheClock::Other(clock);
        self
    }

    /// Another hasher than the default, which is quick and seeded at random.
    ///
    /// ```
    /// use everfresh::memory::Cache;
    /// use std::hash::RandomState;
    ///
    /// let cache: Cache<u32, &str, RandomState> = Cache::builder().hasher(RandomState::new()).build();
    /// cache.insert(1, "one")?;
    /// assert_eq!(cache.get(&1), Some("one"));
    /// # Ok::<_, everfresh::memory::Refused>(())
    /// ```
    #[must_use]
    pub fn hasher<T>(self, hasher: T) -> CacheBuilder<K, V, T> {
        CacheBuilder {
            max_entries: self.max_entries,
            max_bytes: self.max_bytes,
            weigher: self.weigher,
            listener: self.listener,
            ttl: self.ttl,
            ttl_by: self.ttl_by,
            idle: self.idle,
            jitter: self.jitter,
            stale: self.stale,
            ahead: self.ahead,
            name: self.name,
            policy: self.policy,
            clock: self.clock,
            private: self.private,
            hasher,
        }
    }

    /// The cache.
    ///
    /// ```
    /// use everfresh::memory::{Cache, DEFAULT_ENTRIES};
    ///
    /// let cache = Cache::builder().build();
    /// for key in 0..1000 {
    ///     cache.insert(key, key)?;
    /// }
    /// assert_eq!(cache.len(), DEFAULT_ENTRIES);
    /// # Ok::<_, everfresh::memory::Refused>(())
    /// ```
    pub fn build(self) -> Cache<K, V, S>
    where
        K: Eq + Hash,
        S: BuildHasher,
    {
        Cache::from_builder(self)
    }
}
