//! The schema, the rows, the row count and the fingerprints of one file.
//!
//! Whatever a file holds, reading it ends in rows or in an error that names the file: a panic in a decoder is caught
//! and told as a damaged file.

use crate::{Format, ReadOptions, SourceError, arrow_file, csv, json, parquet};
use arrow::{
    array::RecordBatch,
    datatypes::{Schema, SchemaRef},
};
use everfresh::{Fingerprint, table::TableHasher};
use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::Arc,
};

/// How many rows are read at a time to be hashed.
const HASHED_ROWS: usize = 8192;

/// The batches of one file. After an error there are no more.
pub type FileBatches = Box<dyn Iterator<Item = Result<RecordBatch, SourceError>> + Send>;

/// The columns of a file, and their types.
///
/// Parquet and Arrow files tell them; CSV and JSON are read to their last row, so that a value there counts. Every field
/// is nullable. String views, dictionaries and run-end encodings are told as what they encode, which is how [`read`]
/// gives them. A column without any value has type null, which [`crate::unify`] turns into the type that another file
/// tells, or into string. Declared types stand in place of what the file says. The metadata is ours.
pub fn infer_schema(path: &Path, options: &ReadOptions) -> Result<Schema, SourceError> {
    let format = options.format_of(path)?;
    guarded(path, format, || match format {
        Format::Csv | Format::Tsv => csv::infer(path, options, format),
        Format::Json | Format::Ndjson => json::infer(path, options, format),
        Format::Parquet => parquet::infer(path, options),
        Format::Arrow => arrow_file::infer(path, options),
    })
}

/// Reads the columns at `projection` (indices into `schema`, in any order) of a file, in the file's row order.
///
/// `schema` is what [`crate::unify`] made of this file's schema and maybe others', or the same with texts as views. Every
/// batch has exactly the projected fields and, but for the file's last, exactly `batch_rows` rows; a file without rows
/// gives none. Columns that the file lacks are null, types are cast to those of `schema`, and a value that does not fit
/// is an error with its row and column. An empty projection gives batches without columns that have the right number of
/// rows.
///
/// Memory stays within a few batches (of an Arrow file: of its largest batch).
pub fn read(
    path: &Path,
    options: &ReadOptions,
    schema: &SchemaRef,
    projection: &[usize],
    batch_rows: usize,
) -> Result<FileBatches, SourceError> {
    let format = options.format_of(path)?;
    let projected = schema.project(projection).map_err(|error| SourceError::damaged(path, format.name(), error))?;
    let projected = Arc::new(Schema::new(projected.fields));
    let batch_rows = batch_rows.max(1);
    let input = guarded(path, format, || match format {
        Format::Csv | Format::Tsv => csv::read(path, options, format, &projected, batch_rows),
        Format::Json | Format::Ndjson => json::read(path, options, format, &projected, batch_rows),
        Format::Parquet => parquet::read(path, &projected, batch_rows),
        Format::Arrow => arrow_file::read(path, &projected, batch_rows),
    })?;
    Ok(Box::new(Guarded { path: path.to_owned(), format, input: Some(input) }))
}

/// The number of rows in a file. Parquet and Arrow files tell it without their rows being read.
pub fn row_count(path: &Path, options: &ReadOptions) -> Result<u64, SourceError> {
    let format = options.format_of(path)?;
    guarded(path, format, || match format {
        Format::Csv | Format::Tsv => csv::row_count(path, options, format),
        Format::Json | Format::Ndjson => json::row_count(path, format),
        Format::Parquet => parquet::row_count(path),
        Format::Arrow => arrow_file::row_count(path),
    })
}

/// Fingerprints of the columns at `projection` of a file, as [`read`] gives them: equal only where every value is.
///
/// Parquet files are not decoded: their stored bytes are hashed, so that equal values may have another fingerprint where
/// another writer stored them. Of every other format the rows are hashed. Takes all cores, and constant memory.
pub fn fingerprint_columns(
    path: &Path,
    options: &ReadOptions,
    schema: &SchemaRef,
    projection: &[usize],
) -> Result<Vec<Fingerprint>, SourceError> {
    let format = options.format_of(path)?;
    if format == Format::Parquet {
        let projected = schema.project(projection).map_err(|error| SourceError::damaged(path, format.name(), error))?;
        return guarded(path, format, || parquet::fingerprint_columns(path, &Arc::new(projected)));
    }
    let mut hasher =
        TableHasher::new(schema, projection).map_err(|error| SourceError::damaged(path, format.name(), error))?;
    for batch in read(path, options, schema, projection, HASHED_ROWS)? {
        hasher.update(&batch?).map_err(|error| SourceError::damaged(path, format.name(), error))?;
    }
    Ok(hasher.finish().columns)
}

struct Guarded {
    path: PathBuf,
    format: Format,
    input: Option<FileBatches>,
}

impl Iterator for Guarded {
    type Item = Result<RecordBatch, SourceError>;

    fn next(&mut self) -> Option<Self::Item> {
        let input = self.input.as_mut()?;
        let item = guarded(&self.path, self.format, || input.next().transpose()).transpose();
        if !matches!(item, Some(Ok(_))) {
            self.input = None;
        }
        item
    }
}

fn guarded<T>(path: &Path, format: Format, action: impl FnOnce() -> Result<T, SourceError>) -> Result<T, SourceError> {
    // What the action leaves half done is dropped with it.
    catch_unwind(AssertUnwindSafe(action)).unwrap_or_else(|panic| {
        Err(SourceError::damaged(path, format.name(), format!("its decoder gave up: {}", message(&*panic))))
    })
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no reason told")
}
