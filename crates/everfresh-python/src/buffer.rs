//! A stored result as a read-only buffer: arrays that are made from it lie in the mapped file, and keep it open.
#![allow(unsafe_code)]

use crate::value::owned::Owned;
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

/// Fills a view of bytes that nobody may write to.
///
/// # Safety
/// The bytes never change and live as long as the object; `view` is that of `__getbuffer__`.
pub unsafe fn fill_read_only(
    object: &Bound<'_, PyAny>,
    bytes: &[u8],
    view: *mut ffi::Py_buffer,
    flags: c_int,
) -> PyResult<()> {
    if flags & ffi::PyBUF_WRITABLE != 0 {
        // SAFETY: `view` is the caller's, to be filled in; on an error its owner has to be null.
        unsafe { (*view).obj = ptr::null_mut() };
        return Err(PyBufferError::new_err("a stored result is read-only"));
    }
    let length = isize::try_from(bytes.len()).map_err(|_| PyBufferError::new_err("a result of this size"))?;
    let start = bytes.as_ptr().cast_mut().cast();
    // SAFETY: as the caller promises; `PyBuffer_FillInfo` takes a reference to the object into the view, which is marked as
    // read-only.
    let filled = unsafe { ffi::PyBuffer_FillInfo(view, object.as_ptr(), start, length, 1, flags) };
    if filled == -1 { Err(PyErr::fetch(object.py())) } else { Ok(()) }
}

/// The bytes of a result in the store.
#[pyclass(frozen, module = "everfresh._native")]
pub struct Stored {
    // Dropped before the blob.
    _owned: Option<Owned>,
    blob: Blob,
    as_array: Option<Py<PyAny>>,
}

impl Stored {
    pub fn new(blob: Blob) -> Self {
        // SAFETY: a blob that is a file is mapped read-only, and as long as it lives.
        let owned = blob.file().is_some().then(|| unsafe { Owned::new(&blob) });
        Self { _owned: owned, blob, as_array: None }
    }
}

#[pymethods]
impl Stored {
    fn __len__(&self) -> usize {
        self.blob.len()
    }

    /// The path of the file that it lies in, and where in it the result begins. `None` if it lies in the index.
    #[getter]
    fn file(&self) -> Option<(String, usize)> {
        self.blob.file().map(|(path, start)| (path.to_string_lossy().into_owned(), start))
    }

    /// The same bytes; arrays that are made of them go through `as_array(np, array)`.
    fn with_arrays(&self, as_array: Py<PyAny>) -> Self {
        Self { as_array: Some(as_array), ..Self::new(self.blob.clone()) }
    }

    #[getter]
    fn as_array(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.as_array.as_ref().map(|function| function.clone_ref(py))
    }

    /// The file that it lies in, opened anew: descriptor, path, and where in it the result begins. `None` if it lies in the
    /// index, or the file is gone. Nobody observes this as a file that is read.
    fn open(&self) -> Option<(c_int, PathBuf, usize)> {
        let (path, start) = self.blob.file()?;
        let file = File::open(path).ok()?;
        Some((file.into_raw_fd(), path.to_owned(), start))
    }

    unsafe fn __getbuffer__(slf: &Bound<'_, Self>, view: *mut ffi::Py_buffer, flags: c_int) -> PyResult<()> {
        // SAFETY: a blob never changes and lives as long as the object.
        unsafe { fill_read_only(slf.as_any(), &slf.get().blob, view, flags) }
    }
}
