//! Opening and closing a cache: one environment a process and folder, and nothing trusted that was not closed.
//!
//! To open, in this order, under the lock on byte 0 (see `lock`):
//! 1. Take the users' lock exclusively. If that works no other process has the cache open, and none can open it now.
//! 2. Alone: claim the format; if the mark does not vouch for the index file, check its structure, and remove the file
//!    if it is not sound; write the mark "open". Not alone: refuse another PID namespace.
//! 3. Open the index; if there was none, list the blobs in it by their headers.
//! 4. Share the users' lock.
//!
//! To close: the index; then, if alone, write the mark "closed"; then the locks; then the entry in the registry, so that
//! no other thread opens the folder before the last descriptor of its lock file is closed.

use super::{
    blob::{open_blob, read_header},
    entry::{Entry, Payload, Sighting},
    error::StoreError,
    exit::close_at_exit,
    fault,
    folder::Folder,
    gdsf,
    index::{self, Index, now_ms},
    lock::LockFile,
    mark::{self, Mark, Place},
    soundness,
    uses::Uses,
};
use crate::{Fingerprint, file::FileStat};
use std::{
    collections::BTreeMap,
    fs, mem,
    path::{Path, PathBuf},
    sync::{
        Arc, Condvar, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

type Identity = (u64, u64);

static OPEN: Mutex<BTreeMap<Identity, Weak<Inner>>> = Mutex::new(BTreeMap::new());
static CLOSED: Condvar = Condvar::new();

/// How long a process that ends waits to say that it closed the cache; the next one then only has more to check.
const CLOSING_PATIENCE: Duration = Duration::from_secs(2);

/// An open cache. The fields are dropped in this order, which matters; before them, uses are written.
#[derive(Debug)]
pub(super) struct Inner {
    pub index: Index,
    pub presence: Presence,
    _registration: Registration,
    pub folder: Folder,
    /// See [`Place::boot_tag`].
    pub boot: u64,
    /// Numbers temporary files.
    pub serial: AtomicU64,
    pub uses: Uses,
}

impl Inner {
    /// Opens the cache in `folder`, or joins the threads of this process that have it open.
    pub fn open(folder: Folder) -> Result<Arc<Self>, StoreError> {
        let identity = folder.identity()?;
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(inner) = open.get(&identity) {
            if let Some(inner) = inner.upgrade() {
                return if inner.presence.pid == std::process::id() {
                    Ok(inner)
                } else {
                    // Dropped without the registry's lock, which the last one to go needs.
                    drop(open);
                    Err(StoreError::Forked { path: folder.path().to_owned() })
                };
            }
            // Another thread is closing it.
            open = CLOSED.wait(open).unwrap_or_else(PoisonError::into_inner);
        }
        let inner = Arc::new(Self::open_new(folder, identity)?);
        close_at_exit();
        open.insert(identity, Arc::downgrade(&inner));
        Ok(inner)
    }

    fn open_new(folder: Folder, identity: Identity) -> Result<Self, StoreError> {
        let place = Place::here();
        let lock = LockFile::open(&folder.path().join("lock"))?;
        lock.begin_opening()?;
        let alone = lock.claim_alone()?;
        let suspect = Arc::new(AtomicBool::new(false));
        let presence = Presence {
            lock,
            mark: folder.path().join("mark"),
            index_data: folder.index_data(),
            place: place.clone(),
            // Until it is open: closing must not vouch for what was not checked.
            suspect: Arc::clone(&suspect),
            settled: false,
            pid: std::process::id(),
        };
        let index = if alone { presence.open_alone(&folder)? } else { presence.open_beside(&folder)? };
        presence.lock.join_users()?;
        presence.lock.end_opening()?;
        let presence = presence.settle();
        let boot = place.boot_tag();
        let (serial, uses) = (AtomicU64::new(0), Uses::new(now_ms()));
        Ok(Self { index, presence, _registration: Registration(identity), folder, boot, serial, uses })
    }
}

/// In a forked child: closes what its parent has open, whoever holds it here, so that the folders can be opened anew. What
/// was closed refuses to work.
pub fn after_fork() {
    let of_parent = OPEN.try_lock().map(|mut open| mem::take(&mut *open)).unwrap_or_default();
    for inner in of_parent.into_values().filter_map(|inner| inner.upgrade()) {
        inner.index.let_go();
        inner.presence.lock.let_go();
    }
}

/// The caches that this process has open; none if somebody opens or closes one at this moment.
pub(super) fn open_caches() -> Vec<Arc<Inner>> {
    OPEN.try_lock().map(|open| open.values().filter_map(Weak::upgrade).collect()).unwrap_or_default()
}

/// Tells the registry that the folder can be opened anew. Dropped last of what matters.
#[derive(Debug)]
struct Registration(Identity);

impl Drop for Registration {
    fn drop(&mut self) {
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        // In a forked child somebody may have opened it anew.
        if open.get(&self.0).is_some_and(|inner| inner.strong_count() == 0) {
            open.remove(&self.0);
        }
        CLOSED.notify_all();
    }
}

/// That this process has the cache open, as other processes see it.
#[derive(Debug)]
pub(super) struct Presence {
    pub lock: LockFile,
    mark: PathBuf,
    index_data: PathBuf,
    place: Place,
    suspect: Arc<AtomicBool>,
    /// The cache was opened.
    settled: bool,
    pid: u32,
}

impl Presence {
    fn settle(mut self) -> Self {
        self.settled = true;
        self
    }

    fn open_index(&self, folder: &Folder) -> heed::Result<Index> {
        Index::open(&folder.index(), folder.path(), Arc::clone(&self.suspect))
    }

    fn open_beside(&self, folder: &Folder) -> Result<Index, StoreError> {
        // Waits for nobody: whoever has it open has claimed the format.
        folder.claim_format()?;
        if Mark::read(&self.mark).is_some_and(|mark| mark.place.pid_namespace != self.place.pid_namespace) {
            return Err(StoreError::PidNamespace { path: folder.path().to_owned() });
        }
        fault::reach("opening");
        self.open_index(folder).map_err(|source| open_failed(folder, source))
    }

    fn open_alone(&self, folder: &Folder) -> Result<Index, StoreError> {
        folder.claim_format()?;
        let data = folder.index_data();
        let vouched = Mark::read(&self.mark).is_some_and(|mark| mark.vouches_for(&self.place, FileStat::of(&data)));
        let mut is_new = !data.exists();
        if !vouched
            && !is_new
            && let Err(why) = soundness::check(&data)
        {
            tracing::warn!(cache = %folder.path().display(), %why, "the index is damaged: making a new one");
            remove_index(folder)?;
            is_new = true;
        }
        Mark { place: self.place.clone(), closed: None }.write(&self.mark)?;
        fault::reach("opening");
        let index = match self.open_index(folder) {
            Err(error) if index::is_damage(&error) => {
                tracing::warn!(cache = %folder.path().display(), %error, "the index is damaged: making a new one");
                remove_index(folder)?;
                is_new = true;
                self.open_index(folder)
            }
            index => index,
        }
        .map_err(|source| open_failed(folder, source))?;
        if is_new {
            list_blobs(folder, &index, self.place.boot_tag())?;
        }
        Ok(index)
    }
}

impl Presence {
    /// A forked child holds none of the locks that its memory says are held.
    pub fn refuse_forked(&self, folder: &Path) -> Result<(), StoreError> {
        if self.pid == std::process::id() {
            return Ok(());
        }
        Err(StoreError::Forked { path: folder.to_owned() })
    }

    /// Says that the cache was closed properly, if no other process has it open. A write after that takes it back, since the
    /// mark then does not vouch for the index any more.
    pub fn close(&self) {
        // A forked child has none of the locks, and its parent still uses the index.
        if !self.settled || self.pid != std::process::id() || self.suspect.load(Ordering::Relaxed) {
            return;
        }
        let close = || -> Result<(), StoreError> {
            self.lock.begin_opening_within(CLOSING_PATIENCE)?;
            fault::reach("closing");
            if self.lock.claim_alone()? {
                let stat = mark::set_back(&self.index_data).map_err(StoreError::io("read", &self.index_data))?;
                Mark { place: self.place.clone(), closed: Some(stat) }.write(&self.mark)?;
            }
            Ok(())
        };
        // Not closed properly: the next process checks the index. The folder may also just have been removed.
        if let Err(error) = close() {
            tracing::debug!("{error}");
        }
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.close();
    }
}

fn open_failed(folder: &Folder, source: heed::Error) -> StoreError {
    StoreError::Index { action: "open", path: folder.path().to_owned(), source }
}

fn remove_index(folder: &Folder) -> Result<(), StoreError> {
    let path = folder.index();
    fs::remove_dir_all(&path).map_err(StoreError::io("remove", &path))?;
    folder.make_folder(&path)
}

/// Makes the entries of all blobs from the headers of their files; files that cannot be one are removed.
fn list_blobs(folder: &Folder, index: &Index, boot: u64) -> Result<(), StoreError> {
    let files = blob_files(folder)?;
    if files.is_empty() {
        return Ok(());
    }
    index.write(|writer| {
        for (path, name) in files {
            let Some(file) = open_blob(&path)? else { continue };
            let header = read_header(&file).map_err(StoreError::io("read", &path))?;
            match (name, header) {
                (Some(name), Some(header)) if header.name == name => {
                    let stat = FileStat::of_file(&file).map_err(StoreError::io("read", &path))?;
                    let place = Payload::File(Sighting { stat, settled: false, boot });
                    let (payload_len, cost, touched_ms) = (header.payload_len, header.cost, writer.now_ms);
                    let mut entry = Entry { payload_len, cost, uses: 1, priority: 0.0, touched_ms, place };
                    entry.priority = gdsf::priority(writer.totals.clock, cost, 1, entry.bytes());
                    writer.put_entry(&name, &entry)?;
                }
                _ => remove_file(&path)?,
            }
        }
        Ok(())
    })
}

/// Every file below `blobs/`, with the name that its path says; `None` if it says none.
pub(super) fn blob_files(folder: &Folder) -> Result<Vec<(PathBuf, Option<Fingerprint>)>, StoreError> {
    let mut files = Vec::new();
    for shelf in list(&folder.blobs())? {
        if !shelf.is_dir() {
            continue;
        }
        for path in list(&shelf)? {
            if path.is_dir() {
                continue;
            }
            let named = path.file_name().and_then(|name| Fingerprint::from_hex(name.to_str()?));
            let named = named.filter(|name| folder.blob(name) == path);
            files.push((path, named));
        }
    }
    Ok(files)
}

pub(super) fn list(path: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let entries = fs::read_dir(path).map_err(StoreError::io("list", path))?;
    entries.map(|entry| entry.map(|entry| entry.path()).map_err(StoreError::io("list", path))).collect()
}

/// Removes a file that may be gone already.
pub(super) fn remove_file(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(StoreError::io("remove", path)(error)),
        _ => Ok(()),
    }
}
