//! CSV and TSV as people write them.

use crate::tables::{read_text, timestamp};
use arrow::{array::RecordBatch, datatypes::DataType, util::pretty::pretty_format_batches};
use everfresh_sources::{Format, ReadOptions, parse_type, type_name};

fn read(text: &str, options: &ReadOptions) -> Result<RecordBatch, String> {
    read_text("f.csv", text.as_bytes(), options).map_err(|error| {
        let text = error.to_string();
        let start = text.find("f.csv`").unwrap_or_else(|| panic!("no path in backticks: {text}"));
        text[start + "f.csv`".len()..].trim_start_matches([',', ' ']).to_owned()
    })
}

fn types(table: &RecordBatch) -> Vec<String> {
    table.schema().fields().iter().map(|field| type_name(field.data_type())).collect()
}

fn declared(columns: &[(&str, &str)]) -> ReadOptions {
    let columns = columns.iter().map(|(name, data_type)| ((*name).to_owned(), parse_type(data_type).unwrap()));
    ReadOptions { columns: columns.collect(), ..ReadOptions::default() }
}

fn shown(table: &RecordBatch) -> String {
    pretty_format_batches(std::slice::from_ref(table)).unwrap().to_string()
}

#[test]
fn every_row_counts_for_a_type() {
    let mut text = String::from("a,b\n");
    for row in 0..20_000 {
        text += &format!("{row},{row}\n");
    }
    let table = read(&(text.clone() + "1.5,N/A\n"), &ReadOptions::default()).unwrap();
    assert_eq!((types(&table), table.num_rows()), (vec!["double".to_owned(), "string".to_owned()], 20_001));
    assert_eq!(types(&read(&text, &ReadOptions::default()).unwrap()), ["bigint", "bigint"]);
}

#[test]
fn types_are_inferred_and_empty_is_null() {
    let text = "\u{feff}id,zip,ok,day,at,seen,x,none\r\n\
        1,01234,true,2013-01-31,2013-01-31 05:06:07.5,2013-01-31T05:06:07+02:00,NaN,\r\n\
        ,,,,,,2,\r\n";
    let table = read(text, &ReadOptions::default()).unwrap();
    assert_eq!(types(&table), ["bigint", "string", "boolean", "date", "timestamp", "timestamptz", "double", "string"]);
    assert_eq!(table.schema().field(5).data_type(), &timestamp(Some("UTC")));
    assert_eq!(
        shown(&table),
        "\
+----+-------+------+------------+-------------------------+----------------------+-----+------+
| id | zip   | ok   | day        | at                      | seen                 | x   | none |
+----+-------+------+------------+-------------------------+----------------------+-----+------+
| 1  | 01234 | true | 2013-01-31 | 2013-01-31T05:06:07.500 | 2013-01-31T03:06:07Z | NaN |      |
|    |       |      |            |                         |                      | 2.0 |      |
+----+-------+------+------------+-------------------------+----------------------+-----+------+"
    );
}

#[test]
fn declared_types_override_inference() {
    let table = read("zip,price\n1234,5\n", &declared(&[("zip", "string"), ("price", "decimal(10,2)")])).unwrap();
    assert_eq!(types(&table), ["string", "decimal(10,2)"]);
    assert!(shown(&table).contains("| 1234 | 5.00  |"));
}

#[test]
fn a_value_that_does_not_fit_is_told_with_its_line_and_column() {
    let error = read("n,t\n1,\"two\nlines\"\n\nmany,x\n", &declared(&[("n", "int")])).unwrap_err();
    assert_eq!(
        error,
        "line 5, column `n`: \"many\" does not fit the type int; mend the value, or declare another type: \
         `columns: { n: … }`"
    );
}

#[test]
fn null_texts_replace_the_empty_one() {
    let options = ReadOptions { null: vec!["NA".into(), "-".into()], ..ReadOptions::default() };
    let table = read("a,b\nNA,\n-,x\n7,NA\n", &options).unwrap();
    assert_eq!(types(&table), ["bigint", "string"]);
    assert_eq!([table.column(0).null_count(), table.column(1).null_count()], [2, 1]);
}

#[test]
fn without_a_header_columns_are_numbered() {
    let options = ReadOptions { header: false, delimiter: Some(b';'), ..ReadOptions::default() };
    let table = read("1;a\n2;b\n", &options).unwrap();
    let schema = table.schema();
    assert_eq!(schema.fields().iter().map(|field| field.name().as_str()).collect::<Vec<_>>(), ["c1", "c2"]);
    assert_eq!((schema.field(0).data_type(), table.num_rows()), (&DataType::Int64, 2));
    assert_eq!(read("", &options).unwrap().num_rows(), 0);
}

#[test]
fn a_tsv_has_tabs_and_the_format_may_be_said() {
    let table = read_text("f.tsv", b"a\tb,c\n1\tx,y\n", &ReadOptions::default()).unwrap();
    assert_eq!((table.num_columns(), table.schema().field(1).name().as_str()), (2, "b,c"));
    let options = ReadOptions { format: Some(Format::Csv), ..ReadOptions::default() };
    assert_eq!(read_text("f.txt", b"a\n1\n", &options).unwrap().num_rows(), 1);
    assert!(read_text("f.txt", b"a\n1\n", &ReadOptions::default()).is_err());
}

#[test]
fn what_is_no_table_is_an_error_that_says_what_to_do() {
    for (text, message) in [
        ("a,b\n1,2\n3\n", "line 3: the row has 1 field where the header has 2"),
        ("a,b\n1,2,3\n", "line 2: the row has 3 fields where the header has 2"),
        ("a,b,a\n", "line 1: the header names the column `a` twice; rename one"),
        ("a\n\"x\n1\n", "line 2: a quoted field that begins in this row is never closed"),
        (
            "",
            "is not a readable csv file: it is empty, not even a header is there; for files without one, say \
             `header: false`",
        ),
    ] {
        assert_eq!(read(text, &ReadOptions::default()).unwrap_err(), message, "{text:?}");
    }
    let error = read_text("f.csv", b"a,b\n1,caf\xe9\n", &ReadOptions::default()).unwrap_err().to_string();
    assert!(error.contains("line 2, column `b`: \"caf\u{fffd}\", which is not UTF-8, does not fit"), "{error}");
}
