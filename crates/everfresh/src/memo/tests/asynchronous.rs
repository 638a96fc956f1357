//! Tasks.

use super::*;
use crate::executor::block_on;
use std::{
    future::{Future, poll_fn},
    pin::pin,
    task::{Context, Poll, Waker},
};

/// Pending once.
async fn pause() {
    let mut paused = false;
    poll_fn(|context| {
        if std::mem::replace(&mut paused, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

#[test]
fn what_a_task_reads_between_pauses_counts_and_what_others_read_does_not() {
    let place = Place::new();
    let (own, foreign) = (place.write("a", "one"), place.write("b", "two"));
    let memo = memo().build();
    let ask = || {
        memo.get_or_compute_async(&(), async {
            pause().await;
            let length = length(&own);
            pause().await;
            length
        })
    };
    {
        let mut task = pin!(ask());
        let mut context = Context::from_waker(Waker::noop());
        while task.as_mut().poll(&mut context).is_pending() {
            // Another task of this thread.
            length(&foreign);
        }
    }
    place.write("b", "three");
    assert_eq!((block_on(ask()), memo.stats().loads), (3, 1));
    place.write("a", "three");
    assert_eq!((block_on(ask()), memo.stats().loads), (5, 2));
}

#[test]
fn a_task_that_is_dropped_at_any_pause_leaves_the_key_free() {
    let place = Place::new();
    for memo in [memo().build(), memo().store(place.store()).build()] {
        for polls in 0..4 {
            let ask = memo.get_or_compute_async(&polls, async {
                pause().await;
                pause().await;
                pause().await;
                1
            });
            let mut ask = Box::pin(ask);
            let mut context = Context::from_waker(Waker::noop());
            for _ in 0..polls {
                assert!(ask.as_mut().poll(&mut context).is_pending());
            }
            drop(ask);
            assert_eq!(memo.get_or_compute(&polls, || 2), 2);
        }
    }
}

#[test]
fn two_tasks_on_one_thread_compute_once() {
    let place = Place::new();
    for memo in [memo().build(), memo().store(place.store()).build()] {
        let ask = || {
            memo.get_or_compute_async(&1, async {
                pause().await;
                5
            })
        };
        let both = async {
            let (mut one, mut other) = (pin!(ask()), pin!(ask()));
            let (mut first, mut second) = (None, None);
            poll_fn(|context| {
                for (task, value) in [(one.as_mut(), &mut first), (other.as_mut(), &mut second)] {
                    if value.is_none()
                        && let Poll::Ready(ready) = task.poll(context)
                    {
                        *value = Some(ready);
                    }
                }
                if first.is_some() && second.is_some() { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
            (first, second)
        };
        assert_eq!(block_on(both), (Some(5), Some(5)));
        assert_eq!(memo.stats().loads, 1);
    }
}

#[test]
fn a_thread_does_not_wait_for_a_task_that_waits_for_another_process() {
    let place = Place::new();
    let memo = memo().store(place.store()).build();
    let elsewhere = place.store().try_lock(&memo.inner.key(&1).unwrap()).unwrap();
    let mut waits = Box::pin(memo.get_or_compute_async(&1, async { 2 }));
    assert!(waits.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    assert_eq!(memo.get_or_compute(&1, || 3), 3);
    drop(elsewhere);
    assert_eq!(block_on(waits), 2);
}

#[test]
fn a_thread_does_not_wait_for_a_task_that_it_polls_by_way_of_another_memo_of_the_function() {
    let place = Place::new();
    let [one, other] = [(); 2].map(|()| Memo::builder("two memos").store(place.store()).build());
    let mut computes = Box::pin(one.get_or_compute_async(&1, async {
        pause().await;
        2
    }));
    assert!(computes.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    assert_eq!(other.get_or_compute(&1, || 3), 3);
    assert_eq!((block_on(computes), other.get(&1)), (2, Some(2)));
}

#[test]
fn an_async_error_is_not_kept() {
    let memo = memo().build();
    assert_eq!(block_on(memo.try_get_or_compute_async(&1, async { Err::<u32, _>("broken") })), Err("broken"));
    assert_eq!(block_on(memo.try_get_or_compute_async(&1, async { Ok::<_, &str>(5) })), Ok(5));
}

#[test]
fn a_thread_does_not_wait_for_a_task_that_it_polls_and_that_has_the_lock_of_a_memo_of_other_values() {
    let place = Place::new();
    let one: Memo<u32> = Memo::builder("two types").store(place.store()).build();
    let other: Memo<String> = Memo::builder("two types").store(place.store()).build();
    let mut computes = Box::pin(one.get_or_compute_async(&1, async {
        pause().await;
        2
    }));
    assert!(computes.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    assert_eq!(other.get_or_compute(&1, || "3".to_owned()), "3");
    assert_eq!(block_on(computes), 2);
}

#[test]
fn a_thread_does_not_wait_for_a_task_that_it_polls_and_that_was_overtaken_by_a_refresh() {
    let place = Place::new();
    let memo = memo().store(place.store()).build();
    let mut computes = Box::pin(memo.get_or_compute_async(&1, async {
        pause().await;
        2
    }));
    assert!(computes.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    assert_eq!(memo.call(&1).anew().or_compute(|| 3), 3);
    memo.invalidate(&1);
    assert_eq!(memo.get_or_compute(&1, || 4), 4);
    assert_eq!(block_on(computes), 2);
    assert_eq!(memo.get(&1), Some(4), "what was overtaken is not kept");
}

#[test]
fn a_task_waits_for_the_lock_of_a_memo_of_other_values() {
    let place = Place::new();
    let one: Memo<u32> = Memo::builder("two types").store(place.store()).build();
    let other: Memo<String> = Memo::builder("two types").store(place.store()).build();
    let mut computes = Box::pin(one.get_or_compute_async(&1, async {
        pause().await;
        2
    }));
    let mut waits = Box::pin(other.get_or_compute_async(&1, async { "3".to_owned() }));
    let mut context = Context::from_waker(Waker::noop());
    assert!(computes.as_mut().poll(&mut context).is_pending());
    assert!(waits.as_mut().poll(&mut context).is_pending());
    assert_eq!((block_on(computes), block_on(waits)), (2, "3".to_owned()));
}
