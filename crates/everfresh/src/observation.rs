//! One thing that a computation read, with what it saw.

use crate::{Fingerprint, recording::is_absence};
use serde::{Deserialize, Serialize};
use std::{fmt, io, path::Path};

/// What a computation saw of one of its inputs. It *holds* while the world still looks like that.
///
/// ```
/// use everfresh::{Fingerprint, observation::Observation, trace::Trace};
///
/// # let output = Fingerprint::of_bytes(b"out");
/// # let trace = |observation| {
/// #     let observations = vec![observation];
/// #     Trace { observations, output, cost_ns: 1, bytes: 3, rows: 1, made_ns: 0, expires_ns: None }
/// # };
/// let absent = Observation::File { path: "/words".to_owned(), content: None };
/// let present = Observation::File { path: "/words".to_owned(), content: Some(Fingerprint::of_bytes(b"a")) };
/// assert_ne!(trace(absent), trace(present));
/// ```
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
    /// The names in a folder with their kinds, or its absence.
    Dir {
        /// The folder's absolute path.
        path: String,
        /// The fingerprint of the listing; `None` if there was no such folder.
        listing: Option<Fingerprint>,
    },
    /// What `stat` says of a path: size, times, kind.
    Metadata {
        /// The absolute path.
        path: String,
        /// The fingerprint of what was said; `None` if there was nothing at the path.
        metadata: Option<Fingerprint>,
    },
    /// Whether there was something at a path.
    Exists {
        /// The absolute path.
        path: String,
        /// Whether there was.
        exists: bool,
    },
    /// The working folder, from which a relative path was taken.
    WorkingDir {
        /// Its path.
        path: String,
    },
    /// A value that the caller of a function declared as one that it depends on.
    Value {
        /// The function and the name of the value.
        name: String,
        /// The value's fingerprint.
        value: Fingerprint,
    },
    /// The code of a function.
    Function {
        /// The function's name.
        name: String,
        /// The version that its author gave it, if any.
        version: Option<u64>,
        /// The executable that it was compiled into.
        build: Fingerprint,
    },
    /// Whether somebody invalidated a function, the result of one key, or a tag.
    Generation {
        /// What can be invalidated, for people.
        name: String,
        /// What can be invalidated.
        of: Fingerprint,
        /// The folder of the store that knows; `None` if the process does.
        home: Option<String>,
        /// A number that each invalidation replaces by a random one.
        generation: u64,
    },
    /// What kind of thing was at a path.
    Kind {
        /// The absolute path.
        path: String,
        /// Which kind; `None` if there was nothing.
        kind: Option<PathKind>,
    },
}

impl Observation {
    /// The path that was looked at, if it was one.
    pub(crate) fn path(&self) -> Option<&str> {
        match self {
            Self::Exists { path, .. }
            | Self::Kind { path, .. }
            | Self::Metadata { path, .. }
            | Self::File { path, .. }
            | Self::Dir { path, .. } => Some(path),
            _ => None,
        }
    }

    /// What was observed, without what was seen: the kind, by how cheap it is to look again, and the name. A computation
    /// observes each subject once.
    pub(crate) fn subject(&self) -> (u8, &str) {
        match self {
            Self::Version { name, .. } => (0, name),
            Self::Function { name, .. } => (1, name),
            Self::Value { name, .. } => (2, name),
            Self::Env { name, .. } => (3, name),
            Self::WorkingDir { .. } => (4, ""),
            Self::Generation { name, .. } => (5, name),
            Self::Exists { path, .. } => (6, path),
            Self::Kind { path, .. } => (7, path),
            Self::Metadata { path, .. } => (8, path),
            Self::File { path, .. } => (9, path),
            Self::Dir { path, .. } => (10, path),
            Self::Table(table) => (11, &table.name),
        }
    }
}

/// An observation in a line, for people.
///
/// ```
/// use everfresh::observation::Observation;
///
/// let seen = Observation::Env { name: "HOME".to_owned(), value: None };
/// assert_eq!(seen.to_string(), "environment variable HOME (absent)");
/// ```
impl fmt::Display for Observation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seen = |what: &str, seen: bool| format!("{what}{}", if seen { "" } else { " (absent)" });
        let line = match self {
            Self::File { path, content } => seen(&format!("file {path}"), content.is_some()),
            Self::Dir { path, listing } => seen(&format!("folder {path}"), listing.is_some()),
            Self::Metadata { path, metadata } => seen(&format!("stat of {path}"), metadata.is_some()),
            Self::Exists { path, exists } => seen(&format!("existence of {path}"), *exists),
            Self::Kind { path, kind } => seen(&format!("kind of {path}"), kind.is_some()),
            Self::Env { name, .. } if name.is_empty() => "the names of all environment variables".to_owned(),
            Self::Env { name, value } => seen(&format!("environment variable {name}"), value.is_some()),
            Self::WorkingDir { path } => format!("working folder {path}"),
            Self::Value { name, .. } => format!("value {name}"),
            Self::Function { name, version: Some(version), .. } => format!("version {version} of {name}"),
            Self::Function { name, version: None, .. } => format!("code of {name}"),
            Self::Generation { name, .. } => format!("no invalidation of {name}"),
            Self::Version { name, .. } => name.clone(),
            Self::Table(table) => format!("table {}", table.name),
        };
        f.write_str(&line)
    }
}

/// What can be at a path; symbolic links are followed.
///
/// ```
/// use everfresh::observation::PathKind;
///
/// assert_eq!(PathKind::of("Cargo.toml".as_ref())?, Some(PathKind::File));
/// assert_eq!(PathKind::of("no such file".as_ref())?, None);
/// # Ok::<_, std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PathKind {
    /// A regular file.
    File,
    /// A folder.
    Dir,
    /// Anything else: a device, a pipe, a socket.
    Other,
}

impl PathKind {
    /// What is at a path now; `None` is nothing.
    ///
    /// ```
    /// use everfresh::observation::PathKind;
    ///
    /// assert_eq!(PathKind::of("src".as_ref())?, Some(PathKind::Dir));
    /// # Ok::<_, std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the path cannot be looked at.
    pub fn of(path: &Path) -> io::Result<Option<Self>> {
        match std::fs::metadata(path) {
            Ok(found) if found.is_file() => Ok(Some(Self::File)),
            Ok(found) if found.is_dir() => Ok(Some(Self::Dir)),
            Ok(_) => Ok(Some(Self::Other)),
            Err(error) if is_absence(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// What a computation saw of a table.
///
/// ```
/// use everfresh::{Fingerprint, observation::{Observation, TableObservation}};
///
/// let [id, schema, price] = ["id", "schema", "price"].map(|text| Fingerprint::of_bytes(text.as_bytes()));
/// let columns = vec![("price".to_owned(), price)];
/// let seen = Observation::Table(TableObservation { name: "orders".to_owned(), id, schema, rows: 3, columns });
/// assert!(matches!(seen, Observation::Table(table) if table.rows == 3));
/// ```
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
