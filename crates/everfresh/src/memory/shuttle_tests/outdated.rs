//! What is out of date is neither kept nor found.

use super::{Numbers, STALE, TTL, builder, explore, numbers, timed};
use crate::memory::{EntryOptions, builder::Cause};
use shuttle::thread;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

/// Something of which a cache holds a value for key 1.
#[derive(Default)]
struct Source(AtomicU32);

impl Source {
    fn read(&self) -> u32 {
        let value = self.0.load(Relaxed);
        thread::yield_now();
        value
    }

    fn change(&self) -> u32 {
        self.0.fetch_add(1, Relaxed) + 1
    }
}

/// One thread changes the source and says so, others look the value up: whoever begins after that finds the new one.
fn found_new_after(outdate: fn(&Numbers, u32)) {
    let (cache, source) = (numbers(), Source::default());
    let look = || cache.lookup(&1).tag("source").or_compute(|| source.read());
    thread::scope(|scope| {
        scope.spawn(look);
        scope.spawn(look);
        scope.spawn(|| {
            outdate(&cache, source.change());
            assert_eq!(look(), 1);
        });
    });
    assert!(cache.peek(&1).is_none_or(|value| value == 1));
}

#[test]
fn nothing_older_than_a_removal_is_kept_or_found_after_it() {
    explore(|| found_new_after(|cache, _| _ = cache.remove(&1)));
}

#[test]
fn nothing_older_than_an_insertion_is_kept_or_found_after_it() {
    explore(|| found_new_after(|cache, new| cache.insert(1, new).unwrap()));
}

#[test]
fn nothing_older_than_a_clearing_is_kept_or_found_after_it() {
    explore(|| found_new_after(|cache, _| cache.clear()));
}

#[test]
fn nothing_older_than_a_change_of_its_tag_is_kept_or_found_after_it() {
    explore(|| found_new_after(|cache, _| _ = cache.invalidate_tag("source")));
}

#[test]
fn nothing_older_than_a_change_that_a_predicate_tells_of_is_kept_or_found_after_it() {
    explore(|| found_new_after(|cache, _| cache.retain(|_, _| false)));
}

#[test]
fn nothing_older_than_a_removal_is_kept_by_a_refresh() {
    explore(|| {
        let ((cache, clock), source) = (timed(STALE), Source::default());
        cache.insert(1, source.read()).unwrap();
        clock.advance(TTL);
        thread::scope(|scope| {
            scope.spawn(|| cache.get_or_compute(&1, || source.read()));
            scope.spawn(|| {
                source.change();
                cache.remove(&1);
                assert_eq!(cache.get_or_compute(&1, || source.read()), 1);
            });
        });
        assert_eq!(cache.peek(&1), Some(1));
    });
}

#[test]
fn a_value_that_comes_when_the_old_one_expires_stays() {
    let ways: [fn(&Numbers); 3] =
        [|cache| _ = cache.get(&1), |cache| _ = cache.remove_expired(), |cache| _ = cache.get_stale(&1)];
    explore(move || {
        for look in ways {
            let (cache, clock) = timed(Duration::ZERO);
            cache.insert(1, 1).unwrap();
            clock.advance(TTL);
            thread::scope(|scope| {
                scope.spawn(|| look(&cache));
                scope.spawn(|| cache.insert(1, 2).unwrap());
            });
            let stats = cache.stats();
            assert_eq!((cache.get(&1), stats.expired + stats.replaced), (Some(2), 1));
        }
    });
}

#[test]
fn a_value_is_removed_once_and_not_found_after_that() {
    explore(|| {
        let told = Arc::new(AtomicU32::new(0));
        let listener = {
            let told = Arc::clone(&told);
            move |_, _, cause| {
                assert_eq!(cause, Cause::Invalidated);
                told.fetch_add(1, Relaxed);
            }
        };
        let cache = builder().on_removal(listener).build();
        cache.insert_with(1, 5, EntryOptions::new().tag("one")).unwrap();
        let removed = AtomicU32::new(0);
        thread::scope(|scope| {
            for by_tag in [false, true, false] {
                let (cache, removed) = (&cache, &removed);
                scope.spawn(move || {
                    let gone = if by_tag { cache.invalidate_tag("one") == 1 } else { cache.remove(&1).is_some() };
                    removed.fetch_add(u32::from(gone), Relaxed);
                    assert_eq!(cache.get(&1), None);
                });
            }
            scope.spawn(|| assert!(cache.get(&1).is_none_or(|value| value == 5)));
        });
        assert_eq!((removed.into_inner(), told.load(Relaxed), cache.stats().invalidated), (1, 1, 1));
    });
}
