//! One lookup: the value that is there, or that somebody computes.

use super::{
    Cache,
    entry::EntryOptions,
    flight::{Lead, Waited},
    key::KeyRef,
    observed::Read,
    refresh::{Old, Served, Start},
    sync::{Instant, atomic::Ordering::Relaxed, thread},
    verify::Same,
};
use crate::recording::{Frame, Reading, is_recording};
use hashbrown::DefaultHashBuilder;
use std::{
    convert::Infallible,
    fmt,
    future::Future,
    hash::{BuildHasher, Hash},
    sync::Arc,
    time::Duration,
};

/// A lookup of one key; made by [`Cache::lookup`].
///
/// Of all who look the same key up at once, threads and tasks alike, one computes and the others wait for it. If it gives an
/// error, panics or is cancelled, one of those who wait computes in its place. A caller that asks for a key again while it
/// computes that very key computes it once more, and does not wait for itself; nor do callers that need each other's keys wait
/// in a circle: one of them computes for itself what it needs. A value that was invalidated while it was computed goes to
/// those who waited, and is not kept.
///
/// An entry that is to be computed anew while it is served ([`stale`](super::CacheBuilder::stale),
/// [`refresh_ahead`](super::CacheBuilder::refresh_ahead)) makes nobody wait but the one who computes. That lookup counts as
/// a hit too, since it found a value.
///
/// ```
/// use everfresh::memory::Cache;
/// use std::time::Duration;
///
/// let cache: Cache<String, usize> = Cache::new(100);
/// let length = |text: &str| cache.lookup(text).ttl(Duration::from_secs(60)).tag("lengths").or_compute(|| text.len());
/// assert_eq!(length("four"), 4);
/// assert_eq!(cache.invalidate_tag("lengths"), 1);
/// ```
#[must_use = "a lookup does nothing until it computes"]
pub struct Lookup<'a, K, V, S = DefaultHashBuilder, Q: ?Sized = K> {
    pub(super) cache: &'a Cache<K, V, S>,
    pub(super) key: &'a Q,
    pub(super) options: EntryOptions,
    /// How to compare a value that is there with one that is computed to verify it.
    pub(super) same: Option<Same<V>>,
}

impl<K, V, S, Q: ?Sized> fmt::Debug for Lookup<'_, K, V, S, Q> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lookup").field("options", &self.options).finish_non_exhaustive()
    }
}

impl<'a, K, V, S, Q: ?Sized> Lookup<'a, K, V, S, Q> {
    pub(super) fn new(cache: &'a Cache<K, V, S>, key: &'a Q) -> Self {
        Self { cache, key, options: EntryOptions::default(), same: None }
    }

    /// How long a value that is computed lives at most.
    ///
    /// ```
    /// use everfresh::memory::{Cache, ManualClock};
    /// use std::{sync::Arc, time::Duration};
    ///
    /// let (clock, second) = (Arc::new(ManualClock::default()), Duration::from_secs(1));
    /// let cache = Cache::builder().clock(clock.clone()).build();
    /// assert_eq!(cache.lookup(&"rate").ttl(second).or_compute(|| 4), 4);
    /// clock.advance(second);
    /// assert_eq!(cache.get("rate"), None);
    /// ```
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.options = self.options.ttl(ttl);
        self
    }

    /// A tag of a value that is computed. There may be several.
    ///
    /// ```
    /// use everfresh::memory::Cache;
    ///
    /// let cache = Cache::new(10);
    /// assert_eq!(cache.lookup(&"EUR").tag("rates").tag("europe").or_compute(|| 4), 4);
    /// assert_eq!((cache.invalidate_tag("europe"), cache.get("EUR")), (1, None));
    /// ```
    pub fn tag(mut self, tag: impl Into<Arc<str>>) -> Self {
        self.options = self.options.tag(tag);
        self
    }
}

impl<'a, K, V, S, Q> Lookup<'a, K, V, S, Q>
where
    K: Clone + Eq + Hash,
    V: Clone,
    S: BuildHasher,
    Q: KeyRef<K> + ?Sized,
{
    /// Computes the value in any case, also if there is one, which others are served meanwhile. If the computation fails, what
    /// there was stays; where the cache serves values [stale](super::CacheBuilder::stale), it is given in place of an error.
    ///
    /// ```
    /// use everfresh::memory::Cache;
    ///
    /// let cache = Cache::new(10);
    /// cache.insert("rate", 4)?;
    /// assert_eq!(cache.lookup(&"rate").anew().or_try_compute(|| Err("down")), Err("down"));
    /// assert_eq!((cache.lookup(&"rate").anew().or_compute(|| 5), cache.get("rate")), (5, Some(5)));
    /// # Ok::<_, everfresh::memory::Refused>(())
    /// ```
    pub fn anew(mut self) -> Self {
        self.options.anew = true;
        self
    }

    /// How long it took to compute what is put in.
    pub(crate) fn cost(mut self, cost: Duration) -> Self {
        self.options = self.options.cost(cost);
        self
    }

    #[inline]
    pub(super) fn start(&self) -> Start<'a, K, V> {
        match self.options.anew {
            true => self.cache.start_anew(self.key),
            false => self.cache.start(self.key, self.same.is_some()),
        }
    }

    /// The value, or what `compute` gives. Blocks the thread while another caller computes it.
    ///
    /// ```
    /// use everfresh::memory::Cache;
    ///
    /// let cache = Cache::new(10);
    /// assert_eq!(cache.lookup(&12).or_compute(|| 12 * 12), 144);
    /// assert_eq!(cache.lookup(&12).or_compute(|| unreachable!("it is there")), 144);
    /// ```
    pub fn or_compute(self, compute: impl FnOnce() -> V) -> V {
        let Ok(value) = self.or_try_compute(|| Ok::<_, Infallible>(compute()));
        value
    }

    /// The value, or what `compute` gives; an error is not kept. Blocks the thread while another caller computes it.
    ///
    /// ```
    /// use everfresh::memory::Cache;
    ///
    /// let cache: Cache<&str, u16> = Cache::new(10);
    /// assert!(cache.lookup(&"port").or_try_compute(|| "http".parse()).is_err());
    /// assert_eq!(cache.lookup(&"port").or_try_compute(|| "80".parse()), Ok(80));
    /// ```
    ///
    /// # Errors
    /// Those of `compute`, unless there is an old value that may be served [stale](super::CacheBuilder::stale), which is
    /// given in place of the error. Another caller's error is not handed on: this one tries in its place.
    pub fn or_try_compute<E>(self, compute: impl FnOnce() -> Result<V, E>) -> Result<V, E> {
        self.or_try_serve(compute).map(|served| served.value)
    }

    /// The same, and whether what was served is stale, so that nothing that is made of it may be kept.
    ///
    /// ```
    /// use everfresh::memory::Cache;
    ///
    /// let cache = Cache::new(10);
    /// let served = cache.lookup(&1).or_try_serve(|| "7".parse::<u32>())?;
    /// assert_eq!((served.value, served.stale), (7, false));
    /// # Ok::<_, std::num::ParseIntError>(())
    /// ```
    ///
    /// # Errors
    /// As of [`or_try_compute`](Self::or_try_compute).
    #[inline]
    pub fn or_try_serve<E>(self, compute: impl FnOnce() -> Result<V, E>) -> Result<Served<V>, E> {
        match self.start() {
            Start::Served(served) => Ok(served),
            start => self.go_on(start, compute),
        }
    }

    #[inline(never)]
    fn go_on<E>(self, mut start: Start<'a, K, V>, compute: impl FnOnce() -> Result<V, E>) -> Result<Served<V>, E> {
        let (lead, old) = loop {
            start = match start {
                Start::Served(served) => return Ok(served),
                Start::Lead(lead, old) => break (lead, old),
                Start::Again => return compute().map(|value| self.beside(value)),
                Start::Wait(wait) => match wait.wait() {
                    // What it hangs on is with the entry.
                    Waited::Value(_) if self.cache.is_watched() => self.cache.start(self.key, self.same.is_some()),
                    Waited::Value(value) => return Ok(Served::fresh(value)),
                    Waited::Lead(lead) => break (lead, None),
                    Waited::Blocked => return compute().map(|value| self.beside(value)),
                },
            }
        };
        Attempt::new(self, lead, old).run(compute)
    }

    /// The value, or what the future gives, which is polled only if there is none. Another caller's computation is awaited.
    ///
    /// ```
    /// use everfresh::memory::Cache;
    ///
    /// # use std::{pin::pin, task::{Context, Poll, Waker}};
    /// # let example = async {
    /// let cache = Cache::new(10);
    /// assert_eq!(cache.lookup(&12).or_compute_async(async { 12 * 12 }).await, 144);
    /// assert_eq!(cache.lookup(&12).or_compute_async(async { unreachable!("it is there") }).await, 144);
    /// # };
    /// # assert_eq!(pin!(example).poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(()));
    /// ```
    pub async fn or_compute_async(self, compute: impl Future<Output = V>) -> V {
        let Ok(value) = self.or_try_compute_async(async { Ok::<_, Infallible>(compute.await) }).await;
        value
    }

    /// The value, or what the future gives; an error is not kept.
    ///
    /// ```
    /// use everfresh::memory::Cache;
    ///
    /// # use std::{pin::pin, task::{Context, Poll, Waker}};
    /// # let example = async {
    /// let cache: Cache<&str, u16> = Cache::new(10);
    /// assert!(cache.lookup(&"port").or_try_compute_async(async { "http".parse() }).await.is_err());
    /// assert_eq!(cache.lookup(&"port").or_try_compute_async(async { "80".parse() }).await, Ok(80));
    /// # };
    /// # assert_eq!(pin!(example).poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(()));
    /// ```
    ///
    /// # Errors
    /// As of [`or_try_compute`](Self::or_try_compute).
    pub async fn or_try_compute_async<E>(self, compute: impl Future<Output = Result<V, E>>) -> Result<V, E> {
        self.or_try_serve_async(compute).await.map(|served| served.value)
    }

    /// The same, and whether what was served is stale.
    ///
    /// ```
    /// use everfresh::memory::{Cache, Served};
    ///
    /// # use std::{pin::pin, task::{Context, Poll, Waker}};
    /// # let example = async {
    /// let cache: Cache<&str, u16> = Cache::new(10);
    /// let served = cache.lookup(&"port").or_try_serve_async(async { "80".parse() }).await;
    /// assert_eq!(served, Ok(Served { value: 80, stale: false }));
    /// # };
    /// # assert_eq!(pin!(example).poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(()));
    /// ```
    ///
    /// # Errors
    /// As of [`or_try_compute`](Self::or_try_compute).
    pub async fn or_try_serve_async<E>(self, compute: impl Future<Output = Result<V, E>>) -> Result<Served<V>, E> {
        match self.start() {
            Start::Served(served) => Ok(served),
            start => self.go_on_async(start, compute).await,
        }
    }

    pub(super) async fn go_on_async<E>(
        self,
        mut start: Start<'a, K, V>,
        compute: impl Future<Output = Result<V, E>>,
    ) -> Result<Served<V>, E> {
        let (lead, old) = loop {
            start = match start {
                Start::Served(served) => return Ok(served),
                Start::Lead(lead, old) => break (lead, old),
                Start::Again => return compute.await.map(|value| self.beside(value)),
                Start::Wait(wait) => match wait.await {
                    Waited::Value(_) if self.cache.is_watched() => self.cache.start(self.key, self.same.is_some()),
                    Waited::Value(value) => return Ok(Served::fresh(value)),
                    Waited::Lead(lead) => break (lead, None),
                    Waited::Blocked => return compute.await.map(|value| self.beside(value)),
                },
            }
        };
        Attempt::new(self, lead, old).run_async(compute).await
    }

    /// What is computed beside all others: whoever calls hangs on its time, and on nobody removing values, as with any other.
    fn beside(&self, value: V) -> Served<V> {
        if is_recording() {
            let ttl = self.cache.ttl_of(&self.key.to_key(), &value, &self.options);
            self.cache.hand_up(None, ttl);
        }
        Served::fresh(value)
    }

    /// The value, which nobody waits for if there is an old one: where that is to be computed anew, a thread of its own
    /// does, and everybody has the old one at once. One thread for each value that is computed behind its callers; where
    /// there is no value at all, `compute` runs on the caller's. A panic behind counts as a failure.
    ///
    /// ```
    /// use everfresh::memory::{Cache, ManualClock};
    /// use std::{sync::Arc, time::Duration};
    ///
    /// let (clock, second) = (Arc::new(ManualClock::default()), Duration::from_secs(1));
    /// let cache = Cache::builder().ttl(60 * second).stale(60 * second).clock(clock.clone()).build();
    /// assert_eq!(cache.lookup(&"rate").or_compute_behind(|| 4), 4);
    /// clock.advance(60 * second);
    /// assert_eq!(cache.lookup(&"rate").or_compute_behind(|| 5), 4);
    /// while cache.get("rate") != Some(5) {
    ///     std::thread::yield_now();
    /// }
    /// ```
    pub fn or_compute_behind(self, compute: impl FnOnce() -> V + Send + 'static) -> V
    where
        K: Send + Sync + 'static,
        V: Send + Sync + 'static,
        S: Send + Sync + 'static,
    {
        let Ok(served) = self.or_try_serve_behind(|| Ok::<_, Infallible>(compute()));
        served.value
    }

    /// The same for a computation that can fail, and whether what was served is stale. An error behind counts as a
    /// failure; nobody is told.
    ///
    /// ```
    /// use everfresh::memory::{Cache, ManualClock, Served};
    /// use std::{sync::Arc, time::Duration};
    ///
    /// let (clock, second) = (Arc::new(ManualClock::default()), Duration::from_secs(1));
    /// let cache = Cache::builder().ttl(60 * second).stale(60 * second).clock(clock.clone()).build();
    /// assert_eq!(cache.get_or_compute(&"rate", || 4), 4);
    /// clock.advance(60 * second);
    /// let served = cache.lookup(&"rate").or_try_serve_behind(|| Err("no answer"));
    /// assert_eq!(served, Ok(Served { value: 4, stale: true }));
    /// ```
    ///
    /// # Errors
    /// Those of `compute` if there was no value.
    pub fn or_try_serve_behind<E>(self, compute: impl FnOnce() -> Result<V, E> + Send + 'static) -> Result<Served<V>, E>
    where
        K: Send + Sync + 'static,
        V: Send + Sync + 'static,
        S: Send + Sync + 'static,
    {
        let (lead, old) = match self.start() {
            Start::Lead(lead, Some(old)) => (lead, old),
            start => return self.go_on(start, compute),
        };
        let Self { cache, key, options, same } = self;
        let (behind, hash, flight, served) = (cache.clone(), cache.hash(key), lead.flight(), old.served.clone());
        let refresh = move || {
            let lead = behind.part(hash).flights.resume(flight);
            let key = lead.key().clone();
            let lookup = Lookup { cache: &behind, key: &key, options, same };
            // What counts of it is counted.
            let _ = Attempt::new(lookup, lead, Some(old)).run(compute);
        };
        match thread::Builder::new().name("everfresh-refresh".to_owned()).spawn(refresh) {
            Ok(_) => lead.hand_over(),
            Err(_) => cache.count_failure(key),
        }
        Ok(cache.serve(hash, served))
    }
}

/// A computation by the caller that leads.
pub(super) struct Attempt<'a, K, V, S, Q: ?Sized> {
    lookup: Lookup<'a, K, V, S, Q>,
    lead: Lead<'a, K, V>,
    old: Option<Old<V>>,
    reading: Reading,
    started: Instant,
}

impl<'a, K, V, S, Q> Attempt<'a, K, V, S, Q>
where
    K: Clone + Eq + Hash,
    V: Clone,
    S: BuildHasher,
    Q: KeyRef<K> + ?Sized,
{
    pub(super) fn new(lookup: Lookup<'a, K, V, S, Q>, lead: Lead<'a, K, V>, old: Option<Old<V>>) -> Self {
        Self { lookup, lead, old, reading: Reading(Frame::plain()), started: Instant::now() }
    }

    fn run<E>(self, compute: impl FnOnce() -> Result<V, E>) -> Result<Served<V>, E> {
        // A panic counts before the lead goes to somebody else.
        let failed = Failed(|| self.lookup.cache.count_failure(self.lookup.key));
        let result = self.lead.run(|| {
            let _entered = self.reading.0.enter();
            compute()
        });
        failed.unless(result.is_ok());
        self.end(result)
    }

    pub(super) async fn run_async<E>(self, compute: impl Future<Output = Result<V, E>>) -> Result<Served<V>, E> {
        let failed = Failed(|| self.lookup.cache.count_failure(self.lookup.key));
        let result = self.lead.run_async(self.reading.0.run_async(compute)).await;
        failed.unless(result.is_ok());
        self.end(result)
    }

    fn end<E>(self, result: Result<V, E>) -> Result<Served<V>, E> {
        let Self { lookup: Lookup { cache, key, mut options, same }, lead, old, reading, started } = self;
        let value = match (result, &old) {
            (Ok(value), _) => value,
            (Err(error), old) => {
                drop(reading);
                return old.as_ref().and_then(|_| cache.rescue(key)).ok_or(error);
            }
        };
        match Read::of(&reading.0, |what| cache.count_effect(cache.hash(key), &what)) {
            // Whoever waits computes for itself.
            Read::Unsteady(recorded) => {
                cache.pass_on(cache.hash(key), *recorded, started.elapsed());
                return Ok(Served::fresh(value));
            }
            Read::Steady(made, within) => {
                if made.is_some() {
                    cache.inner.observing.store(true, Relaxed);
                }
                (options.made, options.within) = (made, within);
            }
        }
        if let (Some(same), Some(old)) = (same, old)
            && !old.due
            && cache.verify(key, same(&old.served.value, &value), started)
        {
            return Ok(old.served);
        }
        Ok(Served::fresh(cache.land(lead, value, started, options)))
    }
}

/// Counts a computation that gives an error, panics or is cancelled.
pub(crate) struct Failed<F: Fn()>(pub(crate) F);

impl<F: Fn()> Failed<F> {
    pub(crate) fn unless(self, good: bool) {
        if good {
            std::mem::forget(self);
        }
    }
}

impl<F: Fn()> Drop for Failed<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}
