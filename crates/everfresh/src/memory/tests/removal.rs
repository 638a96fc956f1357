//! Whatever leaves is told, once, with its cause.

use crate::memory::{Cache, Cause, EntryOptions, Policy};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex},
};

type Gone = Arc<Mutex<Vec<(u32, u32, Cause)>>>;

fn listening(max_entries: usize) -> (Cache<u32, u32>, Gone) {
    let gone = Gone::default();
    let heard = gone.clone();
    let listener = move |key, value, cause| heard.lock().unwrap().push((key, value, cause));
    (Cache::builder().max_entries(max_entries).policy(Policy::Fifo).on_removal(listener).build(), gone)
}

#[test]
fn a_listener_hears_of_every_cause() {
    let (cache, gone) = listening(2);
    cache.insert(1, 10).unwrap();
    cache.insert(1, 11).unwrap();
    cache.insert(2, 20).unwrap();
    cache.insert(3, 30).unwrap();
    assert_eq!(cache.remove(&3), Some(30));
    cache.clear();
    let expected =
        [(1, 10, Cause::Replaced), (1, 11, Cause::Evicted), (3, 30, Cause::Invalidated), (2, 20, Cause::Invalidated)];
    assert_eq!(*gone.lock().unwrap(), expected);
    let stats = cache.stats();
    assert_eq!((stats.replaced, stats.evicted, stats.invalidated), (1, 1, 2));
}

#[test]
fn a_listener_may_use_the_cache() {
    let slot: Arc<Mutex<Option<Cache<u32, u32>>>> = Arc::default();
    let inner = slot.clone();
    let listener = move |key, value, cause| {
        let cache = inner.lock().unwrap().clone();
        if let (Some(cache), Cause::Invalidated) = (cache, cause) {
            cache.insert(key + 1, value).unwrap();
        }
    };
    let cache = Cache::builder().max_entries(10).on_removal(listener).build();
    *slot.lock().unwrap() = Some(cache.clone());
    cache.insert(1, 5).unwrap();
    cache.remove(&1);
    assert_eq!((cache.get(&1), cache.get(&2)), (None, Some(5)));
    *slot.lock().unwrap() = None;
}

#[test]
fn a_listener_that_panics_leaves_a_cache_that_works() {
    let listener = |_, _, cause| assert_eq!(cause, Cause::Replaced, "of all causes this one");
    let cache = Cache::builder().max_entries(1).on_removal(listener).build();
    cache.insert(1, 1).unwrap();
    assert!(catch_unwind(AssertUnwindSafe(|| cache.insert(2, 2))).is_err());
    assert_eq!((cache.len(), cache.get(&2)), (1, Some(2)));
    assert!(catch_unwind(AssertUnwindSafe(|| cache.get_or_compute(&3, || 3))).is_err());
    assert_eq!((cache.len(), cache.get(&3)), (1, Some(3)));
}

#[test]
fn a_tag_finds_its_entries_and_no_others() {
    let cache = Cache::new(10);
    cache.insert_with("EUR", 1, EntryOptions::new().tag("rates").tag("europe")).unwrap();
    cache.insert_with("USD", 2, EntryOptions::new().tag("rates")).unwrap();
    cache.insert("name", 3).unwrap();
    assert_eq!(cache.invalidate_tag("rat"), 0);
    assert_eq!(cache.invalidate_tag("europe"), 1);
    assert_eq!((cache.get("EUR"), cache.get("USD"), cache.get("name")), (None, Some(2), Some(3)));
    assert_eq!(cache.invalidate_tag("rates"), 1);
    assert_eq!(cache.len(), 1);
}

#[test]
fn what_does_not_stay_goes() {
    let cache = Cache::new(20_000);
    (0..5000).for_each(|key| cache.insert(key, key % 3).unwrap());
    cache.retain(|_, value| *value == 0);
    assert_eq!(cache.len(), 1667);
    assert!(cache.iter().all(|(_, value)| value == 0));
}

#[test]
fn seconds_saved_are_hits_times_cost() {
    let cost = std::time::Duration::from_secs(3);
    let cache = Cache::new(1);
    cache.insert_with(1, 1, EntryOptions::new().cost(cost)).unwrap();
    assert_eq!([cache.get(&1), cache.get(&1), cache.get(&2)], [Some(1), Some(1), None]);
    assert_eq!(cache.stats().saved_time, 2 * cost);
    cache.insert(2, 2).unwrap();
    let stats = cache.stats();
    assert_eq!((stats.saved_time, stats.hits, stats.misses, stats.evicted), (2 * cost, 2, 1, 1));
}
