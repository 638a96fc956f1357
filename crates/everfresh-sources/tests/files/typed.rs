//! Parquet and Arrow files with types of their own.

use crate::tables::{bytes, rows_of, schema_of, write};
use arrow::{
    array::{
        Array, ArrayRef, AsArray, Date32Array, DictionaryArray, Float32Array, Int16Array, Int32Array, Int64Array,
        LargeStringArray, RecordBatch, StringArray, StringViewArray, UInt8Array,
    },
    datatypes::{DataType, Field, Float64Type, Int8Type, Int32Type, Int64Type, Schema},
};
use everfresh_sources::{
    Format, ReadOptions, SourceError, fingerprint_columns, infer_schema, parse_type, row_count, type_name,
};
use std::{path::PathBuf, sync::Arc};

const TYPED: [Format; 2] = [Format::Parquet, Format::Arrow];

fn table(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true))).unwrap()
}

fn files(folder: &tempfile::TempDir, format: Format, tables: &[RecordBatch]) -> Vec<PathBuf> {
    let file = |(number, table): (usize, &RecordBatch)| {
        write(folder.path(), &format!("{number}.{}", format.name()), &bytes(table, format, 2))
    };
    tables.iter().enumerate().map(file).collect()
}

fn declared(column: &str, data_type: &str) -> ReadOptions {
    ReadOptions { columns: vec![(column.to_owned(), parse_type(data_type).unwrap())], ..ReadOptions::default() }
}

#[test]
fn encodings_are_handed_out_as_what_they_encode() {
    let dictionary: DictionaryArray<Int8Type> = ["a", "b", "a", "a", "b"].into_iter().collect();
    let views =
        StringViewArray::from_iter([Some("a rather long text that is not inlined"), None, Some("x"), None, None]);
    let table = table(vec![("d", Arc::new(dictionary)), ("v", Arc::new(views.clone()))]);
    for format in TYPED {
        let folder = tempfile::tempdir().unwrap();
        let files = files(&folder, format, std::slice::from_ref(&table));
        let schema = schema_of(&files, &ReadOptions::default()).unwrap();
        assert!(schema.fields().iter().all(|field| type_name(field.data_type()) == "string"));
        let read = rows_of(&files, &ReadOptions::default(), &schema, &[0, 1], 3).unwrap();
        assert_eq!(read.column(0).as_string::<i32>(), &StringArray::from(vec!["a", "b", "a", "a", "b"]));
        assert_eq!(read.column(1).as_string::<i32>(), &StringArray::from_iter(views.iter()));
    }
}

#[test]
fn texts_are_handed_out_as_views_where_those_are_wanted() {
    let texts = || [Some("a rather long text that is not inlined"), None, Some("x"), Some(""), Some("x")];
    let plain = StringArray::from_iter(texts());
    let dictionary: DictionaryArray<Int8Type> = texts().into_iter().collect();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("p", Arc::new(plain)),
        ("l", Arc::new(LargeStringArray::from_iter(texts()))),
        ("d", Arc::new(dictionary)),
        ("v", Arc::new(StringViewArray::from_iter(texts()))),
    ];
    let views = columns.iter().map(|(name, _)| Field::new(*name, DataType::Utf8View, true));
    let views = Arc::new(Schema::new(views.collect::<Vec<_>>()));
    for format in TYPED {
        let folder = tempfile::tempdir().unwrap();
        let files = files(&folder, format, &[table(columns.clone())]);
        let read = rows_of(&files, &ReadOptions::default(), &views, &[0, 1, 2, 3], 3).unwrap();
        for column in read.columns() {
            assert_eq!(column.as_string_view(), &StringViewArray::from_iter(texts()), "{format:?}");
        }
    }
}

#[test]
fn the_same_stored_bytes_of_another_type_have_another_fingerprint() {
    let dates: ArrayRef = Arc::new(Date32Array::from(vec![1, 2, 3]));
    let numbers: ArrayRef = Arc::new(Int32Array::from(vec![1, 2, 3]));
    let tables = [table(vec![("x", dates)]), table(vec![("x", numbers)])];
    for format in TYPED {
        let folder = tempfile::tempdir().unwrap();
        let files = files(&folder, format, &tables);
        // Read as texts, they have the same type and other values.
        let options = declared("x", "string");
        let schema = schema_of(&files, &options).unwrap();
        let fingerprints = |file| fingerprint_columns(file, &options, &schema, &[0]).unwrap();
        assert_ne!(fingerprints(&files[0]), fingerprints(&files[1]), "{format:?}");
    }
}

#[test]
fn widths_unify_and_columns_that_a_file_lacks_are_null() {
    let tables = [
        table(vec![
            ("n", Arc::new(Int16Array::from(vec![1, 2, 3]))),
            ("u", Arc::new(UInt8Array::from(vec![255, 0, 1]))),
        ]),
        table(vec![("f", Arc::new(Float32Array::from(vec![0.5]))), ("n", Arc::new(Int32Array::from(vec![70_000])))]),
        table(vec![("u", Arc::new(Int64Array::from(vec![-1]))), ("n", Arc::new(Float32Array::from(vec![0.25])))]),
    ];
    for format in TYPED {
        let folder = tempfile::tempdir().unwrap();
        let files = files(&folder, format, &tables);
        let schema = schema_of(&files, &ReadOptions::default()).unwrap();
        let types: Vec<_> = schema.fields().iter().map(|field| type_name(field.data_type())).collect();
        assert_eq!(types, ["double", "bigint", "float"]);
        let read = rows_of(&files, &ReadOptions::default(), &schema, &[0, 1, 2], 2).unwrap();
        assert_eq!(read.column(0).as_primitive::<Float64Type>().values(), &[1.0, 2.0, 3.0, 70_000.0, 0.25]);
        assert_eq!(
            read.column(1).as_primitive::<Int64Type>().iter().collect::<Vec<_>>(),
            [Some(255), Some(0), Some(1), None, Some(-1)]
        );
        assert_eq!(read.column(2).null_count(), 4);
    }
}

#[test]
fn types_without_a_common_one_name_both_files() {
    let tables = [
        table(vec![("x", Arc::new(Int64Array::from(vec![1])))]),
        table(vec![("x", Arc::new(StringArray::from(vec!["a"])))]),
    ];
    let folder = tempfile::tempdir().unwrap();
    let files = files(&folder, Format::Parquet, &tables);
    match schema_of(&files, &ReadOptions::default()).unwrap_err() {
        SourceError::Types { column, first, second, .. } => {
            assert_eq!((column.as_str(), &first, &second), ("x", &files[0], &files[1]));
        }
        other => panic!("{other}"),
    }
    let schema = schema_of(&files, &declared("x", "string")).unwrap();
    let read = rows_of(&files, &declared("x", "string"), &schema, &[0], 9).unwrap();
    assert_eq!(read.column(0).as_string::<i32>(), &StringArray::from(vec!["1", "a"]));
}

#[test]
fn a_declared_type_that_a_value_does_not_fit_is_told_with_its_row() {
    let numbers = table(vec![("n", Arc::new(Int64Array::from(vec![1, 2, 3, 4, 500])))]);
    for format in TYPED {
        let folder = tempfile::tempdir().unwrap();
        let files = files(&folder, format, std::slice::from_ref(&numbers));
        let options = declared("n", "tinyint");
        let schema = schema_of(&files, &options).unwrap();
        let error = rows_of(&files, &options, &schema, &[0], 2).unwrap_err().to_string();
        assert!(error.contains("row 5, column `n`: \"500\" does not fit the type tinyint"), "{error}");
    }
}

#[test]
fn batches_run_on_over_row_groups_and_blocks() {
    let numbers = table(vec![("n", Arc::new(Int32Array::from_iter_values(0..100)))]);
    for format in TYPED {
        let folder = tempfile::tempdir().unwrap();
        let path = write(folder.path(), &format!("f.{}", format.name()), &bytes(&numbers, format, 7));
        let files = [path];
        let schema = schema_of(&files, &ReadOptions::default()).unwrap();
        // `rows_of` asserts the size of every batch.
        let read = rows_of(&files, &ReadOptions::default(), &schema, &[0], 32).unwrap();
        assert_eq!(read.column(0).as_primitive::<Int32Type>().values(), &(0..100).collect::<Vec<_>>()[..]);
        assert_eq!(row_count(&files[0], &ReadOptions::default()).unwrap(), 100);
    }
}

#[test]
fn large_strings_stay_large() {
    let texts = table(vec![("t", Arc::new(LargeStringArray::from(vec!["a"])))]);
    let folder = tempfile::tempdir().unwrap();
    for format in TYPED {
        let files = files(&folder, format, std::slice::from_ref(&texts));
        let schema = infer_schema(&files[0], &ReadOptions::default()).unwrap();
        assert_eq!(type_name(schema.field(0).data_type()), "large_string");
    }
}

#[test]
fn a_file_of_another_format_is_told_as_such() {
    for (name, bytes) in [
        ("f.parquet", &b"a,b\n1,2\n"[..]),
        ("f.arrow", b"a,b\n1,2\n"),
        ("f.arrow", b"ARROW1"),
        ("f.feather", b"FEA1......FEA1"),
        ("f.parquet", b""),
        ("f.arrow", b""),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = write(folder.path(), name, bytes);
        let error = infer_schema(&path, &ReadOptions::default()).unwrap_err().to_string();
        assert!(error.contains(&format!("{name}` is not a readable ")) && !error.contains("gave up"), "{error}");
    }
}
