//! Why a node was served from the cache, or why it was not.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Why a node hit or missed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Reason {
    /// A hit: everything that it was made from is as it was.
    Unchanged,
    /// A hit: these inputs changed, but in nothing that it reads.
    NotRead(Vec<String>),
    /// A miss: there is nothing to compare with.
    New,
    /// A miss: this changed.
    Changed(Vec<Change>),
    /// A miss: the result is older than its `ttl`.
    Expired {
        /// How old it is, in seconds.
        age: u64,
        /// How old it may be, in seconds.
        ttl: u64,
    },
    /// A miss: `--refresh` asked for it.
    Refreshed,
    /// A miss: `cache: { enabled: false }`.
    Disabled,
    /// A miss: the fingerprint still holds, but the rows are gone and somebody reads them.
    RowsGone,
    /// A source that could not be asked: the last good answer stands in.
    StandsIn(String),
    /// Something before it failed or was not run.
    Waits(String),
    /// It failed.
    Failed,
}

/// One difference between a computation and the nearest one that is remembered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Change {
    /// The query reads differently (normal forms).
    Query {
        /// What it was.
        before: String,
        /// What it is.
        after: String,
    },
    /// A parameter or a setting.
    Setting {
        /// Its name, as in the pipeline file.
        name: String,
        /// What it was; `None` if it was not there.
        before: Option<String>,
        /// What it is; `None` if it is not there.
        after: Option<String>,
    },
    /// The columns of an input.
    Schema {
        /// The input.
        table: String,
        /// One line a difference, `+`, `-` or `~` in front.
        lines: Vec<String>,
    },
    /// The number of rows of an input.
    Rows {
        /// The input.
        table: String,
        /// How many there were.
        before: u64,
        /// How many there are.
        after: u64,
    },
    /// A column of an input.
    Column {
        /// The input.
        table: String,
        /// The column.
        column: String,
        /// Its fingerprint before, shortened.
        before: String,
        /// Its fingerprint now, shortened.
        after: String,
    },
    /// An input that was not there.
    Input(String),
    /// A file.
    File {
        /// Where it is, or was.
        path: String,
        /// `changed`, `added`, `removed`, `edited`, `deleted`.
        how: String,
    },
    /// The code of a Python step: the items that are others, each by its name.
    Code(Vec<String>),
    /// Anything else that a Python step read, in a sentence.
    Observed(String),
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Query { .. } => write!(f, "its SQL changed"),
            Self::Setting { name, before: Some(before), after: Some(after) } => {
                write!(f, "{name} changed from {before} to {after}")
            }
            Self::Setting { name, before: None, after: Some(after) } => write!(f, "{name} is now {after}"),
            Self::Setting { name, .. } => write!(f, "{name} is gone"),
            Self::Schema { table, .. } => write!(f, "columns of {table} changed"),
            Self::Rows { table, before, after } => write!(f, "{table} has {after} rows, had {before}"),
            Self::Column { table, column, .. } => write!(f, "{table}.{column} changed"),
            Self::Input(table) => write!(f, "{table} is a new input"),
            Self::Code(items) => match items.as_slice() {
                [one] => write!(f, "{one} changed"),
                [one, more @ ..] => write!(f, "{one} and {} more changed", more.len()),
                [] => write!(f, "its code changed"),
            },
            Self::Observed(what) => write!(f, "{what}"),
            Self::File { path, how } => write!(f, "{path} {how}"),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unchanged => write!(f, "unchanged"),
            Self::NotRead(tables) => write!(f, "{} changed in nothing that it reads", tables.join(", ")),
            Self::New => write!(f, "new"),
            Self::Changed(changes) => {
                for (index, change) in changes.iter().take(3).enumerate() {
                    write!(f, "{}{change}", if index == 0 { "" } else { ", " })?;
                }
                match changes.len().saturating_sub(3) {
                    0 => Ok(()),
                    more => write!(f, ", and {more} more"),
                }
            }
            Self::Expired { age, ttl } => write!(f, "{age} s old, ttl {ttl} s"),
            Self::Refreshed => write!(f, "asked for"),
            Self::Disabled => write!(f, "not cached"),
            Self::RowsGone => write!(f, "its rows had been evicted"),
            Self::StandsIn(why) => write!(f, "last good answer ({why})"),
            Self::Waits(on) => write!(f, "waits for {on}"),
            Self::Failed => write!(f, "failed"),
        }
    }
}

/// The differences of two schemas, one line each.
pub fn schema_lines(before: &arrow::datatypes::Schema, after: &arrow::datatypes::Schema) -> Vec<String> {
    let describe = |field: &arrow::datatypes::Field| {
        let null = if field.is_nullable() { "" } else { " not null" };
        format!("{} {}{null}", field.name(), everfresh_sources::type_name(field.data_type()))
    };
    let mut lines = Vec::new();
    for field in before.fields() {
        match after.field_with_name(field.name()) {
            Err(_) => lines.push(format!("- {}", describe(field))),
            Ok(now) if describe(now) != describe(field) => {
                lines.push(format!("~ {} (was {})", describe(now), describe(field)));
            }
            Ok(_) => {}
        }
    }
    lines.extend(
        after
            .fields()
            .iter()
            .filter(|field| before.field_with_name(field.name()).is_err())
            .map(|field| format!("+ {}", describe(field))),
    );
    if lines.is_empty() {
        let names: Vec<&str> = after.fields().iter().map(|field| field.name().as_str()).collect();
        lines.push(format!("~ the order is now {}", names.join(", ")));
    }
    lines
}
