//! What a value cost to compute weighs in the choice of what goes.

use crate::memory::{Cache, EntryOptions, Policy};
use std::time::Duration;

/// The seconds saved, and the hits, where every tenth key costs a hundred times as much as the others. Low keys are asked
/// for more often.
fn play(policy: Policy, told: impl Fn(u64) -> Duration) -> (f64, u64) {
    let cost = |key: u64| if key % 10 == 7 { 0.1 } else { 0.001 };
    let cache = Cache::builder().policy(policy).max_entries(100).build();
    let mut state = 1u64;
    let mut saved = 0.0;
    for _ in 0..60_000 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let part = (state >> 11) as f64 / (1u64 << 53) as f64;
        let key = (2000.0 * part * part * part) as u64;
        match cache.get(&key) {
            Some(()) => saved += cost(key),
            None => cache.insert_with(key, (), EntryOptions::new().cost(told(key))).unwrap(),
        }
    }
    (saved, cache.stats().hits)
}

#[test]
fn told_costs_save_more_seconds() {
    let cost = |key: u64| Duration::from_millis(if key % 10 == 7 { 100 } else { 1 });
    for policy in [Policy::Adaptive, Policy::TinyLfu] {
        let (with, without) = (play(policy, cost).0, play(policy, |_| Duration::ZERO).0);
        assert!(with > 1.1 * without, "{policy:?}: {with} seconds with costs, {without} without");
    }
}

#[test]
fn equal_costs_hit_as_often_as_none() {
    for policy in [Policy::Adaptive, Policy::TinyLfu] {
        let (with, without) = (play(policy, |_| Duration::from_secs(1)).1, play(policy, |_| Duration::ZERO).1);
        let ratio = with as f64 / without as f64;
        assert!((0.97..1.03).contains(&ratio), "{policy:?}: {with} with costs, {without} without");
    }
}
