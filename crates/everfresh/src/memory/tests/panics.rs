//! Whatever of the user's panics, the cache works on.

use super::flights::poll;
use crate::memory::{Cache, Cause};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::mpsc,
    thread,
    time::Duration,
};

/// Whether it panics.
fn panics<T>(act: impl FnOnce() -> T) -> bool {
    catch_unwind(AssertUnwindSafe(act)).is_err()
}

#[test]
fn a_ttl_function_that_panics_leaves_the_cache_as_it_was() {
    let ttl = |_: &u32, value: &u32| if *value == 13 { panic!("thirteen") } else { Some(Duration::MAX) };
    let cache = Cache::builder().max_entries(2).ttl_by(ttl).build();
    cache.insert(1, 5).unwrap();
    for _ in 0..3 {
        assert!(panics(|| cache.insert(1, 13)));
        assert!(panics(|| cache.get_or_compute(&2, || 13)));
        assert!(panics(|| cache.entry(&1).upsert(|_| Some(13))));
    }
    assert_eq!((cache.get(&1), cache.len()), (Some(5), 1));
    assert_eq!((cache.get_or_compute(&2, || 6), cache.entry(&1).upsert(|_| Some(7))), (6, Some(7)));
}

#[test]
fn a_weigher_that_panics_lets_those_who_wait_go_on() {
    let weigher = |_: &u32, weight: &u32| if *weight == 13 { panic!("thirteen") } else { *weight };
    let cache = Cache::builder().max_bytes(100, weigher).build();
    let (go, gate) = mpsc::channel::<()>();
    let (began, begun) = mpsc::channel();
    thread::scope(|scope| {
        let cache = &cache;
        let leader = scope.spawn(move || {
            panics(|| {
                cache.get_or_compute(&1, || {
                    began.send(()).unwrap();
                    gate.recv().unwrap();
                    13
                })
            })
        });
        begun.recv().unwrap();
        let mut task = Box::pin(cache.get_or_compute_async(&1, async { 4 }));
        assert!(poll(task.as_mut()).is_pending());
        let waiter = scope.spawn(|| cache.entry(&1).upsert(|old| Some(old.unwrap_or(5))));
        go.send(()).unwrap();
        assert!(leader.join().unwrap());
        drop(task);
        assert_eq!(waiter.join().unwrap(), Some(5));
    });
    assert_eq!((cache.get(&1), cache.weight()), (Some(5), 5));
}

#[test]
fn a_listener_that_panics_comes_after_the_value_is_there_and_those_who_wait_have_it() {
    let listener = |_, _, cause| assert_ne!(cause, Cause::Replaced, "of all causes this one");
    let cache = Cache::builder().max_entries(2).on_removal(listener).build();
    cache.insert(1, 1).unwrap();
    assert!(panics(|| cache.entry(&1).upsert(|old| Some(old? + 1))));
    assert_eq!(cache.get(&1), Some(2));
    assert!(panics(|| cache.lookup(&1).verify(1.0).or_compute(|| 3)));
    assert_eq!((cache.get(&1), cache.len()), (Some(3), 1));
    assert_eq!(cache.entry(&1).upsert(|_| None), None);
    assert_eq!(cache.entry(&1).upsert(|old| Some(old.unwrap_or(9))), Some(9));
}

#[test]
fn an_equality_that_panics_leaves_the_value() {
    #[derive(Clone, Debug)]
    struct Odd(u32);
    impl PartialEq for Odd {
        fn eq(&self, _: &Self) -> bool {
            panic!("not to be compared")
        }
    }
    let cache = Cache::new(10);
    cache.insert(1, Odd(1)).unwrap();
    assert!(panics(|| cache.lookup(&1).verify(1.0).or_compute(|| Odd(2))));
    assert_eq!(cache.lookup(&1).or_compute(|| Odd(3)).0, 1);
}
