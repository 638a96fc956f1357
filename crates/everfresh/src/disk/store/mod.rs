//! The store: a cache folder that is open, and how it is bounded.
//!
//! | module | what it holds |
//! | --- | --- |
//! | `space` | the families of records |
//! | `records` | reading, writing and visiting records |
//! | `blobs` | reading, writing and counting uses of blobs |
//! | `upkeep` | `gc`, `verify`, `wipe`, `sync` and the size |
//! | `locks` | the locks of keys |

mod blobs;
mod locks;
mod records;
mod space;
#[cfg(test)]
mod tests;
mod upkeep;

pub use locks::LockGuard;
pub use space::{Record, Space};

use super::{error::StoreError, folder::Folder, open::Inner};
use std::{path::Path, sync::Arc, time::Duration};

/// How a store is bounded.
///
/// ```
/// use everfresh::disk::{Store, StoreOptions};
///
/// let options = StoreOptions { max_size: 50_000_000, ..StoreOptions::default() };
/// # let folder = tempfile::tempdir()?;
/// let store = Store::open(folder.path(), options)?;
/// assert_eq!(store.size(), 0);
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct StoreOptions {
    /// How many bytes records and blobs may occupy together; [`Store::enforce`] brings them below. 5 GB by default.
    pub max_size: u64,
    /// How long `gc` leaves a blob alone that no record refers to yet. 10 minutes by default.
    pub grace: Duration,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self { max_size: 5_000_000_000, grace: Duration::from_secs(600) }
    }
}

/// A cache folder, open. Cheap to clone; clones and other stores of the same folder in this process share everything.
///
/// Every operation is atomic for all processes: a reader sees all of a write or nothing. What a call acknowledged
/// survives the death of the process. A cache is closed when its last clone is dropped or the process exits; after a process
/// that was killed, the next one checks the whole index before it uses it.
///
/// ```
/// use everfresh::{Fingerprint, disk::{Space, Store, StoreOptions}};
///
/// # let folder = tempfile::tempdir()?;
/// # let store = Store::open(folder.path(), StoreOptions::default())?;
/// let key = Fingerprint::of_bytes(b"key");
/// store.put(Space::Memos, &key, b"value", &[])?;
/// let other = Store::open(folder.path(), StoreOptions::default())?;
/// assert_eq!(other.get(Space::Memos, &key).as_deref(), Some(&b"value"[..]));
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Store {
    inner: Arc<Inner>,
    options: StoreOptions,
}

impl Store {
    /// Opens the cache in `dir`, and makes it if there is none.
    ///
    /// A folder that is already open in this process is shared. Waits for a process that is opening or closing it.
    ///
    /// ```
    /// use everfresh::disk::{Store, StoreOptions};
    ///
    /// # let folder = tempfile::tempdir()?;
    /// let dir = folder.path().join("cache");
    /// let store = Store::open(&dir, StoreOptions::default())?;
    /// assert_eq!((store.size(), dir.is_dir()), (0, true));
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// A folder is refused that belongs to another user, that others can write to, that holds anything but a cache, or
    /// that is on a remote file system; a cache, that a newer Everfresh made or a process of another PID namespace has
    /// open.
    pub fn open(dir: &Path, options: StoreOptions) -> Result<Self, StoreError> {
        Ok(Self { inner: Inner::open(Folder::make(dir)?)?, options })
    }

    /// Opens the cache in `dir` with default options if there is one, and makes nothing otherwise.
    ///
    /// ```
    /// use everfresh::disk::{Store, StoreOptions};
    ///
    /// # let folder = tempfile::tempdir()?;
    /// let dir = folder.path().join("cache");
    /// assert!(Store::open_existing(&dir)?.is_none());
    /// assert!(!dir.exists());
    /// Store::open(&dir, StoreOptions::default())?;
    /// assert!(Store::open_existing(&dir)?.is_some());
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_existing(dir: &Path) -> Result<Option<Self>, StoreError> {
        let Some(folder) = Folder::existing(dir)? else { return Ok(None) };
        Ok(Some(Self { inner: Inner::open(folder)?, options: StoreOptions::default() }))
    }

    /// The cache folder, as an absolute path.
    ///
    /// ```
    /// use everfresh::disk::{Store, StoreOptions};
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open(folder.path(), StoreOptions::default())?;
    /// assert!(store.dir().is_absolute());
    /// assert_eq!(store.dir(), folder.path().canonicalize()?);
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn dir(&self) -> &Path {
        self.inner.folder.path()
    }

    fn grace_ms(&self) -> u64 {
        self.options.grace.as_millis().try_into().unwrap_or(u64::MAX)
    }

    #[cfg(test)]
    pub(super) fn inner(&self) -> &Inner {
        &self.inner
    }
}
