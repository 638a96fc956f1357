//! The observations of one computation. Each thread has a stack of frames; what is read enters the innermost.

use crate::{
    Fingerprint,
    disk::Store,
    file::Seen,
    memory::{Clock, WallClock, sync::thread_local},
    observation::Observation,
};
use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    future::Future,
    path::{Component, Path, PathBuf},
    pin::pin,
    sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

thread_local! {
    static FRAMES: RefCell<Vec<Arc<Frame>>> = const { RefCell::new(Vec::new()) };
    /// How many there are, and how many of them keep traces: to look costs nothing where nobody records.
    static DEPTH: Cell<(u32, u32)> = const { Cell::new((0, 0)) };
}

/// Whether somebody writes down what this thread reads.
#[inline]
pub(crate) fn is_recording() -> bool {
    DEPTH.with(Cell::get).0 > 0
}

/// Whether somebody among them keeps traces.
#[inline]
pub(crate) fn is_tracing() -> bool {
    DEPTH.with(Cell::get).1 > 0
}

/// The innermost computation on this thread.
pub(crate) fn current() -> Option<Arc<Frame>> {
    if !is_recording() {
        return None;
    }
    FRAMES.with(|frames| frames.borrow().last().cloned())
}

/// The innermost computation on this thread whose traces are kept.
pub(crate) fn current_traced() -> Option<Arc<Frame>> {
    if !is_tracing() {
        return None;
    }
    FRAMES.with(|frames| frames.borrow().iter().rev().find(|frame| frame.traced).cloned())
}

/// One computation, while it runs. Its threads share it.
#[derive(Debug)]
pub(crate) struct Frame {
    /// Where the contents of files are known from.
    pub(crate) store: Option<Store>,
    /// The time since the Unix epoch.
    clock: Arc<dyn Clock>,
    /// Of what it computes, where its trace is kept.
    key: Option<Fingerprint>,
    /// Whether its result is kept with a trace.
    traced: bool,
    recorded: Mutex<Recorded>,
}

static WALL_CLOCK: LazyLock<Arc<dyn Clock>> = LazyLock::new(|| Arc::new(WallClock));

/// What a computation read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Recorded {
    by_subject: BTreeMap<(u8, String), Observation>,
    /// What files looked like before they were read.
    pub(crate) files: HashMap<PathBuf, Seen>,
    /// The files and folders that it made or wrote itself.
    made: HashSet<PathBuf>,
    /// If what it makes is a part of its result: the databases among that, which are never hashed.
    pub(crate) outputs: Option<Vec<PathBuf>>,
    /// What it did that no function does whose result hangs on its inputs alone.
    pub(crate) impurities: BTreeSet<String>,
    /// The earliest moment at which something that was used expires, in nanoseconds since the Unix epoch.
    pub(crate) expires_ns: Option<i64>,
    /// Why the result cannot be kept unless it expires, if so.
    pub(crate) unseen: Option<String>,
    /// Why the result cannot be kept, if so.
    pub(crate) unstorable: Option<String>,
}

impl Recorded {
    /// The observations, the cheapest kinds first.
    pub(crate) fn observations(&self) -> impl Iterator<Item = &Observation> {
        self.by_subject.values()
    }

    /// Whether nothing was read that can change.
    pub(crate) fn is_empty(&self) -> bool {
        self.by_subject.is_empty() && self.expires_ns.is_none() && self.unseen.is_none() && self.unstorable.is_none()
    }

    pub(crate) fn into_observations(self) -> Vec<Observation> {
        self.by_subject.into_values().collect()
    }

    pub(crate) fn add(&mut self, observation: Observation) {
        let (kind, name) = observation.subject();
        let subject = (kind, name.to_owned());
        match self.by_subject.get(&subject) {
            None => {
                self.by_subject.insert(subject, observation);
            }
            Some(before) if *before == observation => {}
            Some(_) => self.refuse(|| format!("`{}` changed while it was computed", subject.1)),
        }
    }

    /// A file or folder that the computation is about to make or write itself.
    pub(crate) fn make(&mut self, path: &Path) {
        let Some(name) = path.to_str() else { return };
        let read = |observation: &Observation| matches!(observation, Observation::File { path, content: Some(_) } if path == name);
        if self.outputs.is_some() {
            // What it was like before it is written is no input: it is looked at when it is done.
            self.by_subject.retain(|(_, subject), observation| {
                let about_path = matches!(
                    observation,
                    Observation::File { .. }
                        | Observation::Exists { .. }
                        | Observation::Kind { .. }
                        | Observation::Metadata { .. }
                );
                !about_path || subject != name
            });
            self.files.remove(path);
        } else if self.observations().any(read) {
            self.refuse(|| format!("it reads `{name}` and then writes it"));
        }
        // A folder that is there was not made by this computation, so what is in it is input.
        if path.is_dir() && !self.is_own(path) {
            return;
        }
        self.made.extend(real(path));
        self.made.insert(path.to_owned());
    }

    pub(crate) fn made(&self) -> Vec<PathBuf> {
        self.made.iter().cloned().collect()
    }

    /// The folders into which it wrote and of which it had read the names (true) or the stat; what it saw is forgotten.
    pub(crate) fn take_folders(&mut self) -> Vec<(String, bool)> {
        let folders: HashSet<&Path> = self.made.iter().filter_map(|path| path.parent()).collect();
        let mut taken = Vec::new();
        self.by_subject.retain(|_, observation| match observation {
            Observation::Dir { path, .. } | Observation::Metadata { path, .. } if folders.contains(Path::new(path)) => {
                taken.push((path.clone(), matches!(observation, Observation::Dir { .. })));
                false
            }
            _ => true,
        });
        taken
    }

    /// Whether the computation made this itself, or the folder that it lies in; by way of no link and no `..`.
    pub(crate) fn is_own(&self, path: &Path) -> bool {
        let made = |path: &Path| path.ancestors().any(|path| self.made.contains(path));
        !self.made.is_empty()
            && made(path)
            && !path.components().any(|part| part == Component::ParentDir)
            && path.canonicalize().map_or(true, |real| made(&real))
    }

    pub(crate) fn expire_by(&mut self, expires_ns: Option<i64>) {
        self.expires_ns = match (self.expires_ns, expires_ns) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
    }

    /// Says that the result cannot be kept unless it expires.
    pub(crate) fn unseen(&mut self, reason: String) {
        self.unseen.get_or_insert(reason);
    }

    /// What nobody sees keeps a result that never expires from being kept.
    pub(crate) fn settle(&mut self) {
        if self.expires_ns.is_none()
            && let Some(why) = self.unseen.take()
        {
            self.refuse(|| why);
        }
    }

    /// Says that the result cannot be kept. The first reason counts.
    pub(crate) fn refuse(&mut self, reason: impl FnOnce() -> String) {
        self.unstorable.get_or_insert_with(reason);
    }

    /// Takes over what a computation that was called has read, or had read when it was computed.
    pub(crate) fn take_over(&mut self, observations: impl IntoIterator<Item = Observation>, expires_ns: Option<i64>) {
        for observation in observations {
            // A value can be looked at again only by who declares it.
            if let Observation::Value { name, .. } = &observation
                && !self.by_subject.values().any(|own| *own == observation)
            {
                self.refuse(|| format!("it calls a function that depends on the value {name}"));
            } else if !observation.path().is_some_and(|path| self.is_own(Path::new(path))) {
                self.add(observation);
            }
        }
        self.expire_by(expires_ns);
    }
}

/// The computation that reads a path, the path as it will be looked at again, and its name in the observation; `None` if
/// nobody records, or the computation made it itself.
pub(crate) fn recorded(path: &Path) -> Option<(Arc<Frame>, PathBuf, String)> {
    let frame = current()?;
    if absolute(path).is_some_and(|absolute| frame.recorded().is_own(&absolute)) {
        return None;
    }
    let absolute = frame.absolute(path)?;
    let name = absolute.to_str()?.to_owned();
    Some((frame, absolute, name))
}

/// A path without links on the way; what is at its end need not be there.
pub(crate) fn real(path: &Path) -> Option<PathBuf> {
    Some(path.parent()?.canonicalize().ok()?.join(path.file_name()?))
}

/// A path from the root on, otherwise as it is written; `None` if there is no working folder.
pub(crate) fn absolute(path: &Path) -> Option<PathBuf> {
    if path.is_absolute() { Some(path.to_owned()) } else { Some(std::env::current_dir().ok()?.join(path)) }
}

/// What a computation that was called has read counts for the one that runs on this thread, whatever became of it.
pub(crate) fn hand_up(recorded: Recorded) {
    let Some(caller) = current() else { return };
    let (expires_ns, unseen, unstorable) = (recorded.expires_ns, recorded.unseen.clone(), recorded.unstorable.clone());
    let mut own = caller.recorded();
    own.take_over(recorded.into_observations(), expires_ns);
    if let Some(why) = unseen {
        own.unseen(why);
    }
    if let Some(why) = unstorable {
        own.refuse(|| why);
    }
}

/// A frame whose reads are handed up if nobody takes them: the computation gave an error, panicked or was cancelled, and the
/// caller may know.
#[derive(Debug)]
pub(crate) struct Reading(pub(crate) Arc<Frame>);

impl Drop for Reading {
    fn drop(&mut self) {
        let recorded = self.0.take();
        if !recorded.is_empty() {
            hand_up(recorded);
        }
    }
}

/// Whether a computation of this key is under way further up on this thread.
pub(crate) fn is_computing(key: &Fingerprint) -> bool {
    is_tracing() && FRAMES.with(|frames| frames.borrow().iter().any(|frame| frame.key.as_ref() == Some(key)))
}

impl Frame {
    /// For a computation whose trace is kept.
    pub(crate) fn traced(key: &Fingerprint, store: Option<Store>, clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self { store, clock, key: Some(*key), traced: true, recorded: Mutex::default() })
    }

    /// For one whose value is kept in memory alone.
    pub(crate) fn recording(store: Option<Store>) -> Arc<Self> {
        Arc::new(Self { store, clock: Arc::clone(&WALL_CLOCK), key: None, traced: true, recorded: Mutex::default() })
    }

    pub(crate) fn plain() -> Arc<Self> {
        let caller = current();
        let store = caller.as_ref().and_then(|caller| caller.store.clone());
        let clock = caller.map_or_else(|| Arc::clone(&WALL_CLOCK), |caller| Arc::clone(&caller.clock));
        Arc::new(Self { store, clock, key: None, traced: false, recorded: Mutex::default() })
    }

    fn now_ns(&self) -> i64 {
        i64::try_from(self.clock.now().as_nanos()).unwrap_or(i64::MAX)
    }

    /// The moment when something expires that has so much time left, in nanoseconds since the Unix epoch.
    pub(crate) fn after(&self, left: Duration) -> i64 {
        self.now_ns().saturating_add(i64::try_from(left.as_nanos()).unwrap_or(i64::MAX))
    }

    /// How much time is left until then.
    pub(crate) fn until(&self, expires_ns: i64) -> Duration {
        Duration::from_nanos(expires_ns.saturating_sub(self.now_ns()).try_into().unwrap_or_default())
    }

    pub(crate) fn recorded(&self) -> MutexGuard<'_, Recorded> {
        self.recorded.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was read so far, which the frame forgets.
    pub(crate) fn take(&self) -> Recorded {
        std::mem::take(&mut *self.recorded())
    }

    pub(crate) fn add(&self, observation: Observation) {
        self.recorded().add(observation);
    }

    /// Adds the content of a file with what the file looked like before it was read.
    pub(crate) fn add_file(&self, path: &Path, observation: Observation, seen: Option<Seen>) {
        let mut recorded = self.recorded();
        if let Some(seen) = seen {
            recorded.files.entry(path.to_owned()).or_insert(seen);
        }
        recorded.add(observation);
    }

    /// A path as it will be looked at again: one that is relative makes the computation depend on the working folder. `None`,
    /// and nothing is kept, if there is no way to write it down.
    pub(crate) fn absolute(&self, path: &Path) -> Option<PathBuf> {
        let absolute = absolute(path).filter(|absolute| absolute.to_str().is_some());
        match (&absolute, path.is_absolute()) {
            (Some(_), true) => {}
            (Some(whole), false) => {
                let folder = whole.to_str().and_then(|whole| whole.strip_suffix(path.to_str()?));
                let path = folder.unwrap_or_default().trim_end_matches('/').to_owned();
                self.add(Observation::WorkingDir { path: if path.is_empty() { "/".to_owned() } else { path } });
            }
            (None, _) => {
                let why = || format!("`{}` is not UTF-8, or there is no working folder", path.display());
                self.recorded().refuse(why);
            }
        }
        absolute
    }

    /// From now on this thread's reads enter this frame, until what is returned is dropped.
    pub(crate) fn enter(self: &Arc<Self>) -> Entered {
        FRAMES.with(|frames| frames.borrow_mut().push(Arc::clone(self)));
        let ((all, traced), own) = (DEPTH.with(Cell::get), u32::from(self.traced));
        DEPTH.with(|depth| depth.set((all + 1, traced + own)));
        Entered(own)
    }

    /// Polls a future with this frame entered.
    pub(crate) async fn run_async<T>(self: &Arc<Self>, future: impl Future<Output = T>) -> T {
        let mut future = pin!(future);
        std::future::poll_fn(|context| {
            let _entered = self.enter();
            future.as_mut().poll(context)
        })
        .await
    }
}

/// A frame is the innermost one of this thread as long as this lives.
#[derive(Debug)]
pub(crate) struct Entered(u32);

impl Drop for Entered {
    fn drop(&mut self) {
        let (all, traced) = DEPTH.with(Cell::get);
        DEPTH.with(|depth| depth.set((all - 1, traced - self.0)));
        let frame = FRAMES.with(|frames| frames.borrow_mut().pop());
        // Not while the stack is borrowed.
        drop(frame);
    }
}
