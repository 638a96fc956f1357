//! What a pipeline file says, checked and typed. Made by [`super::load`].

use crate::engine::ParamValue;
use everfresh_sources::{ReadOptions, Secret};
use std::{collections::BTreeMap, ops::Range, path::PathBuf, time::Duration};

/// A whole pipeline file.
#[derive(Clone, Debug)]
pub struct Spec {
    /// The pipeline's name.
    pub name: String,
    /// Where and how results are kept.
    pub cache: CacheSpec,
    /// The interpreter for Python steps, if the file names one.
    pub python: Option<PathBuf>,
    /// Parameters, with what the command line set in place of the file's values.
    pub params: BTreeMap<String, ParamValue>,
    /// Sources, in the file's order.
    pub sources: Vec<Source>,
    /// Steps, in the file's order.
    pub steps: Vec<Step>,
    /// Checks, in the file's order.
    pub checks: Vec<Check>,
    /// Sinks, in the file's order.
    pub sinks: Vec<Sink>,
}

/// The `cache:` part.
#[derive(Clone, Debug)]
pub struct CacheSpec {
    /// The folder, absolute; `.everfresh` beside the pipeline file unless said otherwise.
    pub dir: PathBuf,
    /// The most bytes it may hold; 5 GB unless said otherwise.
    pub max_size: u64,
    /// Whether results are kept at all.
    pub enabled: bool,
    /// Part of every key: a new version leaves every old entry alone.
    pub version: u64,
}

/// Where a name stands in the pipeline file, in bytes.
pub type Span = Range<usize>;

/// A table that comes from outside.
#[derive(Clone, Debug)]
pub struct Source {
    /// Its name.
    pub name: String,
    /// Where the name stands.
    pub span: Span,
    /// Where it comes from.
    pub kind: SourceKind,
}

/// Where a source comes from.
#[derive(Clone, Debug)]
pub enum SourceKind {
    /// Files.
    File {
        /// An absolute path or glob, parameters filled in.
        pattern: String,
        /// How to read them.
        options: ReadOptions,
        /// `check: content`: hash the files on every run instead of trusting their stat.
        check_content: bool,
    },
    /// A query on a SQLite database.
    Sqlite {
        /// The database file, absolute.
        path: PathBuf,
        /// A table, or a query.
        query: SqliteQuery,
        /// How long what was read counts. Only with one may the query hang on the clock or on chance.
        ttl: Option<Duration>,
    },
    /// The body of a URL.
    Url {
        /// The URL, which may hold secrets.
        url: Secret,
        /// Headers to send.
        headers: Vec<(String, Secret)>,
        /// How long an answer is served without asking again; zero asks on every run.
        ttl: Duration,
        /// For how long after its `ttl` the last good answer may stand in for one that cannot be had. `None`: as long as
        /// the server cannot be reached, and for no other error.
        stale_if_error: Option<Duration>,
        /// The longest that one request may take.
        timeout: Duration,
        /// How to read the body.
        options: ReadOptions,
    },
}

/// What to ask of a SQLite database.
#[derive(Clone, Debug)]
pub enum SqliteQuery {
    /// A whole table.
    Table(String),
    /// A query, with values for its `?`.
    Query {
        /// The SQL.
        sql: String,
        /// The values.
        bind: Vec<ParamValue>,
    },
}

/// A computation.
#[derive(Clone, Debug)]
pub struct Step {
    /// Its name.
    pub name: String,
    /// Where the name stands.
    pub span: Span,
    /// What it computes.
    pub kind: StepKind,
    /// `per: partition`.
    pub per_partition: bool,
    /// The longest that one attempt may take.
    pub timeout: Option<Duration>,
    /// How many more attempts follow a failed one.
    pub retries: u32,
    /// `cache: { enabled }`: `false` computes it on every run.
    pub enabled: bool,
    /// `cache: { ttl }`.
    pub ttl: Option<Duration>,
    /// `cache: { tags }`.
    pub tags: Vec<String>,
}

/// What a step computes.
#[derive(Clone, Debug)]
pub enum StepKind {
    /// A query.
    Sql {
        /// Its text.
        text: String,
        /// Where the text comes from.
        origin: SqlOrigin,
    },
    /// Columns scaled in place.
    Scale {
        /// The input table, and where its name stands.
        from: (String, Span),
        /// Columns scaled to [0, 1] by their minimum and maximum.
        normalize: Vec<String>,
        /// Columns turned into z-scores.
        standardize: Vec<String>,
    },
    /// Rows summed up by group.
    Aggregate {
        /// The input table, and where its name stands.
        from: (String, Span),
        /// The columns to group by; none gives one row.
        by: Vec<String>,
        /// For each column, what to compute of it.
        columns: Vec<(String, Vec<AggregateFunction>)>,
    },
    /// What a function in Python makes of tables.
    Python {
        /// The function.
        function: PythonFunction,
        /// The input tables, and where their names stand.
        from: Vec<(String, Span)>,
    },
}

/// A function in a Python file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PythonFunction {
    /// The file, absolute.
    pub file: PathBuf,
    /// The file as the pipeline file names it.
    pub shown: String,
    /// The function's name.
    pub name: String,
}

/// Where a query's text comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SqlOrigin {
    /// The pipeline file; the span is that of the whole YAML scalar.
    Inline(Span),
    /// A file of its own, absolute.
    File(PathBuf),
}

/// What `aggregate` can compute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AggregateFunction {
    /// The mean.
    Mean,
    /// The sum.
    Sum,
    /// The smallest value.
    Min,
    /// The largest value.
    Max,
    /// How many values are not null.
    Count,
    /// How many different values there are.
    CountDistinct,
    /// The median.
    Median,
    /// The standard deviation of the sample.
    Std,
}

/// One check on one table.
#[derive(Clone, Debug)]
pub struct Check {
    /// The table that it is about.
    pub table: String,
    /// Where the check stands.
    pub span: Span,
    /// `not_null(carrier)`: unique within the table (a number is added where it is not).
    pub name: String,
    /// What must hold.
    pub kind: CheckKind,
    /// Whether a failure stops what depends on the table.
    pub severity: Severity,
    /// How many bad rows are still fine.
    pub max_bad: MaxBad,
}

/// How bad a failed check is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The run fails, and nothing that depends on the table runs.
    Error,
    /// It is told, and the run goes on.
    Warn,
}

/// How many bad rows are still fine.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum MaxBad {
    /// So many rows.
    Count(u64),
    /// So many in a hundred.
    Percent(f64),
}

/// What a check asks.
#[derive(Clone, Debug, PartialEq)]
pub enum CheckKind {
    /// None of these columns is null.
    NotNull(Vec<String>),
    /// No two rows agree in all of these columns (rows with a null among them do not count).
    Unique(Vec<String>),
    /// Values lie between the bounds, both included; an absent bound is open; nulls do not count.
    Range(Vec<(String, Option<f64>, Option<f64>)>),
    /// The number of rows lies between the bounds, both included.
    RowCount(Option<u64>, Option<u64>),
    /// Values are among these; nulls do not count.
    AcceptedValues(String, Vec<ParamValue>),
    /// Texts match; nulls do not count.
    Regex(String, String),
    /// Every value of `column` that is not null exists in column `key` of table `to`.
    Relationship {
        /// The column of the checked table.
        column: String,
        /// The other table, and where its name stands.
        to: (String, Span),
        /// The other table's column.
        key: String,
    },
    /// The table has these columns and types (in the engine's words), and with `exact` no others.
    Schema {
        /// Columns and their types.
        columns: Vec<(String, String)>,
        /// Whether other columns are a failure.
        exact: bool,
    },
    /// The newest timestamp of `column` is no older than `within`. Asked anew on every run.
    Freshness {
        /// The column.
        column: String,
        /// The greatest age.
        within: Duration,
    },
    /// The query's rows are failures.
    Sql {
        /// The query.
        text: String,
        /// Where its text comes from.
        origin: SqlOrigin,
    },
}

/// Where results go.
#[derive(Clone, Debug)]
pub struct Sink {
    /// Its name.
    pub name: String,
    /// Where the name stands.
    pub span: Span,
    /// The table that it writes, and where that name stands.
    pub from: (String, Span),
    /// Where to.
    pub kind: SinkKind,
}

/// Where a sink writes.
#[derive(Clone, Debug)]
pub enum SinkKind {
    /// A file.
    File {
        /// The file, absolute.
        path: PathBuf,
        /// Its format.
        format: SinkFormat,
    },
    /// A table of a SQLite database.
    Sqlite {
        /// The database file, absolute.
        path: PathBuf,
        /// The table.
        table: String,
        /// What happens to the rows that are there.
        mode: SinkMode,
    },
}

/// The formats that a file sink writes, told by the file's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SinkFormat {
    /// Comma-separated values with a header.
    Csv,
    /// Tab-separated values with a header.
    Tsv,
    /// One array of objects.
    Json,
    /// One object a line.
    Ndjson,
    /// Parquet, compressed with zstd.
    Parquet,
    /// An Arrow IPC file.
    Arrow,
}

/// What happens to the rows that are in the target table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SinkMode {
    /// They go.
    Replace,
    /// They stay; every version of the input is added exactly once.
    Append,
    /// Those with the same key are replaced.
    Upsert(Vec<String>),
}
