//! Arguments, versions, time, and verbs.

use super::*;
use crate::{memory::ManualClock, observation::Observation};
use serde::{Serialize, Serializer, ser::Error as _};
use std::{
    collections::{BTreeMap, HashMap},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

#[test]
fn equal_arguments_are_computed_once() {
    let (memo, calls) = (memo().build(), Calls::default());
    for _ in 0..3 {
        assert_eq!(memo.get_or_compute(&("a", 1), || calls.count(5)), 5);
    }
    assert_eq!(calls.0.get(), 1);
    let stats = memo.stats();
    assert_eq!((stats.memory_hits, stats.misses, stats.loads), (2, 1, 1));
}

#[test]
fn who_calls_a_function_observes_its_version_and_its_text() {
    let (name, caller) = ("observed by its caller", memo().version(1).build());
    let callee = Memo::builder(name).version(2).source(3).build();
    let Ok(entry) = caller.call(&()).or_try_compute_entry(|| Ok::<_, ()>(callee.get_or_compute(&1, || 5))) else {
        return;
    };
    let seen = |seen: &&Observation| matches!(seen, Observation::Function { name: own, .. } if own == name);
    let observed: Vec<_> = entry.observations().iter().filter(seen).cloned().collect();
    let build = crate::build_id();
    assert_eq!(observed, [Observation::Function { name: name.to_owned(), version: Some(2), source: Some(3), build }]);
}

#[test]
fn who_calls_two_functions_of_one_name_is_kept() {
    let callees = [1, 2].map(|source| Memo::builder("twins of one caller").source(source).version(source).build());
    let caller = memo().build();
    let sum =
        || caller.get_or_compute(&(), || callees.iter().map(|callee| callee.get_or_compute(&1, || 5)).sum::<u32>());
    assert_eq!((sum(), caller.get(&())), (10, Some(10)));
}

#[test]
fn arguments_of_different_types_are_different() {
    let (memo, calls) = (memo().build(), Calls::default());
    memo.get_or_compute(&1u32, || calls.count(0));
    memo.get_or_compute(&1u64, || calls.count(0));
    memo.get_or_compute(&1i64, || calls.count(0));
    memo.get_or_compute("1", || calls.count(0));
    memo.get_or_compute(&Some(1u32), || calls.count(0));
    memo.get_or_compute(&(1u32,), || calls.count(0));
    assert_eq!(calls.0.get(), 6);
}

#[test]
fn the_order_of_a_map_does_not_count() {
    let (memo, calls) = (memo().build(), Calls::default());
    let entries = [("a", 1), ("b", 2), ("c", 3), ("d", 4)];
    for _ in 0..5 {
        // Each has an order of its own.
        memo.get_or_compute(&HashMap::from(entries), || calls.count(0));
    }
    memo.get_or_compute(&BTreeMap::from(entries), || calls.count(0));
    assert_eq!(calls.0.get(), 1);
}

#[test]
fn arguments_without_a_key_compute_every_time_and_say_why() {
    struct Broken;
    impl Serialize for Broken {
        fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(S::Error::custom("no key"))
        }
    }
    let (memo, calls) = (memo().build(), Calls::default());
    assert_eq!(memo.get_or_compute(&Broken, || calls.count(1)), 1);
    assert_eq!(memo.get_or_compute(&Broken, || calls.count(2)), 2);
    assert!(memo.explain(&Broken).to_string().contains("no key"), "{}", memo.explain(&Broken));
    assert_eq!(memo.stats().unstored, 2);
}

#[test]
fn an_error_is_not_kept() {
    let memo = memo().build();
    assert_eq!(memo.try_get_or_compute(&1, || Err::<u32, _>("broken")), Err("broken"));
    assert_eq!(memo.try_get_or_compute(&1, || Ok::<_, &str>(5)), Ok(5));
    assert_eq!((memo.stats().failures, memo.stats().loads), (1, 1));
}

#[test]
fn after_a_panic_the_next_caller_computes() {
    let memo = memo().build();
    assert!(catch_unwind(AssertUnwindSafe(|| memo.get_or_compute(&1, || panic!("broken")))).is_err());
    assert_eq!(memo.get_or_compute(&1, || 5), 5);
    assert_eq!(memo.stats().failures, 1);
}

#[test]
fn a_caller_that_comes_back_to_its_own_key_computes_it_once_more() {
    let place = Place::new();
    for memo in [memo().build(), memo().store(place.store()).build()] {
        let value = memo.get_or_compute(&1, || memo.get_or_compute(&1, || 4) + 1);
        assert_eq!((value, memo.get(&1)), (5, Some(5)));
    }
}

#[test]
fn a_result_expires() {
    let clock = Arc::new(ManualClock::default());
    clock.set(Duration::from_secs(1_000_000));
    let memo = memo().ttl(Duration::from_secs(60)).clock(clock.clone()).build();
    memo.get_or_compute(&1, || 5);
    clock.advance(Duration::from_secs(59));
    assert_eq!(memo.get(&1), Some(5));
    clock.advance(Duration::from_secs(3));
    assert_eq!(memo.get(&1), None);
    assert_eq!(memo.explain(&1).to_string(), "miss: its time was over 2s ago");
}

#[test]
fn a_result_that_expires_is_not_served_when_the_clock_goes_back() {
    let clock = Arc::new(ManualClock::default());
    clock.set(Duration::from_secs(1_000_000));
    let memo = memo().ttl(Duration::from_secs(60)).clock(clock.clone()).build();
    memo.get_or_compute(&1, || 5);
    clock.set(Duration::from_secs(999_999));
    assert_eq!(memo.get(&1), None);
}

#[test]
fn a_caller_expires_with_the_first_of_what_it_called() {
    let clock = Arc::new(ManualClock::default());
    clock.set(Duration::from_secs(1_000_000));
    let callee = memo().ttl(Duration::from_secs(10)).clock(clock.clone()).build();
    let caller = memo().ttl(Duration::from_secs(100)).clock(clock.clone()).build();
    let value = || caller.get_or_compute(&1, || callee.get_or_compute(&1, || 5));
    value();
    clock.advance(Duration::from_secs(4));
    // This one finds what was called with six seconds left.
    caller.get_or_compute(&2, || callee.get_or_compute(&1, || unreachable!("it is kept")));
    clock.advance(Duration::from_secs(5));
    assert_eq!((caller.get(&1), caller.get(&2)), (Some(5), Some(5)));
    clock.advance(Duration::from_secs(1));
    assert_eq!((caller.get(&1), caller.get(&2)), (None, None));
}

#[test]
fn who_saw_an_error_depends_on_it_no_longer_than_on_a_result() {
    let clock = Arc::new(ManualClock::default());
    let callee = memo().ttl(Duration::from_secs(10)).clock(clock.clone()).build();
    let caller = memo().clock(clock.clone()).build();
    caller.get_or_compute(&1, || callee.try_get_or_compute(&1, || Err("down")).unwrap_or(5));
    clock.advance(Duration::from_secs(9));
    assert_eq!(caller.get(&1), Some(5));
    clock.advance(Duration::from_secs(1));
    assert_eq!(caller.get(&1), None);
}

#[test]
fn one_result_can_be_invalidated_and_all_can() {
    let place = Place::new();
    for memo in [memo().build(), memo().store(place.store()).build()] {
        (0..3).for_each(|n| _ = memo.get_or_compute(&n, || n));
        assert!(memo.invalidate(&1) && !memo.invalidate(&7));
        assert_eq!([memo.get(&0), memo.get(&1), memo.get(&2)], [Some(0), None, Some(2)]);
        memo.clear();
        assert_eq!([memo.get(&0), memo.get(&2)], [None, None]);
        assert_eq!(memo.get_or_compute(&0, || 9), 9);
        assert_eq!(memo.get(&0), Some(9));
    }
}

#[test]
fn results_can_be_invalidated_by_tag() {
    let place = Place::new();
    for memo in [memo().tag("all").build(), memo().tag("all").store(place.store()).build()] {
        memo.call(&1).tag("odd").or_compute(|| 1);
        memo.get_or_compute(&2, || 2);
        memo.invalidate_tag("even");
        assert_eq!([memo.get(&1), memo.get(&2)], [Some(1), Some(2)]);
        memo.invalidate_tag("odd");
        assert_eq!([memo.get(&1), memo.get(&2)], [None, Some(2)]);
        memo.invalidate_tag("all");
        assert_eq!(memo.get(&2), None);
    }
}

#[test]
fn what_was_made_with_an_invalidated_result_is_out_of_date_too() {
    let place = Place::new();
    for store in [None, Some(place.store())] {
        let make = || match &store {
            Some(store) => memo().store(store.clone()).build(),
            None => memo().build(),
        };
        let (callee, caller, other) = (make(), make(), memo().build());
        let value = || caller.get_or_compute(&1, || callee.get_or_compute(&2, || 5) + 1);
        other.get_or_compute(&1, || 7);
        assert_eq!((value(), caller.get(&1)), (6, Some(6)));
        callee.invalidate(&2);
        assert_eq!((caller.get(&1), other.get(&1)), (None, Some(7)));
        value();
        callee.clear();
        assert_eq!((caller.get(&1), other.get(&1)), (None, Some(7)));
    }
}

#[test]
fn the_results_of_another_version_are_not_served() {
    let place = Place::new();
    let memo = |version| Memo::builder("versions").store(place.store()).version(version).build();
    memo(1).get_or_compute(&1, || 1);
    assert_eq!(memo(2).get(&1), None);
    assert_eq!(memo(2).explain(&1).to_string(), "miss: the code of `versions` may have changed");
    memo(2).get_or_compute(&1, || 2);
    assert_eq!((memo(1).get(&1), memo(2).get(&1)), (Some(1), Some(2)));
}

#[test]
fn a_caller_hangs_on_the_version_of_what_it_called() {
    let place = Place::new();
    let callee = |version| Memo::builder("callee").version(version).build();
    let caller = Memo::builder("caller").store(place.store()).version(1).build();
    let one = callee(1);
    caller.get_or_compute(&1, || one.get_or_compute(&1, || 5));
    assert_eq!(caller.get(&1), Some(5));
    drop(callee(2));
    assert_eq!(caller.get(&1), None);
    drop(callee(1));
    assert_eq!(caller.get(&1), Some(5));
}

#[test]
fn there_are_no_more_results_in_memory_than_asked_for() {
    let memo = memo().max_entries(10).build();
    (0..100).for_each(|n| _ = memo.get_or_compute(&n, || n));
    assert!((0..100).filter(|n| memo.get(n).is_some()).count() <= 10);
}
