//! Blobs: payloads under a name.

use super::Store;
use crate::{
    Fingerprint,
    disk::{blob::Blob, blob_writer::BlobWriter, error::StoreError, temporary::TemporaryFolder},
};
use std::sync::Arc;

impl Store {
    /// Begins a blob.
    ///
    /// ```
    /// use everfresh::{Fingerprint, disk::{Store, StoreOptions}};
    /// use std::{io::Write, time::Duration};
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open(folder.path(), StoreOptions::default())?;
    /// let name = Fingerprint::of_bytes(b"name");
    /// let mut writer = store.blob_writer()?;
    /// writer.write_all(b"pay")?;
    /// writer.write_all(b"load")?;
    /// assert_eq!(writer.finish(name, Duration::from_secs(2))?, 7);
    /// assert_eq!(store.blob(&name).as_deref(), Some(&b"payload"[..]));
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// None yet: files are made when the payload outgrows memory.
    pub fn blob_writer(&self) -> Result<BlobWriter, StoreError> {
        Ok(BlobWriter::new(Arc::clone(&self.inner)))
    }

    /// Makes a folder on the cache's file system for files that are handed to another process.
    ///
    /// ```
    /// use everfresh::disk::{Store, StoreOptions};
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open(folder.path(), StoreOptions::default())?;
    /// assert!(store.temporary_folder()?.path().starts_with(store.dir()));
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn temporary_folder(&self) -> Result<TemporaryFolder, StoreError> {
        TemporaryFolder::create(&self.inner)
    }

    /// The blob of that name, mapped if it is a file. `None` if there is none, or it is damaged: then it is removed.
    ///
    /// Its content is read only if its file does not look like when it was stored.
    ///
    /// ```
    /// use everfresh::{Fingerprint, disk::{Store, StoreOptions}};
    /// use std::{io::Write, time::Duration};
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open(folder.path(), StoreOptions::default())?;
    /// let name = Fingerprint::of_bytes(b"name");
    /// assert!(store.blob(&name).is_none());
    /// let mut writer = store.blob_writer()?;
    /// writer.write_all(b"payload")?;
    /// writer.finish(name, Duration::ZERO)?;
    /// assert_eq!(store.blob(&name).as_deref(), Some(&b"payload"[..]));
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn blob(&self, name: &Fingerprint) -> Option<Blob> {
        self.inner.blob(name)
    }

    /// Whether [`Store::blob`] would find it: a look at the index and one `stat`. It may be gone a moment later.
    ///
    /// ```
    /// use everfresh::{Fingerprint, disk::{Store, StoreOptions}};
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open(folder.path(), StoreOptions::default())?;
    /// let name = Fingerprint::of_bytes(b"name");
    /// assert!(!store.has_blob(&name));
    /// store.blob_writer()?.finish(name, std::time::Duration::ZERO)?;
    /// assert!(store.has_blob(&name));
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn has_blob(&self, name: &Fingerprint) -> bool {
        self.inner.has_blob(name)
    }

    /// Counts uses of blobs, with the seconds that each saved, so that what is useful is evicted last. Best effort.
    ///
    /// They are written together, at most once a second and before anything is removed: other processes see them so much later,
    /// and a process that is killed loses its last ones.
    ///
    /// ```
    /// use everfresh::{Fingerprint, disk::{Space, Store, StoreOptions}};
    /// use std::{io::Write, time::Duration};
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open(folder.path(), StoreOptions::default())?;
    /// let names = ["left", "useful"].map(|name| Fingerprint::of_bytes(name.as_bytes()));
    /// for name in names {
    ///     let mut writer = store.blob_writer()?;
    ///     writer.write_all(&[1; 10_000])?;
    ///     writer.finish(name, Duration::from_secs(1))?;
    ///     store.put(Space::Tables, &name, b"a record that refers to it", &[name])?;
    /// }
    /// store.used(&[(names[1], 60.0)]);
    /// store.gc(Some(15_000))?;
    /// assert_eq!(names.map(|name| store.has_blob(&name)), [false, true]);
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn used(&self, names: &[(Fingerprint, f64)]) {
        self.inner.used(names);
    }
}
