//! Fingerprints of columns as a Parquet file stores them, encoded and compressed: nothing is decoded for them.
//!
//! Where they are equal, the columns hold the same values. Columns with the same values have the same one where the same
//! writer wrote both with the same settings, so that a file which is written anew, with one column changed, keeps the
//! fingerprints of the others.

use super::{FORMAT, open, rows};
use crate::{SourceError, batches::Wanted};
use arrow::datatypes::SchemaRef;
use everfresh::{Fingerprint, FingerprintBuilder, file::hash_range, table::schema_fingerprint};
use parquet::{
    arrow::arrow_reader::ArrowReaderMetadata, file::metadata::ColumnChunkMetaData, schema::printer::print_schema,
};
use rayon::prelude::*;
use std::{fs::File, io::ErrorKind, path::Path};

/// The fingerprint of each field of `schema`.
pub(crate) fn fingerprint_columns(path: &Path, schema: &SchemaRef) -> Result<Vec<Fingerprint>, SourceError> {
    let (file, metadata) = open(path)?;
    rows(path, &metadata)?;
    let types = types(&metadata);
    let column = |root: &Option<usize>| {
        let mut builder = FingerprintBuilder::new("everfresh.parquet-column").fingerprint(&types);
        for group in metadata.metadata().row_groups() {
            builder = builder.i64(group.num_rows());
            // A column that the file lacks has no chunk: it is null in every row.
            for (leaf, chunk) in group.columns().iter().enumerate() {
                if Some(metadata.parquet_schema().get_column_root_idx(leaf)) == *root {
                    builder = stored(path, &file.file, chunk, builder)?;
                }
            }
        }
        Ok(builder.finish())
    };
    Wanted::of(path, schema, metadata.schema()).columns.par_iter().map(column).collect()
}

/// The types that the file's bytes are decoded by, and those that they are read as.
fn types(metadata: &ArrowReaderMetadata) -> Fingerprint {
    let mut stored_as = Vec::new();
    print_schema(&mut stored_as, metadata.parquet_schema().root_schema());
    let read_as = schema_fingerprint(metadata.schema());
    FingerprintBuilder::new("everfresh.parquet-types").bytes(&stored_as).fingerprint(&read_as).finish()
}

/// Adds what the file stores of a column in one row group.
fn stored(
    path: &Path,
    file: &File,
    chunk: &ColumnChunkMetaData,
    builder: FingerprintBuilder,
) -> Result<FingerprintBuilder, SourceError> {
    let (start, len) = chunk.byte_range();
    let bytes = hash_range(file, start, len).map_err(|error| match error.kind() {
        ErrorKind::UnexpectedEof => {
            SourceError::damaged(path, FORMAT, format!("{len} bytes at {start} are beyond the file's end"))
        }
        _ => SourceError::io(path)(error),
    })?;
    Ok(builder.str(&chunk.compression().to_string()).i64(chunk.num_values()).fingerprint(&bytes))
}
