//! The index: sealed records in one LMDB database, read and written by several processes.
//!
//! A key is one byte for its space and the 32 bytes of a fingerprint. Commits are not synced: they survive the death of
//! the process, and after a power cut the file's structure is checked before it is used (`mark`, `soundness`). A read
//! sees one snapshot and never waits for a writer; writers wait for each other, on a robust mutex that a killed process
//! leaves to the next one.
//!
//! All changes of files in `blobs/` happen inside a write transaction, so they are ordered as the index is.

use super::{
    entry::Entry,
    error::StoreError,
    fault,
    record::{self, IndexKey, Record, index_key, split_key},
    totals::Totals,
};
use crate::Fingerprint;
use heed::{CommitOrAbort, Database, Env, EnvFlags, EnvOpenOptions, MdbError, RoTxn, RwTxn, WithoutTls, types::Bytes};
use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, PoisonError, RwLock, RwLockReadGuard,
        atomic::{AtomicBool, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

/// The space of blob entries.
pub(super) const BLOBS: u8 = 0xb0;
/// The space of the one record that counts all others.
pub(super) const TOTALS: u8 = 0xff;

/// Address space only; the file grows as it is used. Smaller where the address space is limited.
#[cfg(target_pointer_width = "64")]
const MAP_SIZES: [usize; 4] = [1 << 40, 1 << 36, 1 << 33, 1 << 30];
#[cfg(not(target_pointer_width = "64"))]
const MAP_SIZES: [usize; 2] = [1 << 30, 1 << 28];

/// One for each read that is going on at the same moment, in all processes together.
const MAX_READERS: u32 = 2048;

type Db = Database<'static, Bytes, Bytes>;

#[derive(Debug)]
pub(super) struct Index {
    /// None in a forked child that let go of it.
    env: RwLock<Option<Env<WithoutTls>>>,
    db: Db,
    cache: PathBuf,
    pid: u32,
    suspect: Arc<AtomicBool>,
}

/// Whether LMDB says that its file is damaged.
pub(super) fn is_damage(error: &heed::Error) -> bool {
    use MdbError::{BadTxn, Corrupted, Incompatible, Invalid, PageNotFound, Panic, Problem, VersionMismatch};
    matches!(
        error,
        heed::Error::Mdb(
            BadTxn | Corrupted | Incompatible | Invalid | PageNotFound | Panic | Problem | VersionMismatch
        )
    )
}

/// Milliseconds since the Unix epoch.
pub(super) fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

impl Index {
    /// Opens the index in `folder`. Damage that is met later sets `suspect`.
    pub fn open(folder: &Path, cache: &Path, suspect: Arc<AtomicBool>) -> heed::Result<Self> {
        let env = open_env(folder)?;
        // Slots of readers that were killed would keep their snapshots from being reused.
        env.clear_stale_readers()?;
        let txn = env.read_txn()?;
        let db = env.open_databases_and_commit(txn, |opener, txn| {
            opener.open_database::<Bytes, Bytes>(txn, None).map(CommitOrAbort::<_, ()>::Commit)
        })?;
        let db = db.commit().flatten().ok_or(heed::Error::Mdb(MdbError::Invalid))?;
        Ok(Self { env: RwLock::new(Some(env)), db, cache: cache.to_owned(), pid: std::process::id(), suspect })
    }

    fn env(&self) -> Result<Env<WithoutTls>, StoreError> {
        let own = (self.pid == std::process::id()).then(|| self.held().clone()).flatten();
        own.ok_or_else(|| self.forked())
    }

    fn held(&self) -> RwLockReadGuard<'_, Option<Env<WithoutTls>>> {
        self.env.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn forked(&self) -> StoreError {
        StoreError::Forked { path: self.cache.clone() }
    }

    /// In a forked child: closes what is its parent's, whoever holds this; not if a thread was just then using it.
    pub fn let_go(&self) {
        if let Ok(mut env) = self.env.try_write() {
            *env = None;
        }
    }

    fn error(&self, action: &'static str) -> impl FnOnce(heed::Error) -> StoreError {
        move |source| {
            if is_damage(&source) {
                self.suspect.store(true, Ordering::Relaxed);
            }
            StoreError::Index { action, path: self.cache.clone(), source }
        }
    }

    /// Reads one snapshot.
    pub fn read<T>(&self, look: impl FnOnce(&View<'_>) -> heed::Result<T>) -> Result<T, StoreError> {
        let env = self.env()?;
        let txn = match env.read_txn() {
            Err(heed::Error::Mdb(MdbError::ReadersFull)) => {
                env.clear_stale_readers().and_then(|_| env.read_txn()).map_err(self.error("read"))?
            }
            txn => txn.map_err(self.error("read"))?,
        };
        look(&View { txn, db: self.db }).map_err(self.error("read"))
    }

    /// Writes in one transaction: all of it, or nothing if `change` fails.
    pub fn write<T>(&self, change: impl FnOnce(&mut Writer<'_>) -> Result<T, WriteError>) -> Result<T, StoreError> {
        let env = self.env()?;
        if fault::refuses() {
            return Err(self.error("write")(heed::Error::Mdb(MdbError::MapFull)));
        }
        let convert = |error| match error {
            WriteError::Index(source) => self.error("write")(source),
            WriteError::Store(error) => error,
        };
        let txn = env.write_txn().map_err(self.error("write"))?;
        let mut writer = Writer { txn, db: self.db, now_ms: now_ms(), totals: Totals::default(), changed: false };
        writer.load_totals().map_err(self.error("write"))?;
        let result = change(&mut writer).map_err(convert)?;
        writer.commit().map_err(self.error("write"))?;
        Ok(result)
    }

    /// The number of the last write of any process.
    pub fn revision(&self) -> Result<u64, StoreError> {
        self.held().as_ref().map(|env| env.info().last_txn_id as u64).ok_or_else(|| self.forked())
    }

    pub fn clear_stale_readers(&self) -> Result<(), StoreError> {
        self.env()?.clear_stale_readers().map(drop).map_err(self.error("read"))
    }

    /// Waits until what was written is on the disk.
    pub fn sync(&self) -> Result<(), StoreError> {
        self.env()?.force_sync().map_err(self.error("sync"))
    }
}

#[allow(unsafe_code)]
fn open_env(folder: &Path) -> heed::Result<Env<WithoutTls>> {
    const OUT_OF_MEMORY: i32 = nix::libc::ENOMEM;
    let mut options = EnvOpenOptions::new().read_txn_without_tls();
    options.max_readers(MAX_READERS);
    // SAFETY: without syncing, a power cut may damage the file; it is checked before it is opened again.
    unsafe { options.flags(EnvFlags::NO_SYNC) };
    let mut result = Err(heed::Error::Mdb(MdbError::MapFull));
    for size in MAP_SIZES {
        // SAFETY: the folder is local, private to the user and only written through LMDB; one environment a process
        // and folder is ensured by the registry of open stores, and by heed.
        result = unsafe { options.map_size(size).open(folder) };
        if !matches!(&result, Err(heed::Error::Io(error)) if error.raw_os_error() == Some(OUT_OF_MEMORY)) {
            break;
        }
    }
    result
}

/// Why a write transaction was given up.
#[derive(Debug)]
pub(super) enum WriteError {
    Index(heed::Error),
    Store(StoreError),
}

impl From<heed::Error> for WriteError {
    fn from(error: heed::Error) -> Self {
        Self::Index(error)
    }
}

impl From<StoreError> for WriteError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// A record as it was found.
pub(super) enum Found<'a> {
    Whole(Record<'a>),
    Damaged,
}

impl<'a> Found<'a> {
    fn of(key: &[u8], sealed: &'a [u8]) -> Self {
        record::unseal(key, sealed).map_or(Self::Damaged, Self::Whole)
    }
}

/// One snapshot of the index.
pub(super) struct View<'a> {
    txn: RoTxn<'a, WithoutTls>,
    db: Db,
}

impl View<'_> {
    pub fn get(&self, key: &IndexKey) -> heed::Result<Option<Found<'_>>> {
        Ok(self.db.get(&self.txn, key)?.map(|sealed| Found::of(key, sealed)))
    }

    /// A blob's entry; a damaged one is none.
    pub fn entry(&self, name: &Fingerprint) -> heed::Result<Option<Entry>> {
        Ok(match self.get(&index_key(BLOBS, name))? {
            Some(Found::Whole(record)) => Entry::from_bytes(record.value),
            _ => None,
        })
    }

    /// Every record of one space, or of all: its key, its sealed length, and what was found.
    pub fn each(
        &self,
        space: Option<u8>,
        mut visit: impl FnMut(u8, Fingerprint, usize, Found<'_>),
    ) -> heed::Result<()> {
        let mut visit = |item: heed::Result<(&[u8], &[u8])>| {
            let (key, sealed) = item?;
            // A key of another length is not ours: damage that the structure's check cannot see.
            if let Some((space, name)) = split_key(key) {
                visit(space, name, sealed.len(), Found::of(key, sealed));
            }
            Ok(())
        };
        match space {
            Some(space) => self.db.prefix_iter(&self.txn, &[space])?.try_for_each(&mut visit),
            None => self.db.iter(&self.txn)?.try_for_each(&mut visit),
        }
    }

    pub fn totals(&self) -> heed::Result<Option<Totals>> {
        Ok(match self.get(&totals_key())? {
            Some(Found::Whole(record)) => Totals::from_bytes(record.value),
            Some(Found::Damaged) => None,
            None => Some(Totals::default()),
        })
    }
}

fn totals_key() -> IndexKey {
    index_key(TOTALS, &Fingerprint::from_bytes([0; 32]))
}

/// One write transaction. It keeps the totals right.
pub(super) struct Writer<'a> {
    txn: RwTxn<'a>,
    db: Db,
    /// When the transaction began, in milliseconds since the Unix epoch.
    pub now_ms: u64,
    pub totals: Totals,
    changed: bool,
}

impl Writer<'_> {
    fn load_totals(&mut self) -> heed::Result<()> {
        let key = totals_key();
        let totals = match self.db.get(&self.txn, &key)? {
            None => self.db.is_empty(&self.txn)?.then(Totals::default),
            Some(sealed) => record::unseal(&key, sealed).and_then(|record| Totals::from_bytes(record.value)),
        };
        match totals {
            Some(totals) => self.totals = totals,
            None => self.recount()?,
        }
        Ok(())
    }

    /// Counts everything again.
    pub fn recount(&mut self) -> heed::Result<()> {
        let mut totals = Totals { clock: self.totals.clock, ..Totals::default() };
        for item in self.db.iter(&self.txn)? {
            let (key, sealed) = item?;
            totals.count(key, sealed, 1);
        }
        self.totals = totals;
        self.changed = true;
        Ok(())
    }

    fn commit(mut self) -> heed::Result<()> {
        if !self.changed {
            return Ok(());
        }
        let key = totals_key();
        let sealed = record::seal(&key, self.now_ms, &[], &self.totals.to_bytes());
        self.db.put(&mut self.txn, &key, &sealed)?;
        fault::reach("index-transaction");
        self.txn.commit()?;
        fault::reach("index-committed");
        Ok(())
    }

    pub fn get(&self, key: &IndexKey) -> heed::Result<Option<Found<'_>>> {
        Ok(self.db.get(&self.txn, key)?.map(|sealed| Found::of(key, sealed)))
    }

    pub fn entry(&self, name: &Fingerprint) -> heed::Result<Option<Entry>> {
        Ok(match self.get(&index_key(BLOBS, name))? {
            Some(Found::Whole(record)) => Entry::from_bytes(record.value),
            _ => None,
        })
    }

    fn put_sealed(&mut self, key: &IndexKey, sealed: &[u8]) -> heed::Result<()> {
        if let Some(old) = self.db.get(&self.txn, key)? {
            self.totals.count(key, old, -1);
        }
        self.db.put(&mut self.txn, key, sealed)?;
        self.totals.count(key, sealed, 1);
        self.changed = true;
        Ok(())
    }

    pub fn put(&mut self, key: &IndexKey, blobs: &[Fingerprint], value: &[u8]) -> heed::Result<()> {
        let sealed = record::seal(key, self.now_ms, blobs, value);
        self.put_sealed(key, &sealed)
    }

    pub fn put_entry(&mut self, name: &Fingerprint, entry: &Entry) -> heed::Result<()> {
        self.put(&index_key(BLOBS, name), &[], &entry.to_bytes())
    }

    /// Puts bytes where a sealed record belongs, to see what becomes of damage.
    #[cfg(test)]
    pub fn put_raw(&mut self, key: &IndexKey, bytes: &[u8]) -> heed::Result<()> {
        self.put_sealed(key, bytes)
    }

    /// The sealed bytes of a record.
    #[cfg(test)]
    pub fn get_raw(&self, key: &IndexKey) -> heed::Result<Option<Vec<u8>>> {
        Ok(self.db.get(&self.txn, key)?.map(<[u8]>::to_vec))
    }

    pub fn delete(&mut self, key: &IndexKey) -> heed::Result<bool> {
        if let Some(old) = self.db.get(&self.txn, key)? {
            self.totals.count(key, old, -1);
        }
        let deleted = self.db.delete(&mut self.txn, key)?;
        self.changed |= deleted;
        Ok(deleted)
    }

    /// Removes every record and entry.
    pub fn clear(&mut self) -> heed::Result<()> {
        self.db.clear(&mut self.txn)?;
        self.totals = Totals { clock: self.totals.clock, ..Totals::default() };
        self.changed = true;
        Ok(())
    }
}

impl Totals {
    fn count(&mut self, key: &[u8], sealed: &[u8], sign: i64) {
        let add = |total: &mut u64, amount: u64| {
            *total = if sign > 0 { total.saturating_add(amount) } else { total.saturating_sub(amount) };
        };
        match split_key(key) {
            Some((BLOBS, _)) => {
                let entry = record::unseal(key, sealed).and_then(|record| Entry::from_bytes(record.value));
                add(&mut self.blobs, 1);
                add(&mut self.blob_bytes, entry.map_or(0, |entry| entry.bytes()));
            }
            Some((TOTALS, _)) => {}
            _ => {
                add(&mut self.records, 1);
                add(&mut self.record_bytes, (key.len() + sealed.len()) as u64);
            }
        }
    }
}
