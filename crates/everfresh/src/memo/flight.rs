//! Who computes, and who waits: single flight in the process, then on the machine.

use super::{
    age::{Age, signed},
    counts::count,
    held::Held,
    lookup::{Found, Lookup},
};
use crate::{
    Fingerprint,
    disk::LockGuard,
    memory::{Failed, Joined, KeyHash, Lead, Wait, Waited},
    recording::{Reading, is_computing},
};
use std::{future::Future, sync::Arc, thread, time::Instant};

type Leads<'a, V> = Lead<'a, Fingerprint, Arc<Held<V>>>;

/// What a call comes to before anybody computes.
enum Start<'a, V> {
    Found(Found<V>),
    /// It computes for all who ask for the key, anew if there is an old value.
    Lead(Leads<'a, V>, Option<Found<V>>),
    /// Another caller computes.
    Wait(Wait<'a, Fingerprint, Arc<Held<V>>>),
    /// It computes for itself: it is the very computation that it would wait for.
    Alone,
}

/// What a caller that leads needs to compute.
struct Ready<'a, V> {
    // Dropped first: who leads next finds it free.
    lock: Option<LockGuard>,
    lead: Leads<'a, V>,
    old: Option<Found<V>>,
}

impl<'a, V> Lookup<'a, V> {
    /// The value, or what `compute` gives.
    pub(super) fn run<E>(self, compute: impl FnOnce() -> Result<V, E>) -> Result<Found<V>, E> {
        let start = self.start();
        self.go_on(start, compute)
    }

    fn go_on<E>(self, mut start: Start<'a, V>, compute: impl FnOnce() -> Result<V, E>) -> Result<Found<V>, E> {
        let (lead, old) = loop {
            start = match start {
                Start::Found(found) => return Ok(found),
                Start::Lead(lead, old) => break (lead, old),
                Start::Wait(wait) => self.waited(wait.wait_while(self.terms.goes_on())),
                Start::Alone => {
                    let beside = self.beside();
                    let _entered = beside.0.enter();
                    return compute().map(alone);
                }
            }
        };
        let disk = self.memo.inner.disk.as_ref().filter(|_| self.waits_for_lock(&old));
        let lock = disk.and_then(|disk| disk.lock(&self.key, self.terms.goes_on()));
        match self.ready(lead, lock, old) {
            Ok(ready) => Attempt::new(self, ready).run(compute),
            Err(found) => Ok(self.memo.inner.serve(found)),
        }
    }

    /// The same for a future, which is polled only if there is no value.
    pub(super) async fn run_async<E>(self, compute: impl Future<Output = Result<V, E>>) -> Result<Found<V>, E> {
        let mut start = self.start();
        let (lead, old) = loop {
            start = match start {
                Start::Found(found) => return Ok(found),
                Start::Lead(lead, old) => break (lead, old),
                Start::Wait(wait) => self.waited(wait.await),
                Start::Alone => {
                    let beside = self.beside();
                    return beside.0.run_async(compute).await.map(alone);
                }
            }
        };
        let mut lock = None;
        if let Some(disk) = self.memo.inner.disk.as_ref().filter(|_| self.waits_for_lock(&old)) {
            // It leads while it waits for the lock too, so that no caller on its thread keeps it from going on.
            lock = lead.run_async(disk.lock_async(&self.key)).await;
        }
        match self.ready(lead, lock, old) {
            Ok(ready) => Attempt::new(self, ready).run_async(compute).await,
            Err(found) => Ok(self.memo.inner.serve(found)),
        }
    }

    /// The same, and nobody waits if there is an old value that is to be computed anew: a thread of its own does that.
    pub(super) fn run_behind<E>(self, compute: impl FnOnce() -> Result<V, E> + Send + 'static) -> Result<Found<V>, E>
    where
        V: Clone + Send + Sync + 'static,
    {
        let (lead, old) = match self.start() {
            Start::Lead(lead, Some(old)) => (lead, old),
            start => return self.go_on(start, compute),
        };
        let Self { memo, key, terms } = self;
        let Ready { lock, lead, .. } = match self.ready(lead, None, Some(old.clone())) {
            Ok(ready) => ready,
            Err(found) => return Ok(memo.inner.serve(found)),
        };
        let (behind, terms, flight, found) = (memo.clone(), terms.clone(), lead.flight(), old.clone());
        let refresh = move || {
            let lead = behind.inner.flights.resume(flight);
            let lookup = Lookup { memo: &behind, key, terms: &terms };
            // What counts of it is counted.
            let _ = Attempt::new(lookup, Ready { lock, lead, old: Some(found) }).run(compute);
        };
        match thread::Builder::new().name("everfresh-refresh".to_owned()).spawn(refresh) {
            Ok(_) => lead.hand_over(),
            Err(error) => {
                tracing::warn!("no thread can compute a result anew: {error}");
                memo.inner.ages.put_off(&old.held, memo.inner.now_ns());
            }
        }
        Ok(memo.inner.serve(old))
    }

    /// For what is computed beside all others: its caller depends on what any computation of the key depends on.
    fn beside(&self) -> Reading {
        let frame = self.frame();
        let ttl = self.terms.ttl.or(self.memo.inner.ttl);
        frame.recorded().expire_by(ttl.map(|ttl| self.memo.inner.now_ns().saturating_add(signed(ttl))));
        Reading(frame)
    }

    fn hash(&self) -> KeyHash {
        KeyHash::new(self.key.as_bytes().first_chunk().copied().map_or(0, u64::from_le_bytes))
    }

    fn start(&self) -> Start<'a, V> {
        let (inner, key) = (&*self.memo.inner, self.key);
        if self.terms.anew {
            return Start::Lead(inner.flights.begin_anew(self.hash(), key), None);
        }
        let Ok(found) = self.find(false) else {
            count(&inner.counts.misses);
            return self.join();
        };
        inner.counts.hit(found.tier);
        if (found.due || (self.terms.same.is_some() && found.age == Age::Fresh))
            && !is_computing(&key)
            && let Some(lead) = inner.flights.begin(self.hash(), |own| *own == key, || key, || true)
        {
            return Start::Lead(lead, Some(found));
        }
        Start::Found(inner.serve(found))
    }

    fn join(&self) -> Start<'a, V> {
        let (inner, key) = (&*self.memo.inner, self.key);
        // Also by way of another memo of the same function.
        if is_computing(&key) {
            return Start::Alone;
        }
        match inner.flights.join(self.hash(), |own| *own == key, || key, || None::<()>) {
            Ok(Joined::Lead(lead)) => Start::Lead(lead, None),
            Ok(Joined::Wait(wait)) => Start::Wait(wait),
            Ok(Joined::Again) | Err(()) => Start::Alone,
        }
    }

    /// A value that somebody else computed is used only if all that it was made from holds now: its computation may have
    /// begun before this call. What is not kept may hang on more than its trace says.
    fn waited(&self, waited: Waited<'a, Fingerprint, Arc<Held<V>>>) -> Start<'a, V> {
        match waited {
            Waited::Value(held) if held.unstorable.is_none() && self.holds(&held) == Some(Age::Fresh) => {
                Start::Found(self.memo.inner.serve(Found::new(held)))
            }
            Waited::Value(_) => self.join(),
            Waited::Lead(lead) => Start::Lead(lead, None),
            Waited::Blocked => Start::Alone,
        }
    }

    /// Whether it waits for other processes that compute the key: not to compute anew what there is.
    fn waits_for_lock(&self, old: &Option<Found<V>>) -> bool {
        !self.terms.anew && old.is_none()
    }

    /// Looks again before it computes, since somebody may have been quicker.
    ///
    /// # Errors
    /// What to serve in place of computing.
    fn ready(
        &self,
        lead: Leads<'a, V>,
        mut lock: Option<LockGuard>,
        old: Option<Found<V>>,
    ) -> Result<Ready<'a, V>, Found<V>> {
        let verifies = old.as_ref().is_some_and(|old| !old.due);
        if let (Some(old), Some(disk)) = (&old, &self.memo.inner.disk)
            && old.due
        {
            lock = match disk.store.try_lock(&self.key) {
                // Another process computes it anew.
                Ok(None) => return Err(old.clone()),
                Ok(lock) => lock,
                Err(error) => {
                    tracing::warn!("{error}");
                    None
                }
            };
        }
        if !self.terms.anew
            && !verifies
            && let Ok(found) = self.find(true)
            && !found.due
        {
            if found.age == Age::Fresh {
                lead.land(|| Arc::clone(&found.held), || {});
            }
            return Err(found);
        }
        Ok(Ready { lock, lead, old })
    }
}

/// What is computed beside all others.
pub(super) fn alone<V>(value: V) -> Found<V> {
    Found::new(Arc::new(Held::alone(value)))
}

/// A computation that has begun.
struct Attempt<'a, V> {
    lookup: Lookup<'a, V>,
    reading: Reading,
    ready: Ready<'a, V>,
    started: Instant,
    /// In nanoseconds since the Unix epoch.
    began_ns: i64,
}

impl<'a, V> Attempt<'a, V> {
    fn new(lookup: Lookup<'a, V>, ready: Ready<'a, V>) -> Self {
        let (reading, began_ns) = (Reading(lookup.frame()), lookup.memo.inner.now_ns());
        Self { lookup, reading, ready, started: Instant::now(), began_ns }
    }

    fn run<E>(self, compute: impl FnOnce() -> Result<V, E>) -> Result<Found<V>, E> {
        // A panic counts before the lead goes to somebody else.
        let failed = Failed(|| self.fail());
        let result = self.ready.lead.run(|| {
            let _entered = self.reading.0.enter();
            compute()
        });
        failed.unless(result.is_ok());
        self.end(result)
    }

    async fn run_async<E>(self, compute: impl Future<Output = Result<V, E>>) -> Result<Found<V>, E> {
        let failed = Failed(|| self.fail());
        let result = self.ready.lead.run_async(self.reading.0.run_async(compute)).await;
        failed.unless(result.is_ok());
        self.end(result)
    }

    /// Counts a computation that came to nothing. Whoever sees the error depends on it for as long as on a value.
    fn fail(&self) {
        let inner = &*self.lookup.memo.inner;
        count(&inner.counts.failures);
        if let Some(ttl) = self.lookup.terms.ttl.or(inner.ttl) {
            self.reading.0.recorded().expire_by(Some(self.began_ns.saturating_add(signed(ttl))));
        }
        if let Some(old) = &self.ready.old {
            inner.ages.put_off(&old.held, inner.now_ns());
        }
    }

    fn end<E>(self, result: Result<V, E>) -> Result<Found<V>, E> {
        let Self { lookup, reading, ready: Ready { lock, lead, old }, started, began_ns } = self;
        let (inner, took) = (&*lookup.memo.inner, started.elapsed());
        let value = match result {
            Ok(value) => value,
            Err(error) => {
                // Whoever called sees what was read, and whoever waits tries for itself.
                drop((reading, lock, lead));
                let keeps_old = inner.ages.any() || lookup.terms.same.is_some();
                let Some(found) = keeps_old.then(|| lookup.find(false).ok()).flatten() else { return Err(error) };
                count(&inner.counts.rescued);
                return Ok(inner.serve(found));
            }
        };
        inner.counts.computed(took);
        let held = lookup.hold(reading.0.take(), value, began_ns, took);
        if let (Some(same), Some(old)) = (lookup.terms.same, old.filter(|old| !old.due && old.age == Age::Fresh))
            && held.unstorable.is_none()
            && lookup.holds(&old.held).is_some()
        {
            let same = same(&old.held.value, &held.value);
            inner.verified(same);
            if same {
                drop((lock, lead));
                return Ok(inner.serve(old));
            }
        }
        let held = lookup.keep(held);
        drop(lock);
        lead.land(|| Arc::clone(&held), || {});
        inner.hand_up(&held);
        Ok(Found::new(held))
    }
}
