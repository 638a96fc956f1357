//! Seconds saved where a few keys cost much more than the others.

use crate::traces::zipf;
use everfresh::memory::{Cache, EntryOptions, Policy};
use std::time::Duration;

const DISTINCT: usize = 20_000;
const ENTRIES: usize = DISTINCT / 20;
/// How much more of the seconds costs must save than no costs.
const TARGET: f64 = 1.1;

/// One key in ten costs a hundred times as much as the others.
fn cost(key: u64) -> Duration {
    Duration::from_millis(if key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32 & 0xffff < 6554 { 100 } else { 1 })
}

/// Measures and prints. What was missed.
pub fn measure() -> Vec<String> {
    let keys = zipf(DISTINCT, 0.9, 400_000, 3);
    let ours = |policy: Policy, costs: bool| {
        let cache = Cache::builder().policy(policy).max_entries(ENTRIES).build();
        move |key: u64| {
            let options = EntryOptions::new().cost(if costs { cost(key) } else { Duration::ZERO });
            cache.get(&key).is_some() || cache.insert_with(key, (), options).is_err()
        }
    };
    let quick = quick_cache::sync::Cache::new(ENTRIES);
    let moka = moka::sync::Cache::new(ENTRIES as u64);
    let contenders: [(&str, Box<dyn Fn(u64) -> bool>); 6] = [
        ("everfresh", Box::new(ours(Policy::default(), true))),
        ("everfresh, costs not told", Box::new(ours(Policy::default(), false))),
        ("tinylfu", Box::new(ours(Policy::TinyLfu, true))),
        ("tinylfu, costs not told", Box::new(ours(Policy::TinyLfu, false))),
        (
            "quick_cache",
            Box::new(move |key| {
                let hit = quick.get(&key).is_some();
                if !hit {
                    quick.insert(key, ());
                }
                hit
            }),
        ),
        (
            "moka",
            Box::new(move |key| {
                let hit = moka.get(&key).is_some();
                if !hit {
                    moka.insert(key, ());
                }
                hit
            }),
        ),
    ];
    let all: Duration = keys.iter().map(|key| cost(*key)).sum();
    println!("\nseconds saved, {ENTRIES} of {DISTINCT} keys, zipf 0.9, every tenth key costs 100 times as much");
    println!("  {:32} {:>10} {:>10}", "", "of seconds", "of lookups");
    let mut shares = Vec::new();
    for (name, access) in contenders {
        let hits: Vec<u64> = keys.iter().copied().filter(|key| access(*key)).collect();
        let saved: Duration = hits.iter().map(|key| cost(*key)).sum();
        shares.push(saved.as_secs_f64() / all.as_secs_f64());
        let ratio = hits.len() as f64 / keys.len() as f64;
        println!("  {name:32} {:>10.4} {ratio:>10.4}", saved.as_secs_f64() / all.as_secs_f64());
    }
    let gain = shares[0] / shares[1];
    if gain >= TARGET { Vec::new() } else { vec![format!("seconds saved with costs: {gain:.2}x of without")] }
}
