//! Views: 16 bytes a row, which hold a short text or point to a long one.

use super::{
    fixed::write_fixed,
    stream::{ByteStream, WINDOW},
};
use arrow::{
    array::{Array, ByteView, GenericByteViewArray, MAX_INLINE_VIEW_LEN},
    buffer::NullBuffer,
    datatypes::ByteViewType,
};
use std::{mem::replace, ops::Range};

/// Writes the views of rows: those of short texts as they are, those of long ones with their length and first four bytes
/// but not where the text lies, and the long texts by themselves.
pub(super) fn extend_views<T: ByteViewType + ?Sized>(
    array: &GenericByteViewArray<T>,
    nulls: Option<&NullBuffer>,
    views: &mut ByteStream,
    bytes: &mut ByteStream,
) {
    let rows = array.len();
    for start in (0..rows).step_by(WINDOW) {
        let window = &array.views()[start..rows.min(start + WINDOW)];
        let nulls = nulls.map(|nulls| nulls.slice(start, window.len()));
        let nulls = nulls.as_ref();
        if window.iter().all(|view| length(*view) <= MAX_INLINE_VIEW_LEN) {
            let raw = &array.views().inner()[16 * start..16 * (start + window.len())];
            write_fixed(raw, 16, nulls, views);
            continue;
        }
        let placeless = |view: &u128| if length(*view) > MAX_INLINE_VIEW_LEN { *view as u64 as u128 } else { *view };
        let written: Vec<[u8; 16]> = window.iter().map(|view| placeless(view).to_le_bytes()).collect();
        write_fixed(written.as_flattened(), 16, nulls, views);
        match nulls {
            None => write_long(window, array, bytes),
            Some(nulls) => nulls.valid_slices().for_each(|(start, end)| write_long(&window[start..end], array, bytes)),
        }
    }
}

/// Writes the texts that are not in their views; those that lie one after the other at once.
fn write_long<T: ByteViewType + ?Sized>(views: &[u128], array: &GenericByteViewArray<T>, bytes: &mut ByteStream) {
    let mut write = |buffer: u32, span: Range<usize>| {
        if !span.is_empty() {
            bytes.write(&array.data_buffers()[buffer as usize][span]);
        }
    };
    let mut open = (0, 0..0);
    for view in views.iter().filter(|view| length(**view) > MAX_INLINE_VIEW_LEN) {
        let view = ByteView::from(*view);
        let start = view.offset as usize;
        if (view.buffer_index, start) == (open.0, open.1.end) {
            open.1.end += view.length as usize;
        } else {
            let (buffer, span) = replace(&mut open, (view.buffer_index, start..start + view.length as usize));
            write(buffer, span);
        }
    }
    write(open.0, open.1);
}

/// A view's lowest 32 bits are its length.
fn length(view: u128) -> u32 {
    view as u32
}
