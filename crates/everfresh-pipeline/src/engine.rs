//! What a pipeline asks of a query engine. This crate names none: `everfresh-sql` implements these traits.

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fmt,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

/// The rows in every batch that a query reads, but for a table's last: results that depend on where batches end (the
/// last bits of a sum of floats) then depend on the rows alone, and not on how a file happened to be cut up.
pub const BATCH_ROWS: usize = 8192;

/// Any error, from below.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Batches, one after the other.
pub type Batches = Box<dyn Iterator<Item = Result<RecordBatch, BoxError>> + Send>;

/// A query engine.
pub trait QueryEngine: Send + Sync {
    /// Which engine this is, and which version: part of every key.
    fn version(&self) -> String;

    /// Reads SQL without any table at hand.
    fn parse(&self, sql: &str) -> Result<ParsedSql, SqlError>;

    /// Plans a query against its input tables. Nothing is read yet.
    fn plan(&self, request: PlanRequest<'_>) -> Result<Box<dyn PlannedQuery>, SqlError>;
}

/// What the text of a query tells by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParsedSql {
    /// The syntax tree written out again: without comments, with one kind of white space, keywords in one case and
    /// unquoted identifiers as the engine resolves them. Two texts with the same normal form are the same query.
    pub normal: String,
    /// The tables that it reads, each once, in order of first appearance. Names of common table expressions are not
    /// among them. Each comes with where it stands in the text.
    pub tables: Vec<(String, Range<usize>)>,
    /// The parameters that it names (`$year` is `year`), sorted, each with where it first stands in the text.
    pub params: Vec<(String, Range<usize>)>,
}

/// A bound parameter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ParamValue {
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number with a fraction.
    Float(f64),
    /// A text.
    Text(String),
}

impl fmt::Display for ParamValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => value.fmt(f),
            Self::Int(value) => value.fmt(f),
            Self::Float(value) => value.fmt(f),
            Self::Text(value) => value.fmt(f),
        }
    }
}

/// A table that a query can read.
pub trait TableScan: Send + Sync + fmt::Debug {
    /// Its columns.
    fn schema(&self) -> SchemaRef;
    /// Its number of rows, exact.
    fn rows(&self) -> u64;
    /// Reads the columns at `projection` (indices into the schema, in that order), in the table's row order, in
    /// batches of any size. An empty projection gives batches with no column and the right number of rows.
    fn scan(&self, projection: &[usize]) -> Result<Batches, BoxError>;
    /// The same table with its texts as views, if they are quicker to read so.
    fn with_views(&self) -> Option<Arc<dyn TableScan>> {
        None
    }
}

/// What to plan.
pub struct PlanRequest<'a> {
    /// The query.
    pub sql: &'a str,
    /// Values for its parameters; more than it names is fine.
    pub params: &'a BTreeMap<String, ParamValue>,
    /// Its input tables by name.
    pub tables: &'a [(String, Arc<dyn TableScan>)],
    /// Whether a query is accepted whose result is not a function of its inputs (`now()`, `limit` without a total
    /// order): only where a `ttl` bounds how long the result lives.
    pub allow_unrepeatable: bool,
    /// The table that is read partition by partition: refuse the query unless running it on each partition and
    /// putting the results one after the other gives the rows that one run over the whole table gives.
    pub partition_wise: Option<&'a str>,
}

/// A query that is ready to run.
pub trait PlannedQuery: Send {
    /// The columns of the result.
    fn schema(&self) -> SchemaRef;
    /// For each input table, the indices of the columns that the plan reads, sorted. Filters count. The result is a
    /// function of these columns, the tables' schemas and their numbers of rows.
    fn reads(&self) -> &BTreeMap<String, Vec<usize>>;
    /// Runs the query. The same inputs give the same rows in the same order, float sums included. When `cancel` is
    /// set, the iterator soon ends with an error.
    fn execute(self: Box<Self>, cancel: Cancel) -> Result<Batches, SqlError>;
}

/// Tells running work to stop, because somebody asked or because its time is over. Clones share one flag.
#[derive(Clone, Debug, Default)]
pub struct Cancel {
    flag: Arc<AtomicBool>,
    deadline: Option<Instant>,
}

impl Cancel {
    /// Asks everything that holds this flag to stop soon.
    pub fn cancel(&self) {
        self.flag.store(true, Ordering::SeqCst);
    }

    /// The same flag, which also counts as set when this much time is over; `None` adds no limit.
    pub fn within(&self, time: Option<Duration>) -> Self {
        Self {
            flag: self.flag.clone(),
            deadline: time.and_then(|time| Instant::now().checked_add(time)).or(self.deadline),
        }
    }

    /// Whether to stop.
    pub fn is_cancelled(&self) -> bool {
        self.flag.load(Ordering::SeqCst) || self.is_late()
    }

    /// Whether the time is over.
    pub fn is_late(&self) -> bool {
        self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }
}

/// Why a query could not be read, planned or run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SqlError {
    /// What is wrong, in one sentence, without the position.
    pub message: String,
    /// Where, in bytes into the SQL text.
    pub span: Option<Range<usize>>,
    /// What to do about it ("did you mean `carrier`?").
    pub help: Option<String>,
    /// What sort of failure it is.
    pub kind: SqlErrorKind,
}

/// Sorts of [`SqlError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SqlErrorKind {
    /// The text is no query, or does not fit its tables.
    Invalid,
    /// The result would not be a function of the inputs, and no `ttl` bounds it.
    Unrepeatable,
    /// It does not work partition by partition.
    NotPartitionWise,
    /// It failed while running.
    Runtime,
    /// It was told to stop.
    Cancelled,
}
