//! One thing that a computation read, with what it saw.

use crate::Fingerprint;
use serde::{Deserialize, Serialize};

/// What a computation saw of one of its inputs. It *holds* while the world still looks like that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Observation {
    /// A table, of which the computation saw the schema, the number of rows and some columns.
    Table(TableObservation),
    /// A file's content, or its absence.
    File {
        /// The path as the computation named it.
        path: String,
        /// The fingerprint of the content; `None` if there was no such file.
        content: Option<Fingerprint>,
    },
    /// An environment variable's value, or its absence.
    Env {
        /// The variable's name.
        name: String,
        /// The fingerprint of the value; `None` if it was unset.
        value: Option<Fingerprint>,
    },
    /// Something that changes only by being replaced: code, an operator, a setting.
    Version {
        /// What it is.
        name: String,
        /// Which one it was.
        version: Fingerprint,
    },
}

/// What a computation saw of a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableObservation {
    /// The name that the computation knows the table by.
    pub name: String,
    /// The table as a whole: if this is unchanged, so is everything below.
    pub id: Fingerprint,
    /// Column names, types and nullability, in order.
    pub schema: Fingerprint,
    /// The number of rows, which `count(*)` sees without reading a column.
    pub rows: u64,
    /// The columns that were read, by name, in the schema's order.
    pub columns: Vec<(String, Fingerprint)>,
}
