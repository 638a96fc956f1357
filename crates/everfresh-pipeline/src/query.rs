//! Every step and most checks are queries: what the pipeline file says in other words becomes SQL here.

use crate::{
    engine::{ParamValue, ParsedSql},
    spec::model::{AggregateFunction, CheckKind, SqlOrigin, StepKind},
};
use std::collections::BTreeMap;

/// A query of the pipeline.
#[derive(Clone, Debug)]
pub struct Query {
    /// Its text.
    pub sql: String,
    /// Where a text that the user wrote stands; `None` for one that was made here.
    pub origin: Option<SqlOrigin>,
    /// What the text tells by itself.
    pub parsed: ParsedSql,
    /// The parameters that it names, with their values.
    pub params: BTreeMap<String, ParamValue>,
}

/// An identifier, quoted.
pub fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn quote_all(names: &[String]) -> String {
    names.iter().map(|name| quote(name)).collect::<Vec<_>>().join(", ")
}

fn literal(value: &ParamValue) -> String {
    match value {
        ParamValue::Text(text) => format!("'{}'", text.replace('\'', "''")),
        ParamValue::Float(value) => format!("cast('{value}' as double)"),
        other => other.to_string(),
    }
}

/// The SQL of a step, if it is one that SQL computes.
pub fn step_sql(kind: &StepKind) -> Option<String> {
    Some(match kind {
        StepKind::Python { .. } => return None,
        StepKind::Sql { text, .. } => text.clone(),
        StepKind::Scale { from, normalize, standardize } => {
            let replaced: Vec<String> = normalize
                .iter()
                .map(|column| {
                    let (value, column) = (format!("cast({} as double)", quote(column)), quote(column));
                    scaled(
                        &column,
                        &value,
                        &format!("min({value}) over ()"),
                        &format!("(max({value}) over () - min({value}) over ())"),
                    )
                })
                .chain(standardize.iter().map(|column| {
                    let (value, column) = (format!("cast({} as double)", quote(column)), quote(column));
                    scaled(&column, &value, &format!("avg({value}) over ()"), &format!("stddev_pop({value}) over ()"))
                }))
                .collect();
            format!("select * replace ({}) from {}", replaced.join(", "), quote(&from.0))
        }
        StepKind::Aggregate { from, by, columns } => {
            let outputs = columns.iter().flat_map(|(column, functions)| {
                functions.iter().map(move |function| {
                    let name = function.name();
                    let output = quote(&format!("{column}_{name}"));
                    format!("{} as {output}", aggregate_call(*function, &quote(column)))
                })
            });
            let selected: Vec<String> = by.iter().map(|column| quote(column)).chain(outputs).collect();
            let group = if by.is_empty() { String::new() } else { format!(" group by {}", quote_all(by)) };
            format!("select {} from {}{group}", selected.join(", "), quote(&from.0))
        }
    })
}

/// `(value - shift) / width`, and 0 where the column has one value only; nulls stay.
fn scaled(column: &str, value: &str, shift: &str, width: &str) -> String {
    format!(
        "case when {column} is null then null when {width} = 0 then 0.0 else ({value} - {shift}) / {width} end as {column}"
    )
}

fn aggregate_call(function: AggregateFunction, column: &str) -> String {
    match function {
        AggregateFunction::Mean => format!("avg({column})"),
        AggregateFunction::Sum => format!("sum({column})"),
        AggregateFunction::Min => format!("min({column})"),
        AggregateFunction::Max => format!("max({column})"),
        AggregateFunction::Count => format!("count({column})"),
        AggregateFunction::CountDistinct => format!("count(distinct {column})"),
        AggregateFunction::Median => format!("median({column})"),
        AggregateFunction::Std => format!("stddev_samp({column})"),
    }
}

/// The name that bad rows are counted by in the query of a `unique` check.
const COPIES: &str = "everfresh_copies";

/// The query whose rows are the bad rows of a check; `None` for a check that looks at the schema, at the number of rows
/// or at the newest value.
pub fn bad_rows_sql(table: &str, check: &CheckKind) -> Option<String> {
    let from = quote(table);
    let condition = match check {
        CheckKind::NotNull(columns) => {
            columns.iter().map(|column| format!("{} is null", quote(column))).collect::<Vec<_>>().join(" or ")
        }
        CheckKind::Unique(columns) => {
            let present: Vec<String> = columns.iter().map(|column| format!("{} is not null", quote(column))).collect();
            return Some(format!(
                "select * exclude ({COPIES}) from (select *, count(*) over (partition by {}) as {COPIES} from {from} where {}) \
                 where {COPIES} > 1",
                quote_all(columns),
                present.join(" and ")
            ));
        }
        CheckKind::Range(columns) => {
            let outside = columns.iter().flat_map(|(column, low, high)| {
                let column = quote(column);
                let low = low.map(|low| format!("{column} < {}", literal(&ParamValue::Float(low))));
                let high = high.map(|high| format!("{column} > {}", literal(&ParamValue::Float(high))));
                low.into_iter().chain(high)
            });
            outside.collect::<Vec<_>>().join(" or ")
        }
        CheckKind::AcceptedValues(column, values) => {
            let values: Vec<String> = values.iter().map(literal).collect();
            format!("{0} is not null and {0} not in ({1})", quote(column), values.join(", "))
        }
        CheckKind::Regex(column, pattern) => {
            let pattern = literal(&ParamValue::Text(pattern.clone()));
            format!("{0} is not null and not regexp_like({0}, {pattern})", quote(column))
        }
        CheckKind::Relationship { column, to, key } => {
            return Some(format!(
                "select a.* from {from} a left anti join {} b on a.{} = b.{} where a.{} is not null",
                quote(&to.0),
                quote(column),
                quote(key),
                quote(column)
            ));
        }
        CheckKind::Sql { text, .. } => return Some(text.clone()),
        CheckKind::RowCount(..) | CheckKind::Schema { .. } | CheckKind::Freshness { .. } => return None,
    };
    Some(format!("select * from {from} where {condition}"))
}

/// The query that counts the rows of another.
pub fn count_sql(sql: &str) -> String {
    format!("select count(*) as bad from (\n{}\n)", sql.trim().trim_end_matches(';'))
}

/// The query that finds the newest value of a column, as nanoseconds since the epoch.
pub fn newest_sql(table: &str, column: &str) -> String {
    format!("select max({}) as newest from {}", quote(column), quote(table))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_texts_cannot_leave_their_quotes() {
        let check = CheckKind::AcceptedValues("a\"b".into(), vec![ParamValue::Text("it's".into())]);
        let sql = bad_rows_sql("t", &check);
        assert_eq!(sql.as_deref(), Some(r#"select * from "t" where "a""b" is not null and "a""b" not in ('it''s')"#));
    }

    #[test]
    fn aggregates_are_named_by_column_and_function() {
        let step = StepKind::Aggregate {
            from: ("clean".into(), 0..0),
            by: vec!["carrier".into()],
            columns: vec![("delay".into(), vec![AggregateFunction::Mean, AggregateFunction::Max])],
        };
        assert_eq!(
            step_sql(&step).as_deref(),
            Some(r#"select "carrier", avg("delay") as "delay_mean", max("delay") as "delay_max" from "clean" group by "carrier""#)
        );
    }
}
