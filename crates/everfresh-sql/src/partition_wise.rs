//! Queries that work partition by partition: run on each partition of a table, with the results put one after the
//! other, they give the rows of one run over the whole table.
//!
//! Checked on the optimised plan, which is what runs. From the scan of that table up to the result there may be
//! nothing but projections, filters, unnesting, and joins with other tables that keep or drop or repeat each of its
//! rows by itself. Everything else is refused, also where it would do no harm.

use crate::{reads::with_table, text::Text};
use datafusion::{
    common::{
        JoinType, Result,
        tree_node::{TreeNode, TreeNodeRecursion},
    },
    error::DataFusionError,
    logical_expr::{Distinct, Expr, LogicalPlan},
    sql::sqlparser::keywords::Keyword,
};
use everfresh_pipeline::engine::{SqlError, SqlErrorKind};
use std::ops::Range;

/// Refuses `plan` unless it works partition by partition over `table`.
pub(crate) fn check(plan: &LogicalPlan, table: &str, text: &Text<'_>) -> Result<Result<(), SqlError>> {
    let refused = if scans(plan, table)? == 0 {
        // Its result would be repeated for every partition; nothing repeated is nothing.
        (!is_empty(plan)).then(|| Refused { what: "does not read it at all".to_owned(), span: text.word(table, 0) })
    } else {
        walk(plan, table, text)?
    };
    Ok(refused.map_or(Ok(()), |refused| {
        Err(SqlError {
            message: format!(
                "`per: partition` needs a query that works row by row over `{table}`, and this one {}",
                refused.what
            ),
            span: refused.span,
            help: Some(
                "leave out `per: partition`, or split the step: what works row by row first, the rest in a second step"
                    .to_owned(),
            ),
            kind: SqlErrorKind::NotPartitionWise,
        })
    }))
}

struct Refused {
    what: String,
    span: Option<Range<usize>>,
}

fn refused(what: impl Into<String>, span: Option<Range<usize>>) -> Result<Option<Refused>> {
    Ok(Some(Refused { what: what.into(), span }))
}

/// What is refused in `plan`, which reads `table` somewhere.
fn walk(plan: &LogicalPlan, table: &str, text: &Text<'_>) -> Result<Option<Refused>> {
    if in_expressions(plan, table)? {
        return refused("reads it in a subquery", text.word(table, 1));
    }
    match plan {
        LogicalPlan::TableScan(scan) => match scan.fetch {
            Some(_) => refused("has a `limit`", text.only(&[Keyword::LIMIT])),
            None => Ok(None),
        },
        LogicalPlan::Projection(projection) => walk(&projection.input, table, text),
        LogicalPlan::Filter(filter) => walk(&filter.input, table, text),
        LogicalPlan::SubqueryAlias(alias) => walk(&alias.input, table, text),
        LogicalPlan::Subquery(subquery) => walk(&subquery.subquery, table, text),
        LogicalPlan::Unnest(unnest) => walk(&unnest.input, table, text),
        LogicalPlan::Join(join) => {
            let span = || text.only(&[Keyword::JOIN]);
            let kept = match (scans(&join.left, table)? > 0, scans(&join.right, table)? > 0) {
                (true, true) => return refused("joins it with itself", text.word(table, 1)),
                (true, false) => matches!(
                    join.join_type,
                    JoinType::Inner | JoinType::Left | JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark
                )
                .then_some(&join.left),
                _ => matches!(
                    join.join_type,
                    JoinType::Inner | JoinType::Right | JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark
                )
                .then_some(&join.right),
            };
            match (kept, join.join_type) {
                (Some(side), _) => walk(side, table, text),
                (None, JoinType::Left | JoinType::Right | JoinType::Full) => {
                    refused("has an outer join that keeps the rows of the other side", span())
                }
                (None, _) => refused("keeps rows of another table by what is in it", span()),
            }
        }
        LogicalPlan::Aggregate(aggregate) => {
            let group = text.only(&[Keyword::GROUP, Keyword::BY]);
            match aggregate.aggr_expr.first() {
                Some(Expr::AggregateFunction(call)) => {
                    let name = call.func.name();
                    refused(format!("has an aggregate (`{name}`)"), group.or_else(|| text.call(name)))
                }
                Some(_) => refused("has an aggregate", group),
                None => refused(
                    "has a `distinct` or a `group by`",
                    text.only(&[Keyword::DISTINCT]).or(group).or_else(|| text.only(&[Keyword::UNION])),
                ),
            }
        }
        LogicalPlan::Distinct(Distinct::All(_) | Distinct::On(_)) => {
            refused("has a `distinct`", text.only(&[Keyword::DISTINCT]))
        }
        LogicalPlan::Sort(sort) if sort.fetch.is_some() => refused("has a `limit`", text.only(&[Keyword::LIMIT])),
        LogicalPlan::Sort(_) => refused("has an `order by`", text.only(&[Keyword::ORDER, Keyword::BY])),
        LogicalPlan::Limit(_) => refused("has a `limit`", text.only(&[Keyword::LIMIT])),
        LogicalPlan::Window(_) => refused("has a window function", text.only(&[Keyword::OVER])),
        LogicalPlan::Union(_) => refused("has a `union`", text.only(&[Keyword::UNION])),
        LogicalPlan::RecursiveQuery(_) => {
            refused("has a recursive common table expression", text.only(&[Keyword::RECURSIVE]))
        }
        other => refused(format!("has a {} over it", other.display()), None),
    }
}

/// How many scans of `table` there are in `plan`, its subqueries included.
fn scans(plan: &LogicalPlan, table: &str) -> Result<usize> {
    let mut count = 0;
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node
            && with_table(scan, |found| found.name == table) == Some(true)
        {
            count += 1;
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(count)
}

/// Whether the expressions of this node hold a subquery that reads `table`.
fn in_expressions(plan: &LogicalPlan, table: &str) -> Result<bool> {
    let mut reads = false;
    plan.apply_expressions(|expr| {
        expr.apply(|expr| {
            let subquery = match expr {
                Expr::ScalarSubquery(subquery) => Some(subquery),
                Expr::Exists(exists) => Some(&exists.subquery),
                Expr::InSubquery(within) => Some(&within.subquery),
                Expr::SetComparison(comparison) => Some(&comparison.subquery),
                _ => None,
            };
            if let Some(subquery) = subquery {
                reads |= scans(&subquery.subquery, table)? > 0;
            }
            Ok::<_, DataFusionError>(TreeNodeRecursion::Continue)
        })
    })?;
    Ok(reads)
}

/// Whether the optimiser has shown that there are no rows at all.
fn is_empty(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::EmptyRelation(relation) => !relation.produce_one_row,
        LogicalPlan::Projection(projection) => is_empty(&projection.input),
        LogicalPlan::Filter(filter) => is_empty(&filter.input),
        LogicalPlan::SubqueryAlias(alias) => is_empty(&alias.input),
        _ => false,
    }
}
