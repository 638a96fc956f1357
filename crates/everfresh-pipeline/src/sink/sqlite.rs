//! SQLite sinks: one transaction a write, so that nobody sees half a table.
//!
//! `append` keeps a ledger in the database itself, written in the same transaction as the rows:
//!
//! ```sql
//! create table everfresh_appended (sink_table text, input text, primary key (sink_table, input))
//! ```
//!
//! so that an input is added exactly once, whatever becomes of the cache or of the process.

use super::Target;
use crate::{
    engine::Batches,
    fault::{Failure, Fault},
    query::quote,
    spec::model::SinkMode,
    table::from_box,
};
use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch},
    datatypes::{
        DataType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, SchemaRef, UInt8Type,
        UInt16Type, UInt32Type,
    },
    util::display::{ArrayFormatter, FormatOptions},
};
use everfresh::{
    Fingerprint, FingerprintBuilder,
    table::{TableHasher, schema_fingerprint},
};
use everfresh_sources::sqlite::{Volatile, read_table, witness};
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params, types::Value};
use std::{path::Path, time::Duration};

const LEDGER: &str = "everfresh_appended";

pub(super) fn write(
    path: &Path,
    table: &str,
    mode: &SinkMode,
    input: &Fingerprint,
    schema: &SchemaRef,
    batches: Batches,
) -> Result<Target, Fault> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(Failure::io("make the folder", folder))?;
    }
    let failed = |error: rusqlite::Error| failure(path, table, error);
    let mut connection = Connection::open(path).map_err(failed)?;
    connection.busy_timeout(Duration::from_secs(60)).map_err(failed)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    match mode {
        SinkMode::Replace => {
            if columns_of(&transaction, table).map_err(failed)?.is_some_and(|columns| columns == declared(schema)) {
                transaction.execute(&format!("delete from {}", quote(table)), ()).map_err(failed)?;
            } else {
                transaction.execute(&format!("drop table if exists {}", quote(table)), ()).map_err(failed)?;
                create(&transaction, table, schema, &[]).map_err(failed)?;
            }
            insert(&transaction, path, table, "", schema, batches)?;
        }
        SinkMode::Append => append(&transaction, path, table, input, schema, batches)?,
        SinkMode::Upsert(key) => {
            if columns_of(&transaction, table).map_err(failed)?.is_none() {
                create(&transaction, table, schema, key).map_err(failed)?;
            }
            let keys = key.iter().map(|column| quote(column)).collect::<Vec<_>>().join(", ");
            let rest: Vec<String> = schema
                .fields()
                .iter()
                .filter(|field| !key.contains(field.name()))
                .map(|field| format!("{0} = excluded.{0}", quote(field.name())))
                .collect();
            let action = if rest.is_empty() { "nothing".into() } else { format!("update set {}", rest.join(", ")) };
            insert(&transaction, path, table, &format!(" on conflict ({keys}) do {action}"), schema, batches)?;
        }
    }
    transaction.commit().map_err(failed)?;
    connection.close().map_err(|(_, error)| failed(error))?;
    let seen = witness(path).map_err(Failure::io("look at", path))?;
    let content = content(path, table)?.ok_or_else(|| {
        Failure::Other(format!("`{}` lost the table `{table}` right after it was written", path.display()))
    })?;
    let bytes = seen.iter().flatten().map(|seen| seen.stat.size).sum();
    Ok(Target { seen, content, bytes })
}

fn failure(path: &Path, table: &str, error: rusqlite::Error) -> Failure {
    Failure::Other(format!("cannot write the table `{table}` of `{}`: {error}", path.display()))
}

fn append(
    transaction: &Transaction<'_>,
    path: &Path,
    table: &str,
    input: &Fingerprint,
    schema: &SchemaRef,
    batches: Batches,
) -> Result<(), Fault> {
    let failed = |error: rusqlite::Error| failure(path, table, error);
    transaction
        .execute(
            &format!(
                "create table if not exists {LEDGER} (sink_table text, input text, primary key (sink_table, input))"
            ),
            (),
        )
        .map_err(failed)?;
    if columns_of(transaction, table).map_err(failed)?.is_none() {
        // Somebody deleted the table: what was in it must come back.
        transaction.execute(&format!("delete from {LEDGER} where sink_table = ?1"), [table]).map_err(failed)?;
        create(transaction, table, schema, &[]).map_err(failed)?;
    }
    let added = transaction
        .execute(&format!("insert or ignore into {LEDGER} values (?1, ?2)"), params![table, input.to_string()])
        .map_err(failed)?;
    if added == 0 {
        return Ok(());
    }
    insert(transaction, path, table, "", schema, batches)
}

/// Whether this input is in the ledger, and the table there.
pub(super) fn was_appended(path: &Path, table: &str, input: &Fingerprint) -> Result<bool, Fault> {
    let failed = |error: rusqlite::Error| failure(path, table, error);
    let connection = Connection::open(path).map_err(failed)?;
    if columns_of(&connection, table).map_err(failed)?.is_none()
        || columns_of(&connection, LEDGER).map_err(failed)?.is_none()
    {
        return Ok(false);
    }
    let found = connection
        .query_row(
            &format!("select 1 from {LEDGER} where sink_table = ?1 and input = ?2"),
            params![table, input.to_string()],
            |_| Ok(()),
        )
        .optional()
        .map_err(failed)?;
    Ok(found.is_some())
}

/// The fingerprint of a table's rows; `None` if there is no such table.
pub(super) fn content(path: &Path, table: &str) -> Result<Option<Fingerprint>, Fault> {
    let failed = |error: rusqlite::Error| failure(path, table, error);
    let connection = Connection::open(path).map_err(failed)?;
    if columns_of(&connection, table).map_err(failed)?.is_none() {
        return Ok(None);
    }
    connection.close().map_err(|(_, error)| failed(error))?;
    let read = read_table(path, table, Volatile::Refused)?;
    let every: Vec<usize> = (0..read.schema.fields().len()).collect();
    let mut hasher = TableHasher::new(&read.schema, &every).map_err(|error| Failure::Other(error.to_string()))?;
    let schema = schema_fingerprint(&read.schema);
    for batch in read {
        hasher.update(&batch?).map_err(|error| Failure::Other(error.to_string()))?;
    }
    let columns = hasher.finish();
    let builder = FingerprintBuilder::new("everfresh.sqlite-table").fingerprint(&schema);
    Ok(Some(builder.u64(columns.rows).list(&columns.columns, FingerprintBuilder::fingerprint).finish()))
}

/// Names and declared types of a table's columns; `None` if there is no such table.
fn columns_of(connection: &Connection, table: &str) -> rusqlite::Result<Option<Vec<(String, String)>>> {
    let mut statement = connection.prepare("select name, type from pragma_table_info(?1)")?;
    let columns: Vec<(String, String)> =
        statement.query_map([table], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
    Ok((!columns.is_empty()).then_some(columns))
}

fn declared(schema: &SchemaRef) -> Vec<(String, String)> {
    schema.fields().iter().map(|field| (field.name().clone(), declared_type(field.data_type()).to_owned())).collect()
}

fn declared_type(kind: &DataType) -> &'static str {
    match kind {
        DataType::Boolean => "BOOLEAN",
        kind if kind.is_integer() && *kind != DataType::UInt64 => "INTEGER",
        kind if kind.is_floating() => "REAL",
        DataType::Date32 | DataType::Date64 => "DATE",
        DataType::Timestamp(..) => "TIMESTAMP",
        DataType::Binary | DataType::LargeBinary | DataType::FixedSizeBinary(_) => "BLOB",
        _ => "TEXT",
    }
}

fn create(connection: &Connection, table: &str, schema: &SchemaRef, key: &[String]) -> rusqlite::Result<()> {
    let mut columns: Vec<String> =
        declared(schema).iter().map(|(name, kind)| format!("{} {kind}", quote(name))).collect();
    if !key.is_empty() {
        let key = key.iter().map(|column| quote(column)).collect::<Vec<_>>().join(", ");
        columns.push(format!("primary key ({key})"));
    }
    connection.execute(&format!("create table {} ({})", quote(table), columns.join(", ")), ()).map(|_| ())
}

fn insert(
    transaction: &Transaction<'_>,
    path: &Path,
    table: &str,
    suffix: &str,
    schema: &SchemaRef,
    batches: Batches,
) -> Result<(), Fault> {
    let failed = |error: rusqlite::Error| failure(path, table, error);
    let names = schema.fields().iter().map(|field| quote(field.name())).collect::<Vec<_>>().join(", ");
    let places = vec!["?"; schema.fields().len()].join(", ");
    let sql = format!("insert into {} ({names}) values ({places}){suffix}", quote(table));
    let mut statement = transaction.prepare(&sql).map_err(failed)?;
    for batch in batches {
        let batch: RecordBatch = batch.map_err(from_box)?;
        let columns = batch.columns().iter().map(cells).collect::<Result<Vec<_>, Failure>>()?;
        for row in 0..batch.num_rows() {
            let values = columns.iter().map(|column| column.get(row).unwrap_or(&Value::Null));
            statement.execute(rusqlite::params_from_iter(values)).map_err(failed)?;
        }
    }
    Ok(())
}

/// A column's values as SQLite stores them: dates, times, decimals and nested values as text.
fn cells(column: &ArrayRef) -> Result<Vec<Value>, Failure> {
    macro_rules! numbers {
        ($kind:ty, $value:path, $as:ty) => {
            column
                .as_primitive::<$kind>()
                .iter()
                .map(|value| value.map_or(Value::Null, |value| $value(<$as>::from(value))))
                .collect()
        };
    }
    Ok(match column.data_type() {
        DataType::Boolean => column
            .as_boolean()
            .iter()
            .map(|value| value.map_or(Value::Null, |value| Value::Integer(value.into())))
            .collect(),
        DataType::Int8 => numbers!(Int8Type, Value::Integer, i64),
        DataType::Int16 => numbers!(Int16Type, Value::Integer, i64),
        DataType::Int32 => numbers!(Int32Type, Value::Integer, i64),
        DataType::Int64 => numbers!(Int64Type, Value::Integer, i64),
        DataType::UInt8 => numbers!(UInt8Type, Value::Integer, i64),
        DataType::UInt16 => numbers!(UInt16Type, Value::Integer, i64),
        DataType::UInt32 => numbers!(UInt32Type, Value::Integer, i64),
        DataType::Float32 => numbers!(Float32Type, Value::Real, f64),
        DataType::Float64 => numbers!(Float64Type, Value::Real, f64),
        DataType::Utf8 => column
            .as_string::<i32>()
            .iter()
            .map(|value| value.map_or(Value::Null, |value| Value::Text(value.to_owned())))
            .collect(),
        DataType::LargeUtf8 => column
            .as_string::<i64>()
            .iter()
            .map(|value| value.map_or(Value::Null, |value| Value::Text(value.to_owned())))
            .collect(),
        DataType::Binary => column
            .as_binary::<i32>()
            .iter()
            .map(|value| value.map_or(Value::Null, |value| Value::Blob(value.to_vec())))
            .collect(),
        DataType::LargeBinary => column
            .as_binary::<i64>()
            .iter()
            .map(|value| value.map_or(Value::Null, |value| Value::Blob(value.to_vec())))
            .collect(),
        _ => {
            let options = FormatOptions::default();
            let formatter = ArrayFormatter::try_new(column.as_ref(), &options)?;
            let text = |row: usize| formatter.value(row).try_to_string().map(Value::Text);
            (0..column.len())
                .map(|row| if column.is_valid(row) { text(row) } else { Ok(Value::Null) })
                .collect::<Result<_, _>>()?
        }
    })
}
