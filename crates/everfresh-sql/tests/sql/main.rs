//! What the query engine promises, said against tables in memory.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod errors;
mod parsing;
mod partitions;
mod reading;
mod repeatable;
mod repeating;
mod running;
mod support;
