//! Rows on their way into the cache: cut into batches of one size, fingerprinted and written in one pass.

use super::PartRecord;
use crate::{
    cache::Cache,
    engine::{BATCH_ROWS, BoxError, Cancel},
    fault::{Failure, Fault},
};
use arrow::{
    array::RecordBatch,
    compute::BatchCoalescer,
    datatypes::{Schema, SchemaRef},
    ipc::writer::FileWriter,
};
use everfresh::{
    Fingerprint, FingerprintBuilder,
    disk::BlobWriter,
    table::{TableHasher, schema_fingerprint},
};
use std::{sync::Arc, time::Instant};

/// A part that was written, and its schema.
pub struct WrittenPart {
    /// The part, with every column's fingerprint.
    pub part: PartRecord,
    /// Its schema, without metadata.
    pub schema: SchemaRef,
}

/// Writes batches into a blob that is named by their content. Constant memory; nothing is visible before the end.
///
/// `progress` hears the number of rows so far. `started` is when the work on these rows began: what lies between counts
/// as their cost.
pub fn write_part(
    cache: &Cache,
    schema: &Schema,
    batches: impl Iterator<Item = Result<RecordBatch, BoxError>>,
    cancel: &Cancel,
    started: Instant,
    progress: &dyn Fn(u64),
) -> Result<WrittenPart, Fault> {
    let schema: SchemaRef = Arc::new(Schema::new(
        schema
            .fields()
            .iter()
            .map(|field| field.as_ref().clone().with_metadata(Default::default()))
            .collect::<Vec<_>>(),
    ));
    let every: Vec<usize> = (0..schema.fields().len()).collect();
    let mut hasher = TableHasher::new(&schema, &every).map_err(|error| Failure::Other(error.to_string()))?;
    let mut writer: FileWriter<BlobWriter> = FileWriter::try_new(cache.store.blob_writer()?, &schema)?;
    let mut coalescer = BatchCoalescer::new(schema.clone(), BATCH_ROWS);
    let mut rows = 0u64;
    let mut take = |batch: RecordBatch| -> Result<(), Fault> {
        hasher.update(&batch).map_err(|error| Failure::Other(error.to_string()))?;
        writer.write(&batch)?;
        rows += batch.num_rows() as u64;
        progress(rows);
        Ok(())
    };
    for batch in batches {
        if cancel.is_cancelled() {
            return Err(Fault::Cancelled);
        }
        let batch = batch.map_err(from_box)?;
        coalescer.push_batch(RecordBatch::try_new_with_options(
            schema.clone(),
            batch.columns().to_vec(),
            &arrow::array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows())),
        )?)?;
        while let Some(batch) = coalescer.next_completed_batch() {
            take(batch)?;
        }
    }
    coalescer.finish_buffered_batch()?;
    while let Some(batch) = coalescer.next_completed_batch() {
        take(batch)?;
    }
    writer.finish()?;
    let fingerprints = hasher.finish();
    let id = part_id(&schema_fingerprint(&schema), fingerprints.rows, &fingerprints.columns);
    let bytes = writer.into_inner()?.finish(id, started.elapsed())?;
    let part =
        PartRecord { id, rows, bytes, columns: fingerprints.columns.into_iter().map(Some).collect(), blob: Some(id) };
    Ok(WrittenPart { part, schema })
}

/// The id of a part that holds exactly these columns.
fn part_id(schema: &Fingerprint, rows: u64, columns: &[Fingerprint]) -> Fingerprint {
    FingerprintBuilder::new("everfresh.part")
        .fingerprint(schema)
        .u64(rows)
        .list(columns, FingerprintBuilder::fingerprint)
        .finish()
}

/// Takes an error from below apart again, so that its own kind reaches the user.
pub(crate) fn from_box(error: BoxError) -> Fault {
    let error = match error.downcast::<Fault>() {
        Ok(fault) => return *fault,
        Err(error) => error,
    };
    let error = match error.downcast::<crate::engine::SqlError>() {
        Ok(error) if error.kind == crate::engine::SqlErrorKind::Cancelled => return Fault::Cancelled,
        Ok(error) => return Fault::Failed(Failure::Sql { error: *error, sql: String::new(), written: false }),
        Err(error) => error,
    };
    let error = match error.downcast::<everfresh_sources::SourceError>() {
        Ok(error) => return Fault::Failed(Failure::Source(*error)),
        Err(error) => error,
    };
    match error.downcast::<everfresh_sources::sqlite::SqliteSourceError>() {
        Ok(error) => Fault::Failed(Failure::Sqlite(*error)),
        Err(error) => Fault::Failed(Failure::Other(error.to_string())),
    }
}
