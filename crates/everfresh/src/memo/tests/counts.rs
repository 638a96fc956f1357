//! What a memo counts, and what to make of it.

use super::*;
use crate::{
    memo::{MemoStats, function_stats},
    memory::{Advice, ManualClock, Policy},
    observe,
};
use std::{sync::Arc, time::Duration};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_memo_that_is_too_small_says_so_unless_the_store_has_what_leaves() {
    let place = Place::new();
    let small = || memo().max_entries(100).policy(Policy::Lru);
    let ask = |memo: &Memo<u32>| {
        (0..3).flat_map(|_| 0..150).for_each(|key| _ = memo.get_or_compute(&key, || key));
        memo.stats()
    };
    let alone = ask(&small().build());
    assert_eq!((alone.hits(), alone.misses, alone.ghost_hits, alone.evicted, alone.entries), (0, 450, 300, 350, 100));
    let too_small = Advice::TooSmall { hit_ratio: 0.0, at_double: 300.0 / 450.0 };
    assert!(alone.advice().contains(&too_small), "{:?}", alone.advice());
    let stored = ask(&small().store(place.store()).build());
    assert_eq!((stored.disk_hits, stored.misses, stored.ghost_hits), (300, 150, 0));
    assert!(!stored.advice().iter().any(|advice| matches!(advice, Advice::TooSmall { .. })));
}

#[test]
fn a_miss_is_counted_by_its_reason() {
    let (place, clock) = (Place::new(), Arc::new(ManualClock::default()));
    let path = place.write("a", "one");
    let memo = memo().ttl(10 * SECOND).clock(clock.clone()).build();
    let ask = || memo.get_or_compute(&(), || length(&path));
    let reasons = || {
        let MemoStats { misses, expired, outdated, .. } = memo.stats();
        (misses, expired, outdated)
    };
    ask();
    assert_eq!(reasons(), (1, 0, 0));
    place.write("a", "three");
    ask();
    assert_eq!(reasons(), (2, 0, 1));
    clock.advance(10 * SECOND);
    ask();
    assert_eq!(reasons(), (3, 1, 1));
    memo.invalidate_tag("none");
    memo.clear();
    ask();
    assert_eq!(reasons(), (4, 1, 1), "nothing is left");
}

#[test]
fn what_leaves_the_memory_is_counted_by_its_cause() {
    let clock = Arc::new(ManualClock::default());
    let weigher = |weight: &u32| *weight;
    let memo = memo().max_bytes(10, weigher).ttl(SECOND).idle(5 * SECOND).clock(clock.clone()).build();
    let keep = |key: u32, weight: u32| _ = memo.get_or_compute(&key, || weight);
    [(1, 4), (2, 6), (3, 11)].into_iter().for_each(|(key, weight)| keep(key, weight));
    clock.advance(SECOND);
    keep(1, 3);
    let stats = memo.stats();
    assert_eq!((stats.refused, stats.replaced, stats.entries, stats.weight), (1, 1, 2, 9));
    keep(4, 7);
    assert!(memo.stats().evicted > 0 && memo.stats().weight <= 10);
    let entries = memo.stats().entries;
    memo.clear();
    assert_eq!((memo.stats().invalidated, memo.stats().entries), (entries, 0));
    keep(1, 1);
    assert!(memo.invalidate(&1u32) && memo.stats().invalidated == entries + 1);
    keep(1, 1);
    clock.advance(5 * SECOND);
    keep(1, 1);
    assert_eq!(memo.stats().unused, 1);
}

#[test]
fn values_that_are_too_large_have_their_advice() {
    let memo = memo().max_bytes(3, |_: &u32| 4).build();
    (0..100).for_each(|key| _ = memo.get_or_compute(&key, || key));
    let advice = memo.stats().advice();
    assert!(advice.contains(&Advice::TooLarge { refused: 1.0 }), "{advice:?}");
    assert!(!advice.iter().any(|advice| matches!(advice, Advice::NotKept { .. })), "{advice:?}");
}

#[test]
fn side_effects_have_their_advice_and_a_store_adds_up_what_was_done() {
    let place = Place::new();
    let process = || Memo::builder("report").store(place.store()).build();
    let report = |memo: &Memo<()>, name: &str| {
        let path = place.path(name);
        memo.get_or_compute(name, || {
            observe::made(&path);
            fs::write(&path, "all is well").unwrap();
        });
        memo.stats().effects
    };
    assert_eq!((report(&process(), "a"), report(&process(), "a"), report(&process(), "b")), (1, 0, 1));
    let MemoStats { loads, effects, entries, .. } = function_stats(&place.store()).unwrap()[0].stats;
    assert_eq!((loads, effects, entries), (2, 2, 0));
    let advice = function_stats(&place.store()).unwrap()[0].stats.advice();
    assert_eq!(advice, [Advice::SideEffects { seen: 1.0 }]);
}

#[test]
fn statistics_are_printed_for_people() {
    let stats = MemoStats {
        memory_hits: 70,
        disk_hits: 5,
        misses: 25,
        expired: 3,
        outdated: 4,
        loads: 24,
        failures: 1,
        effects: 2,
        saved_time: 6 * SECOND,
        compute_time: 2 * SECOND,
        evicted: 10,
        entries: 12,
        weight: 120,
        ..MemoStats::default()
    };
    let expected = "\
hits      75 (70 in memory, 5 in the store)
misses    25 (3 expired, 4 outdated)
computed  24 (0 not kept), 1 failed
effects   2 computations did more than give a result
saved     6.000s
spent     2.000s computing, 0.000ns looking
left      10 evicted, 0 unused, 0 replaced, 0 invalidated, 0 refused
holds     12 in memory that weigh 120";
    assert_eq!(stats.to_string(), expected);
}
