//! Sorts that keep rows with equal keys in the order in which they came.
//!
//! DataFusion's sort is not stable, and how it breaks ties hangs on how much memory its batches seem to take and on
//! whether it spilled. With the number of the row as a last key there are no ties left: the sort of a sequence of rows
//! is then a function of that sequence.

use super::row_number::{RowNumberExec, without_last};
use datafusion::{
    common::{
        Result,
        config::ConfigOptions,
        tree_node::{Transformed, TransformedResult, TreeNode},
    },
    physical_expr::LexOrdering,
    physical_optimizer::PhysicalOptimizerRule,
    physical_plan::{ExecutionPlan, sorts::sort::SortExec},
};
use std::sync::Arc;

/// Puts the number of the row behind the keys of every sort.
#[derive(Debug)]
pub(crate) struct StableSort;

impl PhysicalOptimizerRule for StableSort {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|plan| match plan.downcast_ref::<SortExec>() {
            Some(sort) => Ok(Transformed::yes(stable(sort)?)),
            None => Ok(Transformed::no(plan)),
        })
        .data()
    }

    fn name(&self) -> &str {
        "stable_sort"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

fn stable(sort: &SortExec) -> Result<Arc<dyn ExecutionPlan>> {
    let numbered = RowNumberExec::new(Arc::clone(sort.input()));
    let mut keys: LexOrdering = sort.expr().clone();
    keys.push(numbered.key());
    let sort = SortExec::new(keys, Arc::new(numbered)).with_fetch(sort.fetch());
    without_last(Arc::new(sort))
}
