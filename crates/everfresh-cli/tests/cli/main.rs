//! The `everfresh` command as people and programs meet it: the real binary, on small pipelines in temporary folders.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod bad_files;
mod checks;
mod examples;
mod explain;
mod plan;
mod python_steps;
mod rerun;
mod sandbox;
mod server;
mod show;
mod sinks;
mod sources;
mod stopped;
mod together;
mod upkeep;
mod usage;
