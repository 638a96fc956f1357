//! Whatever of the user's panics, the cache works on.

use super::flights::poll;
use crate::{
    Memo,
    memory::{Cache, Cause, EntryOptions},
};
use std::{
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
        mpsc,
    },
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

/// Panics, and prints nothing.
fn never<T>() -> T {
    resume_unwind(Box::new("on purpose"))
}

/// A cache of several shards with a thousand entries, whose listener panics each time, and how often it was told.
fn told_and_panics() -> (Cache<u32, u32>, Arc<AtomicU32>) {
    let told = Arc::new(AtomicU32::new(0));
    let tell = told.clone();
    let listener = move |_, _, _| {
        tell.fetch_add(1, Relaxed);
        never()
    };
    let cache = Cache::builder().max_entries(20_000).on_removal(listener).build();
    assert!(cache.inner.parts.len() > 1);
    (0..1000).for_each(|key| cache.insert_with(key, key, EntryOptions::new().tag("all")).unwrap());
    (cache, told)
}

#[test]
fn all_that_is_to_leave_has_left_and_was_told_before_a_listeners_panic_goes_on() {
    let acts: [fn(&Cache<u32, u32>); 3] =
        [Cache::clear, |cache| cache.retain(|_, _| false), |cache| _ = cache.invalidate_tag("all")];
    for (number, act) in acts.into_iter().enumerate() {
        let (cache, told) = told_and_panics();
        let memo = Memo::builder(format!("hangs on a cache {number}")).build();
        let ask = || memo.get_or_compute(&(), || cache.get(&1));
        assert_eq!(ask(), Some(1));
        assert!(panics(|| act(&cache)));
        assert_eq!((cache.len(), told.load(Relaxed), ask()), (0, 1000, None));
    }
}

#[test]
fn what_left_before_it_was_asked_of_an_entry_that_makes_it_panic_is_told() {
    let (cache, told) = told_and_panics();
    assert!(panics(|| cache.retain(|key, _| if *key == 500 { never() } else { false })));
    assert_eq!((cache.get(&500), cache.len() + told.load(Relaxed) as usize), (Some(500), 1000));
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
