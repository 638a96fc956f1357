//! What is removed: garbage first, then by priority until the bound is kept.
//!
//! 1. In one snapshot: which blobs do records refer to, and which records are damaged?
//! 2. Garbage is a blob that no record refers to and nobody touched within the grace period. It is removed in batches,
//!    each a write transaction in which the blob must still look as in the snapshot: storing a blob, finding it stored
//!    (deduplication) and referring to it all touch it.
//! 3. Files without an entry are left by writers that were killed between renaming and committing. Renaming happens in a
//!    write transaction, so inside of one there is no such writer alive.
//! 4. Temporary files older than a minute whose advisory lock is free have lost their writer.
//! 5. Records beyond half of the bound: those written the longest ago. Blobs: the lowest priority (`gdsf`), but those
//!    that nobody refers to yet and that were touched within the grace period.
//!
//! One `gc` at a time, by a key's lock; nothing else waits for longer than one batch. Killed anywhere, it leaves at worst
//! entries whose file is gone, which are misses.

use super::{
    entry::{Entry, Payload},
    error::StoreError,
    fault,
    folder::SET_ASIDE,
    index::{BLOBS, Found, TOTALS, WriteError, Writer, now_ms},
    open::{Inner, blob_files, list, remove_file},
    record::{IndexKey, index_key},
    store::Space,
    totals::Totals,
};
use crate::Fingerprint;
use std::{
    collections::{HashMap, HashSet},
    fs::{self, File},
    time::{Duration, SystemTime},
};

/// Removals in one write transaction: writers wait for no more than that.
pub(super) const BATCH: usize = 256;

/// Younger temporary files are left alone: their writer may not have locked them yet.
const TEMPORARY_GRACE: Duration = Duration::from_secs(60);

/// What [`gc`](super::Store::gc) did, and what it left.
///
/// ```
/// use everfresh::{Fingerprint, disk::{Space, Store, StoreOptions}};
///
/// # let folder = tempfile::tempdir()?;
/// # let store = Store::open(folder.path(), StoreOptions::default())?;
/// store.put(Space::Memos, &Fingerprint::of_bytes(b"key"), &[1; 500], &[])?;
/// let report = store.gc(Some(100))?;
/// assert_eq!((report.removed_records, report.kept_bytes), (1, 0));
/// assert!(report.removed_bytes > 500);
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct GcReport {
    /// Blobs that were removed, as garbage or to make room.
    pub removed_blobs: u64,
    /// Bytes that were freed: blobs, records and leftover files.
    pub removed_bytes: u64,
    /// Records that were removed: damaged ones, and the oldest where records took more than half of the bound.
    pub removed_records: u64,
    /// Blobs that are left.
    pub kept_blobs: u64,
    /// Bytes that records and blobs occupy now.
    pub kept_bytes: u64,
}

pub(super) struct Collection<'a> {
    pub inner: &'a Inner,
    pub max_size: u64,
    pub grace_ms: u64,
}

#[derive(Default)]
struct Snapshot {
    referred: HashSet<Fingerprint>,
    blobs: HashMap<Fingerprint, Seen>,
    /// When it was stored, its key, its bytes.
    records: Vec<(u64, IndexKey, u64)>,
    damaged: Vec<IndexKey>,
}

struct Seen {
    touched_ms: u64,
    priority: f64,
}

impl Collection<'_> {
    pub fn run(&self) -> Result<GcReport, StoreError> {
        let mut report = GcReport::default();
        self.inner.write_uses();
        self.inner.index.clear_stale_readers()?;
        report.removed_bytes += remove_leftovers(self.inner)?;
        let now_ms = now_ms();
        let snapshot = self.snapshot()?;
        self.remove_records(&snapshot.damaged, &mut report)?;
        report.removed_bytes += self.remove_orphans(&snapshot)?;

        let in_flight = |name: &Fingerprint, seen: &Seen| {
            // A touch in the same millisecond is stamped with the next one.
            let recent = self.grace_ms > 0 && seen.touched_ms.saturating_add(self.grace_ms) > now_ms;
            recent && !snapshot.referred.contains(name)
        };
        let garbage: Vec<_> = snapshot
            .blobs
            .iter()
            .filter(|(name, seen)| !snapshot.referred.contains(name) && !in_flight(name, seen))
            .collect();
        for batch in garbage.chunks(BATCH) {
            self.remove_garbage(batch, &mut report)?;
        }
        self.evict_records(&snapshot, &mut report)?;
        self.evict_blobs(&snapshot, in_flight, &mut report)?;

        let totals = self.inner.index.write(|writer| {
            // Damage may have made the running total drift.
            if !snapshot.damaged.is_empty() {
                writer.recount()?;
            }
            Ok(writer.totals)
        })?;
        (report.kept_blobs, report.kept_bytes) = (totals.blobs, totals.bytes());
        Ok(report)
    }

    fn snapshot(&self) -> Result<Snapshot, StoreError> {
        let mut snapshot = Snapshot::default();
        self.inner.index.read(|view| {
            view.each(None, |space, name, length, found| {
                let key = index_key(space, &name);
                let Found::Whole(record) = found else {
                    snapshot.damaged.push(key);
                    return;
                };
                match space {
                    TOTALS => {}
                    BLOBS => {
                        if let Some(Entry { touched_ms, priority, .. }) = Entry::from_bytes(record.value) {
                            snapshot.blobs.insert(name, Seen { touched_ms, priority });
                        }
                    }
                    _ => {
                        snapshot.referred.extend(record.blobs());
                        // What was invalidated must not be forgotten before what it makes out of date.
                        if space == Space::Generations as u8 {
                            return;
                        }
                        snapshot.records.push((record.stored_ms, key, (key.len() + length) as u64));
                    }
                }
            })
        })?;
        Ok(snapshot)
    }

    fn remove_records(&self, keys: &[IndexKey], report: &mut GcReport) -> Result<(), StoreError> {
        for batch in keys.chunks(BATCH) {
            report.count(self.inner.index.write(|writer| {
                let before = writer.totals;
                for key in batch {
                    // Someone may have written it anew.
                    if matches!(writer.get(key)?, Some(Found::Damaged)) {
                        writer.delete(key)?;
                    }
                }
                Ok((before, writer.totals))
            })?);
        }
        Ok(())
    }

    /// Removes the files that no entry knows.
    fn remove_orphans(&self, snapshot: &Snapshot) -> Result<u64, StoreError> {
        let known = |name: &Option<Fingerprint>| name.is_some_and(|name| snapshot.blobs.contains_key(&name));
        let orphans: Vec<_> = blob_files(&self.inner.folder)?.into_iter().filter(|(_, name)| !known(name)).collect();
        let mut bytes = 0;
        for batch in orphans.chunks(BATCH) {
            bytes += self.inner.index.write(|writer| {
                let mut bytes = 0;
                for (path, name) in batch {
                    let entry = name.map(|name| writer.entry(&name)).transpose()?.flatten();
                    if !entry.is_some_and(|entry| matches!(entry.place, Payload::File(_))) {
                        bytes += fs::metadata(path).map_or(0, |metadata| metadata.len());
                        remove_file(path)?;
                    }
                }
                Ok(bytes)
            })?;
        }
        Ok(bytes)
    }

    /// Removes blobs that nobody touched since the snapshot.
    fn remove_garbage(&self, batch: &[(&Fingerprint, &Seen)], report: &mut GcReport) -> Result<(), StoreError> {
        report.count(self.inner.index.write(|writer| {
            let before = writer.totals;
            for (name, seen) in batch {
                if let Some(entry) = writer.entry(name)?
                    && entry.touched_ms == seen.touched_ms
                {
                    remove_blob(self.inner, writer, name, &entry)?;
                }
            }
            fault::reach("gc-unlinked");
            Ok((before, writer.totals))
        })?);
        fault::reach("gc-committed");
        Ok(())
    }

    fn evict_records(&self, snapshot: &Snapshot, report: &mut GcReport) -> Result<(), StoreError> {
        let bound = self.max_size / 2;
        let total: u64 = snapshot.records.iter().map(|(_, _, bytes)| bytes).sum();
        let mut excess = total.saturating_sub(bound);
        if excess == 0 {
            return Ok(());
        }
        let mut oldest: Vec<_> = snapshot.records.iter().collect();
        oldest.sort_unstable();
        let end = oldest.iter().position(|(_, _, bytes)| {
            let done = excess == 0;
            excess = excess.saturating_sub(*bytes);
            done
        });
        oldest.truncate(end.unwrap_or(oldest.len()));
        for batch in oldest.chunks(BATCH) {
            report.count(self.inner.index.write(|writer| {
                let before = writer.totals;
                for (stored_ms, key, _) in batch {
                    if matches!(writer.get(key)?, Some(Found::Whole(record)) if record.stored_ms == *stored_ms) {
                        writer.delete(key)?;
                    }
                }
                Ok((before, writer.totals))
            })?);
        }
        Ok(())
    }

    fn evict_blobs(
        &self,
        snapshot: &Snapshot,
        in_flight: impl Fn(&Fingerprint, &Seen) -> bool,
        report: &mut GcReport,
    ) -> Result<(), StoreError> {
        let mut candidates: Vec<_> = snapshot.blobs.iter().filter(|(name, seen)| !in_flight(name, seen)).collect();
        // The name decides between equals, so that the same cache is always evicted in the same order.
        candidates.sort_unstable_by(|(a, one), (b, other)| one.priority.total_cmp(&other.priority).then(a.cmp(b)));
        for batch in candidates.chunks(BATCH) {
            let removed = self.inner.index.write(|writer| {
                let before = writer.totals;
                for (name, seen) in batch {
                    if writer.totals.bytes() <= self.max_size {
                        break;
                    }
                    // One that was used since the snapshot has another priority.
                    if let Some(entry) = writer.entry(name)?
                        && entry.priority == seen.priority
                    {
                        remove_blob(self.inner, writer, name, &entry)?;
                        writer.totals.clock = writer.totals.clock.max(entry.priority);
                    }
                }
                fault::reach("gc-unlinked");
                Ok((before, writer.totals))
            })?;
            fault::reach("gc-committed");
            report.count(removed);
            if removed.1.bytes() <= self.max_size {
                break;
            }
        }
        Ok(())
    }
}

impl GcReport {
    /// Adds what one transaction removed.
    pub(super) fn count(&mut self, (before, after): (Totals, Totals)) {
        self.removed_blobs += before.blobs.saturating_sub(after.blobs);
        self.removed_records += before.records.saturating_sub(after.records);
        self.removed_bytes += before.bytes().saturating_sub(after.bytes());
    }
}

pub(super) fn remove_blob(
    inner: &Inner,
    writer: &mut Writer<'_>,
    name: &Fingerprint,
    entry: &Entry,
) -> Result<(), WriteError> {
    if matches!(entry.place, Payload::File(_)) {
        remove_file(&inner.folder.blob(name))?;
    }
    writer.delete(&index_key(BLOBS, name))?;
    Ok(())
}

/// Removes temporary files without a writer, and what older formats left. Returns the bytes of the former.
fn remove_leftovers(inner: &Inner) -> Result<u64, StoreError> {
    let mut bytes = 0;
    for path in list(&inner.folder.temporary())? {
        let Ok(file) = File::open(&path) else { continue };
        let Ok(metadata) = file.metadata() else { continue };
        let age = metadata.modified().ok().and_then(|modified| SystemTime::now().duration_since(modified).ok());
        // Its writer holds the lock from when it made the file until it dies.
        if age.is_some_and(|age| age >= TEMPORARY_GRACE) && file.try_lock().is_ok() {
            bytes += metadata.len();
            match metadata.is_dir() {
                true => fs::remove_dir_all(&path).map_err(StoreError::io("remove", &path))?,
                false => remove_file(&path)?,
            }
        }
    }
    for path in list(inner.folder.path())? {
        if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(SET_ASIDE)) {
            fs::remove_dir_all(&path).map_err(StoreError::io("remove", &path))?;
        }
    }
    Ok(bytes)
}

/// Removes every record, entry and blob.
pub(super) fn wipe(inner: &Inner) -> Result<(), StoreError> {
    remove_leftovers(inner)?;
    inner.index.write(|writer| {
        for (path, _) in blob_files(&inner.folder)? {
            remove_file(&path)?;
        }
        writer.clear()?;
        Ok(())
    })
}
