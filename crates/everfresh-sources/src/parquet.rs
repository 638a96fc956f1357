//! Parquet files: decoded columns are those that are asked for, and batches run on over row groups.

use crate::{
    ReadOptions, SourceError,
    batches::{Rebatch, Wanted, blank, distinct},
    compression::open_seekable,
    reader::FileBatches,
    schema::handed_out,
};
use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, SchemaRef};
use bytes::Bytes;
use parquet::{
    arrow::{
        ProjectionMask,
        arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder},
    },
    errors::ParquetError,
    file::reader::{ChunkReader, Length},
};
use std::{fs::File, path::Path, sync::Arc};

mod stored;

pub(crate) use stored::fingerprint_columns;

const FORMAT: &str = "parquet";

/// A file that refuses to read beyond its end: a damaged file may ask for more memory than there is.
struct Bounded {
    file: File,
    length: u64,
}

impl Length for Bounded {
    fn len(&self) -> u64 {
        self.length
    }
}

impl ChunkReader for Bounded {
    type T = <File as ChunkReader>::T;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        self.file.get_read(start)
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        match start.checked_add(length as u64) {
            Some(end) if end <= self.length => self.file.get_bytes(start, length),
            _ => Err(ParquetError::EOF(format!("{length} bytes at {start} are beyond the file's end"))),
        }
    }
}

fn open(path: &Path) -> Result<(Bounded, ArrowReaderMetadata), SourceError> {
    let file = open_seekable(path)?;
    let length = file.metadata().map_err(SourceError::io(path))?.len();
    let file = Bounded { file, length };
    let metadata = ArrowReaderMetadata::load(&file, ArrowReaderOptions::new())
        .map_err(|error| SourceError::damaged(path, FORMAT, told(&error)))?;
    distinct(path, FORMAT, metadata.schema())?;
    Ok((file, metadata))
}

/// Texts and bytes are decoded as what they are wanted as, plain or in views: the other one first would be a second copy
/// of every value.
fn decoding(metadata: ArrowReaderMetadata, wanted: &Schema) -> ArrowReaderMetadata {
    use DataType::{Binary, BinaryView, Utf8, Utf8View};
    let decoded = |field: &FieldRef| {
        let wanted = wanted.field_with_name(field.name()).map(Field::data_type);
        let Ok(wanted) = wanted else { return Arc::clone(field) };
        match (field.data_type(), wanted) {
            (Utf8, Utf8View) | (Utf8View, Utf8) | (BinaryView, Binary) => {
                Arc::new(field.as_ref().clone().with_data_type(wanted.clone()))
            }
            _ => Arc::clone(field),
        }
    };
    let fields: Fields = metadata.schema().fields().iter().map(decoded).collect();
    if fields == *metadata.schema().fields() {
        return metadata;
    }
    let schema = Arc::new(Schema::new_with_metadata(fields, metadata.schema().metadata().clone()));
    let options = ArrowReaderOptions::new().with_schema(schema);
    // What the reader does not take as it is, it is given as before, and cast afterwards.
    ArrowReaderMetadata::try_new(Arc::clone(metadata.metadata()), options).unwrap_or(metadata)
}

fn rows(path: &Path, metadata: &ArrowReaderMetadata) -> Result<u64, SourceError> {
    // Readers go by the row groups, so they must agree with the file's own count.
    let groups = metadata.metadata().row_groups().iter();
    let total =
        groups.map(|group| u64::try_from(group.num_rows()).ok()).try_fold(0_u64, |sum, rows| sum.checked_add(rows?));
    match (total, u64::try_from(metadata.metadata().file_metadata().num_rows())) {
        (Some(total), Ok(rows)) if total == rows => Ok(rows),
        _ => Err(SourceError::damaged(path, FORMAT, "its row groups do not have the rows that it says it has")),
    }
}

pub(crate) fn infer(path: &Path, options: &ReadOptions) -> Result<Schema, SourceError> {
    let (_, metadata) = open(path)?;
    Ok(handed_out(metadata.schema(), options, crate::Format::Parquet))
}

pub(crate) fn row_count(path: &Path) -> Result<u64, SourceError> {
    let (_, metadata) = open(path)?;
    rows(path, &metadata)
}

pub(crate) fn read(path: &Path, schema: &SchemaRef, batch_rows: usize) -> Result<FileBatches, SourceError> {
    let (file, metadata) = open(path)?;
    let metadata = decoding(metadata, schema);
    let wanted = Wanted::of(path, schema, metadata.schema());
    let expected = rows(path, &metadata)?;
    let needed = wanted.needed();
    if needed.is_empty() {
        return Ok(blank(wanted, expected, batch_rows));
    }
    let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata);
    let mask = ProjectionMask::roots(builder.parquet_schema(), needed);
    let reader = builder
        .with_projection(mask)
        .with_batch_size(batch_rows)
        .build()
        .map_err(|error| SourceError::damaged(path, FORMAT, told(&error)))?;
    let mut before = 0;
    let shaping = wanted.clone();
    let mut reader = reader.fuse();
    let batches = std::iter::from_fn(move || match reader.next() {
        Some(Ok(batch)) => {
            let shaped = shaping.shape(&batch, before);
            before += batch.num_rows() as u64;
            Some(shaped)
        }
        Some(Err(error)) => Some(Err(SourceError::damaged(&shaping.path, FORMAT, error))),
        None if before != expected => {
            let message = format!("it has {before} rows where it says it has {expected}");
            before = expected;
            Some(Err(SourceError::damaged(&shaping.path, FORMAT, message)))
        }
        None => None,
    });
    Ok(Box::new(Rebatch::new(batches, wanted, batch_rows)))
}

fn told(error: &ParquetError) -> String {
    error.to_string()
}
