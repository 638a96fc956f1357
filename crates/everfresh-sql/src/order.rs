//! Whether an order is total: whether rows that tie in it are the same row, or cannot be told apart.
//!
//! Two claims about a plan and a list of sort keys over its columns, both on the safe side (`false` means "not shown"):
//!
//! - [`unique`]: no two of its rows tie in all keys.
//! - [`determined`]: rows that tie in all keys are equal in all columns.

use datafusion::{
    common::{
        Column, DFSchema, JoinType, Result,
        tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion},
    },
    logical_expr::{Aggregate, Distinct, Expr, FetchType, Join, Limit, LogicalPlan, Projection, Volatility},
};

/// Whether rows of `plan` that tie in `keys` are equal.
pub(crate) fn determined(plan: &LogicalPlan, keys: &[Expr]) -> bool {
    if unique(plan, keys) || all_covered(plan.schema(), keys) {
        return true;
    }
    match plan {
        LogicalPlan::Projection(projection) => {
            let below = through(keys, plan.schema(), &projection.expr);
            projection.expr.iter().all(|expr| covered(expr, &below)) || determined(&projection.input, &below)
        }
        LogicalPlan::SubqueryAlias(alias) => {
            determined(&alias.input, &renamed(keys, plan.schema(), alias.input.schema()))
        }
        LogicalPlan::Filter(filter) => determined(&filter.input, keys),
        LogicalPlan::Sort(sort) => determined(&sort.input, keys),
        LogicalPlan::Limit(limit) => determined(&limit.input, keys),
        LogicalPlan::Distinct(Distinct::All(input)) => determined(input, keys),
        LogicalPlan::Join(join) => sides(join, |side| determined(side, keys)),
        _ => false,
    }
}

/// Whether no two rows of `plan` tie in `keys`.
fn unique(plan: &LogicalPlan, keys: &[Expr]) -> bool {
    if at_most_one_row(plan) {
        return true;
    }
    match plan {
        LogicalPlan::Aggregate(aggregate) => groups_covered(aggregate, keys),
        LogicalPlan::Distinct(Distinct::All(input)) => all_covered(plan.schema(), keys) || unique(input, keys),
        LogicalPlan::Distinct(Distinct::On(distinct)) => {
            let below = through(keys, plan.schema(), &distinct.select_expr);
            distinct.on_expr.iter().all(|expr| covered(expr, &below))
        }
        LogicalPlan::Projection(projection) => {
            unique(&projection.input, &through(keys, plan.schema(), &projection.expr))
        }
        LogicalPlan::SubqueryAlias(alias) => unique(&alias.input, &renamed(keys, plan.schema(), alias.input.schema())),
        LogicalPlan::Filter(filter) => unique(&filter.input, keys),
        LogicalPlan::Sort(sort) => unique(&sort.input, keys),
        LogicalPlan::Limit(limit) => unique(&limit.input, keys),
        LogicalPlan::Window(window) => unique(&window.input, keys),
        LogicalPlan::Join(join) => sides(join, |side| unique(side, keys)),
        _ => false,
    }
}

/// Whether `plan` surely gives no second row.
pub(crate) fn at_most_one_row(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Aggregate(aggregate) => aggregate.group_expr.iter().all(|expr| matches!(expr, Expr::Literal(..))),
        LogicalPlan::EmptyRelation(_) => true,
        LogicalPlan::Values(values) => values.values.len() <= 1,
        LogicalPlan::Projection(projection) => at_most_one_row(&projection.input),
        LogicalPlan::SubqueryAlias(alias) => at_most_one_row(&alias.input),
        LogicalPlan::Filter(filter) => at_most_one_row(&filter.input),
        LogicalPlan::Sort(sort) => at_most_one_row(&sort.input),
        LogicalPlan::Window(window) => at_most_one_row(&window.input),
        LogicalPlan::Distinct(Distinct::All(input)) => at_most_one_row(input),
        LogicalPlan::Limit(limit) => {
            matches!(limit.get_fetch_type(), Ok(FetchType::Literal(Some(0 | 1)))) || at_most_one_row(&limit.input)
        }
        LogicalPlan::Join(join) => sides(join, at_most_one_row),
        _ => false,
    }
}

/// Whether the rows that `limit` keeps are determined.
pub(crate) fn limit_is_total(limit: &Limit) -> bool {
    let all = limit.skip.is_none() && matches!(limit.get_fetch_type(), Ok(FetchType::Literal(None)));
    let none = matches!(limit.get_fetch_type(), Ok(FetchType::Literal(Some(0))));
    if all || none || at_most_one_row(&limit.input) {
        return true;
    }
    // Down to the sort, with what the kept rows show said in terms of the columns that are sorted.
    let mut shown: Vec<Expr> = limit.input.schema().columns().into_iter().map(Expr::Column).collect();
    let mut plan = limit.input.as_ref();
    while let LogicalPlan::Projection(Projection { expr, input, schema, .. }) = plan {
        shown = through(&shown, schema, expr);
        plan = input;
    }
    let LogicalPlan::Sort(sort) = plan else { return false };
    let keys: Vec<Expr> = sort.expr.iter().map(|sort| sort.expr.clone()).collect();
    determined(&sort.input, &keys) || shown.iter().all(|expr| determined_by(expr, &sort.input, &keys))
}

/// Whether rows of `plan` that tie in `keys` have the same `expr`.
fn determined_by(expr: &Expr, plan: &LogicalPlan, keys: &[Expr]) -> bool {
    if covered(expr, keys) {
        return true;
    }
    match plan {
        LogicalPlan::Projection(projection) => {
            let below = through(keys, plan.schema(), &projection.expr);
            let expr = through(std::slice::from_ref(expr), plan.schema(), &projection.expr);
            expr.iter().all(|expr| determined_by(expr, &projection.input, &below))
        }
        _ => false,
    }
}

/// Whether equal `keys` mean an equal `expr`: it is one of them, or made of nothing but them.
pub(crate) fn covered(expr: &Expr, keys: &[Expr]) -> bool {
    if let Expr::Alias(alias) = expr {
        return covered(&alias.expr, keys);
    }
    if keys.contains(expr) || matches!(expr, Expr::Literal(..)) {
        return true;
    }
    let of_its_parts_alone = match expr {
        Expr::ScalarFunction(call) => call.func.signature().volatility == Volatility::Immutable,
        Expr::BinaryExpr(_)
        | Expr::Not(_)
        | Expr::IsNull(_)
        | Expr::IsNotNull(_)
        | Expr::Negative(_)
        | Expr::Between(_)
        | Expr::Case(_)
        | Expr::Cast(_)
        | Expr::TryCast(_)
        | Expr::Like(_)
        | Expr::InList(_) => true,
        _ => false,
    };
    let mut parts_covered = of_its_parts_alone;
    if parts_covered {
        let walked = expr.apply_children(|part| {
            parts_covered &= covered(part, keys);
            Ok(TreeNodeRecursion::Continue)
        });
        parts_covered &= walked.is_ok();
    }
    parts_covered
}

fn all_covered(schema: &DFSchema, keys: &[Expr]) -> bool {
    schema.columns().into_iter().all(|column| covered(&Expr::Column(column), keys))
}

fn groups_covered(aggregate: &Aggregate, keys: &[Expr]) -> bool {
    let columns = aggregate.schema.columns();
    let grouping_sets = aggregate.group_expr.iter().any(|expr| matches!(expr, Expr::GroupingSet(_)));
    !grouping_sets
        && aggregate.group_expr.iter().zip(columns).all(|(group, column)| {
            matches!(group, Expr::Literal(..)) || covered(&Expr::Column(column), keys) || covered(group, keys)
        })
}

/// Whether both sides of a join hold, or the one that its rows are made of.
fn sides(join: &Join, holds: impl Fn(&LogicalPlan) -> bool) -> bool {
    match join.join_type {
        JoinType::Inner | JoinType::Left | JoinType::Right => holds(&join.left) && holds(&join.right),
        JoinType::LeftSemi | JoinType::LeftAnti => holds(&join.left),
        JoinType::RightSemi | JoinType::RightAnti => holds(&join.right),
        // A row of one side and a row of the other, each without a partner, may tie in keys that are null.
        JoinType::Full | JoinType::LeftMark | JoinType::RightMark => false,
    }
}

/// `exprs` over the columns of a projection with `schema`, said in terms of what it projects.
fn through(exprs: &[Expr], schema: &DFSchema, projected: &[Expr]) -> Vec<Expr> {
    replaced(exprs, &|column| projected.get(schema.maybe_index_of_column(column)?).map(|expr| expr.clone().unalias()))
}

/// `exprs` over the columns `from`, said in terms of the columns at the same places of `to`.
fn renamed(exprs: &[Expr], from: &DFSchema, to: &DFSchema) -> Vec<Expr> {
    replaced(exprs, &|column| {
        let at = from.maybe_index_of_column(column)?;
        (at < to.fields().len()).then(|| Expr::Column(Column::from(to.qualified_field(at))))
    })
}

fn replaced(exprs: &[Expr], replacement: &dyn Fn(&Column) -> Option<Expr>) -> Vec<Expr> {
    let replace = |expr: &Expr| -> Result<Expr> {
        expr.clone()
            .transform_down(|expr| match &expr {
                Expr::Column(column) => Ok(match replacement(column) {
                    // What took its place is about other columns: do not look into it.
                    Some(found) => Transformed::new(found, true, TreeNodeRecursion::Jump),
                    None => Transformed::no(expr),
                }),
                _ => Ok(Transformed::no(expr)),
            })
            .data()
    };
    exprs.iter().map(|expr| replace(expr).unwrap_or_else(|_| expr.clone())).collect()
}
