//! Batches of exactly [`BATCH_ROWS`] rows, but for the last, from batches of any size.
//!
//! Where batches end shows in results (the last bits of a sum of floats), so it must not hang on how a file was cut up.

use arrow::{
    array::{RecordBatch, RecordBatchOptions},
    compute::BatchCoalescer,
    datatypes::SchemaRef,
    error::ArrowError,
};
use everfresh_pipeline::engine::{BATCH_ROWS, Batches, BoxError};
use everfresh_sources::compact;
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
            Ok(Some(batch)) if self.compact => Some(compact(&batch).map_err(Into::into)),
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

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::{
        array::{Int64Array, StringArray},
        datatypes::{DataType, Field, Schema},
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
        let held = |compact| {
            let source: Batches = Box::new([Ok(whole.slice(50, 8192))].into_iter());
            let exact = ExactBatches::new(source, whole.schema(), compact).next().unwrap().unwrap();
            assert_eq!(exact, whole.slice(50, 8192));
            exact.get_array_memory_size()
        };
        assert!(held(true) * 5 < held(false));
    }

    #[test]
    fn after_an_error_nothing_comes() {
        let source: Batches = Box::new([Ok(batch(0, 5)), Err("broken".into()), Ok(batch(5, 5))].into_iter());
        let mut exact = ExactBatches::new(source, batch(0, 1).schema(), false);
        assert_eq!(exact.next().unwrap().unwrap_err().to_string(), "broken");
        assert!(exact.next().is_none());
    }
}
