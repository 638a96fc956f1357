//! Results that tasks compute behind their callers.

use super::*;
use crate::{
    executor::block_on,
    memory::{ManualClock, Refresh, Served},
};
use std::{
    future::{Future, pending, ready},
    sync::Arc,
    time::Duration,
};

const MINUTE: Duration = Duration::from_secs(60);
const OLD: Served<u32> = Served { value: 4, stale: true };

/// A memo with an old result, which may be served stale for a minute.
fn aged(place: &Place) -> (Arc<ManualClock>, Memo<u32>) {
    let clock = Arc::new(ManualClock::default());
    clock.set(4_000_000_000 * Duration::from_secs(1));
    let memo = memo().ttl(MINUTE).stale(MINUTE).clock(clock.clone()).store(place.store()).build();
    memo.get_or_compute(&1, || 4);
    clock.advance(MINUTE);
    (clock, memo)
}

fn ask(
    memo: &Memo<u32>,
    compute: impl Future<Output = Result<u32, &'static str>> + Send + 'static,
) -> (Result<Served<u32>, &'static str>, Option<Refresh>) {
    let mut spawned = None;
    let served = block_on(memo.call(&1).or_try_serve_async_behind(compute, |refresh| spawned = Some(refresh)));
    (served, spawned)
}

#[test]
fn nobody_waits_for_a_result_that_there_is() {
    let place = Place::new();
    let (_, memo) = aged(&place);
    let path = place.write("a", "five.");
    let read = path.clone();
    let (served, refresh) = ask(&memo, async move { Ok(length(&read) as u32) });
    assert_eq!(served, Ok(OLD));
    let (served, none) = ask(&memo, pending());
    assert!(none.is_none() && served == Ok(OLD));
    block_on(refresh.unwrap());
    let (served, none) = ask(&memo, pending());
    assert!(none.is_none() && served == Ok(Served { value: 5, stale: false }));
    // What the task read counts.
    place.write("a", "six");
    assert_eq!((memo.get(&1), memo.stats().loads), (None, 2));
}

#[test]
fn a_task_that_fails_or_never_runs_leaves_the_key_to_others() {
    let place = Place::new();
    for end in [drop::<Refresh>, block_on::<Refresh>] {
        let (clock, memo) = aged(&place);
        let (served, refresh) = ask(&memo, ready(Err("down")));
        end(refresh.unwrap());
        assert_eq!((served, memo.stats().failures), (Ok(OLD), 1));
        assert!(ask(&memo, pending()).1.is_none(), "the next one waits a little");
        clock.advance(Duration::from_secs(1));
        block_on(ask(&memo, ready(Ok(5))).1.unwrap());
        assert_eq!(memo.get(&1), Some(5));
    }
}

#[test]
fn what_is_not_there_is_computed_by_the_caller() {
    let memo = memo().build();
    let spawn = |_: Refresh| unreachable!();
    assert_eq!(block_on(memo.call(&1).or_compute_async_behind(ready(5), spawn)), 5);
    assert_eq!(block_on(memo.call(&1).or_compute_async_behind(pending(), spawn)), 5);
}
