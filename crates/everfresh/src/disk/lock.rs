//! Locks between processes and between threads: POSIX record locks on single bytes of the file `lock`.
//!
//! ```text
//! byte 0            held while a process opens or closes the cache
//! byte 1            held shared by every process that has the cache open
//! byte 2^32 + k     held by who computes the key whose first 62 bits are k (single flight)
//! ```
//! A record lock dies with its process and a forked child does not have it. It also dies when the process closes *any*
//! descriptor of the file, so the file is opened once a process, here, and never elsewhere. It does not exclude the
//! threads of one process: `held` does that.

use super::error::StoreError;
use crate::Fingerprint;
use nix::{
    errno::Errno,
    fcntl::{FcntlArg, fcntl},
    libc,
};
use std::{
    collections::HashSet,
    fs::{File, OpenOptions},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

const OPENING: i64 = 0;
const USERS: i64 = 1;
const KEYS: i64 = 1 << 32;

/// How long to wait for a process that opens or closes the cache: rebuilding the index of a large cache takes seconds.
const OPENING_PATIENCE: Duration = Duration::from_secs(60);

/// The longest pause between two looks at a lock that another process holds.
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

#[derive(Debug)]
pub(super) struct LockFile {
    /// None in a forked child that let go of it.
    file: Mutex<Option<File>>,
    path: PathBuf,
    held: Mutex<HashSet<i64>>,
    released: Condvar,
}

impl LockFile {
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)
            .map_err(StoreError::io("open", path))?;
        Ok(Self {
            file: Mutex::new(Some(file)),
            path: path.to_owned(),
            held: Mutex::default(),
            released: Condvar::new(),
        })
    }

    fn file(&self) -> MutexGuard<'_, Option<File>> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn folder(&self) -> PathBuf {
        self.path.parent().unwrap_or(&self.path).to_owned()
    }

    /// In a forked child: closes what it has of its parent, before it opens the file itself. Not if a thread was just then
    /// using it.
    pub fn let_go(&self) {
        if let Ok(mut file) = self.file.try_lock() {
            *file = None;
        }
    }

    /// Takes, converts or releases the lock on one byte; `false` if another process is in the way.
    fn set(&self, kind: libc::c_int, byte: i64) -> Result<bool, StoreError> {
        let lock = libc::flock {
            l_type: kind as libc::c_short,
            l_whence: libc::SEEK_SET as libc::c_short,
            l_start: byte,
            l_len: 1,
            l_pid: 0,
        };
        let file = self.file();
        let file = file.as_ref().ok_or_else(|| StoreError::Forked { path: self.folder() })?;
        loop {
            match fcntl(file, FcntlArg::F_SETLK(&lock)) {
                Ok(_) => return Ok(true),
                Err(Errno::EACCES | Errno::EAGAIN) => return Ok(false),
                Err(Errno::EINTR) => {}
                Err(error) => return Err(StoreError::io("lock", &self.path)(error.into())),
            }
        }
    }

    /// Waits until no other process opens or closes the cache.
    pub fn begin_opening(&self) -> Result<(), StoreError> {
        self.begin_opening_within(OPENING_PATIENCE)
    }

    pub fn begin_opening_within(&self, patience: Duration) -> Result<(), StoreError> {
        let begun = Instant::now();
        let mut pause = Duration::from_micros(100);
        while !self.set(libc::F_WRLCK, OPENING)? {
            if begun.elapsed() > patience {
                return Err(StoreError::Busy { path: self.folder(), seconds: patience.as_secs() });
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        Ok(())
    }

    pub fn end_opening(&self) -> Result<(), StoreError> {
        self.set(libc::F_UNLCK, OPENING).map(drop)
    }

    /// Whether no other process has the cache open. If so, none can open it before [`LockFile::end_opening`].
    pub fn claim_alone(&self) -> Result<bool, StoreError> {
        self.set(libc::F_WRLCK, USERS)
    }

    /// Says that this process has the cache open.
    pub fn join_users(&self) -> Result<bool, StoreError> {
        self.set(libc::F_RDLCK, USERS)
    }

    fn held(&self) -> MutexGuard<'_, HashSet<i64>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the lock of a key; `None` if a process or a thread has it.
    pub fn try_key(&self, key: &Fingerprint) -> Result<Option<HeldKey>, StoreError> {
        let byte = key_byte(key);
        let mut held = self.held();
        if !held.contains(&byte) && self.set(libc::F_WRLCK, byte)? {
            held.insert(byte);
            return Ok(Some(HeldKey { byte }));
        }
        Ok(None)
    }

    /// Waits for the lock of a key until `cancelled` says to stop.
    pub fn key(&self, key: &Fingerprint, cancelled: &dyn Fn() -> bool) -> Result<HeldKey, StoreError> {
        let mut pause = Duration::from_millis(1);
        loop {
            if let Some(held) = self.try_key(key)? {
                return Ok(held);
            }
            if cancelled() {
                return Err(StoreError::Cancelled);
            }
            // A thread of this process wakes us; for another process we have to look.
            let held = self.held();
            drop(self.released.wait_timeout(held, pause).unwrap_or_else(PoisonError::into_inner));
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    pub fn release(&self, key: &HeldKey) {
        let mut held = self.held();
        match self.set(libc::F_UNLCK, key.byte) {
            // In a forked child, where it never was.
            Ok(_) | Err(StoreError::Forked { .. }) => {}
            Err(error) => tracing::warn!("{error}"),
        }
        held.remove(&key.byte);
        self.released.notify_all();
    }
}

/// A key's lock that is held; given back with [`LockFile::release`].
#[derive(Debug)]
pub(super) struct HeldKey {
    byte: i64,
}

fn key_byte(key: &Fingerprint) -> i64 {
    let first = key.as_bytes().first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
    KEYS + (first >> 2) as i64
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{
        Barrier,
        atomic::{AtomicBool, AtomicU32, Ordering},
    };

    fn lock_file() -> (tempfile::TempDir, LockFile) {
        let folder = tempfile::tempdir().unwrap();
        let lock = LockFile::open(&folder.path().join("lock")).unwrap();
        (folder, lock)
    }

    #[test]
    fn a_key_is_held_by_one_thread_at_a_time() {
        let (_folder, lock) = lock_file();
        let (inside, most, barrier) = (AtomicU32::new(0), AtomicU32::new(0), Barrier::new(8));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    barrier.wait();
                    for _ in 0..50 {
                        let held = lock.key(&Fingerprint::of_bytes(b"k"), &|| false).unwrap();
                        most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        std::thread::yield_now();
                        inside.fetch_sub(1, Ordering::SeqCst);
                        lock.release(&held);
                    }
                });
            }
        });
        assert_eq!(most.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn keys_do_not_wait_for_each_other() {
        let (_folder, lock) = lock_file();
        let _one = lock.try_key(&Fingerprint::of_bytes(b"1")).unwrap().unwrap();
        assert!(lock.try_key(&Fingerprint::of_bytes(b"2")).unwrap().is_some());
        assert!(lock.try_key(&Fingerprint::of_bytes(b"1")).unwrap().is_none());
    }

    #[test]
    fn waiting_stops_when_it_is_cancelled() {
        let (_folder, lock) = lock_file();
        let key = Fingerprint::of_bytes(b"k");
        let _held = lock.try_key(&key).unwrap().unwrap();
        let cancel = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| lock.key(&key, &|| cancel.load(Ordering::SeqCst)));
            cancel.store(true, Ordering::SeqCst);
            assert!(matches!(waiter.join().unwrap(), Err(StoreError::Cancelled)));
        });
    }

    #[test]
    fn every_key_has_a_byte_beyond_the_reserved_ones_and_within_the_file() {
        for (first, byte) in [(0, KEYS), (u8::MAX, KEYS + (1 << 62) - 1)] {
            assert_eq!(key_byte(&Fingerprint::from_bytes([first; 32])), byte);
        }
    }
}
