//! **The freshness oracle**: the test that this project stands on.
//!
//! proptest makes a pipeline (a partitioned source in one of eight formats, a database, a URL, up to thirteen steps,
//! checks, sinks) and a sequence of edits. After each edit the cached run must equal a run in an empty cache, must equal
//! the unpartitioned run, and must not compute what the oracle's own simple rule says is unchanged. Twelve planted
//! faults show that it can fail.
//!
//! `EVERFRESH_ORACLE_CASES` sets the number of cases (256). A failing case is printed smallest first, and is replayed by
//! adding it to `REGRESSIONS`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod chance;
mod coverage;
mod edit;
mod meddler;
mod observed;
mod oracle;
mod pipeline_file;
mod server;
mod world;

use coverage::Coverage;
use edit::Kind;
use everfresh_pipeline::sabotage::Sabotage;
use everfresh_sql::{DataFusionEngine, EngineOptions};
use oracle::{Bench, case};
use proptest::{
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner},
};
use std::sync::Arc;

fn bench(sabotage: Option<Sabotage>) -> Bench {
    let engine = DataFusionEngine::new(EngineOptions::default());
    Bench { server: server::Server::start(), engine: Arc::new(engine), coverage: Coverage::default(), sabotage }
}

fn edits(kinds: &'static [Kind]) -> impl Strategy<Value = (u64, Vec<(Kind, u64)>)> {
    let edit = (proptest::sample::select(kinds), any::<u64>());
    (any::<u64>(), prop::collection::vec(edit, 1..6))
}

fn runner(cases: u32, seed: u8) -> TestRunner {
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 50, ..Config::default() };
    TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]))
}

fn cases() -> u32 {
    std::env::var("EVERFRESH_ORACLE_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(256)
}

/// Cases that once failed.
const REGRESSIONS: &[(u64, &[(Kind, u64)])] = &[
    // Rows that were deleted are computed again only when somebody reads them, which may be edits later.
    (10173467201198041294, &[(Kind::DeleteBlobs, 0), (Kind::AddRow, 37)]),
];

#[test]
fn cases_that_once_failed_hold() {
    let bench = bench(None);
    for (start, edits) in REGRESSIONS {
        case(&bench, *start, edits).unwrap();
    }
}

#[test]
fn a_cached_run_equals_a_fresh_one_and_computes_no_more_than_it_must() {
    let bench = bench(None);
    let threads = 2;
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads)
            .map(|thread| {
                let bench = &bench;
                scope.spawn(move || {
                    runner(cases() / threads, thread as u8).run(&edits(&Kind::ALL), |(start, edits)| {
                        case(bench, start, &edits).map_err(TestCaseError::fail)
                    })
                })
            })
            .collect();
        for thread in running {
            if let Err(error) = thread.join().unwrap() {
                panic!("{error}");
            }
        }
    });
    println!("{}", bench.coverage);
    assert_eq!(bench.coverage.missing(), Vec::<String>::new(), "never exercised");
}

/// The edits that show a fault soonest. All of them would, later.
fn telling(sabotage: Sabotage) -> &'static [Kind] {
    match sabotage {
        Sabotage::IgnoreRows => &[Kind::AddRow, Kind::RemoveRow],
        Sabotage::IgnoreSchema => &[Kind::AddColumn],
        Sabotage::DropColumn => &[Kind::ChangeValue],
        Sabotage::TrustMtime => &[Kind::SameSizeSameMtime],
        Sabotage::SkipAfterLook => &[Kind::ChangeWhileRunning],
        Sabotage::IgnoreParams => &[Kind::ChangeParam, Kind::ChangeEnv],
        Sabotage::IgnoreSql => &[Kind::ChangeSql],
        Sabotage::IgnoreReader => &[Kind::ChangeReaderOption],
        Sabotage::IgnoreOrder => &[Kind::RenameFile],
        Sabotage::MixPartitions => &[Kind::AddFile, Kind::ChangeValue],
        Sabotage::TrustTarget => &[Kind::DeleteOutput, Kind::EditOutput],
        Sabotage::StickyChecks => &[Kind::ChangeValue, Kind::AddRow],
    }
}

/// The cases that it takes to catch a planted fault.
fn caught(sabotage: Sabotage) -> u32 {
    let bench = bench(Some(sabotage));
    let ran = std::cell::Cell::new(0);
    let mut runner = TestRunner::new_with_rng(
        Config { cases: 200, failure_persistence: None, max_shrink_iters: 0, ..Config::default() },
        TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]),
    );
    let result = runner.run(&edits(telling(sabotage)), |(start, edits)| {
        ran.set(ran.get() + 1);
        case(&bench, start, &edits).map_err(TestCaseError::fail)
    });
    match result {
        Err(TestError::Fail(..)) => ran.get(),
        other => panic!("{sabotage:?} was not caught in {} cases: {other:?}", ran.get()),
    }
}

#[test]
fn every_planted_fault_is_caught() {
    std::thread::scope(|scope| {
        let halves = Sabotage::ALL.chunks(Sabotage::ALL.len().div_ceil(2));
        let running: Vec<_> = halves
            .map(|faults| {
                scope.spawn(move || {
                    for fault in faults {
                        println!("{fault:?}: caught after {} cases", caught(*fault));
                    }
                })
            })
            .collect();
        for thread in running {
            thread.join().unwrap();
        }
    });
}
