//! JSON and NDJSON as people and services write them.

use crate::tables::{read_text, rows_of, schema_of, write};
use arrow::{array::RecordBatch, json::LineDelimitedWriter};
use everfresh_sources::{ReadOptions, parse_type, type_name};

fn read(name: &str, text: &str, options: &ReadOptions) -> Result<RecordBatch, String> {
    read_text(name, text.as_bytes(), options).map_err(|error| {
        let text = error.to_string();
        text[text.find("`, ").map_or(0, |at| at + 3)..].to_owned()
    })
}

fn types(table: &RecordBatch) -> String {
    let named =
        |field: &std::sync::Arc<arrow::datatypes::Field>| format!("{}: {}", field.name(), type_name(field.data_type()));
    table.schema().fields().iter().map(named).collect::<Vec<_>>().join(", ")
}

fn lines(table: &RecordBatch) -> String {
    let mut out = Vec::new();
    LineDelimitedWriter::new(&mut out).write(table).unwrap();
    String::from_utf8(out).unwrap()
}

fn declared(columns: &[(&str, &str)]) -> ReadOptions {
    let columns = columns.iter().map(|(name, data_type)| ((*name).to_owned(), parse_type(data_type).unwrap()));
    ReadOptions { columns: columns.collect(), ..ReadOptions::default() }
}

#[test]
fn an_array_an_object_and_lines_are_tables() {
    let rows = ["{\"a\":1,\"b\":\"x\"}", "{\"b\":\"\",\"a\":2.5}"];
    for (name, text) in [
        ("f.json", format!("\u{feff}[{} ,\n{}]\n", rows[0], rows[1])),
        ("f.ndjson", format!("{}\n\n{}", rows[0], rows[1])),
    ] {
        let table = read(name, &text, &ReadOptions::default()).unwrap();
        assert_eq!(types(&table), "a: double, b: string");
        assert_eq!(lines(&table), "{\"a\":1.0,\"b\":\"x\"}\n{\"a\":2.5,\"b\":\"\"}\n");
    }
    assert_eq!(lines(&read("f.json", rows[0], &ReadOptions::default()).unwrap()), "{\"a\":1,\"b\":\"x\"}\n");
}

#[test]
fn nested_values_are_structs_and_lists() {
    let text = r#"[{"o": {"x": 1, "t": ["a", null]}}, {"o": {"x": null, "y": [{"z": true}]}}, {"o": null}]"#;
    let table = read("f.json", text, &ReadOptions::default()).unwrap();
    assert_eq!(types(&table), "o: struct<x: bigint, t: list<string>, y: list<struct<z: boolean>>>");
    let expected = "{\"o\":{\"x\":1,\"t\":[\"a\",null]}}\n{\"o\":{\"y\":[{\"z\":true}]}}\n{}\n";
    assert_eq!(lines(&table), expected);
}

#[test]
fn objects_without_fields_and_lists_without_items_are_read() {
    let table =
        read("f.ndjson", "{\"o\": {}, \"l\": []}\n{\"o\": {}, \"l\": [null]}\n", &ReadOptions::default()).unwrap();
    assert_eq!((types(&table).as_str(), table.num_rows()), ("o: struct<>, l: list<string>", 2));
    assert_eq!(read("f.ndjson", "{}\n{}\n", &ReadOptions::default()).unwrap().num_rows(), 2);
}

#[test]
fn files_of_one_table_unify_within_their_nested_values() {
    let folder = tempfile::tempdir().unwrap();
    let files = [
        write(folder.path(), "1.ndjson", b"{\"o\": {\"x\": 1}}\n"),
        write(folder.path(), "2.ndjson", b"{\"o\": {\"y\": \"t\", \"x\": 1.5}, \"l\": []}\n"),
    ];
    let options = ReadOptions::default();
    let schema = schema_of(&files, &options).unwrap();
    let table = rows_of(&files, &options, &schema, &[0, 1], 9).unwrap();
    assert_eq!(lines(&table), "{\"o\":{\"x\":1.0}}\n{\"o\":{\"x\":1.5,\"y\":\"t\"},\"l\":[]}\n");
}

#[test]
fn a_declared_column_is_read_from_its_text() {
    let text = "{\"zip\": 1234, \"n\": \"7\", \"at\": \"2013-01-31T05:00:00Z\", \"p\": 1.10}\n{\"zip\": \"01234\", \"n\": 8}\n";
    let options = declared(&[("zip", "string"), ("n", "int"), ("at", "timestamptz"), ("p", "decimal(5,2)")]);
    let table = read("f.ndjson", text, &options).unwrap();
    assert_eq!(types(&table), "zip: string, n: int, at: timestamptz, p: decimal(5,2)");
    let expected =
        "{\"zip\":\"1234\",\"n\":7,\"at\":\"2013-01-31T05:00:00Z\",\"p\":1.10}\n{\"zip\":\"01234\",\"n\":8}\n";
    assert_eq!(lines(&table), expected);
    let error = read("f.ndjson", "{\"n\": 1}\n{\"n\": 1.5}\n", &declared(&[("n", "int")])).unwrap_err();
    assert!(error.starts_with("line 2, column `n`: \"1.5\" does not fit the type int"), "{error}");
}

#[test]
fn what_is_no_table_is_told_with_its_row() {
    for (name, text, message) in [
        (
            "f.json",
            "[{\"a\": 1},\n {\"a\": \"x\"}]",
            "row 2 (line 2): column `a`: the value is string where the rows before have bigint",
        ),
        ("f.ndjson", "{\"a\": 1}\n\n{\"a\": tru}\n", "line 3: column `a`: expected ident"),
        ("f.ndjson", "{\"a\": 1}{\"a\": 2}\n", "line 1: trailing characters"),
        ("f.ndjson", "{\"a\":\n1}\n", "line 1: column `a`: EOF while parsing"),
        (
            "f.json",
            "{\"a\": 1}\n{\"a\": 2}\n",
            "line 2: a second object follows the first; for one object a line, say `format: ndjson`",
        ),
    ] {
        let error = read(name, text, &ReadOptions::default()).unwrap_err();
        assert!(error.starts_with(message), "{text:?}: {error}");
    }
}

#[test]
fn a_file_that_changed_since_its_schema_was_inferred_fails_with_its_row() {
    let folder = tempfile::tempdir().unwrap();
    let options = ReadOptions::default();
    let files = [write(folder.path(), "1.ndjson", b"{\"a\": 1}\n")];
    let schema = schema_of(&files, &options).unwrap();
    for (text, message) in [
        ("{\"a\": 1}\n{\"a\": \"x\"}\n", "line 2: "),
        ("{\"a\": 1}\n{\"a\": 1}{\"a\": 2}\n", "line 2: "),
        ("{\"a\": 1}\n{\"a\":\n1}\n", "line 3: the row is not an object"),
    ] {
        write(folder.path(), "1.ndjson", text.as_bytes());
        let error = rows_of(&files, &options, &schema, &[0], 9).unwrap_err().to_string();
        assert!(error.contains(message), "{text:?}: {error}");
    }
}
