//! Reading a table's rows: blobs by mmap, source files in place.

use crate::{
    engine::{BATCH_ROWS, Batches, BoxError, TableScan},
    fault::Failure,
};
use arrow::{
    array::{RecordBatch, RecordBatchOptions},
    buffer::Buffer,
    datatypes::{DataType, FieldRef, Fields, Schema, SchemaRef},
    ipc::{
        Block,
        convert::fb_to_schema,
        reader::{FileDecoder, read_footer_length},
        root_as_footer,
    },
};
use everfresh::disk::Blob;
use everfresh_sources::ReadOptions;
use std::{path::PathBuf, sync::Arc};

/// Where the rows of one part are read from.
#[derive(Clone)]
pub(super) enum PartScan {
    /// From a blob, in Arrow's IPC file format.
    Blob(Blob),
    /// From a source's file.
    File(PathBuf, Arc<ReadOptions>),
}

/// The rows of some parts of a table, held open: a blob that is evicted meanwhile stays readable.
#[derive(Clone)]
pub(super) struct PartsScan {
    pub schema: SchemaRef,
    pub rows: u64,
    pub parts: Vec<PartScan>,
    /// Whether texts are quicker to read as views.
    pub views: bool,
}

impl std::fmt::Debug for PartsScan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} parts, {} rows", self.parts.len(), self.rows)
    }
}

impl TableScan for PartsScan {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn rows(&self) -> u64 {
        self.rows
    }

    fn scan(&self, projection: &[usize]) -> Result<Batches, BoxError> {
        let (schema, projection) = (self.schema.clone(), projection.to_vec());
        let parts = self.parts.clone().into_iter();
        Ok(Box::new(parts.flat_map(move |part| {
            let opened = match part {
                PartScan::Blob(blob) => read_blob(blob, &projection),
                PartScan::File(path, options) => {
                    everfresh_sources::read(&path, &options, &schema, &projection, BATCH_ROWS)
                        .map(|batches| Box::new(batches.map(|batch| batch.map_err(BoxError::from))) as Batches)
                        .map_err(BoxError::from)
                }
            };
            opened.unwrap_or_else(|error| Box::new(std::iter::once(Err(error))))
        })))
    }

    fn with_views(&self) -> Option<Arc<dyn TableScan>> {
        self.views.then(|| {
            let fields = self.schema.fields().iter().map(as_view);
            let schema = Schema::new_with_metadata(fields.collect::<Fields>(), self.schema.metadata().clone());
            Arc::new(Self { schema: Arc::new(schema), ..self.clone() }) as Arc<dyn TableScan>
        })
    }
}

/// Texts alone: the engine does less with views of bytes than with bytes.
fn as_view(field: &FieldRef) -> FieldRef {
    match field.data_type() {
        DataType::Utf8 => Arc::new(field.as_ref().clone().with_data_type(DataType::Utf8View)),
        _ => Arc::clone(field),
    }
}

/// Reads columns of a blob without copying them.
fn read_blob(blob: Blob, projection: &[usize]) -> Result<Batches, BoxError> {
    let buffer = Buffer::from(bytes::Bytes::from_owner(blob));
    let damaged = || BoxError::from(Failure::Other("a stored table is not in Arrow's file format".into()));
    let tail = buffer.len().checked_sub(10).ok_or_else(damaged)?;
    let length = read_footer_length(buffer.get(tail..).and_then(|tail| tail.try_into().ok()).ok_or_else(damaged)?)?;
    let start = tail.checked_sub(length).ok_or_else(damaged)?;
    let footer = root_as_footer(buffer.get(start..tail).ok_or_else(damaged)?).map_err(|_| damaged())?;
    let schema = Arc::new(fb_to_schema(footer.schema().ok_or_else(damaged)?));
    let mut decoder = FileDecoder::new(schema, footer.version()).with_projection(projection.to_vec());
    let slice = |block: &Block| {
        let length = usize::try_from(block.bodyLength())? + usize::try_from(block.metaDataLength())?;
        let offset = usize::try_from(block.offset())?;
        if offset.checked_add(length).is_none_or(|end| end > buffer.len()) {
            return Err(damaged());
        }
        Ok::<_, BoxError>(buffer.slice_with_length(offset, length))
    };
    for block in footer.dictionaries().iter().flatten() {
        decoder.read_dictionary(block, &slice(block)?)?;
    }
    let blocks: Vec<(Block, Buffer)> = footer
        .recordBatches()
        .iter()
        .flatten()
        .map(|block| Ok((*block, slice(block)?)))
        .collect::<Result<_, BoxError>>()?;
    let count_only = projection.is_empty();
    Ok(Box::new(blocks.into_iter().filter_map(move |(block, data)| {
        let batch = decoder.read_record_batch(&block, &data).map_err(BoxError::from).transpose()?;
        Some(batch.and_then(|batch| if count_only { without_columns(&batch) } else { Ok(batch) }))
    })))
}

/// A batch that has only its number of rows.
fn without_columns(batch: &RecordBatch) -> Result<RecordBatch, BoxError> {
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(Arc::new(Schema::empty()), Vec::new(), &options)?)
}
