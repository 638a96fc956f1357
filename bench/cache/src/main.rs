//! `cargo xtask bench cache`: hits of the memory tier and looks into precomputed tables, against peers; hit ratios of all
//! policies on traces; seconds saved where costs differ; bytes an entry.
//!
//! All contenders of a part run in each round, in a new random order, over the same keys; a round's figure is divided by
//! that of the round's baseline. The table shows medians and ranges. A target that is missed ends it with exit code 1.

mod contenders;
mod memory;
mod policies;
#[allow(dead_code)]
#[path = "../../src/random.rs"]
mod random;
mod ratios;
mod rounds;
mod saved;
mod traces;

use contenders::{decorated, hits, tables, with_ttl};
use rounds::{Part, measure};
use std::{path::Path, process::ExitCode};
use traces::Trace;

#[global_allocator]
static ALLOCATOR: memory::Counting = memory::Counting;

const USAGE: &str = "usage: cargo xtask bench cache [--quick] [speed|ratios|saved|memory]... [TRACE.gz]...

  --quick   fewer rounds: to see that it works
  speed     hits and looks, against peers
  ratios    hit ratios on the traces: gzip files with a decimal key a line, or some that are made for it,
            for which there is no target
  saved     seconds saved where costs differ
  memory    bytes an entry
  Without a word, all of it.";

fn main() -> ExitCode {
    let (mut quick, mut parts, mut paths) = (false, Vec::new(), Vec::new());
    for arg in std::env::args().skip(1) {
        match arg.as_str() {
            "--quick" => quick = true,
            "speed" | "ratios" | "saved" | "memory" => parts.push(arg),
            path if Path::new(path).is_file() => paths.push(arg),
            _ => {
                eprintln!("{USAGE}");
                return ExitCode::from(2);
            }
        }
    }
    let wanted = |part: &str| parts.is_empty() || parts.iter().any(|other| other == part);
    let mut missed = Vec::new();
    if wanted("speed") {
        missed.extend(speed(if quick { 3 } else { 21 }));
    }
    if wanted("memory") {
        missed.extend(memory::measure());
    }
    if wanted("saved") {
        missed.extend(saved::measure());
    }
    if wanted("ratios") {
        let read: Result<Vec<_>, _> = paths.iter().map(|path| Trace::read(Path::new(path))).collect();
        match read {
            Ok(traces) if traces.is_empty() => missed.extend(ratios::measure(&traces::synthetic(), false)),
            Ok(traces) => missed.extend(ratios::measure(&traces, true)),
            Err(error) => {
                eprintln!("a trace cannot be read: {error}");
                return ExitCode::from(2);
            }
        }
    }
    if missed.is_empty() {
        return ExitCode::SUCCESS;
    }
    println!();
    missed.iter().for_each(|name| println!("missed: {name}"));
    ExitCode::FAILURE
}

/// Measures and prints. The targets that were missed.
fn speed(rounds: usize) -> Vec<String> {
    let mut missed = Vec::new();
    for threads in [1, 2, 8] {
        let at_most = if threads == 1 { 1.3 } else { 1.1 };
        let name = format!("hits, {threads} threads, 10,000 keys, zipf 1.0");
        let part = Part { name, baseline: "quick_cache", targets: vec![("everfresh Cache", at_most)], threads };
        missed.extend(measure(&part, &hits(), rounds));
    }
    let functions = "decorated functions, hits, 1 thread";
    let part =
        Part { name: functions.into(), baseline: "cached", targets: vec![("everfresh #[cached]", 0.8)], threads: 1 };
    missed.extend(measure(&part, &decorated(), rounds));
    let part = Part {
        name: "hits with a ttl, 1 thread".into(),
        baseline: "everfresh Cache",
        targets: vec![("everfresh Cache with ttl", 1.3)],
        threads: 1,
    };
    missed.extend(measure(&part, &with_ttl(), rounds));
    let part = Part {
        name: "looks into a table of 65,536 results".into(),
        baseline: "slice, by hand",
        targets: vec![("everfresh #[precomputed]", 1.05), ("everfresh #[precomputed] const", 1.05)],
        threads: 1,
    };
    missed.extend(measure(&part, &tables(), rounds));
    missed
}
