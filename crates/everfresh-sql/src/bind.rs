//! Parameters become literals in the syntax tree: values, never text, so nothing in a value is ever read as SQL.
//!
//! A result column that has no name of its own keeps the one that it has with the parameter's name in it: another value
//! must not rename it.

use crate::{
    error::{did_you_mean, invalid},
    parse::param_name,
    text::{DIALECT, Text},
};
use datafusion::sql::sqlparser::{
    ast::{Expr, Ident, Query, Select, SelectItem, UnaryOperator, Value, ValueWithSpan, VisitMut, VisitorMut},
    parser::Parser,
};
use everfresh_pipeline::engine::{ParamValue, SqlError};
use std::{collections::BTreeMap, ops::ControlFlow};

/// Puts the values of `params` into `query`.
pub(crate) fn bind(query: &mut Query, params: &BTreeMap<String, ParamValue>, text: &Text<'_>) -> Result<(), SqlError> {
    match query.visit(&mut Binder { params, text, written: Vec::new() }) {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

struct Binder<'a> {
    params: &'a BTreeMap<String, ParamValue>,
    text: &'a Text<'a>,
    /// What the open `select`s compute, as it is written.
    written: Vec<Vec<SelectItem>>,
}

impl VisitorMut for Binder<'_> {
    type Break = SqlError;

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<SqlError> {
        self.written.push(select.projection.clone());
        ControlFlow::Continue(())
    }

    fn post_visit_select(&mut self, select: &mut Select) -> ControlFlow<SqlError> {
        let written = self.written.pop().unwrap_or_default();
        for (item, written) in select.projection.iter_mut().zip(written) {
            // Only a parameter makes a difference.
            if let (SelectItem::UnnamedExpr(expr), SelectItem::UnnamedExpr(written)) = (&*item, written)
                && *expr != written
            {
                let alias = Ident::with_quote('"', written.to_string());
                *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias };
            }
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<SqlError> {
        let Expr::Value(ValueWithSpan { value: Value::Placeholder(written), span }) = expr else {
            return ControlFlow::Continue(());
        };
        let span = *span;
        let at = self.text.range(span).unwrap_or_default();
        let name = param_name(written, &at)?;
        let Some(value) = self.params.get(name) else {
            let names: Vec<&str> = self.params.keys().map(String::as_str).collect();
            return ControlFlow::Break(SqlError {
                help: did_you_mean(name, &names, "the parameters are"),
                ..invalid(format!("there is no parameter `{name}`"), Some(at))
            });
        };
        let literal = |value| Expr::Value(ValueWithSpan { value, span });
        *expr = match value {
            ParamValue::Bool(value) => literal(Value::Boolean(*value)),
            ParamValue::Text(value) => literal(Value::SingleQuotedString(value.clone())),
            ParamValue::Int(value) => {
                let digits = literal(Value::Number(value.unsigned_abs().to_string(), false));
                if *value < 0 { negative(digits) } else { digits }
            }
            ParamValue::Float(value) if value.is_finite() => {
                let digits = literal(Value::Number(format!("{:?}", value.abs()), false));
                if value.is_sign_negative() { negative(digits) } else { digits }
            }
            ParamValue::Float(value) => match not_finite(*value) {
                Ok(expr) => expr,
                Err(error) => return ControlFlow::Break(error),
            },
        };
        ControlFlow::Continue(())
    }
}

fn negative(number: Expr) -> Expr {
    Expr::Nested(Box::new(Expr::UnaryOp { op: UnaryOperator::Minus, expr: Box::new(number) }))
}

fn not_finite(value: f64) -> Result<Expr, SqlError> {
    let written = match value {
        value if value.is_nan() => "cast('NaN' as double)",
        value if value < 0.0 => "cast('-Infinity' as double)",
        _ => "cast('Infinity' as double)",
    };
    Parser::new(&DIALECT)
        .try_with_sql(written)
        .and_then(|mut parser| parser.parse_expr())
        .map_err(|error| invalid(format!("a parameter of {value}: {error}"), None))
}
