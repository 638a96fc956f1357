//! An entry that is computed anew while it is served.

use super::{Computed, STALE, TTL, explore, timed};
use shuttle::thread;
use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering::Relaxed},
};

#[test]
fn an_old_value_is_served_while_one_at_a_time_computes_it_anew() {
    explore(|| {
        let (cache, clock) = timed(STALE);
        cache.insert(1, 0).unwrap();
        clock.advance(TTL);
        let (computing, failures) = (AtomicU32::new(0), AtomicU32::new(0));
        let compute = |value: Result<u32, ()>| {
            assert_eq!(computing.fetch_add(1, Relaxed), 0, "nobody else computes");
            thread::yield_now();
            computing.fetch_sub(1, Relaxed);
            failures.fetch_add(u32::from(value.is_err()), Relaxed);
            value
        };
        thread::scope(|scope| {
            for value in [Ok(1), Ok(2), Err(())] {
                let (cache, compute) = (&cache, &compute);
                scope.spawn(move || {
                    let served = cache.lookup(&1).or_try_serve(|| compute(value)).unwrap();
                    assert_eq!(served.stale, served.value == 0);
                });
            }
        });
        let stats = cache.stats();
        let failed = failures.into_inner();
        assert_eq!(
            (stats.loads, stats.failures),
            (u64::from(failed == 0), u64::from(failed)),
            "the clock stands still"
        );
        assert_eq!(cache.get(&1).is_some(), failed == 0);
    });
}

#[test]
fn what_is_computed_behind_its_callers_is_computed_once() {
    explore(|| {
        let (cache, clock) = timed(STALE);
        let computed = Arc::new(Computed::default());
        cache.insert(1, 0).unwrap();
        clock.advance(TTL);
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let computed = Arc::clone(&computed);
                    let value = cache.lookup(&1).or_compute_behind(move || computed.one(1));
                    assert!(value < 2);
                });
            }
        });
        while cache.peek(&1) != Some(1) {
            thread::yield_now();
        }
        assert_eq!(cache.get_or_compute(&1, || 9), 1);
        assert_eq!(computed.times(), 1);
    });
}
