//! Updates of one key come one after the other, and none is lost.

use super::{
    POLICIES,
    flights::{Steps, poll},
    with_policy,
};
use crate::executor::block_on;
use crate::memory::{Cache, EntryOptions, ManualClock};
use std::{
    cell::{Cell, RefCell},
    future::pending,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Barrier, mpsc},
    thread,
    time::Duration,
};

fn add(amount: u32) -> impl Fn(Option<u32>) -> Option<u32> {
    move |old| Some(old.unwrap_or(0) + amount)
}

#[test]
fn threads_and_tasks_count_together() {
    for policy in POLICIES {
        let (cache, barrier) = (with_policy(policy, 10), Barrier::new(4));
        thread::scope(|scope| {
            for caller in 0..4u32 {
                let (cache, barrier) = (&cache, &barrier);
                scope.spawn(move || {
                    barrier.wait();
                    for round in 0..1000 {
                        if (caller + round) % 2 == 0 {
                            cache.entry(&1).upsert(add(1));
                        } else {
                            block_on(cache.entry(&1).upsert_async(|old| async move {
                                Steps(round % 3).await;
                                add(1)(old)
                            }));
                        }
                        if round % 100 == 0 {
                            cache.invalidate_tag("another");
                            cache.retain(|_, _| true);
                        }
                    }
                });
            }
        });
        assert_eq!(cache.get(&1), Some(4000));
    }
}

#[test]
fn an_update_sees_what_is_put_in_or_removed_while_it_runs() {
    let (cache, seen) = (Cache::new(10), RefCell::new(Vec::new()));
    cache.insert("a", 5).unwrap();
    let others = |work: &(dyn Fn() + Sync)| thread::scope(|scope| scope.spawn(work).join().unwrap());
    let result = cache.entry(&"a").upsert(|old| {
        seen.borrow_mut().push(old);
        match old {
            Some(5) => others(&|| cache.insert("a", 100).unwrap()),
            Some(100) => others(&|| assert_eq!(cache.remove("a"), Some(100))),
            _ => {}
        }
        add(1)(old)
    });
    assert_eq!((result, cache.get("a")), (Some(1), Some(1)));
    assert_eq!(seen.into_inner(), [Some(5), Some(100), None]);
}

#[test]
fn insertions_and_updates_at_once_have_an_order() {
    // Each insertion raises the value by a million; if an update wrote over one, the highest digit would fall back.
    let cache: Cache<u32, u32> = Cache::new(10);
    cache.insert(1, 0).unwrap();
    thread::scope(|scope| {
        scope.spawn(|| (1..=500u32).for_each(|round| cache.insert(1, round * 1_000_000).unwrap()));
        scope.spawn(|| {
            let mut last = 0;
            for _ in 0..5000 {
                let value = cache.entry(&1).upsert(add(1)).unwrap();
                assert!(value / 1_000_000 >= last / 1_000_000, "{value} after {last}");
                last = value;
            }
        });
    });
    assert_eq!(cache.get(&1).unwrap() / 1_000_000, 500);
}

#[test]
fn none_removes_and_those_who_wait_compute() {
    let cache: Cache<&str, u32> = Cache::new(10);
    let mut update = Box::pin(cache.entry(&"a").upsert_async(|_| async {
        Steps(1).await;
        None
    }));
    assert!(poll(update.as_mut()).is_pending());
    let mut waiter = Box::pin(cache.get_or_compute_async(&"a", async { 7 }));
    assert!(poll(waiter.as_mut()).is_pending());
    assert_eq!((block_on(update), block_on(waiter), cache.get("a")), (None, 7, Some(7)));
    assert_eq!((cache.entry(&"a").upsert(|_| None), cache.get("a")), (None, None));
    assert_eq!((cache.entry(&"a").and_modify(|_| unreachable!("there is none")), cache.len()), (None, 0));
}

#[test]
fn who_looks_a_key_up_during_its_update_has_the_old_value_or_waits_for_the_new() {
    let cache: Cache<&str, u32> = Cache::new(10);
    let update = || {
        Box::pin(cache.entry(&"a").upsert_async(|old| async move {
            Steps(1).await;
            add(1)(old)
        }))
    };
    let mut first = update();
    assert!(poll(first.as_mut()).is_pending());
    let mut waiter = Box::pin(cache.get_or_compute_async(&"a", async { unreachable!("it is being made") }));
    assert!(poll(waiter.as_mut()).is_pending());
    assert_eq!((block_on(first), block_on(waiter)), (Some(1), 1));
    let mut second = update();
    assert!(poll(second.as_mut()).is_pending());
    assert_eq!(cache.get_or_compute(&"a", || unreachable!("it is there")), 1);
    assert_eq!((block_on(second), cache.get("a")), (Some(2), Some(2)));
}

#[test]
fn an_update_waits_for_a_computation_and_begins_with_its_value() {
    let cache: Cache<&str, u32> = Cache::new(10);
    let (go, gate) = mpsc::channel::<()>();
    let (began, begun) = mpsc::channel();
    thread::scope(|scope| {
        let cache = &cache;
        scope.spawn(move || {
            cache.get_or_compute(&"a", || {
                began.send(()).unwrap();
                gate.recv().unwrap();
                10
            })
        });
        begun.recv().unwrap();
        let mut update = Box::pin(cache.entry(&"a").upsert_async(|old| async move { add(1)(old) }));
        assert!(poll(update.as_mut()).is_pending());
        go.send(()).unwrap();
        assert_eq!(block_on(update), Some(11));
    });
}

#[test]
fn a_function_that_updates_may_use_the_cache() {
    let cache = Cache::new(10);
    cache.insert("a", 1).unwrap();
    let result = cache.entry(&"a").upsert(|old| {
        let others = cache.get_or_compute(&"b", || 10) + cache.entry(&"c").upsert(add(100))?;
        Some(old? + cache.get("a")? + cache.get_or_compute(&"a", || 0) + others)
    });
    assert_eq!((result, cache.get("a")), (Some(113), Some(113)));
}

#[test]
fn an_update_within_an_update_of_its_key_does_not_wait_for_it() {
    let cache = Cache::new(10);
    let result = cache.entry(&"a").upsert(|old| {
        assert_eq!(cache.entry(&"a").upsert(add(5)), Some(5));
        add(1)(old)
    });
    assert_eq!((result, cache.get("a")), (Some(1), Some(1)));
    let computed = cache.get_or_compute(&"b", || {
        assert_eq!(block_on(cache.entry(&"b").upsert_async(|old| async move { add(5)(old) })), Some(5));
        assert_eq!(cache.entry(&"b").upsert(|_| None), None);
        7
    });
    assert_eq!((computed, cache.get("b")), (7, Some(7)));
}

#[test]
fn a_thread_does_not_wait_for_an_update_that_only_it_can_poll() {
    let cache = Cache::new(10);
    let mut task = Box::pin(cache.entry(&"a").upsert_async(|old| async move {
        Steps(1).await;
        add(1)(old)
    }));
    assert!(poll(task.as_mut()).is_pending());
    assert_eq!(cache.entry(&"a").upsert(add(10)), Some(10));
    assert_eq!((block_on(task), cache.get("a")), (Some(11), Some(11)));
}

#[test]
fn an_update_that_is_cancelled_or_panics_leaves_the_value_and_the_next_goes_on() {
    let cache = Cache::new(10);
    cache.insert("a", 1).unwrap();
    for polls in 0..4 {
        let mut first = Box::pin(cache.entry(&"a").upsert_async(|_| pending()));
        let mut second = Box::pin(cache.entry(&"a").upsert_async(|old| async move {
            Steps(3).await;
            add(1)(old)
        }));
        let mut third = Box::pin(cache.entry(&"a").upsert_async(|old| async move { add(10)(old) }));
        (0..polls).for_each(|_| assert!(poll(first.as_mut()).is_pending() && poll(second.as_mut()).is_pending()));
        assert_eq!(poll(third.as_mut()).is_pending(), polls > 0);
        drop(first);
        (0..polls).for_each(|_| assert!(poll(second.as_mut()).is_pending()));
        drop(second);
        if polls > 0 {
            block_on(third);
        }
        assert_eq!(cache.get("a"), Some(11 + 10 * polls), "after {polls} polls");
    }
    let panicked = catch_unwind(AssertUnwindSafe(|| cache.entry(&"a").upsert(|_| panic!("on purpose"))));
    assert!(panicked.is_err());
    assert_eq!(cache.entry(&"a").upsert(add(1)), Some(42));
}

#[test]
fn an_entry_keeps_its_tags_and_its_ttl_begins_anew() {
    let clock = Arc::new(ManualClock::default());
    let second = Duration::from_secs(1);
    let cache = Cache::builder().ttl(10 * second).stale(10 * second).clock(clock.clone()).build();
    cache.insert_with("a", 1, EntryOptions::new().tag("old")).unwrap();
    clock.advance(9 * second);
    assert_eq!(cache.entry(&"a").tag("new").tag("old").upsert(add(1)), Some(2));
    clock.advance(9 * second);
    assert_eq!(cache.entry(&"a").and_modify(|value| *value += 1), Some(3));
    clock.advance(10 * second);
    assert_eq!(cache.entry(&"a").upsert(add(1)), Some(1), "a stale value is none");
    cache.insert_with("b", 1, EntryOptions::new().tag("old")).unwrap();
    cache.entry(&"b").tag("new").upsert(add(1));
    assert_eq!((cache.invalidate_tag("old"), cache.invalidate_tag("new")), (1, 0));
}

#[test]
fn what_has_no_room_is_given_and_not_kept() {
    let none: Cache<&str, u32> = Cache::new(0);
    assert_eq!((none.entry(&"a").upsert(add(1)), none.entry(&"a").upsert(add(1))), (Some(1), Some(1)));
    assert_eq!((none.entry(&"a").or_insert(3), none.len(), none.stats().refused), (3, 0, 3));
    let calls = Cell::new(0);
    let light = Cache::builder().max_bytes(10, |_: &&str, weight: &u32| *weight).build();
    light.insert("a", 9).unwrap();
    let heavy = light.entry(&"a").upsert(|old| {
        calls.set(calls.get() + 1);
        add(2)(old)
    });
    assert_eq!((heavy, calls.get(), light.len(), light.weight()), (Some(11), 1, 0, 0));
}

#[test]
fn an_update_that_clears_or_invalidates_runs_once() {
    let cache = super::Cache::new(10);
    let mut runs = 0;
    let value = cache.entry(&"a").upsert(|_| {
        runs += 1;
        cache.invalidate_tag("any");
        cache.clear();
        cache.insert("a", 9).unwrap();
        Some(1)
    });
    assert_eq!((value, runs, cache.get("a")), (Some(1), 1, Some(1)));
}

#[test]
fn an_async_update_may_come_back_to_its_key_before_its_future() {
    let cache = super::Cache::new(10);
    let update = cache.entry(&"a").upsert_async(|old: Option<u32>| {
        let own = cache.get_or_compute(&"a", || 4);
        async move { Some(old.unwrap_or_default() + own) }
    });
    assert_eq!(crate::executor::block_on(update), Some(4));
}
