//! One computes, the others wait, and somebody takes over from whoever gives up.

use super::{Computed, explore, numbers};
use crate::memory::{Led, PerType};
use shuttle::{
    future::{self, block_on},
    thread,
};
use std::{
    cell::Cell,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, Waker},
};

fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// A panic of which nothing is printed.
fn panic_silently() -> u32 {
    resume_unwind(Box::new(()))
}

#[test]
fn of_those_who_meet_one_computes() {
    explore(|| {
        let (cache, computed) = (numbers(), Computed::default());
        thread::scope(|scope| {
            for caller in 0..3 {
                let (cache, computed) = (&cache, &computed);
                scope.spawn(move || {
                    let value = cache.get_or_compute(&1, || computed.one(caller));
                    assert_eq!(cache.get(&1), Some(value));
                });
            }
        });
        let stats = cache.stats();
        assert_eq!((computed.times(), stats.loads, stats.lookups()), (1, 1, 6));
    });
}

#[test]
fn tasks_and_threads_meet_on_one_key() {
    explore(|| {
        let (cache, computed) = (numbers(), Arc::new(Computed::default()));
        let tasks = [10, 11].map(|caller| {
            let (cache, computed) = (cache.clone(), Arc::clone(&computed));
            future::spawn(async move {
                let compute = async {
                    future::yield_now().await;
                    computed.one(caller)
                };
                cache.get_or_compute_async(&1, compute).await
            })
        });
        let threads = [20, 21].map(|caller| {
            let (cache, computed) = (cache.clone(), Arc::clone(&computed));
            thread::spawn(move || cache.get_or_compute(&1, || computed.one(caller)))
        });
        let tasks = tasks.map(|task| block_on(task).unwrap());
        let threads = threads.map(|thread| thread.join().unwrap());
        assert_eq!((tasks, threads), ([threads[0]; 2], [tasks[0]; 2]));
        assert_eq!(computed.times(), 1);
    });
}

#[test]
fn who_waits_computes_in_place_of_one_that_fails() {
    explore(|| {
        let (cache, computed) = (numbers(), Computed::default());
        let (failed, values) = thread::scope(|scope| {
            let fails = scope.spawn(|| {
                cache.try_get_or_compute(&1, || {
                    thread::yield_now();
                    Err("no")
                })
            });
            let computes = [5, 6].map(|value| {
                let (cache, computed) = (&cache, &computed);
                scope.spawn(move || cache.get_or_compute(&1, || computed.one(value)))
            });
            (fails.join().unwrap(), computes.map(|thread| thread.join().unwrap()))
        });
        let value = cache.peek(&1).unwrap();
        assert_eq!((values, computed.times()), ([value; 2], 1));
        assert!(failed == Err("no") || failed == Ok(value), "{failed:?}");
        assert_eq!(cache.stats().failures, u64::from(failed.is_err()));
    });
}

#[test]
fn who_waits_computes_in_place_of_one_that_panics() {
    explore(|| {
        let (cache, computed) = (numbers(), Computed::default());
        let (panicked, values) = thread::scope(|scope| {
            let panics = scope.spawn(|| {
                let compute = || {
                    thread::yield_now();
                    panic_silently()
                };
                catch_unwind(AssertUnwindSafe(|| cache.get_or_compute(&1, compute))).ok()
            });
            let computes = [5, 6].map(|value| {
                let (cache, computed) = (&cache, &computed);
                scope.spawn(move || cache.get_or_compute(&1, || computed.one(value)))
            });
            (panics.join().unwrap(), computes.map(|thread| thread.join().unwrap()))
        });
        let value = cache.peek(&1).unwrap();
        assert_eq!((values, computed.times()), ([value; 2], 1));
        assert!(panicked.is_none_or(|found| found == value));
        assert_eq!(cache.stats().failures, u64::from(panicked.is_none()));
    });
}

#[test]
fn tasks_that_are_cancelled_at_any_point_hand_over() {
    explore(|| {
        let cache = numbers();
        let tasks = [10, 11].map(|value| {
            let cache = cache.clone();
            future::spawn(async move {
                let compute = async {
                    future::yield_now().await;
                    future::yield_now().await;
                    value
                };
                cache.get_or_compute_async(&1, compute).await
            })
        });
        let threads = [20, 21].map(|value| {
            let cache = cache.clone();
            thread::spawn(move || cache.get_or_compute(&1, || value))
        });
        tasks.iter().for_each(|task| task.abort());
        let found = threads.map(|thread| thread.join().unwrap());
        assert_eq!(found, [cache.peek(&1).unwrap(); 2]);
        for task in tasks {
            assert!(block_on(task).map_or(true, |value| value == found[0]), "it was done before, or is cancelled");
        }
    });
}

#[test]
fn after_a_task_on_its_thread_was_cancelled_a_caller_waits_for_whoever_leads_on() {
    explore(|| {
        let (cache, computed) = (numbers(), Computed::default());
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut task = Box::pin(cache.get_or_compute_async(&1, std::future::pending()));
                // It leads, waits or has found the value.
                let _ = poll(task.as_mut());
                drop(task);
                cache.get_or_compute(&1, || computed.one(5))
            });
            scope.spawn(|| cache.get_or_compute(&1, || computed.one(6)));
        });
        assert_eq!(computed.times(), 1);
    });
}

#[test]
fn a_thread_does_not_wait_for_a_task_that_only_it_can_poll() {
    explore(|| {
        let cache = numbers();
        thread::scope(|scope| {
            scope.spawn(|| {
                let open = Cell::new(false);
                let gate = |_: &mut Context<'_>| if open.get() { Poll::Ready(5) } else { Poll::Pending };
                let mut task = pin!(cache.get_or_compute_async(&1, std::future::poll_fn(gate)));
                let first = poll(task.as_mut());
                let found = cache.get_or_compute(&1, || 6);
                assert!([5, 6, 7].contains(&found), "{found}");
                open.set(true);
                let value = match first {
                    Poll::Ready(value) => value,
                    Poll::Pending => block_on(task),
                };
                assert_eq!(cache.get(&1), Some(value));
            });
            scope.spawn(|| cache.get_or_compute(&1, || 7));
        });
        assert_eq!(cache.stats().entries, 1);
    });
}

#[test]
fn who_asks_for_its_own_key_does_not_wait_for_itself_nor_do_its_threads() {
    explore(|| {
        let cache = numbers();
        let values = thread::scope(|scope| {
            let callers = [0, 100].map(|more| {
                let cache = &cache;
                scope.spawn(move || {
                    cache.get_or_compute(&1, || {
                        let led = Led::current();
                        let helper = thread::scope(|scope| {
                            let help = scope.spawn(|| {
                                let _led = led.enter();
                                cache.get_or_compute(&1, || more + 1)
                            });
                            help.join().unwrap()
                        });
                        helper + cache.get_or_compute(&1, || 2)
                    })
                })
            });
            callers.map(|caller| caller.join().unwrap())
        });
        assert!(values == [3; 2] || values == [103; 2], "{values:?}");
    });
}

#[test]
fn callers_that_meet_on_a_new_type_get_one_value() {
    explore(|| {
        let values = Arc::new(PerType::new());
        let callers = [1, 2, 3].map(|value| {
            let values = Arc::clone(&values);
            thread::spawn(move || *values.get::<u8, u32>(|| value))
        });
        let found = callers.map(|caller| caller.join().unwrap());
        assert_eq!(found, [*values.get::<u8, u32>(|| 4); 3]);
    });
}
