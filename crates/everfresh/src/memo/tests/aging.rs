//! Results that are computed anew while they are served: only their time may be over.

use super::*;
use crate::{
    executor::block_on,
    memo::{MemoBuilder, Reason},
    memory::{Cache, ManualClock, Served},
};
use std::{
    future::Future as _,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

const SECOND: Duration = Duration::from_secs(1);

/// One that is ahead of the system's, for computations that go by that.
fn clock() -> Arc<ManualClock> {
    let clock = Arc::new(ManualClock::default());
    clock.set(4_000_000_000 * SECOND);
    clock
}

/// Results that live for a minute and may be served for another one.
fn aging<V>(clock: &Arc<ManualClock>) -> MemoBuilder<V> {
    memo().ttl(60 * SECOND).stale(60 * SECOND).clock(clock.clone())
}

fn stale<V>(value: V) -> Served<V> {
    Served { value, stale: true }
}

#[test]
fn a_stale_result_is_served_to_all_but_the_one_who_computes() {
    let (place, clock) = (Place::new(), clock());
    for memo in [aging(&clock).build(), aging(&clock).store(place.store()).build()] {
        memo.get_or_compute(&1, || 4);
        clock.advance(60 * SECOND);
        let others = || {
            thread::scope(|scope| {
                let other = scope.spawn(|| memo.call(&1).or_try_serve(|| -> Result<u32, ()> { unreachable!() }));
                assert_eq!(other.join().unwrap(), Ok(stale(4)));
            });
        };
        let served = memo.call(&1).or_try_serve(|| (others(), Ok::<_, ()>(5)).1);
        assert_eq!((served, memo.get(&1)), (Ok(Served { value: 5, stale: false }), Some(5)));
        assert_eq!((memo.stats().stale, memo.stats().loads), (1, 2));
    }
}

#[test]
fn a_result_is_stale_until_it_is_over() {
    let clock = clock();
    let memo = aging(&clock).build();
    memo.get_or_compute(&1, || 4);
    clock.advance(59 * SECOND);
    assert_eq!(memo.call(&1).get_stale(), Some(Served { value: 4, stale: false }));
    clock.advance(SECOND);
    assert_eq!((memo.get(&1), memo.call(&1).get_stale()), (None, Some(stale(4))));
    let explained = memo.explain(&1);
    assert!(explained.is_hit() && explained.to_string().contains("its time was over 0ns ago"), "{explained}");
    clock.advance(59 * SECOND);
    assert_eq!(memo.try_get_or_compute(&1, || Err("down")), Ok(4));
    clock.advance(SECOND);
    assert_eq!((memo.call(&1).get_stale(), memo.try_get_or_compute(&1, || Err("down"))), (None, Err("down")));
    assert_eq!(memo.explain(&1).to_string(), "miss: its time was over 60s ago");
}

#[test]
fn who_keeps_a_result_too_does_not_use_it_when_it_is_stale() {
    let clock = clock();
    let memo = aging(&clock).build();
    let entry = memo.call(&1).or_try_compute_entry(|| Ok::<_, ()>(4)).unwrap();
    assert_eq!(memo.call(&1).check(&entry), Ok(()));
    clock.advance(61 * SECOND);
    assert_eq!(memo.call(&1).check(&entry), Err(Reason::Expired { ago: SECOND }));
    assert!(memo.call(&1).entry().is_none());
}

#[test]
fn content_is_never_stale() {
    let (place, clock) = (Place::new(), clock());
    let path = place.write("a", "one");
    for memo in [aging(&clock).build(), aging(&clock).store(place.store()).build()] {
        place.write("a", "one");
        memo.get_or_compute(&1, || length(&path));
        clock.advance(60 * SECOND);
        place.write("a", "three");
        assert_eq!(memo.call(&1).get_stale(), None);
        assert_eq!(memo.try_get_or_compute(&1, || Err("down")), Err("down"));
        assert_eq!(memo.get_or_compute(&1, || length(&path)), 5);
    }
}

#[test]
fn what_was_invalidated_is_not_served_stale() {
    let clock = clock();
    let memo = aging(&clock).tag("all").build();
    memo.get_or_compute(&1, || 4);
    clock.advance(60 * SECOND);
    memo.invalidate_tag("all");
    assert_eq!(memo.try_get_or_compute(&1, || Err("down")), Err("down"));
}

#[test]
fn a_stale_result_takes_the_place_of_an_error_and_the_next_try_waits_a_second() {
    let clock = clock();
    let (memo, calls) = (aging(&clock).build(), Calls::default());
    memo.get_or_compute(&1, || 4);
    clock.advance(60 * SECOND);
    let ask = || memo.try_get_or_compute(&1, || calls.count(Err("down")));
    assert_eq!((ask(), ask(), calls.0.get()), (Ok(4), Ok(4), 1));
    assert_eq!((memo.stats().rescued, memo.stats().stale, memo.stats().failures), (1, 2, 1));
    clock.advance(SECOND - Duration::from_nanos(1));
    assert_eq!((ask(), calls.0.get()), (Ok(4), 1));
    clock.advance(Duration::from_nanos(1));
    assert_eq!((ask(), calls.0.get()), (Ok(4), 2));
}

#[test]
fn a_panic_puts_the_next_try_off_too() {
    let clock = clock();
    let memo = aging(&clock).build();
    memo.get_or_compute(&1, || 4);
    clock.advance(60 * SECOND);
    assert!(catch_unwind(AssertUnwindSafe(|| memo.get_or_compute(&1, || panic!("broken")))).is_err());
    assert_eq!(memo.get_or_compute(&1, || unreachable!()), 4);
}

#[test]
fn who_uses_a_stale_result_keeps_nothing() {
    let (place, clock) = (Place::new(), clock());
    let callee = aging(&clock).build();
    callee.get_or_compute(&1, || 4);
    clock.advance(60 * SECOND);
    let caller = memo().store(place.store()).clock(clock.clone()).build();
    let above = memo().clock(clock.clone()).build();
    let (cache, ask) = (Cache::new(10), || callee.try_get_or_compute(&1, || Err("down")).unwrap());
    assert_eq!(above.get_or_compute(&1, || caller.get_or_compute(&1, || ask() + 1) + 1), 6);
    assert_eq!(cache.get_or_compute(&1, ask), 4);
    assert_eq!((above.get(&1), caller.get(&1), cache.get(&1)), (None, None, None));
    // Once there is a fresh one, they do.
    callee.call(&1).anew().or_compute(|| 5);
    assert_eq!(above.get_or_compute(&1, || caller.get_or_compute(&1, || ask() + 1) + 1), 7);
    assert_eq!(cache.get_or_compute(&1, ask), 5);
    assert_eq!((above.get(&1), caller.get(&1), cache.get(&1)), (Some(7), Some(6), Some(5)));
}

#[test]
fn a_result_in_use_is_computed_before_it_expires() {
    let clock = clock();
    let memo = memo().ttl(60 * SECOND).refresh_ahead(0.5).clock(clock.clone()).build();
    memo.get_or_compute(&1, || 4);
    clock.advance(30 * SECOND - Duration::from_nanos(1));
    assert_eq!(memo.get_or_compute(&1, || unreachable!()), 4);
    clock.advance(Duration::from_nanos(1));
    assert_eq!((memo.get(&1), memo.get_or_compute(&1, || 5), memo.get(&1)), (Some(4), 5, Some(5)));
    clock.advance(29 * SECOND);
    assert_eq!(memo.get_or_compute(&1, || unreachable!()), 5);
}

#[test]
fn who_uses_a_result_that_is_due_and_fresh_keeps_its_own() {
    let clock = clock();
    let callee = memo().ttl(60 * SECOND).refresh_ahead(0.5).clock(clock.clone()).build();
    let caller = memo().clock(clock.clone()).build();
    callee.get_or_compute(&1, || 4);
    clock.advance(30 * SECOND);
    caller.get_or_compute(&1, || callee.try_get_or_compute(&1, || Err("down")).unwrap());
    assert_eq!((callee.stats().rescued, callee.stats().stale, caller.get(&1)), (1, 0, Some(4)));
}

#[test]
fn behind_its_callers_one_thread_computes() {
    let (place, clock) = (Place::new(), clock());
    for memo in [aging(&clock).build(), aging(&clock).store(place.store()).build()] {
        memo.get_or_compute(&1, || 4);
        clock.advance(60 * SECOND);
        let (go_on, wait_for_go) = mpsc::channel();
        assert_eq!(memo.call(&1).or_compute_behind(move || wait_for_go.recv().unwrap()), 4);
        assert_eq!(memo.call(&1).or_compute_behind(|| unreachable!("another one does")), 4);
        go_on.send(5).unwrap();
        while memo.get(&1).is_none() {
            thread::yield_now();
        }
        assert_eq!((memo.get(&1), memo.stats().loads, memo.stats().failures), (Some(5), 2, 0));
    }
}

#[test]
fn what_is_declared_counts_behind_too() {
    let (place, clock) = (Place::new(), clock());
    let path = place.write("a", "one");
    let memo = aging(&clock).build();
    let ask = || {
        let own = path.clone();
        memo.call(&1).file(&path).or_compute_behind(move || fs::read(own).unwrap().len())
    };
    ask();
    clock.advance(60 * SECOND);
    assert_eq!(ask(), 3);
    while memo.call(&1).file(&path).get().is_none() {
        thread::yield_now();
    }
    place.write("a", "three");
    assert_eq!(ask(), 5);
}

#[test]
fn a_result_is_stale_in_another_process_too() {
    let (place, clock) = (Place::new(), clock());
    let process = || {
        let builder = Memo::builder("ages").ttl(60 * SECOND).stale(60 * SECOND).clock(clock.clone());
        builder.store(place.store()).build()
    };
    process().get_or_compute(&1, || 4);
    clock.advance(60 * SECOND);
    assert_eq!(process().try_get_or_compute(&1, || Err("down")), Ok(4));
    clock.advance(60 * SECOND);
    assert_eq!(process().try_get_or_compute(&1, || Err("down")), Err("down"));
}

#[test]
fn while_another_process_computes_a_stale_result_is_served() {
    let (place, clock) = (Place::new(), clock());
    let memo = aging(&clock).store(place.store()).build();
    memo.get_or_compute(&1, || 4);
    clock.advance(60 * SECOND);
    let key = memo.inner.key(&1).unwrap();
    let computes = place.store().try_lock(&key).unwrap();
    assert_eq!(memo.get_or_compute(&1, || unreachable!()), 4);
    assert_eq!(block_on(memo.get_or_compute_async(&1, async { unreachable!() })), 4);
    drop(computes);
    assert_eq!(memo.get_or_compute(&1, || 5), 5);
}

#[test]
fn what_another_process_computed_anew_is_found_before_it_is_computed_once_more() {
    let (place, clock) = (Place::new(), clock());
    let process = |ahead| {
        let builder = Memo::builder("ages elsewhere").ttl(60 * SECOND).stale(60 * SECOND).clock(clock.clone());
        let builder = if ahead { builder.refresh_ahead(0.5) } else { builder };
        builder.store(place.store()).build()
    };
    let (due, expires) = (process(true), process(false));
    assert_eq!((due.get_or_compute(&1, || 4), expires.get(&1)), (4, Some(4)));
    clock.advance(30 * SECOND);
    process(true).get_or_compute(&1, || 5);
    assert_eq!((due.get_or_compute(&1, || unreachable!()), expires.get(&1)), (5, Some(4)));
    clock.advance(30 * SECOND);
    assert_eq!(expires.get_or_compute(&1, || unreachable!()), 5);
}

#[test]
fn a_task_that_is_dropped_while_it_computes_anew_leaves_the_stale_result() {
    use std::task::{Context, Waker};
    let clock = clock();
    let memo = aging(&clock).build();
    memo.get_or_compute(&1, || 4);
    clock.advance(60 * SECOND);
    let mut computes = Box::pin(memo.get_or_compute_async(&1, std::future::pending()));
    assert!(computes.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    assert_eq!(memo.get_or_compute(&1, || unreachable!()), 4);
    drop(computes);
    clock.advance(SECOND);
    assert_eq!(memo.get_or_compute(&1, || 5), 5);
}
