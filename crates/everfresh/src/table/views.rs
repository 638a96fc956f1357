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
        let mut write_long = |view: &u128| {
            if length(*view) > MAX_INLINE_VIEW_LEN {
                let view = ByteView::from(*view);
                let start = view.offset as usize;
                bytes.write(&array.data_buffers()[view.buffer_index as usize][start..start + view.length as usize]);
            }
        };
        match nulls {
            None => window.iter().for_each(write_long),
            Some(nulls) => {
                nulls.valid_slices().for_each(|(start, end)| window[start..end].iter().for_each(&mut write_long));
            }
        }
    }
}

/// A view's lowest 32 bits are its length.
fn length(view: u128) -> u32 {
    view as u32
}
