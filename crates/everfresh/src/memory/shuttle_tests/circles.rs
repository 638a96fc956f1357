//! Nobody waits in a circle: a wait for ever is a deadlock, which shuttle reports.

use super::{explore, numbers};
use crate::Memo;
use shuttle::{
    future::{self, block_on},
    thread,
};
use std::sync::Arc;

/// Of so many keys each needs the next one.
const RING: u32 = 3;

fn next(key: u32) -> u32 {
    (key + 1) % RING
}

#[test]
fn threads_that_need_each_others_keys_all_end() {
    explore(|| {
        let cache = numbers();
        thread::scope(|scope| {
            for own in 0..RING {
                let cache = &cache;
                scope.spawn(move || {
                    let value = cache.get_or_compute(&own, || 10 * own + cache.get_or_compute(&next(own), || 5));
                    // What is computed beside a flight is not kept, so the first that was stays.
                    assert_eq!(cache.get(&own), Some(value));
                });
            }
        });
    });
}

#[test]
fn tasks_and_threads_that_need_each_others_keys_all_end() {
    explore(|| {
        let cache = numbers();
        let tasks = [0, 1].map(|own| {
            let cache = cache.clone();
            future::spawn(async move {
                let needs = async { cache.get_or_compute_async(&next(own), async { 5 }).await };
                cache.get_or_compute_async(&own, async { 10 * own + needs.await }).await
            })
        });
        let thread = {
            let cache = cache.clone();
            thread::spawn(move || cache.get_or_compute(&2, || 20 + cache.get_or_compute(&0, || 5)))
        };
        let found = tasks.map(|task| block_on(task).unwrap());
        assert_eq!(found, [0, 1].map(|own| cache.get(&own).unwrap()));
        assert_eq!(thread.join().unwrap(), cache.get(&2).unwrap());
    });
}

#[test]
fn who_leads_on_in_place_of_one_that_failed_closes_no_circle() {
    explore(|| {
        let cache = numbers();
        thread::scope(|scope| {
            scope.spawn(|| {
                let fails = cache.try_get_or_compute(&2, || {
                    thread::yield_now();
                    Err(())
                });
                assert_eq!(fails.ok(), fails.ok().and(cache.get(&2)));
            });
            for own in [0, 1] {
                let cache = &cache;
                // Both need 2, in place of which the other's key is needed.
                let of_two = move || 7 + cache.get_or_compute(&(1 - own), || 5);
                scope.spawn(move || cache.get_or_compute(&own, || 10 * own + cache.get_or_compute(&2, of_two)));
            }
        });
        assert_eq!(cache.stats().entries, 3);
    });
}

#[test]
fn a_helper_thread_closes_no_circle_either() {
    explore(|| {
        let cache = numbers();
        thread::scope(|scope| {
            for own in [0, 1] {
                let cache = &cache;
                scope.spawn(move || {
                    cache.get_or_compute(&own, || {
                        let context = crate::Context::current();
                        let needs = || context.run(|| cache.get_or_compute(&(1 - own), || 5));
                        thread::scope(|scope| scope.spawn(needs).join().unwrap())
                    })
                });
            }
        });
        assert_eq!(cache.stats().entries, 2);
    });
}

#[test]
fn updates_that_need_each_others_keys_all_end_and_none_is_lost() {
    explore(|| {
        let cache = numbers();
        cache.insert(0, 1).unwrap();
        cache.insert(1, 1).unwrap();
        thread::scope(|scope| {
            for own in [0, 1] {
                let cache = &cache;
                scope.spawn(move || {
                    cache.entry(&own).upsert(|value| {
                        // Adds nothing.
                        cache.entry(&(1 - own)).upsert(|value| value);
                        value.map(|value| value + 1)
                    })
                });
            }
        });
        assert_eq!([cache.get(&0), cache.get(&1)], [Some(2); 2]);
    });
}

#[test]
fn callers_of_memos_that_need_each_others_keys_all_end() {
    explore(|| {
        let memos = [(); 2].map(|()| Memo::builder("a circle of memos").build());
        let memos = Arc::new(memos);
        let threads = [0, 1].map(|own| {
            let memos = Arc::clone(&memos);
            thread::spawn(move || memos[own].get_or_compute(&0, || 1 + memos[1 - own].get_or_compute(&0, || 5)))
        });
        let values = threads.map(|thread| thread.join().unwrap());
        assert_eq!(values.map(Some), [memos[0].get(&0), memos[1].get(&0)]);
    });
}
