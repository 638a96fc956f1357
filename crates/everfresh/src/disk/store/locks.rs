//! The locks of keys: who computes what others wait for.

use super::Store;
use crate::{
    Fingerprint,
    disk::{error::StoreError, lock::HeldKey, open::Inner},
};
use std::sync::Arc;

impl Store {
    /// Waits until this caller alone, of all threads and processes, holds the lock of `key`; looks at `cancelled` at
    /// least every 50 ms. The lock of a process that dies is free. A holder that asks again waits for itself.
    ///
    /// ```
    /// use everfresh::{Fingerprint, disk::{Store, StoreError, StoreOptions}};
    /// use std::thread;
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open(folder.path(), StoreOptions::default())?;
    /// let key = Fingerprint::of_bytes(b"key");
    /// let held = store.lock(&key, &|| false)?;
    /// // Somebody else waits for it, until that is not wanted any more.
    /// let other = thread::scope(|scope| scope.spawn(|| store.lock(&key, &|| true)).join());
    /// assert!(matches!(other, Ok(Err(StoreError::Cancelled))));
    /// drop(held);
    /// store.lock(&key, &|| true)?;
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`StoreError::Cancelled`] when `cancelled` says so.
    pub fn lock(&self, key: &Fingerprint, cancelled: &dyn Fn() -> bool) -> Result<LockGuard, StoreError> {
        self.inner.presence.refuse_forked(self.dir())?;
        let held = self.inner.presence.lock.key(key, cancelled)?;
        Ok(LockGuard { inner: Arc::clone(&self.inner), held })
    }

    /// Takes the lock of `key`; `None` if another thread or process holds it.
    ///
    /// ```
    /// use everfresh::{Fingerprint, disk::{Store, StoreOptions}};
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open(folder.path(), StoreOptions::default())?;
    /// let key = Fingerprint::of_bytes(b"key");
    /// let held = store.try_lock(&key)?;
    /// assert!(held.is_some());
    /// assert!(store.try_lock(&key)?.is_none());
    /// drop(held);
    /// assert!(store.try_lock(&key)?.is_some());
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If the operating system refuses locks.
    pub fn try_lock(&self, key: &Fingerprint) -> Result<Option<LockGuard>, StoreError> {
        let held = self.inner.presence.lock.try_key(key)?;
        Ok(held.map(|held| LockGuard { inner: Arc::clone(&self.inner), held }))
    }
}

/// The lock of a key, released when this is dropped.
///
/// ```
/// use everfresh::{Fingerprint, disk::{LockGuard, Store, StoreOptions}};
///
/// # let folder = tempfile::tempdir()?;
/// # let store = Store::open(folder.path(), StoreOptions::default())?;
/// let key = Fingerprint::of_bytes(b"key");
/// let guard: LockGuard = store.lock(&key, &|| false)?;
/// // Here this thread alone computes what belongs to the key.
/// drop(guard);
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct LockGuard {
    inner: Arc<Inner>,
    held: HeldKey,
}

impl Drop for LockGuard {
    fn drop(&mut self) {
        self.inner.presence.lock.release(&self.held);
    }
}
