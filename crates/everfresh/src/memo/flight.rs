//! Who computes, and who waits: single flight in the process, then on the machine.

use super::{
    Call,
    cache::{Inner, Memo},
    counts::count,
    held::Held,
};
use crate::{
    Fingerprint,
    disk::LockGuard,
    memory::{Joined, KeyHash, Lead, Waited},
    recording::{Reading, is_computing},
};
use serde::Serialize;
use std::{
    future::Future,
    sync::{Arc, Mutex, PoisonError, mpsc},
    task::{Poll, Waker},
    thread,
    time::Instant,
};

type Leads<'a, V> = Lead<'a, Fingerprint, Arc<Held<V>>>;

/// How a caller goes on.
enum Next<'a, V> {
    /// With this value.
    Found(Arc<Held<V>>),
    /// It computes for all who ask for the key.
    Lead(Leads<'a, V>),
    /// It computes for itself: it is the very computation that it would wait for.
    Alone,
}

impl<V: Clone, A: Serialize + ?Sized> Call<'_, V, A> {
    /// The value with its trace, or what `compute` gives.
    pub(super) fn run<E>(&self, compute: impl FnOnce() -> Result<V, E>) -> Result<Arc<Held<V>>, E> {
        let Some(key) = self.key() else { return compute().map(Held::alone) };
        let inner = &*self.memo.inner;
        match self.find(&key) {
            Ok(held) => return Ok(self.use_held(held)),
            Err(_) => count(&inner.counts.misses),
        }
        loop {
            let waited = match self.join(&key) {
                Joined::Lead(lead) => Waited::Lead(lead),
                Joined::Wait(wait) => wait.wait(),
                Joined::Again => Waited::Blocked,
            };
            match self.next(waited) {
                None => {}
                Some(Next::Found(held)) => return Ok(self.use_held(held)),
                Some(Next::Alone) => return compute().map(Held::alone),
                Some(Next::Lead(lead)) => {
                    let lock = inner.disk.as_ref().and_then(|disk| disk.lock(&key));
                    if let Ok(held) = self.find(&key) {
                        lead.land(|| Arc::clone(&held), || {});
                        return Ok(self.use_held(held));
                    }
                    let started = Computation::start(self, &key);
                    let value = lead.run(|| {
                        let _entered = started.reading.0.enter();
                        compute()
                    });
                    return started.end(lead, lock, value);
                }
            }
        }
    }

    /// The same for a future, which is polled only if there is no value.
    pub(super) async fn run_async<E>(&self, compute: impl Future<Output = Result<V, E>>) -> Result<Arc<Held<V>>, E> {
        let Some(key) = self.key() else { return compute.await.map(Held::alone) };
        let inner = &*self.memo.inner;
        match self.find(&key) {
            Ok(held) => return Ok(self.use_held(held)),
            Err(_) => count(&inner.counts.misses),
        }
        loop {
            let waited = match self.join(&key) {
                Joined::Lead(lead) => Waited::Lead(lead),
                Joined::Wait(wait) => wait.await,
                Joined::Again => Waited::Blocked,
            };
            match self.next(waited) {
                None => {}
                Some(Next::Found(held)) => return Ok(self.use_held(held)),
                Some(Next::Alone) => return compute.await.map(Held::alone),
                Some(Next::Lead(lead)) => {
                    // It leads while it waits for the lock too, so that no caller on its thread keeps it from going on.
                    let lock = lead.run_async(self.memo.lock_async(&key)).await;
                    if let Ok(held) = self.find(&key) {
                        lead.land(|| Arc::clone(&held), || {});
                        return Ok(self.use_held(held));
                    }
                    let started = Computation::start(self, &key);
                    let value = lead.run_async(started.reading.0.run_async(compute)).await;
                    return started.end(lead, lock, value);
                }
            }
        }
    }

    fn join(&self, key: &Fingerprint) -> Joined<'_, Fingerprint, Arc<Held<V>>> {
        // Also by way of another memo of the same function.
        if is_computing(key) {
            return Joined::Again;
        }
        let hash = key.as_bytes().first_chunk().copied().map_or(0, u64::from_le_bytes);
        let joined = self.memo.inner.flights.join(KeyHash::new(hash), |own| own == key, || *key, || None::<()>);
        joined.unwrap_or(Joined::Again)
    }

    /// A value that somebody else computed is used only if all that it was made from holds now: its computation may have
    /// begun before this call. `None`: once more from the beginning.
    fn next<'a>(&self, waited: Waited<'a, Fingerprint, Arc<Held<V>>>) -> Option<Next<'a, V>> {
        match waited {
            // What is not kept may hang on more than its trace says.
            Waited::Value(held) => {
                (held.unstorable.is_none() && self.holds(&held.trace).is_ok()).then_some(Next::Found(held))
            }
            Waited::Lead(lead) => Some(Next::Lead(lead)),
            Waited::Blocked => Some(Next::Alone),
        }
    }
}

/// A computation that has begun.
struct Computation<'c, 'a, V, A: ?Sized> {
    call: &'c Call<'a, V, A>,
    key: &'c Fingerprint,
    reading: Reading,
    started: Instant,
    done: bool,
}

impl<'c, 'a, V: Clone, A: Serialize + ?Sized> Computation<'c, 'a, V, A> {
    fn start(call: &'c Call<'a, V, A>, key: &'c Fingerprint) -> Self {
        Self { call, key, reading: Reading(call.frame(key)), started: Instant::now(), done: false }
    }

    fn end<E>(mut self, lead: Leads<'_, V>, lock: Option<LockGuard>, value: Result<V, E>) -> Result<Arc<Held<V>>, E> {
        let took = self.started.elapsed();
        // Whoever called sees an error too, and with it what was read.
        let value = value?;
        let recorded = self.reading.0.take();
        self.done = true;
        let inner = &*self.call.memo.inner;
        inner.counts.computed(took);
        let held = self.call.keep(self.key, recorded, value, took);
        drop(lock);
        lead.land(|| Arc::clone(&held), || {});
        self.call.hand_up(&held);
        Ok(held)
    }
}

impl<V, A: ?Sized> Drop for Computation<'_, '_, V, A> {
    fn drop(&mut self) {
        if !self.done {
            count(&self.call.memo.inner.counts.failures);
        }
    }
}

impl<V> Memo<V> {
    /// The lock of a key. Where another process has it, a thread waits for it, and not the one that polls.
    async fn lock_async(&self, key: &Fingerprint) -> Option<LockGuard> {
        let disk = self.inner.disk.as_ref()?;
        match disk.store.try_lock(key) {
            Ok(Some(lock)) => return Some(lock),
            Ok(None) => {}
            Err(error) => {
                tracing::warn!("{error}");
                return None;
            }
        }
        let (store, key) = (disk.store.clone(), *key);
        let (sender, receiver) = mpsc::sync_channel(1);
        let waker: Arc<Mutex<Option<Waker>>> = Arc::default();
        let waiting = Arc::clone(&waker);
        let waits = thread::Builder::new().name("everfresh-lock".to_owned()).spawn(move || {
            // Who waits may be gone: then nobody holds the other end.
            let gone = || Arc::strong_count(&waiting) == 1;
            let lock = store.lock(&key, &gone).map_err(|error| tracing::warn!("{error}")).ok();
            // A lock that nobody takes is dropped with the channel.
            let _ = sender.send(lock);
            let waker = waiting.lock().unwrap_or_else(PoisonError::into_inner).take();
            waker.into_iter().for_each(Waker::wake);
        });
        if let Err(error) = waits {
            // Then it is computed without the lock.
            tracing::warn!("no thread can wait for another process: {error}");
        }
        std::future::poll_fn(move |context| {
            *waker.lock().unwrap_or_else(PoisonError::into_inner) = Some(context.waker().clone());
            match receiver.try_recv() {
                Ok(lock) => Poll::Ready(lock),
                Err(mpsc::TryRecvError::Empty) => Poll::Pending,
                Err(mpsc::TryRecvError::Disconnected) => Poll::Ready(None),
            }
        })
        .await
    }
}

impl<V> Inner<V> {
    /// Says once why results are not kept.
    pub(super) fn not_kept(&self, why: &dyn std::fmt::Display) {
        count(&self.counts.unstored);
        if !self.warned.swap(true, std::sync::atomic::Ordering::Relaxed) {
            tracing::warn!("a result of `{}` is not kept: {why}", self.name);
        }
    }
}
