//! Run-end encodings, and dictionaries of what is no text, written as the values that they stand for.

use super::{column::Column, stream::WINDOW};
use arrow::{
    array::{Array, ArrayRef, AsArray, RunArray, UInt64Array, new_null_array},
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
