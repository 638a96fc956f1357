//! What holds for every table and every way to cut it into files.

use crate::tables::{
    NULL, bytes, file_name, format, options, pack, packing, read_text, rows_of, schema_of, table,
    without_types_of_nulls, write,
};
use arrow::{
    array::{RecordBatch, UInt64Array},
    compute::{concat_batches, take},
};
use everfresh_sources::{Format, ReadOptions, fingerprint_columns, row_count};
use proptest::prelude::*;

/// Texts of every type, and of those that only look like one.
fn cell() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "",
        "1",
        "-7",
        "2.5",
        "1e3",
        "true",
        "2013-01-01",
        "2013-01-01 05:00:00",
        "2013-01-01T05:00:00Z",
        "x",
        "01",
        "9223372036854775808",
        "NaN",
    ])
}

/// Cells that are mostly of one type, so that joining types is met more often than falling back to text.
fn cells(rows: usize) -> impl Strategy<Value = Vec<&'static str>> {
    let numbers = prop::sample::select(vec!["", "1", "-7", "2.5", "1e3"]);
    let times = prop::sample::select(vec!["", "2013-01-01", "2013-01-01 05:00:00"]);
    prop_oneof![
        prop::collection::vec(cell(), rows),
        prop::collection::vec(numbers, rows),
        prop::collection::vec(times, rows),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn a_table_is_read_back_equal_from_every_format(
        table in table(24), format in format(), packing in packing(), group in 1_usize..9, batch_rows in 1_usize..9,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let file = write(folder.path(), &file_name(format, packing, 1), &pack(&bytes(&table, format, group), packing));
        let options = options(&table, format);
        let files = [file];
        let inferred = schema_of(&files, &options).unwrap();
        let all: Vec<_> = (0..table.num_columns()).collect();
        let typed = matches!(format, Format::Parquet | Format::Arrow);
        let json = matches!(format, Format::Json | Format::Ndjson);
        // A JSON file without rows has no columns; one with rows tells every type but the declared.
        let (schema, expected) = match (typed, json) {
            (true, _) => (inferred, table.clone()),
            (_, true) if table.num_rows() == 0 => (table.schema(), table.clone()),
            (_, true) => {
                for field in inferred.fields() {
                    let column = table.column_by_name(field.name()).unwrap();
                    prop_assert!(
                        field.data_type() == column.data_type() || column.null_count() == column.len(), "{}", field
                    );
                }
                (table.schema(), table.clone())
            }
            _ => (inferred, without_types_of_nulls(&table)),
        };
        prop_assert_eq!(&schema, &expected.schema());
        prop_assert_eq!(rows_of(&files, &options, &schema, &all, batch_rows).unwrap(), expected);
        prop_assert_eq!(row_count(&files[0], &options).unwrap(), table.num_rows() as u64);
    }

    #[test]
    fn a_projection_is_the_projection_of_the_whole(
        table in table(12), format in format(), group in 1_usize..9, batch_rows in 1_usize..9,
        picks in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let files = [write(folder.path(), &file_name(format, crate::tables::Packing::Plain, 1), &bytes(&table, format, group))];
        let options = options(&table, format);
        let schema = table.schema();
        // Reading a schema with a column more than the file has.
        let mut fields: Vec<_> = schema.fields().iter().cloned().collect();
        fields.push(std::sync::Arc::new(arrow::datatypes::Field::new("lacking", arrow::datatypes::DataType::Int64, true)));
        let schema = std::sync::Arc::new(arrow::datatypes::Schema::new(fields));
        let mut projection: Vec<_> = picks.iter().map(|pick| pick.index(schema.fields().len())).collect();
        projection.sort_unstable();
        projection.dedup();
        if group % 2 == 0 {
            projection.reverse();
        }
        let all: Vec<_> = (0..schema.fields().len()).collect();
        let whole = rows_of(&files, &options, &schema, &all, 5).unwrap();
        prop_assert_eq!(whole.num_rows(), table.num_rows());
        prop_assert_eq!(whole.column(table.num_columns()).null_count(), table.num_rows());
        prop_assert_eq!(
            rows_of(&files, &options, &schema, &projection, batch_rows).unwrap(),
            whole.project(&projection).unwrap()
        );
    }

    #[test]
    fn a_file_written_anew_has_new_fingerprints_for_the_columns_with_other_values_alone(
        table in table(12), format in format(), group in 1_usize..9, changed in any::<prop::sample::Index>(),
        rows in prop::collection::vec(any::<prop::sample::Index>(), 12),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let changed = changed.index(table.num_columns());
        let mut columns = table.columns().to_vec();
        let rows: UInt64Array = rows[..table.num_rows()].iter().map(|row| Some(row.index(table.num_rows()) as u64)).collect();
        columns[changed] = take(&columns[changed], &rows, None).unwrap();
        let other = RecordBatch::try_new(table.schema(), columns).unwrap();
        let all: Vec<_> = (0..table.num_columns()).collect();
        let fingerprints = |number, table: &RecordBatch| {
            let name = file_name(format, crate::tables::Packing::Plain, number);
            let file = write(folder.path(), &name, &bytes(table, format, group));
            fingerprint_columns(&file, &options(table, format), &table.schema(), &all).unwrap()
        };
        let (before, after) = (fingerprints(1, &table), fingerprints(2, &other));
        for column in all {
            prop_assert_eq!(before[column] == after[column], table.column(column) == other.column(column), "{}", column);
        }
    }

    #[test]
    fn however_a_table_is_cut_into_files_it_reads_as_the_whole(
        table in table(16), format in format(), cuts in prop::collection::vec(0_usize..17, 0..4),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let options = options(&table, format);
        let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(table.num_rows())).collect();
        cuts.extend([0, table.num_rows()]);
        cuts.sort_unstable();
        let packing = crate::tables::Packing::Plain;
        let mut files = Vec::new();
        for pair in cuts.windows(2) {
            let part = table.slice(pair[0], pair[1] - pair[0]);
            files.push(write(folder.path(), &file_name(format, packing, files.len() + 1), &bytes(&part, format, 3)));
        }
        let whole = [write(folder.path(), &file_name(format, packing, 0), &bytes(&table, format, 3))];
        let schema = schema_of(&whole, &options).unwrap();
        prop_assert_eq!(&schema_of(&files, &options).unwrap(), &schema);
        let all: Vec<_> = (0..schema.fields().len()).collect();
        let rows = |files: &[_]| rows_of(files, &options, &schema, &all, 4).unwrap();
        prop_assert_eq!(rows(&files), rows(&whole));
    }

    #[test]
    fn however_untyped_text_is_cut_into_files_its_types_are_those_of_the_whole(
        columns in (1_usize..12).prop_flat_map(|rows| prop::collection::vec(cells(rows), 2)),
        cut in any::<prop::sample::Index>(),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let rows: Vec<_> = (0..columns[0].len()).map(|row| format!("{},\"{}\"\n", columns[0][row], columns[1][row])).collect();
        let csv = |rows: &[String]| format!("a,b\n{}", rows.concat());
        let (one, other) = rows.split_at(cut.index(rows.len()));
        let whole = [write(folder.path(), "whole.csv", csv(&rows).as_bytes())];
        let parts = [
            write(folder.path(), "part-1.csv", csv(one).as_bytes()),
            write(folder.path(), "part-2.csv", csv(other).as_bytes()),
        ];
        let options = ReadOptions::default();
        let schema = schema_of(&whole, &options).unwrap();
        prop_assert_eq!(&schema_of(&parts, &options).unwrap(), &schema);
        let read = |files: &[_]| rows_of(files, &options, &schema, &[0, 1], 4).unwrap();
        prop_assert_eq!(read(&parts), read(&whole));
    }
}

#[test]
fn files_with_other_columns_make_one_table() {
    let read = |name: &str, text: &str| read_text(name, text.as_bytes(), &ReadOptions::default()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let files = [
        write(folder.path(), "1.csv", b"a,b\n1,x\n"),
        write(folder.path(), "2.csv", b"c,a\ntrue,2.5\n"),
        write(folder.path(), "3.csv", b"b\n07\n"),
    ];
    let options = ReadOptions::default();
    let schema = schema_of(&files, &options).unwrap();
    let table = rows_of(&files, &options, &schema, &[0, 1, 2], 9).unwrap();
    let whole = read("whole.csv", "a,b,c\n1,x,\n2.5,,true\n,07,\n");
    assert_eq!(table, concat_batches(&whole.schema(), [&whole]).unwrap());
    let empty: RecordBatch = rows_of(&files, &options, &schema, &[], 9).unwrap();
    assert_eq!((empty.num_columns(), empty.num_rows()), (0, 3));
    assert_ne!(NULL, "");
}
