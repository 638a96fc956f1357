//! Results in plain types: string and binary views become strings and binaries, at any depth. Dictionaries stay.

use arrow::{
    array::{Array, ArrayRef, RecordBatch, RecordBatchOptions},
    compute::cast,
    datatypes::{DataType, Field, FieldRef, Fields, Schema, SchemaRef},
    error::ArrowError,
};
use std::sync::Arc;

/// The schema that results have.
pub(crate) fn plain_schema(schema: &Schema) -> SchemaRef {
    let fields: Vec<FieldRef> = schema.fields().iter().map(plain_field).collect();
    Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()))
}

/// The batch under `schema`, which is the [`plain_schema`] of its own.
pub(crate) fn plain(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    let columns: Vec<ArrayRef> = batch
        .columns()
        .iter()
        .zip(schema.fields())
        .map(|(column, field)| match column.data_type() == field.data_type() {
            true => Ok(Arc::clone(column)),
            false => cast(column, field.data_type()),
        })
        .collect::<Result<_, _>>()?;
    let rows = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &rows)
}

fn plain_field(field: &FieldRef) -> FieldRef {
    let data_type = plain_type(field.data_type());
    match &data_type == field.data_type() {
        true => Arc::clone(field),
        false => Arc::new(Field::clone(field).with_data_type(data_type)),
    }
}

fn plain_type(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Utf8View => DataType::Utf8,
        DataType::BinaryView => DataType::Binary,
        DataType::List(item) => DataType::List(plain_field(item)),
        DataType::LargeList(item) => DataType::LargeList(plain_field(item)),
        DataType::FixedSizeList(item, size) => DataType::FixedSizeList(plain_field(item), *size),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(plain_field).collect::<Fields>()),
        DataType::Map(entries, sorted) => DataType::Map(plain_field(entries), *sorted),
        DataType::Dictionary(key, value) => DataType::Dictionary(key.clone(), Box::new(plain_type(value))),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{AsArray, ListBuilder, StringViewArray, StringViewBuilder};

    #[test]
    fn views_become_plain_at_any_depth() {
        let mut lists = ListBuilder::new(StringViewBuilder::new());
        lists.values().append_value("inside a list, longer than twelve bytes");
        lists.append(true);
        let lists = lists.finish();
        let texts = StringViewArray::from(vec!["a text that is longer than twelve bytes"]);
        let schema = Arc::new(Schema::new(vec![
            Field::new("t", DataType::Utf8View, false),
            Field::new("l", lists.data_type().clone(), true),
        ]));
        let batch = RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(texts), Arc::new(lists)]).unwrap();
        let plain_batch = plain(&batch, &plain_schema(&schema)).unwrap();
        assert_eq!(plain_batch.column(0).as_string::<i32>().value(0), "a text that is longer than twelve bytes");
        let inner = plain_batch.column(1).as_list::<i32>().value(0);
        assert_eq!(inner.as_string::<i32>().value(0), "inside a list, longer than twelve bytes");
    }
}
