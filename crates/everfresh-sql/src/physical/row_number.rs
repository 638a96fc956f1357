//! Rows with their number, counted from 0 in the order in which they come: what a sort needs to keep ties in order,
//! and what tells an operator that its input is in an order worth keeping.

use datafusion::{
    arrow::{
        array::{ArrayRef, RecordBatch, UInt64Array},
        datatypes::{DataType, Field, Schema, SchemaRef},
    },
    common::{Result, tree_node::TreeNodeRecursion},
    execution::{SendableRecordBatchStream, TaskContext},
    physical_expr::{EquivalenceProperties, Partitioning, PhysicalExpr, PhysicalSortExpr, expressions::Column},
    physical_plan::{
        DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties,
        execution_plan::{Boundedness, EmissionType},
        projection::{ProjectionExec, ProjectionExpr},
        stream::RecordBatchStreamAdapter,
    },
};
use futures::StreamExt;
use std::{fmt, sync::Arc};

const NAME: &str = "__everfresh_row";

/// Its input, with the number of the row as a last column.
#[derive(Debug)]
pub(crate) struct RowNumberExec {
    input: Arc<dyn ExecutionPlan>,
    properties: Arc<PlanProperties>,
}

impl RowNumberExec {
    pub(crate) fn new(input: Arc<dyn ExecutionPlan>) -> Self {
        let schema = input.schema();
        let mut fields: Vec<_> = schema.fields().iter().cloned().collect();
        fields.push(Arc::new(Field::new(NAME, DataType::UInt64, false)));
        let schema = Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()));
        let order = [key_at(schema.fields().len() - 1)];
        let properties = PlanProperties::new(
            EquivalenceProperties::new_with_orderings(schema, [order]),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Self { input, properties: Arc::new(properties) }
    }

    /// The row number as a sort key, the smallest first.
    pub(crate) fn key(&self) -> PhysicalSortExpr {
        key_at(self.input.schema().fields().len())
    }
}

fn key_at(column: usize) -> PhysicalSortExpr {
    PhysicalSortExpr::new_default(Arc::new(Column::new(NAME, column))).asc().nulls_first()
}

/// `plan` without its last column.
pub(crate) fn without_last(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    let schema = plan.schema();
    let kept = schema.fields().len().saturating_sub(1);
    let columns: Vec<ProjectionExpr> = schema.fields()[..kept]
        .iter()
        .enumerate()
        .map(|(at, field)| ProjectionExpr {
            expr: Arc::new(Column::new(field.name(), at)),
            alias: field.name().clone(),
        })
        .collect();
    Ok(Arc::new(ProjectionExec::try_new(columns, plan)?))
}

impl DisplayAs for RowNumberExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RowNumberExec")
    }
}

impl ExecutionPlan for RowNumberExec {
    fn name(&self) -> &str {
        "RowNumberExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        match children.into_iter().next() {
            Some(input) => Ok(Arc::new(Self::new(input))),
            None => datafusion::common::internal_err!("a row number needs an input"),
        }
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let schema = self.schema();
        let numbered = Arc::clone(&schema);
        let mut next = 0u64;
        let rows = self.input.execute(partition, context)?.map(move |batch| number(&batch?, &numbered, &mut next));
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, rows)))
    }
}

fn number(batch: &RecordBatch, schema: &SchemaRef, next: &mut u64) -> Result<RecordBatch> {
    let start = *next;
    *next += batch.num_rows() as u64;
    let mut columns = batch.columns().to_vec();
    columns.push(Arc::new(UInt64Array::from_iter_values(start..*next)) as ArrayRef);
    Ok(RecordBatch::try_new(Arc::clone(schema), columns)?)
}
