//! The operations of the disk tier.

use super::{
    blob::Blob,
    blob_writer::BlobWriter,
    error::StoreError,
    folder::Folder,
    gc::{self, Collection, GcReport},
    gdsf,
    index::{Found, Writer},
    lock::HeldKey,
    open::Inner,
    record::{IndexKey, index_key},
    verify::VerifyReport,
};
use crate::{Fingerprint, FingerprintBuilder};
use std::{path::Path, sync::Arc, time::Duration};

/// How a store is bounded.
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

/// A family of records, each with keys of its own.
#[repr(u8)]
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Space {
    /// The traces of a key.
    Traces = 1,
    /// Tables: their schema, rows and column fingerprints.
    Tables = 2,
    /// Files: what they looked like, and what was in them.
    Files = 3,
    /// Small results.
    Memos = 4,
    /// What runs did.
    Runs = 5,
    /// What is known of steps.
    Steps = 6,
    /// What functions saved.
    Functions = 7,
    /// What was invalidated. `gc` leaves these alone.
    Generations = 8,
}

impl Space {
    const ALL: [Self; 8] = [
        Self::Traces,
        Self::Tables,
        Self::Files,
        Self::Memos,
        Self::Runs,
        Self::Steps,
        Self::Functions,
        Self::Generations,
    ];

    /// The space of an index key, if it is one of records.
    pub(super) fn of(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|space| *space as u8 == byte)
    }

    fn key(self, key: &Fingerprint) -> IndexKey {
        index_key(self as u8, key)
    }
}

/// A record to be stored: its space, its key, its value and the blobs that it refers to.
pub type Record = (Space, Fingerprint, Vec<u8>, Vec<Fingerprint>);

/// A cache folder, open. Cheap to clone; clones and other stores of the same folder in this process share everything.
///
/// Every operation is atomic for all processes: a reader sees all of a write or nothing. What a call acknowledged
/// survives the death of the process. A cache is closed when its last clone is dropped or the process exits; after a process
/// that was killed, the next one checks the whole index before it uses it.
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
    /// # Errors
    /// A folder is refused that belongs to another user, that others can write to, that holds anything but a cache, or
    /// that is on a remote file system; a cache, that a newer Everfresh made or a process of another PID namespace has
    /// open.
    pub fn open(dir: &Path, options: StoreOptions) -> Result<Self, StoreError> {
        Ok(Self { inner: Inner::open(Folder::make(dir)?)?, options })
    }

    /// Opens the cache in `dir` with default options if there is one, and makes nothing otherwise.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_existing(dir: &Path) -> Result<Option<Self>, StoreError> {
        let Some(folder) = Folder::existing(dir)? else { return Ok(None) };
        Ok(Some(Self { inner: Inner::open(folder)?, options: StoreOptions::default() }))
    }

    /// The cache folder, as an absolute path.
    pub fn dir(&self) -> &Path {
        self.inner.folder.path()
    }

    /// The value of a record. `None` if there is none, or it is damaged (which is logged).
    pub fn get(&self, space: Space, key: &Fingerprint) -> Option<Vec<u8>> {
        let found = self.inner.index.read(|view| {
            Ok(match view.get(&space.key(key))? {
                Some(found) => value_of(&found, space, key),
                None => None,
            })
        });
        found.unwrap_or_else(|error| {
            tracing::warn!("{error}");
            None
        })
    }

    /// The same for who has to tell an absent record from one that cannot be read.
    pub(crate) fn look(&self, space: Space, key: &Fingerprint) -> Result<Option<Vec<u8>>, ()> {
        let found = self.inner.index.read(|view| {
            Ok(match view.get(&space.key(key))? {
                Some(found) => value_of(&found, space, key).ok_or(()).map(Some),
                None => Ok(None),
            })
        });
        found.unwrap_or_else(|error| {
            tracing::warn!("{error}");
            Err(())
        })
    }

    /// Stores a record, in the place of one with the same key. `blobs` are what its value refers to: `gc` keeps them.
    ///
    /// # Errors
    /// If the index cannot be written; the old record is still there then.
    pub fn put(&self, space: Space, key: &Fingerprint, value: &[u8], blobs: &[Fingerprint]) -> Result<(), StoreError> {
        self.inner.index.write(|writer| self.put_one(writer, space, key, value, blobs).map_err(Into::into))
    }

    /// Stores several records: all of them, or none. As [`Store::put`] otherwise.
    ///
    /// # Errors
    /// As [`Store::put`].
    pub fn put_all(&self, records: &[Record]) -> Result<(), StoreError> {
        self.inner.index.write(|writer| {
            for (space, key, value, blobs) in records {
                self.put_one(writer, *space, key, value, blobs)?;
            }
            Ok(())
        })
    }

    /// Changes a record that nobody else changes meanwhile. `change` gets its value (`None` if there is none, or it is
    /// damaged) and gives the new one with the blobs it refers to, or `None` to leave it. Says whether it wrote.
    ///
    /// All other writers of the cache wait while `change` runs, and it must not use the store itself.
    ///
    /// # Errors
    /// As [`Store::put`].
    pub fn update(
        &self,
        space: Space,
        key: &Fingerprint,
        change: impl FnOnce(Option<Vec<u8>>) -> Option<(Vec<u8>, Vec<Fingerprint>)>,
    ) -> Result<bool, StoreError> {
        self.inner.index.write(|writer| {
            let old = writer.get(&space.key(key))?.and_then(|found| value_of(&found, space, key));
            let Some((value, blobs)) = change(old) else { return Ok(false) };
            self.put_one(writer, space, key, &value, &blobs)?;
            Ok(true)
        })
    }

    /// Removes a record; says whether there was one.
    ///
    /// # Errors
    /// As [`Store::put`].
    pub fn delete(&self, space: Space, key: &Fingerprint) -> Result<bool, StoreError> {
        self.inner.index.write(|writer| Ok(writer.delete(&space.key(key))?))
    }

    /// Visits every record of a space, in the order of the keys, as they were at one moment. Damaged ones are left out.
    ///
    /// # Errors
    /// If the index cannot be read.
    pub fn for_each(&self, space: Space, mut visit: impl FnMut(&Fingerprint, &[u8])) -> Result<(), StoreError> {
        self.inner.index.read(|view| {
            view.each(Some(space as u8), |_, key, _, found| match found {
                Found::Whole(record) => visit(&key, record.value),
                Found::Damaged => warn_damaged(space, &key),
            })
        })
    }

    /// Begins a blob.
    ///
    /// # Errors
    /// None yet: files are made when the payload outgrows memory.
    pub fn blob_writer(&self) -> Result<BlobWriter, StoreError> {
        Ok(BlobWriter::new(Arc::clone(&self.inner)))
    }

    /// The blob of that name, mapped if it is a file. `None` if there is none, or it is damaged: then it is removed.
    ///
    /// Its content is read only if its file does not look like when it was stored.
    pub fn blob(&self, name: &Fingerprint) -> Option<Blob> {
        self.inner.blob(name)
    }

    /// Whether [`Store::blob`] would find it: a look at the index and one `stat`. It may be gone a moment later.
    pub fn has_blob(&self, name: &Fingerprint) -> bool {
        self.inner.has_blob(name)
    }

    /// Counts uses of blobs, with the seconds that each saved, so that what is useful is evicted last. Best effort.
    pub fn used(&self, names: &[(Fingerprint, f64)]) {
        if names.is_empty() {
            return;
        }
        let result = self.inner.index.write(|writer| {
            for (name, saved) in names {
                let Some(mut entry) = writer.entry(name)? else { continue };
                entry.uses = entry.uses.saturating_add(1);
                entry.touched_ms = writer.now_ms.max(entry.touched_ms + 1);
                if saved.is_finite() {
                    entry.cost = entry.cost.max(*saved);
                }
                entry.priority = gdsf::priority(writer.totals.clock, entry.cost, entry.uses, entry.bytes());
                writer.put_entry(name, &entry)?;
            }
            Ok(())
        });
        if let Err(error) = result {
            tracing::warn!("{error}");
        }
    }

    /// Removes blobs that no record refers to (after [`StoreOptions::grace`]), temporary files of dead writers and
    /// damaged records; then evicts until records and blobs occupy at most `max_size` bytes ([`StoreOptions::max_size`]
    /// if `None`), the blobs that save the least time per byte first.
    ///
    /// Records may take half of `max_size`; beyond that the ones that were written the longest ago go. Waits for a `gc`
    /// of another thread or process. Who has a blob mapped keeps it.
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
    /// # Errors
    /// If the index cannot be read or written.
    pub fn verify(&self) -> Result<VerifyReport, StoreError> {
        self.inner.verify()
    }

    /// The bytes that records and blobs occupy: what `max_size` bounds. The index's file may be larger, since it keeps
    /// its free pages.
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

    /// Removes every record and blob. The folder stays, and so does what others have mapped.
    ///
    /// # Errors
    /// If the index cannot be written, or files cannot be listed or removed.
    pub fn wipe(&self) -> Result<(), StoreError> {
        let _lock = self.lock(&gc_key(), &|| false)?;
        gc::wipe(&self.inner)
    }

    /// Waits until the index is on the disk, so that a power cut takes nothing from it.
    ///
    /// # Errors
    /// If the disk reports one.
    pub fn sync(&self) -> Result<(), StoreError> {
        self.inner.index.sync()
    }

    /// Waits until this caller alone, of all threads and processes, holds the lock of `key`; looks at `cancelled` at
    /// least every 50 ms. The lock of a process that dies is free. A holder that asks again waits for itself.
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
    /// # Errors
    /// If the operating system refuses locks.
    pub fn try_lock(&self, key: &Fingerprint) -> Result<Option<LockGuard>, StoreError> {
        let held = self.inner.presence.lock.try_key(key)?;
        Ok(held.map(|held| LockGuard { inner: Arc::clone(&self.inner), held }))
    }

    fn grace_ms(&self) -> u64 {
        self.options.grace.as_millis().try_into().unwrap_or(u64::MAX)
    }

    fn put_one(
        &self,
        writer: &mut Writer<'_>,
        space: Space,
        key: &Fingerprint,
        value: &[u8],
        blobs: &[Fingerprint],
    ) -> heed::Result<()> {
        for name in blobs {
            // A `gc` that looked for references before this one was there sees that the blob was touched. Half of the
            // grace period, since most blobs that are referred to were stored just now.
            if let Some(mut entry) = writer.entry(name)?
                && entry.touched_ms.saturating_add(self.grace_ms() / 2) <= writer.now_ms
            {
                entry.touched_ms = writer.now_ms.max(entry.touched_ms + 1);
                writer.put_entry(name, &entry)?;
            }
        }
        writer.put(&space.key(key), blobs, value)
    }

    #[cfg(test)]
    pub(super) fn inner(&self) -> &Inner {
        &self.inner
    }
}

/// The lock of a key, released when this is dropped.
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

fn value_of(found: &Found<'_>, space: Space, key: &Fingerprint) -> Option<Vec<u8>> {
    match found {
        Found::Whole(record) => Some(record.value.to_vec()),
        Found::Damaged => {
            warn_damaged(space, key);
            None
        }
    }
}

fn warn_damaged(space: Space, key: &Fingerprint) {
    tracing::warn!(?space, key = %key.short(), "a stored record is damaged: it counts as a miss");
}

fn gc_key() -> Fingerprint {
    FingerprintBuilder::new("everfresh gc").finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::record;

    fn key(name: &str) -> Fingerprint {
        Fingerprint::of_bytes(name.as_bytes())
    }

    /// Replaces the sealed bytes of a record.
    fn damage(store: &Store, key: &IndexKey, change: impl FnOnce(&mut Vec<u8>)) {
        let damaged = store.inner().index.write(|writer| {
            let mut sealed = writer.get_raw(key)?.unwrap();
            change(&mut sealed);
            writer.put_raw(key, &sealed)?;
            Ok(())
        });
        damaged.unwrap();
    }

    #[test]
    fn a_record_with_any_bit_flipped_or_cut_anywhere_is_a_miss_and_can_be_written_again() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), StoreOptions::default()).unwrap();
        let key = key("k");
        let store_it = || store.put(Space::Traces, &key, b"a small value", &[]).unwrap();
        store_it();
        let length = record::seal(&Space::Traces.key(&key), 0, &[], b"a small value").len();
        for bit in 0..length * 8 {
            damage(&store, &Space::Traces.key(&key), |sealed| sealed[bit / 8] ^= 1 << (bit % 8));
            assert_eq!(store.get(Space::Traces, &key), None, "bit {bit}");
            store_it();
            assert_eq!(store.get(Space::Traces, &key).as_deref(), Some(b"a small value".as_slice()));
        }
        for cut in 1..=length {
            damage(&store, &Space::Traces.key(&key), |sealed| sealed.truncate(length - cut));
            assert_eq!(store.get(Space::Traces, &key), None, "{cut} bytes cut off");
            store_it();
        }
    }

    #[test]
    fn damage_is_found_by_verify_removed_and_not_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), StoreOptions::default()).unwrap();
        store.put(Space::Runs, &key("bad"), b"value", &[]).unwrap();
        store.put(Space::Runs, &key("good"), b"value", &[]).unwrap();
        store.blob_writer().unwrap().finish(key("inline"), Duration::ZERO).unwrap();
        damage(&store, &Space::Runs.key(&key("bad")), |sealed| sealed[20] ^= 1);
        damage(&store, &index_key(crate::disk::index::BLOBS, &key("inline")), |sealed| sealed[3] ^= 1);
        let mut found = store.verify().unwrap().damaged;
        found.sort();
        assert_eq!(found, [format!("blob {}", key("inline")), format!("record Runs {}", key("bad"))]);
        let report = store.verify().unwrap();
        assert_eq!((report.records, report.blobs, report.damaged.len()), (1, 0, 0));
    }

    #[test]
    fn a_damaged_sum_is_counted_again() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), StoreOptions::default()).unwrap();
        store.put(Space::Runs, &key("k"), b"value", &[]).unwrap();
        let size = store.size();
        let totals = index_key(crate::disk::index::TOTALS, &Fingerprint::from_bytes([0; 32]));
        // The commit writes the sum after this, so it must be damaged by a delete that is not counted.
        store.inner().index.write(|writer| Ok(writer.delete(&totals)?)).unwrap();
        store.inner().index.write(|writer| Ok(writer.put_raw(&totals, b"nonsense")?)).unwrap();
        assert_eq!(store.size(), size);
        store.put(Space::Runs, &key("k"), b"value", &[]).unwrap();
        assert_eq!(store.size(), size);
    }

    fn store_blob(store: &Store, name: &str) {
        let mut writer = store.blob_writer().unwrap();
        std::io::Write::write_all(&mut writer, &[1; 5_000]).unwrap();
        writer.finish(key(name), Duration::ZERO).unwrap();
    }

    /// As if nobody had touched the blob for longer than the grace period.
    fn age(store: &Store, name: &str) {
        let aged = store.inner().index.write(|writer| {
            let mut entry = writer.entry(&key(name))?.unwrap();
            entry.touched_ms = 1;
            Ok(writer.put_entry(&key(name), &entry)?)
        });
        aged.unwrap();
    }

    #[test]
    fn a_writer_that_finds_its_blob_stored_or_refers_to_it_never_loses_it_to_gc() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), StoreOptions::default()).unwrap();
        for name in ["left", "found", "referred", "used"] {
            store_blob(&store, name);
            age(&store, name);
        }
        store_blob(&store, "found");
        // The record is gone again, as far as a `gc` that began earlier can see.
        store.put(Space::Traces, &key("k"), b"v", &[key("referred")]).unwrap();
        store.delete(Space::Traces, &key("k")).unwrap();
        store.used(&[(key("used"), 1.0)]);
        assert_eq!(store.gc(None).unwrap().removed_blobs, 1);
        let kept = ["left", "found", "referred", "used"].map(|name| store.blob(&key(name)).is_some());
        assert_eq!(kept, [false, true, true, true]);
    }

    #[test]
    fn every_space_is_known_by_its_number() {
        for (space, number) in Space::ALL.into_iter().zip(1..) {
            assert_eq!((space as u8, Space::of(number)), (number, Some(space)));
        }
        assert_eq!(Space::of(0), None);
        assert_eq!(Space::of(9), None);
    }
}
