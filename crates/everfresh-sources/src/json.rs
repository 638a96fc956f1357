//! JSON and NDJSON files: see [`crate::json_rows`] for the text and [`crate::json_type`] for the types.
//!
//! A declared column is read from each value's text, as in CSV: numbers and booleans count as their texts.

use crate::{
    Format, Place, ReadOptions, SourceError, batches::Wanted, json_rows::JsonRows, json_type::JsonInference,
    reader::FileBatches, schema::marked, text_column::cast_text,
};
use arrow::{
    array::{AsArray, RecordBatch},
    datatypes::{DataType, Field, Schema, SchemaRef},
    error::ArrowError,
    json::{ReaderBuilder, reader::Decoder},
};
use std::{path::Path, sync::Arc};

pub(crate) fn infer(path: &Path, options: &ReadOptions, format: Format) -> Result<Schema, SourceError> {
    let mut rows = JsonRows::open(path, format)?;
    let mut inference = JsonInference::new(options);
    while let Some(row) = rows.next()? {
        inference.row(row.text).map_err(|message| SourceError::malformed(path, row.place, message))?;
    }
    Ok(marked(inference.fields(), format))
}

pub(crate) fn row_count(path: &Path, format: Format) -> Result<u64, SourceError> {
    let mut rows = JsonRows::open(path, format)?;
    let mut count = 0;
    while rows.next()?.is_some() {
        count += 1;
    }
    Ok(count)
}

pub(crate) fn read(
    path: &Path,
    options: &ReadOptions,
    format: Format,
    schema: &SchemaRef,
    batch_rows: usize,
) -> Result<FileBatches, SourceError> {
    let wanted = Wanted { path: path.to_owned(), schema: schema.clone(), columns: Vec::new() };
    let decoded_type = |field: &Field| {
        let from_text = options.declared(field.name()).is_some() && !field.data_type().is_nested();
        let data_type = if from_text { DataType::Utf8 } else { field.data_type().clone() };
        Field::new(field.name(), data_type, true)
    };
    let decoded = Schema::new(schema.fields().iter().map(|field| decoded_type(field)).collect::<Vec<_>>());
    let mut batches = JsonBatches {
        rows: JsonRows::open(path, format)?,
        wanted,
        decoded: Arc::new(decoded),
        batch_rows,
        text: Vec::new(),
        ends: Vec::new(),
        places: Vec::new(),
    };
    Ok(Box::new(std::iter::from_fn(move || batches.batch().transpose())))
}

struct JsonBatches {
    rows: JsonRows,
    wanted: Wanted,
    /// The wanted columns, as the decoder gives them.
    decoded: SchemaRef,
    batch_rows: usize,
    /// The rows of the batch, each with a line end.
    text: Vec<u8>,
    ends: Vec<usize>,
    places: Vec<Place>,
}

impl JsonBatches {
    fn batch(&mut self) -> Result<Option<RecordBatch>, SourceError> {
        self.text.clear();
        self.ends.clear();
        self.places.clear();
        while self.places.len() < self.batch_rows {
            let Some(row) = self.rows.next()? else { break };
            self.places.push(row.place);
            if !self.wanted.schema.fields().is_empty() {
                self.text.extend_from_slice(row.text);
                self.text.push(b'\n');
            }
            self.ends.push(self.text.len());
        }
        let rows = self.places.len();
        if rows == 0 {
            return Ok(None);
        }
        if self.wanted.schema.fields().is_empty() {
            return self.wanted.batch(Vec::new(), rows).map(Some);
        }
        let batch = match self.decode(&self.text, rows) {
            Ok(batch) => batch,
            Err(error) => return Err(self.first_bad_row(&error)),
        };
        let mut columns = Vec::with_capacity(batch.num_columns());
        for (column, field) in batch.columns().iter().zip(self.wanted.schema.fields()) {
            columns.push(if column.data_type() == field.data_type() {
                column.clone()
            } else {
                cast_text(column.as_string::<i32>(), field.data_type()).map_err(|misfit| {
                    let place = self.places.get(misfit.row).copied().unwrap_or(Place::Row(0));
                    self.wanted.misfit(field, place, misfit)
                })?
            });
        }
        self.wanted.batch(columns, rows).map(Some)
    }

    fn decoder(&self, rows: usize) -> Result<Decoder, ArrowError> {
        // One row more than there should be: a second object in a row is then seen.
        ReaderBuilder::new(self.decoded.clone()).with_batch_size(rows + 1).with_coerce_primitive(true).build_decoder()
    }

    fn decode(&self, text: &[u8], rows: usize) -> Result<RecordBatch, ArrowError> {
        let mut decoder = self.decoder(rows)?;
        let read = decoder.decode(text)?;
        let whole = read == text.len() && !decoder.has_partial_record();
        match decoder.flush()? {
            Some(batch) if whole && batch.num_rows() == rows => Ok(batch),
            _ => Err(ArrowError::JsonError("it is not exactly one object".into())),
        }
    }

    /// The decoder tells no row, so the rows are decoded one by one until one fails.
    fn first_bad_row(&self, error: &ArrowError) -> SourceError {
        let mut start = 0;
        for (end, place) in self.ends.iter().zip(&self.places) {
            if let Err(error) = self.decode(self.text.get(start..*end).unwrap_or_default(), 1) {
                return SourceError::malformed(&self.wanted.path, *place, told(&error));
            }
            start = *end;
        }
        let place = self.places.first().copied().unwrap_or(Place::Row(0));
        SourceError::malformed(&self.wanted.path, place, told(error))
    }
}

fn told(error: &ArrowError) -> String {
    match error {
        ArrowError::JsonError(message) => message.clone(),
        other => other.to_string(),
    }
}
