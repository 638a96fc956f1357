//! The lock of a key: one process computes it. Without one, where there are no locks, it costs at most a second computation.

use super::disk::Disk;
use crate::{
    Fingerprint,
    disk::{LockGuard, StoreError},
};
use std::{
    sync::{Arc, Mutex, PoisonError, mpsc},
    task::{Poll, Waker},
    thread,
};

impl<V> Disk<V> {
    /// Waits for the lock on this thread, as long as `goes_on`.
    pub(super) fn lock(&self, key: &Fingerprint, goes_on: Option<&dyn Fn() -> bool>) -> Option<LockGuard> {
        match self.store.lock(key, &|| goes_on.is_some_and(|goes_on| !goes_on())) {
            Ok(lock) => Some(lock),
            Err(StoreError::Cancelled) => None,
            Err(error) => {
                tracing::warn!("{error}");
                None
            }
        }
    }

    /// Where another process has the lock, a thread waits for it, and not the one that polls.
    pub(super) async fn lock_async(&self, key: &Fingerprint) -> Option<LockGuard> {
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
