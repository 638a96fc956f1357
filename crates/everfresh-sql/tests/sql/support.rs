//! Tables in memory, and short ways to plan and run a query over them.

use arrow::{
    array::{ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, RecordBatchOptions, StringArray},
    compute::concat_batches,
    datatypes::SchemaRef,
    util::display::{ArrayFormatter, FormatOptions},
};
use everfresh_pipeline::engine::{
    Batches, BoxError, Cancel, ParamValue, ParsedSql, PlanRequest, PlannedQuery, QueryEngine, SqlError, TableScan,
};
use everfresh_sql::{DataFusionEngine, EngineOptions};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
};

/// A table in memory, handed out in batches of the sizes that it was made of.
#[derive(Debug)]
pub struct Memory {
    pub schema: SchemaRef,
    pub batches: Vec<RecordBatch>,
    /// What `rows` says, where it lies.
    pub claimed: Option<u64>,
    /// Fails after this many batches.
    pub fails_after: Option<usize>,
    /// Goes on for ever.
    pub endless: bool,
    /// How many iterators over this table there are.
    pub open: Arc<AtomicUsize>,
}

struct Rows {
    batches: Box<dyn Iterator<Item = Result<RecordBatch, BoxError>> + Send>,
    open: Arc<AtomicUsize>,
}

impl Iterator for Rows {
    type Item = Result<RecordBatch, BoxError>;
    fn next(&mut self) -> Option<Self::Item> {
        self.batches.next()
    }
}

impl Drop for Rows {
    fn drop(&mut self) {
        self.open.fetch_sub(1, Ordering::SeqCst);
    }
}

impl TableScan for Memory {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn rows(&self) -> u64 {
        self.claimed.unwrap_or_else(|| self.batches.iter().map(|batch| batch.num_rows() as u64).sum())
    }

    fn scan(&self, projection: &[usize]) -> Result<Batches, BoxError> {
        let projected: Vec<RecordBatch> =
            self.batches.iter().map(|batch| batch.project(projection)).collect::<Result<_, _>>()?;
        let fails_after = self.fails_after;
        let rows = projected.into_iter().map(Ok);
        let batches: Box<dyn Iterator<Item = Result<RecordBatch, BoxError>> + Send> = if self.endless {
            let all: Vec<RecordBatch> = rows.collect::<Result<_, BoxError>>()?;
            Box::new(all.into_iter().cycle().map(Ok))
        } else if let Some(good) = fails_after {
            Box::new(rows.take(good).chain([Err(BoxError::from("`data/flights.csv` row 7: no number"))]))
        } else {
            Box::new(rows)
        };
        self.open.fetch_add(1, Ordering::SeqCst);
        Ok(Box::new(Rows { batches, open: Arc::clone(&self.open) }))
    }
}

/// A table of these columns.
pub fn table(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true))).unwrap()
}

pub fn ints(values: impl IntoIterator<Item = i64>) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(values))
}

pub fn maybe_ints(values: impl IntoIterator<Item = Option<i64>>) -> ArrayRef {
    Arc::new(Int64Array::from_iter(values))
}

pub fn floats(values: impl IntoIterator<Item = f64>) -> ArrayRef {
    Arc::new(Float64Array::from_iter_values(values))
}

pub fn texts<T: AsRef<str>>(values: impl IntoIterator<Item = T>) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(values))
}

pub fn bools(values: impl IntoIterator<Item = bool>) -> ArrayRef {
    Arc::new(BooleanArray::from_iter(values.into_iter().map(Some)))
}

/// The table as one batch.
pub fn whole(batch: &RecordBatch) -> Memory {
    cut(batch, &[batch.num_rows()])
}

/// The table in batches of these sizes, which must add up.
pub fn cut(batch: &RecordBatch, sizes: &[usize]) -> Memory {
    let mut from = 0;
    let batches = sizes.iter().map(|size| {
        from += size;
        batch.slice(from - size, *size)
    });
    let batches: Vec<_> = batches.collect();
    assert_eq!(from, batch.num_rows(), "the sizes must add up");
    Memory { schema: batch.schema(), batches, claimed: None, fails_after: None, endless: false, open: Arc::default() }
}

pub type Tables = Vec<(String, Arc<dyn TableScan>)>;

pub fn tables(named: Vec<(&str, Memory)>) -> Tables {
    named.into_iter().map(|(name, table)| (name.to_owned(), Arc::new(table) as Arc<dyn TableScan>)).collect()
}

/// `flights` and `carriers`, small enough to reckon with by hand.
pub fn small() -> Tables {
    let flights = table(vec![
        ("id", ints(1..=6)),
        ("carrier", texts(["UA", "AA", "UA", "ZZ", "AA", "UA"])),
        ("delay", maybe_ints([Some(10), Some(-5), None, Some(3), Some(20), Some(10)])),
        ("Origin", texts(["JFK", "EWR", "JFK", "LGA", "EWR", "LGA"])),
    ]);
    let carriers = table(vec![
        ("carrier", texts(["AA", "UA", "DL"])),
        ("name", texts(["American", "United", "Delta"])),
        ("active", bools([true, true, false])),
    ]);
    tables(vec![("flights", whole(&flights)), ("carriers", whole(&carriers))])
}

/// One engine for all tests: queries share it, as steps do.
pub fn engine() -> &'static DataFusionEngine {
    static ENGINE: OnceLock<DataFusionEngine> = OnceLock::new();
    ENGINE.get_or_init(|| DataFusionEngine::new(EngineOptions { memory: None, spill_dir: None, threads: 2 }))
}

#[derive(Clone, Default)]
pub struct Ask<'a> {
    pub params: BTreeMap<String, ParamValue>,
    pub allow_unrepeatable: bool,
    pub partition_wise: Option<&'a str>,
}

pub fn plan_with(sql: &str, tables: &Tables, ask: &Ask<'_>) -> Result<Box<dyn PlannedQuery>, SqlError> {
    engine().plan(PlanRequest {
        sql,
        params: &ask.params,
        tables,
        allow_unrepeatable: ask.allow_unrepeatable,
        partition_wise: ask.partition_wise,
    })
}

pub fn plan(sql: &str, tables: &Tables) -> Result<Box<dyn PlannedQuery>, SqlError> {
    plan_with(sql, tables, &Ask::default())
}

pub fn run_with(sql: &str, tables: &Tables, ask: &Ask<'_>) -> Result<RecordBatch, BoxError> {
    collect(plan_with(sql, tables, ask)?)
}

pub fn collect(query: Box<dyn PlannedQuery>) -> Result<RecordBatch, BoxError> {
    let schema = query.schema();
    let batches: Vec<RecordBatch> = query.execute(Cancel::default())?.collect::<Result<_, _>>()?;
    if schema.fields().is_empty() {
        let rows = batches.iter().map(RecordBatch::num_rows).sum();
        let rows = RecordBatchOptions::new().with_row_count(Some(rows));
        return Ok(RecordBatch::try_new_with_options(schema, vec![], &rows)?);
    }
    Ok(concat_batches(&schema, &batches)?)
}

/// The result of a query that works.
pub fn run(sql: &str, tables: &Tables) -> RecordBatch {
    run_with(sql, tables, &Ask::default()).unwrap_or_else(|error| panic!("{sql}: {error}"))
}

/// The rows of a result, columns parted by `|`, in order.
pub fn rows(batch: &RecordBatch) -> Vec<String> {
    let options = FormatOptions::default();
    let columns: Vec<ArrayFormatter<'_>> =
        batch.columns().iter().map(|column| ArrayFormatter::try_new(column, &options).unwrap()).collect();
    (0..batch.num_rows())
        .map(|row| columns.iter().map(|column| column.value(row).to_string()).collect::<Vec<_>>().join("|"))
        .collect()
}

/// The error of a query that must not be planned.
pub fn refused_with(sql: &str, tables: &Tables, ask: &Ask<'_>) -> SqlError {
    match plan_with(sql, tables, ask) {
        Ok(_) => panic!("accepted: {sql}"),
        Err(error) => error,
    }
}

pub fn refused(sql: &str, tables: &Tables) -> SqlError {
    refused_with(sql, tables, &Ask::default())
}

/// What an error points at.
pub fn pointed<'a>(error: &SqlError, sql: &'a str) -> &'a str {
    let span = error.span.clone().unwrap_or_else(|| panic!("no span: {error:?}"));
    &sql[span]
}

pub fn parse(sql: &str) -> ParsedSql {
    engine().parse(sql).unwrap_or_else(|error| panic!("{sql}: {error:?}"))
}
