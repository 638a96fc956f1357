//! Batches of exactly [`BATCH_ROWS`] rows, but for the last, from batches of any size.
//!
//! Where batches end shows in results (the last bits of a sum of floats), so it must not hang on how a file was cut up.

use arrow::{
    array::{
        Array, ArrayRef, AsArray, GenericByteViewArray, MutableArrayData, RecordBatch, RecordBatchOptions, make_array,
    },
    buffer::Buffer,
    compute::BatchCoalescer,
    datatypes::{ByteViewType, DataType, SchemaRef},
    error::ArrowError,
};
use everfresh_pipeline::engine::{BATCH_ROWS, Batches, BoxError};
use std::sync::Arc;

/// An iterator of such batches, all with `schema`. After an error it ends.
pub(crate) struct ExactBatches {
    source: Batches,
    schema: SchemaRef,
    coalescer: BatchCoalescer,
    /// Rows read and not yet handed out, where there is no column to put them into.
    bare_rows: usize,
    /// Whether a batch that holds on to much more memory than its rows need is copied.
    compact: bool,
    ended: bool,
}

impl ExactBatches {
    pub(crate) fn new(source: Batches, schema: SchemaRef, compact: bool) -> Self {
        let coalescer = BatchCoalescer::new(Arc::clone(&schema), BATCH_ROWS);
        Self { source, schema, coalescer, bare_rows: 0, compact, ended: false }
    }

    fn bare(&self, rows: usize) -> Result<RecordBatch, ArrowError> {
        let rows = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), Vec::new(), &rows)
    }

    fn step(&mut self) -> Result<Option<RecordBatch>, BoxError> {
        loop {
            if let Some(batch) = self.coalescer.next_completed_batch() {
                return Ok(Some(batch));
            }
            if self.bare_rows >= BATCH_ROWS || (self.ended && self.bare_rows > 0) {
                let rows = self.bare_rows.min(BATCH_ROWS);
                self.bare_rows -= rows;
                return Ok(Some(self.bare(rows)?));
            }
            if self.ended {
                return Ok(None);
            }
            match self.source.next().transpose()? {
                Some(batch) if self.schema.fields().is_empty() => self.bare_rows += batch.num_rows(),
                Some(batch) => {
                    let rows = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
                    let columns = batch.columns().to_vec();
                    let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &rows)?;
                    if batch.num_rows() == BATCH_ROWS && self.coalescer.is_empty() {
                        return Ok(Some(batch));
                    }
                    self.coalescer.push_batch(batch)?;
                }
                None => {
                    self.ended = true;
                    self.coalescer.finish_buffered_batch()?;
                }
            }
        }
    }
}

impl Iterator for ExactBatches {
    type Item = Result<RecordBatch, BoxError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.step() {
            Ok(Some(batch)) if self.compact => Some(compacted(&batch).map_err(Into::into)),
            Ok(batch) => batch.map(Ok),
            Err(error) => {
                self.ended = true;
                self.bare_rows = 0;
                self.coalescer = BatchCoalescer::new(Arc::clone(&self.schema), BATCH_ROWS);
                self.source = Box::new(std::iter::empty());
                Some(Err(error))
            }
        }
    }
}

/// The batch with columns that own no more than their rows need: a slice of a mapped file counts as the whole file
/// when the engine adds up what it holds in memory.
fn compacted(batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let columns: Vec<ArrayRef> = batch.columns().iter().map(compact).collect::<Result<_, _>>()?;
    let rows = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(batch.schema(), columns, &rows)
}

fn compact(column: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    match column.data_type() {
        DataType::Utf8View => return Ok(compact_views(column, column.as_string_view())),
        DataType::BinaryView => return Ok(compact_views(column, column.as_binary_view())),
        _ => {}
    }
    let data = column.to_data();
    if column.get_array_memory_size() <= 2 * data.get_slice_memory_size()? + 4096 {
        return Ok(Arc::clone(column));
    }
    let mut copy = MutableArrayData::new(vec![&data], false, column.len());
    copy.try_extend(0, 0, column.len())?;
    Ok(make_array(copy.freeze()))
}

/// The texts of several rows may be one.
fn compact_views<T: ByteViewType>(column: &ArrayRef, views: &GenericByteViewArray<T>) -> ArrayRef {
    let held: usize = views.data_buffers().iter().map(Buffer::capacity).sum();
    if held <= 2 * views.total_buffer_bytes_used() + 4096 { Arc::clone(column) } else { Arc::new(views.gc()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::{
        array::{Int64Array, StringArray, StringViewBuilder},
        datatypes::{Field, Schema},
    };

    fn batch(from: i64, rows: i64) -> RecordBatch {
        let numbers = Int64Array::from_iter_values(from..from + rows);
        let texts = StringArray::from_iter_values((from..from + rows).map(|number| format!("number {number}")));
        let schema = Schema::new(vec![Field::new("n", DataType::Int64, false), Field::new("t", DataType::Utf8, false)]);
        RecordBatch::try_new(Arc::new(schema), vec![Arc::new(numbers), Arc::new(texts)]).unwrap()
    }

    fn cut(sizes: &[i64], compact: bool) -> Vec<RecordBatch> {
        let mut from = 0;
        let batches: Vec<_> = sizes
            .iter()
            .map(|size| {
                from += size;
                Ok(batch(from - size, *size))
            })
            .collect();
        let schema = batch(0, 1).schema();
        ExactBatches::new(Box::new(batches.into_iter()), schema, compact).map(Result::unwrap).collect()
    }

    #[test]
    fn however_rows_come_they_leave_in_the_same_batches() {
        let expected = vec![batch(0, 8192), batch(8192, 8192), batch(16384, 616)];
        for sizes in [&[17000][..], &[8192, 8192, 616], &[1, 0, 8191, 8192, 616], &[5000, 5000, 5000, 2000]] {
            for compact in [false, true] {
                assert_eq!(cut(sizes, compact), expected, "{sizes:?}");
            }
        }
        assert_eq!(cut(&[], false), Vec::<RecordBatch>::new());
    }

    #[test]
    fn rows_without_columns_are_counted_in_batches_too() {
        let schema = Arc::new(Schema::empty());
        let bare = |rows| {
            let options = RecordBatchOptions::new().with_row_count(Some(rows));
            RecordBatch::try_new_with_options(Arc::new(Schema::empty()), vec![], &options).unwrap()
        };
        let source: Batches = Box::new([Ok(bare(10_000)), Ok(bare(7_000))].into_iter());
        let rows: Vec<usize> =
            ExactBatches::new(source, schema, false).map(|batch| batch.unwrap().num_rows()).collect();
        assert_eq!(rows, [8192, 8192, 616]);
    }

    #[test]
    fn a_slice_of_something_large_is_copied_when_asked() {
        let whole = batch(0, 100_000);
        let source: Batches = Box::new([Ok(whole.slice(50, 8192))].into_iter());
        let exact = ExactBatches::new(source, whole.schema(), true).next().unwrap().unwrap();
        assert_eq!(exact, whole.slice(50, 8192));
        assert!(exact.get_array_memory_size() * 5 < whole.get_array_memory_size());
    }

    #[test]
    fn views_give_up_texts_that_no_row_has_and_keep_those_that_many_have() {
        let texts = |rows: usize, distinct: usize| -> ArrayRef {
            let mut builder = StringViewBuilder::new().with_deduplicate_strings();
            (0..rows).for_each(|row| builder.append_value(format!("a rather long text, number {}", row % distinct)));
            Arc::new(builder.finish())
        };
        let slice = texts(100_000, 100_000).slice(70, 1000);
        let compacted = compact(&slice).unwrap();
        assert_eq!(&compacted, &slice);
        assert!(compacted.get_array_memory_size() * 20 < slice.get_array_memory_size());
        let shared = texts(8192, 10);
        assert!(Arc::ptr_eq(&compact(&shared).unwrap(), &shared));
    }

    #[test]
    fn after_an_error_nothing_comes() {
        let source: Batches = Box::new([Ok(batch(0, 5)), Err("broken".into()), Ok(batch(5, 5))].into_iter());
        let mut exact = ExactBatches::new(source, batch(0, 1).schema(), false);
        assert_eq!(exact.next().unwrap().unwrap_err().to_string(), "broken");
        assert!(exact.next().is_none());
    }
}
