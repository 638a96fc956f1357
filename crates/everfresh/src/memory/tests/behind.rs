//! Values that tasks compute behind their callers, on any executor or none.

use crate::{
    executor::block_on,
    memory::{Cache, ManualClock, Refresh, Served},
};
use std::{
    future::{Future, pending, ready},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    task::{Context, Waker},
    time::Duration,
};

const MINUTE: Duration = Duration::from_secs(60);
const OLD: Served<u32> = Served { value: 4, stale: true };

/// A cache with an old value, which may be served stale for a minute.
fn aged() -> (Arc<ManualClock>, Cache<u32, u32>) {
    let clock = Arc::new(ManualClock::default());
    let cache = Cache::builder().ttl(MINUTE).stale(MINUTE).clock(clock.clone()).build();
    cache.insert(1, 4).unwrap();
    clock.advance(MINUTE);
    (clock, cache)
}

/// What a call is served, and what it spawned.
fn ask(
    cache: &Cache<u32, u32>,
    compute: impl Future<Output = Result<u32, &'static str>> + Send + 'static,
) -> (Result<Served<u32>, &'static str>, Option<Refresh>) {
    let mut spawned = None;
    let served = block_on(cache.lookup(&1).or_try_serve_async_behind(compute, |refresh| spawned = Some(refresh)));
    (served, spawned)
}

#[test]
fn nobody_waits_for_a_value_that_there_is() {
    let (_, cache) = aged();
    let (served, refresh) = ask(&cache, ready(Ok(5)));
    assert_eq!(served, Ok(OLD));
    // It is on its way, so nobody else computes.
    let (served, none) = ask(&cache, pending());
    assert!(none.is_none() && served == Ok(OLD));
    block_on(refresh.unwrap());
    let (served, none) = ask(&cache, pending());
    assert!(none.is_none() && served == Ok(Served { value: 5, stale: false }));
    assert_eq!((cache.stats().loads, cache.stats().stale), (1, 2));
}

#[test]
fn what_is_not_there_is_computed_by_the_caller() {
    let cache = Cache::new(10);
    let spawn = |_: Refresh| unreachable!();
    assert_eq!(block_on(cache.lookup(&1).or_compute_async_behind(ready(5), spawn)), 5);
    assert_eq!(block_on(cache.lookup(&1).or_compute_async_behind(pending(), spawn)), 5);
}

#[test]
fn an_executor_may_run_it_at_once() {
    let (_, cache) = aged();
    assert_eq!(block_on(cache.lookup(&1).or_compute_async_behind(ready(5), block_on)), 4);
    assert_eq!(cache.get(&1), Some(5));
}

#[test]
fn a_task_that_fails_or_never_ends_leaves_the_key_to_others() {
    type Ends = fn(Refresh);
    let ends: [Ends; 4] = [
        |refresh| drop(refresh),
        |mut refresh| assert!(refresh.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending()),
        block_on,
        |refresh| assert!(catch_unwind(AssertUnwindSafe(|| block_on(refresh))).is_err()),
    ];
    for (at, end) in ends.into_iter().enumerate() {
        let (clock, cache) = aged();
        let compute = async move {
            match at {
                2 => Err("down"),
                3 => panic!("on purpose"),
                _ => pending().await,
            }
        };
        let (served, refresh) = ask(&cache, compute);
        end(refresh.unwrap());
        assert_eq!((served, cache.stats().failures), (Ok(OLD), 1), "{at}");
        // The next one waits a little.
        assert!(ask(&cache, pending()).1.is_none(), "{at}");
        clock.advance(Duration::from_secs(1));
        block_on(ask(&cache, ready(Ok(5))).1.unwrap());
        assert_eq!(cache.get(&1), Some(5), "{at}");
    }
}

#[test]
fn an_executor_that_panics_leaves_the_key_to_others() {
    let (clock, cache) = aged();
    let spawn = |_: Refresh| panic!("there is no runtime");
    let lookup = || block_on(cache.lookup(&1).or_compute_async_behind(ready(5), spawn));
    assert!(catch_unwind(AssertUnwindSafe(lookup)).is_err());
    clock.advance(MINUTE);
    assert_eq!(cache.get_or_compute(&1, || 6), 6);
}

#[test]
fn a_value_that_is_invalidated_meanwhile_is_not_kept() {
    let (_, cache) = aged();
    let (_, refresh) = ask(&cache, ready(Ok(5)));
    cache.remove(&1);
    block_on(refresh.unwrap());
    assert_eq!(cache.get(&1), None);
}
