//! Why a node of a pipeline could not give its result.

use crate::{engine::SqlError, graph::NodeId};
use everfresh::disk::StoreError;
use everfresh_sources::SourceError;
use std::path::PathBuf;

/// Why a node has no result.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// A table that is known by its fingerprint has lost its rows (evicted or damaged): the node that makes it must run.
    #[error("the rows of an earlier result are gone")]
    Missing(NodeId),
    /// Somebody asked to stop.
    #[error("stopped")]
    Cancelled,
    /// It failed.
    #[error(transparent)]
    Failed(#[from] Failure),
}

/// A failure that is told to people.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// A query cannot be read, planned or run.
    #[error("{error}")]
    Sql {
        /// What the engine says.
        error: SqlError,
        /// The text that it says it of; the error's span counts in it.
        sql: String,
        /// Whether the text is the user's own, so that pointing into it helps.
        written: bool,
    },
    /// A source cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A database cannot be read.
    #[error(transparent)]
    Sqlite(#[from] everfresh_sources::sqlite::SqliteSourceError),
    /// A URL cannot be had.
    #[error(transparent)]
    Url(#[from] everfresh_sources::url::UrlError),
    /// The cache cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file or folder cannot be read or written.
    #[error("cannot {action} `{}`: {error}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    /// A Python step, or what it needs to run, failed.
    #[error("{message}")]
    Python {
        /// What happened, with the lines of the user's code where there are any.
        message: String,
        /// Whether the user's code failed, which another attempt may change.
        ran: bool,
    },
    /// Arrow refuses the data.
    #[error("{0}")]
    Arrow(#[from] arrow::error::ArrowError),
    /// Anything else, in one sentence.
    #[error("{0}")]
    Other(String),
}

impl Failure {
    /// Wraps an I/O error with what was tried on what.
    pub fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |error| Self::Io { action, path, error }
    }

    /// Whether another attempt could end better.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Sql { error, .. } => error.kind == crate::engine::SqlErrorKind::Runtime,
            Self::Url(error) => error.is_transient(),
            Self::Io { .. } => true,
            Self::Python { ran, .. } => *ran,
            _ => false,
        }
    }
}

macro_rules! fault_from {
    ($($kind:ty),*) => {$(
        impl From<$kind> for Fault {
            fn from(error: $kind) -> Self {
                Self::Failed(error.into())
            }
        }
    )*};
}
fault_from!(
    SourceError,
    StoreError,
    arrow::error::ArrowError,
    everfresh_sources::sqlite::SqliteSourceError,
    everfresh_sources::url::UrlError
);
