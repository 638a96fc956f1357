//! One computes, the others wait; and whoever waits gets nothing older than its question.

use super::*;
use std::{
    sync::{
        Arc, Barrier,
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    thread,
};

#[test]
fn of_those_who_ask_at_once_one_computes() {
    let place = Place::new();
    for memo in [memo().build(), memo().store(place.store()).build()] {
        let barrier = Barrier::new(4);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    barrier.wait();
                    assert_eq!(memo.get_or_compute(&1, || 5), 5);
                });
            }
        });
        assert_eq!(memo.stats().loads, 1);
    }
}

#[test]
fn who_waits_gets_nothing_that_was_made_from_older_inputs() {
    let place = Place::new();
    let path = place.write("a", "one");
    let memo = memo().build();
    let (has_read, wait_for_read) = mpsc::channel();
    let (go_on, wait_for_go) = mpsc::channel();
    thread::scope(|scope| {
        let (memo, path) = (&memo, &path);
        let first = scope.spawn(move || {
            memo.get_or_compute(&(), || {
                let length = length(path);
                has_read.send(()).unwrap();
                wait_for_go.recv().unwrap();
                length
            })
        });
        wait_for_read.recv().unwrap();
        place.write("a", "three");
        let second = scope.spawn(move || memo.get_or_compute(&(), || length(path)));
        // Whether it waits already or comes later, it sees what is there now.
        go_on.send(()).unwrap();
        assert_eq!((first.join().unwrap(), second.join().unwrap()), (3, 5));
    });
    assert_eq!(memo.get(&()), Some(5));
}

#[test]
fn what_is_invalidated_while_it_is_computed_is_not_kept() {
    let memo = memo().build();
    assert_eq!(
        memo.get_or_compute(&1, || {
            memo.invalidate(&1);
            5
        }),
        5
    );
    assert_eq!(memo.get(&1), None);
    assert_eq!(
        memo.get_or_compute(&1, || {
            memo.clear();
            6
        }),
        6
    );
    assert_eq!(memo.get(&1), None);
}

#[test]
fn who_is_called_away_while_it_waits_computes_for_itself_and_the_other_goes_on() {
    let memo = memo().build();
    let (begun, begins) = mpsc::channel();
    let (go_on, wait_for_go) = mpsc::channel();
    thread::scope(|scope| {
        let memo = &memo;
        let first = scope.spawn(move || {
            memo.get_or_compute(&1, || {
                begun.send(()).unwrap();
                wait_for_go.recv().unwrap();
                5
            })
        });
        begins.recv().unwrap();
        let called_away = memo.call(&1).wait_while(|| false).or_try_compute(|| Err("called away"));
        assert_eq!(called_away, Err("called away"));
        let asked = Arc::new(AtomicU32::new(0));
        let asks = Arc::clone(&asked);
        let goes_on = move || {
            if asks.fetch_add(1, Ordering::SeqCst) == 1 {
                go_on.send(()).unwrap();
            }
            true
        };
        assert_eq!(memo.call(&1).wait_while(goes_on).or_compute(|| unreachable!("the first is there")), 5);
        assert_eq!((first.join().unwrap(), asked.load(Ordering::SeqCst) > 1), (5, true));
    });
    assert_eq!(memo.get(&1), Some(5));
}
