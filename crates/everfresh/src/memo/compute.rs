//! The value of a call: the one that is kept, or that somebody computes.

use super::{
    age::Age,
    beside::Beside,
    call::Call,
    lookup::{Found, Lookup},
    reason::{Explanation, Reason},
};
use crate::memory::Served;
use serde::Serialize;
use std::{convert::Infallible, future::Future, time::Duration};

impl<V: Clone, A: Serialize + ?Sized> Call<'_, V, A> {
    /// The result that is kept, or what `compute` gives. Blocks the thread while another caller computes it.
    ///
    /// ```
    /// use everfresh::Memo;
    ///
    /// let squares = Memo::builder("Call::or_compute").build();
    /// assert_eq!(squares.call(&12).or_compute(|| 144), 144);
    /// assert_eq!(squares.call(&12).or_compute(|| unreachable!("it is there")), 144);
    /// ```
    pub fn or_compute(self, compute: impl FnOnce() -> V) -> V {
        let Ok(value) = self.or_try_compute(|| Ok::<_, Infallible>(compute()));
        value
    }

    /// The result that is kept, or what `compute` gives; an error is not kept.
    ///
    /// ```
    /// use everfresh::Memo;
    ///
    /// let numbers = Memo::builder("Call::or_try_compute").build();
    /// let parse = |text: &str| numbers.call("number").or_try_compute(|| text.parse::<u32>());
    /// assert!(parse("twelve").is_err());
    /// assert_eq!((parse("12"), parse("twelve")), (Ok(12), Ok(12)));
    /// ```
    ///
    /// # Errors
    /// Those of `compute`, unless there is an old result that may be served [stale](super::MemoBuilder::stale), which is
    /// given in place of the error. Another caller's error is not handed on: this one tries in its place.
    pub fn or_try_compute<E>(self, compute: impl FnOnce() -> Result<V, E>) -> Result<V, E> {
        self.or_try_serve(compute).map(|served| served.value)
    }

    /// The result that is kept, or what the future gives, which is polled only if there is none.
    ///
    /// ```
    /// use everfresh::Memo;
    ///
    /// let squares = Memo::builder("Call::or_compute_async").build();
    /// let answer = async {
    ///     assert_eq!(squares.call(&12).or_compute_async(async { 144 }).await, 144);
    ///     squares.call(&12).or_compute_async(std::future::pending()).await
    /// };
    /// # let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    /// # assert_eq!(std::pin::pin!(answer).poll(&mut context), std::task::Poll::Ready(144));
    /// assert_eq!(squares.get(&12), Some(144));
    /// ```
    pub async fn or_compute_async(self, compute: impl Future<Output = V>) -> V {
        let Ok(value) = self.or_try_compute_async(async { Ok::<_, Infallible>(compute.await) }).await;
        value
    }

    /// The same for a future that can fail; an error is not kept.
    ///
    /// ```
    /// use everfresh::Memo;
    ///
    /// let numbers = Memo::builder("Call::or_try_compute_async").build();
    /// let answer = async {
    ///     assert!(numbers.call("12").or_try_compute_async(async { "twelve".parse::<u32>() }).await.is_err());
    ///     numbers.call("12").or_try_compute_async(async { "12".parse::<u32>() }).await
    /// };
    /// # let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    /// # assert_eq!(std::pin::pin!(answer).poll(&mut context), std::task::Poll::Ready(Ok(12)));
    /// assert_eq!(numbers.get("12"), Some(12));
    /// ```
    ///
    /// # Errors
    /// As of [`or_try_compute`](Self::or_try_compute).
    pub async fn or_try_compute_async<E>(self, compute: impl Future<Output = Result<V, E>>) -> Result<V, E> {
        self.or_try_serve_async(compute).await.map(|served| served.value)
    }

    /// The same, and whether what was served is stale, so that nothing that is made of it may be kept.
    ///
    /// ```
    /// use everfresh::Memo;
    ///
    /// let numbers = Memo::builder("Call::or_try_serve").build();
    /// let served = numbers.call("7").or_try_serve(|| "7".parse::<u32>())?;
    /// assert_eq!((served.value, served.stale), (7, false));
    /// # Ok::<_, std::num::ParseIntError>(())
    /// ```
    ///
    /// # Errors
    /// As of [`or_try_compute`](Self::or_try_compute).
    pub fn or_try_serve<E>(self, compute: impl FnOnce() -> Result<V, E>) -> Result<Served<V>, E> {
        match self.counted_lookup() {
            Some(lookup) => lookup.run(compute).map(Found::served),
            None => self.beside().run(compute).map(Found::served),
        }
    }

    /// The same for a future.
    ///
    /// ```
    /// use everfresh::{Memo, memory::Served};
    ///
    /// let numbers = Memo::builder("Call::or_try_serve_async").build();
    /// let served = async { numbers.call("7").or_try_serve_async(async { "7".parse::<u32>() }).await };
    /// # let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    /// # let served = std::pin::pin!(served).poll(&mut context);
    /// assert_eq!(served, std::task::Poll::Ready(Ok(Served { value: 7, stale: false })));
    /// ```
    ///
    /// # Errors
    /// As of [`or_try_compute`](Self::or_try_compute).
    pub async fn or_try_serve_async<E>(self, compute: impl Future<Output = Result<V, E>>) -> Result<Served<V>, E> {
        match self.counted_lookup() {
            Some(lookup) => lookup.run_async(compute).await.map(Found::served),
            None => self.beside().run_async(compute).await.map(Found::served),
        }
    }

    /// The result, which nobody waits for if there is an old one: where that is to be computed anew
    /// ([`stale`](super::MemoBuilder::stale), [`refresh_ahead`](super::MemoBuilder::refresh_ahead)), a thread of its own does,
    /// and everybody has the old one at once. One thread for each result that is computed behind its callers; where there is
    /// none at all, `compute` runs on the caller's. A panic behind counts as a failure.
    ///
    /// ```
    /// use everfresh::{Memo, memory::ManualClock};
    /// use std::{sync::Arc, time::Duration};
    ///
    /// let (clock, minute) = (Arc::new(ManualClock::default()), Duration::from_secs(60));
    /// let rates = Memo::builder("Call::or_compute_behind").ttl(minute).stale(minute).clock(clock.clone()).build();
    /// assert_eq!(rates.call(&"EUR").or_compute_behind(|| 4), 4);
    /// clock.advance(minute);
    /// assert_eq!(rates.call(&"EUR").or_compute_behind(|| 5), 4);
    /// while rates.get(&"EUR") != Some(5) {
    ///     std::thread::yield_now();
    /// }
    /// ```
    pub fn or_compute_behind(self, compute: impl FnOnce() -> V + Send + 'static) -> V
    where
        V: Send + Sync + 'static,
    {
        let Ok(served) = self.or_try_serve_behind(|| Ok::<_, Infallible>(compute()));
        served.value
    }

    /// The same for a computation that can fail, and whether what was served is stale. An error behind counts as a failure;
    /// nobody is told.
    ///
    /// ```
    /// use everfresh::{Memo, memory::{ManualClock, Served}};
    /// use std::{sync::Arc, time::Duration};
    ///
    /// let (clock, minute) = (Arc::new(ManualClock::default()), Duration::from_secs(60));
    /// let rates = Memo::builder("Call::or_try_serve_behind").ttl(minute).stale(minute).clock(clock.clone()).build();
    /// assert_eq!(rates.get_or_compute(&"EUR", || 4), 4);
    /// clock.advance(minute);
    /// let served = rates.call(&"EUR").or_try_serve_behind(|| Err("no answer"));
    /// assert_eq!(served, Ok(Served { value: 4, stale: true }));
    /// ```
    ///
    /// # Errors
    /// Those of `compute` if there was no result.
    pub fn or_try_serve_behind<E>(self, compute: impl FnOnce() -> Result<V, E> + Send + 'static) -> Result<Served<V>, E>
    where
        V: Send + Sync + 'static,
    {
        match self.counted_lookup() {
            Some(lookup) => lookup.run_behind(compute).map(Found::served),
            None => self.beside().run(compute).map(Found::served),
        }
    }

    /// The result that is kept, if all that it was made from is unchanged.
    ///
    /// ```
    /// use everfresh::Memo;
    ///
    /// let squares = Memo::builder("Call::get").build();
    /// assert_eq!(squares.call(&12).get(), None);
    /// assert_eq!(squares.call(&12).or_compute(|| 144), 144);
    /// assert_eq!(squares.call(&12).get(), Some(144));
    /// ```
    pub fn get(self) -> Option<V> {
        self.counted_lookup()?.find_if(|found| found.age == Age::Fresh).map(|found| found.served().value)
    }

    /// The same, and a result whose time is over too, where the memo serves it [stale](super::MemoBuilder::stale).
    ///
    /// ```
    /// use everfresh::{Memo, memory::{ManualClock, Served}};
    /// use std::{sync::Arc, time::Duration};
    ///
    /// let (clock, minute) = (Arc::new(ManualClock::default()), Duration::from_secs(60));
    /// let rates = Memo::builder("Call::get_stale").ttl(minute).stale(minute).clock(clock.clone()).build();
    /// assert_eq!(rates.get_or_compute(&"EUR", || 4), 4);
    /// clock.advance(minute);
    /// assert_eq!((rates.get(&"EUR"), rates.call(&"EUR").get_stale()), (None, Some(Served { value: 4, stale: true })));
    /// ```
    pub fn get_stale(self) -> Option<Served<V>> {
        self.counted_lookup()?.find_if(|_| true).map(Found::served)
    }

    /// The result that is kept, if nothing is to be computed for it: that counts as a hit, and nothing else counts. So what
    /// [`or_try_serve_behind`](Self::or_try_serve_behind) needs to own is made only if it may be needed.
    ///
    /// ```
    /// use everfresh::Memo;
    ///
    /// let lengths = Memo::builder("Call::hit").build();
    /// let length = |text: &str| {
    ///     let call = lengths.call(text);
    ///     call.hit().unwrap_or_else(|| {
    ///         let text = text.to_owned();
    ///         call.or_compute_behind(move || text.len())
    ///     })
    /// };
    /// assert_eq!((length("four"), length("four")), (4, 4));
    /// assert_eq!((lengths.stats().misses, lengths.stats().hits()), (1, 1));
    /// ```
    pub fn hit(&self) -> Option<V> {
        let (inner, terms) = (&*self.memo.inner, &self.terms);
        let lookup = self.lookup().ok().filter(|_| !terms.anew && terms.same.is_none())?;
        let found = lookup.find(false).ok().filter(|found| !found.due && found.age == Age::Fresh)?;
        inner.counts.hit(found.tier);
        Some(inner.serve(found).served().value)
    }

    /// What the call would do now, and why. Nothing is computed, and nothing counts.
    ///
    /// ```
    /// use everfresh::Memo;
    ///
    /// let squares = Memo::builder("Call::explain").build();
    /// assert_eq!(squares.call(&12).or_compute(|| 144), 144);
    /// assert!(squares.call(&12).explain().is_hit());
    /// assert!(!squares.call(&12).value("unit", &"m").explain().is_hit());
    /// ```
    pub fn explain(self) -> Explanation {
        match self.lookup() {
            Ok(lookup) => lookup.explain(),
            Err(error) => Explanation::Miss { reason: Reason::NoKey { error } },
        }
    }
}

impl<V, A: Serialize + ?Sized> Call<'_, V, A> {
    /// The lookup; `None`, which is counted, if nothing is kept.
    pub(super) fn counted_lookup(&self) -> Option<Lookup<'_, V>> {
        self.lookup().map_err(|error| self.memo.inner.not_kept(&error)).ok()
    }

    /// For a call that has none.
    pub(super) fn beside(&self) -> Beside<'_, V> {
        Beside::new(&self.memo.inner, &self.terms, None)
    }
}

impl<V> Lookup<'_, V> {
    /// What is kept, if it is such a result.
    pub(super) fn find_if(&self, is_such: impl FnOnce(&Found<V>) -> bool) -> Option<Found<V>> {
        let inner = &*self.memo.inner;
        let reason = match self.find(false) {
            Ok(found) if is_such(&found) => {
                inner.counts.hit(found.tier);
                return Some(inner.serve(found));
            }
            // It could be served stale.
            Ok(_) => Reason::Expired { ago: Duration::ZERO },
            Err(reason) => reason,
        };
        inner.count_miss(&self.key, &reason);
        None
    }
}
