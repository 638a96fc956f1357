//! Observed reading: files, databases and URLs as Arrow tables.
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`options`], [`format`](mod@format) | how to read a file, and what it is |
//! | [`data_type`] | column types by name |
//! | [`listing`] | paths and globs to files, in a defined order |
//! | [`reader`] | the schema, the rows, the row count and the fingerprints of one file |
//! | [`schema`] | one schema for many files |
//! | [`secret`] | texts that may hold a secret |
//!
//! A table that comes from files is read in three calls: [`list`] finds the files, [`infer_schema`] and [`unify`] make
//! one schema for all of them, [`read`] gives each file's rows in that schema.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod arrow_file;
mod batches;
mod compact;
mod compression;
mod conform;
mod csv;
pub mod data_type;
pub mod error;
pub mod format;
mod json;
mod json_rows;
mod json_type;
pub mod listing;
pub mod options;
mod parquet;
pub mod reader;
mod records;
pub mod schema;
pub mod secret;
pub mod sqlite;
mod text_column;
mod text_type;
pub mod url;

pub use compact::compact;
pub use data_type::{parse_type, type_name, type_names};
pub use error::{Place, SourceError};
pub use format::Format;
pub use listing::{Listing, escape, is_glob, list, matches};
pub use options::ReadOptions;
pub use reader::{fingerprint_columns, infer_schema, read, row_count};
pub use schema::unify;
pub use secret::Secret;
