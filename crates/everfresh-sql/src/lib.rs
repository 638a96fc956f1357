//! The query engine behind Everfresh pipelines: DataFusion, kept repeatable.
//!
//! [`DataFusionEngine`] implements [`everfresh_pipeline::engine::QueryEngine`]. What it adds to DataFusion:
//!
//! - **Repeatable.** The same inputs give the same rows in the same order, float sums included. A query runs in one
//!   partition (steps run beside each other, see `session`), every scan hands out batches of exactly `BATCH_ROWS` rows
//!   however the table was cut up (`batches`), a union is read input by input (`physical::concat`), a sort keeps ties in
//!   the order in which they came (`physical::stable_sort`), and hash seeds are constants.
//! - **A function of what it reads.** The physical plan sees of a table its schema and its number of rows, nothing of
//!   its values or its size in bytes, so a result depends on the columns that the plan reads, the schemas and the row
//!   counts alone (`reads`, `scan`).
//! - **Refusals.** Queries whose result is no function of their inputs (`repeatable`), and queries that do not work
//!   partition by partition where they should (`partition_wise`), are refused with the reason and the place.
//! - **Errors that point.** Messages carry byte ranges into the SQL text and a "did you mean" (`error`, `text`).
//!
//! What remains open: when memory runs out, a hash aggregation and a join without an equality spill to disk and may then
//! give their rows in another order, and sums of floats with other last bits. The rows are right; early cutoff may
//! miss. Sorts spill without any such effect.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod batches;
mod bind;
mod engine;
mod error;
mod execute;
mod order;
mod output;
mod parse;
mod partition_wise;
mod physical;
mod plan;
mod reads;
mod repeatable;
mod scan;
mod session;
mod tables;
mod text;

pub use engine::{DataFusionEngine, EngineOptions, OPERATORS};
