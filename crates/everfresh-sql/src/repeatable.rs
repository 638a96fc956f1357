//! Queries whose result is no function of their inputs: refused, but where a `ttl` bounds how long it lives.
//!
//! Looked for in the plan before it is optimised, in subqueries and common table expressions too: the optimiser
//! evaluates `now()` and drops what it can show not to matter. Our own runs would repeat some of what is refused here
//! (they keep the order of rows), but only because of an order that the query does not ask for.

use crate::{
    order::{covered, determined, limit_is_total},
    text::Text,
};
use datafusion::{
    common::{
        Result,
        tree_node::{TreeNode, TreeNodeRecursion},
    },
    error::DataFusionError,
    logical_expr::{
        Distinct, Expr, LogicalPlan, Volatility, WindowFrameUnits, WindowFunctionDefinition,
        expr::{AggregateFunction, WindowFunction},
    },
    sql::sqlparser::keywords::Keyword,
};
use everfresh_pipeline::engine::{SqlError, SqlErrorKind};

const TTL: &str = "or give the step a `ttl`";

/// Aggregates whose result hangs on the order in which they see rows.
const ORDERED_AGGREGATES: [&str; 5] = ["array_agg", "first_value", "last_value", "nth_value", "string_agg"];

/// Window functions that tell apart rows which tie in the order.
const NUMBERING: [&str; 4] = ["lag", "lead", "ntile", "row_number"];

/// Refuses the first thing in `plan` that makes its result more than a function of its inputs. `called` are functions
/// that planning itself has already evaluated.
pub(crate) fn check(plan: &LogicalPlan, called: &[String], text: &Text<'_>) -> Result<Result<(), SqlError>> {
    if let Some(name) = called.first() {
        return Ok(Err(impure(name, text)));
    }
    let mut refused = None;
    plan.apply_with_subqueries(|node| {
        refused = refuse_node(node, text);
        if refused.is_none() {
            node.apply_expressions(|expr| {
                expr.apply(|expr| {
                    refused = refuse_expr(expr, node, text);
                    Ok(if refused.is_some() { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
                })
            })?;
        }
        Ok::<_, DataFusionError>(if refused.is_some() { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    Ok(refused.map_or(Ok(()), Err))
}

fn refuse_node(node: &LogicalPlan, text: &Text<'_>) -> Option<SqlError> {
    match node {
        LogicalPlan::Limit(limit) if !limit_is_total(limit) => {
            let word = if limit.fetch.is_some() { "limit" } else { "offset" };
            let span = text
                .only(&[Keyword::LIMIT])
                .or_else(|| text.only(&[Keyword::OFFSET]))
                .or_else(|| text.only(&[Keyword::FETCH]));
            Some(SqlError {
                message: format!(
                    "`{word}` without a total order: which rows are kept would hang on the order in which they happen to come"
                ),
                span,
                help: Some(format!(
                    "add columns to `order by` until no two rows tie (a key of the table, the `group by` columns, or every column), {TTL}"
                )),
                kind: SqlErrorKind::Unrepeatable,
            })
        }
        LogicalPlan::Distinct(Distinct::On(distinct)) => {
            let sorted = distinct.sort_expr.iter().flatten().map(|sort| sort.expr.clone());
            let keys: Vec<Expr> = distinct.on_expr.iter().cloned().chain(sorted).collect();
            let total =
                determined(&distinct.input, &keys) || distinct.select_expr.iter().all(|expr| covered(expr, &keys));
            (!total).then(|| SqlError {
                message: "`distinct on` without a total order: which row is kept would hang on the order in which they happen to come".to_owned(),
                span: text.only(&[Keyword::DISTINCT, Keyword::ON]),
                help: Some(format!("add columns to `order by` until no two rows tie, {TTL}")),
                kind: SqlErrorKind::Unrepeatable,
            })
        }
        _ => None,
    }
}

fn refuse_expr(expr: &Expr, node: &LogicalPlan, text: &Text<'_>) -> Option<SqlError> {
    match expr {
        Expr::ScalarFunction(call) if call.func.signature().volatility != Volatility::Immutable => {
            Some(impure(call.func.name(), text))
        }
        Expr::AggregateFunction(AggregateFunction { func, params }) => {
            if func.signature().volatility != Volatility::Immutable {
                return Some(impure(func.name(), text));
            }
            (ORDERED_AGGREGATES.contains(&func.name()) && params.order_by.is_empty())
                .then(|| unordered(func.name(), &format!("write `{}(… order by …)`, {TTL}", func.name()), text))
        }
        Expr::WindowFunction(window) => refuse_window(window, node, text),
        _ => None,
    }
}

fn refuse_window(window: &WindowFunction, node: &LogicalPlan, text: &Text<'_>) -> Option<SqlError> {
    let (name, volatility) = match &window.fun {
        WindowFunctionDefinition::AggregateUDF(function) => (function.name(), function.signature().volatility),
        WindowFunctionDefinition::WindowUDF(function) => (function.name(), function.signature().volatility),
    };
    if volatility != Volatility::Immutable {
        return Some(impure(name, text));
    }
    let params = &window.params;
    if ORDERED_AGGREGATES.contains(&name) && params.order_by.is_empty() {
        return Some(unordered(name, &format!("write `{name}(…) over (… order by …)`, {TTL}"), text));
    }
    let frame = &params.window_frame;
    let counts_rows = frame.units == WindowFrameUnits::Rows
        && !(frame.start_bound.is_unbounded() && frame.end_bound.is_unbounded())
        && matches!(window.fun, WindowFunctionDefinition::AggregateUDF(_));
    if !counts_rows && !NUMBERING.contains(&name) {
        return None;
    }
    let keys: Vec<Expr> =
        params.partition_by.iter().cloned().chain(params.order_by.iter().map(|sort| sort.expr.clone())).collect();
    let total = match node {
        LogicalPlan::Window(window) => determined(&window.input, &keys),
        _ => false,
    };
    (!total).then(|| SqlError {
        message: format!(
            "`{name}` over an order with ties: which of the tied rows comes first would hang on the order in which they happen to come"
        ),
        span: text.call(name),
        help: Some(format!(
            "add columns to its `order by` until no two rows of a partition tie (a key of the table, or every column), {TTL}"
        )),
        kind: SqlErrorKind::Unrepeatable,
    })
}

fn impure(name: &str, text: &Text<'_>) -> SqlError {
    SqlError {
        message: format!("`{name}` gives another value on every run, so the result would be no function of the inputs"),
        span: text.call(name),
        help: Some("pass the value as a parameter, or give the step a `ttl`".to_owned()),
        kind: SqlErrorKind::Unrepeatable,
    }
}

fn unordered(name: &str, help: &str, text: &Text<'_>) -> SqlError {
    SqlError {
        message: format!("`{name}` without an order: its result would hang on the order in which rows happen to come"),
        span: text.call(name),
        help: Some(help.to_owned()),
        kind: SqlErrorKind::Unrepeatable,
    }
}
