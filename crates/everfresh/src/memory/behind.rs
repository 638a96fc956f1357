//! Values that a task computes behind its callers, on an executor that they name.

use super::{
    key::KeyRef,
    lookup::{Attempt, Lookup},
    refresh::{Served, Start},
};
use std::{
    convert::Infallible,
    future::Future,
    hash::{BuildHasher, Hash},
    pin::Pin,
};

/// What computes a value behind its callers, for an executor to run to its end. Dropped before that, it counts as a failure,
/// and whoever comes next may compute.
///
/// ```
/// use everfresh::memory::Refresh;
///
/// fn spawn(refresh: Refresh, tasks: &mut Vec<Refresh>) {
///     tasks.push(refresh);
/// }
/// ```
pub type Refresh = Pin<Box<dyn Future<Output = ()> + Send>>;

impl<K, V, S, Q> Lookup<'_, K, V, S, Q>
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
    S: BuildHasher + Send + Sync + 'static,
    Q: KeyRef<K> + ?Sized,
{
    /// The value, which nobody waits for if there is an old one: where that is to be computed anew, a task of its own does,
    /// which is given to `spawn` (`tokio::spawn`), and everybody has the old one at once. Where there is no value at all, the
    /// future is part of the caller. A panic behind counts as a failure.
    ///
    /// ```
    /// use everfresh::memory::{Cache, ManualClock};
    /// use std::{sync::Arc, time::Duration};
    ///
    /// # use std::{pin::pin, task::{Context, Poll, Waker}};
    /// # let example = async {
    /// let (clock, minute) = (Arc::new(ManualClock::default()), Duration::from_secs(60));
    /// let cache = Cache::builder().ttl(minute).stale(minute).clock(clock.clone()).build();
    /// let mut tasks = Vec::new();
    /// let mut spawn = |refresh| tasks.push(refresh);
    /// assert_eq!(cache.lookup(&"rate").or_compute_async_behind(async { 4 }, &mut spawn).await, 4);
    /// clock.advance(minute);
    /// assert_eq!(cache.lookup(&"rate").or_compute_async_behind(async { 5 }, &mut spawn).await, 4);
    /// for task in tasks {
    ///     task.await;
    /// }
    /// assert_eq!(cache.get("rate"), Some(5));
    /// # };
    /// # assert_eq!(pin!(example).poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(()));
    /// ```
    pub async fn or_compute_async_behind<T>(
        self,
        compute: impl Future<Output = V> + Send + 'static,
        spawn: impl FnOnce(Refresh) -> T,
    ) -> V {
        let compute = async { Ok::<_, Infallible>(compute.await) };
        let Ok(served) = self.or_try_serve_async_behind(compute, spawn).await;
        served.value
    }

    /// The same for a future that can fail, and whether what was served is stale. An error behind counts as a failure;
    /// nobody is told.
    ///
    /// ```
    /// use everfresh::memory::{Cache, Refresh};
    ///
    /// # use std::{pin::pin, task::{Context, Poll, Waker}};
    /// # let example = async {
    /// let cache: Cache<&str, u16> = Cache::new(10);
    /// let spawn = |_: Refresh| unreachable!("there is no old value");
    /// let served = cache.lookup(&"port").or_try_serve_async_behind(async { "80".parse() }, spawn).await?;
    /// assert_eq!((served.value, served.stale), (80, false));
    /// # Ok::<_, std::num::ParseIntError>(())
    /// # };
    /// # assert_eq!(pin!(example).poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(Ok(())));
    /// ```
    ///
    /// # Errors
    /// Those of `compute` if there was no value.
    pub async fn or_try_serve_async_behind<E, T>(
        self,
        compute: impl Future<Output = Result<V, E>> + Send + 'static,
        spawn: impl FnOnce(Refresh) -> T,
    ) -> Result<Served<V>, E> {
        let (lead, old) = match self.start() {
            Start::Lead(lead, Some(old)) => (lead, old),
            start => return self.go_on_async(start, compute).await,
        };
        let Self { cache, key, options, same } = self;
        let (behind, hash, flight, served) = (cache.clone(), cache.hash(key), lead.flight(), old.served.clone());
        let never_run = {
            let (cache, flight) = (cache.clone(), lead.flight());
            OnDrop::new(move || {
                let lead = cache.part(hash).flights.resume(flight);
                cache.count_failure(lead.key());
            })
        };
        let refresh = async move {
            never_run.disarm();
            let lead = behind.part(hash).flights.resume(flight);
            let key = lead.key().clone();
            let lookup = Lookup { cache: &behind, key: &key, options, same };
            // What counts of it is counted.
            let _ = Attempt::new(lookup, lead, Some(old)).run_async(compute).await;
        };
        lead.hand_over();
        spawn(Box::pin(refresh));
        Ok(cache.serve(hash, served))
    }
}

/// Does something when it is dropped.
pub(crate) struct OnDrop<F: FnOnce()>(Option<F>);

impl<F: FnOnce()> OnDrop<F> {
    pub(crate) fn new(what: F) -> Self {
        Self(Some(what))
    }

    pub(crate) fn disarm(mut self) {
        self.0 = None;
    }
}

impl<F: FnOnce()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        if let Some(what) = self.0.take() {
            what();
        }
    }
}
