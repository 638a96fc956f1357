//! The table behind a memoized function: an open-addressing index over dense entries, with an exact LRU list through
//! them.
//!
//! ```text
//! index   [ tag | entry + 1 ] u32 slots, 0 empty; a power of two, at most half full; grows with the entries
//! entries [ hash | key | value | X ]              24 bytes without X
//! links   [ prev | next ]                         8 bytes an entry, of a bounded table only
//! ```
//! A slot holds the entry's number in as many low bits as the index has, and above them bits of the hash, so that
//! another key's entry is seldom read. Deletion shifts slots back: there are no tombstones.
//!
//! Invariant: no method but [`Table::find`] calls Python, and every method leaves the table whole; what it gives up is
//! returned and released by the caller, when nothing is borrowed. `find` may run any `__eq__`, which may change the
//! table: `moved` tells.

use pyo3::ffi;
use std::os::raw::{c_int, c_void};

use super::key::{Key, Match, Probe};

/// No entry: the end of the list, or nothing found.
pub(super) const NIL: u32 = u32::MAX;
/// An `__eq__` raised while the table was searched; the error is set.
pub(super) const FAILED: u32 = u32::MAX - 1;

const LEAST_BITS: u32 = 3;
/// The most bits that an index can have: entry numbers and the two marks above fit beside it.
const MOST_BITS: u32 = 31;

/// What an entry holds besides key and value.
pub(super) trait Extra: Sized {
    unsafe fn traverse(&self, visit: ffi::visitproc, argument: *mut c_void) -> c_int;
    unsafe fn release(self);
}

impl Extra for () {
    unsafe fn traverse(&self, _visit: ffi::visitproc, _argument: *mut c_void) -> c_int {
        0
    }
    unsafe fn release(self) {}
}

#[repr(C)]
pub(super) struct Entry<X> {
    hash: u64,
    pub(super) key: Key,
    pub(super) value: *mut ffi::PyObject,
    pub(super) extra: X,
}

/// An entry's neighbours in the order of last use.
#[derive(Clone, Copy)]
struct Links {
    prev: u32,
    next: u32,
}

const NO_LINKS: Links = Links { prev: NIL, next: NIL };

impl<X: Extra> Entry<X> {
    pub(super) fn new(hash: u64, key: Key, value: *mut ffi::PyObject, extra: X) -> Self {
        Entry { hash, key, value, extra }
    }

    /// Lets go of everything; may run any Python code.
    pub(super) unsafe fn release(self) {
        // SAFETY: the entry owns its key and one reference of its value, and is used up here.
        unsafe {
            self.key.release();
            ffi::Py_DECREF(self.value);
            self.extra.release();
        }
    }
}

pub(super) struct Table<X> {
    index: Vec<u32>,
    entries: Vec<Entry<X>>,
    /// One for each entry if `linked`, else empty.
    links: Vec<Links>,
    mask: u32,
    /// 64 minus the bits of the index: the hash's high bits choose the slot.
    shift: u32,
    head: u32,
    tail: u32,
    /// Whether entries are kept in the order of their last use.
    linked: bool,
    /// Counts what invalidates a search under way: an entry removed or replaced, the index built anew.
    moved: u64,
    /// Counts entries that came.
    added: u64,
}

#[inline(always)]
fn spread(hash: u64) -> u64 {
    hash.wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

/// Room for one more; grows by a quarter, where a vector would double.
#[inline(always)]
fn reserve_one<T>(items: &mut Vec<T>) -> bool {
    items.len() < items.capacity() || items.try_reserve_exact(items.len() / 4 + 8).is_ok()
}

impl<X: Extra> Table<X> {
    pub(super) fn new(linked: bool) -> Self {
        let mut table = Table {
            index: Vec::new(),
            entries: Vec::new(),
            links: Vec::new(),
            mask: 0,
            shift: 0,
            head: NIL,
            tail: NIL,
            linked,
            moved: 0,
            added: 0,
        };
        table.set_index(vec![0; 1 << LEAST_BITS], LEAST_BITS);
        table
    }

    fn set_index(&mut self, index: Vec<u32>, bits: u32) {
        debug_assert_eq!(index.len(), 1 << bits);
        self.index = index;
        self.mask = (1 << bits) - 1;
        self.shift = u64::BITS - bits;
    }

    #[inline(always)]
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Two equal answers: no entry came or went between them.
    pub(super) fn state(&self) -> (u64, u64) {
        (self.moved, self.added)
    }

    pub(super) fn entries(&self) -> &[Entry<X>] {
        &self.entries
    }

    /// The entry that `find` gave, if the table did not change since.
    #[inline(always)]
    pub(super) unsafe fn entry(&mut self, at: u32) -> &mut Entry<X> {
        debug_assert!((at as usize) < self.entries.len());
        // SAFETY: the caller passes the number of an entry.
        unsafe { self.entries.get_unchecked_mut(at as usize) }
    }

    /// The least recently used entry, or [`NIL`].
    pub(super) fn oldest(&self) -> u32 {
        self.tail
    }

    /// The number of the entry of an equal key, [`NIL`], or [`FAILED`]. Takes a pointer, since an `__eq__` may change
    /// the table.
    #[inline(always)]
    pub(super) unsafe fn find(table: *const Self, probe: &impl Probe) -> u32 {
        let hash = probe.hash();
        let spread = spread(hash);
        'again: loop {
            // SAFETY: the caller holds the object in which the table lies. Positions are below the length of the index
            // by the mask, and a slot names a live entry; both are read anew after `matches`, or the search begins
            // again.
            unsafe {
                let mask = (*table).mask;
                let index = (*table).index.as_ptr();
                let tag = spread as u32 & !mask;
                let mut position = (spread >> (*table).shift) as u32;
                loop {
                    let slot = *index.add(position as usize);
                    if slot == 0 {
                        return NIL;
                    }
                    if slot & !mask == tag {
                        let at = (slot & mask) - 1;
                        let entry = (*table).entries.as_ptr().add(at as usize);
                        if (*entry).hash == hash {
                            match probe.matches((*entry).key, &raw const (*table).moved) {
                                Match::Yes => return at,
                                Match::No => {}
                                Match::Moved => continue 'again,
                                Match::Failed => return FAILED,
                            }
                        }
                    }
                    position = (position + 1) & mask;
                }
            }
        }
    }

    /// Makes an entry the most recently used.
    #[inline(always)]
    pub(super) unsafe fn touch(&mut self, at: u32) {
        if self.head != at {
            // SAFETY: the caller passes the number of an entry.
            unsafe {
                self.unlink(at);
                self.push_front(at);
            }
        }
    }

    /// Adds an entry whose key is not there; gives it back without memory for it.
    pub(super) fn insert(&mut self, entry: Entry<X>) -> Result<u32, Entry<X>> {
        let full = (self.entries.len() + 1) * 2 > self.index.len();
        if !reserve_one(&mut self.entries) || (self.linked && !reserve_one(&mut self.links)) || (full && !self.grow()) {
            return Err(entry);
        }
        let at = self.entries.len() as u32;
        self.entries.push(entry);
        self.added += 1;
        self.place(at);
        if self.linked {
            self.links.push(NO_LINKS);
            // SAFETY: the entry was just added.
            unsafe { self.push_front(at) };
        }
        Ok(at)
    }

    /// Puts a new entry in the place of another and returns that one.
    pub(super) unsafe fn replace(&mut self, at: u32, entry: Entry<X>) -> Entry<X> {
        self.moved += 1;
        self.added += 1;
        // SAFETY: the caller passes the number of an entry.
        unsafe {
            self.erase(at);
            self.unlink(at);
            let old = std::mem::replace(self.entry(at), entry);
            self.place(at);
            self.push_front(at);
            old
        }
    }

    /// Removes an entry; the last one gets its number.
    pub(super) unsafe fn remove(&mut self, at: u32) -> Entry<X> {
        self.moved += 1;
        let last = (self.entries.len() - 1) as u32;
        // SAFETY: the caller passes the number of an entry, and `last` is one.
        unsafe {
            self.erase(at);
            if self.linked {
                self.unlink(at);
            }
            if last != at {
                let slot = self.slot_of(last) as usize;
                self.index[slot] = (self.index[slot] & !self.mask) | (at + 1);
                if self.linked {
                    let Links { prev, next } = *self.link(last);
                    self.join(prev, at);
                    self.join(at, next);
                }
            }
        }
        self.links.truncate(last as usize);
        self.entries.swap_remove(at as usize)
    }

    /// Takes all entries out.
    pub(super) fn take(&mut self) -> Vec<Entry<X>> {
        self.moved += 1;
        self.head = NIL;
        self.tail = NIL;
        self.set_index(vec![0; 1 << LEAST_BITS], LEAST_BITS);
        self.links = Vec::new();
        std::mem::take(&mut self.entries)
    }

    /// The bytes that index and entries take.
    pub(super) fn bytes(&self) -> usize {
        self.index.capacity() * size_of::<u32>()
            + self.entries.capacity() * size_of::<Entry<X>>()
            + self.links.capacity() * size_of::<Links>()
    }

    pub(super) unsafe fn traverse(&self, visit: ffi::visitproc, argument: *mut c_void) -> c_int {
        for entry in &self.entries {
            // SAFETY: the collector's own function is called with its own argument, on live objects.
            unsafe {
                let stop = entry.key.traverse(visit, argument);
                if stop != 0 {
                    return stop;
                }
                let stop = visit(entry.value, argument);
                if stop != 0 {
                    return stop;
                }
                let stop = entry.extra.traverse(visit, argument);
                if stop != 0 {
                    return stop;
                }
            }
        }
        0
    }

    #[cold]
    fn grow(&mut self) -> bool {
        let bits = u64::BITS - self.shift + 1;
        let mut index = Vec::new();
        if bits > MOST_BITS || index.try_reserve_exact(1 << bits).is_err() {
            return false;
        }
        index.resize(1 << bits, 0);
        self.set_index(index, bits);
        self.moved += 1;
        for at in 0..self.entries.len() {
            self.place(at as u32);
        }
        true
    }

    #[inline(always)]
    fn place(&mut self, at: u32) {
        let spread = spread(self.entries[at as usize].hash);
        let mut position = (spread >> self.shift) as u32;
        while self.index[position as usize] != 0 {
            position = (position + 1) & self.mask;
        }
        self.index[position as usize] = (spread as u32 & !self.mask) | (at + 1);
    }

    /// The position of an entry's slot.
    fn slot_of(&self, at: u32) -> u32 {
        let mut position = (spread(self.entries[at as usize].hash) >> self.shift) as u32;
        while self.index[position as usize] & self.mask != at + 1 {
            position = (position + 1) & self.mask;
        }
        position
    }

    /// Takes an entry's slot out and shifts back those that could not have its place.
    fn erase(&mut self, at: u32) {
        let mut hole = self.slot_of(at);
        let mut position = hole;
        loop {
            position = (position + 1) & self.mask;
            let slot = self.index[position as usize];
            if slot == 0 {
                break;
            }
            let neighbour = &self.entries[(slot & self.mask) as usize - 1];
            let home = (spread(neighbour.hash) >> self.shift) as u32;
            if position.wrapping_sub(home) & self.mask >= position.wrapping_sub(hole) & self.mask {
                self.index[hole as usize] = slot;
                hole = position;
            }
        }
        self.index[hole as usize] = 0;
    }

    #[inline(always)]
    unsafe fn unlink(&mut self, at: u32) {
        // SAFETY: the caller passes the number of a linked entry.
        unsafe {
            let Links { prev, next } = *self.link(at);
            self.join(prev, next);
        }
    }

    #[inline(always)]
    unsafe fn link(&mut self, at: u32) -> &mut Links {
        debug_assert!((at as usize) < self.links.len());
        // SAFETY: the caller passes the number of an entry of a linked table.
        unsafe { self.links.get_unchecked_mut(at as usize) }
    }

    /// Makes two entries neighbours; [`NIL`] stands for the ends of the list.
    #[inline(always)]
    unsafe fn join(&mut self, prev: u32, next: u32) {
        // SAFETY: both are numbers of entries, or `NIL`.
        unsafe {
            if prev == NIL {
                self.head = next;
            } else {
                self.link(prev).next = next;
            }
            if next == NIL {
                self.tail = prev;
            } else {
                self.link(next).prev = prev;
            }
        }
    }

    #[inline(always)]
    unsafe fn push_front(&mut self, at: u32) {
        // SAFETY: the caller passes the number of an entry that is not linked.
        unsafe {
            let head = self.head;
            self.join(at, head);
            self.join(NIL, at);
        }
    }
}
