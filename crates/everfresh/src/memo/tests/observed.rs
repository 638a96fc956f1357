//! What a computation reads is what it hangs on.

use super::*;
use crate::Context;
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    thread,
};

/// A memo of a file's length, and how to ask it.
fn of_file(path: &Path) -> impl Fn() -> (usize, u64) {
    let (memo, path) = (memo().build(), path.to_owned());
    move || {
        let length = memo.get_or_compute(&(), || length(&path));
        (length, memo.stats().loads)
    }
}

#[test]
fn a_file_that_changes_is_read_again() {
    let place = Place::new();
    let path = place.write("a", "one");
    let ask = of_file(&path);
    assert_eq!((ask(), ask()), ((3, 1), (3, 1)));
    place.write("a", "three");
    assert_eq!((ask(), ask()), ((5, 2), (5, 2)));
}

#[test]
fn a_file_that_is_touched_and_equal_changes_nothing() {
    let place = Place::new();
    let path = place.write("a", "one");
    let ask = of_file(&path);
    ask();
    place.write("a", "one");
    fs::File::options().write(true).open(&path).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
    assert_eq!(ask(), (3, 1));
}

#[test]
fn a_file_that_goes_and_comes_is_noticed() {
    let place = Place::new();
    let path = place.path("a");
    let memo = memo().build();
    let ask = || memo.get_or_compute(&(), || length(&path));
    assert_eq!((ask(), ask(), memo.stats().loads), (0, 0, 1));
    place.write("a", "one");
    let appeared = format!("miss: the file `{}` appeared", path.display());
    assert_eq!((memo.explain(&()).to_string(), ask()), (appeared, 3));
    fs::remove_file(&path).unwrap();
    // As it was at first: that result is kept still.
    assert_eq!((ask(), memo.stats().loads), (0, 2));
}

#[test]
fn going_back_to_an_earlier_state_hits_again() {
    let place = Place::new();
    let path = place.write("a", "one");
    let ask = of_file(&path);
    ask();
    place.write("a", "three");
    assert_eq!(ask(), (5, 2));
    place.write("a", "one");
    assert_eq!(ask(), (3, 2));
    place.write("a", "three");
    assert_eq!(ask(), (5, 2));
}

#[test]
fn a_file_that_is_opened_counts_by_its_content() {
    let place = Place::new();
    let path = place.write("a", "one");
    let memo = memo().build();
    let read = || std::io::read_to_string(crate::fs::open(&path).unwrap()).unwrap();
    let ask = || memo.get_or_compute(&(), read);
    assert_eq!((ask(), ask(), memo.stats().loads), ("one".into(), "one".into(), 1));
    place.write("a", "two");
    assert_eq!((ask(), memo.stats().loads), ("two".into(), 2));
}

#[test]
fn a_folder_counts_by_its_names() {
    let place = Place::new();
    let memo = memo().build();
    let ask = || memo.get_or_compute(&(), || crate::fs::read_dir(place.folder.path()).unwrap().count());
    place.write("a", "one");
    assert_eq!((ask(), ask(), memo.stats().loads), (1, 1, 1));
    place.write("a", "three");
    assert_eq!((ask(), memo.stats().loads), (1, 1));
    place.write("b", "");
    assert_eq!((ask(), memo.stats().loads), (2, 2));
    fs::rename(place.path("b"), place.path("c")).unwrap();
    assert_eq!((ask(), memo.stats().loads), (2, 3));
}

#[test]
fn existence_and_metadata_count() {
    let place = Place::new();
    let path = place.path("a");
    let (exists, size) = (memo().build(), memo().build());
    let ask = || {
        let exists = exists.get_or_compute(&(), || crate::fs::exists(&path).unwrap());
        let size = size.get_or_compute(&(), || crate::fs::metadata(&path).map_or(0, |file| file.len()));
        (exists, size)
    };
    assert_eq!(ask(), (false, 0));
    place.write("a", "one");
    assert_eq!(ask(), (true, 3));
    place.write("a", "three");
    assert_eq!((ask(), exists.stats().loads, size.stats().loads), ((true, 5), 2, 3));
}

#[test]
fn a_file_that_is_written_while_it_is_used_is_not_believed() {
    let place = Place::new();
    let path = place.write("a", "one");
    let memo = memo().build();
    let ask = |text: Option<&str>| {
        memo.get_or_compute(&(), || {
            let length = length(&path);
            text.map(|text| place.write("a", text));
            length
        })
    };
    assert_eq!(ask(Some("three")), 3);
    assert_eq!(memo.get(&()), None);
    // Even if it is written back.
    assert_eq!(ask(Some("three")), 5);
    assert_eq!(memo.get(&()), None);
    assert_eq!((ask(None), memo.get(&())), (5, Some(5)));
    assert_eq!(memo.stats().unstored, 2);
}

#[test]
fn declared_inputs_count_as_if_they_had_been_read() {
    let place = Place::new();
    let path = place.write("a", "one");
    let memo = memo().build();
    let ask = || memo.call(&()).file(&path).dir(place.folder.path()).or_compute(|| 0);
    ask();
    ask();
    assert_eq!(memo.stats().loads, 1);
    place.write("a", "two");
    ask();
    assert_eq!(memo.stats().loads, 2);
    place.write("b", "two");
    ask();
    assert_eq!(memo.stats().loads, 3);
}

#[test]
fn a_result_that_did_not_hang_on_what_is_declared_now_is_not_served() {
    let place = Place::new();
    let (one, other) = (place.write("a", "one"), place.write("b", "two"));
    let memo = memo().build();
    memo.call(&()).file(&one).or_compute(|| 1);
    assert_eq!(memo.call(&()).file(&other).or_compute(|| 2), 2);
    assert_eq!(memo.call(&()).file(&one).or_compute(|| 3), 1);
}

#[test]
fn declared_values_count() {
    let memo = memo().build();
    let ask = |rate: u32| memo.call(&()).value("rate", &rate).or_compute(|| rate);
    assert_eq!((ask(1), ask(2), ask(1), ask(2)), (1, 2, 1, 2));
    assert_eq!(memo.stats().loads, 2);
}

#[test]
fn who_calls_a_function_hangs_on_what_that_one_read() {
    let place = Place::new();
    let path = place.write("a", "one");
    let (callee, caller, top) = (memo().build(), memo().build(), memo().build());
    let read = || callee.get_or_compute(&(), || length(&path));
    // Found already, so that nothing is read when the callers compute.
    read();
    let ask = || top.get_or_compute(&(), || caller.get_or_compute(&(), || read() + 1) + 1);
    assert_eq!((ask(), ask()), (5, 5));
    assert_eq!((callee.stats().loads, top.stats().loads), (1, 1));
    place.write("a", "three");
    assert_eq!((ask(), callee.stats().loads, top.stats().loads), (7, 2, 2));
}

#[test]
fn who_handles_the_error_of_a_function_hangs_on_what_that_one_read() {
    let place = Place::new();
    let path = place.path("a");
    let (callee, caller) = (memo().build(), memo().build());
    let read = || callee.try_get_or_compute(&(), || crate::fs::read_to_string(&path));
    let ask = || caller.get_or_compute(&(), || read().map_or("none".to_owned(), |text| text));
    assert_eq!(ask(), "none");
    place.write("a", "one");
    assert_eq!(ask(), "one");
}

#[test]
fn a_value_that_only_the_callee_declares_keeps_its_caller_from_being_kept() {
    let (callee, caller) = (memo().build(), memo().build());
    let rate = Calls::default();
    let ask =
        || caller.get_or_compute(&(), || callee.call(&()).value("rate", &rate.0.get()).or_compute(|| rate.0.get()));
    assert_eq!(ask(), 0);
    rate.count(());
    assert_eq!((ask(), caller.stats().unstored), (1, 2));
}

#[test]
fn what_threads_read_counts_if_they_carry_the_context() {
    let place = Place::new();
    let path = place.write("a", "one");
    let memo = memo().build();
    let ask = || {
        memo.get_or_compute(&(), || {
            let context = Context::current();
            thread::scope(|scope| scope.spawn(|| context.run(|| length(&path))).join().unwrap())
        })
    };
    assert_eq!((ask(), ask(), memo.stats().loads), (3, 3, 1));
    place.write("a", "three");
    assert_eq!(ask(), 5);
}

#[test]
fn a_thread_with_the_context_does_not_wait_for_the_computation_that_waits_for_it() {
    let memo = memo().build();
    let value = memo.get_or_compute(&(), || {
        let context = Context::current();
        thread::scope(|scope| scope.spawn(|| context.run(|| memo.get_or_compute(&(), || 4))).join().unwrap() + 1)
    });
    assert_eq!(value, 5);
}

#[test]
fn what_cannot_be_looked_at_again_is_not_kept() {
    let memo = memo().build();
    let ask = || memo.get_or_compute(&(), || length(Path::new("/proc/self/stat")));
    ask();
    assert_eq!((memo.get(&()), memo.stats().unstored), (None, 1));
}

#[test]
fn outside_of_a_computation_nothing_is_observed() {
    let place = Place::new();
    let path = place.write("a", "one");
    assert_eq!(length(&path), 3);
    let memo = memo().build();
    memo.get_or_compute(&(), || 5);
    place.write("a", "three");
    assert_eq!(length(&path), 5);
    assert_eq!(memo.get(&()), Some(5));
}

#[test]
fn what_the_kernel_makes_up_is_read_and_not_kept() {
    // Its stat stays the same for hours.
    let path = Path::new("/proc/loadavg");
    if !path.exists() {
        return;
    }
    let memo = memo().build();
    assert!(memo.get_or_compute(&(), || crate::fs::read_to_string(path).unwrap()).contains('/'));
    assert_eq!((memo.get(&()), memo.stats().unstored), (None, 1));
}

#[test]
fn who_handles_an_error_that_cannot_be_looked_at_again_is_not_kept() {
    let place = Place::new();
    let path = place.path("a");
    fs::create_dir(&path).unwrap();
    let (callee, caller) = (memo().build(), memo().build());
    let read = || callee.try_get_or_compute(&(), || crate::fs::read_to_string(&path));
    let ask = || caller.get_or_compute(&(), || read().unwrap_or_default());
    assert_eq!(ask(), "");
    fs::remove_dir(&path).unwrap();
    place.write("a", "one");
    assert_eq!(ask(), "one");
}

#[test]
fn who_catches_a_panic_hangs_on_what_was_read_before_it() {
    let place = Place::new();
    let path = place.write("a", "0");
    let (callee, cache, caller) = (memo().build(), crate::memory::Cache::new(10), memo().build());
    let divide = || 12 / crate::fs::read_to_string(&path).unwrap().parse::<u32>().unwrap();
    let caught = |work: &dyn Fn() -> u32| catch_unwind(AssertUnwindSafe(work)).unwrap_or_default();
    let of_memo = || caught(&|| callee.get_or_compute(&1, divide));
    let of_cache = || caught(&|| cache.get_or_compute(&1, divide));
    let ask = || caller.get_or_compute(&(), || (of_memo(), of_cache()));
    assert_eq!((ask(), caller.get(&())), ((0, 0), Some((0, 0))));
    place.write("a", "3");
    assert_eq!(ask(), (4, 4));
}

#[test]
fn a_recursive_function_computes_each_result_once() {
    fn fib(memo: &Memo<u64>, n: u64) -> u64 {
        memo.get_or_compute(&n, || if n < 2 { n } else { fib(memo, n - 1) + fib(memo, n - 2) })
    }
    let place = Place::new();
    for memo in [memo().build(), memo().store(place.store()).build()] {
        assert_eq!((fib(&memo, 30), memo.stats().loads, memo.stats().unstored), (832_040, 31, 0));
        assert_eq!(memo.get(&30u64), Some(832_040));
    }
}

#[test]
fn a_caller_may_find_one_result_and_compute_another() {
    let (callee, caller) = (memo().build(), memo().build());
    callee.get_or_compute(&1, || 1);
    let sum = || caller.get_or_compute(&(), || callee.get_or_compute(&1, || 1) + callee.get_or_compute(&2, || 2));
    assert_eq!((sum(), sum(), caller.stats().loads), (3, 3, 1));
}

#[test]
fn a_path_may_be_declared_as_it_is_written() {
    let place = Place::new();
    let path = place.write("a", "one");
    let memo = memo().build();
    let odd = format!("{}/./a", place.folder.path().display());
    for path in [path.to_str().unwrap(), odd.as_str(), "./Cargo.toml", "Cargo.toml"] {
        memo.call(path).file(path).or_compute(|| 1);
        assert!(memo.call(path).file(path).explain().is_hit(), "{path}");
    }
}
