//! Pipelines: specification → graph → plan → run.
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`spec`] | `everfresh.yaml`, read and checked |
//! | [`graph`] | which node reads which, and in which order |
//! | [`engine`] | what a pipeline asks of a query engine; none is named here |
//! | [`query`] | steps and checks as SQL |
//! | [`python`] | steps as functions in processes of their own |
//! | [`key`], [`reason`] | which computation it is, and why it missed |
//! | [`table`] | tables by fingerprint, by facts, by rows |
//! | [`run`] | looking up, computing, planning |
//! | [`sink`] | where results go, atomically |
//! | [`history`], [`report`] | what happened |
//! | [`pipeline`] | all of it behind one door |

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod cache;
mod diagnose;
pub mod engine;
pub mod fault;
pub mod graph;
pub mod history;
pub mod key;
pub mod pipeline;
pub mod python;
pub mod query;
pub mod reason;
pub mod report;
pub mod run;
pub mod sabotage;
pub mod sink;
pub mod spec;
pub mod table;

pub use pipeline::{Clear, OpenError, Pipeline, Settings, ShowError};
pub use run::{Forecast, Planned, Refresh, RunOptions};
