//! The hash of what is in a file.

use super::open_regular;
use crate::Fingerprint;
use blake3::{
    Hasher,
    hazmat::{ChainingValue, HasherExt, Mode, left_subtree_len, merge_subtrees_non_root, merge_subtrees_root},
};
use std::{
    cell::RefCell,
    fs::File,
    io,
    os::unix::fs::FileExt,
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
};

/// How many bytes one worker reads and hashes at a time: a subtree of BLAKE3's tree, so a power of two, and small
/// enough that the bytes are still in the core's cache when they are hashed.
const LEAF: usize = 256 << 10;

const PAGE: usize = 4096;

static HASHED_BYTES: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Hashes a file's content on all cores, in constant memory: the same fingerprint as [`Fingerprint::of_bytes`] of it.
///
/// The content is that of the moment when the file was opened: bytes appended later are not read. A file that is
/// rewritten in place meanwhile gives a mixture, so look at it again afterwards ([`observe`](super::observe)).
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
/// other work of its pool meanwhile, and that may be what waits. And for children of a fork, which have no such pool.
///
/// ```
/// use everfresh::{Fingerprint, file::hash_file_here};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("words");
/// std::fs::write(&path, "one two")?;
/// assert_eq!(hash_file_here(&path)?, Fingerprint::of_bytes(b"one two"));
/// # Ok::<_, std::io::Error>(())
/// ```
///
/// # Errors
/// As [`hash_file`].
pub fn hash_file_here(path: &Path) -> io::Result<Fingerprint> {
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
    use crate::file::observe;
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
}
