//! Bounds hold at every moment.

use super::{POLICIES, with_policy};
use crate::memory::{Cache, Refused};
use proptest::prelude::*;
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

#[test]
fn an_observer_never_sees_more_entries_than_asked_for() {
    for (policy, entries) in POLICIES.into_iter().flat_map(|policy| [1, 2, 3, 100, 5000].map(|n| (policy, n))) {
        let cache = with_policy(policy, entries);
        let done = AtomicBool::new(false);
        let most = thread::scope(|scope| {
            let observer = scope.spawn(|| {
                let mut most = 0;
                while !done.load(Ordering::Relaxed) {
                    most = most.max(cache.len());
                }
                most
            });
            let writers: Vec<_> = (0..2)
                .map(|writer| {
                    let cache = &cache;
                    scope.spawn(move || (0..10_000).for_each(|key| cache.insert(key * 2 + writer, key).unwrap()))
                })
                .collect();
            writers.into_iter().for_each(|writer| writer.join().unwrap());
            done.store(true, Ordering::Relaxed);
            observer.join().unwrap()
        });
        assert!(most <= entries, "{policy:?}: {most} of {entries}");
        assert_eq!(cache.len(), entries, "{policy:?}");
    }
}

proptest! {
    #[test]
    fn weights_never_add_up_to_more_than_asked_for(
        values in prop::collection::vec((0..20u32, 0..60u32), 0..100),
        max_bytes in 0..100u64,
    ) {
        for policy in POLICIES {
            let weigher = |_: &u32, weight: &u32| *weight;
            let cache = Cache::builder().policy(policy).max_bytes(max_bytes, weigher).build();
            for (key, weight) in &values {
                let kept = cache.insert(*key, *weight);
                prop_assert_eq!(kept.is_ok(), u64::from(*weight) <= max_bytes);
                prop_assert_eq!(cache.peek(key).is_some(), kept.is_ok(), "what was there before is gone too");
                prop_assert_eq!(cache.weight(), cache.iter().map(|(_, weight)| u64::from(weight)).sum::<u64>());
                prop_assert!(cache.weight() <= max_bytes);
            }
        }
    }
}

#[test]
fn both_bounds_hold_together() {
    let cache = Cache::builder().max_entries(3).max_bytes(10, |_: &u32, weight: &u32| *weight).build();
    (0..10).for_each(|key| cache.insert(key, 1).unwrap());
    assert_eq!((cache.len(), cache.weight()), (3, 3));
    cache.insert(99, 9).unwrap();
    assert_eq!((cache.len(), cache.weight()), (2, 10));
}

#[test]
fn what_has_no_room_is_refused_and_said_so() {
    let cache = Cache::builder().max_bytes(10, |_: &u32, weight: &u32| *weight).build();
    assert_eq!(cache.insert(1, 11), Err(Refused::TooHeavy { weight: 11, max_bytes: 10 }));
    assert_eq!(cache.get_or_compute(&1, || 11), 11, "the caller has it all the same");
    assert_eq!((cache.len(), cache.stats().refused), (0, 2));
    let none = Cache::new(0);
    assert_eq!(none.insert(1, 1), Err(Refused::NoEntries));
    assert_eq!((none.get_or_compute(&1, || 5), none.get_or_compute(&1, || 6)), (5, 6));
    assert_eq!(Refused::NoEntries.to_string(), "a value is not kept: the cache was made for 0 entries");
}

#[test]
fn a_weigher_that_panics_leaves_the_cache_as_it_was() {
    let weigher = |_: &u32, weight: &u32| if *weight == 13 { panic!("thirteen") } else { *weight };
    let cache = Cache::builder().max_bytes(100, weigher).build();
    cache.insert(1, 5).unwrap();
    for _ in 0..2 {
        assert!(catch_unwind(AssertUnwindSafe(|| cache.insert(1, 13))).is_err());
        assert!(catch_unwind(AssertUnwindSafe(|| cache.get_or_compute(&2, || 13))).is_err());
    }
    assert_eq!((cache.get(&1), cache.len(), cache.weight()), (Some(5), 1, 5));
    assert_eq!(cache.get_or_compute(&2, || 7), 7);
}

#[test]
fn a_bound_beyond_all_memory_costs_nothing() {
    for policy in super::POLICIES {
        for cache in [
            Cache::<u32, u32>::builder().policy(policy).max_entries(usize::MAX).build(),
            Cache::builder().policy(policy).max_bytes(u64::MAX, |_, _| u32::MAX).build(),
        ] {
            for _ in 0..2 {
                (0..100).for_each(|n| cache.insert(n, n).unwrap());
            }
            assert_eq!((cache.len(), cache.get(&7), cache.remove(&7)), (100, Some(7), Some(7)));
        }
    }
}

#[test]
fn what_is_refused_may_use_the_cache_while_it_is_dropped() {
    #[derive(Clone)]
    struct Heavy(Option<Cache<u32, Heavy>>);
    impl Drop for Heavy {
        fn drop(&mut self) {
            if let Some(cache) = &self.0 {
                cache.remove(&1);
            }
        }
    }
    let cache = Cache::builder().max_bytes(10, |_, _| 11).build();
    assert!(cache.insert(1, Heavy(Some(cache.clone()))).is_err());
    cache.get_or_compute(&1, || Heavy(Some(cache.clone())));
    assert!(cache.is_empty());
}
