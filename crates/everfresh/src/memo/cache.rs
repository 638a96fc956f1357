//! A function's results with their traces: the verbs.

use super::{
    age::Ages,
    builder::MemoBuilder,
    call::Call,
    counts::{Counts, MemoStats, add, count},
    disk::Disk,
    held::Kept,
    ledger::Ledger,
    reason::Explanation,
    shared::KeyFlights,
};
use crate::{
    Fingerprint, FingerprintBuilder,
    codec::{self, CodecError},
    disk::{Space, Store, StoreError},
    memory::{Cache, Cause, Clock},
    recording::{Generations, Versions},
};
use serde::Serialize;
use std::{
    fmt,
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

/// The results of a function, each served only while all that it was made from is unchanged: *computed once, never stale*.
/// Clones share them; all threads may use them at once.
///
/// What counts as made from: the arguments; the executable's build, or the version that stands in its place; the files,
/// folders and variables that are read inside through [`fs`](crate::fs) and [`env`](crate::env), also in the
/// computations of other memos that are called on the way; and what a [`call`](Self::call) declares. A result that is found
/// costs a look at each of them: a `stat` a file. Reads through anything else are not seen: declare them.
///
/// Arguments are told apart by their types and names as `serde` gives them; maps are sorted, but a hash *set* is a list of
/// random order, which finds nothing again: use a `BTreeSet`.
///
/// Of all who ask for one key at once one computes and the others wait, over threads and tasks, and with a store over
/// processes. A caller that comes back to its own key while it computes it computes once more, and so does one of those who
/// need each other's keys and would wait in a circle within the process. If the computation fails, panics or is cancelled, one
/// of those who wait takes over. A store that cannot be used never fails a call: it is as if nothing were kept, and the first
/// time is logged as a warning.
///
/// ```
/// use everfresh::Memo;
///
/// let squares: Memo<u64> = Memo::builder("squares").build();
/// assert_eq!(squares.get_or_compute(&12u64, || 144), 144);
/// assert_eq!(squares.get_or_compute(&12u64, || unreachable!("it is there")), 144);
/// assert!(squares.explain(&12u64).is_hit());
/// assert_eq!(squares.explain(&13u64).to_string(), "miss: nothing is kept for these arguments");
/// ```
pub struct Memo<V> {
    pub(super) inner: Arc<Inner<V>>,
}

pub(super) struct Inner<V> {
    pub(super) name: String,
    /// The beginning of each key.
    pub(super) function: FingerprintBuilder,
    /// A hash of its text, if that is known.
    pub(super) source: Option<u64>,
    pub(super) version: Option<u64>,
    pub(super) memory: Cache<Fingerprint, Arc<Kept<V>>>,
    pub(super) disk: Option<Disk<V>>,
    pub(super) flights: Arc<KeyFlights<V>>,
    pub(super) weigher: Option<Weigher<V>>,
    /// What all values in memory may weigh.
    pub(super) max_bytes: u64,
    pub(super) listener: Option<Listener<V>>,
    pub(super) ttl: Option<Duration>,
    pub(super) ttl_by: Option<TtlBy<V>>,
    pub(super) ages: Ages,
    pub(super) tags: Vec<String>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) counts: Counts,
    pub(super) ledger: Ledger,
    /// Whether somebody was warned that results are not kept, and that the function is not pure.
    pub(super) warned: AtomicBool,
    pub(super) warned_impure: AtomicBool,
    pub(super) versions: Option<Versions>,
}

pub(super) type Weigher<V> = Arc<dyn Fn(&V) -> u32 + Send + Sync>;
pub(super) type Listener<V> = Arc<dyn Fn(&V, Cause) + Send + Sync>;
pub(super) type TtlBy<V> = Arc<dyn Fn(&V) -> Option<Duration> + Send + Sync>;

impl<V> Inner<V> {
    pub(super) fn key<A: Serialize + ?Sized>(&self, arguments: &A) -> Result<Fingerprint, CodecError> {
        let arguments = codec::fingerprint(arguments)?;
        Ok(self.function.clone().fingerprint(&arguments).finish())
    }

    /// Says once why results are not kept.
    pub(super) fn not_kept(&self, why: &dyn fmt::Display) {
        count(&self.counts.unstored);
        self.warn(why);
    }

    pub(super) fn warn(&self, why: &dyn fmt::Display) {
        if !self.warned.swap(true, Relaxed) {
            tracing::warn!("a result of `{}` is not kept: {why}", self.name);
        }
    }

    pub(super) fn store(&self) -> Option<&Store> {
        self.disk.as_ref().map(|disk| &disk.store)
    }

    /// Tells the store what was done, now and then, and what was invalidated while it could not be told.
    pub(super) fn tell(&self) {
        if let Some(store) = self.store() {
            Generations::new(Some(store)).catch_up();
            self.ledger.write(store, &self.name, self.counts.calls(), || self.stats());
        }
    }

    /// Counts a computation that did more than give a result.
    pub(super) fn count_effect(&self, what: &str) {
        if self.counts.effects.fetch_add(1, Relaxed) == 0 {
            tracing::info!(function = self.name, "a computation has side effects: {what}");
        }
    }

    pub(super) fn stats(&self) -> MemoStats {
        self.counts.stats(&self.memory.stats())
    }

    /// Nanoseconds since the Unix epoch.
    pub(super) fn now_ns(&self) -> i64 {
        i64::try_from(self.clock.now().as_nanos()).unwrap_or(i64::MAX)
    }
}

impl<V> Clone for Memo<V> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<V> fmt::Debug for Memo<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { name, version, disk, .. } = &*self.inner;
        f.debug_struct("Memo").field("name", name).field("version", version).field("disk", disk).finish_non_exhaustive()
    }
}

impl<V> Memo<V> {
    /// Settings for the memo of a function. The name is part of each key: no two functions may have the same one, and a
    /// function that is to find its results in the store keeps its own.
    ///
    /// ```
    /// use everfresh::Memo;
    ///
    /// let squares: Memo<u64> = Memo::builder("Memo::builder").max_entries(1000).build();
    /// assert_eq!(squares.get_or_compute(&12, || 144), 144);
    /// ```
    pub fn builder(name: impl Into<String>) -> MemoBuilder<V> {
        MemoBuilder::new(name.into())
    }

    /// A call with these arguments, to which can be added what it depends on.
    ///
    /// ```
    /// use everfresh::Memo;
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("words");
    /// let sizes = Memo::builder("Memo::call").build();
    /// let size = || sizes.call(&"size").file(&path).or_try_compute(|| std::fs::read(&path).map(|all| all.len()));
    /// std::fs::write(&path, "a")?;
    /// assert_eq!(size()?, 1);
    /// std::fs::write(&path, "abc")?;
    /// assert_eq!(size()?, 3);
    /// # Ok::<_, std::io::Error>(())
    /// ```
    pub fn call<'a, A: ?Sized>(&'a self, arguments: &'a A) -> Call<'a, V, A> {
        Call::new(self, arguments)
    }

    /// What was done so far, in this process, and what is in its memory.
    ///
    /// ```
    /// use everfresh::Memo;
    ///
    /// let squares = Memo::builder("Memo::stats").build();
    /// (0..3).for_each(|_| _ = squares.get_or_compute(&12, || 144));
    /// assert_eq!((squares.stats().misses, squares.stats().hits()), (1, 2));
    /// ```
    pub fn stats(&self) -> MemoStats {
        self.inner.stats()
    }

    /// Forgets the result of these arguments, and makes out of date whatever was made with it. Whether there was one.
    ///
    /// ```
    /// use everfresh::Memo;
    ///
    /// let squares = Memo::builder("Memo::invalidate").build();
    /// assert_eq!(squares.get_or_compute(&12, || 144), 144);
    /// assert!(squares.invalidate(&12));
    /// assert_eq!(squares.get(&12), None);
    /// assert!(!squares.invalidate(&12));
    /// ```
    pub fn invalidate<A: Serialize + ?Sized>(&self, arguments: &A) -> bool {
        let key = match self.inner.key(arguments) {
            Ok(key) => key,
            Err(error) => {
                self.inner.not_kept(&error);
                return false;
            }
        };
        self.outdate(&Generations::of_key(&key));
        let in_memory = self.inner.memory.remove(&key).is_some();
        add(&self.inner.counts.invalidated, in_memory.into());
        let deleted = self.inner.store().map(|store| store.delete(Space::Traces, &key));
        let on_disk = deleted.unwrap_or(Ok(false)).unwrap_or_else(|error| {
            tracing::warn!("{error}");
            false
        });
        in_memory || on_disk
    }

    /// Lets go of the result of these arguments in memory, for a caller who keeps it elsewhere. Nothing becomes out of date,
    /// and what is in the store stays.
    ///
    /// ```
    /// use everfresh::Memo;
    ///
    /// let squares = Memo::builder("Memo::release").build();
    /// let Ok(entry) = squares.call(&12).or_try_compute_entry(|| Ok::<_, ()>(144)) else { return };
    /// squares.release(&12);
    /// assert_eq!(squares.get(&12), None);
    /// assert_eq!(squares.call(&12).check(&entry), Ok(()));
    /// ```
    pub fn release<A: Serialize + ?Sized>(&self, arguments: &A) {
        if let Ok(key) = self.inner.key(arguments) {
            self.inner.memory.remove(&key);
        }
    }

    /// Makes all results with a tag out of date, and whatever was made with them. With a store, for all processes.
    ///
    /// ```
    /// use everfresh::Memo;
    ///
    /// let rates = Memo::builder("Memo::invalidate_tag").build();
    /// rates.call(&"EUR").tag("bank").or_compute(|| 2);
    /// rates.call(&"BTC").tag("exchange").or_compute(|| 3);
    /// rates.invalidate_tag("bank");
    /// assert_eq!((rates.get(&"EUR"), rates.get(&"BTC")), (None, Some(3)));
    /// ```
    pub fn invalidate_tag(&self, tag: &str) {
        self.outdate(&Generations::of_tag(&self.inner.name, tag));
    }

    /// Makes all results out of date, and whatever was made with them. With a store, for all processes; they
    /// stay there until new ones take their places or `gc` wants the room.
    ///
    /// ```
    /// use everfresh::Memo;
    ///
    /// let squares = Memo::builder("Memo::clear").build();
    /// assert_eq!(squares.get_or_compute(&12, || 144), 144);
    /// squares.clear();
    /// assert_eq!(squares.get(&12), None);
    /// ```
    pub fn clear(&self) {
        self.outdate(&Generations::of_function(&self.inner.name));
        add(&self.inner.counts.invalidated, self.inner.memory.len() as u64);
        self.inner.memory.clear();
    }

    pub(super) fn outdate(&self, of: &Fingerprint) {
        // This process knows in any case.
        if let Err(error) = Generations::new(self.inner.store()).replace(of) {
            warn(&error);
        }
    }
}

fn warn(error: &StoreError) {
    tracing::warn!("{error}");
}

impl<V: Clone> Memo<V> {
    /// The result of these arguments that is kept, or what `compute` gives. See [`call`](Self::call).
    ///
    /// ```
    /// use everfresh::Memo;
    ///
    /// let squares = Memo::builder("Memo::get_or_compute").build();
    /// assert_eq!(squares.get_or_compute(&12, || 144), 144);
    /// assert_eq!(squares.get_or_compute(&12, || unreachable!("it is there")), 144);
    /// ```
    pub fn get_or_compute<A: Serialize + ?Sized>(&self, arguments: &A, compute: impl FnOnce() -> V) -> V {
        self.call(arguments).or_compute(compute)
    }

    /// The same for a computation that can fail; an error is not kept.
    ///
    /// ```
    /// use everfresh::Memo;
    ///
    /// let numbers = Memo::builder("Memo::try_get_or_compute").build();
    /// let parse = |text: &str| numbers.try_get_or_compute(text, || text.parse::<u32>());
    /// assert!(parse("twelve").is_err());
    /// assert_eq!((parse("12"), parse("12")), (Ok(12), Ok(12)));
    /// assert_eq!((numbers.stats().loads, numbers.stats().failures), (1, 1));
    /// ```
    ///
    /// # Errors
    /// Those of `compute`.
    pub fn try_get_or_compute<A: Serialize + ?Sized, E>(
        &self,
        arguments: &A,
        compute: impl FnOnce() -> Result<V, E>,
    ) -> Result<V, E> {
        self.call(arguments).or_try_compute(compute)
    }

    /// The same for a future, which is polled only if there is no result.
    ///
    /// ```
    /// use everfresh::Memo;
    ///
    /// let squares = Memo::builder("Memo::get_or_compute_async").build();
    /// let answer = async {
    ///     assert_eq!(squares.get_or_compute_async(&12, async { 144 }).await, 144);
    ///     squares.get_or_compute_async(&12, std::future::pending()).await
    /// };
    /// # let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    /// # assert_eq!(std::pin::pin!(answer).poll(&mut context), std::task::Poll::Ready(144));
    /// assert_eq!(squares.get(&12), Some(144));
    /// ```
    pub async fn get_or_compute_async<A: Serialize + ?Sized>(
        &self,
        arguments: &A,
        compute: impl Future<Output = V>,
    ) -> V {
        self.call(arguments).or_compute_async(compute).await
    }

    /// The same for a future that can fail; an error is not kept.
    ///
    /// ```
    /// use everfresh::Memo;
    ///
    /// let numbers = Memo::builder("Memo::try_get_or_compute_async").build();
    /// let answer = async {
    ///     assert!(numbers.try_get_or_compute_async("12", async { "twelve".parse::<u32>() }).await.is_err());
    ///     numbers.try_get_or_compute_async("12", async { "12".parse::<u32>() }).await
    /// };
    /// # let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    /// # assert_eq!(std::pin::pin!(answer).poll(&mut context), std::task::Poll::Ready(Ok(12)));
    /// assert_eq!(numbers.get("12"), Some(12));
    /// ```
    ///
    /// # Errors
    /// Those of `compute`.
    pub async fn try_get_or_compute_async<A: Serialize + ?Sized, E>(
        &self,
        arguments: &A,
        compute: impl Future<Output = Result<V, E>>,
    ) -> Result<V, E> {
        self.call(arguments).or_try_compute_async(compute).await
    }

    /// The result of these arguments, if it is kept and all that it was made from is unchanged.
    ///
    /// ```
    /// use everfresh::Memo;
    ///
    /// let squares = Memo::builder("Memo::get").build();
    /// assert_eq!(squares.get(&12), None);
    /// assert_eq!(squares.get_or_compute(&12, || 144), 144);
    /// assert_eq!(squares.get(&12), Some(144));
    /// ```
    pub fn get<A: Serialize + ?Sized>(&self, arguments: &A) -> Option<V> {
        self.call(arguments).get()
    }

    /// What a call with these arguments would do now, and why. Computes nothing.
    ///
    /// ```
    /// use everfresh::Memo;
    ///
    /// let squares = Memo::builder("Memo::explain").build();
    /// assert_eq!(squares.explain(&12).to_string(), "miss: nothing is kept for these arguments");
    /// assert_eq!(squares.get_or_compute(&12, || 144), 144);
    /// assert!(squares.explain(&12).is_hit());
    /// ```
    pub fn explain<A: Serialize + ?Sized>(&self, arguments: &A) -> Explanation {
        self.call(arguments).explain()
    }
}
