//! Physical operators and rules that keep the order of rows a function of the inputs.

pub(crate) mod concat;
pub(crate) mod join_sides;
pub(crate) mod probe_order;
pub(crate) mod row_number;
pub(crate) mod stable_sort;

use datafusion::{
    arrow::datatypes::SchemaRef,
    physical_expr::EquivalenceProperties,
    physical_plan::{
        ExecutionPlan, Partitioning, PlanProperties,
        execution_plan::{Boundedness, EmissionType},
    },
};
use std::sync::Arc;

/// What there is to know of an operator that streams one bounded partition in no declared order.
pub(crate) fn one_stream(schema: SchemaRef) -> Arc<PlanProperties> {
    Arc::new(PlanProperties::new(
        EquivalenceProperties::new(schema),
        Partitioning::UnknownPartitioning(1),
        EmissionType::Incremental,
        Boundedness::Bounded,
    ))
}

/// Whether `plan` or anything below it is an operator for which `test` holds.
pub(crate) fn any_below(plan: &dyn ExecutionPlan, test: &dyn Fn(&dyn ExecutionPlan) -> bool) -> bool {
    test(plan) || plan.children().into_iter().any(|child| any_below(child.as_ref(), test))
}
