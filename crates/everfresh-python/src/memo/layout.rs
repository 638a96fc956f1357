//! What exact `int` and `str` objects tell without a call: their value, hash and equality, read from the layout that
//! each version of CPython documents in its headers. Where the layout is not known, the readers answer "ask Python",
//! which is slower and right.

use pyo3::ffi;

/// An exact `int` as CPython 3.12 to 3.14 lays it out.
#[cfg(all(Py_3_12, not(Py_3_15)))]
#[repr(C)]
struct IntLayout {
    header: ffi::PyObject,
    /// Digits above bit 3; in the low two bits 0 for a positive number, 1 for zero, 2 for a negative one.
    tag: usize,
    digit: u32,
}

/// An exact `int` as CPython 3.11 lays it out: the sign of the size is the number's.
#[cfg(not(Py_3_12))]
#[repr(C)]
struct IntLayout {
    header: ffi::PyVarObject,
    digit: u32,
}

/// The value of an exact `int` of at most one digit of 30 bits.
#[inline(always)]
pub(super) unsafe fn small_int(object: *mut ffi::PyObject) -> Option<i64> {
    // SAFETY: the caller passes a live object; only a type's address is compared.
    if unsafe { ffi::Py_TYPE(object) } != &raw mut ffi::PyLong_Type {
        return None;
    }
    #[cfg(any(Py_3_15, not(target_pointer_width = "64")))]
    return None;
    #[cfg(all(Py_3_12, not(Py_3_15), target_pointer_width = "64"))]
    // SAFETY: an exact `int` of this version has this layout, and at least one digit is always allocated.
    unsafe {
        let int = object.cast::<IntLayout>();
        let tag = (*int).tag;
        if tag >> 3 > 1 {
            return None;
        }
        Some((1 - (tag & 3) as i64) * i64::from((*int).digit))
    }
    #[cfg(all(not(Py_3_12), target_pointer_width = "64"))]
    // SAFETY: as above.
    unsafe {
        let int = object.cast::<IntLayout>();
        let size = (*int).header.ob_size;
        if !(-1..=1).contains(&size) {
            return None;
        }
        Some(size as i64 * i64::from((*int).digit))
    }
}

/// Python's own hash of a small `int`: the number itself, but -2 for -1, which means an error.
#[inline(always)]
pub(super) fn small_int_hash(value: i64) -> isize {
    if value == -1 { -2 } else { value as isize }
}

#[inline(always)]
pub(super) unsafe fn is_int(object: *mut ffi::PyObject) -> bool {
    // SAFETY: the caller passes a live object.
    unsafe { ffi::Py_TYPE(object) == &raw mut ffi::PyLong_Type }
}

#[inline(always)]
pub(super) unsafe fn is_text(object: *mut ffi::PyObject) -> bool {
    // SAFETY: the caller passes a live object.
    unsafe { ffi::Py_TYPE(object) == &raw mut ffi::PyUnicode_Type }
}

/// The hash of an exact `str`, computed once an object; -1 with an error set if that fails.
#[inline(always)]
pub(super) unsafe fn text_hash(text: *mut ffi::PyObject) -> isize {
    // SAFETY: the caller passes a live exact `str`, whose header holds its hash or -1; another thread may write the
    // hash, so it is read as one word.
    unsafe {
        let hash = &raw mut (*text.cast::<ffi::PyASCIIObject>()).hash;
        let hash = std::sync::atomic::AtomicIsize::from_ptr(hash).load(std::sync::atomic::Ordering::Relaxed);
        if hash == -1 { ffi::PyObject_Hash(text) } else { hash }
    }
}

/// Equality of two exact `str`, both of which were hashed (on 3.11 that also makes their representation canonical).
#[inline(always)]
pub(super) unsafe fn same_text(left: *mut ffi::PyObject, right: *mut ffi::PyObject) -> bool {
    // SAFETY: both are live exact `str`; the canonical representation has `length` units of `kind` bytes at `data`.
    unsafe {
        let length = (*left.cast::<ffi::PyASCIIObject>()).length;
        if length != (*right.cast::<ffi::PyASCIIObject>()).length {
            return false;
        }
        let kind = ffi::PyUnicode_KIND(left);
        if kind != ffi::PyUnicode_KIND(right) {
            return false;
        }
        let bytes = length as usize * kind as usize;
        let left = std::slice::from_raw_parts(ffi::PyUnicode_DATA(left).cast::<u8>(), bytes);
        let right = std::slice::from_raw_parts(ffi::PyUnicode_DATA(right).cast::<u8>(), bytes);
        left == right
    }
}
