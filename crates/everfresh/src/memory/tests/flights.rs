//! One computes, the others wait.

use crate::{executor::block_on, memory::Cache};
use std::{
    cell::Cell,
    future::{Future, pending},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    sync::{
        Barrier, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    task::{Context, Poll, Waker},
    thread,
};

pub(super) fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Pending so many times.
pub(super) struct Steps(pub(super) u32);
impl Future for Steps {
    type Output = ();
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.0 == 0 {
            return Poll::Ready(());
        }
        self.0 -= 1;
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

#[test]
fn of_many_threads_one_computes() {
    let cache = Cache::new(10_000);
    let (computed, barrier) = (AtomicUsize::new(0), Barrier::new(4));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for key in 0..2000 {
                    if key % 100 == 0 {
                        barrier.wait();
                    }
                    let value = cache.get_or_compute(&key, || {
                        computed.fetch_add(1, Ordering::Relaxed);
                        thread::yield_now();
                        key * 2
                    });
                    assert_eq!(value, key * 2);
                }
            });
        }
    });
    assert_eq!(computed.into_inner(), 2000);
}

#[test]
fn threads_and_tasks_meet_on_one_key() {
    let cache: Cache<u32, u32> = Cache::new(10);
    let (go, gate) = mpsc::channel();
    let (began, begun) = mpsc::channel();
    thread::scope(|scope| {
        let cache = &cache;
        let leader = scope.spawn(move || {
            cache.get_or_compute(&1, || {
                began.send(()).unwrap();
                gate.recv().unwrap();
                7
            })
        });
        begun.recv().unwrap();
        let mut task = pin!(cache.get_or_compute_async(&1, async { unreachable!("another computes") }));
        assert!(poll(task.as_mut()).is_pending());
        let waiter = scope.spawn(|| cache.get_or_compute(&1, || unreachable!("another computes")));
        go.send(()).unwrap();
        assert_eq!((leader.join().unwrap(), block_on(task), waiter.join().unwrap()), (7, 7, 7));
    });
    assert_eq!(cache.stats().loads, 1);
}

#[test]
fn recursion_computes_each_value_once() {
    fn fib(cache: &Cache<u64, u64>, calls: &Cell<u32>, n: u64) -> u64 {
        cache.get_or_compute(&n, || {
            calls.set(calls.get() + 1);
            if n < 2 { n } else { fib(cache, calls, n - 1) + fib(cache, calls, n - 2) }
        })
    }
    let (cache, calls) = (Cache::new(128), Cell::new(0));
    assert_eq!((fib(&cache, &calls, 60), calls.get()), (1_548_008_755_920, 61));
}

#[test]
fn who_asks_for_its_own_key_while_it_computes_it_does_not_wait_for_itself() {
    let cache = Cache::new(10);
    let value = cache.get_or_compute(&"a", || 1 + cache.get_or_compute(&"a", || 2));
    assert_eq!((value, cache.get("a")), (3, Some(3)));
    let value = block_on(cache.get_or_compute_async(&"b", async {
        1 + cache.get_or_compute_async(&"b", async { 2 }).await + cache.get_or_compute(&"b", || 4)
    }));
    assert_eq!((value, cache.get("b")), (7, Some(7)));
}

#[test]
fn two_tasks_on_one_thread_are_two_callers() {
    let cache = Cache::new(10);
    let (open, gate) = (Cell::new(false), |open: &Cell<bool>| if open.get() { Poll::Ready(()) } else { Poll::Pending });
    let mut first = Box::pin(cache.get_or_compute_async(&"a", async {
        std::future::poll_fn(|_| gate(&open)).await;
        1
    }));
    let mut second = Box::pin(cache.get_or_compute_async(&"a", async { 2 }));
    assert!(poll(first.as_mut()).is_pending());
    assert!(poll(second.as_mut()).is_pending(), "it waits, and does not take itself for the first");
    open.set(true);
    assert_eq!(poll(first.as_mut()), Poll::Ready(1));
    assert_eq!(poll(second.as_mut()), Poll::Ready(1));
}

#[test]
fn a_thread_does_not_wait_for_a_task_that_only_it_can_poll() {
    let cache = Cache::new(10);
    let mut task = Box::pin(cache.get_or_compute_async(&"a", pending()));
    assert!(poll(task.as_mut()).is_pending());
    assert_eq!(cache.get_or_compute(&"a", || 5), 5);
    assert_eq!(cache.peek("a"), None, "the task may still come to something else");
}

#[test]
fn a_thread_is_not_taken_for_one_that_has_ended() {
    let cache: Cache<u32, u32> = Cache::new(10);
    let mut task = Box::pin(cache.get_or_compute_async(&1, async {
        Steps(1).await;
        7
    }));
    let leads = thread::scope(|scope| scope.spawn(|| poll(task.as_mut()).is_pending()).join().unwrap());
    assert!(leads);
    thread::scope(|scope| {
        // It may get the memory of the one that polled the task.
        let (began, begun) = mpsc::channel();
        let cache = &cache;
        let waiter = scope.spawn(move || {
            began.send(()).unwrap();
            cache.get_or_compute(&1, || unreachable!("the task computes"))
        });
        begun.recv().unwrap();
        // Time to come to the wrong conclusion.
        (0..1000).for_each(|_| thread::yield_now());
        assert_eq!((block_on(task), waiter.join().unwrap()), (7, 7));
    });
}

#[test]
fn a_task_that_is_dropped_hands_over() {
    let cache: Cache<&str, u32> = Cache::new(10);
    let mut first = Box::pin(cache.get_or_compute_async(&"a", pending()));
    let mut second = Box::pin(cache.get_or_compute_async(&"a", pending()));
    let mut third = Box::pin(cache.get_or_compute_async(&"a", async { 3 }));
    assert!(poll(first.as_mut()).is_pending());
    assert!(poll(second.as_mut()).is_pending());
    assert!(poll(third.as_mut()).is_pending());
    drop(first);
    assert!(poll(second.as_mut()).is_pending(), "it leads now");
    assert!(poll(third.as_mut()).is_pending());
    drop(second);
    assert_eq!(poll(third.as_mut()), Poll::Ready(3));
    assert_eq!((cache.get("a"), cache.stats().failures), (Some(3), 2));
}

#[test]
fn a_waiter_that_is_dropped_after_it_was_woken_hands_on() {
    let cache: Cache<&str, u32> = Cache::new(10);
    let mut first = Box::pin(cache.get_or_compute_async(&"a", pending()));
    let mut second = Box::pin(cache.get_or_compute_async(&"a", async { 2 }));
    assert!(poll(first.as_mut()).is_pending() && poll(second.as_mut()).is_pending());
    let (joined, join) = mpsc::channel();
    thread::scope(|scope| {
        let third = scope.spawn(|| {
            joined.send(()).unwrap();
            cache.get_or_compute(&"a", || 3)
        });
        join.recv().unwrap();
        drop(first);
        drop(second);
        assert_eq!(third.join().unwrap(), 3);
    });
}

#[test]
fn a_panic_goes_to_its_caller_and_the_next_computes() {
    let cache: Cache<u32, u32> = Cache::new(10);
    let (go, gate) = mpsc::channel::<()>();
    let (began, begun) = mpsc::channel();
    thread::scope(|scope| {
        let cache = &cache;
        let leader = scope.spawn(move || {
            catch_unwind(AssertUnwindSafe(|| {
                cache.get_or_compute(&1, || {
                    began.send(()).unwrap();
                    gate.recv().unwrap();
                    panic!("on purpose")
                })
            }))
        });
        begun.recv().unwrap();
        let waiters: Vec<_> = (0..3).map(|value| scope.spawn(move || cache.get_or_compute(&1, || value))).collect();
        go.send(()).unwrap();
        assert!(leader.join().unwrap().is_err());
        let values: Vec<u32> = waiters.into_iter().map(|waiter| waiter.join().unwrap()).collect();
        assert_eq!(values, [cache.get(&1).unwrap(); 3]);
    });
    assert_eq!((cache.stats().failures, cache.stats().loads), (1, 1));
}

#[test]
fn an_error_is_not_kept() {
    let cache = Cache::new(10);
    assert_eq!(cache.try_get_or_compute(&1, || Err::<u32, _>("no")), Err("no"));
    assert_eq!(cache.try_get_or_compute(&1, || Ok::<_, &str>(4)), Ok(4));
    assert_eq!(block_on(cache.try_get_or_compute_async(&2, async { Err::<u32, _>("no") })), Err("no"));
    assert_eq!(block_on(cache.try_get_or_compute_async(&2, async { Ok::<_, &str>(5) })), Ok(5));
    assert_eq!((cache.stats().failures, cache.stats().loads), (2, 2));
}

#[test]
fn what_is_out_of_date_before_it_is_there_is_not_kept() {
    type Outdate = fn(&Cache<u32, u32>);
    let ways: [Outdate; 5] = [
        |cache| assert_eq!(cache.remove(&1), None),
        |cache| cache.insert(1, 9).unwrap(),
        |cache| cache.clear(),
        |cache| cache.retain(|_, _| true),
        |cache| assert_eq!(cache.invalidate_tag("any"), 0),
    ];
    for (at, outdate) in ways.into_iter().enumerate() {
        let cache = Cache::new(10);
        let before = cache.get_or_compute(&1, || {
            outdate(&cache);
            5
        });
        assert_eq!(before, 5);
        assert_eq!(cache.get(&1), (at == 1).then_some(9), "way {at}");
        assert_eq!(cache.get_or_compute(&1, || 6), if at == 1 { 9 } else { 6 }, "a new flight begins");
    }
}

#[test]
fn who_comes_after_an_invalidation_does_not_join_what_began_before() {
    let cache: Cache<u32, u32> = Cache::new(10);
    let mut old = Box::pin(cache.get_or_compute_async(&1, pending()));
    assert!(poll(old.as_mut()).is_pending());
    cache.remove(&1);
    assert_eq!(cache.get_or_compute(&1, || 2), 2);
    assert_eq!(cache.get(&1), Some(2));
    drop(old);
    assert_eq!(cache.get(&1), Some(2));
}

#[test]
fn cancelled_at_any_point_a_lookup_leaves_nothing_behind() {
    for polls in 0..5 {
        let cache: Cache<u32, u32> = Cache::new(10);
        let compute = |value| {
            let cache = &cache;
            Box::pin(cache.get_or_compute_async(&1, async move {
                Steps(3).await;
                value
            }))
        };
        let (mut first, mut second) = (compute(1), compute(2));
        for _ in 0..polls {
            let _ = poll(first.as_mut()).is_ready() || poll(second.as_mut()).is_ready();
        }
        drop(first);
        drop(second);
        assert_eq!(block_on(compute(3)), if polls > 3 { 1 } else { 3 }, "after {polls} polls");
    }
}

#[test]
fn many_callers_that_fail_and_are_cancelled_leave_one_value() {
    let cache: Cache<u32, u32> = Cache::new(64);
    let values = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for caller in 0..4u32 {
            let (cache, values) = (&cache, &values);
            scope.spawn(move || {
                for round in 0..500u32 {
                    let key = round % 50;
                    if (round + caller) % 3 == 0 {
                        let _ = cache.try_get_or_compute(&key, || Err::<u32, _>(()));
                    } else if (round + caller) % 3 == 1 {
                        let mut task = Box::pin(cache.get_or_compute_async(&key, async { key + 1 }));
                        let _ = poll(task.as_mut());
                    } else {
                        let value = cache.get_or_compute(&key, || key + 1);
                        values.lock().unwrap().push((key, value));
                    }
                }
            });
        }
    });
    assert!(values.into_inner().unwrap().iter().all(|(key, value)| *value == key + 1));
    assert_eq!(cache.len(), 50);
}

#[test]
fn two_threads_that_need_each_others_keys_both_end() {
    let (cache, both) = (Cache::new(10), Barrier::new(2));
    let sums = thread::scope(|scope| {
        let threads = [1, 2].map(|own| {
            let (cache, both) = (&cache, &both);
            scope.spawn(move || {
                cache.get_or_compute(&own, || {
                    both.wait();
                    10 * own + cache.get_or_compute(&(3 - own), || 5)
                })
            })
        });
        threads.map(|thread| thread.join().unwrap())
    });
    // One of them waited for the other, which computed for itself.
    assert!([[10 + 25, 25], [15, 20 + 15]].contains(&sums), "{sums:?}");
}
