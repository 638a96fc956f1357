//! What a call of an `LruCache` does. The function for a call is chosen once, when the cache is made.

use pyo3::ffi;
use std::mem::MaybeUninit;
use std::ptr;

use super::key::{Elements, Int, Lone, Probe, Text};
use super::object::{LruCache, UNBOUNDED};
use super::table::{Entry, FAILED, NIL, Table};
use super::{layout, locked};

pub(super) fn choose(maxsize: usize, typed: bool) -> ffi::vectorcallfunc {
    match (maxsize, typed) {
        (0, _) => uncached,
        (UNBOUNDED, false) => plain::<false>,
        (UNBOUNDED, true) => typed_call::<false>,
        (_, false) => plain::<true>,
        (_, true) => typed_call::<true>,
    }
}

/// The arguments as the vectorcall protocol hands them over.
#[derive(Clone, Copy)]
pub(super) struct Call {
    pub(super) arguments: *const *mut ffi::PyObject,
    pub(super) nargsf: usize,
    pub(super) names: *mut ffi::PyObject,
}

impl Call {
    #[inline(always)]
    pub(super) fn positional(&self) -> usize {
        self.nargsf & !ffi::PY_VECTORCALL_ARGUMENTS_OFFSET
    }

    pub(super) unsafe fn keywords(&self) -> usize {
        // SAFETY: names are a live tuple or null.
        if self.names.is_null() { 0 } else { unsafe { ffi::PyTuple_GET_SIZE(self.names) as usize } }
    }

    /// Calls `function`, counted against the limit of recursion as every call from C is.
    pub(super) unsafe fn of(&self, function: *mut ffi::PyObject) -> *mut ffi::PyObject {
        // SAFETY: the arguments live until the caller's call returns; the offset flag was given to us and is passed on.
        unsafe {
            if function.is_null() {
                ffi::PyErr_SetString(
                    ffi::PyExc_RuntimeError,
                    c"the function was taken apart by the collector".as_ptr(),
                );
                return ptr::null_mut();
            }
            if ffi::Py_EnterRecursiveCall(c" while calling a Python object".as_ptr()) != 0 {
                return ptr::null_mut();
            }
            let result = ffi::PyObject_Vectorcall(function, self.arguments, self.nargsf, self.names);
            ffi::Py_LeaveRecursiveCall();
            result
        }
    }
}

/// `maxsize=0`: the calls are counted.
unsafe extern "C" fn uncached(
    me: *mut ffi::PyObject,
    arguments: *const *mut ffi::PyObject,
    nargsf: usize,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    let cache = me.cast::<LruCache>();
    // SAFETY: CPython calls this with a live object of this type.
    unsafe {
        locked(me, || (*cache).misses += 1);
        Call { arguments, nargsf, names }.of((*cache).function)
    }
}

unsafe extern "C" fn plain<const BOUNDED: bool>(
    me: *mut ffi::PyObject,
    arguments: *const *mut ffi::PyObject,
    nargsf: usize,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: CPython calls this with a live object of this type and live arguments.
    unsafe {
        let call = Call { arguments, nargsf, names };
        if call.positional() != 1 || !names.is_null() {
            return several::<BOUNDED>(me, arguments, nargsf, names);
        }
        let object = *arguments;
        if let Some(value) = layout::small_int(object) {
            return answer::<BOUNDED, _>(me.cast(), call, Int { value, object });
        }
        if layout::is_text(object) {
            let hash = layout::text_hash(object);
            if hash == -1 {
                return ptr::null_mut();
            }
            return answer::<BOUNDED, _>(me.cast(), call, Text { hash, object });
        }
        lone::<BOUNDED>(me, arguments, nargsf, names)
    }
}

// The functions below that are kept out of line get the call in registers: passed as a struct it went through memory,
// which cost as much as the lookup.

#[inline(never)]
unsafe extern "C" fn lone<const BOUNDED: bool>(
    me: *mut ffi::PyObject,
    arguments: *const *mut ffi::PyObject,
    nargsf: usize,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: the caller passes what CPython gave it, one argument.
    unsafe {
        let object = *arguments;
        let hash = ffi::PyObject_Hash(object);
        if hash == -1 {
            return ptr::null_mut();
        }
        let probe = Lone { hash, object, scalar: layout::is_int(object) };
        answer::<BOUNDED, _>(me.cast(), Call { arguments, nargsf, names }, probe)
    }
}

#[inline(never)]
unsafe extern "C" fn several<const BOUNDED: bool>(
    me: *mut ffi::PyObject,
    arguments: *const *mut ffi::PyObject,
    nargsf: usize,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: the caller passes what CPython gave it: the values of keywords follow the positional arguments.
    unsafe {
        let call = Call { arguments, nargsf, names };
        let keywords = call.keywords();
        if keywords == 0 && !names.is_null() {
            return plain::<BOUNDED>(me, arguments, nargsf, ptr::null_mut());
        }
        match Elements::new(arguments, call.positional() + keywords, names) {
            Some(elements) => answer::<BOUNDED, _>(me.cast(), call, elements),
            None => ptr::null_mut(),
        }
    }
}

/// `typed`: the classes of the arguments are elements of the key.
unsafe extern "C" fn typed_call<const BOUNDED: bool>(
    me: *mut ffi::PyObject,
    arguments: *const *mut ffi::PyObject,
    nargsf: usize,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    const INLINE: usize = 16;
    // SAFETY: CPython calls this with live arguments, which keep their classes alive; `room` holds two elements for
    // each.
    unsafe {
        let keywords = Call { arguments, nargsf, names }.keywords();
        let call = Call { arguments, nargsf, names: if keywords == 0 { ptr::null_mut() } else { names } };
        let len = call.positional() + keywords;
        let mut inline = [MaybeUninit::<*mut ffi::PyObject>::uninit(); INLINE];
        let mut spilled = Vec::new();
        let room = if len * 2 <= INLINE {
            inline.as_mut_ptr().cast::<*mut ffi::PyObject>()
        } else {
            spilled.resize(len * 2, ptr::null_mut());
            spilled.as_mut_ptr()
        };
        for position in 0..len {
            let argument = *arguments.add(position);
            room.add(position).write(argument);
            room.add(len + position).write(ffi::Py_TYPE(argument).cast());
        }
        match Elements::new(room, len * 2, call.names) {
            Some(elements) => answer::<BOUNDED, _>(me.cast(), call, elements),
            None => ptr::null_mut(),
        }
    }
}

/// The stored value, or a miss.
#[inline(always)]
unsafe fn answer<const BOUNDED: bool, P: Probe>(cache: *mut LruCache, call: Call, probe: P) -> *mut ffi::PyObject {
    // SAFETY: the caller holds the cache; an entry that was found is live until Python runs again.
    unsafe {
        let (found, value) = locked(cache.cast(), || {
            let found = Table::find(&raw const (*cache).table, &probe);
            if found >= FAILED {
                return (found, ptr::null_mut());
            }
            let table = &mut (*cache).table;
            if BOUNDED {
                table.touch(found);
            }
            let value = table.entry(found).value;
            ffi::Py_INCREF(value);
            (*cache).hits += 1;
            (found, value)
        });
        if found == NIL { miss::<BOUNDED, P>(cache, call.arguments, call.nargsf, call.names, probe) } else { value }
    }
}

/// Calls the function and stores what it returns; what it raises is not stored. While it runs, the same key may come by
/// another way: a bounded cache then keeps that result, an unbounded one takes the newer, as `functools` has it.
#[inline(never)]
unsafe fn miss<const BOUNDED: bool, P: Probe>(
    cache: *mut LruCache,
    arguments: *const *mut ffi::PyObject,
    nargsf: usize,
    names: *mut ffi::PyObject,
    probe: P,
) -> *mut ffi::PyObject {
    // SAFETY: the caller holds the cache, and its caller the arguments. What is given up is released after the table is
    // whole.
    unsafe {
        let before = locked(cache.cast(), || {
            (*cache).misses += 1;
            (*cache).table.state()
        });
        let value = Call { arguments, nargsf, names }.of((*cache).function);
        if value.is_null() {
            return value;
        }
        let stored = locked(cache.cast(), || store::<BOUNDED, P>(cache, &probe, value, before));
        match stored {
            Stored::Whole => value,
            Stored::Instead(entry) => {
                entry.release();
                value
            }
            Stored::Over(old) => {
                ffi::Py_DECREF(old);
                value
            }
            Stored::Failed => {
                ffi::Py_DECREF(value);
                ptr::null_mut()
            }
            Stored::NoRoom(entry) => {
                if let Some(entry) = entry {
                    entry.release();
                }
                ffi::Py_DECREF(value);
                ffi::PyErr_NoMemory()
            }
        }
    }
}

/// What storing came to, with what is left to release.
enum Stored {
    Whole,
    /// In the place of the least recently used entry.
    Instead(Entry<()>),
    /// Over an older value.
    Over(*mut ffi::PyObject),
    Failed,
    NoRoom(Option<Entry<()>>),
}

#[inline(always)]
unsafe fn store<const BOUNDED: bool, P: Probe>(
    cache: *mut LruCache,
    probe: &P,
    value: *mut ffi::PyObject,
    before: (u64, u64),
) -> Stored {
    // SAFETY: the caller holds the cache and the value; no Python runs but in `find`.
    unsafe {
        if (*cache).table.state() != before {
            let found = Table::find(&raw const (*cache).table, probe);
            if found == FAILED {
                return Stored::Failed;
            }
            if found != NIL {
                if BOUNDED {
                    return Stored::Whole;
                }
                ffi::Py_INCREF(value);
                return Stored::Over(std::mem::replace(&mut (*cache).table.entry(found).value, value));
            }
        }
        let Some(key) = probe.own() else {
            return Stored::NoRoom(None);
        };
        ffi::Py_INCREF(value);
        let entry = Entry::new(probe.hash(), key, value, ());
        let table = &mut (*cache).table;
        if BOUNDED && table.len() >= (*cache).maxsize {
            return Stored::Instead(table.replace(table.oldest(), entry));
        }
        match table.insert(entry) {
            Ok(_) => Stored::Whole,
            Err(entry) => Stored::NoRoom(Some(entry)),
        }
    }
}
