//! Folders for files that another process is handed, on the file system of the cache.

use super::{StoreError, open::Inner};
use std::{
    fs::{self, DirBuilder, File},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::atomic::Ordering,
};

/// A folder of the cache's that nobody else uses, removed with all that is in it when this is dropped, or by a later
/// `gc` if the process is killed before.
///
/// ```
/// use everfresh::disk::{Store, StoreOptions};
///
/// # let folder = tempfile::tempdir()?;
/// # let store = Store::open(folder.path(), StoreOptions::default())?;
/// let temporary = store.temporary_folder()?;
/// let path = temporary.path().join("rows");
/// std::fs::write(&path, "1,2")?;
/// drop(temporary);
/// assert!(!path.exists());
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct TemporaryFolder {
    path: PathBuf,
    /// Locked as long as the folder is used, so that `gc` leaves it alone.
    _lock: File,
}

impl TemporaryFolder {
    pub(super) fn create(inner: &Inner) -> Result<Self, StoreError> {
        let serial = inner.serial.fetch_add(1, Ordering::Relaxed);
        let nanoseconds = std::time::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_nanos());
        let path = inner.folder.temporary().join(format!("{}-{serial}-{nanoseconds}", std::process::id()));
        DirBuilder::new().mode(0o700).create(&path).map_err(StoreError::io("make", &path))?;
        let lock = File::open(&path).map_err(StoreError::io("open", &path))?;
        lock.lock().map_err(StoreError::io("lock", &path))?;
        Ok(Self { path, _lock: lock })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.path) {
            tracing::warn!(%error, "cannot remove {}", self.path.display());
        }
    }
}
