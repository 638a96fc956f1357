//! Batches in the shape that was asked for: the wanted columns, the wanted types, the wanted number of rows.

use crate::{
    Place, SourceError,
    conform::conform,
    reader::FileBatches,
    schema::{duplicate, plain},
    text_column::Misfit,
    type_name,
};
use arrow::{
    array::{ArrayRef, RecordBatch, RecordBatchOptions, new_null_array},
    compute::concat_batches,
    datatypes::{Field, Schema, SchemaRef},
    error::ArrowError,
};
use std::path::{Path, PathBuf};

/// The columns that a reader gives, and where the file has them.
#[derive(Clone)]
pub(crate) struct Wanted {
    pub(crate) path: PathBuf,
    pub(crate) schema: SchemaRef,
    /// For each column, its index in the file; `None` where the file lacks it and it is null.
    pub(crate) columns: Vec<Option<usize>>,
}

impl Wanted {
    /// Finds the wanted columns among the file's, by name.
    pub(crate) fn of(path: &Path, schema: &SchemaRef, file: &Schema) -> Self {
        let columns = schema.fields().iter().map(|field| file.index_of(field.name()).ok()).collect();
        Self { path: path.to_owned(), schema: schema.clone(), columns }
    }

    /// The indices of the file's columns that are needed, sorted.
    pub(crate) fn needed(&self) -> Vec<usize> {
        let mut needed: Vec<_> = self.columns.iter().flatten().copied().collect();
        needed.sort_unstable();
        needed
    }

    /// A batch of the wanted columns.
    pub(crate) fn batch(&self, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch, SourceError> {
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)
            .map_err(|error| SourceError::damaged(&self.path, "data", error))
    }

    /// A batch of the wanted columns and types out of one that holds the needed columns of the file under their own
    /// names; `before` rows of the file came before it.
    pub(crate) fn shape(&self, batch: &RecordBatch, before: u64) -> Result<RecordBatch, SourceError> {
        let columns = self
            .schema
            .fields()
            .iter()
            .map(|field| match batch.column_by_name(field.name()) {
                Some(column) => conform(column, field.data_type())
                    .map_err(|misfit| self.misfit(field, Place::Row(before + misfit.row as u64 + 1), misfit)),
                None => Ok(new_null_array(field.data_type(), batch.num_rows())),
            })
            .collect::<Result<Vec<_>, _>>()?;
        self.batch(columns, batch.num_rows())
    }

    pub(crate) fn misfit(&self, field: &Field, place: Place, misfit: Misfit) -> SourceError {
        SourceError::Value {
            path: self.path.clone(),
            place,
            column: field.name().clone(),
            value: misfit.value.into(),
            expected: type_name(&plain(field.data_type())).into(),
        }
    }
}

/// Refuses a file whose schema names a column twice: no one could say which is meant.
pub(crate) fn distinct(path: &Path, format: &'static str, schema: &Schema) -> Result<(), SourceError> {
    match duplicate(schema.fields().iter().map(|field| field.name().as_str())) {
        Some(name) => Err(SourceError::damaged(path, format, format!("two columns are named `{name}`"))),
        None => Ok(()),
    }
}

/// Batches of a file that has none of the wanted columns: only its rows count.
pub(crate) fn blank(wanted: Wanted, rows: u64, batch_rows: usize) -> FileBatches {
    let mut left = rows;
    Box::new(std::iter::from_fn(move || {
        let rows = usize::try_from(left).unwrap_or(usize::MAX).min(batch_rows);
        left -= rows as u64;
        let nulls = || wanted.schema.fields().iter().map(|field| new_null_array(field.data_type(), rows));
        (rows > 0).then(|| wanted.batch(nulls().collect(), rows))
    }))
}

/// Cuts batches anew, so that all but the last have `rows` rows and none is empty. A batch that has them goes through
/// as it is.
pub(crate) struct Rebatch<I> {
    input: I,
    wanted: Wanted,
    rows: usize,
    /// Less than `rows` rows.
    waiting: Vec<RecordBatch>,
    waiting_rows: usize,
    /// What is left of a longer batch.
    rest: Option<RecordBatch>,
    finished: bool,
}

impl<I> Rebatch<I> {
    pub(crate) fn new(input: I, wanted: Wanted, rows: usize) -> Self {
        Self { input, wanted, rows: rows.max(1), waiting: Vec::new(), waiting_rows: 0, rest: None, finished: false }
    }

    fn flush(&mut self) -> Result<RecordBatch, SourceError> {
        self.waiting_rows = 0;
        let waiting = std::mem::take(&mut self.waiting);
        if let [only] = waiting.as_slice() {
            return Ok(only.clone());
        }
        concat_batches(&self.wanted.schema, &waiting)
            .map_err(|error: ArrowError| SourceError::damaged(&self.wanted.path, "data", error))
    }
}

impl<I: Iterator<Item = Result<RecordBatch, SourceError>>> Iterator for Rebatch<I> {
    type Item = Result<RecordBatch, SourceError>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.finished {
            let batch = match self.rest.take() {
                Some(rest) => rest,
                None => match self.input.next() {
                    Some(Ok(batch)) => batch,
                    Some(Err(error)) => {
                        self.finished = true;
                        return Some(Err(error));
                    }
                    None => {
                        self.finished = true;
                        return (self.waiting_rows > 0).then(|| self.flush());
                    }
                },
            };
            let missing = self.rows - self.waiting_rows;
            let taken = batch.num_rows().min(missing);
            if taken < batch.num_rows() {
                self.rest = Some(batch.slice(taken, batch.num_rows() - taken));
            }
            if taken > 0 {
                self.waiting.push(batch.slice(0, taken));
                self.waiting_rows += taken;
            }
            if self.waiting_rows == self.rows {
                return Some(self.flush());
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::{array::Int64Array, datatypes::DataType};
    use proptest::prelude::*;
    use std::sync::Arc;

    proptest! {
        #[test]
        fn rows_stay_and_only_the_last_batch_is_short(sizes in prop::collection::vec(0_usize..9, 0..9), rows in 1_usize..7) {
            let schema = Arc::new(Schema::new(vec![Field::new("x", DataType::Int64, true)]));
            let wanted = Wanted { path: "f".into(), schema: schema.clone(), columns: vec![Some(0)] };
            let mut next = 0;
            let batches: Vec<_> = sizes
                .iter()
                .map(|size| {
                    let values: Int64Array = (next..next + *size as i64).map(Some).collect();
                    next += *size as i64;
                    Ok(RecordBatch::try_new(schema.clone(), vec![Arc::new(values)]).unwrap())
                })
                .collect();
            let cut: Vec<_> = Rebatch::new(batches.into_iter(), wanted, rows).map(Result::unwrap).collect();
            let all = concat_batches(&schema, &cut).unwrap();
            prop_assert_eq!(all.column(0).as_ref(), &(0..next).map(Some).collect::<Int64Array>() as &dyn arrow::array::Array);
            let (last, full) = cut.split_last().map_or((None, &[][..]), |(last, full)| (Some(last), full));
            prop_assert!(full.iter().all(|batch| batch.num_rows() == rows));
            prop_assert!(last.is_none_or(|batch| (1..=rows).contains(&batch.num_rows())));
        }
    }
}
