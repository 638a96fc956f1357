//! `union all`: the inputs, one after the other.
//!
//! DataFusion's union hands out its inputs side by side and leaves the order to whoever merges them, which is the order
//! in which threads happen to be ready.

use super::one_stream;
use datafusion::{
    arrow::{
        array::{RecordBatch, RecordBatchOptions},
        datatypes::SchemaRef,
    },
    common::{
        Result,
        config::ConfigOptions,
        tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion},
    },
    execution::{SendableRecordBatchStream, TaskContext},
    physical_expr::PhysicalExpr,
    physical_optimizer::PhysicalOptimizerRule,
    physical_plan::{
        DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, PlanProperties,
        stream::RecordBatchStreamAdapter, union::UnionExec,
    },
};
use futures::{StreamExt, TryStreamExt};
use std::{fmt, sync::Arc};

/// Puts a [`ConcatExec`] in the place of every union.
#[derive(Debug)]
pub(crate) struct Concat;

impl PhysicalOptimizerRule for Concat {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|plan| match plan.downcast_ref::<UnionExec>() {
            Some(union) => Ok(Transformed::yes(Arc::new(ConcatExec::new(union.schema(), union.inputs().clone())) as _)),
            None => Ok(Transformed::no(plan)),
        })
        .data()
    }

    fn name(&self) -> &str {
        "concat"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// All partitions of all inputs, in order.
#[derive(Debug)]
pub(crate) struct ConcatExec {
    inputs: Vec<Arc<dyn ExecutionPlan>>,
    properties: Arc<PlanProperties>,
}

impl ConcatExec {
    fn new(schema: SchemaRef, inputs: Vec<Arc<dyn ExecutionPlan>>) -> Self {
        Self { inputs, properties: one_stream(schema) }
    }
}

impl DisplayAs for ConcatExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConcatExec")
    }
}

impl ExecutionPlan for ConcatExec {
    fn name(&self) -> &str {
        "ConcatExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        self.inputs.iter().collect()
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(self: Arc<Self>, inputs: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(Arc::new(Self::new(self.schema(), inputs)))
    }

    fn execute(&self, _: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let parts: Vec<_> = self
            .inputs
            .iter()
            .flat_map(|input| (0..input.output_partitioning().partition_count()).map(|part| (Arc::clone(input), part)))
            .collect();
        let schema = self.schema();
        let stamped = Arc::clone(&schema);
        let rows = futures::stream::iter(parts)
            .map(move |(input, part)| input.execute(part, Arc::clone(&context)))
            .try_flatten()
            .map(move |batch| stamp(batch?, &stamped));
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, rows)))
    }
}

/// The batch under the union's own schema: names and nullability of the inputs may differ from it.
fn stamp(batch: RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    let rows = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(Arc::clone(schema), batch.columns().to_vec(), &rows)?)
}
