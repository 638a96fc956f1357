//! The lock of a key: one caller computes it, of all processes and of all memos in this one. Without it, where there are no
//! locks or a caller would wait for itself, it costs at most a second computation.
//!
//! In the process it is a flight that never lands: its leader's *turn* it is to have the store's lock. So who asks waits only
//! for other processes at the store, and within its own as for any flight, which never hangs.

use super::{disk::Disk, shared::hash};
use crate::{
    Fingerprint,
    disk::{LockGuard, StoreError},
    memory::{Flight, Flights, Joined, Lead, Waited},
};
use std::{
    convert::Infallible,
    future::Future,
    sync::{Arc, Mutex, PoisonError, mpsc},
    task::{Poll, Waker},
    thread,
};

/// Whose turn it is, of all memos of a store, whatever their values.
pub(super) type Turns = Flights<Fingerprint, Infallible>;

type Turn<'a> = Lead<'a, Fingerprint, Infallible>;

/// A key's lock, until this is dropped.
pub(super) struct KeyLock<'a> {
    // Dropped first: whose turn is next finds it free. None where the store has no locks.
    file: Option<LockGuard>,
    turn: Turn<'a>,
}

/// A key's lock on its way to another thread.
pub(super) struct Moving {
    file: Option<LockGuard>,
    turn: Arc<Flight<Fingerprint, Infallible>>,
}

impl<'a> KeyLock<'a> {
    /// Computes on this thread.
    pub(super) fn run<T>(&self, compute: impl FnOnce() -> T) -> T {
        self.turn.run(compute)
    }

    /// Computes as part of a task.
    pub(super) async fn run_async<T>(&self, compute: impl Future<Output = T>) -> T {
        self.turn.run_async(compute).await
    }

    /// For another thread, which [has it](Disk::arrive) as soon as the turn is handed over.
    pub(super) fn leave(self) -> (Moving, Turn<'a>) {
        (Moving { file: self.file, turn: self.turn.flight() }, self.turn)
    }
}

impl<V> Disk<V> {
    /// Waits for the lock on this thread, as long as `goes_on`.
    pub(super) fn lock(&self, key: &Fingerprint, goes_on: Option<&dyn Fn() -> bool>) -> Option<KeyLock<'_>> {
        let turn = match self.join(key)? {
            Joined::Lead(turn) => turn,
            Joined::Wait(wait) => turn(wait.wait_while(goes_on))?,
            Joined::Again => return None,
        };
        let is_called_away = || goes_on.is_some_and(|goes_on| !goes_on());
        let file = match turn.run(|| self.store.lock(key, &is_called_away)) {
            Ok(file) => Some(file),
            Err(StoreError::Cancelled) => None,
            Err(error) => {
                tracing::warn!("{error}");
                None
            }
        };
        Some(KeyLock { file, turn })
    }

    /// The same in a task.
    pub(super) async fn lock_async(&self, key: &Fingerprint) -> Option<KeyLock<'_>> {
        let turn = match self.join(key)? {
            Joined::Lead(turn) => turn,
            Joined::Wait(wait) => turn(wait.await)?,
            Joined::Again => return None,
        };
        let file = turn.run_async(self.file_async(key)).await;
        Some(KeyLock { file, turn })
    }

    /// The lock, if nobody has it.
    pub(super) fn try_lock(&self, key: &Fingerprint) -> Option<KeyLock<'_>> {
        let turn = self.turns.begin(hash(key), |own| own == key, || *key, || true)?;
        let file = match self.store.try_lock(key) {
            Ok(file) => Some(file?),
            Err(error) => {
                tracing::warn!("{error}");
                None
            }
        };
        Some(KeyLock { file, turn })
    }

    /// A lock that [left](KeyLock::leave) another thread.
    pub(super) fn arrive(&self, Moving { file, turn }: Moving) -> KeyLock<'_> {
        KeyLock { file, turn: self.turns.resume(turn) }
    }

    fn join(&self, key: &Fingerprint) -> Option<Joined<'_, Fingerprint, Infallible>> {
        self.turns.join(hash(key), |own| own == key, || *key, || None::<()>).ok()
    }

    /// Where another process has the lock, a thread waits for it, and not the one that polls.
    async fn file_async(&self, key: &Fingerprint) -> Option<LockGuard> {
        match self.store.try_lock(key) {
            Ok(Some(lock)) => return Some(lock),
            Ok(None) => {}
            Err(error) => {
                tracing::warn!("{error}");
                return None;
            }
        }
        let (store, key) = (self.store.clone(), *key);
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

/// The turn, unless its holder waits for this very caller.
fn turn<'a>(waited: Waited<'a, Fingerprint, Infallible>) -> Option<Turn<'a>> {
    match waited {
        Waited::Lead(turn) => Some(turn),
        Waited::Blocked => None,
        Waited::Value(never) => match never {},
    }
}
