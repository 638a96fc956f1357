//! Bounds hold at every moment, and counts are exact.

use super::{POLICIES, SCHEDULES, builder, explore, explore_in, numbers};
use crate::memory::Policy;
use shuttle::thread;

#[test]
fn an_observer_never_sees_more_than_asked_for_whatever_the_policy() {
    for policy in POLICIES {
        explore_in(SCHEDULES / 2, move || an_observer_sees_no_more_than_asked_for(policy));
    }
}

fn an_observer_sees_no_more_than_asked_for(policy: Policy) {
    let (max_entries, max_bytes) = (2, 5);
    let weigher = |_: &u32, weight: &u32| *weight;
    let cache = builder().policy(policy).max_entries(max_entries).max_bytes(max_bytes, weigher).build();
    let weights = || cache.iter().map(|(_, weight)| u64::from(weight)).sum::<u64>();
    thread::scope(|scope| {
        for writer in [10, 20] {
            let cache = &cache;
            scope.spawn(move || {
                cache.insert(writer, 3).unwrap();
                cache.get(&10);
                cache.insert(writer + 1, 2).unwrap();
                cache.get_or_compute(&1, || 4);
            });
        }
        scope.spawn(|| {
            for _ in 0..2 {
                assert!(cache.len() <= max_entries);
                assert!(cache.weight() <= max_bytes);
                assert!(weights() <= max_bytes);
            }
        });
    });
    let stats = cache.stats();
    assert_eq!(stats.entries as u64 + stats.evicted, 4 + stats.loads, "what came is there or was evicted");
    assert_eq!(stats.weight, weights());
}

#[test]
fn every_lookup_counts_once_also_when_threads_come_and_go() {
    explore(|| {
        let cache = numbers();
        cache.insert(1, 1).unwrap();
        let look = |key: u32| {
            let cache = cache.clone();
            move || _ = cache.get(&key)
        };
        let threads = [1, 1, 2].map(|key| thread::spawn(look(key)));
        let seen = cache.stats().lookups();
        // The numbers of threads that have ended are given to others.
        let more = [1, 1].map(|key| thread::spawn(look(key)));
        threads.into_iter().chain(more).for_each(|thread| thread.join().unwrap());
        let stats = cache.stats();
        assert!(seen <= 3);
        assert_eq!((stats.hits, stats.misses), (4, 1));
    });
}
