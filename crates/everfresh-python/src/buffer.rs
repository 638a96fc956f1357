//! A stored result as a read-only buffer: arrays that are made from it lie in the mapped file, and keep it open.
#![allow(unsafe_code)]

use everfresh::disk::Blob;
use pyo3::{buffer::PyUntypedBuffer, exceptions::PyBufferError, ffi, prelude::*};
use std::{ffi::c_int, fs::File, os::fd::IntoRawFd, path::PathBuf, ptr, slice};

/// The bytes of a buffer that nobody writes meanwhile; `None` if they do not lie in one piece.
pub fn bytes_of<'a>(_: Python<'a>, buffer: &'a PyUntypedBuffer) -> Option<&'a [u8]> {
    if !buffer.is_c_contiguous() {
        return None;
    }
    if buffer.len_bytes() == 0 {
        return Some(&[]);
    }
    // SAFETY: the memory lives as long as the buffer is held. Whoever encodes a value hands over buffers of the cache's own
    // copy of it, which nobody writes.
    Some(unsafe { slice::from_raw_parts(buffer.buf_ptr().cast(), buffer.len_bytes()) })
}

/// The bytes of a result in the store.
#[pyclass(frozen, module = "everfresh._native")]
pub struct Stored(pub Blob);

#[pymethods]
impl Stored {
    fn __len__(&self) -> usize {
        self.0.len()
    }

    /// The file that it lies in, opened anew: descriptor, path, and where in it the result begins. `None` if it lies in the
    /// index, or the file is gone. Nobody observes this as a file that is read.
    fn open(&self) -> Option<(c_int, PathBuf, usize)> {
        let (path, start) = self.0.file()?;
        let file = File::open(path).ok()?;
        Some((file.into_raw_fd(), path.to_owned(), start))
    }

    unsafe fn __getbuffer__(slf: PyRef<'_, Self>, view: *mut ffi::Py_buffer, flags: c_int) -> PyResult<()> {
        if flags & ffi::PyBUF_WRITABLE != 0 {
            // SAFETY: `view` is the caller's, to be filled in; on an error its owner has to be null.
            unsafe { (*view).obj = ptr::null_mut() };
            return Err(PyBufferError::new_err("a stored result is read-only"));
        }
        let (start, length) = (slf.0.as_ptr(), slf.0.len());
        let length = isize::try_from(length).map_err(|_| PyBufferError::new_err("a result of this size"))?;
        // SAFETY: the bytes live as long as `slf`, of which `PyBuffer_FillInfo` takes a reference into the view, and never
        // change; the view is marked as read-only.
        let filled = unsafe { ffi::PyBuffer_FillInfo(view, slf.as_ptr(), start.cast_mut().cast(), length, 1, flags) };
        if filled == -1 { Err(PyErr::fetch(slf.py())) } else { Ok(()) }
    }
}
