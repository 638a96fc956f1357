//! What is computed beside all others: whoever calls hangs on all that it hangs on.

use super::*;
use crate::memory::{Cache, ManualClock};
use serde::{Serialize, Serializer, ser::Error as _};
use std::{sync::Arc, time::Duration};

const MINUTE: Duration = Duration::from_secs(60);

/// What has no fingerprint.
struct NoKey;

impl Serialize for NoKey {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(S::Error::custom("no key"))
    }
}

#[test]
fn who_calls_without_a_key_hangs_on_what_the_call_declares() {
    let place = Place::new();
    let path = place.write("a", "one");
    let (callee, caller) = (memo().build(), memo().build());
    let size = || fs::metadata(&path).unwrap().len();
    let ask = || caller.get_or_compute(&(), || callee.call(&NoKey).file(&path).or_compute(size));
    assert_eq!((ask(), ask(), caller.stats().loads), (3, 3, 1));
    place.write("a", "three");
    assert_eq!(ask(), 5);
}

#[test]
fn who_calls_without_a_key_hangs_on_invalidations_of_the_function_and_its_tags() {
    let (callee, caller, calls) = (memo().tag("all").build(), memo().build(), Calls::default());
    let ask = || caller.get_or_compute(&(), || callee.call(&NoKey).tag("some").or_compute(|| calls.count(5)));
    let counted = |expected| {
        ask();
        assert_eq!(calls.0.get(), expected);
    };
    counted(1);
    counted(1);
    callee.clear();
    counted(2);
    callee.invalidate_tag("all");
    counted(3);
    callee.invalidate_tag("some");
    counted(4);
    counted(4);
}

#[test]
fn who_calls_without_a_key_hangs_on_the_time_that_the_result_would_live() {
    let clock = Arc::new(ManualClock::default());
    let of_all = || memo().clock(clock.clone());
    let callees = [of_all().ttl(MINUTE).build(), of_all().ttl(9 * MINUTE).ttl_by(|_| Some(MINUTE)).build()];
    for callee in callees {
        let (caller, calls) = (of_all().build(), Calls::default());
        let ask = || caller.get_or_compute(&(), || callee.get_or_compute(&NoKey, || calls.count(5)));
        assert_eq!((ask(), ask(), calls.0.get()), (5, 5, 1));
        clock.advance(MINUTE);
        assert_eq!((ask(), calls.0.get()), (5, 2));
    }
}

#[test]
fn who_calls_with_a_value_that_nobody_can_look_at_again_is_not_kept() {
    let (callee, caller) = (memo().build(), memo().build());
    assert_eq!(caller.get_or_compute(&(), || callee.call(&1).value("client", &NoKey).or_compute(|| 5)), 5);
    assert_eq!((caller.get(&()), caller.stats().unstored), (None, 1));
}

#[test]
fn who_comes_back_to_a_key_hangs_on_the_time_that_its_value_lives() {
    let clock = Arc::new(ManualClock::default());
    let between = memo().clock(clock.clone()).build();
    let by_value = memo().clock(clock.clone()).ttl_by(|_| Some(MINUTE)).build();
    assert_eq!(by_value.get_or_compute(&1, || between.get_or_compute(&1, || by_value.get_or_compute(&1, || 4))), 4);
    let cache = Cache::builder().ttl(MINUTE).clock(clock.clone()).build();
    assert_eq!(cache.get_or_compute(&1, || between.get_or_compute(&2, || cache.get_or_compute(&1, || 5))), 5);
    assert_eq!((between.get(&1), between.get(&2)), (Some(4), Some(5)));
    clock.advance(MINUTE);
    assert_eq!((between.get(&1), between.get(&2)), (None, None));
}

#[test]
fn who_comes_back_to_a_key_hangs_on_nobody_removing_values_of_the_cache() {
    let (cache, between) = (Cache::new(10), memo().build());
    cache.get_or_compute(&1, || between.get_or_compute(&1, || cache.get_or_compute(&1, || 4)));
    assert_eq!(between.get(&1), Some(4));
    cache.clear();
    assert_eq!(between.get(&1), None);
}
