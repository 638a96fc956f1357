//! `cargo xtask bench cache`: hits of the memory tier and looks into precomputed tables, against peers.
//!
//! All contenders of a part run in each round, in a new random order, over the same keys; a round's figure is divided by
//! that of the round's baseline. The table shows medians and ranges. A target that is missed ends it with exit code 1.

mod contenders;
mod keys;
mod rounds;

use contenders::{decorated, hits, tables, with_ttl};
use rounds::{Part, measure};
use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let quick = match args.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => false,
        ["--quick"] => true,
        _ => {
            eprintln!("usage: cargo xtask bench cache [--quick]\n\n  --quick  fewer rounds: to see that it works");
            return ExitCode::from(2);
        }
    };
    let rounds = if quick { 3 } else { 21 };
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
    if missed.is_empty() {
        return ExitCode::SUCCESS;
    }
    println!();
    missed.iter().for_each(|name| println!("missed: {name}"));
    ExitCode::FAILURE
}
