//! One lookup: the value that is there, or that somebody computes.

use super::{
    Cache,
    entry::EntryOptions,
    flight::{Joined, Waited},
    key::KeyRef,
};
use hashbrown::DefaultHashBuilder;
use std::{
    convert::Infallible,
    fmt,
    future::Future,
    hash::{BuildHasher, Hash},
    sync::Arc,
    time::{Duration, Instant},
};

/// A lookup of one key; made by [`Cache::lookup`].
///
/// Of all who look the same key up at once, threads and tasks alike, one computes and the others wait for it. If it gives an
/// error, panics or is cancelled, one of those who wait computes in its place. A caller that asks for a key again while it
/// computes that very key computes it once more, and does not wait for itself. A value that was invalidated while it was
/// computed goes to those who waited, and is not kept.
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
    cache: &'a Cache<K, V, S>,
    key: &'a Q,
    options: EntryOptions,
}

impl<K, V, S, Q: ?Sized> fmt::Debug for Lookup<'_, K, V, S, Q> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lookup").field("options", &self.options).finish_non_exhaustive()
    }
}

impl<'a, K, V, S, Q: ?Sized> Lookup<'a, K, V, S, Q> {
    pub(super) fn new(cache: &'a Cache<K, V, S>, key: &'a Q) -> Self {
        Self { cache, key, options: EntryOptions::default() }
    }

    /// How long a value that is computed lives at most.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.options = self.options.ttl(ttl);
        self
    }

    /// A tag of a value that is computed. There may be several.
    pub fn tag(mut self, tag: impl Into<Arc<str>>) -> Self {
        self.options = self.options.tag(tag);
        self
    }
}

impl<K, V, S, Q> Lookup<'_, K, V, S, Q>
where
    K: Clone + Eq + Hash,
    V: Clone,
    S: BuildHasher,
    Q: KeyRef<K> + ?Sized,
{
    /// The value, or what `compute` gives. Blocks the thread while another caller computes it.
    pub fn or_compute(self, compute: impl FnOnce() -> V) -> V {
        let Ok(value) = self.or_try_compute(|| Ok::<_, Infallible>(compute()));
        value
    }

    /// The value, or what `compute` gives; an error is not kept. Blocks the thread while another caller computes it.
    ///
    /// # Errors
    /// Those of `compute`. Another caller's error is not handed on: this one tries in its place.
    pub fn or_try_compute<E>(self, compute: impl FnOnce() -> Result<V, E>) -> Result<V, E> {
        let Self { cache, key, options } = self;
        let waited = match cache.find_or_join(key) {
            Err(value) => return Ok(value),
            Ok(Joined::Lead(lead)) => Waited::Lead(lead),
            Ok(Joined::Wait(wait)) => wait.wait(),
            Ok(Joined::Again) => Waited::Blocked,
        };
        match waited {
            Waited::Value(value) => Ok(value),
            Waited::Blocked => compute(),
            Waited::Lead(lead) => {
                let failed = Failed(|| cache.count_failure(key));
                let started = Instant::now();
                let value = lead.run(compute)?;
                std::mem::forget(failed);
                Ok(cache.land(lead, value, started, options))
            }
        }
    }

    /// The value, or what the future gives, which is polled only if there is none. Another caller's computation is awaited.
    pub async fn or_compute_async(self, compute: impl Future<Output = V>) -> V {
        let Ok(value) = self.or_try_compute_async(async { Ok::<_, Infallible>(compute.await) }).await;
        value
    }

    /// The value, or what the future gives; an error is not kept.
    ///
    /// # Errors
    /// Those of `compute`. Another caller's error is not handed on: this one tries in its place.
    pub async fn or_try_compute_async<E>(self, compute: impl Future<Output = Result<V, E>>) -> Result<V, E> {
        let Self { cache, key, options } = self;
        let waited = match cache.find_or_join(key) {
            Err(value) => return Ok(value),
            Ok(Joined::Lead(lead)) => Waited::Lead(lead),
            Ok(Joined::Wait(wait)) => wait.await,
            Ok(Joined::Again) => Waited::Blocked,
        };
        match waited {
            Waited::Value(value) => Ok(value),
            Waited::Blocked => compute.await,
            Waited::Lead(lead) => {
                let failed = Failed(|| cache.count_failure(key));
                let started = Instant::now();
                let value = lead.run_async(compute).await?;
                std::mem::forget(failed);
                Ok(cache.land(lead, value, started, options))
            }
        }
    }
}

/// Counts a computation that gives an error, panics or is cancelled, unless it is forgotten.
struct Failed<F: Fn()>(F);

impl<F: Fn()> Drop for Failed<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}
