//! Rows of Arrow tables, for people and for programs.

use super::{
    style::FAINT,
    table::{Align, Table, cell},
};
use arrow::{
    array::{Array, RecordBatch},
    datatypes::SchemaRef,
    error::ArrowError,
    json::{WriterBuilder, writer::JsonArray},
    util::display::{ArrayFormatter, FormatOptions},
};
use serde_json::Value;

/// The longest text of a cell on a terminal.
const MOST_CHARACTERS: usize = 60;

/// A table of rows; on a terminal, whose width is given, long texts and columns that do not fit are cut off.
pub fn table(schema: &SchemaRef, batches: &[RecordBatch], width: Option<usize>) -> Result<String, ArrowError> {
    let columns: Vec<(String, Align)> = schema
        .fields()
        .iter()
        .map(|field| {
            let align = if field.data_type().is_numeric() { Align::Right } else { Align::Left };
            (cell(field.name(), None), align)
        })
        .collect();
    let mut table = Table::new(&columns);
    let options = FormatOptions::default();
    let most = width.map(|_| MOST_CHARACTERS);
    for batch in batches {
        let formatters: Vec<ArrayFormatter<'_>> = batch
            .columns()
            .iter()
            .map(|column| ArrayFormatter::try_new(column.as_ref(), &options))
            .collect::<Result<_, _>>()?;
        for row in 0..batch.num_rows() {
            let cells = batch.columns().iter().zip(&formatters).map(|(column, formatter)| {
                if column.is_null(row) {
                    return Ok(null());
                }
                Ok(cell(&formatter.value(row).try_to_string()?, most))
            });
            table.row(cells.collect::<Result<Vec<_>, ArrowError>>()?);
        }
    }
    Ok(table.render(width))
}

/// How a null is shown.
pub fn null() -> String {
    format!("{FAINT}null{FAINT:#}")
}

/// An array of objects, nulls included.
pub fn json(batches: &[RecordBatch]) -> Result<Value, ArrowError> {
    let mut bytes = Vec::new();
    let mut writer = WriterBuilder::new().with_explicit_nulls(true).build::<_, JsonArray>(&mut bytes);
    writer.write_batches(&batches.iter().collect::<Vec<_>>())?;
    writer.finish()?;
    drop(writer);
    if bytes.is_empty() {
        return Ok(Value::Array(Vec::new()));
    }
    serde_json::from_slice(&bytes).map_err(|error| ArrowError::JsonError(error.to_string()))
}
