//! A result in the hands of a caller who keeps it too, and asks before each use whether it still holds.

use super::{
    Call,
    age::Age,
    held::Held,
    lookup::Found,
    reason::{Reason, Tier},
};
use crate::{Fingerprint, observation::Observation};
use serde::Serialize;
use std::{fmt, future::Future, sync::Arc, time::Duration};

/// A result with its trace, for a caller with a faster memory of its own: as long as [`Call::check`] says so, it may be used
/// again, and [`Call::reuse`] has to be told.
///
/// ```
/// use everfresh::Memo;
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("words");
/// let words = Memo::builder("Entry").build();
/// let entry = words.call(&path).or_try_compute_entry(|| everfresh::fs::exists(&path))?;
/// assert!(!*entry.value());
/// assert_eq!(words.call(&path).check(&entry), Ok(()));
/// std::fs::write(&path, "")?;
/// assert!(words.call(&path).check(&entry).is_err());
/// # Ok::<_, std::io::Error>(())
/// ```
pub struct Entry<V>(Arc<Held<V>>);

impl<V> Clone for Entry<V> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<V> fmt::Debug for Entry<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry").field("trace", &self.0.trace).finish_non_exhaustive()
    }
}

impl<V> Entry<V> {
    fn of(found: Found<V>) -> Self {
        Self(found.held)
    }

    /// The result.
    ///
    /// ```
    /// use everfresh::Memo;
    ///
    /// let Ok(entry) = Memo::builder("Entry::value").build().call(&12).or_try_compute_entry(|| Ok::<_, ()>(144)) else { return };
    /// assert_eq!(*entry.value(), 144);
    /// ```
    pub fn value(&self) -> &V {
        &self.0.value
    }

    /// What was read when it was computed.
    ///
    /// ```
    /// use everfresh::{Memo, observation::Observation};
    ///
    /// let memo = Memo::builder("Entry::observations").build();
    /// let read = || Ok::<_, ()>(everfresh::env::var_os("EVERFRESH_DOC_UNSET").is_some());
    /// let Ok(entry) = memo.call(&()).or_try_compute_entry(read) else { return };
    /// assert!(entry.observations().iter().any(|seen| matches!(seen, Observation::Env { .. })));
    /// ```
    pub fn observations(&self) -> &[Observation] {
        &self.0.trace.observations
    }

    /// When it was computed and when its time is over, since the Unix epoch; `None` is never.
    ///
    /// ```
    /// use everfresh::Memo;
    /// use std::time::Duration;
    ///
    /// let memo = Memo::builder("Entry::times").ttl(Duration::from_secs(5)).build();
    /// let Ok(entry) = memo.call(&12).or_try_compute_entry(|| Ok::<_, ()>(144)) else { return };
    /// let (made, expires) = entry.times();
    /// assert!(expires.is_some_and(|expires| expires > made));
    /// ```
    pub fn times(&self) -> (Duration, Option<Duration>) {
        let since = |ns: i64| Duration::from_nanos(ns.try_into().unwrap_or_default());
        (since(self.0.trace.made_ns), self.0.trace.expires_ns.map(since))
    }

    /// How long it took to compute, and its size in the store in bytes, 0 if it is not there.
    ///
    /// ```
    /// use everfresh::Memo;
    ///
    /// let memo = Memo::builder("Entry::cost").build();
    /// let Ok(entry) = memo.call(&12).or_try_compute_entry(|| Ok::<_, ()>(144)) else { return };
    /// assert_eq!(entry.cost().1, 0);
    /// ```
    pub fn cost(&self) -> (Duration, u64) {
        (Duration::from_nanos(self.0.trace.cost_ns), self.0.trace.bytes)
    }

    /// The result's name in the store, by which [`Memo::stored`](super::Memo::stored) finds it; `None` if it is not there.
    ///
    /// ```
    /// use everfresh::Memo;
    ///
    /// let memo = Memo::builder("Entry::output").build();
    /// let Ok(entry) = memo.call(&12).or_try_compute_entry(|| Ok::<_, ()>(144)) else { return };
    /// assert_eq!(entry.output(), None);
    /// ```
    pub fn output(&self) -> Option<Fingerprint> {
        (self.0.trace.bytes > 0).then_some(self.0.trace.output)
    }

    /// Why it must not be used again, if so: something that it was made from changed meanwhile, or cannot be looked at.
    ///
    /// ```
    /// use everfresh::{Memo, observe};
    ///
    /// let memo = Memo::builder("Entry::unstorable").build();
    /// let asks = || {
    ///     observe::refuse("it asks a server");
    ///     Ok::<_, ()>(5)
    /// };
    /// let Ok(entry) = memo.call(&()).or_try_compute_entry(asks) else { return };
    /// assert_eq!(entry.unstorable(), Some("it asks a server"));
    /// ```
    pub fn unstorable(&self) -> Option<&str> {
        self.0.unstorable.as_deref()
    }
}

impl<V: Clone, A: Serialize + ?Sized> Call<'_, V, A> {
    /// As [`or_try_compute`](Call::or_try_compute), with the result's trace.
    ///
    /// ```
    /// use everfresh::Memo;
    ///
    /// let squares = Memo::builder("Call::or_try_compute_entry").build();
    /// let Ok(entry) = squares.call(&12).or_try_compute_entry(|| Ok::<_, ()>(144)) else { return };
    /// assert_eq!((*entry.value(), entry.unstorable()), (144, None));
    /// ```
    ///
    /// # Errors
    /// Those of `compute`.
    pub fn or_try_compute_entry<E>(&self, compute: impl FnOnce() -> Result<V, E>) -> Result<Entry<V>, E> {
        match self.counted_lookup() {
            Some(lookup) => lookup.run(compute).map(Entry::of),
            None => self.beside().run(compute).map(Entry::of),
        }
    }

    /// As [`or_try_compute_async`](Call::or_try_compute_async), with the result's trace.
    ///
    /// ```
    /// use everfresh::Memo;
    ///
    /// let squares = Memo::builder("Call::or_try_compute_entry_async").build();
    /// let answer = async {
    ///     squares.call(&12).or_try_compute_entry_async(async { Ok::<_, ()>(144) }).await.map(|entry| *entry.value())
    /// };
    /// # let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    /// # assert_eq!(std::pin::pin!(answer).poll(&mut context), std::task::Poll::Ready(Ok(144)));
    /// ```
    ///
    /// # Errors
    /// Those of `compute`.
    pub async fn or_try_compute_entry_async<E>(
        &self,
        compute: impl Future<Output = Result<V, E>>,
    ) -> Result<Entry<V>, E> {
        match self.counted_lookup() {
            Some(lookup) => lookup.run_async(compute).await.map(Entry::of),
            None => self.beside().run_async(compute).await.map(Entry::of),
        }
    }

    /// The result that is kept, with its trace, if all that it was made from is unchanged. Counts as a use, as
    /// [`get`](Call::get) does.
    ///
    /// ```
    /// use everfresh::Memo;
    ///
    /// let squares = Memo::builder("Call::entry").build();
    /// assert!(squares.call(&12).entry().is_none());
    /// assert_eq!(squares.call(&12).or_compute(|| 144), 144);
    /// assert!(squares.call(&12).entry().is_some_and(|entry| *entry.value() == 144));
    /// ```
    pub fn entry(&self) -> Option<Entry<V>> {
        self.counted_lookup()?.find_if(|found| found.age == Age::Fresh).map(Entry::of)
    }

    /// Whether a result that the caller kept may be used now; one that is [stale](super::MemoBuilder::stale) may not.
    ///
    /// ```
    /// use everfresh::Memo;
    ///
    /// let squares = Memo::builder("Call::check").build();
    /// let Ok(entry) = squares.call(&12).or_try_compute_entry(|| Ok::<_, ()>(144)) else { return };
    /// assert_eq!(squares.call(&12).check(&entry), Ok(()));
    /// squares.clear();
    /// assert!(squares.call(&12).check(&entry).is_err());
    /// ```
    ///
    /// # Errors
    /// The reason why not.
    pub fn check(&self, entry: &Entry<V>) -> Result<(), Reason> {
        if let Some(why) = entry.unstorable() {
            return Err(Reason::NoKey { error: why.to_owned() });
        }
        self.lookup().map_err(|error| Reason::NoKey { error })?.check_fresh(&entry.0.trace)
    }

    /// A result that the caller kept is used: what it was made from counts for the computation that calls.
    ///
    /// ```
    /// use everfresh::Memo;
    ///
    /// let squares = Memo::builder("Call::reuse").build();
    /// let Ok(entry) = squares.call(&12).or_try_compute_entry(|| Ok::<_, ()>(144)) else { return };
    /// squares.call(&12).reuse(&entry);
    /// assert_eq!(squares.stats().hits(), 1);
    /// ```
    pub fn reuse(&self, entry: &Entry<V>) {
        let inner = &*self.memo.inner;
        inner.counts.hit(Tier::Memory);
        inner.serve(Found::new(Arc::clone(&entry.0)));
    }
}
