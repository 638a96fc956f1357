//! No update is lost.

use super::{explore, numbers};
use crate::memory::Cache;
use shuttle::{
    future::{self, block_on},
    thread,
};
use std::hash::BuildHasher;

fn add_one<S: BuildHasher>(cache: &Cache<u32, u32, S>) -> Option<u32> {
    cache.entry(&1).upsert(|count| {
        thread::yield_now();
        Some(count.unwrap_or(0) + 1)
    })
}

#[test]
fn updates_by_threads_and_tasks_all_count() {
    explore(|| {
        let cache = numbers();
        let threads = [(); 2].map(|()| {
            let cache = cache.clone();
            thread::spawn(move || add_one(&cache))
        });
        let tasks = [(); 2].map(|()| {
            let cache = cache.clone();
            future::spawn(async move {
                let add_one = |count: Option<u32>| async move {
                    future::yield_now().await;
                    Some(count.unwrap_or(0) + 1)
                };
                cache.entry(&1).upsert_async(add_one).await
            })
        });
        let mut counts: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        counts.extend(tasks.into_iter().map(|task| block_on(task).unwrap()));
        counts.sort();
        assert_eq!(counts, [Some(1), Some(2), Some(3), Some(4)]);
        assert_eq!(cache.get(&1), Some(4));
    });
}

#[test]
fn an_update_comes_before_an_insertion_or_after_it() {
    explore(|| {
        let cache = numbers();
        let updated = thread::scope(|scope| {
            let update = scope.spawn(|| add_one(&cache));
            scope.spawn(|| cache.insert(1, 10).unwrap());
            update.join().unwrap()
        });
        let both = (updated, cache.get(&1));
        assert!([(Some(1), Some(10)), (Some(11), Some(11))].contains(&both), "{both:?}");
    });
}

#[test]
fn an_update_comes_before_a_removal_or_after_it() {
    explore(|| {
        let cache = numbers();
        cache.insert(1, 10).unwrap();
        let (updated, removed) = thread::scope(|scope| {
            let update = scope.spawn(|| add_one(&cache));
            let remove = scope.spawn(|| cache.remove(&1));
            (update.join().unwrap(), remove.join().unwrap())
        });
        let all = (updated, removed, cache.get(&1));
        assert!([(Some(11), Some(11), None), (Some(1), Some(10), Some(1))].contains(&all), "{all:?}");
    });
}

#[test]
fn an_update_comes_before_a_computation_or_after_it() {
    explore(|| {
        let cache = numbers();
        let computed = thread::scope(|scope| {
            let compute = scope.spawn(|| cache.get_or_compute(&1, || 10));
            scope.spawn(|| add_one(&cache));
            compute.join().unwrap()
        });
        let both = (computed, cache.get(&1));
        assert!([(1, Some(1)), (10, Some(11)), (11, Some(11))].contains(&both), "{both:?}");
    });
}

#[test]
fn of_those_who_take_the_last_one_gets_it() {
    explore(|| {
        let cache = numbers();
        cache.insert(1, 1).unwrap();
        let taken = thread::scope(|scope| {
            let take = || cache.entry(&1).upsert(|left| left?.checked_sub(1));
            let takers = [scope.spawn(take), scope.spawn(take), scope.spawn(take)];
            takers.map(|taker| taker.join().unwrap())
        });
        // The second finds nothing left and removes it; a third finds nothing.
        assert_eq!(taken.iter().flatten().count(), 1, "{taken:?}");
        assert_eq!(cache.get(&1), None);
    });
}
