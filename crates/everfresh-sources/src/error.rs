//! Why a file could not be read.

use std::{fmt, io, path::PathBuf};

/// Why a file could not be read: what failed, on which file and where in it, and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The operating system refused.
    #[error("cannot read `{}`: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// No file has this name, or none matches this glob.
    #[error("no file {} `{pattern}`{help}", if *glob { "matches" } else { "is at" })]
    NoFile {
        /// The path or glob as it was given.
        pattern: String,
        /// Whether it is a glob.
        glob: bool,
        /// The names that come nearest, best first.
        nearest: Vec<String>,
        /// The rest of the message.
        help: String,
    },
    /// There is something of this name, but it is no regular file.
    #[error("`{}` is {what}", path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
        /// What it is, and what to do.
        what: &'static str,
    },
    /// The glob cannot be understood.
    #[error("`{pattern}` is not a valid glob: {message}; write `[[]` for a `[` that stands for itself")]
    BadPattern {
        /// The glob as it was given.
        pattern: String,
        /// What is wrong with it.
        message: String,
    },
    /// The file's name does not tell its format.
    #[error(
        "cannot tell the format of `{}` from its name: say `format:` (one of {})",
        path.display(),
        crate::Format::NAMES.join(", ")
    )]
    UnknownFormat {
        /// The file.
        path: PathBuf,
    },
    /// The file as a whole is not what its format asks for.
    #[error("`{}` is not a readable {format} file: {message}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The format that was expected.
        format: &'static str,
        /// What is wrong with it.
        message: String,
    },
    /// A text file breaks the rules of its format.
    #[error("`{}`, {place}: {message}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Where.
        place: Place,
        /// What is wrong, and what to do.
        message: String,
    },
    /// A value does not fit its column's type.
    #[error(
        "`{}`, {place}, column `{column}`: {value} does not fit the type {expected}; \
         mend the value, or declare another type: `columns: {{ {column}: … }}`",
        path.display()
    )]
    Value {
        /// The file.
        path: PathBuf,
        /// Where.
        place: Place,
        /// The column's name.
        column: String,
        /// The value, shortened if it is long.
        value: Box<str>,
        /// The column's type, in the words of [`crate::type_name`].
        expected: Box<str>,
    },
    /// Two files hold the same column with types that have no common one.
    #[error(
        "column `{column}` is {first_type} in `{}` but {second_type} in `{}`; \
         declare its type: `columns: {{ {column}: … }}`",
        first.display(),
        second.display()
    )]
    Types {
        /// The column's name.
        column: String,
        /// A file.
        first: PathBuf,
        /// The column's type there.
        first_type: Box<str>,
        /// Another file.
        second: PathBuf,
        /// The column's type there.
        second_type: Box<str>,
    },
}

impl SourceError {
    pub(crate) fn io(path: &std::path::Path) -> impl FnOnce(io::Error) -> Self + '_ {
        move |source| Self::Io { path: path.to_owned(), source }
    }

    pub(crate) fn damaged(path: &std::path::Path, format: &'static str, message: impl fmt::Display) -> Self {
        Self::Damaged { path: path.to_owned(), format, message: message.to_string() }
    }

    pub(crate) fn malformed(path: &std::path::Path, place: Place, message: impl fmt::Display) -> Self {
        Self::Malformed { path: path.to_owned(), place, message: message.to_string() }
    }
}

/// A place in a file; the first line and the first row are 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Place {
    /// A line of a text file: where the row begins.
    Line(u64),
    /// A row of a table, headers not counted.
    Row(u64),
    /// A row of a JSON array, and the line that it begins on.
    RowOnLine(u64, u64),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(line) => write!(f, "line {line}"),
            Self::Row(row) => write!(f, "row {row}"),
            Self::RowOnLine(row, line) => write!(f, "row {row} (line {line})"),
        }
    }
}

/// A value for a message: quoted, and cut where it is long.
pub(crate) fn shown(value: &str) -> String {
    const MOST: usize = 60;
    let mut chars = value.chars();
    let head: String = chars.by_ref().take(MOST).collect();
    if chars.next().is_some() { format!("{head:?}…") } else { format!("{head:?}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_says_what_failed_where_and_what_to_do() {
        let error = SourceError::Value {
            path: "data/zips.csv".into(),
            place: Place::Line(7),
            column: "zip".into(),
            value: shown("abc").into(),
            expected: "bigint".into(),
        };
        assert_eq!(
            error.to_string(),
            "`data/zips.csv`, line 7, column `zip`: \"abc\" does not fit the type bigint; mend the value, or declare \
             another type: `columns: { zip: … }`"
        );
        assert_eq!(shown(&"x".repeat(100)).chars().count(), 63);
    }
}
