//! Running one query over its inputs: compute, look again, observe.
//!
//! What a table holds is told by its id, which was made before anything of it is read, and whether it still held that
//! afterwards by a second look. So fingerprints of columns may be made in between.

use super::{Context, context::now_ns};
use crate::{
    engine::{Cancel, PlanRequest, PlannedQuery, SqlError},
    fault::{Failure, Fault},
    query::Query,
    table::{Input, WrittenPart, write_part},
};
use arrow::{array::RecordBatch, datatypes::SchemaRef};
use everfresh::{Fingerprint, observation::Observation, table::TableHasher, trace::Trace};
use std::time::Instant;

/// How a query is meant.
#[derive(Clone, Debug, Default)]
pub struct Terms {
    /// Accept what is not a function of its inputs.
    pub allow_unrepeatable: bool,
    /// The input that is taken partition by partition.
    pub partition_of: Option<String>,
}

/// A planned query, and what it will read.
pub struct Prepared {
    planned: Box<dyn PlannedQuery>,
    /// What it will read.
    pub reads: Reads,
}

/// The columns that a query reads of each input, in the order of the inputs.
pub type Reads = Vec<Vec<usize>>;

/// Points an engine's error at the text that it is about.
pub fn sql_failure(query: &Query, error: SqlError) -> Fault {
    if error.kind == crate::engine::SqlErrorKind::Cancelled {
        return Fault::Cancelled;
    }
    Fault::Failed(Failure::Sql { error, sql: query.sql.clone(), written: query.origin.is_some() })
}

fn sql_fault(query: &Query, fault: Fault) -> Fault {
    match fault {
        Fault::Failed(Failure::Sql { error, .. }) => sql_failure(query, error),
        other => other,
    }
}

impl Prepared {
    /// Plans a query.
    pub fn new(context: &Context<'_>, query: &Query, inputs: &[Input], terms: &Terms) -> Result<Self, Fault> {
        let cache = context.cache;
        let open = |input: &Input| Ok((input.name.clone(), input.open(cache)?));
        let tables = inputs.iter().map(open).collect::<Result<Vec<_>, Fault>>()?;
        let planned = cache
            .engine()
            .plan(PlanRequest {
                sql: &query.sql,
                params: &query.params,
                tables: &tables,
                allow_unrepeatable: terms.allow_unrepeatable,
                partition_wise: terms.partition_of.as_deref(),
            })
            .map_err(|error| sql_failure(query, error))?;
        let reads: Reads =
            inputs.iter().map(|input| planned.reads().get(&input.name).cloned().unwrap_or_default()).collect();
        for ((_, scan), columns) in tables.iter().zip(&reads) {
            // Better told before the work than after it.
            TableHasher::new(&scan.schema(), columns).map_err(|error| Failure::Other(error.to_string()))?;
        }
        Ok(Self { planned, reads })
    }

    /// The columns of the result.
    pub fn schema(&self) -> SchemaRef {
        self.planned.schema()
    }

    /// Runs it into the cache.
    pub fn write(
        self,
        context: &Context<'_>,
        query: &Query,
        cancel: &Cancel,
        started: Instant,
        progress: &dyn Fn(u64),
    ) -> Result<(WrittenPart, Reads), Fault> {
        let schema = self.planned.schema();
        let batches = self.planned.execute(cancel.clone()).map_err(|error| sql_failure(query, error))?;
        let written = write_part(context.cache, &schema, batches, cancel, started, progress)
            .map_err(|fault| sql_fault(query, fault))?;
        Ok((written, self.reads))
    }

    /// Runs it and keeps the batches, for results that are known to be small.
    pub fn collect(self, query: &Query, cancel: &Cancel) -> Result<(Vec<RecordBatch>, Reads), Fault> {
        let batches = self.planned.execute(cancel.clone()).map_err(|error| sql_failure(query, error))?;
        let batches = batches.map(|batch| batch.map_err(|error| sql_fault(query, crate::table::from_box(error))));
        Ok((batches.collect::<Result<_, _>>()?, self.reads))
    }
}

/// What a computation sees of its inputs that reads these columns of each.
pub fn observe(context: &Context<'_>, inputs: &[Input], reads: &[Vec<usize>]) -> Result<Vec<Observation>, Fault> {
    let one = |(input, columns): (&Input, &Vec<usize>)| input.observe(context.cache, columns).map(Observation::Table);
    inputs.iter().zip(reads).map(one).collect()
}

/// What a computation saw of its inputs that read these columns of each; `None` if its result may not be stored, because
/// they are no longer what they were, or one stands in for a newer one.
pub fn observe_to_store(
    context: &Context<'_>,
    inputs: &[Input],
    reads: &Reads,
) -> Result<Option<Vec<Observation>>, Fault> {
    if !may_store(context, inputs)? {
        return Ok(None);
    }
    match observe(context, inputs, reads) {
        Ok(observations) => Ok(Some(observations)),
        // Touched while its columns were fingerprinted.
        Err(_) if !may_store(context, inputs)? => Ok(None),
        Err(fault) => Err(fault),
    }
}

/// Whether a result may be stored: its inputs are still what they were, and none stands in for a newer one.
pub fn may_store(context: &Context<'_>, inputs: &[Input]) -> Result<bool, Fault> {
    for input in inputs {
        if input.table.stale || !input.untouched(context.cache)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The trace of a computation that ends now and took `cost_ns`.
pub fn trace(observations: Vec<Observation>, output: Fingerprint, rows: u64, bytes: u64, cost_ns: u64) -> Trace {
    Trace { observations, output, cost_ns, bytes, rows, made_ns: now_ns(), expires_ns: None }
}
