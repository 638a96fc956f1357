//! Fingerprints of tables that come over Arrow's C stream interface: those that the engine gives the same table.
#![allow(unsafe_code)]

use super::{
    failure::{Failure, Outcome},
    owned::{self, Place},
    parts,
    pool::pool,
};
use arrow::{
    array::{ArrayData, RecordBatch, RecordBatchReader},
    buffer::NullBuffer,
    datatypes::SchemaRef,
    error::ArrowError,
    ffi_stream::{ArrowArrayStreamReader, FFI_ArrowArrayStream},
};
use everfresh::{
    Fingerprint,
    table::{CHUNK_ROWS, SMALL_BYTES, TableHasher, merkle, schema_fingerprint},
};
use pyo3::{
    exceptions::PyTypeError,
    prelude::*,
    types::{PyCapsule, PyCapsuleMethods},
};

/// A table's memory.
pub(super) struct Table {
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
}

impl Table {
    /// Whatever has `__arrow_c_stream__` and streams record batches of a table in memory.
    pub fn of(table: &Bound<'_, PyAny>) -> Outcome<Self> {
        let capsule = table.call_method0("__arrow_c_stream__")?;
        let capsule = capsule.cast::<PyCapsule>().map_err(PyErr::from)?;
        let stream = capsule.pointer_checked(Some(c"arrow_array_stream"))?.cast::<FFI_ArrowArrayStream>();
        // SAFETY: a capsule of this name holds such a stream; it is moved out, and what is left says that it was released.
        let stream = unsafe { FFI_ArrowArrayStream::from_raw(stream.as_ptr()) };
        let read = || {
            let reader = ArrowArrayStreamReader::try_new(stream)?;
            Ok(Self { schema: reader.schema(), batches: reader.collect::<Result<_, _>>()? })
        };
        table.py().detach(read).map_err(|error: ArrowError| Failure::refused(error.to_string()))
    }

    /// The table that an object of pyarrow consists of.
    pub fn of_pyarrow(object: &Bound<'_, PyAny>) -> Outcome<Option<Self>> {
        let Some(parts) = parts::take_apart(object, false)? else { return Ok(None) };
        parts.buffers.iter().next().map(|table| Self::of(&table)).transpose()
    }

    /// Its fingerprint, which is made once if nobody can write to its memory.
    pub fn fingerprint(&self, py: Python<'_>) -> Outcome<Fingerprint> {
        let place = self.place();
        if let Some(fingerprint) = owned::known(&place) {
            return Ok(fingerprint);
        }
        let bytes: usize = self.batches.iter().map(RecordBatch::get_array_memory_size).sum();
        let rows: usize = self.batches.iter().map(RecordBatch::num_rows).sum();
        let fingerprint = if bytes <= SMALL_BYTES && rows < CHUNK_ROWS {
            self.hash()
        } else {
            py.detach(|| pool()?.install(|| self.hash()))
        };
        let fingerprint = fingerprint.map_err(Failure::refused)?;
        owned::learn(place, fingerprint);
        Ok(fingerprint)
    }

    fn hash(&self) -> Result<Fingerprint, String> {
        let all: Vec<usize> = (0..self.schema.fields().len()).collect();
        let mut hasher = TableHasher::new(&self.schema, &all).map_err(|error| error.to_string())?;
        for batch in &self.batches {
            hasher.update(batch).map_err(|error| error.to_string())?;
        }
        let columns = hasher.finish();
        Ok(merkle(schema_fingerprint(&self.schema), [(columns.rows, columns.columns.as_slice())].into_iter()))
    }

    /// Where it lies in memory, and as what it is read there.
    pub fn place(&self) -> Place {
        let mut place = Place::new();
        let types: String = self.schema.fields().iter().map(|field| format!("{:?};", field.data_type())).collect();
        place.say(schema_fingerprint(&self.schema).as_bytes());
        place.say(types.as_bytes());
        for batch in &self.batches {
            place.words.push(batch.num_rows());
            batch.columns().iter().for_each(|column| add(&mut place, &column.to_data()));
        }
        place
    }
}

fn add(place: &mut Place, data: &ArrayData) {
    place.words.extend([data.len(), data.offset(), data.buffers().len(), data.child_data().len()]);
    place.words.push(data.nulls().map_or(usize::MAX, NullBuffer::offset));
    if let Some(nulls) = data.nulls() {
        place.add(nulls.buffer());
    }
    data.buffers().iter().for_each(|buffer| place.add(buffer));
    data.child_data().iter().for_each(|child| add(place, child));
}

/// The error of something that has neither memory nor a stream.
pub(super) fn check(table: &Bound<'_, PyAny>) -> PyResult<()> {
    if table.hasattr("__arrow_c_stream__")? {
        return Ok(());
    }
    Err(PyTypeError::new_err("neither a buffer nor a table"))
}
