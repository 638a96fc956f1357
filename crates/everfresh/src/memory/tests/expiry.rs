//! Entries whose time is over are not found.

use crate::memory::{Cache, Cause, EntryOptions, ManualClock};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn an_entry_lives_for_its_own_ttl_or_the_caches() {
    let clock = Arc::new(ManualClock::default());
    let cache = Cache::builder().ttl(10 * SECOND).clock(clock.clone()).build();
    cache.insert("cache's", 1).unwrap();
    cache.insert_with("own", 2, EntryOptions::new().ttl(20 * SECOND)).unwrap();
    cache.insert_with("none", 3, EntryOptions::new().ttl(Duration::ZERO)).unwrap();
    assert_eq!(cache.get("none"), None);
    assert_eq!(cache.lookup(&"computed").ttl(5 * SECOND).or_compute(|| 4), 4);
    let found = || ["cache's", "own", "computed"].map(|key| cache.get(key).is_some());
    clock.advance(5 * SECOND - Duration::from_nanos(1));
    assert_eq!(found(), [true, true, true]);
    clock.advance(Duration::from_nanos(1));
    assert_eq!(found(), [true, true, false]);
    clock.advance(5 * SECOND);
    assert_eq!(found(), [false, true, false]);
    clock.advance(10 * SECOND);
    assert_eq!(found(), [false, false, false]);
    assert_eq!((cache.len(), cache.stats().expired), (0, 4));
}

#[test]
fn an_entry_that_is_used_does_not_go_idle() {
    let clock = Arc::new(ManualClock::default());
    let cache = Cache::builder().idle(10 * SECOND).ttl(60 * SECOND).clock(clock.clone()).build();
    cache.insert("used", 1).unwrap();
    cache.insert("unused", 2).unwrap();
    for _ in 0..3 {
        clock.advance(9 * SECOND);
        assert_eq!(cache.get("used"), Some(1));
    }
    assert_eq!((cache.get("unused"), cache.peek("used")), (None, Some(1)));
    clock.advance(9 * SECOND);
    assert_eq!(cache.peek("used"), Some(1), "a peek is no use");
    clock.advance(SECOND);
    assert_eq!(cache.get("used"), None);
}

#[test]
fn an_entry_whose_time_is_over_goes_before_one_that_lives() {
    let clock = Arc::new(ManualClock::default());
    let gone = Arc::new(Mutex::new(Vec::new()));
    let heard = gone.clone();
    let listener = move |key: &'static str, _, cause| heard.lock().unwrap().push((key, cause));
    let cache = Cache::builder().max_entries(2).clock(clock.clone()).on_removal(listener).build();
    cache.insert("lives", 1).unwrap();
    cache.insert_with("short", 2, EntryOptions::new().ttl(SECOND)).unwrap();
    clock.advance(SECOND);
    cache.insert("new", 3).unwrap();
    assert_eq!(*gone.lock().unwrap(), [("short", Cause::Expired)]);
    assert_eq!(cache.get("lives"), Some(1));
}

#[test]
fn what_nobody_asks_for_is_removed_on_demand() {
    let clock = Arc::new(ManualClock::default());
    let cache = Cache::builder().ttl(SECOND).clock(clock.clone()).build();
    (0..100).for_each(|key| cache.insert(key, key).unwrap());
    assert_eq!(cache.remove_expired(), 0);
    clock.advance(SECOND);
    assert_eq!((cache.len(), cache.iter().count()), (100, 0));
    assert_eq!((cache.remove_expired(), cache.len()), (100, 0));
}

#[test]
fn a_clock_that_goes_backwards_only_lets_entries_live_longer() {
    let clock = Arc::new(ManualClock::default());
    clock.set(100 * SECOND);
    let cache = Cache::builder().ttl(10 * SECOND).idle(10 * SECOND).clock(clock.clone()).build();
    cache.insert("a", 1).unwrap();
    clock.set(Duration::ZERO);
    assert_eq!(cache.get("a"), Some(1));
    cache.insert("b", 2).unwrap();
    clock.set(9 * SECOND);
    assert_eq!((cache.get("a"), cache.get("b")), (Some(1), Some(2)));
    clock.set(Duration::MAX);
    assert_eq!((cache.get("a"), cache.get("b")), (None, None));
}

#[test]
fn no_duration_is_too_long() {
    for jitter in [0.0, 1.0] {
        let cache = Cache::builder().ttl(Duration::MAX).idle(Duration::MAX).jitter(jitter).build();
        cache.insert_with(1, 1, EntryOptions::new().cost(Duration::MAX)).unwrap();
        cache.insert_with(2, 2, EntryOptions::new().cost(Duration::MAX)).unwrap();
        assert_eq!([cache.get(&1), cache.get(&1), cache.get(&2)], [Some(1), Some(1), Some(2)]);
        assert_eq!(cache.stats().saved_time, Duration::MAX);
        cache.clear();
        assert_eq!(cache.stats().saved_time, Duration::MAX);
    }
}

#[test]
fn jitter_shortens_lives_and_never_lengthens_them() {
    let clock = Arc::new(ManualClock::default());
    let cache = Cache::builder().max_entries(1000).ttl(100 * SECOND).jitter(0.5).clock(clock.clone()).build();
    (0..1000).for_each(|key| cache.insert(key, key).unwrap());
    let alive_after = |seconds| {
        clock.set(seconds * SECOND);
        cache.iter().count()
    };
    assert_eq!(alive_after(49), 1000);
    let half = alive_after(75);
    assert!((300..700).contains(&half), "{half} of 1000 are alive in the middle");
    assert_eq!(alive_after(100), 0);
}
