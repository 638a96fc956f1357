//! Random tables, and their files: written by the Arrow and Parquet projects' own writers.

use arrow::{
    array::{
        Array, ArrayRef, BooleanArray, Date32Array, Float64Array, Int64Array, RecordBatch, StringArray,
        TimestampMicrosecondArray, new_null_array,
    },
    compute::concat_batches,
    csv,
    datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit},
    json,
};
use arrow_ipc::{
    CompressionType,
    writer::{FileWriter, IpcWriteOptions},
};
use everfresh_sources::{Format, ReadOptions, SourceError, infer_schema, read, unify};
use flate2::{Compression, write::GzEncoder};
use parquet::{arrow::ArrowWriter, basic, file::properties::WriterProperties};
use proptest::prelude::*;
use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
};

/// The text that stands for null in the CSV that is written here: then an empty text is a text.
pub const NULL: &str = "\\N";

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Packing {
    Plain,
    Gzip,
    Zstd,
}

pub fn packing() -> impl Strategy<Value = Packing> {
    prop_oneof![Just(Packing::Plain), Just(Packing::Gzip), Just(Packing::Zstd)]
}

pub fn format() -> impl Strategy<Value = Format> {
    prop::sample::select(Format::ALL.to_vec())
}

pub fn file_name(format: Format, packing: Packing, number: usize) -> String {
    let extension = match packing {
        Packing::Plain => "",
        Packing::Gzip => ".gz",
        Packing::Zstd => ".zst",
    };
    format!("part-{number}.{}{extension}", format.name())
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Packs bytes; gzip in two members.
pub fn pack(bytes: &[u8], packing: Packing) -> Vec<u8> {
    match packing {
        Packing::Plain => bytes.to_vec(),
        Packing::Gzip => {
            let (head, tail) = bytes.split_at(bytes.len() / 3);
            [gzip(head), gzip(tail)].concat()
        }
        Packing::Zstd => zstd::encode_all(bytes, 1).unwrap(),
    }
}

/// A table of every type that all formats know, with nulls. Texts never look like another type.
pub fn table(most_rows: usize) -> impl Strategy<Value = RecordBatch> {
    let column = prop::sample::select((0..7).collect::<Vec<usize>>());
    (prop::collection::vec(column, 1..5), 0..=most_rows).prop_flat_map(|(kinds, rows)| {
        let columns: Vec<_> = kinds.iter().map(|kind| array(*kind, rows)).collect();
        (columns, Just(rows)).prop_map(|(columns, _)| {
            let named = columns.into_iter().enumerate();
            RecordBatch::try_from_iter_with_nullable(named.map(|(index, array)| (format!("col {index}"), array, true)))
                .unwrap()
        })
    })
}

fn array(kind: usize, rows: usize) -> BoxedStrategy<ArrayRef> {
    fn values<T: Clone + std::fmt::Debug + 'static>(
        value: impl Strategy<Value = T> + 'static,
        rows: usize,
        array: impl Fn(Vec<Option<T>>) -> ArrayRef + 'static,
    ) -> BoxedStrategy<ArrayRef> {
        prop::collection::vec(prop::option::weighted(0.8, value), rows).prop_map(array).boxed()
    }
    // From the year 1 to 9999: what ISO text can say.
    let days = -719_162_i32..=2_932_896;
    let micros = -62_135_596_800_000_000_i64..=253_402_300_799_999_999;
    match kind {
        0 => values(any::<bool>(), rows, |values| Arc::new(BooleanArray::from(values))),
        1 => values(any::<i64>(), rows, |values| Arc::new(Int64Array::from(values))),
        2 => values(any::<f64>().prop_filter("finite", |value| value.is_finite()), rows, |values| {
            Arc::new(Float64Array::from(values))
        }),
        3 => values(days, rows, |values| Arc::new(Date32Array::from(values))),
        4 => values(micros, rows, |values| Arc::new(TimestampMicrosecondArray::from(values))),
        5 => values(micros, rows, |values| Arc::new(TimestampMicrosecondArray::from(values).with_timezone("UTC"))),
        _ => values("s[a-zé\",;\t\r\n\\\\ ]{0,8}", rows, |values| Arc::new(StringArray::from(values))),
    }
}

/// Writes a table; its rows are cut into blocks and row groups of `group` rows.
pub fn bytes(table: &RecordBatch, format: Format, group: usize) -> Vec<u8> {
    let mut out = Vec::new();
    let group = group.max(1);
    let pieces = (0..table.num_rows()).step_by(group);
    let pieces = pieces.map(|start| table.slice(start, group.min(table.num_rows() - start)));
    match format {
        Format::Csv | Format::Tsv => {
            let delimiter = if format == Format::Csv { b',' } else { b'\t' };
            let builder = csv::WriterBuilder::new().with_delimiter(delimiter).with_null(NULL.to_owned());
            builder.build(&mut out).write(table).unwrap();
        }
        Format::Json => {
            let builder = json::WriterBuilder::new().with_explicit_nulls(true);
            let mut writer = builder.build::<_, json::writer::JsonArray>(&mut out);
            writer.write(table).unwrap();
            writer.finish().unwrap();
        }
        Format::Ndjson => {
            let builder = json::WriterBuilder::new().with_explicit_nulls(true);
            let mut writer = builder.build::<_, json::writer::LineDelimited>(&mut out);
            writer.write(table).unwrap();
            writer.finish().unwrap();
        }
        Format::Parquet => {
            let compressions = [basic::Compression::SNAPPY, basic::Compression::ZSTD(basic::ZstdLevel::default())];
            let properties = WriterProperties::builder()
                .set_max_row_group_row_count(Some(group))
                .set_compression(compressions[group % 2])
                .build();
            let mut writer = ArrowWriter::try_new(&mut out, table.schema(), Some(properties)).unwrap();
            writer.write(table).unwrap();
            writer.close().unwrap();
        }
        Format::Arrow => {
            let compressions = [None, Some(CompressionType::LZ4_FRAME), Some(CompressionType::ZSTD)];
            let options = IpcWriteOptions::default().try_with_compression(compressions[group % 3]).unwrap();
            let mut writer = FileWriter::try_new_with_options(&mut out, &table.schema(), options).unwrap();
            pieces.for_each(|piece| writer.write(&piece).unwrap());
            writer.finish().unwrap();
        }
    }
    out
}

/// Null texts for CSV, and the types that JSON has no notation for.
pub fn options(table: &RecordBatch, format: Format) -> ReadOptions {
    let json = matches!(format, Format::Json | Format::Ndjson);
    let schema = table.schema();
    let declared = schema.fields().iter().filter(|field| json && field.data_type().is_temporal()).cloned();
    ReadOptions {
        null: vec![NULL.to_owned()],
        columns: declared
            .map(|field: Arc<Field>| (field.name().clone(), field.data_type().clone()))
            .collect::<Vec<_>>(),
        ..ReadOptions::default()
    }
}

/// The schema of some files, unified.
pub fn schema_of(files: &[PathBuf], options: &ReadOptions) -> Result<SchemaRef, SourceError> {
    let inferred = files.iter().map(|file| Ok((file.clone(), infer_schema(file, options)?)));
    unify(&inferred.collect::<Result<Vec<_>, SourceError>>()?)
}

/// All rows of some files, one after the other; checks that each batch has the rows that it must have.
pub fn rows_of(
    files: &[PathBuf],
    options: &ReadOptions,
    schema: &SchemaRef,
    projection: &[usize],
    batch_rows: usize,
) -> Result<RecordBatch, SourceError> {
    let projected = Arc::new(schema.project(projection).unwrap());
    let mut all = Vec::new();
    for file in files {
        let batches = read(file, options, schema, projection, batch_rows)?.collect::<Result<Vec<_>, _>>()?;
        let (last, full) = batches.split_last().map_or((None, &[][..]), |(last, full)| (Some(last), full));
        assert!(full.iter().all(|batch| batch.num_rows() == batch_rows), "a batch that is not the last is short");
        assert!(last.is_none_or(|batch| (1..=batch_rows).contains(&batch.num_rows())));
        assert!(batches.iter().all(|batch| batch.schema() == projected));
        all.extend(batches);
    }
    if projection.is_empty() {
        let rows = all.iter().map(RecordBatch::num_rows).sum();
        let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(rows));
        return Ok(RecordBatch::try_new_with_options(projected, vec![], &options).unwrap());
    }
    Ok(concat_batches(&projected, &all).unwrap())
}

/// Writes a file, infers its schema and reads all of it.
pub fn read_text(name: &str, text: &[u8], options: &ReadOptions) -> Result<RecordBatch, SourceError> {
    let folder = tempfile::tempdir().unwrap();
    let file = write(folder.path(), name, text);
    let schema = schema_of(std::slice::from_ref(&file), options)?;
    let all: Vec<_> = (0..schema.fields().len()).collect();
    rows_of(&[file], options, &schema, &all, 8192)
}

pub fn write(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, bytes).unwrap();
    path
}

/// What a text format makes of a table: a column without any value has no type, and becomes a string.
pub fn without_types_of_nulls(table: &RecordBatch) -> RecordBatch {
    let columns = table.columns().iter().zip(table.schema_ref().fields());
    let (fields, columns): (Vec<_>, Vec<_>) = columns
        .map(|(column, field)| {
            if column.null_count() == column.len() {
                let field = Field::new(field.name(), DataType::Utf8, true);
                (Arc::new(field), new_null_array(&DataType::Utf8, column.len()))
            } else {
                (field.clone(), column.clone())
            }
        })
        .unzip();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
}

pub fn timestamp(zone: Option<&str>) -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, zone.map(Into::into))
}
