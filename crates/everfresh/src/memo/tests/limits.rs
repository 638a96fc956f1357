//! How much of the results is in memory, what leaves it, and how long they live.

use super::*;
use crate::{
    memo::MemoBuilder,
    memory::{Cause, ManualClock, Policy},
};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, mpsc},
    time::Duration,
};

const SECOND: Duration = Duration::from_secs(1);

/// Settings with a listener, and what it heard.
fn told() -> (MemoBuilder<usize>, mpsc::Receiver<(usize, Cause)>) {
    let (sender, gone) = mpsc::channel();
    (memo().on_removal(move |value: &usize, cause| sender.send((*value, cause)).unwrap()), gone)
}

#[test]
fn what_goes_unused_leaves_the_memory_and_not_the_store() {
    let (place, clock) = (Place::new(), Arc::new(ManualClock::default()));
    let memo = memo().idle(2 * SECOND).clock(clock.clone()).store(place.store()).build();
    memo.get_or_compute(&1, || 5);
    clock.advance(SECOND);
    assert_eq!(memo.get(&1), Some(5));
    // To explain is no use.
    clock.advance(SECOND);
    assert!(memo.explain(&1).is_hit());
    clock.advance(SECOND);
    assert_eq!((memo.get(&1), memo.stats().memory_hits, memo.stats().disk_hits), (Some(5), 1, 1));
}

#[test]
fn all_results_in_memory_weigh_no_more_than_was_asked_for() {
    let (asked, count) = mpsc::channel();
    let weigher = move |text: &String| (asked.send(()).unwrap(), text.len() as u32).1;
    let memo = memo().max_bytes(10, weigher).policy(Policy::Fifo).build();
    for text in ["four", "five.", "six", "seven"] {
        memo.get_or_compute(text, || text.to_owned());
        memo.get(text);
        assert!(memo.inner.memory.weight() <= 10);
    }
    assert_eq!(["four", "five.", "six", "seven"].map(|text| memo.get(text).is_some()), [false, false, true, true]);
    assert_eq!(count.try_iter().count(), 4);
}

#[test]
fn a_result_that_is_too_heavy_is_given_and_not_kept() {
    let place = Place::new();
    let heavy = || memo().max_bytes(3, |text: &String| text.len() as u32);
    let memo = heavy().build();
    assert_eq!(memo.get_or_compute(&1, || "four".to_owned()), "four");
    assert_eq!((memo.get(&1), memo.stats().refused, memo.stats().unstored), (None, 1, 0));
    let stored = heavy().store(place.store()).build();
    stored.get_or_compute(&1, || "four".to_owned());
    assert_eq!((stored.get(&1).as_deref(), stored.stats().disk_hits, stored.stats().unstored), (Some("four"), 1, 0));
}

#[test]
fn the_results_of_one_key_share_the_room() {
    let (place, (builder, gone)) = (Place::new(), told());
    let memo = builder.max_bytes(10, |length| *length as u32).build();
    let ask = |text: &str| {
        let path = place.write("a", text);
        memo.get_or_compute(&(), || length(&path))
    };
    assert_eq!([ask("one"), ask("three"), ask("one"), ask("seven..")], [3, 5, 3, 7]);
    assert_eq!(gone.try_iter().collect::<Vec<_>>(), [(5, Cause::Evicted)]);
    assert_eq!((ask("three"), memo.stats().loads), (5, 4));
}

#[test]
fn a_listener_hears_of_each_result_that_left_and_why() {
    let (place, clock) = (Place::new(), Arc::new(ManualClock::default()));
    let (builder, gone) = told();
    let memo =
        builder.max_entries(2).policy(Policy::Lru).ttl(10 * SECOND).idle(20 * SECOND).clock(clock.clone()).build();
    let heard = || gone.try_iter().collect::<Vec<_>>();
    let path = place.write("a", "one");
    memo.get_or_compute(&1usize, || length(&path));
    place.write("a", "three");
    memo.get_or_compute(&1usize, || length(&path));
    assert_eq!(heard(), [], "a key keeps several results");
    (2..=3).for_each(|n| _ = memo.get_or_compute(&n, || 10 * n));
    assert_eq!(heard(), [(5, Cause::Evicted), (3, Cause::Evicted)]);
    clock.advance(10 * SECOND);
    memo.get_or_compute(&2usize, || 21);
    assert_eq!(heard(), [(20, Cause::Replaced)]);
    clock.advance(10 * SECOND);
    memo.get_or_compute(&3usize, || 31);
    assert_eq!(heard(), [(30, Cause::Expired)]);
    memo.invalidate(&3usize);
    memo.clear();
    assert_eq!(heard(), [(31, Cause::Invalidated), (21, Cause::Invalidated)]);
}

#[test]
fn what_went_unused_while_it_was_computed_anew_expired() {
    let clock = Arc::new(ManualClock::default());
    let (builder, gone) = told();
    let memo = builder.ttl(SECOND).idle(10 * SECOND).clock(clock.clone()).build();
    memo.get_or_compute(&1, || 1);
    clock.advance(SECOND);
    memo.get_or_compute(&1, || (clock.advance(10 * SECOND), 2).1);
    assert_eq!(gone.try_iter().collect::<Vec<_>>(), [(1, Cause::Expired)]);
}

#[test]
fn a_listener_that_panics_hears_of_the_others_too() {
    let (place, (sender, gone)) = (Place::new(), mpsc::channel());
    let told = move |value: &usize, _| {
        sender.send(*value).unwrap();
        panic!("broken");
    };
    let memo = memo().on_removal(told).build();
    for text in ["one", "three"] {
        let path = place.write("a", text);
        memo.get_or_compute(&1, || length(&path));
    }
    assert!(catch_unwind(AssertUnwindSafe(|| memo.clear())).is_err());
    assert_eq!(gone.try_iter().collect::<Vec<_>>(), [5, 3]);
}

#[test]
fn a_listener_may_use_the_memo() {
    let place: Arc<std::sync::OnceLock<Memo<u32>>> = Arc::default();
    let own = Arc::clone(&place);
    let memo = memo().max_entries(1).on_removal(move |_, _| _ = own.get().map(|memo| memo.get(&2u32))).build();
    let memo = place.get_or_init(|| memo);
    (1..=3).for_each(|n| _ = memo.get_or_compute(&n, || n));
    assert_eq!(memo.stats().memory_hits, 1);
}

#[test]
fn after_a_weigher_or_a_listener_panics_the_next_caller_computes() {
    let weigher = |value: &u32| if *value == 1 { panic!("broken") } else { 1 };
    let memo = memo().max_bytes(1, weigher).on_removal(|_, _| panic!("broken")).build();
    let ask = |key: u32, value| catch_unwind(AssertUnwindSafe(|| memo.get_or_compute(&key, || value)));
    assert!(ask(1, 1).is_err());
    assert_eq!(ask(1, 2).unwrap(), 2);
    // Makes the other one leave.
    assert!(ask(2, 3).is_err());
    assert_eq!((ask(1, 4).is_err(), ask(1, 5).unwrap()), (true, 4));
}

#[test]
fn results_that_were_made_together_do_not_expire_together() {
    let clock = Arc::new(ManualClock::default());
    let memo = memo().max_entries(1000).ttl(60 * SECOND).jitter(0.5).clock(clock.clone()).build();
    (0..1000).for_each(|n| _ = memo.get_or_compute(&n, || n));
    let left = || (0..1000).filter(|n| memo.get(n).is_some()).count();
    clock.advance(29 * SECOND);
    assert_eq!(left(), 1000);
    clock.advance(16 * SECOND);
    // Half of them; nine standard deviations.
    assert!((357..643).contains(&left()), "{}", left());
    clock.advance(15 * SECOND);
    assert_eq!(left(), 0);
}

#[test]
fn a_result_may_say_how_long_it_lives() {
    let (place, clock) = (Place::new(), Arc::new(ManualClock::default()));
    let by = |result: &Result<u32, String>| result.is_err().then_some(SECOND);
    let process =
        || Memo::builder("ttl by").ttl(60 * SECOND).ttl_by(by).clock(clock.clone()).store(place.store()).build();
    let memo = process();
    let (good, bad) = (Ok(5), Err("down".to_owned()));
    assert_eq!(memo.get_or_compute(&1, || good.clone()), good);
    assert_eq!(memo.get_or_compute(&2, || bad.clone()), bad);
    assert_eq!(memo.call(&3).ttl(9 * SECOND).or_compute(|| bad.clone()), bad);
    let kept = || [1, 2, 3].map(|n| (memo.get(&n).is_some(), process().get(&n).is_some()));
    assert_eq!(kept(), [(true, true); 3]);
    clock.advance(SECOND);
    assert_eq!(kept(), [(true, true), (false, false), (true, true)]);
    clock.advance(8 * SECOND);
    assert_eq!(kept(), [(true, true), (false, false), (false, false)]);
    clock.advance(51 * SECOND);
    assert_eq!(kept(), [(false, false); 3]);
}

#[test]
fn a_result_may_say_that_it_lives_longer_than_others() {
    let clock = Arc::new(ManualClock::default());
    let memo = memo().ttl(SECOND).ttl_by(|n: &u32| (*n > 5).then_some(60 * SECOND)).clock(clock.clone()).build();
    assert_eq!([1, 9].map(|n| memo.get_or_compute(&n, || n)), [1, 9]);
    clock.advance(SECOND);
    assert_eq!((memo.get(&1u32), memo.get(&9u32)), (None, Some(9)));
}

#[test]
fn the_memory_knows_what_a_result_cost() {
    let memo = memo().build();
    memo.get_or_compute(&1, || std::hint::black_box((0..1000).sum::<u64>()));
    memo.get(&1);
    assert!(memo.inner.memory.stats().saved_time > Duration::ZERO);
}
