//! Arrow IPC files (Feather version 2), plain or compressed with LZ4 or zstd.
//!
//! ```text
//! "ARROW1\0\0" · schema · dictionary and record batch blocks · footer · footer length (i32) · "ARROW1"
//! ```
//! The footer tells where each block is. Every length is held against the file, or the memory for it is asked for with
//! leave to be refused, before the decoder, which would end the process, allocates it.

use crate::{
    ReadOptions, SourceError,
    batches::{Rebatch, Wanted, blank, distinct},
    compression::open_seekable,
    reader::FileBatches,
    schema::handed_out,
};
use arrow::{
    array::RecordBatch,
    buffer::{Buffer, MutableBuffer},
    datatypes::{Schema, SchemaRef},
};
use arrow_ipc::{
    Block, MessageHeader, MetadataVersion,
    convert::fb_to_schema,
    reader::{FileDecoder, read_footer_length},
    root_as_footer, root_as_message,
};
use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    sync::Arc,
};

const FORMAT: &str = "arrow";
const MAGIC: &[u8] = b"ARROW1";
/// The footer's length and the magic behind it.
const TRAILER: u64 = 10;

struct ArrowFile {
    path: PathBuf,
    file: File,
    length: u64,
    schema: SchemaRef,
    version: MetadataVersion,
    dictionaries: Vec<Block>,
    batches: Vec<Block>,
}

impl ArrowFile {
    fn open(path: &Path) -> Result<Self, SourceError> {
        let damaged = |message: String| SourceError::damaged(path, FORMAT, message);
        let mut file = open_seekable(path)?;
        let length = file.metadata().map_err(SourceError::io(path))?.len();
        let mut head = Vec::new();
        file.by_ref().take(MAGIC.len() as u64).read_to_end(&mut head).map_err(SourceError::io(path))?;
        if head.starts_with(b"FEA1") {
            return Err(damaged("it is in Feather version 1; write it anew as version 2".into()));
        }
        if head != MAGIC {
            return Err(damaged("it does not begin with `ARROW1`; a stream must be written anew as a file".into()));
        }
        let mut trailer = [0; TRAILER as usize];
        let cut_off = || damaged("it does not end as it should; it seems to be cut off".into());
        let footer_end = length.checked_sub(TRAILER).ok_or_else(cut_off)?;
        file.seek(SeekFrom::Start(footer_end)).map_err(SourceError::io(path))?;
        file.read_exact(&mut trailer).map_err(SourceError::io(path))?;
        let footer_length = read_footer_length(trailer).map_err(|_| cut_off())?;
        let footer_start = footer_end.checked_sub(footer_length as u64).ok_or_else(cut_off)?;
        let mut bytes = vec![0; footer_length];
        file.seek(SeekFrom::Start(footer_start)).map_err(SourceError::io(path))?;
        file.read_exact(&mut bytes).map_err(SourceError::io(path))?;
        let footer = root_as_footer(&bytes).map_err(|error| damaged(format!("its footer is damaged: {error}")))?;
        let schema = footer.schema().ok_or_else(|| damaged("its footer has no schema".into()))?;
        if !schema.endianness().equals_to_target_endianness() {
            return Err(damaged("it was written by a machine with another byte order; write it anew".into()));
        }
        let schema = Arc::new(fb_to_schema(schema));
        distinct(path, FORMAT, &schema)?;
        Ok(Self {
            path: path.to_owned(),
            file,
            length,
            schema,
            version: footer.version(),
            dictionaries: footer.dictionaries().map(|blocks| blocks.iter().copied().collect()).unwrap_or_default(),
            batches: footer.recordBatches().map(|blocks| blocks.iter().copied().collect()).unwrap_or_default(),
        })
    }

    fn damaged(&self, message: impl std::fmt::Display) -> SourceError {
        SourceError::damaged(&self.path, FORMAT, message)
    }

    /// Reads the first `bytes` bytes of a block.
    fn bytes_of(&mut self, block: &Block, bytes: u64) -> Result<Buffer, SourceError> {
        let start = u64::try_from(block.offset()).unwrap_or(u64::MAX);
        if start.checked_add(bytes).is_none_or(|end| end > self.length) {
            return Err(self.damaged("a block goes beyond the file's end"));
        }
        let size = usize::try_from(bytes).map_err(|error| self.damaged(error))?;
        self.affordable(size)?;
        let mut buffer = MutableBuffer::from_len_zeroed(size);
        self.file.seek(SeekFrom::Start(start)).map_err(SourceError::io(&self.path))?;
        self.file.read_exact(buffer.as_slice_mut()).map_err(SourceError::io(&self.path))?;
        Ok(buffer.into())
    }

    fn affordable(&self, bytes: usize) -> Result<(), SourceError> {
        let reserved = Vec::<u8>::new().try_reserve_exact(bytes);
        reserved.map_err(|_| self.damaged(format!("a part of it claims {bytes} bytes, more than there is memory")))
    }

    fn block(&mut self, block: &Block) -> Result<Buffer, SourceError> {
        let (metadata, body) = lengths(block).ok_or_else(|| self.damaged("a block has a negative length"))?;
        let bytes = metadata.checked_add(body).ok_or_else(|| self.damaged("a block is too long"))?;
        let buffer = self.bytes_of(block, bytes)?;
        self.verify(&buffer, usize::try_from(metadata).unwrap_or(usize::MAX))?;
        Ok(buffer)
    }

    /// Holds the buffers of a compressed block against the memory that they claim.
    fn verify(&self, block: &Buffer, metadata: usize) -> Result<(), SourceError> {
        let Some(body) = block.get(metadata..) else {
            return Err(self.damaged("a block is shorter than its metadata"));
        };
        let message = root_as_message(prefixed(block)).map_err(|error| self.damaged(error))?;
        let dictionary = message.header_as_dictionary_batch().and_then(|batch| batch.data());
        let Some(batch) = message.header_as_record_batch().or(dictionary) else { return Ok(()) };
        for buffer in batch.buffers().into_iter().flatten() {
            let range = usize::try_from(buffer.offset()).ok().zip(usize::try_from(buffer.length()).ok());
            let bytes = range.and_then(|(start, length)| body.get(start..start.checked_add(length)?));
            let Some(bytes) = bytes else { return Err(self.damaged("a buffer goes beyond its block")) };
            if batch.compression().is_some()
                && let Some(claimed) = bytes.first_chunk::<8>().map(|length| i64::from_le_bytes(*length))
                && claimed > 0
            {
                self.affordable(usize::try_from(claimed).unwrap_or(usize::MAX))?;
            }
        }
        Ok(())
    }

    /// The number of rows in a block, from its metadata alone.
    fn block_rows(&mut self, block: &Block) -> Result<u64, SourceError> {
        let (metadata, _) = lengths(block).ok_or_else(|| self.damaged("a block has a negative length"))?;
        let buffer = self.bytes_of(block, metadata)?;
        let message = root_as_message(prefixed(&buffer)).map_err(|error| self.damaged(error))?;
        if message.header_type() == MessageHeader::NONE {
            return Ok(0);
        }
        let batch = message.header_as_record_batch();
        let batch = batch.ok_or_else(|| self.damaged("a block is not the record batch that it should be"))?;
        // Every column says the number of rows too, and a decoder would hold it against this one.
        let column = batch.nodes().and_then(|nodes| nodes.iter().next()).map(|node| node.length());
        let rows = u64::try_from(batch.length()).ok().filter(|_| column.is_none_or(|rows| rows == batch.length()));
        rows.ok_or_else(|| self.damaged("a block and its columns disagree on the number of rows"))
    }

    fn rows(&mut self) -> Result<u64, SourceError> {
        let mut total = 0_u64;
        for block in self.batches.clone() {
            let rows = self.block_rows(&block)?;
            total = total.checked_add(rows).ok_or_else(|| self.damaged("it claims more rows than can be counted"))?;
        }
        Ok(total)
    }
}

fn lengths(block: &Block) -> Option<(u64, u64)> {
    Some((u64::try_from(block.metaDataLength()).ok()?, u64::try_from(block.bodyLength()).ok()?))
}

/// The message at the front of a block, without the prefix that tells its length: four bytes, or eight since format
/// version 0.15.
fn prefixed(block: &[u8]) -> &[u8] {
    let prefix = if block.starts_with(&[0xff; 4]) { 8 } else { 4 };
    block.get(prefix..).unwrap_or_default()
}

pub(crate) fn infer(path: &Path, options: &ReadOptions) -> Result<Schema, SourceError> {
    let file = ArrowFile::open(path)?;
    Ok(handed_out(&file.schema, options, crate::Format::Arrow))
}

pub(crate) fn row_count(path: &Path) -> Result<u64, SourceError> {
    ArrowFile::open(path)?.rows()
}

pub(crate) fn read(path: &Path, schema: &SchemaRef, batch_rows: usize) -> Result<FileBatches, SourceError> {
    let mut file = ArrowFile::open(path)?;
    let wanted = Wanted::of(path, schema, &file.schema);
    let needed = wanted.needed();
    if needed.is_empty() {
        let rows = file.rows()?;
        return Ok(blank(wanted, rows, batch_rows));
    }
    let mut decoder = FileDecoder::new(file.schema.clone(), file.version).with_projection(needed);
    for block in file.dictionaries.clone() {
        let buffer = file.block(&block)?;
        decoder.read_dictionary(&block, &buffer).map_err(|error| file.damaged(error))?;
    }
    let shaping = wanted.clone();
    let mut blocks = file.batches.clone().into_iter();
    let mut before = 0;
    let mut next = move || -> Result<Option<RecordBatch>, SourceError> {
        for block in blocks.by_ref() {
            let buffer = file.block(&block)?;
            if let Some(batch) = decoder.read_record_batch(&block, &buffer).map_err(|error| file.damaged(error))? {
                let shaped = shaping.shape(&batch, before)?;
                before += batch.num_rows() as u64;
                return Ok(Some(shaped));
            }
        }
        Ok(None)
    };
    Ok(Box::new(Rebatch::new(std::iter::from_fn(move || next().transpose()), wanted, batch_rows)))
}
