//! Keeping the cache small and whole.

use super::Store;
use crate::{
    Fingerprint, FingerprintBuilder,
    disk::{
        error::StoreError,
        gc::{self, Collection, GcReport},
        reduce::Limits,
        verify::VerifyReport,
    },
};

impl Store {
    /// Removes blobs that no record refers to (after [`StoreOptions::grace`](super::StoreOptions::grace)), temporary files of dead writers and
    /// damaged records; then evicts until records and blobs occupy at most `max_size` bytes (the one in
    /// [`StoreOptions`](super::StoreOptions) if `None`), the blobs that save the least time per byte first.
    ///
    /// Records may take half of `max_size`; beyond that the ones that were written the longest ago go. Waits for a `gc`
    /// of another thread or process. Who has a blob mapped keeps it.
    ///
    /// ```
    /// use everfresh::{Fingerprint, disk::{Space, Store, StoreOptions}};
    ///
    /// # use std::time::Duration;
    /// # let folder = tempfile::tempdir()?;
    /// let store = Store::open(folder.path(), StoreOptions { grace: Duration::ZERO, ..StoreOptions::default() })?;
    /// let [kept, left] = ["kept", "left"].map(|name| Fingerprint::of_bytes(name.as_bytes()));
    /// store.blob_writer()?.finish(kept, Duration::ZERO)?;
    /// store.blob_writer()?.finish(left, Duration::ZERO)?;
    /// store.put(Space::Tables, &kept, b"refers to a blob", &[kept])?;
    /// let report = store.gc(None)?;
    /// assert_eq!((report.removed_blobs, report.kept_blobs), (1, 1));
    /// assert_eq!((store.has_blob(&kept), store.has_blob(&left)), (true, false));
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If the index cannot be written, or files cannot be listed or removed.
    pub fn gc(&self, max_size: Option<u64>) -> Result<GcReport, StoreError> {
        let _lock = self.lock(&gc_key(), &|| false)?;
        self.collect(max_size.unwrap_or(self.options.max_size))
    }

    /// [`Store::gc`] if the cache occupies more than its `max_size` and no other `gc` is going on; `None` otherwise.
    /// Cheap if there is nothing to do: a running total is kept.
    ///
    /// ```
    /// use everfresh::{Fingerprint, disk::{Space, Store, StoreOptions}};
    ///
    /// # let folder = tempfile::tempdir()?;
    /// let store = Store::open(folder.path(), StoreOptions { max_size: 1_000, ..StoreOptions::default() })?;
    /// assert_eq!(store.enforce()?, None);
    /// for key in [b"a", b"b"] {
    ///     store.put(Space::Memos, &Fingerprint::of_bytes(key), &[1; 900], &[])?;
    /// }
    /// assert!(store.enforce()?.is_some_and(|report| report.removed_records > 0));
    /// assert!(store.size() <= 1_000);
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Store::gc`].
    pub fn enforce(&self) -> Result<Option<GcReport>, StoreError> {
        if self.size() <= self.options.max_size {
            return Ok(None);
        }
        let Some(_lock) = self.try_lock(&gc_key())? else { return Ok(None) };
        self.collect(self.options.max_size).map(Some)
    }

    fn collect(&self, max_size: u64) -> Result<GcReport, StoreError> {
        Collection { inner: &self.inner, max_size, grace_ms: self.grace_ms() }.run()
    }

    /// Checks every record against its checksum and every blob against its hash, and removes what is damaged.
    ///
    /// ```
    /// use everfresh::{Fingerprint, disk::{Space, Store, StoreOptions}};
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open(folder.path(), StoreOptions::default())?;
    /// store.put(Space::Memos, &Fingerprint::of_bytes(b"key"), b"value", &[])?;
    /// let report = store.verify()?;
    /// assert_eq!((report.records, report.damaged.is_empty()), (1, true));
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If the index cannot be read or written.
    pub fn verify(&self) -> Result<VerifyReport, StoreError> {
        self.inner.verify()
    }

    /// The bytes that records and blobs occupy: what `max_size` bounds. The index's file may be larger, since it keeps
    /// its free pages.
    ///
    /// ```
    /// use everfresh::{Fingerprint, disk::{Space, Store, StoreOptions}};
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open(folder.path(), StoreOptions::default())?;
    /// store.put(Space::Memos, &Fingerprint::of_bytes(b"key"), &[1; 500], &[])?;
    /// assert!((500..1_000).contains(&store.size()));
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn size(&self) -> u64 {
        match self.inner.index.read(|view| view.totals()) {
            Ok(Some(totals)) => totals.bytes(),
            // The sum is damaged: the next write counts again.
            Ok(None) => self.inner.index.write(|writer| Ok(writer.totals.bytes())).unwrap_or_default(),
            Err(error) => {
                tracing::warn!("{error}");
                0
            }
        }
    }

    /// Removes results of functions, those that were used the longest ago first, until all `limits` are kept, and the blobs
    /// that only they refer to. Tables and what else there is in the store stay, and count for nothing.
    ///
    /// ```
    /// use everfresh::{Memo, disk::{Limits, Store, StoreOptions}};
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open(folder.path(), StoreOptions::default())?;
    /// let squares: Memo<u64> = Memo::builder("squares").max_entries(0).store(store.clone()).build();
    /// (0..5).for_each(|n: u64| _ = squares.get_or_compute(&n, || n * n));
    /// let report = store.reduce(&Limits { results: Some(2), ..Limits::default() })?;
    /// assert_eq!(report.removed_records, 3);
    /// assert_eq!((0..5u64).filter(|n| squares.get(n).is_some()).count(), 2);
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Store::gc`].
    pub fn reduce(&self, limits: &Limits) -> Result<GcReport, StoreError> {
        let _lock = self.lock(&gc_key(), &|| false)?;
        limits.impose(&self.inner)
    }

    /// A number that is another one after each write of any process: as long as it is the same, so are all records. Costs
    /// no system call.
    ///
    /// ```
    /// use everfresh::{Fingerprint, disk::{Space, Store, StoreOptions}};
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open(folder.path(), StoreOptions::default())?;
    /// let before = store.revision()?;
    /// assert_eq!(store.revision()?, before);
    /// store.put(Space::Memos, &Fingerprint::of_bytes(b"key"), b"value", &[])?;
    /// assert_ne!(store.revision()?, before);
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// In a forked child, [after it let go](crate::memo::after_fork) of the store.
    pub fn revision(&self) -> Result<u64, StoreError> {
        self.inner.index.revision()
    }

    /// Removes every record and blob. The folder stays, and so does what others have mapped.
    ///
    /// ```
    /// use everfresh::{Fingerprint, disk::{Space, Store, StoreOptions}};
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open(folder.path(), StoreOptions::default())?;
    /// let key = Fingerprint::of_bytes(b"key");
    /// store.put(Space::Memos, &key, b"value", &[])?;
    /// store.wipe()?;
    /// assert_eq!((store.get(Space::Memos, &key), store.size()), (None, 0));
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If the index cannot be written, or files cannot be listed or removed.
    pub fn wipe(&self) -> Result<(), StoreError> {
        let _lock = self.lock(&gc_key(), &|| false)?;
        gc::wipe(&self.inner)
    }

    /// Waits until the index is on the disk, so that a power cut takes nothing from it.
    ///
    /// ```
    /// use everfresh::{Fingerprint, disk::{Space, Store, StoreOptions}};
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open(folder.path(), StoreOptions::default())?;
    /// store.put(Space::Memos, &Fingerprint::of_bytes(b"key"), b"value", &[])?;
    /// store.sync()?;
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If the disk reports one.
    pub fn sync(&self) -> Result<(), StoreError> {
        self.inner.index.sync()
    }
}

fn gc_key() -> Fingerprint {
    FingerprintBuilder::new("everfresh gc").finish()
}
