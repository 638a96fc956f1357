//! Hashing a table as it streams by.

use super::{
    ColumnFingerprints,
    column::{Column, column_fingerprint},
};
use arrow::{
    array::{Array, ArrayRef, RecordBatch},
    datatypes::{DataType, SchemaRef},
};
use rayon::prelude::*;
use std::sync::Arc;

/// Rows are cut into runs of so many, counted from the table's first row, and each run is hashed by itself: part of the
/// fingerprint's definition.
///
/// ```
/// use arrow::array::{Int32Array, RecordBatch};
/// use everfresh::table::{CHUNK_ROWS, TableHasher};
/// use std::sync::Arc;
///
/// let column = Int32Array::from_iter_values(0..CHUNK_ROWS as i32 + 1);
/// let batch = RecordBatch::try_from_iter([("id", Arc::new(column) as _)])?;
/// let hash = |batches: &[RecordBatch]| {
///     let mut hasher = TableHasher::new(&batch.schema(), &[0])?;
///     batches.iter().try_for_each(|batch| hasher.update(batch))?;
///     Ok::<_, Box<dyn std::error::Error>>(hasher.finish())
/// };
/// // Batches are not what it is cut by.
/// let halves = [batch.slice(0, 1_000), batch.slice(1_000, CHUNK_ROWS + 1 - 1_000)];
/// assert_eq!(hash(&halves)?, hash(&[batch.clone()])?);
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
pub const CHUNK_ROWS: usize = 64 << 10;

/// Batches wait until there is enough for all cores: so many rows, or so many bytes.
const QUEUED_ROWS: usize = 16 * CHUNK_ROWS;
const QUEUED_BYTES: usize = 16 << 20;

/// A table of at most so many bytes, and fewer than [`CHUNK_ROWS`] rows, is hashed on the caller's thread alone.
///
/// ```
/// assert_eq!(everfresh::table::SMALL_BYTES, 65_536);
/// ```
pub const SMALL_BYTES: usize = 64 << 10;

/// A column whose type has no fingerprint.
///
/// ```
/// use arrow::datatypes::{DataType, Field, Schema, UnionFields, UnionMode};
/// use everfresh::table::TableHasher;
/// use std::sync::Arc;
///
/// let union = DataType::Union(UnionFields::empty(), UnionMode::Dense);
/// let schema = Arc::new(Schema::new(vec![Field::new("either", union.clone(), true)]));
/// let error = TableHasher::new(&schema, &[0]).unwrap_err();
/// assert_eq!((error.column.as_str(), error.data_type), ("either", union));
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("column `{column}` has type {data_type}, which cannot be fingerprinted: cast it to another type")]
#[non_exhaustive]
pub struct UnsupportedType {
    /// The column.
    pub column: String,
    /// Its type: a union, or one that holds a union.
    pub data_type: DataType,
}

/// A batch that does not have the columns that the [`TableHasher`] was made for.
///
/// ```
/// use arrow::{array::RecordBatch, datatypes::{DataType, Field, Schema}};
/// use everfresh::table::TableHasher;
/// use std::sync::Arc;
///
/// let schema = Arc::new(Schema::new(vec![Field::new("id", DataType::Int32, true)]));
/// let other = Arc::new(Schema::new(vec![Field::new("id", DataType::Int64, true)]));
/// let mut hasher = TableHasher::new(&schema, &[0])?;
/// let error = hasher.update(&RecordBatch::new_empty(other)).unwrap_err();
/// assert_eq!((error.expected, error.found), (vec![DataType::Int32], vec![DataType::Int64]));
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a batch does not fit its table: expected columns of the types {expected:?}, found {found:?}")]
#[non_exhaustive]
pub struct TableMismatch {
    /// The types of the columns to hash.
    pub expected: Vec<DataType>,
    /// The types of the batch's columns.
    pub found: Vec<DataType>,
}

/// Makes the fingerprints of some of a table's columns, on all cores and in bounded memory.
///
/// ```
/// use arrow::array::{Int32Array, RecordBatch, StringArray};
/// use everfresh::table::TableHasher;
/// use std::sync::Arc;
///
/// let names = Arc::new(StringArray::from(vec!["a", "b"]));
/// let batch = RecordBatch::try_from_iter([("id", Arc::new(Int32Array::from(vec![1, 2])) as _), ("name", names as _)])?;
/// let mut hasher = TableHasher::new(&batch.schema(), &[1])?;
/// hasher.update(&batch.project(&[1])?)?;
/// let fingerprints = hasher.finish();
/// assert_eq!((fingerprints.rows, fingerprints.columns.len()), (2, 1));
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct TableHasher {
    columns: Vec<HashedColumn>,
    rows: u64,
    queued: Vec<RecordBatch>,
    queued_rows: usize,
    queued_bytes: usize,
    chunk_rows: usize,
}

#[derive(Debug)]
struct HashedColumn {
    data_type: DataType,
    /// A run without rows.
    empty: Column,
    /// The run that the last row is in.
    open: Option<Column>,
    /// The hashes of the runs before it.
    runs: blake3::Hasher,
}

impl TableHasher {
    /// A hasher for the columns at these indices of the schema; none is fine, the rows are counted then.
    ///
    /// ```
    /// use arrow::datatypes::{DataType, Field, Schema};
    /// use everfresh::table::TableHasher;
    /// use std::sync::Arc;
    ///
    /// let schema = Arc::new(Schema::new(vec![
    ///     Field::new("id", DataType::Int64, false),
    ///     Field::new("name", DataType::Utf8, true),
    /// ]));
    /// let hasher = TableHasher::new(&schema, &[1, 0])?;
    /// assert_eq!(hasher.finish().columns.len(), 2);
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// For a union, or a type that holds one.
    ///
    /// # Panics
    /// If the schema has no column at an index.
    pub fn new(schema: &SchemaRef, columns: &[usize]) -> Result<Self, UnsupportedType> {
        Self::with_chunk_rows(schema, columns, CHUNK_ROWS)
    }

    pub(super) fn with_chunk_rows(
        schema: &SchemaRef,
        columns: &[usize],
        chunk_rows: usize,
    ) -> Result<Self, UnsupportedType> {
        let columns = columns.iter().map(|&index| {
            let field = schema.field(index);
            let data_type = field.data_type().clone();
            match Column::new(&data_type) {
                Some(empty) => Ok(HashedColumn { data_type, empty, open: None, runs: blake3::Hasher::new() }),
                None => Err(UnsupportedType { column: field.name().clone(), data_type }),
            }
        });
        let columns = columns.collect::<Result<_, _>>()?;
        Ok(Self { columns, rows: 0, queued: Vec::new(), queued_rows: 0, queued_bytes: 0, chunk_rows })
    }

    /// Adds the next rows: a batch of exactly the hasher's columns, in their order. Names do not matter here, and
    /// neither does the size: batches are queued (they share their buffers) until there is work for all cores.
    ///
    /// ```
    /// use arrow::array::{Int32Array, RecordBatch};
    /// use everfresh::table::TableHasher;
    /// use std::sync::Arc;
    ///
    /// let batch = RecordBatch::try_from_iter([("id", Arc::new(Int32Array::from(vec![1, 2, 3])) as _)])?;
    /// let mut hasher = TableHasher::new(&batch.schema(), &[0])?;
    /// hasher.update(&batch.slice(0, 1))?;
    /// hasher.update(&batch.slice(1, 2))?;
    /// assert_eq!(hasher.finish().rows, 3);
    /// assert!(TableHasher::new(&batch.schema(), &[])?.update(&batch).is_err());
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If the batch has other columns; nothing is added then.
    pub fn update(&mut self, batch: &RecordBatch) -> Result<(), TableMismatch> {
        let fits = batch.num_columns() == self.columns.len()
            && self.columns.iter().zip(batch.columns()).all(|(column, array)| {
                column.data_type == *array.data_type() || column.data_type.equals_datatype(array.data_type())
            });
        if !fits {
            return Err(TableMismatch {
                expected: self.columns.iter().map(|column| column.data_type.clone()).collect(),
                found: batch.columns().iter().map(|array| array.data_type().clone()).collect(),
            });
        }
        if batch.num_rows() == 0 {
            return Ok(());
        }
        self.queued_rows += batch.num_rows();
        self.queued_bytes += batch.columns().iter().map(slice_bytes).sum::<usize>();
        self.queued.push(batch.clone());
        if self.queued_rows >= QUEUED_ROWS || self.queued_bytes >= QUEUED_BYTES {
            self.hash_queued();
        }
        Ok(())
    }

    /// The fingerprints of all rows that were added.
    ///
    /// ```
    /// use arrow::array::{Int32Array, RecordBatch};
    /// use everfresh::table::TableHasher;
    /// use std::sync::Arc;
    ///
    /// let batch = RecordBatch::try_from_iter([
    ///     ("id", Arc::new(Int32Array::from(vec![1, 2])) as _),
    ///     ("again", Arc::new(Int32Array::from(vec![1, 2])) as _),
    /// ])?;
    /// let mut hasher = TableHasher::new(&batch.schema(), &[0, 1])?;
    /// hasher.update(&batch)?;
    /// let columns = hasher.finish().columns;
    /// assert_eq!(columns[0], columns[1]);
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn finish(mut self) -> ColumnFingerprints {
        self.hash_queued();
        let rows = self.rows;
        ColumnFingerprints { rows, columns: self.columns.into_iter().map(|column| column.finish(rows)).collect() }
    }

    /// Hashes what is queued.
    pub(super) fn hash_queued(&mut self) {
        let chunk_rows = self.chunk_rows;
        // A full run stays open until a row follows it.
        let room = match self.rows {
            0 => chunk_rows,
            rows => chunk_rows - 1 - ((rows - 1) % chunk_rows as u64) as usize,
        };
        let batches = std::mem::take(&mut self.queued);
        let extend = |(index, column): (usize, &mut HashedColumn)| {
            column.extend(batches.iter().map(|batch| batch.column(index)), room, chunk_rows);
        };
        // To wake threads would take longer.
        if self.queued_bytes <= SMALL_BYTES {
            self.columns.iter_mut().enumerate().for_each(extend);
        } else {
            self.columns.par_iter_mut().enumerate().for_each(extend);
        }
        self.rows += self.queued_rows as u64;
        (self.queued_rows, self.queued_bytes) = (0, 0);
    }
}

impl HashedColumn {
    /// Adds rows, of which the first `room` belong to the open run.
    fn extend<'a>(&mut self, arrays: impl Iterator<Item = &'a ArrayRef>, mut room: usize, chunk_rows: usize) {
        let mut last = (self.open.take().unwrap_or_else(|| self.empty.clone()), Vec::new());
        let mut full = Vec::new();
        for array in arrays {
            let mut at = 0;
            while at < array.len() {
                if room == 0 {
                    full.push(std::mem::replace(&mut last, (self.empty.clone(), Vec::new())));
                    room = chunk_rows;
                }
                let rows = room.min(array.len() - at);
                last.1.push(if rows == array.len() { Arc::clone(array) } else { array.slice(at, rows) });
                at += rows;
                room -= rows;
            }
        }
        let add = |(mut run, arrays): (Column, Vec<ArrayRef>)| {
            arrays.iter().for_each(|array| run.extend(array, None));
            run
        };
        let (full, last) = match full.is_empty() {
            true => (Vec::new(), add(last)),
            false => rayon::join(|| full.into_par_iter().map(|run| add(run).finish()).collect(), || add(last)),
        };
        for hash in full {
            self.runs.update(hash.as_bytes());
        }
        self.open = Some(last);
    }

    fn finish(mut self, rows: u64) -> crate::Fingerprint {
        if let Some(open) = self.open.filter(|_| rows > 0) {
            self.runs.update(open.finish().as_bytes());
        }
        column_fingerprint(&self.data_type, rows, &self.runs)
    }
}

/// The bytes that the rows of an array take, which may be a small part of its buffers.
fn slice_bytes(array: &ArrayRef) -> usize {
    array.to_data().get_slice_memory_size().unwrap_or_else(|_| array.get_array_memory_size())
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::{
        array::{Int32Array, StringArray},
        datatypes::{Field, Schema, UnionFields, UnionMode},
    };

    fn texts(values: &[&str]) -> ArrayRef {
        Arc::new(StringArray::from(values.to_vec()))
    }

    #[test]
    fn only_the_columns_asked_for_are_hashed_and_rows_always_counted() {
        let batch = RecordBatch::try_from_iter([
            ("a", Arc::new(Int32Array::from(vec![1, 2])) as ArrayRef),
            ("b", texts(&["x", "y"])),
        ])
        .unwrap();
        let schema = batch.schema();
        let run = |columns: &[usize]| -> ColumnFingerprints {
            let mut hasher = TableHasher::new(&schema, columns).unwrap();
            hasher.update(&batch.project(columns).unwrap()).unwrap();
            hasher.finish()
        };
        let both = run(&[0, 1]);
        assert_eq!(run(&[1]).columns, both.columns[1..]);
        assert_eq!(run(&[1, 0]).columns, [both.columns[1], both.columns[0]]);
        assert_eq!(run(&[]), ColumnFingerprints { rows: 2, columns: vec![] });
    }

    #[test]
    fn a_union_is_refused_by_the_column_that_holds_it() {
        let fields = UnionFields::try_new([0], [Field::new("u", DataType::Int32, true)]).unwrap();
        let union = DataType::Union(fields, UnionMode::Sparse);
        let list = DataType::List(Arc::new(Field::new("item", union, true)));
        let schema =
            Arc::new(Schema::new(vec![Field::new("fine", DataType::Int32, true), Field::new("odd", list, true)]));
        assert!(TableHasher::new(&schema, &[0]).is_ok());
        let error = TableHasher::new(&schema, &[0, 1]).unwrap_err();
        assert_eq!(error.column, "odd");
        assert!(error.to_string().contains("column `odd`"), "{error}");
    }

    #[test]
    fn a_batch_with_other_columns_is_an_error() {
        let schema = Arc::new(Schema::new(vec![Field::new("a", DataType::Int32, true)]));
        let mut hasher = TableHasher::new(&schema, &[0]).unwrap();
        let other = RecordBatch::try_from_iter([("a", texts(&["x"]))]).unwrap();
        assert!(hasher.update(&other).is_err());
        assert!(hasher.update(&RecordBatch::new_empty(Arc::new(Schema::empty()))).is_err());
        assert_eq!(hasher.finish().rows, 0);
    }
}
