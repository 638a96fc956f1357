//! Fingerprints of tables that come over Arrow's C stream interface: those that the engine gives the same table.
#![allow(unsafe_code)]

use super::{
    failure::{Failure, Outcome},
    pool::pool,
};
use arrow::{
    array::{RecordBatchReader, ffi_stream::ArrowArrayStreamReader},
    ffi_stream::FFI_ArrowArrayStream,
};
use everfresh::{
    Fingerprint,
    table::{TableHasher, merkle, schema_fingerprint},
};
use pyo3::{
    exceptions::PyTypeError,
    prelude::*,
    types::{PyCapsule, PyCapsuleMethods},
};

/// The fingerprint of a table: whatever has `__arrow_c_stream__` and streams record batches.
pub(super) fn fingerprint(table: &Bound<'_, PyAny>) -> Outcome<Fingerprint> {
    let capsule = table.call_method0("__arrow_c_stream__")?;
    let capsule = capsule.cast::<PyCapsule>().map_err(PyErr::from)?;
    let stream = capsule.pointer_checked(Some(c"arrow_array_stream"))?.cast::<FFI_ArrowArrayStream>();
    // SAFETY: a capsule of this name holds such a stream; it is moved out, and what is left says that it was released.
    let stream = unsafe { FFI_ArrowArrayStream::from_raw(stream.as_ptr()) };
    table.py().detach(|| pool()?.install(|| hash(stream))).map_err(Failure::refused)
}

fn hash(stream: FFI_ArrowArrayStream) -> Result<Fingerprint, String> {
    let reader = ArrowArrayStreamReader::try_new(stream).map_err(|error| error.to_string())?;
    let schema = reader.schema();
    let all: Vec<usize> = (0..schema.fields().len()).collect();
    let mut hasher = TableHasher::new(&schema, &all).map_err(|error| error.to_string())?;
    for batch in reader {
        hasher.update(&batch.map_err(|error| error.to_string())?).map_err(|error| error.to_string())?;
    }
    let columns = hasher.finish();
    Ok(merkle(schema_fingerprint(&schema), [(columns.rows, columns.columns.as_slice())].into_iter()))
}

/// The error of something that has neither memory nor a stream.
pub(super) fn check(table: &Bound<'_, PyAny>) -> PyResult<()> {
    if table.hasattr("__arrow_c_stream__")? {
        return Ok(());
    }
    Err(PyTypeError::new_err("neither a buffer nor a table"))
}
