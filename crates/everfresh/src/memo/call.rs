//! One call of a function: what it depends on, then the value.

use super::{
    Memo,
    cache::Inner,
    counts::count,
    disk::Stored,
    held::{Held, Kept},
    reason::{Explanation, Reason, Tier},
};
use crate::{
    Fingerprint,
    build_id::build_id,
    codec,
    memory::nanoseconds,
    observation::Observation,
    recording::{Frame, Generations, Recorded, World, absolute, content, current, env_fingerprint, listing},
    trace::Trace,
};
use serde::Serialize;
use std::{
    convert::Infallible,
    fmt,
    future::Future,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

/// One call of a [`Memo`], with what it depends on; made by [`Memo::call`].
///
/// ```
/// use everfresh::Memo;
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("rates.csv");
/// let sums: Memo<u64> = Memo::builder("sums").build();
/// std::fs::write(&path, "1,2")?;
/// // Something that Everfresh cannot see reads the file, so it is declared.
/// let size = || std::fs::metadata(&path).map_or(0, |file| file.len());
/// let sum = || sums.call(&"a").file(&path).or_compute(size);
/// assert_eq!((sum(), sum(), sums.stats().loads), (3, 3, 1));
/// std::fs::write(&path, "1,2,3")?;
/// assert_eq!(sums.call(&"a").file(&path).explain().to_string(), format!("miss: the file `{}` changed", path.display()));
/// assert_eq!(sum(), 5);
/// # Ok::<_, std::io::Error>(())
/// ```
#[must_use = "a call does nothing until it computes"]
pub struct Call<'a, V, A: ?Sized> {
    pub(super) memo: &'a Memo<V>,
    arguments: &'a A,
    depends: Vec<Dependency>,
    values: Vec<(String, Fingerprint)>,
    /// What keeps the call from being kept.
    bad: Option<String>,
    ttl: Option<Duration>,
    tags: Vec<String>,
}

/// An input that a caller declared.
enum Dependency {
    File(PathBuf),
    Dir(PathBuf),
    Env(String),
}

impl<V, A: ?Sized> fmt::Debug for Call<'_, V, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("function", &self.memo.inner.name).finish_non_exhaustive()
    }
}

impl<'a, V, A: ?Sized> Call<'a, V, A> {
    pub(super) fn new(memo: &'a Memo<V>, arguments: &'a A) -> Self {
        let ttl = memo.inner.ttl;
        let tags = memo.inner.tags.clone();
        Self { memo, arguments, depends: Vec::new(), values: Vec::new(), bad: None, ttl, tags }
    }

    /// A file whose content the function reads. It need not exist.
    ///
    /// ```
    /// use everfresh::Memo;
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("switch");
    /// let switch = Memo::builder("Call::file").build();
    /// let is_on = || switch.call(&()).file(&path).or_compute(|| path.exists());
    /// assert!(!is_on());
    /// std::fs::write(&path, "")?;
    /// assert!(is_on());
    /// # Ok::<_, std::io::Error>(())
    /// ```
    pub fn file(mut self, path: impl AsRef<Path>) -> Self {
        self.depends.push(Dependency::File(path.as_ref().to_owned()));
        self
    }

    /// A folder whose names the function reads; not what is in the files.
    ///
    /// ```
    /// use everfresh::Memo;
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path();
    /// let files = Memo::builder("Call::dir").build();
    /// let count = || files.call(path).dir(path).or_try_compute(|| std::fs::read_dir(path).map(Iterator::count));
    /// assert_eq!(count()?, 0);
    /// std::fs::write(path.join("a"), "")?;
    /// assert_eq!(count()?, 1);
    /// # Ok::<_, std::io::Error>(())
    /// ```
    pub fn dir(mut self, path: impl AsRef<Path>) -> Self {
        self.depends.push(Dependency::Dir(path.as_ref().to_owned()));
        self
    }

    /// An environment variable that the function reads.
    ///
    /// ```
    /// use everfresh::Memo;
    ///
    /// let regions = Memo::builder("Call::env").build();
    /// let call = || regions.call(&()).env("EVERFRESH_DOC_UNSET");
    /// assert!(!call().or_compute(|| std::env::var("EVERFRESH_DOC_UNSET").is_ok()));
    /// assert!(call().explain().to_string().contains("environment variable EVERFRESH_DOC_UNSET (absent)"));
    /// ```
    pub fn env(mut self, name: impl Into<String>) -> Self {
        self.depends.push(Dependency::Env(name.into()));
        self
    }

    /// A value that the function reads and that is none of its arguments, under a name for people.
    ///
    /// ```
    /// use everfresh::Memo;
    ///
    /// let prices = Memo::builder("price").build();
    /// let price = |tax: u32| prices.call(&"tea").value("tax", &tax).or_compute(|| 100 + tax);
    /// assert_eq!((price(7), price(19)), (107, 119));
    /// let other = prices.call(&"tea").value("tax", &20).explain();
    /// assert_eq!(other.to_string(), "miss: the value `tax of price` changed");
    /// ```
    pub fn value(mut self, name: &str, value: &(impl Serialize + ?Sized)) -> Self {
        match codec::fingerprint(value) {
            Ok(value) => self.values.push((format!("{name} of {}", self.memo.inner.name), value)),
            Err(error) => self.bad = Some(format!("the value `{name}`: {error}")),
        }
        self
    }

    /// How long a result lives at most, in place of the memo's own `ttl`.
    ///
    /// ```
    /// use everfresh::{Memo, memory::ManualClock};
    /// use std::{sync::Arc, time::Duration};
    ///
    /// let clock = Arc::new(ManualClock::default());
    /// let rates = Memo::builder("Call::ttl").clock(clock.clone()).build();
    /// assert_eq!(rates.call(&"EUR").ttl(Duration::from_secs(60)).or_compute(|| 2), 2);
    /// clock.advance(Duration::from_secs(60));
    /// assert_eq!(rates.get(&"EUR"), None);
    /// ```
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// A name under which [`Memo::invalidate_tag`] finds a result that is computed.
    ///
    /// ```
    /// use everfresh::Memo;
    ///
    /// let rates = Memo::builder("Call::tag").build();
    /// assert_eq!(rates.call(&"EUR").tag("bank").or_compute(|| 2), 2);
    /// rates.invalidate_tag("bank");
    /// assert_eq!(rates.get(&"EUR"), None);
    /// ```
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.tags.push(tag.into());
        self
    }
}

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
    /// Those of `compute`. Another caller's error is not handed on: this one tries in its place.
    pub fn or_try_compute<E>(self, compute: impl FnOnce() -> Result<V, E>) -> Result<V, E> {
        self.run(compute).map(|held| held.value.clone())
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
    /// Those of `compute`. Another caller's error is not handed on: this one tries in its place.
    pub async fn or_try_compute_async<E>(self, compute: impl Future<Output = Result<V, E>>) -> Result<V, E> {
        self.run_async(compute).await.map(|held| held.value.clone())
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
        let key = self.key()?;
        let found = self.find(&key);
        if found.is_err() {
            count(&self.memo.inner.counts.misses);
        }
        found.ok().map(|held| self.use_held(held).value.clone())
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
        let inner = &*self.memo.inner;
        let key = match inner.key(self.arguments) {
            Ok(key) if self.bad.is_none() => key,
            other => {
                let error = self.bad.clone().or_else(|| other.err().map(|error| error.to_string()));
                return Explanation::Miss { reason: Reason::NoKey { error: error.unwrap_or_default() } };
            }
        };
        let hit = |tier, trace: &Trace| Explanation::Hit {
            tier,
            cost: Duration::from_nanos(trace.cost_ns),
            observed: trace.observations.iter().map(ToString::to_string).collect(),
        };
        let mut nearest = Nearest::default();
        for held in &self.in_memory(&key).0 {
            match self.holds(&held.trace) {
                Ok(()) => return hit(Tier::Memory, &held.trace),
                Err(failed) => nearest.add(failed),
            }
        }
        for stored in self.on_disk(&key) {
            match self.holds(&stored.trace) {
                Ok(()) if inner.disk.as_ref().is_some_and(|disk| disk.store.has_blob(&stored.trace.output)) => {
                    return hit(Tier::Disk, &stored.trace);
                }
                Ok(()) => nearest.add((usize::MAX, Reason::ResultGone)),
                Err(failed) => nearest.add(failed),
            }
        }
        Explanation::Miss { reason: nearest.reason() }
    }

    /// The call's key; `None`, which is counted, if there is none.
    pub(super) fn key(&self) -> Option<Fingerprint> {
        let inner = &*self.memo.inner;
        if let Some(bad) = &self.bad {
            inner.not_kept(bad);
            return None;
        }
        inner.key(self.arguments).map_err(|error| inner.not_kept(&error)).ok()
    }

    fn in_memory(&self, key: &Fingerprint) -> Arc<Kept<V>> {
        self.memo.inner.memory.get(key).unwrap_or_else(|| Arc::new(Kept(Vec::new())))
    }

    fn on_disk(&self, key: &Fingerprint) -> Vec<Stored> {
        self.memo.inner.disk.as_ref().map(|disk| disk.traces(key)).unwrap_or_default()
    }

    /// The first result of the key whose trace holds: in memory, then on disk.
    pub(super) fn find(&self, key: &Fingerprint) -> Result<Arc<Held<V>>, Reason> {
        let (inner, started) = (&*self.memo.inner, Instant::now());
        let found = self.look(key);
        inner.counts.looked(started.elapsed());
        found
    }

    fn look(&self, key: &Fingerprint) -> Result<Arc<Held<V>>, Reason> {
        let inner = &*self.memo.inner;
        let mut nearest = Nearest::default();
        let kept = inner.memory.get(key);
        for held in kept.iter().flat_map(|kept| &kept.0) {
            match self.holds(&held.trace) {
                Ok(()) => {
                    count(&inner.counts.memory_hits);
                    return Ok(Arc::clone(held));
                }
                Err(failed) => nearest.add(failed),
            }
        }
        let Some(disk) = &inner.disk else { return Err(nearest.reason()) };
        for stored in disk.traces(key) {
            if let Err(failed) = self.holds(&stored.trace) {
                nearest.add(failed);
                continue;
            }
            match disk.value(&stored) {
                Ok(value) => {
                    count(&inner.counts.disk_hits);
                    let held = Arc::new(Held { trace: stored.trace, unstorable: None, value });
                    inner.remember(key, &held);
                    return Ok(held);
                }
                Err(reason) => nearest.add((usize::MAX, reason)),
            }
        }
        Err(nearest.reason())
    }

    /// Whether a trace holds now, and has all that this call depends on; else how many of its observations do, and why not.
    pub(super) fn holds(&self, trace: &Trace) -> Result<(), (usize, Reason)> {
        let inner = &*self.memo.inner;
        let world = World { store: inner.store(), values: &self.values, versions: inner.versions.as_ref() };
        for (at, observation) in trace.observations.iter().enumerate() {
            world.check(observation).map_err(|reason| (at, reason))?;
        }
        let all = trace.observations.len();
        if let Some(expires_ns) = trace.expires_ns {
            let now = inner.now_ns();
            // A clock that went back says nothing of how old the result is.
            if now >= expires_ns || now < trace.made_ns {
                let ago = Duration::from_nanos(now.saturating_sub(expires_ns).try_into().unwrap_or_default());
                return Err((all, Reason::Expired { ago }));
            }
        }
        let observed =
            |kind: u8, name: &str| trace.observations.iter().any(|observation| observation.subject() == (kind, name));
        for (subject, name) in self.subjects() {
            if !observed(subject, &name) {
                return Err((all, Reason::ValueChanged { name }));
            }
        }
        Ok(())
    }

    /// What has to be in a trace, since this call declares it.
    fn subjects(&self) -> impl Iterator<Item = (u8, String)> {
        let absolute = |path: &Path| absolute(path).unwrap_or_default().display().to_string();
        let subject = move |observation: Observation| {
            let (kind, name) = observation.subject();
            (kind, name.to_owned())
        };
        let declared = self.depends.iter().map(move |dependency| match dependency {
            Dependency::File(path) => subject(Observation::File { path: absolute(path), content: None }),
            Dependency::Dir(path) => subject(Observation::Dir { path: absolute(path), listing: None }),
            Dependency::Env(name) => subject(Observation::Env { name: name.clone(), value: None }),
        });
        let values = self
            .values
            .iter()
            .map(move |(name, value)| subject(Observation::Value { name: name.clone(), value: *value }));
        declared.chain(values)
    }

    /// A frame for the computation, with all that is known to be read before it begins.
    pub(super) fn frame(&self, key: &Fingerprint) -> Arc<Frame> {
        let inner = &*self.memo.inner;
        let frame = Frame::traced(key, inner.store().cloned(), Arc::clone(&inner.clock));
        let (name, version) = (inner.name.clone(), inner.version);
        frame.add(Observation::Function { name, version, build: build_id() });
        let generations = Generations(inner.store());
        frame.add(generations.observe(format!("all of {}", inner.name), Generations::of_function(&inner.name)));
        let of_key = Generations::of_key(key);
        frame.add(generations.observe(format!("{} ({})", inner.name, key.short()), of_key));
        for tag in &self.tags {
            let of_tag = Generations::of_tag(&inner.name, tag);
            frame.add(generations.observe(format!("the tag {tag} of {}", inner.name), of_tag));
        }
        for (name, value) in &self.values {
            frame.add(Observation::Value { name: name.clone(), value: *value });
        }
        for dependency in &self.depends {
            declare(&frame, dependency);
        }
        if let Some(ttl) = self.ttl {
            let ttl = i64::try_from(nanoseconds(ttl)).unwrap_or(i64::MAX);
            frame.recorded().expire_by(Some(inner.now_ns().saturating_add(ttl)));
        }
        frame
    }

    /// Keeps a value that was computed, unless what was read changed meanwhile.
    pub(super) fn keep(&self, key: &Fingerprint, recorded: Recorded, value: V, took: Duration) -> Arc<Held<V>> {
        let inner = &*self.memo.inner;
        let world = World { store: inner.store(), values: &self.values, versions: inner.versions.as_ref() };
        let (expires_ns, unstorable) = (recorded.expires_ns, recorded.unsteady(world));
        let trace = Trace {
            observations: recorded.into_observations(),
            output: Fingerprint::from_bytes([0; 32]),
            cost_ns: nanoseconds(took),
            bytes: 0,
            rows: 0,
            made_ns: inner.now_ns(),
            expires_ns,
        };
        let mut held = Held { trace, unstorable, value };
        if let Some(why) = &held.unstorable {
            inner.not_kept(why);
            return Arc::new(held);
        }
        if let Some(disk) = &inner.disk {
            let invalidated = |observation: &Observation| {
                matches!(observation, Observation::Generation { .. }) && world.check(observation).is_err()
            };
            let stays = |trace: &Trace| !trace.observations.iter().any(invalidated);
            if let Err(error) = disk.put(key, &mut held, disk.traces(key), stays) {
                inner.not_kept(&error);
            }
        }
        let held = Arc::new(held);
        inner.remember(key, &held);
        inner.tell();
        held
    }

    /// A value that was found, for a caller who now depends on all that it depends on.
    pub(super) fn use_held(&self, held: Arc<Held<V>>) -> Arc<Held<V>> {
        self.memo.inner.counts.saved(held.trace.cost_ns);
        self.memo.inner.tell();
        self.hand_up(&held);
        held
    }

    /// The computation that calls this one depends on all that this one depends on.
    pub(super) fn hand_up(&self, held: &Held<V>) {
        let Some(caller) = current() else { return };
        let mut recorded = caller.recorded();
        recorded.take_over(held.trace.observations.iter().cloned(), held.trace.expires_ns);
        if let Some(why) = &held.unstorable {
            recorded.refuse(|| format!("it calls `{}`, of which a result is not kept: {why}", self.memo.inner.name));
        }
    }
}

/// Looks at an input before the computation begins.
fn declare(frame: &Frame, dependency: &Dependency) {
    let path_of = |path: &Path| {
        let absolute = frame.absolute(path)?;
        let name = absolute.to_str()?.to_owned();
        Some((absolute, name))
    };
    let cannot = |path: &str, error: std::io::Error| frame.recorded().refuse(|| format!("`{path}`: {error}"));
    match dependency {
        Dependency::File(path) => {
            let Some((absolute, name)) = path_of(path) else { return };
            match content(&absolute, frame.store.as_ref()) {
                Ok(found) => {
                    let (content, seen) = found.unzip();
                    frame.add_file(&absolute, Observation::File { path: name, content }, seen);
                }
                Err(error) => cannot(&name, error),
            }
        }
        Dependency::Dir(path) => {
            let Some((absolute, name)) = path_of(path) else { return };
            match listing(&absolute) {
                Ok(listing) => frame.add(Observation::Dir { path: name, listing }),
                Err(error) => cannot(&name, error),
            }
        }
        Dependency::Env(name) => {
            frame.add(Observation::Env { name: name.clone(), value: env_fingerprint(name.as_ref()) });
        }
    }
}

/// Why the trace that came nearest does not hold: the one with the most observations that do.
#[derive(Default)]
struct Nearest(Option<(usize, Reason)>);

impl Nearest {
    fn add(&mut self, failed: (usize, Reason)) {
        if self.0.as_ref().is_none_or(|(held, _)| *held < failed.0) {
            self.0 = Some(failed);
        }
    }

    fn reason(self) -> Reason {
        self.0.map_or(Reason::New, |(_, reason)| reason)
    }
}

impl<V> Inner<V> {
    fn key<A: Serialize + ?Sized>(&self, arguments: &A) -> Result<Fingerprint, codec::CodecError> {
        let arguments = codec::fingerprint(arguments)?;
        Ok(self.function.clone().fingerprint(&arguments).finish())
    }

    pub(super) fn key_of<A: Serialize + ?Sized>(&self, arguments: &A) -> Option<Fingerprint> {
        self.key(arguments).map_err(|error| self.not_kept(&error)).ok()
    }

    fn remember(&self, key: &Fingerprint, held: &Arc<Held<V>>) {
        let old = self.memory.peek(key);
        // What has no room is on disk, or computed again.
        let _ = self.memory.insert(*key, Arc::new(Kept::with(old.as_deref(), Arc::clone(held))));
    }
}
