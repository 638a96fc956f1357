//! What can go wrong with the disk tier, and what to do about it.

use std::{
    io,
    path::{Path, PathBuf},
};

/// An operation on the disk tier that failed. A damaged or missing entry is no error: it is a miss.
///
/// ```
/// use everfresh::disk::{Store, StoreError, StoreOptions};
///
/// # let folder = tempfile::tempdir()?;
/// std::fs::write(folder.path().join("letter"), "not of a cache")?;
/// let refused = Store::open(folder.path(), StoreOptions::default());
/// assert!(matches!(refused, Err(StoreError::NotACache { found, .. }) if found == "letter"));
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The operating system refused something.
    #[error("cannot {action} `{}`: {source}", path.display())]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// The index refused something.
    #[error("cannot {action} the cache's index in `{}`: {source}", path.display())]
    Index {
        /// What was tried, as a verb.
        action: &'static str,
        /// The cache folder.
        path: PathBuf,
        /// What LMDB says.
        source: heed::Error,
    },
    /// Nobody says where the user's own store is.
    #[error("there is no folder for the user's cache: set EVERFRESH_CACHE_DIR, XDG_CACHE_HOME or HOME")]
    NoHome,
    /// The cache folder belongs to another user.
    #[error("the cache folder `{}` belongs to user {owner}, not to you: choose another with --cache-dir", path.display())]
    Owner {
        /// The cache folder.
        path: PathBuf,
        /// The owner's user id.
        owner: u32,
    },
    /// Others can write to the cache folder.
    #[error("others can write to the cache folder `{0}` (mode {mode:o}): run `chmod 700 {0}`", path.display())]
    Writable {
        /// The cache folder.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The folder holds something else than a cache.
    #[error("`{}` is not empty and not a cache (it holds `{found}`): choose another folder", path.display())]
    NotACache {
        /// The folder.
        path: PathBuf,
        /// Something that is in it.
        found: String,
    },
    /// The folder lies on a file system on which locks and mappings cannot be relied on.
    #[error("the cache folder `{}` is on {kind}, where several machines may write: choose a local folder with --cache-dir", path.display())]
    Remote {
        /// The cache folder.
        path: PathBuf,
        /// What kind of file system that is.
        kind: &'static str,
    },
    /// A process of another PID namespace (another container) has the cache open.
    #[error(
        "a process in another container has the cache `{}` open, and the two cannot see each other's process ids: give each container a cache folder of its own, or let them share a PID namespace", path.display()
    )]
    PidNamespace {
        /// The cache folder.
        path: PathBuf,
    },
    /// A newer Everfresh made the cache.
    #[error("the cache `{}` has format {found}, this program knows formats up to {known}: update, or choose another folder", path.display())]
    Newer {
        /// The cache folder.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The newest format that this program knows.
        known: u32,
    },
    /// Another process did not finish opening or closing the cache.
    #[error("another process has been opening the cache `{}` for {seconds} s: is it stopped?", path.display())]
    Busy {
        /// The cache folder.
        path: PathBuf,
        /// How long this process waited.
        seconds: u64,
    },
    /// The process was forked after it had opened the cache.
    #[error("the cache `{}` was opened before this process was forked: open it after the fork", path.display())]
    Forked {
        /// The cache folder.
        path: PathBuf,
    },
    /// The caller stopped waiting.
    #[error("cancelled while waiting for another process to finish the same computation")]
    Cancelled,
}

impl StoreError {
    /// Gives an [`io::Error`] its action and path.
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, path: path.to_owned(), source }
    }
}
