//! Reading tables and queries of SQLite databases.
//!
//! A database is opened read-only and read inside one transaction, so the rows are those of one moment whatever others
//! write meanwhile. It is never opened in any other way: closing any descriptor of the file would drop the locks that
//! this process holds on it. Whether it changed is told by the stats of its files ([`witness`]).
//!
//! SQLite types values and not columns, so the rows are read twice: first to see the types that are there, then to
//! build the columns. Rows stream from a thread of their own, in batches that one channel slot bounds.

mod column;
mod volatile;

use arrow::{
    array::{ArrayRef, RecordBatch},
    datatypes::{Field, Schema, SchemaRef},
};
use column::{ColumnBuilder, Evidence, Misfit};
use everfresh::file::{Seen, observe};
use rusqlite::{Connection, ErrorCode, OpenFlags, Rows, Statement, params_from_iter, types::ToSqlOutput};
use serde::{Deserialize, Serialize};
use std::{
    ffi::OsString,
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::JoinHandle,
    time::Duration,
};

pub use volatile::Volatile;

/// How long a reader waits for a writer that holds the database.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// A batch ends at so many rows, or after the row that makes it larger than so many bytes.
const BATCH_ROWS: usize = 8192;
const BATCH_BYTES: usize = 16 << 20;

/// A value for a `?` of a query.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum SqliteValue {
    /// Bound as 0 or 1.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A real.
    Float(f64),
    /// A text.
    Text(String),
}

impl rusqlite::ToSql for SqliteValue {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        match self {
            Self::Bool(value) => value.to_sql(),
            Self::Int(value) => value.to_sql(),
            Self::Float(value) => value.to_sql(),
            Self::Text(value) => value.to_sql(),
        }
    }
}

/// Why a database could not be read.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SqliteSourceError {
    /// There is no such file.
    #[error("no SQLite database at `{}`", path.display())]
    Missing {
        /// The database.
        path: PathBuf,
    },
    /// SQLite could not open or read it.
    #[error("cannot read the SQLite database `{}`: {message}", path.display())]
    Unreadable {
        /// The database.
        path: PathBuf,
        /// SQLite's own words.
        message: String,
    },
    /// There is no such table or view.
    #[error("no table `{table}` in `{}`{help}", path.display())]
    NoTable {
        /// The database.
        path: PathBuf,
        /// The table that was asked for.
        table: String,
        /// The name that comes nearest.
        nearest: Option<String>,
        /// The rest of the message.
        help: String,
    },
    /// The query cannot be run.
    #[error("the query on `{}` fails{place}: {message}", path.display())]
    Query {
        /// The database.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
        /// Where, in bytes into the query.
        offset: Option<usize>,
        /// The same for people: ` at line 1, column 8`, or nothing.
        place: String,
    },
    /// Two columns have one name.
    #[error("the query on `{}` gives two columns named `{column}`: name one of them with `AS`", path.display())]
    DuplicateColumn {
        /// The database.
        path: PathBuf,
        /// The name.
        column: String,
    },
    /// A value does not fit its column.
    #[error("`{}`, row {row}, column `{column}`: {message}", path.display())]
    Value {
        /// The database.
        path: PathBuf,
        /// The column.
        column: String,
        /// The row; the first is 1.
        row: u64,
        /// What is wrong with the value, and what to do.
        message: String,
    },
}

/// The rows of a table or a query: an iterator over batches of up to 8192 rows, none of them empty.
///
/// A thread reads ahead by one batch; it holds the read transaction until the last batch was taken, or this is dropped.
#[derive(Debug)]
pub struct SqliteRead {
    /// The columns, all of them nullable: BIGINT for integers, DOUBLE where reals are among them, text and blobs as they
    /// are, and text where text is mixed with anything else; BOOLEAN where it was declared and all values are 0 or 1.
    /// A column without any value has its declared type.
    pub schema: SchemaRef,
    batches: Option<Receiver<Result<RecordBatch, SqliteSourceError>>>,
    reader: Option<JoinHandle<()>>,
}

impl Iterator for SqliteRead {
    type Item = Result<RecordBatch, SqliteSourceError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.batches.as_ref()?.recv().ok()
    }
}

impl Drop for SqliteRead {
    fn drop(&mut self) {
        // The thread sees that nobody listens; waiting for it means that the database is closed after this.
        self.batches = None;
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

/// Reads a whole table or view; the rows of a table come in the order of its keys.
///
/// # Errors
/// [`SqliteSourceError`]; those of single values come with the batches.
pub fn read_table(path: &Path, table: &str, volatile: Volatile) -> Result<SqliteRead, SqliteSourceError> {
    let reader = Reader::open(path, volatile)?;
    let kind = reader.table_kind(table)?;
    // An index that covers all columns would give its own order instead.
    let order = if kind == "table" { " NOT INDEXED" } else { "" };
    let sql = format!("SELECT * FROM \"{}\"{order}", table.replace('"', "\"\""));
    reader.start(sql, Vec::new())
}

/// Reads what a query returns, with values for its `?`, the first for the first.
///
/// # Errors
/// [`SqliteSourceError`]; those of single values come with the batches.
pub fn read_query(
    path: &Path,
    sql: &str,
    bind: &[SqliteValue],
    volatile: Volatile,
) -> Result<SqliteRead, SqliteSourceError> {
    Reader::open(path, volatile)?.start(sql.to_owned(), bind.to_vec())
}

/// Looks at the files that hold a database's content: the database, its write-ahead log, its rollback journal. If
/// every look is equal to an earlier one, which was not racy, the database is unchanged.
///
/// A file that is not there is `None`, and so is an empty log or journal: a mere reader leaves those behind.
///
/// # Errors
/// Those of `stat`, but for a file that is not there.
pub fn witness(path: &Path) -> io::Result<Vec<Option<Seen>>> {
    // The log and the journal stand beside the file that a symbolic link leads to.
    let path = match std::fs::canonicalize(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => path.to_owned(),
        resolved => resolved?,
    };
    let look = |path: &Path| match observe(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        seen => seen.map(Some),
    };
    let beside = |suffix: &str| {
        let mut name = OsString::from(&path);
        name.push(suffix);
        look(Path::new(&name)).map(|seen| seen.filter(|seen| seen.stat.size > 0))
    };
    Ok(vec![look(&path)?, beside("-wal")?, beside("-journal")?])
}

/// A connection inside its read transaction.
struct Reader {
    connection: Connection,
    path: PathBuf,
}

impl Reader {
    fn open(path: &Path, volatile: Volatile) -> Result<Self, SqliteSourceError> {
        if std::fs::metadata(path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
            return Err(SqliteSourceError::Missing { path: path.to_owned() });
        }
        let unreadable = |error: rusqlite::Error| unreadable(path, &error);
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(unreadable)?;
        connection.busy_timeout(BUSY_TIMEOUT).map_err(unreadable)?;
        connection.execute_batch("BEGIN").map_err(unreadable)?;
        // The transaction begins with the first read, which also tells what is no database.
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(())).map_err(unreadable)?;
        if volatile == Volatile::Refused {
            volatile::refuse(&connection).map_err(unreadable)?;
        }
        Ok(Self { connection, path: path.to_owned() })
    }

    /// `table`, `view`, `virtual` or `shadow`.
    fn table_kind(&self, table: &str) -> Result<String, SqliteSourceError> {
        let names = || -> rusqlite::Result<Vec<(String, String)>> {
            let mut names =
                self.connection.prepare("SELECT name, type FROM pragma_table_list WHERE schema = 'main'")?;
            names.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
        };
        let names = names().map_err(|error| unreadable(&self.path, &error))?;
        if let Some((_, kind)) = names.iter().find(|(name, _)| name.eq_ignore_ascii_case(table)) {
            return Ok(kind.clone());
        }
        let names: Vec<_> =
            names.into_iter().map(|(name, _)| name).filter(|name| !name.starts_with("sqlite_")).collect();
        let nearest = nearest(table, &names);
        let help = match (&nearest, names.is_empty()) {
            (Some(name), _) => format!("; did you mean `{name}`?"),
            (None, true) => "; it has no tables at all".to_owned(),
            (None, false) => format!("; its tables are `{}`", names.join("`, `")),
        };
        Err(SqliteSourceError::NoTable { path: self.path.clone(), table: table.to_owned(), nearest, help })
    }

    fn start(self, sql: String, bind: Vec<SqliteValue>) -> Result<SqliteRead, SqliteSourceError> {
        let schema = self.schema(&sql, &bind)?;
        let (sender, batches) = sync_channel(1);
        let columns = Arc::clone(&schema);
        let reader = std::thread::Builder::new().name("sqlite reader".into()).spawn(move || {
            if let Err(error) = self.send_batches(&sql, &bind, &columns, &sender) {
                let _ = sender.send(Err(error));
            }
        });
        match reader {
            Ok(reader) => Ok(SqliteRead { schema, batches: Some(batches), reader: Some(reader) }),
            Err(error) => Err(SqliteSourceError::Unreadable { path: PathBuf::new(), message: error.to_string() }),
        }
    }

    /// The first reading: which types there are.
    fn schema(&self, sql: &str, bind: &[SqliteValue]) -> Result<SchemaRef, SqliteSourceError> {
        let mut statement = self.prepare(sql, bind)?;
        let mut evidence = Vec::new();
        let mut names: Vec<String> = Vec::new();
        for index in 0..statement.column_count() {
            let name = statement.column_name(index).map_err(|error| self.query_error(&error))?.to_owned();
            if names.contains(&name) {
                return Err(SqliteSourceError::DuplicateColumn { path: self.path.clone(), column: name });
            }
            names.push(name);
        }
        for column in statement.columns() {
            evidence.push(Evidence::new(column.decl_type()));
        }
        let mut rows = self.run(&mut statement, bind)?;
        while let Some(row) = rows.next().map_err(|error| self.query_error(&error))? {
            for (index, evidence) in evidence.iter_mut().enumerate() {
                evidence.see(row.get_ref(index).map_err(|error| self.query_error(&error))?);
            }
        }
        let fields =
            names.into_iter().zip(evidence).map(|(name, evidence)| Field::new(name, evidence.data_type(), true));
        Ok(Arc::new(Schema::new(fields.collect::<Vec<_>>())))
    }

    /// The second reading.
    fn send_batches(
        &self,
        sql: &str,
        bind: &[SqliteValue],
        schema: &SchemaRef,
        sender: &SyncSender<Result<RecordBatch, SqliteSourceError>>,
    ) -> Result<(), SqliteSourceError> {
        let mut cast_text = self.prepare_cast("SELECT CAST(?1 AS TEXT)")?;
        let mut cast_blob = self.prepare_cast("SELECT CAST(?1 AS BLOB)")?;
        let mut statement = self.prepare(sql, bind)?;
        let mut rows = self.run(&mut statement, bind)?;
        let new_builders = || schema.fields().iter().map(|field| ColumnBuilder::new(field.data_type()));
        let mut builders: Vec<_> = new_builders().collect();
        let (mut filled, mut bytes, mut number) = (0, 0, 0);
        while let Some(row) = rows.next().map_err(|error| self.query_error(&error))? {
            number += 1;
            for (index, builder) in builders.iter_mut().enumerate() {
                let value = row.get_ref(index).map_err(|error| self.query_error(&error))?;
                bytes += builder.append(value, &mut cast_text, &mut cast_blob).map_err(|misfit| {
                    let column = schema.fields().get(index).map(|field| field.name().clone()).unwrap_or_default();
                    self.value_error(column, number, misfit)
                })?;
            }
            filled += 1;
            if filled == BATCH_ROWS || bytes >= BATCH_BYTES {
                let full = std::mem::replace(&mut builders, new_builders().collect());
                if sender.send(self.batch(schema, full)).is_err() {
                    return Ok(());
                }
                (filled, bytes) = (0, 0);
            }
        }
        if filled > 0 {
            let _ = sender.send(self.batch(schema, builders));
        }
        Ok(())
    }

    fn batch(&self, schema: &SchemaRef, builders: Vec<ColumnBuilder>) -> Result<RecordBatch, SqliteSourceError> {
        let columns: Vec<ArrayRef> = builders.into_iter().map(ColumnBuilder::finish).collect();
        RecordBatch::try_new(Arc::clone(schema), columns)
            .map_err(|error| SqliteSourceError::Unreadable { path: self.path.clone(), message: error.to_string() })
    }

    fn prepare(&self, sql: &str, bind: &[SqliteValue]) -> Result<Statement<'_>, SqliteSourceError> {
        let statement = self.connection.prepare(sql).map_err(|error| self.query_error(&error))?;
        let refuse = |message: String| Err(self.query_message(message, None, sql));
        if !statement.readonly() || statement.column_count() == 0 {
            return refuse("it does not return rows; a source may only read".into());
        }
        let (asked, given) = (statement.parameter_count(), bind.len());
        if asked != given {
            return refuse(format!("it has {asked} parameters, but {given} values are bound to them"));
        }
        Ok(statement)
    }

    fn prepare_cast(&self, sql: &str) -> Result<Statement<'_>, SqliteSourceError> {
        self.connection.prepare(sql).map_err(|error| unreadable(&self.path, &error))
    }

    fn run<'s>(&self, statement: &'s mut Statement<'_>, bind: &[SqliteValue]) -> Result<Rows<'s>, SqliteSourceError> {
        statement.query(params_from_iter(bind)).map_err(|error| self.query_error(&error))
    }

    fn value_error(&self, column: String, row: u64, misfit: Misfit) -> SqliteSourceError {
        SqliteSourceError::Value { path: self.path.clone(), column, row, message: misfit.to_string() }
    }

    fn query_error(&self, error: &rusqlite::Error) -> SqliteSourceError {
        match error {
            rusqlite::Error::SqlInputError { msg, sql, offset, .. } => {
                self.query_message(msg.clone(), usize::try_from(*offset).ok(), sql)
            }
            rusqlite::Error::MultipleStatement => self.query_message("it is more than one statement".into(), None, ""),
            _ if is_the_databases_fault(error) => unreadable(&self.path, error),
            _ => self.query_message(message(error), None, ""),
        }
    }

    fn query_message(&self, message: String, offset: Option<usize>, sql: &str) -> SqliteSourceError {
        let place = offset.and_then(|offset| sql.get(..offset)).map(|before| {
            let line = before.matches('\n').count() + 1;
            let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
            format!(" at line {line}, column {column}")
        });
        SqliteSourceError::Query { path: self.path.clone(), message, offset, place: place.unwrap_or_default() }
    }
}

fn unreadable(path: &Path, error: &rusqlite::Error) -> SqliteSourceError {
    let help = match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => "; another program is writing it: try again",
        Some(ErrorCode::CannotOpen) => {
            "; a database in WAL mode needs a folder that can be written, or its `-shm` file beside it"
        }
        _ => "",
    };
    SqliteSourceError::Unreadable { path: path.to_owned(), message: message(error) + help }
}

fn message(error: &rusqlite::Error) -> String {
    match error {
        rusqlite::Error::SqliteFailure(_, Some(message)) => message.clone(),
        other => other.to_string(),
    }
}

fn is_the_databases_fault(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(
            ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::DatabaseCorrupt
                | ErrorCode::NotADatabase
                | ErrorCode::CannotOpen
                | ErrorCode::SystemIoFailure
                | ErrorCode::PermissionDenied
                | ErrorCode::OutOfMemory
        )
    )
}

fn nearest(name: &str, names: &[String]) -> Option<String> {
    let near = names.iter().map(|other| (strsim::jaro_winkler(&name.to_lowercase(), &other.to_lowercase()), other));
    near.filter(|(score, _)| *score > 0.75).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, name)| name.clone())
}

#[cfg(test)]
mod tests;
