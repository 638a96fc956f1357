//! Dictionaries and run-end encodings, written as the values that they stand for.

use super::{
    column::Column,
    fixed::write_each_length,
    stream::{ByteStream, SHORT, WINDOW},
};
use arrow::{
    array::{Array, ArrayRef, AsArray, RunArray, StringArray, UInt64Array, new_null_array},
    buffer::NullBuffer,
    compute::take,
    datatypes::{ArrowNativeType, Int16Type, Int32Type, Int64Type, RunEndIndexType},
};

/// Adds the values that the rows of a dictionary or run-end encoded array stand for; `nulls` tells those of its keys.
pub(super) fn unpack(array: &dyn Array, nulls: Option<&NullBuffer>, out: &mut Column) {
    if let Some(dictionary) = array.as_any_dictionary_opt() {
        let values = dictionary.values();
        if values.is_empty() {
            return out.extend(&new_null_array(values.data_type(), array.len()), None);
        }
        if let (Column::Bytes { validity, lengths, bytes }, Some(texts)) = (&mut *out, values.as_string_opt::<i32>())
            && texts.null_count() == 0
        {
            validity.extend(array.len(), nulls);
            return extend_looked_up(texts, &dictionary.normalized_keys(), nulls, lengths, bytes);
        }
        let indices: Vec<u64> = dictionary.normalized_keys().into_iter().map(|key| key as u64).collect();
        return unpack_rows(values, &indices.into(), nulls, out);
    }
    let runs = array.as_run_opt::<Int16Type>().map(run_indices);
    let runs = runs.or_else(|| array.as_run_opt::<Int32Type>().map(run_indices));
    let runs = runs.or_else(|| array.as_run_opt::<Int64Type>().map(run_indices));
    if let Some((values, indices)) = runs {
        unpack_rows(values, &indices, nulls, out);
    }
}

/// Adds the texts that keys stand for. The same as unpacking them first, without a copy of every text.
fn extend_looked_up(
    texts: &StringArray,
    keys: &[usize],
    nulls: Option<&NullBuffer>,
    lengths: &mut ByteStream,
    bytes: &mut ByteStream,
) {
    let (offsets, data) = (texts.value_offsets(), texts.value_data());
    let span = |key: usize| offsets[key].as_usize()..offsets[key + 1].as_usize();
    write_each_length(keys, |key| span(*key).len() as u32, nulls, lengths);
    let mut write = |key: &usize| {
        let span = span(*key);
        match data.get(span.start..).and_then(<[u8]>::first_chunk::<SHORT>) {
            Some(short) if span.len() <= SHORT => bytes.write_short(short, span.len()),
            _ => bytes.write(&data[span]),
        }
    };
    match nulls {
        None => keys.iter().for_each(write),
        Some(nulls) => nulls.valid_slices().for_each(|(start, end)| keys[start..end].iter().for_each(&mut write)),
    }
}

/// The values of a run-end encoded array, and for each row the index of its value.
fn run_indices<R: RunEndIndexType>(array: &RunArray<R>) -> (&ArrayRef, UInt64Array) {
    let start = array.get_start_physical_index();
    let mut indices = Vec::with_capacity(array.len());
    for (run, end) in array.run_ends().sliced_values().enumerate() {
        indices.resize(end.as_usize(), (start + run) as u64);
    }
    (array.values(), indices.into())
}

fn unpack_rows(values: &dyn Array, indices: &UInt64Array, nulls: Option<&NullBuffer>, out: &mut Column) {
    for start in (0..indices.len()).step_by(WINDOW) {
        let len = WINDOW.min(indices.len() - start);
        unpack_window(values, &indices.slice(start, len), nulls.map(|nulls| nulls.slice(start, len)).as_ref(), out);
    }
}

fn unpack_window(values: &dyn Array, indices: &UInt64Array, nulls: Option<&NullBuffer>, out: &mut Column) {
    if let Ok(rows) = take(values, indices, None) {
        return out.extend(&rows, nulls);
    }
    // Together the values are too long for their offsets: one by one, without copying.
    for (row, index) in indices.values().iter().enumerate() {
        out.extend(&values.slice(*index as usize, 1), nulls.map(|nulls| nulls.slice(row, 1)).as_ref());
    }
}
