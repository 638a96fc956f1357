//! Items at regular distances, gathered into C order block by block.
#![allow(unsafe_code)]

use std::{marker::PhantomData, ptr};

/// How many bytes are gathered at a time: they, and the memory that they come from, stay in the core's own cache.
const BLOCK: usize = 128 << 10;

/// Items of an array with any strides, negative ones included.
pub(super) struct Strided<'a> {
    start: *const u8,
    shape: Vec<usize>,
    strides: Vec<isize>,
    item: usize,
    memory: PhantomData<&'a [u8]>,
}

// SAFETY: it only reads the memory, as a `&[u8]` would.
unsafe impl Send for Strided<'_> {}

impl Strided<'_> {
    /// # Safety
    /// Every item that shape and strides lead to, `item` bytes each, can be read for `'a`.
    pub unsafe fn new(start: *const u8, shape: &[isize], strides: &[isize], item: isize) -> Self {
        let size = |size: &isize| usize::try_from(*size).unwrap_or_default();
        Self {
            start,
            shape: shape.iter().map(size).collect(),
            strides: strides.to_vec(),
            item: size(&item),
            memory: PhantomData,
        }
    }

    /// Calls `each` with all items' bytes in C order, in blocks.
    pub fn gather(&self, mut each: impl FnMut(&[u8])) {
        if self.shape.is_empty() || self.item == 0 || self.shape.contains(&0) {
            return;
        }
        // Blocks are cut along the first axis whose steps are small enough.
        let steps = c_strides(&self.shape, self.item);
        let cut = steps.iter().position(|step| *step <= BLOCK).unwrap_or(steps.len() - 1);
        let rows = (BLOCK / steps[cut]).clamp(1, self.shape[cut]);
        let mut block = vec![0; rows * steps[cut]];
        let mut shape = self.shape[cut..].to_vec();
        for_each_index(&self.shape[..cut], &self.strides[..cut], |outer| {
            for start in (0..self.shape[cut]).step_by(rows) {
                shape[0] = rows.min(self.shape[cut] - start);
                let from = outer + start as isize * self.strides[cut];
                // SAFETY: `from` leads to an item of the array, and the box from there on, `shape`, is part of it. The
                // block has room for as many items.
                unsafe {
                    self.copy_box(self.start.offset(from), &shape, &self.strides[cut..], &steps[cut..], &mut block)
                }
                each(&block[..shape[0] * steps[cut]]);
            }
        });
    }

    /// Copies a box of items, the closest together in memory first.
    ///
    /// # Safety
    /// Every item of the box can be read, and `steps` lead to places in `block`.
    unsafe fn copy_box(&self, from: *const u8, shape: &[usize], strides: &[isize], steps: &[usize], block: &mut [u8]) {
        let mut axes: Vec<usize> = (0..shape.len()).collect();
        axes.sort_by_key(|axis| std::cmp::Reverse(strides[*axis].unsigned_abs()));
        let inner = axes.pop().unwrap_or_default();
        let outer = |list: &[isize]| axes.iter().map(|axis| list[*axis]).collect::<Vec<_>>();
        let signed: Vec<isize> = steps.iter().map(|step| *step as isize).collect();
        let sizes: Vec<usize> = axes.iter().map(|axis| shape[*axis]).collect();
        let to = block.as_mut_ptr();
        let (stride, step, count, item) = (strides[inner], signed[inner], shape[inner], self.item);
        for_each_pair(&sizes, &outer(strides), &outer(&signed), |read, write| {
            // SAFETY: as the caller promises, for the run of items along the inner axis.
            unsafe {
                let (from, to) = (from.offset(read), to.offset(write));
                match item {
                    1 => copy_run::<u8>(from, stride, to, step, count),
                    2 => copy_run::<u16>(from, stride, to, step, count),
                    4 => copy_run::<u32>(from, stride, to, step, count),
                    8 => copy_run::<u64>(from, stride, to, step, count),
                    16 => copy_run::<u128>(from, stride, to, step, count),
                    _ => {
                        for at in 0..count as isize {
                            ptr::copy_nonoverlapping(from.offset(at * stride), to.offset(at * step), item);
                        }
                    }
                }
            }
        });
    }
}

/// # Safety
/// `count` items can be read at `stride` and written at `step`.
unsafe fn copy_run<T: Copy>(from: *const u8, stride: isize, to: *mut u8, step: isize, count: usize) {
    for at in 0..count as isize {
        // SAFETY: as the caller promises; neither place need be aligned.
        unsafe {
            let value = from.offset(at * stride).cast::<T>().read_unaligned();
            to.offset(at * step).cast::<T>().write_unaligned(value);
        }
    }
}

/// The distance in bytes from one index to the next of each axis, in C order.
fn c_strides(shape: &[usize], item: usize) -> Vec<usize> {
    let mut steps = vec![item; shape.len()];
    for axis in (1..shape.len()).rev() {
        steps[axis - 1] = steps[axis] * shape[axis];
    }
    steps
}

/// Calls `each` with the offset of every index, the last axis fastest.
fn for_each_index(shape: &[usize], strides: &[isize], mut each: impl FnMut(isize)) {
    for_each_pair(shape, strides, strides, |offset, _| each(offset));
}

/// The same with two offsets.
fn for_each_pair(shape: &[usize], one: &[isize], other: &[isize], mut each: impl FnMut(isize, isize)) {
    let mut index = vec![0; shape.len()];
    let (mut a, mut b) = (0, 0);
    loop {
        each(a, b);
        let mut axis = shape.len();
        loop {
            if axis == 0 {
                return;
            }
            axis -= 1;
            index[axis] += 1;
            if index[axis] < shape[axis] {
                a += one[axis];
                b += other[axis];
                break;
            }
            let back = index[axis] as isize - 1;
            a -= back * one[axis];
            b -= back * other[axis];
            index[axis] = 0;
        }
    }
}
