//! What a file looked like when it was read, and what is in it.
//!
//! [`observe`] is cheap (one `stat`) and [`hash_file`] reads everything. A file whose stat equals the observed one is
//! unchanged if that observation was not *racy*: a file system stamps files with a clock that ticks a few hundred times
//! a second at most, so a write right after the look can leave the stat as it was. Writes through a shared `mmap` that
//! move neither stamp are not seen: that is a limit.
//!
//! Hashing reads with `pread` into buffers of its own and never maps: a file that is truncated meanwhile is an error,
//! not a SIGBUS. Only regular files on real file systems are hashed; a FIFO, a device or a file of `/proc` has no
//! content that could be the same tomorrow.
//!
//! Do not hash a SQLite database that this process has open: closing any descriptor of a file drops all POSIX locks
//! that the process holds on it.

use crate::Fingerprint;
use blake3::{
    Hasher,
    hazmat::{ChainingValue, HasherExt, Mode, left_subtree_len, merge_subtrees_non_root, merge_subtrees_root},
};
use rustix::{
    fs::{OFlags, fstatfs},
    time::{ClockId, clock_gettime},
};
use serde::{Deserialize, Serialize};
use std::{
    cell::RefCell,
    fs::{File, Metadata, OpenOptions},
    io,
    os::unix::fs::{FileExt, FileTypeExt, MetadataExt, OpenOptionsExt},
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
};

/// How many bytes one worker reads and hashes at a time: a subtree of BLAKE3's tree, so a power of two, and small
/// enough that the bytes are still in the core's cache when they are hashed.
const LEAF: usize = 256 << 10;

/// How old a stamp with nanoseconds must be to be told from the stamp of a write that is still to come. Kernels tick
/// every 1 to 10 ms.
const FINE_MARGIN_NS: i64 = 20_000_000;

/// The same for stamps without a sub-second part: file systems that count seconds, or pairs of them (FAT).
const COARSE_MARGIN_NS: i64 = 2_000_000_000;

const PAGE: usize = 4096;

const NS_PER_SECOND: i64 = 1_000_000_000;

static HASHED_BYTES: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// What `stat` says of a file, as far as it moves when the content does.
///
/// ```
/// use everfresh::file::FileStat;
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("words");
/// std::fs::write(&path, "four")?;
/// assert_eq!(FileStat::of(&path)?.size, 4);
/// # Ok::<_, std::io::Error>(())
/// ```
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileStat {
    /// The device.
    pub dev: u64,
    /// The file's number on the device: a replaced file has another one.
    pub inode: u64,
    /// The size in bytes.
    pub size: u64,
    /// When the content was written last, in nanoseconds since the Unix epoch. Programs can set it.
    pub mtime_ns: i64,
    /// When content or metadata were changed last, in nanoseconds since the Unix epoch. Programs cannot set it.
    pub ctime_ns: i64,
}

impl FileStat {
    /// Looks at the file that `path` leads to, through symbolic links.
    ///
    /// ```
    /// use everfresh::file::FileStat;
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("words");
    /// std::fs::write(&path, "a")?;
    /// let before = FileStat::of(&path)?;
    /// assert_eq!(FileStat::of(&path)?, before);
    /// std::fs::write(&path, "a b")?;
    /// assert_ne!(FileStat::of(&path)?, before);
    /// # Ok::<_, std::io::Error>(())
    /// ```
    pub fn of(path: &Path) -> io::Result<Self> {
        std::fs::metadata(path).map(|metadata| Self::of_metadata(&metadata))
    }

    /// Looks at an open file.
    ///
    /// ```
    /// use everfresh::file::FileStat;
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("words");
    /// std::fs::write(&path, "a")?;
    /// assert_eq!(FileStat::of_file(&std::fs::File::open(&path)?)?, FileStat::of(&path)?);
    /// # Ok::<_, std::io::Error>(())
    /// ```
    pub fn of_file(file: &File) -> io::Result<Self> {
        file.metadata().map(|metadata| Self::of_metadata(&metadata))
    }

    fn of_metadata(metadata: &Metadata) -> Self {
        Self {
            dev: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            mtime_ns: nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
            ctime_ns: nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// Whether a write at `now_ns` or later could leave this stat as it is.
    fn is_racy(&self, now_ns: i64) -> bool {
        [self.mtime_ns, self.ctime_ns].into_iter().any(|stamp| {
            let margin = if stamp % NS_PER_SECOND == 0 { COARSE_MARGIN_NS } else { FINE_MARGIN_NS };
            stamp >= now_ns.saturating_sub(margin)
        })
    }
}

/// A look at a file.
///
/// ```
/// use everfresh::file::observe;
/// use std::{fs::File, time::{Duration, SystemTime}};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("words");
/// File::create(&path)?.set_modified(SystemTime::now() + Duration::from_secs(3600))?;
/// assert!(observe(&path)?.racy);
/// # Ok::<_, std::io::Error>(())
/// ```
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// What it looked like.
    pub stat: FileStat,
    /// Stamped so shortly before the look that a later write could leave the stat equal: an equal stat then proves
    /// nothing, and only the content does. A stamp in the future counts as racy.
    pub racy: bool,
}

/// Looks at the file that `path` leads to.
///
/// The margin is 20 ms for stamps with nanoseconds and 2 s for stamps without a sub-second part.
///
/// ```
/// use everfresh::file::{FileStat, observe};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("words");
/// assert!(observe(&path).is_err());
/// std::fs::write(&path, "a")?;
/// assert_eq!(observe(&path)?.stat, FileStat::of(&path)?);
/// # Ok::<_, std::io::Error>(())
/// ```
///
/// # Errors
/// Those of `stat`; [`io::ErrorKind::NotFound`] if there is no such file.
pub fn observe(path: &Path) -> io::Result<Seen> {
    // Before the stat: a write after the stat is then stamped no earlier than this.
    let now_ns = file_clock_ns();
    let stat = FileStat::of(path)?;
    Ok(Seen { stat, racy: stat.is_racy(now_ns) })
}

/// Hashes a file's content on all cores, in constant memory: the same fingerprint as [`Fingerprint::of_bytes`] of it.
///
/// The content is that of the moment when the file was opened: bytes appended later are not read. A file that is
/// rewritten in place meanwhile gives a mixture, so look at it again afterwards ([`observe`]).
///
/// ```
/// use everfresh::{Fingerprint, file::hash_file};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("words");
/// std::fs::write(&path, "one two")?;
/// assert_eq!(hash_file(&path)?, Fingerprint::of_bytes(b"one two"));
/// # Ok::<_, std::io::Error>(())
/// ```
///
/// # Errors
/// [`io::ErrorKind::InvalidInput`] for what is no regular file or lies on a file system that the kernel makes up
/// (`/proc`, `/sys`); [`io::ErrorKind::UnexpectedEof`] if the file was truncated meanwhile; and those of reading.
pub fn hash_file(path: &Path) -> io::Result<Fingerprint> {
    let file = open_regular(path)?;
    let length = file.metadata()?.len();
    hash_range(&file, 0, length).map_err(|error| truncated(path, error))
}

/// The same on this thread alone, for callers who hold something that others wait for: a thread that waits for rayon does
/// other work of its pool meanwhile, and that may be what waits.
///
/// # Errors
/// As [`hash_file`].
pub(crate) fn hash_file_here(path: &Path) -> io::Result<Fingerprint> {
    let file = open_regular(path)?;
    let length = file.metadata()?.len();
    let mut hasher = Hasher::new();
    let mut offset = 0;
    while offset < length {
        let leaf = (length - offset).min(LEAF as u64);
        BUFFER
            .with_borrow_mut(|buffer| {
                let bytes = page_aligned(buffer, leaf as usize);
                file.read_exact_at(bytes, offset)?;
                HASHED_BYTES.fetch_add(leaf, Ordering::Relaxed);
                hasher.update(bytes);
                Ok(())
            })
            .map_err(|error| truncated(path, error))?;
        offset += leaf;
    }
    Ok(hasher.finalize().into())
}

/// Opens a file for reading, unless reading it has effects or gives something else each time.
pub(crate) fn open_regular(path: &Path) -> io::Result<File> {
    // Before the open, which can have effects on a device.
    refuse_irregular(path, &std::fs::metadata(path)?)?;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags((OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed())
        .open(path)?;
    let metadata = file.metadata()?;
    refuse_irregular(path, &metadata)?;
    refuse_made_up(path, &file, &metadata)?;
    Ok(file)
}

fn truncated(path: &Path, error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => {
            io::Error::new(error.kind(), format!("`{}` was truncated while it was read", path.display()))
        }
        _ => error,
    }
}

/// Hashes the `len` bytes at `start` of an open file on all cores, in constant memory: the same fingerprint as
/// [`Fingerprint::of_bytes`] of them.
///
/// ```
/// use everfresh::{Fingerprint, file::hash_range};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("words");
/// std::fs::write(&path, "one two")?;
/// let file = std::fs::File::open(&path)?;
/// assert_eq!(hash_range(&file, 4, 3)?, Fingerprint::of_bytes(b"two"));
/// assert!(hash_range(&file, 4, 4).is_err());
/// # Ok::<_, std::io::Error>(())
/// ```
///
/// # Errors
/// [`io::ErrorKind::UnexpectedEof`] if the file does not have them; and those of reading.
pub fn hash_range(file: &File, start: u64, len: u64) -> io::Result<Fingerprint> {
    // Before the tree is walked, which would take for ever for a length that some damaged header claims.
    let size = file.metadata()?.len();
    if start.checked_add(len).is_none_or(|end| end > size) {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let range = Range { file, start };
    if len <= LEAF as u64 {
        return range.hash_leaf(0, len, |hasher| hasher.finalize()).map(Fingerprint::from);
    }
    let (left, right) = range.hash_halves(0, len)?;
    Ok(merge_subtrees_root(&left, &right, Mode::Hash).into())
}

/// How many bytes [`hash_file`] and [`hash_range`] have read in this process so far.
///
/// ```
/// use everfresh::file::{hash_file, hashed_bytes};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("words");
/// std::fs::write(&path, "four")?;
/// let before = hashed_bytes();
/// hash_file(&path)?;
/// assert!(hashed_bytes() >= before + 4);
/// # Ok::<_, std::io::Error>(())
/// ```
pub fn hashed_bytes() -> u64 {
    HASHED_BYTES.load(Ordering::Relaxed)
}

fn nanoseconds(seconds: i64, nanoseconds: i64) -> i64 {
    seconds.saturating_mul(NS_PER_SECOND).saturating_add(nanoseconds)
}

/// The clock that the kernel stamps files with.
fn file_clock_ns() -> i64 {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let now = clock_gettime(ClockId::RealtimeCoarse);
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let now = clock_gettime(ClockId::Realtime);
    nanoseconds(now.tv_sec, now.tv_nsec)
}

fn refused(path: &Path, what: &str) -> io::Error {
    let message = format!("`{}` is {what}, not a regular file: its content cannot be observed", path.display());
    io::Error::new(io::ErrorKind::InvalidInput, message)
}

fn refuse_irregular(path: &Path, metadata: &Metadata) -> io::Result<()> {
    let kind = metadata.file_type();
    if kind.is_file() {
        return Ok(());
    }
    Err(refused(
        path,
        match () {
            () if kind.is_dir() => "a folder",
            () if kind.is_fifo() => "a FIFO",
            () if kind.is_socket() => "a socket",
            () if kind.is_char_device() || kind.is_block_device() => "a device",
            () => "something else",
        },
    ))
}

/// Refuses files whose content the kernel makes up on every read.
fn refuse_made_up(path: &Path, file: &File, metadata: &Metadata) -> io::Result<()> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        // proc, sysfs, debugfs, tracefs, cgroup, cgroup2.
        const MADE_UP: [rustix::fs::FsWord; 6] =
            [0x9fa0, 0x6265_6572, 0x6462_6720, 0x7472_6163, 0x0027_e0eb, 0x6367_7270];
        if MADE_UP.contains(&fstatfs(file)?.f_type) {
            return Err(refused(path, "made up by the kernel"));
        }
    }
    // Any other such file gives itself away by having content and no size.
    if metadata.len() == 0 && file.read_at(&mut [0], 0)? > 0 && file.metadata()?.len() == 0 {
        return Err(refused(path, "made up on every read"));
    }
    Ok(())
}

/// A part of a file that is hashed by itself. Offsets count from its start.
#[derive(Copy, Clone)]
struct Range<'a> {
    file: &'a File,
    start: u64,
}

impl Range<'_> {
    fn hash_subtree(self, offset: u64, len: u64) -> io::Result<ChainingValue> {
        if len <= LEAF as u64 {
            return self.hash_leaf(offset, len, HasherExt::finalize_non_root);
        }
        let (left, right) = self.hash_halves(offset, len)?;
        Ok(merge_subtrees_non_root(&left, &right, Mode::Hash))
    }

    fn hash_halves(self, offset: u64, len: u64) -> io::Result<(ChainingValue, ChainingValue)> {
        let left_len = left_subtree_len(len);
        let (left, right) = rayon::join(
            || self.hash_subtree(offset, left_len),
            || self.hash_subtree(offset + left_len, len - left_len),
        );
        Ok((left?, right?))
    }

    fn hash_leaf<T>(self, offset: u64, len: u64, finish: impl FnOnce(&Hasher) -> T) -> io::Result<T> {
        BUFFER.with_borrow_mut(|buffer| {
            let bytes = page_aligned(buffer, len as usize);
            self.file.read_exact_at(bytes, self.start + offset)?;
            HASHED_BYTES.fetch_add(len, Ordering::Relaxed);
            let mut hasher = Hasher::new();
            hasher.set_input_offset(offset).update(bytes);
            Ok(finish(&hasher))
        })
    }
}

/// The first `len` bytes of the buffer that lie at the start of a page; `len` is at most [`LEAF`]. The kernel's copy
/// into a place a few bytes past a page's start, which is where `malloc` puts large buffers, is four times slower on
/// some processors (AMD's with fast short `rep movsb`).
fn page_aligned(buffer: &mut Vec<u8>, len: usize) -> &mut [u8] {
    buffer.resize(LEAF + PAGE, 0);
    let start = buffer.as_ptr().align_offset(PAGE).min(PAGE);
    &mut buffer[start..start + len]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn pattern(len: usize) -> Vec<u8> {
        (0..len).map(|i| (i * 31 + i / 251) as u8).collect()
    }

    #[test]
    fn a_file_hashes_like_its_bytes_at_every_size_around_a_leaf() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data");
        let bytes = pattern(5 * LEAF + 1025);
        for size in [0, 1, 1024, 1025, LEAF - 1, LEAF, LEAF + 1, 2 * LEAF, 3 * LEAF + 7, 4 * LEAF, bytes.len()] {
            fs::write(&path, &bytes[..size]).unwrap();
            let before = hashed_bytes();
            assert_eq!(hash_file(&path).unwrap(), Fingerprint::of_bytes(&bytes[..size]), "{size} bytes");
            assert!(hashed_bytes() - before >= size as u64);
        }
    }

    #[test]
    fn a_range_hashes_like_its_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data");
        let bytes = pattern(5 * LEAF);
        fs::write(&path, &bytes).unwrap();
        let file = File::open(&path).unwrap();
        for (start, len) in [(0, 0), (0, 3 * LEAF), (1, LEAF), (4097, 3 * LEAF + 5), (5 * LEAF, 0)] {
            let hash = hash_range(&file, start as u64, len as u64).unwrap();
            assert_eq!(hash, Fingerprint::of_bytes(&bytes[start..start + len]), "{len} bytes at {start}");
        }
        for (start, len) in [(1, 5 * LEAF as u64), (u64::MAX, 1), (u64::MAX - 1, 2 * LEAF as u64)] {
            let error = hash_range(&file, start, len).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "{len} bytes at {start}");
        }
    }

    #[test]
    fn a_file_hashes_the_same_inside_a_rayon_worker() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data");
        fs::write(&path, pattern(3 * LEAF)).unwrap();
        let hashes = rayon::broadcast(|_| hash_file(&path).unwrap());
        assert!(hashes.iter().all(|hash| *hash == Fingerprint::of_bytes(&pattern(3 * LEAF))));
    }

    #[test]
    fn what_is_no_regular_file_is_refused_and_never_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let fifo = folder.path().join("fifo");
        rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR).unwrap();
        let socket = folder.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        for (path, what) in [
            (fifo.as_path(), "a FIFO"),
            (socket.as_path(), "a socket"),
            (folder.path(), "a folder"),
            (Path::new("/dev/zero"), "a device"),
        ] {
            let error = hash_file(path).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
            assert!(error.to_string().contains(what), "{error}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_the_kernel_makes_up_is_refused() {
        let error = hash_file(Path::new("/proc/self/status")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        assert!(error.to_string().contains("`/proc/self/status` is made up by the kernel"), "{error}");
    }

    #[test]
    fn a_file_that_is_not_there_is_told_from_one_that_cannot_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("none");
        assert_eq!(hash_file(&path).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(observe(&path).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_truncated_file_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data");
        fs::write(&path, pattern(LEAF)).unwrap();
        let file = File::open(&path).unwrap();
        for size in [LEAF as u64 + 1, 4 * LEAF as u64] {
            assert_eq!(hash_range(&file, 0, size).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        }
    }

    #[test]
    fn a_file_that_was_just_written_is_racy_and_an_old_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data");
        fs::write(&path, "a").unwrap();
        let seen = observe(&path).unwrap();
        assert!(seen.racy);
        assert_eq!(seen.stat, FileStat::of_file(&File::open(&path).unwrap()).unwrap());
        let old = FileStat { mtime_ns: 999, ctime_ns: 999, ..seen.stat };
        assert!(!old.is_racy(file_clock_ns()));
    }

    #[test]
    fn a_stamp_is_racy_within_the_granularity_of_the_look() {
        let now = 1_700_000_000_500_000_000;
        let stat = |mtime_ns, ctime_ns| FileStat { dev: 1, inode: 1, size: 1, mtime_ns, ctime_ns };
        let fine = now - FINE_MARGIN_NS;
        assert!(stat(fine, 1).is_racy(now));
        assert!(stat(1, fine).is_racy(now));
        assert!(!stat(fine - 1, fine - 1).is_racy(now));
        let second = 1_700_000_000_000_000_000;
        assert!(stat(1, second - NS_PER_SECOND).is_racy(now));
        assert!(!stat(1, second - 2 * NS_PER_SECOND).is_racy(now));
        assert!(stat(1, now + 3_600 * NS_PER_SECOND).is_racy(now));
    }

    #[test]
    fn a_replaced_file_has_another_stat_even_with_the_same_size_and_mtime() {
        let folder = tempfile::tempdir().unwrap();
        let (path, other) = (folder.path().join("data"), folder.path().join("other"));
        fs::write(&path, "a").unwrap();
        let before = FileStat::of(&path).unwrap();
        fs::write(&other, "b").unwrap();
        File::options()
            .write(true)
            .open(&other)
            .unwrap()
            .set_modified(fs::metadata(&path).unwrap().modified().unwrap())
            .unwrap();
        fs::rename(&other, &path).unwrap();
        let after = FileStat::of(&path).unwrap();
        assert_eq!((before.size, before.mtime_ns), (after.size, after.mtime_ns));
        assert_ne!(before, after);
    }
}
