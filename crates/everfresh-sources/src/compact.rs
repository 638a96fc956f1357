//! Batches that hold on to no more memory than their rows need.

use arrow::{
    array::{
        Array, ArrayRef, AsArray, GenericByteViewArray, MutableArrayData, RecordBatch, RecordBatchOptions, make_array,
    },
    buffer::Buffer,
    datatypes::{ByteViewType, DataType},
    error::ArrowError,
};

/// The batch with columns that own little more than its rows need: what is a small part of its buffers is copied, the
/// rest is shared. A slice of a mapped file counts as the whole file where somebody adds up what is held in memory.
///
/// # Errors
/// If an array cannot be copied because its offsets overflow.
pub fn compact(batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let columns: Vec<ArrayRef> = batch.columns().iter().map(compact_column).collect::<Result<_, _>>()?;
    let rows = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(batch.schema(), columns, &rows)
}

fn compact_column(column: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    match column.data_type() {
        DataType::Utf8View => return Ok(compact_views(column, column.as_string_view())),
        DataType::BinaryView => return Ok(compact_views(column, column.as_binary_view())),
        _ => {}
    }
    let data = column.to_data();
    if column.get_array_memory_size() <= 2 * data.get_slice_memory_size()? + 4096 {
        return Ok(column.clone());
    }
    let mut copy = MutableArrayData::new(vec![&data], false, column.len());
    copy.try_extend(0, 0, column.len())?;
    Ok(make_array(copy.freeze()))
}

/// The texts of several rows may be one.
fn compact_views<T: ByteViewType>(column: &ArrayRef, views: &GenericByteViewArray<T>) -> ArrayRef {
    let held: usize = views.data_buffers().iter().map(Buffer::capacity).sum();
    if held <= 2 * views.total_buffer_bytes_used() + 4096 { column.clone() } else { std::sync::Arc::new(views.gc()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Int64Array, StringArray, StringViewBuilder};
    use std::sync::Arc;

    #[test]
    fn a_slice_of_something_large_is_copied() {
        let numbers = Arc::new(Int64Array::from_iter_values(0..100_000)) as ArrayRef;
        let texts =
            Arc::new(StringArray::from_iter_values((0..100_000).map(|row| format!("number {row}")))) as ArrayRef;
        let whole = RecordBatch::try_from_iter([("n", numbers), ("t", texts)]).unwrap();
        let slice = compact(&whole.slice(50, 8192)).unwrap();
        assert_eq!(slice, whole.slice(50, 8192));
        assert!(slice.get_array_memory_size() * 5 < whole.get_array_memory_size());
    }

    #[test]
    fn views_give_up_texts_that_no_row_has_and_keep_those_that_many_have() {
        let texts = |rows: usize, distinct: usize| -> ArrayRef {
            let mut builder = StringViewBuilder::new().with_deduplicate_strings();
            (0..rows).for_each(|row| builder.append_value(format!("a rather long text, number {}", row % distinct)));
            Arc::new(builder.finish())
        };
        let slice = texts(100_000, 100_000).slice(70, 1000);
        let compacted = compact_column(&slice).unwrap();
        assert_eq!(&compacted, &slice);
        assert!(compacted.get_array_memory_size() * 20 < slice.get_array_memory_size());
        let shared = texts(8192, 10);
        assert!(Arc::ptr_eq(&compact_column(&shared).unwrap(), &shared));
    }
}
