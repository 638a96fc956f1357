//! What DataFusion reports, as [`SqlError`]s: one sentence, a place in the SQL text, and what to do.

use crate::{tables::UnknownTable, text::Text};
use datafusion::{
    common::{Column, Diagnostic, SchemaError, Span as CommonSpan},
    error::DataFusionError,
    sql::sqlparser::tokenizer::Location,
};
use everfresh_pipeline::engine::{SqlError, SqlErrorKind};
use std::{any::Any, collections::BTreeSet, ops::Range};

/// The text is no query, or does not fit its tables.
pub(crate) fn invalid(message: impl Into<String>, span: Option<Range<usize>>) -> SqlError {
    SqlError { message: message.into(), span, help: None, kind: SqlErrorKind::Invalid }
}

/// It failed while running.
pub(crate) fn runtime(message: impl Into<String>) -> SqlError {
    SqlError { message: message.into(), span: None, help: None, kind: SqlErrorKind::Runtime }
}

/// It was told to stop.
pub(crate) fn cancelled() -> SqlError {
    SqlError { message: "the query was cancelled".to_owned(), span: None, help: None, kind: SqlErrorKind::Cancelled }
}

/// A panic inside the engine.
pub(crate) fn panicked(payload: &(dyn Any + Send)) -> SqlError {
    let said = payload.downcast_ref::<&str>().copied().or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    SqlError {
        help: Some("this is a bug in the query engine: try to write the query in another way".to_owned()),
        ..runtime(format!("the query engine broke down: {}", said.unwrap_or("it did not say why")))
    }
}

/// An error of planning: what is wrong with the text.
pub(crate) fn planning(error: &DataFusionError, text: &Text<'_>, names: &Names<'_>) -> SqlError {
    let mut span = None;
    let root = root(error, &mut |diagnostic| span = diagnostic.span.and_then(|span| range(text, span)).or(span.take()));
    let mut found = match root {
        DataFusionError::SchemaError(error, _) => schema(error, text),
        DataFusionError::External(error) => match error.downcast_ref::<UnknownTable>() {
            Some(UnknownTable { name }) => unknown_table(name, names.tables, text),
            None => invalid(error.to_string(), None),
        },
        DataFusionError::Plan(message) => match unknown_function(message) {
            Some(name) => function(name, names.functions, text),
            None => invalid(sentence(message), None),
        },
        DataFusionError::NotImplemented(message) => {
            invalid(format!("the query engine cannot do this: {}", sentence(message)), None)
        }
        DataFusionError::SQL(error, _) => invalid(error.to_string(), None),
        other => invalid(sentence(&other.strip_backtrace()), None),
    };
    // The planner knows which of several places is meant, where it knows any.
    found.span = span.or(found.span);
    found
}

/// An error of running. `memory` is the limit in bytes.
pub(crate) fn running(error: &DataFusionError, memory: Option<u64>) -> SqlError {
    match root(error, &mut |_| ()) {
        DataFusionError::ResourcesExhausted(message) => SqlError {
            help: Some(match memory {
                Some(_) => "give it more with `--memory`, or run fewer steps at once with `--jobs`".to_owned(),
                None => "make room for the files that the query spills to disk".to_owned(),
            }),
            ..runtime(match memory {
                Some(limit) => format!("out of memory at the limit of {limit} bytes: {}", sentence(message)),
                None => sentence(message),
            })
        },
        DataFusionError::External(error) => runtime(error.to_string()),
        DataFusionError::Execution(message) | DataFusionError::Plan(message) | DataFusionError::Internal(message) => {
            runtime(sentence(message))
        }
        DataFusionError::ArrowError(error, _) => runtime(error.to_string()),
        other => runtime(sentence(&other.strip_backtrace())),
    }
}

/// The names that a "did you mean" may propose.
pub(crate) struct Names<'a> {
    pub(crate) tables: &'a BTreeSet<String>,
    pub(crate) functions: &'a dyn Fn() -> Vec<String>,
}

/// The error below contexts and collections; `seen` is told of every diagnostic on the way, outermost first.
fn root<'a>(error: &'a DataFusionError, seen: &mut impl FnMut(&Diagnostic)) -> &'a DataFusionError {
    match error {
        DataFusionError::Context(_, inner) => root(inner, seen),
        DataFusionError::Diagnostic(diagnostic, inner) => {
            seen(diagnostic);
            root(inner, seen)
        }
        DataFusionError::Shared(inner) => root(inner, seen),
        DataFusionError::Collection(errors) => errors.first().map_or(error, |first| root(first, seen)),
        DataFusionError::ArrowError(inner, _) => match inner.as_ref() {
            arrow::error::ArrowError::ExternalError(external) => match external.downcast_ref::<DataFusionError>() {
                Some(inner) => root(inner, seen),
                None => error,
            },
            _ => error,
        },
        DataFusionError::External(inner) => match inner.downcast_ref::<DataFusionError>() {
            Some(inner) => root(inner, seen),
            None => error,
        },
        _ => error,
    }
}

fn range(text: &Text<'_>, span: CommonSpan) -> Option<Range<usize>> {
    let start = text.offset(Location { line: span.start.line, column: span.start.column })?;
    let end = text.offset(Location { line: span.end.line, column: span.end.column })?;
    (start < end).then_some(start..end)
}

fn schema(error: &SchemaError, text: &Text<'_>) -> SqlError {
    match error {
        SchemaError::FieldNotFound { field, valid_fields } => unknown_column(field, valid_fields, text),
        SchemaError::AmbiguousReference { field } if field.relation.is_some() => duplicate_column(&field.name, text),
        SchemaError::AmbiguousReference { field } => SqlError {
            help: Some(format!("say of which table it is: `table.{}`", field.name)),
            ..invalid(format!("more than one table has a column `{}`", field.name), text.word(&field.name, 0))
        },
        SchemaError::DuplicateQualifiedField { name, .. } | SchemaError::DuplicateUnqualifiedField { name } => {
            duplicate_column(name, text)
        }
    }
}

/// Two columns of a result have one name.
pub(crate) fn duplicate_column(name: &str, text: &Text<'_>) -> SqlError {
    SqlError {
        help: Some("give one of them another name with `as`".to_owned()),
        ..invalid(format!("two columns of the result are named `{name}`"), text.word(name, 1))
    }
}

fn unknown_column(field: &Column, valid: &[Column], text: &Text<'_>) -> SqlError {
    let name = field.name.as_str();
    let Some(table) = field.relation.as_ref().map(|relation| relation.table()) else {
        let names: Vec<&str> = valid.iter().map(|column| column.name.as_str()).collect();
        return SqlError {
            help: did_you_mean(name, &names, "the columns are"),
            ..invalid(format!("there is no column `{name}`"), text.word(name, 0))
        };
    };
    let of_table = |column: &&Column| column.relation.as_ref().is_some_and(|relation| relation.table() == table);
    let names: Vec<&str> = valid.iter().filter(of_table).map(|column| column.name.as_str()).collect();
    if names.is_empty() {
        let tables: BTreeSet<&str> =
            valid.iter().filter_map(|column| column.relation.as_ref().map(|relation| relation.table())).collect();
        let tables: Vec<&str> = tables.into_iter().collect();
        return SqlError {
            help: did_you_mean(table, &tables, "here one can write of"),
            ..invalid(format!("`{table}.{name}`: there is no table or alias `{table}` here"), text.word(table, 0))
        };
    }
    SqlError {
        help: did_you_mean(name, &names, "its columns are"),
        ..invalid(format!("`{table}` has no column `{name}`"), text.word(name, 0))
    }
}

fn unknown_table(name: &str, tables: &BTreeSet<String>, text: &Text<'_>) -> SqlError {
    let names: Vec<&str> = tables.iter().map(String::as_str).collect();
    SqlError {
        help: did_you_mean(name, &names, "the tables are"),
        ..invalid(format!("there is no table `{name}`"), text.word(name, 0))
    }
}

/// DataFusion says it in words only: "Invalid function 'x'.\nDid you mean 'y'?".
fn unknown_function(message: &str) -> Option<&str> {
    message.strip_prefix("Invalid function '")?.split_once('\'').map(|(name, _)| name)
}

fn function(name: &str, functions: &dyn Fn() -> Vec<String>, text: &Text<'_>) -> SqlError {
    let names = functions();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    SqlError {
        help: nearest(name, &names).map(|near| format!("did you mean `{near}`?")),
        ..invalid(format!("there is no function `{name}`"), text.call(name))
    }
}

/// A proposal, or all the names after `list` where they are few. A name that SQL would fold to lower case comes quoted.
pub(crate) fn did_you_mean(name: &str, names: &[&str], list: &str) -> Option<String> {
    if let Some(same) = names.iter().find(|known| **known != name && known.eq_ignore_ascii_case(name)) {
        return Some(format!("did you mean `{}`? A name with capital letters needs double quotes", quoted(same)));
    }
    if let Some(near) = nearest(name, names) {
        return Some(format!("did you mean `{}`?", quoted(near)));
    }
    let known: BTreeSet<String> = names.iter().map(|name| format!("`{}`", quoted(name))).collect();
    (1..=20).contains(&known.len()).then(|| format!("{list} {}", known.into_iter().collect::<Vec<_>>().join(", ")))
}

/// The known name that `name` was most likely meant to be: at most a third of its characters away.
fn nearest<'a>(name: &str, names: &[&'a str]) -> Option<&'a str> {
    let lower = name.to_lowercase();
    let far = name.chars().count().max(3) / 3;
    names
        .iter()
        .map(|known| (strsim::damerau_levenshtein(&lower, &known.to_lowercase()), *known))
        .filter(|(distance, _)| *distance <= far)
        .min()
        .map(|(_, known)| known)
}

/// A name as SQL has to write it.
pub(crate) fn quoted(name: &str) -> String {
    let plain = name.starts_with(|first: char| first.is_ascii_lowercase() || first == '_')
        && name.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_');
    if plain { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

/// A message of the engine without what only its developers want to read.
fn sentence(message: &str) -> String {
    let message = message.split("\n\nbacktrace:").next().unwrap_or(message);
    let message = message.split("This issue was likely caused by").next().unwrap_or(message);
    let message = message.strip_prefix("Error during planning: ").unwrap_or(message);
    message.trim().trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_in_other_case_is_proposed_in_quotes() {
        let help = did_you_mean("camelcase", &["other", "CamelCase"], "the columns are").unwrap();
        assert_eq!(help, "did you mean `\"CamelCase\"`? A name with capital letters needs double quotes");
    }

    #[test]
    fn a_slip_of_the_finger_is_corrected_and_a_stranger_is_not() {
        assert_eq!(did_you_mean("carier", &["carrier", "year"], "the columns are").unwrap(), "did you mean `carrier`?");
        assert_eq!(
            did_you_mean("xyz", &["carrier", "a b"], "the columns are").unwrap(),
            "the columns are `\"a b\"`, `carrier`"
        );
        assert_eq!(did_you_mean("xyz", &[], "the columns are"), None);
    }
}
