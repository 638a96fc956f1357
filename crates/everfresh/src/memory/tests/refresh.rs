//! Entries that age are computed anew by one while the others are served.

use super::{
    POLICIES,
    flights::{Steps, poll},
};
use crate::executor::block_on;
use crate::memory::{Cache, CacheBuilder, EntryOptions, ManualClock, Served};
use std::{
    cell::Cell,
    future::pending,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

const SECOND: Duration = Duration::from_secs(1);

/// A ttl of 10 seconds, and a clock.
fn aging() -> (CacheBuilder<&'static str, u32>, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::default());
    (Cache::builder().max_entries(10).ttl(10 * SECOND).clock(clock.clone()), clock)
}

/// The same, served stale for 20 seconds more, with one entry whose ttl is just over.
fn stale() -> (Cache<&'static str, u32>, Arc<ManualClock>) {
    let (builder, clock) = aging();
    let cache = builder.stale(20 * SECOND).build();
    cache.insert("a", 1).unwrap();
    clock.advance(10 * SECOND);
    (cache, clock)
}

fn nobody_computes() -> u32 {
    unreachable!("another computes, or nobody")
}

fn until(holds: impl Fn() -> bool) {
    (0..10_000_000)
        .find(|_| {
            holds() || {
                thread::yield_now();
                false
            }
        })
        .expect("it holds some time");
}

#[test]
fn one_computes_and_the_others_have_the_old_value_at_once() {
    let (cache, _clock) = stale();
    let (go, gate) = mpsc::channel();
    let (began, begun) = mpsc::channel();
    thread::scope(|scope| {
        let cache = &cache;
        let leader = scope.spawn(move || {
            cache.get_or_compute(&"a", || {
                began.send(()).unwrap();
                gate.recv().unwrap();
                2
            })
        });
        begun.recv().unwrap();
        assert_eq!(cache.get_or_compute(&"a", nobody_computes), 1);
        assert_eq!(block_on(cache.get_or_compute_async(&"a", async { nobody_computes() })), 1);
        assert_eq!(cache.lookup(&"a").or_compute_behind(nobody_computes), 1);
        go.send(()).unwrap();
        assert_eq!(leader.join().unwrap(), 2);
    });
    assert_eq!(cache.get("a"), Some(2));
    let stats = cache.stats();
    assert_eq!((stats.stale, stats.loads, stats.replaced, stats.misses), (3, 1, 1, 0));
}

#[test]
fn past_its_ttl_only_those_find_an_entry_who_may_know_that_it_is_stale() {
    let (cache, clock) = stale();
    assert_eq!((cache.get("a"), cache.peek("a"), cache.hit(&"a"), cache.iter().count()), (None, None, None, 0));
    assert_eq!(cache.get_stale("a"), Some(Served { value: 1, stale: true }));
    let served = cache.lookup(&"a").or_try_serve(|| Err("no"));
    assert_eq!(served, Ok(Served { value: 1, stale: true }));
    let served = cache.lookup(&"a").or_try_serve_behind(|| Err("no"));
    assert_eq!(served, Ok(Served { value: 1, stale: true }));
    clock.advance(10 * SECOND);
    let served = block_on(cache.lookup(&"a").or_try_serve_async(async { Ok::<_, ()>(2) }));
    assert_eq!(served, Ok(Served { value: 2, stale: false }));
    assert_eq!(cache.get_stale("a"), Some(Served { value: 2, stale: false }));
    assert_eq!(cache.get_stale("b"), None);
}

#[test]
fn an_entry_is_over_when_its_ttl_and_the_stale_time_are() {
    let (cache, clock) = stale();
    clock.advance(20 * SECOND - Duration::from_nanos(1));
    assert_eq!((cache.remove_expired(), cache.get_stale("a").is_some()), (0, true));
    clock.advance(Duration::from_nanos(1));
    assert_eq!(cache.try_get_or_compute(&"a", || Err("no")), Err("no"));
    assert_eq!((cache.len(), cache.stats().expired), (0, 1));
    cache.insert_with("own ttl", 3, EntryOptions::new().ttl(SECOND)).unwrap();
    cache.insert_with("none", 4, EntryOptions::new().ttl(Duration::ZERO)).unwrap();
    let stale = |key| cache.get_stale(key).map(|served| served.stale);
    assert_eq!((stale("own ttl"), stale("none")), (Some(false), Some(true)));
    clock.advance(20 * SECOND);
    assert_eq!((stale("own ttl"), stale("none")), (Some(true), None));
    clock.advance(SECOND);
    assert_eq!(stale("own ttl"), None);
}

#[test]
fn the_old_value_takes_the_place_of_an_error_and_a_pause_follows() {
    let (cache, clock) = stale();
    let tries = Cell::new(0);
    let fail = || {
        tries.set(tries.get() + 1);
        Err("no")
    };
    assert_eq!([(); 3].map(|()| cache.try_get_or_compute(&"a", fail)), [Ok(1); 3]);
    assert_eq!(tries.get(), 1);
    clock.advance(SECOND - Duration::from_millis(1));
    assert_eq!((cache.try_get_or_compute(&"a", fail), tries.get()), (Ok(1), 1));
    clock.advance(Duration::from_millis(1));
    assert_eq!((block_on(cache.try_get_or_compute_async(&"a", async { fail() })), tries.get()), (Ok(1), 2));
    let stats = cache.stats();
    assert_eq!((stats.failures, stats.rescued, stats.stale), (2, 2, 5));
    clock.advance(SECOND);
    assert_eq!(cache.get_or_compute(&"a", || 2), 2);
    assert_eq!(cache.get("a"), Some(2));
}

#[test]
fn a_panic_goes_to_its_caller_and_the_others_are_served() {
    let (cache, clock) = stale();
    assert!(catch_unwind(AssertUnwindSafe(|| cache.get_or_compute(&"a", || panic!("on purpose")))).is_err());
    assert_eq!(cache.get_or_compute(&"a", nobody_computes), 1);
    clock.advance(SECOND);
    assert_eq!(cache.get_or_compute(&"a", || 2), 2);
    assert_eq!(cache.stats().failures, 1);
}

#[test]
fn cancelled_at_any_point_the_one_who_computes_leaves_the_old_value() {
    for polls in 0..5 {
        let (cache, clock) = stale();
        let compute = |value| {
            let cache = &cache;
            Box::pin(cache.get_or_compute_async(&"a", async move {
                Steps(3).await;
                value
            }))
        };
        let (mut leader, mut other) = (compute(2), compute(3));
        let ready = (0..polls).any(|_| poll(leader.as_mut()).is_ready());
        if polls > 0 {
            let present = if ready { 2 } else { 1 };
            assert_eq!(poll(other.as_mut()), std::task::Poll::Ready(present), "nobody waits");
        }
        drop(leader);
        assert_eq!(cache.stats().failures, u64::from(0 < polls && polls < 4));
        clock.advance(SECOND);
        assert_eq!(block_on(compute(4)), if ready { 2 } else { 4 }, "after {polls} polls");
        assert_eq!(cache.get("a"), Some(if ready { 2 } else { 4 }));
    }
}

#[test]
fn cancelled_at_any_point_who_waits_for_what_is_over_leaves_the_others_be() {
    for polls in 0..3 {
        let (cache, clock) = stale();
        let mut leader = Box::pin(cache.get_or_compute_async(&"a", async {
            Steps(3).await;
            2
        }));
        assert!(poll(leader.as_mut()).is_pending());
        clock.advance(20 * SECOND);
        let mut waiter = Box::pin(cache.get_or_compute_async(&"a", async { nobody_computes() }));
        (0..polls).for_each(|_| assert!(poll(waiter.as_mut()).is_pending()));
        drop(waiter);
        assert_eq!((block_on(leader), cache.get("a")), (2, Some(2)));
    }
}

#[test]
fn what_is_removed_meanwhile_is_not_served_in_place_of_an_error() {
    let (cache, _clock) = stale();
    let removed = cache.try_get_or_compute(&"a", || {
        cache.remove("a");
        Err("no")
    });
    assert_eq!((removed, cache.get_stale("a")), (Err("no"), None));
}

#[test]
fn what_is_put_in_meanwhile_stays() {
    let (cache, _clock) = stale();
    let computed = cache.get_or_compute(&"a", || {
        cache.insert("a", 9).unwrap();
        2
    });
    assert_eq!((computed, cache.get("a")), (2, Some(9)));
    let (cache, _clock) = stale();
    let computed = cache.get_or_compute(&"a", || {
        cache.invalidate_tag("any");
        2
    });
    assert_eq!((computed, cache.get_stale("a").map(|served| served.value)), (2, Some(1)), "not kept");
}

#[test]
fn who_asks_for_its_own_key_while_it_computes_it_anew_has_the_old_value() {
    let (cache, _clock) = stale();
    assert_eq!(cache.get_or_compute(&"a", || 10 + cache.get_or_compute(&"a", nobody_computes)), 11);
    assert_eq!(cache.get("a"), None, "what is made with a stale value is not kept");
}

#[test]
fn ahead_of_the_end_of_its_ttl_an_entry_is_computed_anew_while_it_is_served() {
    for policy in POLICIES {
        let (builder, clock) = aging();
        let cache = builder.refresh_ahead(0.75).policy(policy).build();
        assert_eq!(cache.get_or_compute(&"a", || 1), 1);
        clock.advance(15 * SECOND / 2 - Duration::from_nanos(1));
        assert_eq!((cache.get_or_compute(&"a", nobody_computes), cache.hit(&"a")), (1, Some(1)));
        clock.advance(Duration::from_nanos(1));
        assert_eq!((cache.get("a"), cache.hit(&"a")), (Some(1), None), "who goes on with a lookup computes");
        let mut leader = Box::pin(cache.get_or_compute_async(&"a", async {
            Steps(1).await;
            2
        }));
        assert!(poll(leader.as_mut()).is_pending());
        let served = cache.lookup(&"a").or_try_serve(|| Ok::<_, ()>(nobody_computes()));
        assert_eq!(served, Ok(Served { value: 1, stale: false }));
        assert_eq!((block_on(leader), cache.get("a")), (2, Some(2)));
        clock.advance(10 * SECOND);
        assert_eq!((cache.get("a"), cache.get_stale("a")), (None, None));
    }
}

#[test]
fn an_error_ahead_of_the_end_leaves_the_value_fresh() {
    let (builder, clock) = aging();
    let cache = builder.refresh_ahead(0.5).build();
    cache.insert("a", 1).unwrap();
    clock.advance(5 * SECOND);
    assert_eq!(cache.lookup(&"a").or_try_serve(|| Err("no")), Ok(Served { value: 1, stale: false }));
    assert_eq!(cache.get_or_compute(&"a", nobody_computes), 1, "a tenth of the time that is left passes first");
    clock.advance(SECOND / 2);
    assert_eq!(cache.get_or_compute(&"a", || 2), 2);
}

#[test]
fn behind_its_callers_a_value_is_computed_while_nobody_waits() {
    let (cache, _clock) = stale();
    let (go, gate) = mpsc::channel();
    let slow = move || {
        gate.recv().unwrap();
        2
    };
    assert_eq!(cache.lookup(&"a").or_compute_behind(slow), 1);
    assert_eq!(cache.lookup(&"a").or_compute_behind(nobody_computes), 1);
    assert_eq!(cache.get_or_compute(&"a", nobody_computes), 1);
    go.send(()).unwrap();
    until(|| cache.get("a") == Some(2));
    assert_eq!(cache.lookup(&"b").or_compute_behind(|| 3), 3, "where there is nothing, the caller computes");
    assert_eq!(cache.stats().stale, 3);
}

#[test]
fn a_panic_or_an_error_behind_counts_as_a_failure() {
    let (cache, clock) = stale();
    assert_eq!(cache.lookup(&"a").or_compute_behind(|| panic!("on purpose")), 1);
    until(|| cache.stats().failures == 1);
    clock.advance(SECOND);
    // The flight ends a moment after the failure has counted.
    until(|| cache.lookup(&"a").or_try_serve_behind(|| Err("no")).is_ok() && cache.stats().failures == 2);
    clock.advance(SECOND);
    until(|| cache.get_or_compute(&"a", || 2) == 2);
    assert_eq!((cache.get("a"), cache.stats().failures), (Some(2), 2));
}

#[test]
fn who_finds_nothing_waits_for_what_is_computed_behind_others() {
    let (cache, clock) = stale();
    let (go, gate) = mpsc::channel();
    let slow = move || {
        gate.recv().unwrap();
        2
    };
    assert_eq!(cache.lookup(&"a").or_compute_behind(slow), 1);
    clock.advance(20 * SECOND);
    let mut waiter = Box::pin(cache.get_or_compute_async(&"a", async { nobody_computes() }));
    assert!(poll(waiter.as_mut()).is_pending());
    go.send(()).unwrap();
    assert_eq!(block_on(waiter), 2);
}

#[test]
fn an_entry_without_a_ttl_is_never_computed_anew() {
    let clock = Arc::new(ManualClock::default());
    let cache = Cache::builder().stale(SECOND).refresh_ahead(0.0).clock(clock.clone()).build();
    cache.insert("a", 1).unwrap();
    clock.set(Duration::from_secs(10_000_000_000));
    assert_eq!((cache.get_or_compute(&"a", nobody_computes), cache.get("a")), (1, Some(1)));
}

#[test]
fn where_nothing_is_kept_nothing_is_stale() {
    let cache = Cache::builder().max_entries(0).ttl(SECOND).stale(SECOND).refresh_ahead(0.5).build();
    for value in [1, 2] {
        assert_eq!(cache.get_or_compute(&"a", || value), value);
        assert_eq!(cache.lookup(&"a").or_compute_behind(move || value), value);
    }
    assert_eq!(cache.try_get_or_compute(&"a", || Err("no")), Err("no"));
    assert_eq!((cache.get_stale("a"), cache.len()), (None, 0));
}

#[test]
fn a_clock_that_goes_backwards_makes_an_entry_fresh_again() {
    let (cache, clock) = stale();
    assert_eq!(cache.try_get_or_compute(&"a", || Err("no")), Ok(1));
    clock.set(Duration::ZERO);
    assert_eq!((cache.get("a"), cache.get_or_compute(&"a", nobody_computes)), (Some(1), 1));
    clock.set(30 * SECOND);
    assert_eq!(cache.get_stale("a"), None);
}

#[test]
fn no_stale_time_is_too_long() {
    for ttl in [SECOND, Duration::MAX] {
        let clock = Arc::new(ManualClock::default());
        let builder = Cache::builder().ttl(ttl).stale(Duration::MAX).refresh_ahead(0.9).jitter(0.1);
        let cache = builder.clock(clock.clone()).build();
        cache.insert("a", 1).unwrap();
        assert_eq!(cache.get("a"), Some(1));
        clock.set(Duration::from_secs(3_000_000_000));
        assert_eq!((cache.get("a").is_some(), cache.get_stale("a").is_some()), (ttl > SECOND, true));
    }
}

#[test]
fn an_entry_that_is_used_stale_does_not_go_idle() {
    let (builder, clock) = aging();
    let cache = builder.stale(100 * SECOND).idle(10 * SECOND).build();
    cache.insert("a", 1).unwrap();
    for _ in 0..5 {
        clock.advance(9 * SECOND);
        assert!(cache.get_stale("a").is_some());
    }
    clock.advance(10 * SECOND);
    assert_eq!(cache.get_stale("a"), None);
    drop(Box::pin(cache.get_or_compute_async(&"a", pending())));
}

#[test]
fn what_is_computed_by_force_takes_the_place_of_what_there_is_only_if_it_succeeds() {
    let (cache, _clock) = stale();
    assert_eq!(cache.lookup(&"a").anew().or_try_compute(|| Err::<u32, _>("down")), Ok(1), "stale in place of an error");
    let cache = Cache::new(10);
    cache.insert("a", 1).unwrap();
    let failed = cache.lookup(&"a").anew().or_try_compute(|| {
        assert_eq!(cache.get("a"), Some(1), "others have the old one");
        Err::<u32, _>("down")
    });
    assert_eq!((failed, cache.get("a")), (Err("down"), Some(1)));
    assert_eq!((cache.lookup(&"a").anew().or_compute(|| 2), cache.get("a")), (2, Some(2)));
    let memo = crate::Memo::builder("of what is computed by force").build();
    let ask = || memo.get_or_compute(&(), || cache.get_or_compute(&"a", || 0));
    assert_eq!(ask(), 2);
    cache.lookup(&"a").anew().or_compute(|| 3);
    assert_eq!((ask(), memo.get(&())), (3, Some(3)));
}
