//! Files of every format, written by other writers than ours, and read.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod damage;
mod nested;
mod properties;
mod tables;
mod text;
mod typed;
