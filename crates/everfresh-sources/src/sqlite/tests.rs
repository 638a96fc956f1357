use super::*;
use arrow::{
    array::AsArray,
    datatypes::{DataType, Float64Type, Int64Type},
    util::pretty::pretty_format_batches,
};
use tempfile::TempDir;

struct Database {
    _folder: TempDir,
    path: PathBuf,
}

fn database(sql: &str) -> Database {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("some?mode=rw.db");
    Connection::open(&path).unwrap().execute_batch(sql).unwrap();
    Database { _folder: folder, path }
}

fn rows(read: SqliteRead) -> RecordBatch {
    let schema = Arc::clone(&read.schema);
    let batches: Vec<_> = read.map(|batch| batch.unwrap()).collect();
    arrow::compute::concat_batches(&schema, &batches).unwrap()
}

fn print(read: SqliteRead) -> String {
    pretty_format_batches(&[rows(read)]).unwrap().to_string()
}

fn type_of(read: &SqliteRead, column: usize) -> &DataType {
    read.schema.field(column).data_type()
}

fn error(read: Result<SqliteRead, SqliteSourceError>) -> String {
    match read {
        Err(error) => error.to_string(),
        Ok(read) => read.map(|batch| batch.map(|_| ())).find_map(Result::err).unwrap().to_string(),
    }
}

#[test]
fn a_column_has_the_type_of_the_values_that_are_there() {
    let database = database(
        "CREATE TABLE t (i, r, t, b, mixed, bits BLOB, flag BOOLEAN, not_flag BOOLEAN);
         INSERT INTO t VALUES
            (1, 1, 'a', x'00ff', 1, x'31', 1, 1),
            (-9223372036854775808, 2.5, 'ä', x'', 1.0, 12, 0, 2),
            (NULL, NULL, NULL, NULL, 'x', NULL, NULL, NULL),
            (3, 4, '', x'01', x'6162', 1.5, 1, 0);",
    );
    let read = read_table(&database.path, "T", Volatile::Refused).unwrap();
    let types: Vec<_> = read.schema.fields().iter().map(|field| field.data_type().clone()).collect();
    assert_eq!(
        types,
        [
            DataType::Int64,
            DataType::Float64,
            DataType::Utf8,
            DataType::Binary,
            DataType::Utf8,
            DataType::Binary,
            DataType::Boolean,
            DataType::Int64
        ]
    );
    assert!(read.schema.fields().iter().all(|field| field.is_nullable()));
    assert_eq!(
        print(read),
        "\
+----------------------+-----+---+------+-------+--------+-------+----------+
| i                    | r   | t | b    | mixed | bits   | flag  | not_flag |
+----------------------+-----+---+------+-------+--------+-------+----------+
| 1                    | 1.0 | a | 00ff | 1     | 31     | true  | 1        |
| -9223372036854775808 | 2.5 | ä |      | 1.0   | 3132   | false | 2        |
|                      |     |   |      | x     |        |       |          |
| 3                    | 4.0 |   | 01   | ab    | 312e35 | true  | 0        |
+----------------------+-----+---+------+-------+--------+-------+----------+"
    );
}

#[test]
fn a_column_without_values_has_its_declared_type() {
    let database = database(
        "CREATE TABLE t (a BIGINT, b VARCHAR(9), c REAL, d BLOB, e DECIMAL(9, 2), f BOOLEAN, g TIMESTAMP, h);
         INSERT INTO t (a) VALUES (NULL);",
    );
    let read = read_table(&database.path, "t", Volatile::Refused).unwrap();
    let types: Vec<_> = read.schema.fields().iter().map(|field| field.data_type().clone()).collect();
    assert_eq!(
        types,
        [
            DataType::Int64,
            DataType::Utf8,
            DataType::Float64,
            DataType::Binary,
            DataType::Float64,
            DataType::Boolean,
            DataType::Utf8,
            DataType::Utf8
        ]
    );
    assert_eq!(rows(read).num_rows(), 1);
}

#[test]
fn an_empty_table_has_columns_and_no_batches() {
    let database = database("CREATE TABLE t (a INT)");
    let read = read_table(&database.path, "t", Volatile::Refused).unwrap();
    assert_eq!(read.schema.field(0).name(), "a");
    assert_eq!(read.count(), 0);
}

#[test]
fn a_large_table_streams_in_batches_and_in_the_order_of_its_keys() {
    let database = database(
        "CREATE TABLE t (a INT, b INT);
         CREATE INDEX covering ON t (b, a);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
         INSERT INTO t SELECT i, -i FROM n;",
    );
    let sizes: Vec<_> =
        read_table(&database.path, "t", Volatile::Refused).unwrap().map(|batch| batch.unwrap().num_rows()).collect();
    assert_eq!(sizes, [8192, 8192, 3616]);
    let all = rows(read_table(&database.path, "t", Volatile::Refused).unwrap());
    assert!(all.column(0).as_primitive::<Int64Type>().values().iter().copied().eq(1..=20000));
}

#[test]
fn a_batch_of_long_texts_ends_early() {
    let database = database(
        "CREATE TABLE t (a TEXT);
         INSERT INTO t VALUES (hex(zeroblob(5000000))), (hex(zeroblob(5000000))), ('end');",
    );
    let sizes: Vec<_> =
        read_table(&database.path, "t", Volatile::Refused).unwrap().map(|batch| batch.unwrap().num_rows()).collect();
    assert_eq!(sizes, [2, 1]);
}

#[test]
fn views_and_tables_without_rowid_and_odd_names_are_read() {
    let database = database(
        r#"CREATE TABLE "odd ""name""" (k TEXT PRIMARY KEY, "a b" INT) WITHOUT ROWID;
           INSERT INTO "odd ""name""" VALUES ('b', 2), ('a', 1);
           CREATE VIEW v AS SELECT k AS key FROM "odd ""name""" ORDER BY 1 DESC;"#,
    );
    let table = rows(read_table(&database.path, "odd \"name\"", Volatile::Refused).unwrap());
    assert_eq!(table.column(0).as_string::<i32>().iter().flatten().collect::<Vec<_>>(), ["a", "b"]);
    let view = rows(read_table(&database.path, "v", Volatile::Refused).unwrap());
    assert_eq!(view.column(0).as_string::<i32>().iter().flatten().collect::<Vec<_>>(), ["b", "a"]);
}

#[test]
fn a_query_takes_its_values_in_order() {
    let database = database("CREATE TABLE t (a INT, b TEXT); INSERT INTO t VALUES (1, 'x'), (2, 'y'), (3, 'y');");
    let bind = [SqliteValue::Text("y".into()), SqliteValue::Int(2), SqliteValue::Float(0.5), SqliteValue::Bool(true)];
    let read = read_query(
        &database.path,
        "SELECT a, ? AS s, ?3 + 0 AS f, ?4 AS t FROM t WHERE b = ?1 AND a > ?2",
        &bind,
        Volatile::Refused,
    );
    let rows = rows(read.unwrap());
    assert_eq!(rows.num_rows(), 1);
    assert_eq!(rows.column(0).as_primitive::<Int64Type>().value(0), 3);
    assert_eq!(rows.column(2).as_primitive::<Float64Type>().value(0), 0.5);
    assert_eq!(rows.column(3).as_primitive::<Int64Type>().value(0), 1);
}

#[test]
fn what_was_written_meanwhile_is_not_seen() {
    let database = database(
        "PRAGMA journal_mode = WAL;
         CREATE TABLE t (a INT);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50000) INSERT INTO t SELECT i FROM n;",
    );
    let read = read_table(&database.path, "t", Volatile::Refused).unwrap();
    let writer = Connection::open(&database.path).unwrap();
    writer.execute_batch("INSERT INTO t VALUES ('late'); DELETE FROM t WHERE a < 40000;").unwrap();
    assert_eq!(*type_of(&read, 0), DataType::Int64);
    assert_eq!(rows(read).num_rows(), 50_000);
}

#[test]
fn a_reader_that_is_dropped_early_lets_go_of_the_database() {
    let database = database(
        "CREATE TABLE t (a INT);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50000) INSERT INTO t SELECT i FROM n;",
    );
    let mut read = read_table(&database.path, "t", Volatile::Refused).unwrap();
    read.next().unwrap().unwrap();
    drop(read);
    Connection::open(&database.path).unwrap().execute_batch("DROP TABLE t").unwrap();
}

#[test]
fn errors_name_the_database_and_what_to_do() {
    let database = database("CREATE TABLE planes (a INT); CREATE TABLE other (a INT);");
    let path = database.path.display();
    assert_eq!(
        error(read_table(&database.path, "plane", Volatile::Refused)),
        format!("no table `plane` in `{path}`; did you mean `planes`?")
    );
    assert_eq!(
        error(read_table(&database.path, "zzz", Volatile::Refused)),
        format!("no table `zzz` in `{path}`; its tables are `other`, `planes`")
    );
    let missing = database.path.with_extension("none");
    assert_eq!(
        error(read_table(&missing, "t", Volatile::Refused)),
        format!("no SQLite database at `{}`", missing.display())
    );
    let query = |sql: &str| error(read_query(&database.path, sql, &[], Volatile::Refused));
    assert_eq!(
        query("SELECT a,\n  nope FROM planes"),
        format!("the query on `{path}` fails at line 2, column 3: no such column: nope")
    );
    assert_eq!(
        query("SELECT ?"),
        format!("the query on `{path}` fails: it has 1 parameters, but 0 values are bound to them")
    );
    assert_eq!(query("SELECT 1; SELECT 2"), format!("the query on `{path}` fails: it is more than one statement"));
    for writing in ["DELETE FROM planes", "DELETE FROM planes RETURNING a", "ATTACH ':memory:' AS x", ""] {
        assert_eq!(
            query(writing),
            format!("the query on `{path}` fails: it does not return rows; a source may only read")
        );
    }
    assert_eq!(
        query("SELECT 1 AS a, 2 AS a"),
        format!("the query on `{path}` gives two columns named `a`: name one of them with `AS`")
    );
    assert_eq!(
        query("SELECT 'fine' AS t UNION ALL SELECT CAST(x'ff' AS TEXT)"),
        format!("`{path}`, row 2, column `t`: the text is not UTF-8; select `CAST(column AS BLOB)` to read the bytes")
    );
}

#[test]
fn the_position_of_an_error_is_told_in_bytes() {
    let database = database("CREATE TABLE t (a INT)");
    match read_query(&database.path, "SELECT 'ä', nope FROM t", &[], Volatile::Refused) {
        Err(SqliteSourceError::Query { offset, .. }) => assert_eq!(offset, Some("SELECT 'ä', ".len())),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_file_that_is_no_database_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("text.db");
    std::fs::write(&path, "this is a text, and longer than the header of a database".repeat(20)).unwrap();
    assert_eq!(
        error(read_table(&path, "t", Volatile::Refused)),
        format!("cannot read the SQLite database `{}`: file is not a database", path.display())
    );
}

#[test]
fn a_query_whose_types_change_from_one_reading_to_the_next_is_an_error() {
    let database = database("CREATE TABLE t (a INT); INSERT INTO t VALUES (1);");
    let found = (0..64).find_map(|_| {
        let sql = "SELECT CASE WHEN random() % 2 THEN 1 ELSE 'text' END AS a";
        read_query(&database.path, sql, &[], Volatile::Allowed).unwrap().find_map(Result::err)
    });
    let message = found.unwrap().to_string();
    assert!(message.contains("gives other values when it is asked twice"), "{message}");
}

#[test]
fn reading_is_no_change_and_every_write_is() {
    for mode in ["DELETE", "WAL"] {
        let database = database(&format!("PRAGMA journal_mode = {mode}; CREATE TABLE t (a INT);"));
        let stats = || -> Vec<_> {
            witness(&database.path).unwrap().into_iter().map(|seen| seen.map(|seen| seen.stat)).collect()
        };
        let before = stats();
        assert_eq!(before.iter().flatten().count(), 1);
        rows(read_table(&database.path, "t", Volatile::Refused).unwrap());
        assert_eq!(stats(), before, "{mode}");
        let writer = Connection::open(&database.path).unwrap();
        writer.execute_batch("INSERT INTO t SELECT hex(zeroblob(9000))").unwrap();
        assert_ne!(stats(), before, "{mode}");
    }
}

#[test]
fn a_database_that_is_not_there_is_witnessed_as_absent() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(witness(&folder.path().join("none.db")).unwrap(), [None, None, None]);
}

#[test]
fn the_log_beside_the_target_of_a_link_is_witnessed() {
    let database = database("PRAGMA journal_mode = WAL; CREATE TABLE t (a INT);");
    let writer = Connection::open(&database.path).unwrap();
    writer.execute_batch("INSERT INTO t VALUES (1)").unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let link = elsewhere.path().join("link.db");
    std::os::unix::fs::symlink(&database.path, &link).unwrap();
    let stats =
        |path: &Path| -> Vec<_> { witness(path).unwrap().into_iter().map(|seen| seen.map(|seen| seen.stat)).collect() };
    assert!(stats(&link)[1].is_some());
    assert_eq!(stats(&link), stats(&database.path));
}

#[test]
fn what_hangs_on_the_clock_or_on_chance_is_refused_wherever_it_comes_from() {
    let database = database(
        "CREATE TABLE t (d); INSERT INTO t VALUES ('NOW');
         CREATE VIEW v AS SELECT random() AS r;",
    );
    let refused = |sql: &str, bind: &[SqliteValue]| error(read_query(&database.path, sql, bind, Volatile::Refused));
    for sql in [
        "SELECT random()",
        "SELECT randomblob(4)",
        "SELECT CURRENT_TIMESTAMP",
        "SELECT current_date",
        "SELECT Current_Time",
        "SELECT date()",
        "SELECT datetime('now', '-1 day')",
        "SELECT strftime('%Y')",
        "SELECT strftime('%Y', 'now')",
        "SELECT timediff('2013-01-01', 'now')",
        "SELECT unixepoch(x'6e6f77')",
        "SELECT datetime('2013-01-01', 'localtime')",
        "SELECT julianday('2013-01-01', 'utc')",
        "SELECT date(d) FROM t",
        "SELECT * FROM v",
        "SELECT * FROM t ORDER BY random()",
    ] {
        let message = refused(sql, &[]);
        assert!(message.contains("give the source a `ttl`"), "{sql}: {message}");
    }
    assert!(
        refused("SELECT time(?)", &[SqliteValue::Text("now".into())]).contains("`time` of the time that it is now")
    );
    assert!(error(read_table(&database.path, "v", Volatile::Refused)).contains("`random` gives another value"));
    let allowed = read_query(&database.path, "SELECT random(), date('now') AS d", &[], Volatile::Allowed).unwrap();
    assert_eq!(rows(allowed).num_rows(), 1);
}

#[test]
fn dates_that_are_given_are_what_sqlite_makes_of_them() {
    let database = database(
        "CREATE TABLE t (d TEXT, made DEFAULT CURRENT_TIMESTAMP, day AS (date(d))); CREATE INDEX i ON t (date(d));
         INSERT INTO t (d) VALUES ('2013-02-28 23:59:59'), ('2012-02-29'), (NULL), ('not a date'), (2456293.5);",
    );
    let sql = "SELECT d, day, date(d, '+1 month', 'start of month') AS next, julianday(d) AS j, unixepoch(d) AS u,
                      strftime('%j|%W|now', d) AS f, timediff(d, '2000-01-01') AS diff
               FROM t WHERE date(d) IS NOT '1900-01-01'";
    let print = |volatile| print(read_query(&database.path, sql, &[], volatile).unwrap());
    assert_eq!(print(Volatile::Refused), print(Volatile::Allowed));
}
