//! The arguments of a call as a key: looked for without building anything, and owned once a result is stored.
//!
//! Four kinds of keys never equal one another, as in `functools`, where a lone exact `int` or `str` is its own key and
//! anything else is a tuple: so `f(1)` and `f(1.0)` are apart, `f(1, 2)` and `f(1.0, 2)` meet.
//!
//! | kind | for | compared by |
//! | --- | --- | --- |
//! | `INT` | a lone exact `int` of one digit | its value, which is the hash: the key itself is not looked at |
//! | `SCALAR` | a lone exact `str` or longer `int` | layout, or `int`'s own equality |
//! | `SINGLE` | any other lone argument | identity, then `==` |
//! | `BLOCK` | the rest: several arguments, keywords, types | each element: identity, layout, then `==` |

use pyo3::ffi;
use std::os::raw::{c_int, c_void};

use super::layout;

const INT: usize = 0;
const SCALAR: usize = 1;
const SINGLE: usize = 2;
const BLOCK: usize = 3;
const KIND: usize = 3;

/// A key that owns its objects: a pointer with its kind in the low two bits.
#[derive(Clone, Copy)]
pub(super) struct Key(*mut c_void);

/// Several elements, in memory of `PyMem_Malloc`. `elements` are positional arguments, then the values of `names`, then
/// (with `typed`) the classes of all of them.
#[repr(C)]
struct Block {
    /// A tuple of keyword names, or null.
    names: *mut ffi::PyObject,
    len: usize,
    elements: [*mut ffi::PyObject; 0],
}

impl Key {
    #[inline(always)]
    fn new<T>(pointer: *mut T, kind: usize) -> Self {
        Key(pointer.cast::<c_void>().map_addr(|address| address | kind))
    }

    #[inline(always)]
    fn kind(self) -> usize {
        self.0.addr() & KIND
    }

    #[inline(always)]
    fn pointer<T>(self) -> *mut T {
        self.0.map_addr(|address| address & !KIND).cast()
    }

    /// The elements of a block, their number, and the names: a tuple or null.
    unsafe fn parts(&self) -> (*const *mut ffi::PyObject, usize, *mut ffi::PyObject) {
        debug_assert_eq!(self.kind(), BLOCK);
        let block = self.pointer::<Block>();
        // SAFETY: a key of this kind points at a live block.
        unsafe { ((&raw const (*block).elements).cast(), (*block).len, (*block).names) }
    }

    /// Every object that the key owns, in order.
    unsafe fn each(self, mut visit: impl FnMut(*mut ffi::PyObject) -> c_int) -> c_int {
        if self.kind() != BLOCK {
            return visit(self.pointer());
        }
        // SAFETY: a block is live as long as its key.
        let (elements, len, names) = unsafe { self.parts() };
        if !names.is_null() {
            let stop = visit(names);
            if stop != 0 {
                return stop;
            }
        }
        for position in 0..len {
            // SAFETY: there are `len` elements.
            let stop = visit(unsafe { *elements.add(position) });
            if stop != 0 {
                return stop;
            }
        }
        0
    }

    pub(super) unsafe fn traverse(self, visit: ffi::visitproc, argument: *mut c_void) -> c_int {
        // SAFETY: the collector's own function is called with its own argument, on live objects.
        unsafe { self.each(|object| visit(object, argument)) }
    }

    /// Lets go of the objects; may run any Python code, so nothing may hold a part of a table meanwhile.
    pub(super) unsafe fn release(self) {
        // SAFETY: the key owns one reference of each; the caller does not use it afterwards.
        unsafe {
            self.each(|object| {
                ffi::Py_DECREF(object);
                0
            });
            if self.kind() == BLOCK {
                ffi::PyMem_Free(self.pointer());
            }
        }
    }

    /// Shows every element in order; the names of keywords among them, a tuple or null. Without a call into Python.
    pub(super) unsafe fn elements(self, mut show: impl FnMut(*mut ffi::PyObject)) -> *mut ffi::PyObject {
        let lone = self.pointer::<ffi::PyObject>();
        // SAFETY: the key is live.
        unsafe {
            let (elements, len, names) =
                if self.kind() == BLOCK { self.parts() } else { (&raw const lone, 1, std::ptr::null_mut()) };
            for position in 0..len {
                show(*elements.add(position));
            }
            names
        }
    }
}

/// What comparing came to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Match {
    Yes,
    No,
    /// An `__eq__` changed the table under the search: begin again.
    Moved,
    /// An `__eq__` raised; the error is set.
    Failed,
}

/// A key that is looked for: borrowed from the caller's arguments.
pub(super) trait Probe: Copy {
    fn hash(&self) -> u64;
    /// Compares with a stored key of the same hash; `moved` counts the changes of the table that invalidate a search.
    unsafe fn matches(&self, key: Key, moved: *const u64) -> Match;
    /// The same as a key that owns its objects; `None` without memory.
    unsafe fn own(&self) -> Option<Key>;
}

/// A lone exact `int` of one digit.
#[derive(Clone, Copy)]
pub(super) struct Int {
    pub(super) value: i64,
    pub(super) object: *mut ffi::PyObject,
}

impl Probe for Int {
    #[inline(always)]
    fn hash(&self) -> u64 {
        self.value as u64
    }

    #[inline(always)]
    unsafe fn matches(&self, key: Key, _moved: *const u64) -> Match {
        if key.kind() == INT { Match::Yes } else { Match::No }
    }

    unsafe fn own(&self) -> Option<Key> {
        // SAFETY: the object is one of the caller's arguments.
        unsafe { ffi::Py_INCREF(self.object) };
        Some(Key::new(self.object, INT))
    }
}

/// A lone exact `str`.
#[derive(Clone, Copy)]
pub(super) struct Text {
    pub(super) hash: isize,
    pub(super) object: *mut ffi::PyObject,
}

impl Probe for Text {
    #[inline(always)]
    fn hash(&self) -> u64 {
        self.hash as u64
    }

    #[inline(always)]
    unsafe fn matches(&self, key: Key, _moved: *const u64) -> Match {
        let stored = key.pointer::<ffi::PyObject>();
        if key.kind() != SCALAR {
            return Match::No;
        }
        // SAFETY: a key of this kind is a live object; a `str` in a key was hashed, and so was this one.
        if stored == self.object || unsafe { layout::is_text(stored) && layout::same_text(stored, self.object) } {
            Match::Yes
        } else {
            Match::No
        }
    }

    unsafe fn own(&self) -> Option<Key> {
        // SAFETY: the object is one of the caller's arguments.
        unsafe { ffi::Py_INCREF(self.object) };
        Some(Key::new(self.object, SCALAR))
    }
}

/// Any other lone argument; `scalar` for an exact `int` of several digits.
#[derive(Clone, Copy)]
pub(super) struct Lone {
    pub(super) hash: isize,
    pub(super) object: *mut ffi::PyObject,
    pub(super) scalar: bool,
}

impl Lone {
    fn kind(&self) -> usize {
        if self.scalar { SCALAR } else { SINGLE }
    }
}

impl Probe for Lone {
    #[inline(always)]
    fn hash(&self) -> u64 {
        self.hash as u64
    }

    #[inline(always)]
    unsafe fn matches(&self, key: Key, moved: *const u64) -> Match {
        if key.kind() != self.kind() {
            return Match::No;
        }
        let stored = key.pointer::<ffi::PyObject>();
        // SAFETY: a key of this kind is a live object.
        if stored == self.object { Match::Yes } else { unsafe { ask(stored, self.object, moved) } }
    }

    unsafe fn own(&self) -> Option<Key> {
        // SAFETY: the object is one of the caller's arguments.
        unsafe { ffi::Py_INCREF(self.object) };
        Some(Key::new(self.object, self.kind()))
    }
}

/// Several elements, keywords or types.
#[derive(Clone, Copy)]
pub(super) struct Elements {
    hash: u64,
    elements: *const *mut ffi::PyObject,
    len: usize,
    names: *mut ffi::PyObject,
}

impl Elements {
    /// Hashes each element once, in order; `None` with an error set where one cannot be.
    #[inline(always)]
    pub(super) unsafe fn new(
        elements: *const *mut ffi::PyObject,
        len: usize,
        names: *mut ffi::PyObject,
    ) -> Option<Self> {
        let mut hash = len as u64;
        let mut add = |element: isize| {
            hash = (hash ^ element as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            hash ^= hash >> 29;
        };
        // SAFETY: the caller passes `len` live objects, and a live tuple or null.
        unsafe {
            for position in 0..len {
                add(hash_of(*elements.add(position))?);
            }
            if !names.is_null() {
                for position in 0..ffi::PyTuple_GET_SIZE(names) {
                    let name = ffi::PyTuple_GET_ITEM(names, position);
                    add(if layout::is_text(name) { layout::text_hash(name) } else { hash_of(name)? });
                }
            }
        }
        Some(Elements { hash, elements, len, names })
    }
}

impl Probe for Elements {
    #[inline(always)]
    fn hash(&self) -> u64 {
        self.hash
    }

    #[inline(always)]
    unsafe fn matches(&self, key: Key, moved: *const u64) -> Match {
        if key.kind() != BLOCK {
            return Match::No;
        }
        // SAFETY: a key of this kind is a live block until `moved` changes, and then `same` says so; elements are live.
        unsafe {
            let (elements, len, names) = key.parts();
            if len != self.len {
                return Match::No;
            }
            if names != self.names {
                match same_names(names, self.names, moved) {
                    Match::Yes => {}
                    other => return other,
                }
            }
            for position in 0..len {
                match same(*elements.add(position), *self.elements.add(position), moved) {
                    Match::Yes => {}
                    other => return other,
                }
            }
        }
        Match::Yes
    }

    unsafe fn own(&self) -> Option<Key> {
        // SAFETY: the block is written whole before it is used; every object is one of the caller's arguments.
        unsafe {
            let bytes = size_of::<Block>() + self.len * size_of::<*mut ffi::PyObject>();
            let block = ffi::PyMem_Malloc(bytes).cast::<Block>();
            if block.is_null() {
                return None;
            }
            (&raw mut (*block).names).write(self.names);
            (&raw mut (*block).len).write(self.len);
            ffi::Py_XINCREF(self.names);
            let elements = (&raw mut (*block).elements).cast::<*mut ffi::PyObject>();
            for position in 0..self.len {
                let element = *self.elements.add(position);
                ffi::Py_INCREF(element);
                elements.add(position).write(element);
            }
            Some(Key::new(block, BLOCK))
        }
    }
}

/// Python's hash of an element; `None` with the error set.
#[inline(always)]
pub(super) unsafe fn hash_of(object: *mut ffi::PyObject) -> Option<isize> {
    // SAFETY: the caller passes a live object.
    let hash = unsafe {
        if let Some(value) = layout::small_int(object) {
            return Some(layout::small_int_hash(value));
        }
        if layout::is_text(object) { layout::text_hash(object) } else { ffi::PyObject_Hash(object) }
    };
    if hash == -1 { None } else { Some(hash) }
}

#[inline(always)]
unsafe fn same(stored: *mut ffi::PyObject, new: *mut ffi::PyObject, moved: *const u64) -> Match {
    if stored == new {
        return Match::Yes;
    }
    // SAFETY: both are live, and were hashed.
    unsafe {
        if let (Some(left), Some(right)) = (layout::small_int(stored), layout::small_int(new)) {
            return if left == right { Match::Yes } else { Match::No };
        }
        if layout::is_text(stored) && layout::is_text(new) {
            return if layout::same_text(stored, new) { Match::Yes } else { Match::No };
        }
        ask(stored, new, moved)
    }
}

/// Names of a call through `**` come in a tuple of their own.
#[inline(never)]
unsafe fn same_names(stored: *mut ffi::PyObject, new: *mut ffi::PyObject, moved: *const u64) -> Match {
    if stored.is_null() || new.is_null() {
        return Match::No;
    }
    // SAFETY: both are live tuples, the stored one until `moved` changes, and then `same` says so.
    unsafe {
        let len = ffi::PyTuple_GET_SIZE(new);
        if ffi::PyTuple_GET_SIZE(stored) != len {
            return Match::No;
        }
        for position in 0..len {
            match same(ffi::PyTuple_GET_ITEM(stored, position), ffi::PyTuple_GET_ITEM(new, position), moved) {
                Match::Yes => {}
                other => return other,
            }
        }
    }
    Match::Yes
}

/// `stored == new`, asked of Python: any code may run, so the stored object is held and the table looked at again.
#[inline(never)]
unsafe fn ask(stored: *mut ffi::PyObject, new: *mut ffi::PyObject, moved: *const u64) -> Match {
    // SAFETY: `stored` is live when this begins and held until the end; `moved` lies in an object that the caller
    // holds.
    unsafe {
        let before = *moved;
        ffi::Py_INCREF(stored);
        let answer = ffi::PyObject_RichCompareBool(stored, new, ffi::Py_EQ);
        ffi::Py_DECREF(stored);
        if answer < 0 {
            Match::Failed
        } else if *moved != before {
            Match::Moved
        } else if answer == 1 {
            Match::Yes
        } else {
            Match::No
        }
    }
}
