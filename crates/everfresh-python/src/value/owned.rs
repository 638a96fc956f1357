//! Memory that the cache owns and that nobody can write to: what was hashed of it once is not hashed again.
//!
//! A region is mapped read-only. It is known here from when it is mapped until just before it is unmapped, so nothing else
//! lies at its addresses meanwhile: whoever holds a buffer in it holds this memory, by whatever views they came to it. And
//! since a hash is one of items at a place, not one of an object, nothing that is done to objects makes it wrong: an array's
//! type and shape, names and indexes are hashed anew each time.
//!
//! Out of sight: somebody who changes the pages' protection, or writes to the files of a store.
//!
//! The lock is only taken with the interpreter attached, and no Python runs under it: a fork finds it free.
#![allow(unsafe_code)]

use super::buffer::Buffer;
use everfresh::Fingerprint;
use pyo3::{ffi, prelude::*, types::PyBytes};
use std::{
    collections::{BTreeMap, HashMap},
    ffi::c_int,
    io, mem,
    ptr::{self, NonNull},
    slice,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// What is smaller is hashed sooner than it is looked up.
const WORTH_A_LOOK: usize = 4096;

/// What is smaller is copied into `bytes`, and hashed each time: a process may have some 65,000 mappings, and each takes
/// whole pages.
const WORTH_A_MAPPING: usize = 1 << 20;

/// How many hashes of one region are remembered: of arrays in it, and of parts of them.
const KNOWN: usize = 1024;

struct Region {
    end: usize,
    owners: usize,
    known: HashMap<Vec<usize>, Fingerprint>,
}

/// All regions, by their first byte.
static REGIONS: Mutex<BTreeMap<usize, Region>> = Mutex::new(BTreeMap::new());

fn regions() -> MutexGuard<'static, BTreeMap<usize, Region>> {
    REGIONS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A region is known as long as one of these lives.
pub struct Owned {
    start: usize,
}

impl Owned {
    /// # Safety
    /// The bytes are mapped read-only, nobody changes that, and they stay mapped until after this is dropped.
    pub unsafe fn new(bytes: &[u8]) -> Self {
        let start = bytes.as_ptr() as usize;
        let mut regions = regions();
        let region = regions.entry(start).or_insert_with(|| Region { end: 0, owners: 0, known: HashMap::new() });
        region.end = start + bytes.len();
        region.owners += 1;
        Self { start }
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        let mut regions = regions();
        if let Some(region) = regions.get_mut(&self.start) {
            region.owners -= 1;
            if region.owners == 0 {
                regions.remove(&self.start);
            }
        }
    }
}

/// Where the items of an array or a table lie in memory, and how they are read there: two of equal words that lie in one
/// region at one time have the same items.
#[derive(Debug)]
pub(super) struct Place {
    start: usize,
    end: usize,
    pub words: Vec<usize>,
}

impl Place {
    pub fn new() -> Self {
        Self { start: usize::MAX, end: 0, words: Vec::new() }
    }

    /// Adds bytes, wherever they lie.
    pub fn add(&mut self, bytes: &[u8]) {
        let start = bytes.as_ptr() as usize;
        self.words.extend([start, bytes.len()]);
        if !bytes.is_empty() {
            self.cover(start, start + bytes.len());
        }
    }

    pub fn cover(&mut self, start: usize, end: usize) {
        (self.start, self.end) = (self.start.min(start), self.end.max(end));
    }

    /// Adds what these bytes say.
    pub fn say(&mut self, bytes: &[u8]) {
        self.words.push(bytes.len());
        let word = |bytes: &[u8]| bytes.iter().fold(0, |word, byte| word << 8 | usize::from(*byte));
        self.words.extend(bytes.chunks(size_of::<usize>()).map(word));
    }

    /// Calls `look` with the region that all of it lies in.
    fn with_region<T>(&self, look: impl FnOnce(&mut Region) -> T) -> Option<T> {
        if self.end.saturating_sub(self.start) < WORTH_A_LOOK {
            return None;
        }
        let mut regions = regions();
        let (_, region) = regions.range_mut(..=self.start).next_back()?;
        (self.end <= region.end).then(|| look(region))
    }
}

/// Whether nobody can write to any of it.
pub(super) fn is_owned(place: &Place) -> bool {
    place.with_region(|_| ()).is_some()
}

/// The hash of the items, if it is known.
pub(super) fn known(place: &Place) -> Option<Fingerprint> {
    place.with_region(|region| region.known.get(&place.words).copied()).flatten()
}

/// Remembers the hash of the items, if nobody can write to them.
pub(super) fn learn(mut place: Place, hash: Fingerprint) {
    let words = mem::take(&mut place.words);
    place.with_region(|region| {
        if region.known.len() < KNOWN {
            region.known.insert(words, hash);
        }
    });
}

/// The bytes of a contiguous buffer where nobody can write to them: the object itself if that is so already, else a copy.
pub(super) fn sealed<'py>(object: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let buffer = Buffer::get(object)?;
    if is_owned(&buffer.place()) {
        return Ok(object.clone());
    }
    let bytes = buffer.contiguous().unwrap_or_default();
    if bytes.len() >= WORTH_A_MAPPING
        && let Ok(sealed) = Sealed::copy_of(bytes)
    {
        return Ok(Bound::new(object.py(), sealed)?.into_any());
    }
    Ok(PyBytes::new(object.py(), bytes).into_any())
}

/// A read-only copy of bytes in pages of its own.
#[pyclass(frozen, module = "everfresh._native")]
pub struct Sealed {
    // Dropped before the pages.
    _owned: Owned,
    pages: Pages,
}

impl Sealed {
    fn copy_of(bytes: &[u8]) -> io::Result<Self> {
        let pages = Pages::copy_of(bytes)?;
        // SAFETY: the pages are read-only and unmapped when `pages` is dropped, after this.
        let owned = unsafe { Owned::new(pages.bytes()) };
        Ok(Self { _owned: owned, pages })
    }
}

#[pymethods]
impl Sealed {
    fn __len__(&self) -> usize {
        self.pages.length
    }

    unsafe fn __getbuffer__(slf: &Bound<'_, Self>, view: *mut ffi::Py_buffer, flags: c_int) -> PyResult<()> {
        // SAFETY: the pages live as long as the object.
        unsafe { crate::buffer::fill_read_only(slf.as_any(), slf.get().pages.bytes(), view, flags) }
    }
}

/// Anonymous pages, read-only.
struct Pages {
    start: NonNull<u8>,
    length: usize,
}

// SAFETY: nobody writes to them.
unsafe impl Send for Pages {}
// SAFETY: the same.
unsafe impl Sync for Pages {}

impl Pages {
    fn copy_of(bytes: &[u8]) -> io::Result<Self> {
        let (length, protection) = (bytes.len(), libc::PROT_READ | libc::PROT_WRITE);
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: a new mapping at a place that the kernel chooses.
        let start = unsafe { libc::mmap(ptr::null_mut(), length, protection, flags, -1, 0) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        let pages = Self { start, length };
        // SAFETY: the mapping is as long, new, and writable until the next line.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), start.as_ptr(), length) };
        // SAFETY: the mapping is this object's own.
        if unsafe { libc::mprotect(start.as_ptr().cast(), length, libc::PROT_READ) } != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(pages)
    }

    fn bytes(&self) -> &[u8] {
        // SAFETY: mapped and readable until this is dropped.
        unsafe { slice::from_raw_parts(self.start.as_ptr(), self.length) }
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: mapped by `copy_of`, and unmapped once.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.length) };
    }
}
