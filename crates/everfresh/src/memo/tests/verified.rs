//! Hits that are computed once more.

use super::*;
use crate::memory::Advice;
use std::{collections::HashMap, thread};

#[test]
fn a_pure_function_comes_out_the_same() {
    let (memo, calls) = (memo().build(), Calls::default());
    for _ in 0..3 {
        assert_eq!(memo.call(&1).verify(1.0).or_compute(|| calls.count(5)), 5);
    }
    assert_eq!((calls.0.get(), memo.stats().verified, memo.stats().impure, memo.stats().hits()), (3, 2, 0, 2));
    assert_eq!(memo.call(&1).verify(0.0).or_compute(|| unreachable!()), 5);
}

#[test]
fn what_comes_out_different_is_counted_and_kept() {
    let place = Place::new();
    let process = || Memo::builder("impure").store(place.store()).build();
    let memo = process();
    assert_eq!(memo.get_or_compute(&1, || 5), 5);
    assert_eq!(memo.call(&1).verify(1.0).or_compute(|| 6), 6);
    assert_eq!((memo.get(&1), process().get(&1)), (Some(6), Some(6)));
    assert_eq!((memo.stats().verified, memo.stats().impure), (1, 1));
    assert_eq!(memo.stats().advice(), [Advice::Impure { impure: 1, verified: 1 }]);
}

#[test]
fn results_are_compared_by_their_fingerprints() {
    let map = |_| HashMap::from([("a", 1), ("b", 2), ("c", 3), ("d", 4)]);
    let (maps, numbers) = (memo().build(), memo().build());
    // Each map has an order of its own.
    (0..5).for_each(|n| _ = maps.call(&1).verify(1.0).or_compute(|| map(n)));
    (0..2).for_each(|_| _ = numbers.call(&1).verify(1.0).or_compute(|| f64::NAN));
    assert_eq!((maps.stats().verified, maps.stats().impure), (4, 0));
    assert_eq!((numbers.stats().verified, numbers.stats().impure), (1, 0));
}

#[test]
fn a_result_whose_inputs_changed_meanwhile_is_not_compared() {
    let place = Place::new();
    let path = place.write("a", "one");
    let memo = memo().build();
    memo.get_or_compute(&1, || length(&path));
    let meanwhile = || {
        place.write("a", "three");
        length(&path)
    };
    assert_eq!(memo.call(&1).verify(1.0).or_compute(meanwhile), 5);
    assert_eq!((memo.stats().verified, memo.stats().loads, memo.get_or_compute(&1, || length(&path))), (0, 2, 5));
}

#[test]
fn if_it_cannot_be_computed_once_more_it_is_served() {
    let memo = memo().build();
    memo.get_or_compute(&1, || 5);
    assert_eq!(memo.call(&1).verify(1.0).or_try_compute(|| Err("down")), Ok(5));
    assert_eq!((memo.stats().verified, memo.stats().failures, memo.stats().rescued), (0, 1, 1));
}

#[test]
fn while_one_verifies_the_others_are_served() {
    let memo = memo().build();
    memo.get_or_compute(&1, || 5);
    let other = || thread::scope(|scope| scope.spawn(|| memo.call(&1).verify(1.0).or_compute(|| 0)).join().unwrap());
    assert_eq!(memo.call(&1).verify(1.0).or_compute(other), 5);
    assert_eq!((memo.stats().verified, memo.stats().impure), (1, 0));
}
