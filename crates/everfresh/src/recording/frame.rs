//! The observations of one computation. Each thread has a stack of frames; what is read enters the innermost.

use crate::{disk::Store, file::Seen, observation::Observation};
use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, HashMap},
    future::Future,
    path::{Path, PathBuf},
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

thread_local! {
    static FRAMES: RefCell<Vec<Arc<Frame>>> = const { RefCell::new(Vec::new()) };
    /// How many there are: to look costs nothing where nobody records.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

/// Whether somebody writes down what this thread reads.
#[inline]
pub(crate) fn is_recording() -> bool {
    DEPTH.get() > 0
}

/// The innermost computation on this thread.
pub(crate) fn current() -> Option<Arc<Frame>> {
    if !is_recording() {
        return None;
    }
    FRAMES.with_borrow(|frames| frames.last().cloned())
}

/// One computation, while it runs. Its threads share it.
#[derive(Debug, Default)]
pub(crate) struct Frame {
    /// Where the contents of files are known from.
    pub(crate) store: Option<Store>,
    recorded: Mutex<Recorded>,
}

/// What a computation read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Recorded {
    by_subject: BTreeMap<(u8, String), Observation>,
    /// What files looked like before they were read.
    pub(crate) files: HashMap<PathBuf, Seen>,
    /// The earliest moment at which something that was used expires, in nanoseconds since the Unix epoch.
    pub(crate) expires_ns: Option<i64>,
    /// Why the result cannot be kept, if so.
    pub(crate) unstorable: Option<String>,
}

impl Recorded {
    /// The observations, the cheapest kinds first.
    pub(crate) fn observations(&self) -> impl Iterator<Item = &Observation> {
        self.by_subject.values()
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

    pub(crate) fn expire_by(&mut self, expires_ns: Option<i64>) {
        self.expires_ns = match (self.expires_ns, expires_ns) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
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
            } else {
                self.add(observation);
            }
        }
        self.expire_by(expires_ns);
    }
}

impl Frame {
    pub(crate) fn new(store: Option<Store>) -> Arc<Self> {
        Arc::new(Self { store, recorded: Mutex::default() })
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
        let mut recorded = self.recorded();
        if path.is_absolute() && path.to_str().is_some() {
            return Some(path.to_owned());
        }
        let folder = std::env::current_dir().ok();
        match (folder.as_ref().and_then(|folder| folder.to_str()), path.to_str()) {
            (Some(folder), Some(_)) => {
                recorded.add(Observation::WorkingDir { path: folder.to_owned() });
                Some(Path::new(folder).join(path))
            }
            _ => {
                recorded.refuse(|| format!("`{}` is not UTF-8, or there is no working folder", path.display()));
                None
            }
        }
    }

    /// From now on this thread's reads enter this frame, until what is returned is dropped.
    pub(crate) fn enter(self: &Arc<Self>) -> Entered {
        FRAMES.with_borrow_mut(|frames| frames.push(Arc::clone(self)));
        DEPTH.set(DEPTH.get() + 1);
        Entered(())
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
pub(crate) struct Entered(());

impl Drop for Entered {
    fn drop(&mut self) {
        DEPTH.set(DEPTH.get() - 1);
        let frame = FRAMES.with_borrow_mut(Vec::pop);
        // Not while the stack is borrowed.
        drop(frame);
    }
}
