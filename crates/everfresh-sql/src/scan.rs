//! Tables as DataFusion sees them: a schema, an exact number of rows, and a stream of batches.
//!
//! Invariant: nothing else about a table reaches the planner: no filter is taken over, no column has statistics, the
//! size in bytes is unknown. So a plan, and with it a result, is a function of the columns that are read, the schemas
//! (texts of Parquet files as views) and the row counts. Each run of a scan reads on a thread of its own and stays a few
//! batches ahead.

use crate::{batches::ExactBatches, physical::one_stream};
use async_trait::async_trait;
use datafusion::{
    arrow::datatypes::SchemaRef,
    catalog::{Session, TableProvider},
    common::{Result, Statistics, internal_err, stats::Precision, tree_node::TreeNodeRecursion},
    error::DataFusionError,
    execution::{SendableRecordBatchStream, TaskContext},
    logical_expr::{Expr, TableType},
    physical_expr::PhysicalExpr,
    physical_plan::{
        DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, statistics::StatisticsArgs,
        stream::RecordBatchReceiverStreamBuilder,
    },
};
use everfresh_pipeline::engine::{BoxError, TableScan};
use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

/// How many batches a scan reads ahead.
const AHEAD: usize = 2;

/// The first error that a scan of a query met, kept as it was.
#[derive(Clone, Debug, Default)]
pub(crate) struct Failure(Arc<Mutex<Option<BoxError>>>);

impl Failure {
    /// Keeps `error` if it is the first, and gives back what stands for it inside the engine.
    fn keep(&self, error: BoxError) -> DataFusionError {
        let message = error.to_string();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        DataFusionError::External(message.into())
    }

    /// The error, once.
    pub(crate) fn take(&self) -> Option<BoxError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// An input table of one query.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    pub(crate) name: String,
    pub(crate) scan: Arc<dyn TableScan>,
    /// Whether the query is run on one partition of this table at a time.
    pub(crate) partitioned: bool,
    /// Whether batches give up memory that they do not need.
    pub(crate) compact: bool,
    pub(crate) failure: Failure,
}

#[async_trait]
impl TableProvider for Table {
    fn schema(&self) -> SchemaRef {
        self.scan.schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        _: &dyn Session,
        projection: Option<&Vec<usize>>,
        _: &[Expr],
        _: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(Arc::new(ScanExec::new(self.clone(), projection)?))
    }
}

/// Reads some columns of a table.
#[derive(Debug)]
pub(crate) struct ScanExec {
    table: Table,
    projection: Vec<usize>,
    properties: Arc<PlanProperties>,
}

impl ScanExec {
    fn new(table: Table, projection: Option<&Vec<usize>>) -> Result<Self> {
        let whole = table.scan.schema();
        let projection = projection.cloned().unwrap_or_else(|| (0..whole.fields().len()).collect());
        let schema = Arc::new(whole.project(&projection)?);
        Ok(Self { table, projection, properties: one_stream(schema) })
    }

    pub(crate) fn is_partitioned(&self) -> bool {
        self.table.partitioned
    }

    pub(crate) fn rows(&self) -> u64 {
        self.table.scan.rows()
    }
}

impl DisplayAs for ScanExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ScanExec: {}, columns={:?}", self.table.name, self.projection)
    }
}

impl ExecutionPlan for ScanExec {
    fn name(&self) -> &str {
        "ScanExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        if children.is_empty() { Ok(self) } else { internal_err!("a scan has no input") }
    }

    fn statistics_from_inputs(&self, _: &[Arc<Statistics>], _: &StatisticsArgs) -> Result<Arc<Statistics>> {
        let rows = usize::try_from(self.rows()).map_or(Precision::Absent, Precision::Exact);
        Ok(Arc::new(Statistics::new_unknown(&self.schema()).with_num_rows(rows)))
    }

    fn execute(&self, _: usize, _: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let schema = self.schema();
        let mut stream = RecordBatchReceiverStreamBuilder::new(Arc::clone(&schema), AHEAD);
        let sender = stream.tx();
        let (table, projection) = (self.table.clone(), self.projection.clone());
        stream.spawn_blocking(move || {
            let source = table.scan.scan(&projection).map_err(|error| table.failure.keep(error))?;
            let mut rows = 0;
            for batch in ExactBatches::new(source, schema, table.compact) {
                let batch = batch.map_err(|error| table.failure.keep(error))?;
                rows += batch.num_rows() as u64;
                if sender.blocking_send(Ok(batch)).is_err() {
                    // Nobody wants more: the query has what it needs, failed, or was cancelled.
                    return Ok(());
                }
            }
            if rows != table.scan.rows() {
                // The plan may have used the count, so the result cannot be trusted.
                let promised = table.scan.rows();
                let changed = format!("`{}` gave {rows} rows and not the {promised} that it has", table.name);
                return Err(table.failure.keep(changed.into()));
            }
            Ok(())
        });
        Ok(stream.build())
    }
}
