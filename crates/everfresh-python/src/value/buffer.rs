//! Memory behind the buffer protocol.
#![allow(unsafe_code)]

use super::{owned::Place, strided::Strided};
use pyo3::{ffi, prelude::*};
use std::marker::PhantomData;

/// The memory of an object, of any item type and layout. While this lives the object cannot move or free it.
///
/// Other threads may write to it meanwhile, as they may to anything that NumPy reads: what is read then is torn, which
/// the caller has to exclude or to notice.
pub(super) struct Buffer<'py> {
    view: Box<ffi::Py_buffer>,
    /// Released with the interpreter at hand.
    attached: PhantomData<Bound<'py, PyAny>>,
}

impl<'py> Buffer<'py> {
    /// The memory of an object. Item formats are not asked for: NumPy has none for dates.
    pub fn get(object: &Bound<'py, PyAny>) -> PyResult<Self> {
        let mut view = Box::new(ffi::Py_buffer::new());
        // SAFETY: the object is alive and the interpreter attached; `view` is only used if the call succeeds, and does
        // not move, being boxed.
        if unsafe { ffi::PyObject_GetBuffer(object.as_ptr(), &mut *view, ffi::PyBUF_STRIDES) } != 0 {
            return Err(PyErr::fetch(object.py()));
        }
        Ok(Self { view, attached: PhantomData })
    }

    /// How many bytes all items take.
    pub fn len(&self) -> usize {
        usize::try_from(self.view.len).unwrap_or_default()
    }

    /// The bytes, if they lie in one piece in C order.
    pub fn contiguous(&self) -> Option<&[u8]> {
        if self.view.len <= 0 || self.view.buf.is_null() {
            return Some(&[]);
        }
        // SAFETY: the view was filled by a successful call.
        if unsafe { ffi::PyBuffer_IsContiguous(&*self.view, b'C' as _) } == 0 {
            return None;
        }
        // SAFETY: a contiguous buffer has `len` bytes from `buf` on, which live as long as `self`.
        Some(unsafe { std::slice::from_raw_parts(self.view.buf.cast(), self.len()) })
    }

    /// Where the items lie; those that lie in one piece are bytes.
    pub fn place(&self) -> Place {
        let mut place = Place::new();
        if let Some(bytes) = self.contiguous() {
            place.add(bytes);
            return place;
        }
        let (shape, strides) = self.axes();
        let start = self.view.buf as usize;
        let (mut low, mut high) = (start, start.wrapping_add_signed(self.view.itemsize));
        for (size, stride) in shape.iter().zip(strides) {
            let reach = (size - 1).wrapping_mul(*stride);
            low = low.wrapping_add_signed(reach.min(0));
            high = high.wrapping_add_signed(reach.max(0));
        }
        // Never around the end of memory.
        if !shape.contains(&0) && low <= start && start < high {
            place.cover(low, high);
        }
        place.words.extend([start, self.view.itemsize.cast_unsigned()]);
        place.words.extend(shape.iter().chain(strides).map(|number| number.cast_unsigned()));
        place
    }

    /// The items, wherever they lie.
    pub fn strided(&self) -> Strided<'_> {
        let (shape, strides) = self.axes();
        // SAFETY: the exporter promises that every item that shape and strides lead to can be read, while `self` lives.
        unsafe { Strided::new(self.view.buf.cast(), shape, strides, self.view.itemsize) }
    }

    /// The number of items along each axis, and how far they are apart; none if it has no axes.
    fn axes(&self) -> (&[isize], &[isize]) {
        match usize::try_from(self.view.ndim) {
            Ok(axes) if axes > 0 && !self.view.shape.is_null() && !self.view.strides.is_null() => {
                // SAFETY: asked for with `PyBUF_STRIDES`, both have one number for each axis.
                unsafe {
                    (
                        std::slice::from_raw_parts(self.view.shape, axes),
                        std::slice::from_raw_parts(self.view.strides, axes),
                    )
                }
            }
            _ => (&[], &[]),
        }
    }
}

impl Drop for Buffer<'_> {
    fn drop(&mut self) {
        // SAFETY: filled by a successful call, released once, and the interpreter is attached for `'py`.
        unsafe { ffi::PyBuffer_Release(&mut *self.view) }
    }
}
