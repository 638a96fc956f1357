//! Outer joins whose rows come in the order of the probed side, those without a partner among them.
//!
//! DataFusion puts the probed rows that have no partner behind the others, batch by batch, unless the probed side is
//! declared to be sorted. So it is: by the number of the row. Only joins that keep every probed row need it.

use super::row_number::RowNumberExec;
use datafusion::{
    common::{
        JoinType, Result,
        config::ConfigOptions,
        tree_node::{Transformed, TransformedResult, TreeNode},
    },
    physical_optimizer::PhysicalOptimizerRule,
    physical_plan::{ExecutionPlan, joins::HashJoinExec},
};
use std::sync::Arc;

/// Numbers the probed rows of every right join, and leaves the number out of its result.
#[derive(Debug)]
pub(crate) struct ProbeOrder;

impl PhysicalOptimizerRule for ProbeOrder {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|plan| match plan.downcast_ref::<HashJoinExec>() {
            Some(join) if *join.join_type() == JoinType::Right => Ok(Transformed::yes(in_order(join)?)),
            _ => Ok(Transformed::no(plan)),
        })
        .data()
    }

    fn name(&self) -> &str {
        "probe_order"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

fn in_order(join: &HashJoinExec) -> Result<Arc<dyn ExecutionPlan>> {
    let columns = join.left().schema().fields().len() + join.right().schema().fields().len();
    // The number is the last column of both sides together, so no other column moves.
    let shown = join.projection.as_ref().map_or_else(|| (0..columns).collect(), |shown| shown.to_vec());
    let numbered = Arc::new(RowNumberExec::new(Arc::clone(join.right())));
    let join = join
        .builder()
        .with_projection(None)
        .with_new_children(vec![Arc::clone(join.left()), numbered])?
        .with_projection(Some(shown))
        .recompute_properties()
        .build()?;
    Ok(Arc::new(join))
}
