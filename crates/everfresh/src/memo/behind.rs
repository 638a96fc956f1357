//! Results that a task computes behind its callers, on an executor that they name.

use super::{
    Call,
    counts::count,
    disk::Disk,
    flight::{Attempt, Ready, Start},
    lock::{KeyLock, Moving},
    lookup::{Found, Lookup},
};
use crate::memory::{Lead, OnDrop, Refresh, Served};
use serde::Serialize;
use std::{
    convert::Infallible,
    future::Future,
    sync::{Arc, Mutex, PoisonError},
};

impl<V: Clone + Send + Sync + 'static, A: Serialize + ?Sized> Call<'_, V, A> {
    /// The result, which nobody waits for if there is an old one: where that is to be computed anew
    /// ([`stale`](super::MemoBuilder::stale), [`refresh_ahead`](super::MemoBuilder::refresh_ahead)), a task of its own does,
    /// which is given to `spawn` (`tokio::spawn`), and everybody has the old one at once. Where there is none at all, the future
    /// is part of the caller. A panic behind counts as a failure.
    ///
    /// ```
    /// use everfresh::{Memo, memory::ManualClock};
    /// use std::{sync::Arc, time::Duration};
    ///
    /// let (clock, minute) = (Arc::new(ManualClock::default()), Duration::from_secs(60));
    /// let rates = Memo::builder("Call::or_compute_async_behind").ttl(minute).stale(minute).clock(clock.clone()).build();
    /// let example = async {
    ///     let mut tasks = Vec::new();
    ///     let mut spawn = |refresh| tasks.push(refresh);
    ///     assert_eq!(rates.call(&"EUR").or_compute_async_behind(async { 4 }, &mut spawn).await, 4);
    ///     clock.advance(minute);
    ///     assert_eq!(rates.call(&"EUR").or_compute_async_behind(async { 5 }, &mut spawn).await, 4);
    ///     for task in tasks {
    ///         task.await;
    ///     }
    ///     rates.get(&"EUR")
    /// };
    /// # let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    /// # let found = std::pin::pin!(example).poll(&mut context);
    /// assert_eq!(found, std::task::Poll::Ready(Some(5)));
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
    /// use everfresh::{Memo, memory::{Refresh, Served}};
    ///
    /// let numbers = Memo::builder("Call::or_try_serve_async_behind").build();
    /// let spawn = |_: Refresh| unreachable!("there is no old result");
    /// let served = numbers.call("7").or_try_serve_async_behind(async { "7".parse::<u32>() }, spawn);
    /// # let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    /// # let served = std::pin::pin!(served).poll(&mut context);
    /// assert_eq!(served, std::task::Poll::Ready(Ok(Served { value: 7, stale: false })));
    /// ```
    ///
    /// # Errors
    /// Those of `compute` if there was no result.
    pub async fn or_try_serve_async_behind<E, T>(
        self,
        compute: impl Future<Output = Result<V, E>> + Send + 'static,
        spawn: impl FnOnce(Refresh) -> T,
    ) -> Result<Served<V>, E> {
        match self.counted_lookup() {
            Some(lookup) => lookup.run_async_behind(compute, spawn).await.map(Found::served),
            None => compute.await.map(Served::fresh),
        }
    }
}

impl<V: Clone + Send + Sync + 'static> Lookup<'_, V> {
    async fn run_async_behind<E, T>(
        self,
        compute: impl Future<Output = Result<V, E>> + Send + 'static,
        spawn: impl FnOnce(Refresh) -> T,
    ) -> Result<Found<V>, E> {
        let (lead, old) = match self.start() {
            Start::Lead(lead, Some(old)) => (lead, old),
            start => return self.go_on_async(start, compute).await,
        };
        let Ready { lock, lead, .. } = match self.ready(lead, None, Some(old.clone())) {
            Ok(ready) => ready,
            Err(found) => return Ok(self.memo.inner.serve(found)),
        };
        let Self { memo, key, terms } = self;
        let (moving, turn) = lock.map(KeyLock::leave).unzip();
        let moving = Arc::new(Mutex::new(moving));
        let (behind, terms, flight, found) = (memo.clone(), terms.clone(), lead.flight(), old.clone());
        let never_run = {
            let (memo, flight, old, moving) = (memo.clone(), lead.flight(), old.clone(), Arc::clone(&moving));
            OnDrop::new(move || {
                let inner = &*memo.inner;
                count(&inner.counts.failures);
                inner.ages.put_off(&old.held, inner.now_ns());
                drop(arrived(inner.disk.as_ref(), &moving));
                drop(inner.flights.resume(flight));
            })
        };
        let refresh = async move {
            never_run.disarm();
            let lead = behind.inner.flights.resume(flight);
            let lock = arrived(behind.inner.disk.as_ref(), &moving);
            let lookup = Lookup { memo: &behind, key, terms: &terms };
            // What counts of it is counted.
            let _ = Attempt::new(lookup, Ready { lock, lead, old: Some(found) }).run_async(compute).await;
        };
        turn.into_iter().for_each(Lead::hand_over);
        lead.hand_over();
        spawn(Box::pin(refresh));
        Ok(memo.inner.serve(old))
    }
}

/// The lock of a key, for whoever comes first.
fn arrived<'a, V>(disk: Option<&'a Disk<V>>, moving: &Mutex<Option<Moving>>) -> Option<KeyLock<'a>> {
    let moving = moving.lock().unwrap_or_else(PoisonError::into_inner).take();
    disk.zip(moving).map(|(disk, moving)| disk.arrive(moving))
}
