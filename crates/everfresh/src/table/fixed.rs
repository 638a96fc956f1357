//! Values of one width, with zeros under nulls.

use super::stream::ByteStream;
use arrow::buffer::NullBuffer;

/// Writes values of `width` bytes each; those under a null are written as zeros.
pub(super) fn write_fixed(values: &[u8], width: usize, nulls: Option<&NullBuffer>, out: &mut ByteStream) {
    match (nulls, width) {
        (None, _) => out.write(values),
        (Some(nulls), 1) => write_zeroed::<u8, 1>(values, nulls, out),
        (Some(nulls), 2) => write_zeroed::<u16, 2>(values, nulls, out),
        (Some(nulls), 4) => write_zeroed::<u32, 4>(values, nulls, out),
        (Some(nulls), 8) => write_zeroed::<u64, 8>(values, nulls, out),
        (Some(nulls), 16) => write_zeroed::<u128, 16>(values, nulls, out),
        (Some(nulls), width) => {
            let mut written = 0;
            for (start, end) in nulls.valid_slices() {
                out.write_zeros((start - written) * width);
                out.write(&values[start * width..end * width]);
                written = end;
            }
            out.write_zeros((nulls.len() - written) * width);
        }
    }
}

/// A value as wide as its bytes.
trait Word<const WIDTH: usize>: Copy + 'static {
    /// For each four validity bits, what four values are masked with.
    const MASKS: &'static [[Self; 4]; 16];

    /// The bytes, or zeros where the mask is zero.
    fn masked(bytes: [u8; WIDTH], mask: Self) -> [u8; WIDTH];
}

macro_rules! words {
    ($($word:ty, $width:literal;)*) => {$(
        impl Word<$width> for $word {
            const MASKS: &'static [[Self; 4]; 16] = &{
                let mut masks = [[0; 4]; 16];
                let mut at = 0;
                while at < 64 {
                    masks[at / 4][at % 4] = if (at / 4) >> (at % 4) & 1 == 1 { <$word>::MAX } else { 0 };
                    at += 1;
                }
                masks
            };

            #[inline(always)]
            fn masked(bytes: [u8; $width], mask: Self) -> [u8; $width] {
                (<$word>::from_ne_bytes(bytes) & mask).to_ne_bytes()
            }
        }
    )*};
}

words! { u8, 1; u16, 2; u32, 4; u64, 8; u128, 16; }

/// Writes values of `WIDTH` bytes, zeros under nulls, 64 rows at a time.
fn write_zeroed<W: Word<WIDTH>, const WIDTH: usize>(values: &[u8], nulls: &NullBuffer, out: &mut ByteStream) {
    let valid = nulls.inner().bit_chunks();
    for (values, valid) in values.chunks(64 * WIDTH).zip(valid.iter_padded()) {
        out.write_with(values.len(), |rows| {
            if valid == u64::MAX {
                rows.copy_from_slice(values);
            } else {
                copy_masked::<W, WIDTH>(values, valid, rows);
            }
        });
    }
}

/// Copies up to 64 values, zeros where their bit is not set.
#[inline]
fn copy_masked<W: Word<WIDTH>, const WIDTH: usize>(values: &[u8], valid: u64, rows: &mut [u8]) {
    let (rows, _) = rows.as_chunks_mut::<WIDTH>();
    let (values, _) = values.as_chunks::<WIDTH>();
    // Arrays of four, so that the compiler sees one wide instruction.
    let (rows, last_rows) = rows.as_chunks_mut::<4>();
    let (values, last_values) = values.as_chunks::<4>();
    let masks = |four: usize| &W::MASKS[(valid >> (4 * four)) as usize & 15];
    for (four, (rows, values)) in rows.iter_mut().zip(values).enumerate() {
        let masks = masks(four);
        *rows = std::array::from_fn(|row| W::masked(values[row], masks[row]));
    }
    if !last_rows.is_empty() {
        for ((row, value), mask) in last_rows.iter_mut().zip(last_values).zip(masks(rows.len())) {
            *row = W::masked(*value, *mask);
        }
    }
}
