//! Results that are computed by force: the old one stays until there is a new one.

use super::*;
use crate::memory::Cause;
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::mpsc,
    thread,
};

/// A memo and one that calls it, without a store and with one.
fn pairs(place: &Place) -> [(Memo<u32>, Memo<u32>); 2] {
    let stored = || memo().store(place.store()).build();
    [(memo().build(), memo().build()), (stored(), stored())]
}

#[test]
fn a_refresh_that_fails_leaves_the_old_result_and_what_was_made_with_it() {
    for (callee, caller) in pairs(&Place::new()) {
        caller.get_or_compute(&1, || callee.get_or_compute(&2, || 5) + 1);
        assert_eq!(callee.call(&2).anew().or_try_compute(|| Err("down")), Err("down"));
        assert!(catch_unwind(AssertUnwindSafe(|| callee.call(&2).anew().or_compute(|| panic!("broken")))).is_err());
        assert_eq!((callee.get(&2), caller.get(&1)), (Some(5), Some(6)));
    }
}

#[test]
fn a_refresh_puts_what_was_made_with_the_old_result_out_of_date() {
    for (callee, caller) in pairs(&Place::new()) {
        caller.get_or_compute(&1, || callee.get_or_compute(&2, || 5) + 1);
        assert_eq!((callee.call(&2).anew().or_compute(|| 7), callee.get(&2)), (7, Some(7)));
        assert!(caller.explain(&1).to_string().ends_with("was invalidated"), "{}", caller.explain(&1));
        assert_eq!(caller.get_or_compute(&1, || callee.get_or_compute(&2, || unreachable!()) + 1), 8);
    }
}

#[test]
fn the_old_result_is_served_while_another_is_computed_by_force() {
    for (memo, _) in pairs(&Place::new()) {
        memo.get_or_compute(&1, || 5);
        let served = || thread::scope(|scope| scope.spawn(|| memo.get_or_compute(&1, || 0)).join().unwrap());
        assert_eq!(memo.call(&1).anew().or_compute(|| served() + 1), 6);
        assert_eq!(memo.get(&1), Some(6));
    }
}

#[test]
fn another_process_finds_what_was_computed_by_force() {
    let place = Place::new();
    let process = || Memo::builder("by force").store(place.store()).build();
    let (one, other) = (process(), process());
    one.get_or_compute(&1, || 5);
    assert_eq!(other.get(&1), Some(5));
    one.call(&1).anew().or_compute(|| 6);
    assert_eq!((other.get(&1), one.get(&1), process().get(&1)), (Some(6), Some(6), Some(6)));
}

#[test]
fn what_is_invalidated_while_it_is_computed_by_force_is_not_kept() {
    for (memo, _) in pairs(&Place::new()) {
        memo.get_or_compute(&1, || 5);
        assert_eq!(memo.call(&1).anew().or_compute(|| (memo.invalidate(&1), 7).1), 7);
        assert_eq!(memo.get(&1), None);
    }
}

#[test]
fn a_computation_that_began_before_takes_no_place_of_one_by_force() {
    for (memo, _) in pairs(&Place::new()) {
        let by_force = || thread::scope(|scope| scope.spawn(|| memo.call(&1).anew().or_compute(|| 8)).join().unwrap());
        assert_eq!(memo.get_or_compute(&1, || by_force() - 3), 5);
        assert_eq!(memo.get(&1), Some(8));
    }
}

#[test]
fn a_task_refreshes_as_a_thread_does() {
    use crate::executor::block_on;
    for (memo, _) in pairs(&Place::new()) {
        memo.get_or_compute(&1, || 5);
        let failed = block_on(memo.call(&1).anew().or_try_compute_async(async { Err("down") }));
        assert_eq!((failed, memo.get(&1)), (Err("down"), Some(5)));
        assert_eq!((block_on(memo.call(&1).anew().or_compute_async(async { 6 })), memo.get(&1)), (6, Some(6)));
    }
}

#[test]
fn old_results_that_can_never_hold_again_leave_the_memory() {
    let (sender, gone) = mpsc::channel();
    let memo = memo().on_removal(move |value: &u32, cause| sender.send((*value, cause)).unwrap()).build();
    (0..3).for_each(|n| _ = memo.call(&1).anew().or_compute(|| n));
    assert_eq!(gone.try_iter().collect::<Vec<_>>(), [(0, Cause::Invalidated), (1, Cause::Invalidated)]);
}
