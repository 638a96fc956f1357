//! Which side of a join is held in memory (built) and which is streamed past it (probed).
//!
//! The rows of a hash join come in the order of the probed side. So:
//!
//! - A table that is read partition by partition is always on the probed side, and a join without an equality becomes
//!   a hash join on a constant, whose rows come in that order too (those of a cross join or nested loop come in an
//!   order that hangs on where batches end). One run over the whole table then gives the rows of the partitions' runs,
//!   one after the other.
//! - Else the side with fewer rows is built: estimated from the tables' row counts and the shape of the plan alone, so
//!   that the order is a function of what the query reads. When in doubt the left side is probed, which keeps the
//!   order of the table that `from` names first.
//!
//! `not in` over a nullable column has its sides fixed by DataFusion, the left one built. Its rows are put back into
//! the order of that side by number.

use super::{
    any_below,
    row_number::{RowNumberExec, without_last},
};
use crate::scan::ScanExec;
use datafusion::{
    common::{
        JoinType, Result, ScalarValue,
        config::ConfigOptions,
        internal_err,
        tree_node::{Transformed, TransformedResult, TreeNode},
    },
    physical_expr::{LexOrdering, PhysicalExpr, expressions::Literal},
    physical_optimizer::PhysicalOptimizerRule,
    physical_plan::{
        ExecutionPlan,
        aggregates::AggregateExec,
        filter::FilterExec,
        joins::{
            CrossJoinExec, HashJoinExec, HashJoinExecBuilder, NestedLoopJoinExec, PartitionMode, utils::JoinFilter,
        },
        sorts::sort::SortExec,
    },
};
use std::sync::Arc;

/// Chooses the sides of every join.
#[derive(Debug)]
pub(crate) struct JoinSides;

impl PhysicalOptimizerRule for JoinSides {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|plan| {
            let chosen = if let Some(join) = plan.downcast_ref::<HashJoinExec>() {
                hash(join)?
            } else if let Some(join) = plan.downcast_ref::<NestedLoopJoinExec>() {
                let projection = join.projection().as_ref().map(|columns| columns.to_vec());
                match partitioned(join.left(), join.right()) {
                    Some(side) => {
                        let constant = on_constant(join.left(), join.right(), *join.join_type(), join.filter());
                        probe(&constant.with_projection(projection).build()?, side)?
                    }
                    None if join.join_type().supports_swap() && rows(join.left()) > rows(join.right()) => {
                        join.swap_inputs()?
                    }
                    None => return Ok(Transformed::no(plan)),
                }
            } else if let Some(join) = plan.downcast_ref::<CrossJoinExec>() {
                match partitioned(join.left(), join.right()) {
                    Some(side) => probe(&on_constant(join.left(), join.right(), JoinType::Inner, None).build()?, side)?,
                    None if rows(join.left()) > rows(join.right()) => join.swap_inputs()?,
                    None => return Ok(Transformed::no(plan)),
                }
            } else {
                return Ok(Transformed::no(plan));
            };
            Ok(Transformed::yes(chosen))
        })
        .data()
    }

    fn name(&self) -> &str {
        "join_sides"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Side {
    Left,
    Right,
}

/// The side that reads the table that is read in partitions.
fn partitioned(left: &Arc<dyn ExecutionPlan>, right: &Arc<dyn ExecutionPlan>) -> Option<Side> {
    let below = |plan: &Arc<dyn ExecutionPlan>| {
        any_below(plan.as_ref(), &|plan| plan.downcast_ref::<ScanExec>().is_some_and(ScanExec::is_partitioned))
    };
    match (below(left), below(right)) {
        (true, _) => Some(Side::Left),
        (_, true) => Some(Side::Right),
        _ => None,
    }
}

fn hash(join: &HashJoinExec) -> Result<Arc<dyn ExecutionPlan>> {
    let side = partitioned(join.left(), join.right());
    if join.null_aware {
        return if side == Some(Side::Left) { in_left_order(join) } else { built_left(join) };
    }
    let fewer_on_the_left = || rows(join.left()) < rows(join.right());
    let side = side.unwrap_or_else(|| if fewer_on_the_left() { Side::Right } else { Side::Left });
    probe(join, side)
}

/// The join with `side` probed.
fn probe(join: &HashJoinExec, side: Side) -> Result<Arc<dyn ExecutionPlan>> {
    match side {
        Side::Right => built_left(join),
        Side::Left if join.join_type().supports_swap() => join.swap_inputs(PartitionMode::CollectLeft),
        Side::Left => internal_err!("the sides of a {} join cannot be swapped", join.join_type()),
    }
}

fn built_left(join: &HashJoinExec) -> Result<Arc<dyn ExecutionPlan>> {
    Ok(Arc::new(join.builder().with_partition_mode(PartitionMode::CollectLeft).build()?))
}

/// An anti join whose built side is the left one, in the order of the left side. Its columns are the left side's.
fn in_left_order(join: &HashJoinExec) -> Result<Arc<dyn ExecutionPlan>> {
    if *join.join_type() != JoinType::LeftAnti || join.contains_projection() {
        return internal_err!("a null-aware join that is no plain anti join");
    }
    let numbered = RowNumberExec::new(Arc::clone(join.left()));
    let Some(keys) = LexOrdering::new([numbered.key()]) else {
        return internal_err!("a sort without a key");
    };
    let join =
        HashJoinExecBuilder::new(Arc::new(numbered), Arc::clone(join.right()), join.on().to_vec(), JoinType::LeftAnti)
            .with_filter(join.filter().cloned())
            .with_null_equality(join.null_equality())
            .with_null_aware(true)
            .with_partition_mode(PartitionMode::CollectLeft)
            .build()?;
    without_last(Arc::new(SortExec::new(keys, Arc::new(join))))
}

/// A join without an equality as a hash join whose every pair of rows has the same key.
fn on_constant(
    left: &Arc<dyn ExecutionPlan>,
    right: &Arc<dyn ExecutionPlan>,
    kind: JoinType,
    filter: Option<&JoinFilter>,
) -> HashJoinExecBuilder {
    let one = || Arc::new(Literal::new(ScalarValue::Int32(Some(1)))) as Arc<dyn PhysicalExpr>;
    HashJoinExecBuilder::new(Arc::clone(left), Arc::clone(right), vec![(one(), one())], kind)
        .with_filter(filter.cloned())
        .with_partition_mode(PartitionMode::CollectLeft)
}

/// About how many rows a plan gives: from the row counts of the tables and the operators above them, nothing else.
fn rows(plan: &Arc<dyn ExecutionPlan>) -> u64 {
    let child = |at: usize| plan.children().get(at).map_or(0, |child| rows(child));
    let estimate = if let Some(scan) = plan.downcast_ref::<ScanExec>() {
        scan.rows()
    } else if plan.is::<FilterExec>() {
        child(0) / 5
    } else if let Some(aggregate) = plan.downcast_ref::<AggregateExec>() {
        if aggregate.group_expr().is_empty() { 1 } else { child(0) / 4 }
    } else if let Some(join) = plan.downcast_ref::<HashJoinExec>() {
        match join.join_type() {
            JoinType::Inner | JoinType::Left | JoinType::Right | JoinType::Full => child(0).max(child(1)),
            JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark => child(0),
            JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark => child(1),
        }
    } else if plan.is::<CrossJoinExec>() || plan.is::<NestedLoopJoinExec>() {
        child(0).saturating_mul(child(1))
    } else if plan.children().is_empty() {
        1
    } else {
        plan.children().into_iter().fold(0, |sum, child| rows(child).saturating_add(sum))
    };
    plan.fetch().map_or(estimate, |fetch| estimate.min(fetch as u64))
}
