//! Skeleton; being written.
#![allow(missing_docs, clippy::todo)]
use arrow::{array::RecordBatch, datatypes::SchemaRef};
use everfresh::file::Seen;
use std::{io, path::Path};
pub struct SqliteRead { pub schema: SchemaRef, pub batches: Vec<RecordBatch> }
pub enum SqliteValue { Bool(bool), Int(i64), Float(f64), Text(String) }
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct SqliteSourceError(pub String);
pub fn read_table(_path: &Path, _table: &str) -> Result<SqliteRead, SqliteSourceError> { Err(SqliteSourceError(String::new())) }
pub fn read_query(_path: &Path, _sql: &str, _bind: &[SqliteValue]) -> Result<SqliteRead, SqliteSourceError> { Err(SqliteSourceError(String::new())) }
pub fn witness(_path: &Path) -> io::Result<Vec<Option<Seen>>> { Ok(vec![]) }
