//! The session that every query runs in.
//!
//! Invariants: whatever setting may change a result is a constant here (one partition, `BATCH_ROWS` rows a batch, UTC);
//! what differs between machines (threads, memory, where to spill) changes no result, but for what `lib` says of
//! aggregations that spill. One partition a query and many queries at once was chosen over many partitions a query: with
//! several, the order of rows and the last bits of float sums hang on which thread was first.

use crate::{
    error::runtime,
    physical::{concat::Concat, join_sides::JoinSides, probe_order::ProbeOrder, stable_sort::StableSort},
};
use datafusion::{
    common::config::ConfigOptions,
    execution::{
        SessionStateBuilder,
        config::SessionConfig,
        disk_manager::{DiskManagerBuilder, DiskManagerMode},
        memory_pool::{FairSpillPool, TrackConsumersPool},
        runtime_env::{RuntimeEnv, RuntimeEnvBuilder},
        session_state::SessionState,
    },
    physical_optimizer::{PhysicalOptimizerRule, optimizer::PhysicalOptimizer},
};
use everfresh_pipeline::engine::{BATCH_ROWS, SqlError};
use std::{num::NonZeroUsize, path::PathBuf, sync::Arc};

/// The largest part of the memory that one sort holds back for merging what it spilled.
const SORT_RESERVATION: u64 = 10 * 1024 * 1024;

/// A session state to clone for every query: all functions, rules and settings, and no table.
pub(crate) fn template(memory: Option<u64>, spill_dir: Option<PathBuf>) -> Result<SessionState, SqlError> {
    let failed = |error: datafusion::error::DataFusionError| {
        runtime(format!("the query engine does not start: {}", error.strip_backtrace()))
    };
    let config = SessionConfig::from(options(memory)?);
    Ok(SessionStateBuilder::new()
        .with_config(config)
        .with_runtime_env(environment(memory, spill_dir).map_err(failed)?)
        .with_default_features()
        .with_physical_optimizer_rules(rules())
        .build())
}

fn options(memory: Option<u64>) -> Result<ConfigOptions, SqlError> {
    let mut options = ConfigOptions::new();
    let rows = BATCH_ROWS.to_string();
    options.set("datafusion.execution.batch_size", &rows).map_err(|error| runtime(error.strip_backtrace()))?;
    // No time zone set means UTC, and timestamps without a zone stay so.
    options.execution.time_zone = None;
    options.execution.target_partitions = 1;
    options.execution.planning_concurrency = 1;
    options.execution.collect_statistics = false;
    if let Some(memory) = memory {
        let reservation = SORT_RESERVATION.min(memory / 16);
        options.execution.sort_spill_reservation_bytes = usize::try_from(reservation).unwrap_or(usize::MAX);
    }
    options.optimizer.enable_round_robin_repartition = false;
    options.optimizer.repartition_aggregations = false;
    options.optimizer.repartition_joins = false;
    options.optimizer.repartition_sorts = false;
    options.optimizer.repartition_windows = false;
    options.optimizer.repartition_file_scans = false;
    // Scans take no filters, so dynamic ones would only cost time; and a result must not hang on when one arrives.
    options.optimizer.enable_dynamic_filter_pushdown = false;
    options.optimizer.enable_topk_aggregation = false;
    options.optimizer.enable_distinct_aggregation_soft_limit = false;
    options.sql_parser.collect_spans = true;
    // Text that SQL makes is plain, as results are; that of Parquet files alone comes as views.
    options.sql_parser.map_string_types_to_utf8view = false;
    Ok(options)
}

fn environment(
    memory: Option<u64>,
    spill_dir: Option<PathBuf>,
) -> Result<Arc<RuntimeEnv>, datafusion::error::DataFusionError> {
    let mut environment = RuntimeEnvBuilder::new();
    if let Some(memory) = memory {
        let pool = FairSpillPool::new(usize::try_from(memory).unwrap_or(usize::MAX));
        let shown = NonZeroUsize::new(3).unwrap_or(NonZeroUsize::MIN);
        environment = environment.with_memory_pool(Arc::new(TrackConsumersPool::new(pool, shown)));
    }
    if let Some(folder) = spill_dir {
        let mode = DiskManagerMode::Directories(vec![folder]);
        environment = environment.with_disk_manager_builder(DiskManagerBuilder::default().with_mode(mode));
    }
    environment.build_arc()
}

/// DataFusion's rules, with four of ours: unions are read in order, join sides are chosen by row counts or by which
/// side is read in partitions, outer joins keep the order of the probed side, and sorts keep ties in order.
fn rules() -> Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>> {
    let mut rules = Vec::new();
    for rule in PhysicalOptimizer::new().rules {
        if rule.name() == "join_selection" {
            rules.push(Arc::new(Concat) as Arc<dyn PhysicalOptimizerRule + Send + Sync>);
            rules.push(Arc::new(JoinSides));
        } else {
            rules.push(rule);
        }
    }
    // Last: what these put in needs nothing that any other rule provides, and no rule may move it.
    rules.push(Arc::new(ProbeOrder));
    rules.push(Arc::new(StableSort));
    rules
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_rules_are_in_their_places() {
        let names: Vec<String> = rules().iter().map(|rule| rule.name().to_owned()).collect();
        let at = |name: &str| {
            names.iter().position(|found| found == name).unwrap_or_else(|| panic!("no {name} in {names:?}"))
        };
        assert!(at("concat") < at("join_sides"));
        assert!(at("join_sides") < at("SanityCheckPlan"));
        assert_eq!(names[names.len() - 2..], ["probe_order", "stable_sort"]);
        assert!(!names.iter().any(|name| name == "join_selection"));
    }
}
