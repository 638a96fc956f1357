//! Writing blobs: streamed into a temporary file, renamed to their name, and known to the index in one transaction.
//!
//! 1. Up to 1 KiB is kept in memory and goes into the index.
//! 2. Anything longer goes to a file in `tmp/`, which the writer holds an advisory lock on: `gc` leaves it alone.
//! 3. `finish` writes the header and sets the mtime back, so that any later write moves it.
//! 4. In one write transaction: if a good blob of that name is there, it is touched and the temporary file dropped; else
//!    the file is renamed and its entry written. `gc` removes files in write transactions too, and never what was touched
//!    within the grace period; so a writer that found a blob to be there does not lose it.
//!
//! Killed between the rename and the commit, the file stays without an entry until `gc` removes it.

use super::{
    entry::{Entry, INLINE_MAX, Payload, Sighting},
    error::StoreError,
    fault, gdsf,
    header::{HEADER, Header},
    index::{WriteError, Writer},
    mark::{is_set_back, set_back_times},
    open::Inner,
};
use crate::{Fingerprint, file::FileStat};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{FileExt as _, OpenOptionsExt as _},
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

const BUFFER: usize = 1 << 20;

/// Takes a payload as it is made; [`BlobWriter::finish`] stores it. Dropped before, it leaves nothing.
///
/// ```
/// use everfresh::{Fingerprint, disk::{BlobWriter, Store, StoreOptions}};
/// use std::{io::Write, time::Duration};
///
/// # let folder = tempfile::tempdir()?;
/// # let store = Store::open(folder.path(), StoreOptions::default())?;
/// let name = Fingerprint::of_bytes(b"name");
/// let mut dropped: BlobWriter = store.blob_writer()?;
/// dropped.write_all(b"payload")?;
/// drop(dropped);
/// assert!(store.blob(&name).is_none());
///
/// let mut writer = store.blob_writer()?;
/// writer.write_all(b"payload")?;
/// writer.finish(name, Duration::ZERO)?;
/// assert!(store.blob(&name).is_some());
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct BlobWriter {
    inner: Arc<Inner>,
    hasher: blake3::Hasher,
    buffer: Vec<u8>,
    temporary: Option<Temporary>,
    length: u64,
    /// Hash on this thread alone.
    here: bool,
}

impl Write for BlobWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() >= BUFFER {
            self.spill()?;
            self.store(bytes)?;
        } else {
            if self.buffer.len() + bytes.len() > BUFFER {
                self.spill()?;
            }
            self.buffer.extend_from_slice(bytes);
        }
        self.length += bytes.len() as u64;
        Ok(bytes.len())
    }

    /// Does nothing: what was written counts only once it is finished.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl BlobWriter {
    pub(super) fn new(inner: Arc<Inner>) -> Self {
        Self { inner, hasher: blake3::Hasher::new(), buffer: Vec::new(), temporary: None, length: 0, here: false }
    }

    /// Hashes on this thread alone, for callers who hold something that others wait for: a thread that waits for rayon does
    /// other work of its pool meanwhile, and that may be what waits.
    pub(crate) fn here(mut self) -> Self {
        self.here = true;
        self
    }

    /// The fingerprint of what was written so far.
    pub(crate) fn content(&self) -> Fingerprint {
        let mut hasher = self.hasher.clone();
        Fingerprint::from_bytes(hasher.update(&self.buffer).finalize().into())
    }

    /// Moves the buffer into the temporary file.
    fn spill(&mut self) -> io::Result<()> {
        let mut buffer = std::mem::take(&mut self.buffer);
        let result = if buffer.is_empty() { Ok(()) } else { self.store(&buffer) };
        buffer.clear();
        self.buffer = buffer;
        result
    }

    fn store(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.here {
            self.hasher.update(bytes);
        } else {
            self.hasher.update_rayon(bytes);
        }
        let temporary = match &mut self.temporary {
            Some(temporary) => temporary,
            None => self.temporary.insert(Temporary::create(&self.inner)?),
        };
        temporary.file.write_all(bytes)?;
        fault::reach("blob-temporary");
        Ok(())
    }

    /// Stores the payload under a name. `cost` is how long it took to compute: what a hit saves.
    ///
    /// If a blob of that name is stored already it is kept, and this one dropped: equal names mean equal payloads.
    /// Returns the payload's length. Concurrent calls with one name leave one blob.
    ///
    /// ```
    /// use everfresh::{Fingerprint, disk::{Store, StoreOptions}};
    /// use std::{io::Write, time::Duration};
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open(folder.path(), StoreOptions::default())?;
    /// let name = Fingerprint::of_bytes(b"name");
    /// for _ in 0..2 {
    ///     let mut writer = store.blob_writer()?;
    ///     writer.write_all(b"payload")?;
    ///     assert_eq!(writer.finish(name, Duration::from_secs(2))?, 7);
    /// }
    /// assert_eq!(store.verify()?.blobs, 1);
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If the disk is full or the cache folder is gone; nothing is stored then.
    pub fn finish(mut self, name: Fingerprint, cost: Duration) -> Result<u64, StoreError> {
        let cost = cost.as_secs_f64();
        if self.temporary.is_some() || self.buffer.len() > INLINE_MAX {
            self.spill().map_err(StoreError::io("write to", &self.inner.folder.temporary()))?;
        }
        let Some(temporary) = self.temporary.take() else {
            let payload = std::mem::take(&mut self.buffer);
            return self.inner.index.write(|writer| {
                if let Some(length) = self.keep_existing(writer, &name, cost)? {
                    return Ok(length);
                }
                insert(writer, &name, self.length, cost, Payload::Inline(payload)).map_err(WriteError::from)
            });
        };
        let header =
            Header { payload_len: self.length, cost, payload_hash: self.hasher.finalize().into(), name }.to_bytes();
        let file = &temporary.file;
        file.write_all_at(&header, 0).map_err(StoreError::io("write", &temporary.path))?;
        // Not all file systems let times be set: then the blob is hashed when it is first read.
        if let Ok(now) = FileStat::of_file(file) {
            let _ = rustix::fs::futimens(file, &set_back_times(&now));
        }
        fault::reach("blob-before-rename");
        self.inner.index.write(|writer| {
            if let Some(length) = self.keep_existing(writer, &name, cost)? {
                return Ok(length);
            }
            let stat = self.publish(&temporary, &name)?;
            let sighting = Sighting { stat, settled: is_set_back(&stat), boot: self.inner.boot };
            insert(writer, &name, self.length, cost, Payload::File(sighting)).map_err(WriteError::from)
        })
    }

    /// Touches the blob of that name if it is there and good, so that `gc` leaves it for a while.
    fn keep_existing(&self, writer: &mut Writer<'_>, name: &Fingerprint, cost: f64) -> heed::Result<Option<u64>> {
        let Some(mut entry) = writer.entry(name)? else { return Ok(None) };
        let good = match &entry.place {
            Payload::Inline(_) => true,
            Payload::File(sighting) => FileStat::of(&self.inner.folder.blob(name))
                .is_ok_and(|stat| sighting.vouches_for(&stat, self.inner.boot)),
        };
        if !good {
            return Ok(None);
        }
        entry.touched_ms = writer.now_ms.max(entry.touched_ms + 1);
        entry.cost = entry.cost.max(cost);
        entry.priority = gdsf::priority(writer.totals.clock, entry.cost, entry.uses, entry.bytes());
        writer.put_entry(name, &entry)?;
        Ok(Some(entry.payload_len))
    }

    /// Gives the temporary file its name.
    fn publish(&self, temporary: &Temporary, name: &Fingerprint) -> Result<FileStat, StoreError> {
        let path = self.inner.folder.blob(name);
        if let Some(parent) = path.parent() {
            self.inner.folder.make_folder(parent)?;
        }
        fs::rename(&temporary.path, &path).map_err(StoreError::io("rename", &temporary.path))?;
        fault::reach("blob-after-rename");
        FileStat::of_file(&temporary.file).map_err(StoreError::io("read", &path))
    }
}

fn insert(
    writer: &mut Writer<'_>,
    name: &Fingerprint,
    payload_len: u64,
    cost: f64,
    place: Payload,
) -> heed::Result<u64> {
    let mut entry = Entry { payload_len, cost, uses: 1, priority: 0.0, touched_ms: writer.now_ms, place };
    entry.priority = gdsf::priority(writer.totals.clock, cost, entry.uses, entry.bytes());
    writer.put_entry(name, &entry)?;
    Ok(payload_len)
}

/// A file in `tmp/`, removed when this is dropped unless it was renamed.
#[derive(Debug)]
struct Temporary {
    file: File,
    path: PathBuf,
}

impl Temporary {
    fn create(inner: &Inner) -> io::Result<Self> {
        let serial = inner.serial.fetch_add(1, Ordering::Relaxed);
        let nanoseconds = std::time::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_nanos());
        let name = format!("{}-{serial}-{nanoseconds}", std::process::id());
        let path = inner.folder.temporary().join(name);
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
        let mut temporary = Self { file, path };
        temporary.file.lock()?;
        temporary.file.write_all(&[0; HEADER])?;
        Ok(temporary)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // Not there if it was renamed.
        let _ = fs::remove_file(&self.path);
    }
}
