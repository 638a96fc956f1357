//! Writing one Parquet file.

use arrow::{
    array::{ArrayRef, RecordBatch},
    datatypes::SchemaRef,
    error::ArrowError,
};
use parquet::{arrow::ArrowWriter, file::properties::WriterProperties};
use std::{error::Error, fs, path::Path, sync::Arc};

/// Writes batches into a new file.
pub fn write(
    path: &Path,
    schema: SchemaRef,
    batches: impl Iterator<Item = Result<RecordBatch, ArrowError>>,
    properties: WriterProperties,
) -> Result<(), Box<dyn Error>> {
    let mut writer = ArrowWriter::try_new(fs::File::create(path)?, schema, Some(properties))?;
    for batch in batches {
        writer.write(&batch?)?;
    }
    writer.close()?;
    Ok(())
}

/// A batch of named columns, all of which may hold nulls.
pub fn batch(columns: Vec<(&str, ArrayRef)>) -> Result<RecordBatch, ArrowError> {
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, Arc::clone(&array), true)))
}
