//! Values that were made from more than their keys: what was read through [`fs`](crate::fs), [`env`](crate::env) and other
//! cached functions while they were computed. They are served only while that is unchanged, and who uses them to compute
//! something else hangs on it too.

use super::{
    Cache,
    builder::Cause,
    entry::{Entry, KeyHash, NEVER},
};
use crate::{
    Fingerprint, FingerprintBuilder,
    observation::Observation,
    recording::{Frame, Generations, Recorded, World, current, current_traced, is_recording, is_tracing},
};
use std::{
    hash::{BuildHasher, Hash, RandomState},
    sync::{Arc, OnceLock, atomic::Ordering::Relaxed},
    time::Duration,
};

/// What a value was made from.
#[derive(Debug)]
pub(super) struct Made(Vec<Observation>);

impl Made {
    /// Whether all of it is as it was.
    pub(super) fn holds(&self) -> bool {
        let world = World::undeclared();
        self.0.iter().all(|observation| world.check(observation).is_ok())
    }
}

/// What a computation read, once it has ended.
pub(super) enum Read {
    /// All of this, which is as it was when the computation began, or nothing that can change; and for how long the value may
    /// live.
    Steady(Option<Arc<Made>>, Option<Duration>),
    /// Something that changed meanwhile, or that nobody can look at again: the value must not be kept.
    Unsteady(Box<Recorded>),
}

impl Read {
    /// That of a frame; `effect` is told what else the computation did.
    pub(super) fn of(frame: &Frame, effect: impl FnOnce(String)) -> Self {
        let recorded = frame.take();
        if let Some(what) = recorded.effect() {
            effect(what);
        }
        if recorded.is_empty() {
            return Self::Steady(None, None);
        }
        if recorded.unsteady(&World::undeclared()).is_some() {
            return Self::Unsteady(Box::new(recorded));
        }
        let ttl = recorded.expires_ns.map(|expires_ns| frame.until(expires_ns));
        let observations = recorded.into_observations();
        Self::Steady((!observations.is_empty()).then(|| Arc::new(Made(observations))), ttl)
    }
}

/// Which cache it is, for those who hang on its values not being replaced; made when somebody does.
#[derive(Debug, Default)]
pub(super) struct Identity(OnceLock<Fingerprint>);

impl Identity {
    fn get(&self) -> Fingerprint {
        // The standard library's hashers are seeded at random, so that no two are equal.
        let random = || RandomState::new().hash_one(std::process::id());
        *self.0.get_or_init(|| FingerprintBuilder::new("everfresh.generation.cache").u64(random()).finish())
    }

    /// Makes out of date whatever was made with values of the cache.
    pub(super) fn outdate(&self) {
        if let Some(of) = self.0.get() {
            // Without a store it cannot fail.
            let _ = Generations::new(None).replace(of);
        }
    }
}

impl<K, V, S> Cache<K, V, S> {
    /// Whether a value that another caller computed may be older than the question of who waited for it, or somebody hangs
    /// on more of it than its value.
    pub(super) fn is_watched(&self) -> bool {
        self.inner.observing.load(Relaxed) || is_recording()
    }

    /// Whether what runs on this thread hangs on more than the value of an entry.
    #[inline]
    pub(super) fn matters(&self, entry: &Entry<K, V>) -> bool {
        entry.made().is_some() || (is_recording() && (entry.deadline != NEVER || is_tracing()) && !self.inner.private)
    }

    /// The computation that runs on this thread hangs on what a value was made from and on its time; and if its trace is
    /// kept, on nobody removing or replacing values of this cache.
    pub(super) fn hand_up(&self, made: Option<&Made>, left: Option<Duration>) {
        if self.inner.private {
            return;
        }
        if let Some(caller) = current() {
            let observations = made.map(|made| made.0.clone()).unwrap_or_default();
            let expires_ns = left.map(|left| caller.after(left));
            caller.recorded().take_over(observations, expires_ns);
        }
        if let Some(traced) = current_traced() {
            let of = self.inner.identity.get();
            let name = format!("{} ({})", self.inner.name.as_deref().unwrap_or("a cache"), of.short());
            traced.add(Generations::new(None).observe(name, of));
        }
    }
}

impl<K: Eq + Hash, V, S: BuildHasher> Cache<K, V, S> {
    /// A value that was found, if all that it was made from holds. No lock is held.
    #[cold]
    pub(super) fn admit<T>(&self, hash: KeyHash, is_key: impl Fn(&K) -> bool, value: T, found: &Found) -> Option<T> {
        if let Some(made) = &found.made
            && !made.holds()
        {
            self.remove_made(hash, is_key, made);
            return None;
        }
        // One whose ttl is over is handed up when it is served.
        let left = found.left.filter(|left| *left > 0).map(Duration::from_nanos);
        self.hand_up(found.made.as_deref(), left);
        Some(value)
    }

    /// Removes the entry that was made from what does not hold any more.
    fn remove_made(&self, hash: KeyHash, is_key: impl Fn(&K) -> bool, made: &Arc<Made>) {
        let mut gone = Vec::new();
        let mut shard = self.part(hash).write();
        if let Some(slot) = shard.find(hash, is_key)
            && shard.entry(slot).and_then(Entry::made).is_some_and(|own| Arc::ptr_eq(own, made))
        {
            shard.remove(slot, Cause::Outdated, &mut gone);
        }
        drop(shard);
        self.tell(gone);
    }

    /// What to look at before an entry's value is used.
    pub(super) fn found(&self, entry: &Entry<K, V>) -> Found {
        let left = (entry.deadline != NEVER).then(|| self.inner.ages.left(entry, self.now()).unwrap_or_default());
        Found { made: entry.made().cloned(), left }
    }
}

/// What an entry hangs on.
pub(super) struct Found {
    pub(super) made: Option<Arc<Made>>,
    /// What is left of its ttl, in nanoseconds.
    pub(super) left: Option<u64>,
}
