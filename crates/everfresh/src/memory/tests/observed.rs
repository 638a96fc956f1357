//! Values that were made from files, and from values of other caches.

use crate::{
    Memo,
    executor::block_on,
    memory::{Cache, EntryOptions, ManualClock},
};
use std::{
    fs,
    path::Path,
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

fn length(path: &Path) -> usize {
    crate::fs::read(path).map_or(0, |bytes| bytes.len())
}

fn file() -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    fs::write(&path, "one").unwrap();
    (folder, path)
}

#[test]
fn a_value_is_served_while_the_file_is_unchanged() {
    let (_folder, path) = file();
    let cache = Cache::new(10);
    let ask = || cache.get_or_compute(&1, || length(&path));
    assert_eq!((ask(), ask(), cache.stats().loads), (3, 3, 1));
    fs::write(&path, "three").unwrap();
    assert_eq!((cache.peek(&1), cache.get(&1)), (None, None));
    assert_eq!((ask(), ask(), cache.stats().loads), (5, 5, 2));
    let stats = cache.stats();
    assert_eq!((stats.outdated, stats.replaced, stats.entries), (1, 0, 1));
}

#[test]
fn this_holds_for_tasks_for_every_policy_and_for_values_that_age() {
    let (_folder, path) = file();
    let second = Duration::from_secs(1);
    for policy in super::POLICIES {
        fs::write(&path, "one").unwrap();
        let cache = Cache::builder().policy(policy).ttl(9 * second).stale(9 * second).refresh_ahead(0.5).build();
        let ask = || block_on(cache.get_or_compute_async(&1, async { length(&path) }));
        assert_eq!((ask(), ask()), (3, 3));
        fs::write(&path, "three").unwrap();
        assert_eq!((cache.get_stale(&1).map(|served| served.value), ask(), cache.stats().loads), (None, 5, 2));
    }
}

#[test]
fn a_file_that_is_written_while_it_is_used_is_not_believed() {
    let (_folder, path) = file();
    let cache = Cache::new(10);
    let value = cache.get_or_compute(&1, || {
        let length = length(&path);
        fs::write(&path, "three").unwrap();
        length
    });
    assert_eq!((value, cache.get(&1), cache.stats().unsteady), (3, None, 1));
}

#[test]
fn a_cache_hangs_on_what_the_caches_that_it_calls_read() {
    let (_folder, path) = file();
    let (inner, outer) = (Cache::new(10), Cache::new(10));
    let ask = || outer.get_or_compute(&1, || inner.get_or_compute(&1, || length(&path)) + 1);
    inner.get_or_compute(&1, || length(&path));
    assert_eq!((ask(), ask(), inner.stats().loads), (4, 4, 1));
    fs::write(&path, "three").unwrap();
    assert_eq!((ask(), inner.stats().loads, outer.stats().loads), (6, 2, 2));
}

#[test]
fn a_value_lives_no_longer_than_what_it_was_made_with() {
    let clock = Arc::new(ManualClock::default());
    let second = Duration::from_secs(1);
    let inner = Cache::builder().ttl(10 * second).clock(clock.clone()).build();
    let outer = Cache::builder().clock(clock.clone()).build();
    let ask = || outer.get_or_compute(&1, || inner.get_or_compute(&1, || 5));
    inner.get_or_compute(&1, || 5);
    clock.advance(4 * second);
    ask();
    // The real time that passes here counts against it as well, and is much less than a second.
    clock.advance(5 * second);
    assert_eq!(outer.get(&1), Some(5));
    clock.advance(second);
    assert_eq!(outer.get(&1), None);
}

#[test]
fn a_memo_hangs_on_the_files_the_time_and_the_invalidations_of_the_caches_that_it_calls() {
    let (_folder, path) = file();
    let cache = Cache::new(10);
    let memo = Memo::builder("of caches").build();
    let ask = || memo.get_or_compute(&(), || cache.get_or_compute(&1, || length(&path)) + 1);
    // Found already, so that nothing is read when the memo computes.
    cache.get_or_compute(&1, || length(&path));
    assert_eq!((ask(), ask(), memo.stats().loads), (4, 4, 1));
    fs::write(&path, "three").unwrap();
    assert_eq!((ask(), memo.stats().loads), (6, 2));
    cache.remove(&1);
    assert_eq!((ask(), memo.stats().loads), (6, 3));
    cache.clear();
    assert_eq!((ask(), memo.stats().loads), (6, 4));
    cache.insert_with(1, 7, EntryOptions::new()).unwrap();
    assert_eq!((ask(), memo.stats().loads), (8, 5));
    cache.entry(&1).upsert(|_| Some(9));
    assert_eq!((ask(), ask(), memo.stats().loads), (10, 10, 6));
}

#[test]
fn nothing_that_is_made_with_a_stale_value_is_kept() {
    let clock = Arc::new(ManualClock::default());
    let second = Duration::from_secs(1);
    let inner = Cache::builder().ttl(second).stale(9 * second).clock(clock.clone()).build();
    let (outer, memo) = (Cache::new(10), Memo::builder("of stale").build());
    inner.insert(1, 5).unwrap();
    clock.advance(second);
    let broken = || inner.lookup(&1).or_try_compute(|| Err("broken"));
    assert_eq!(outer.try_get_or_compute(&1, broken), Ok(5));
    assert_eq!(memo.try_get_or_compute(&1, broken), Ok(5));
    assert_eq!((outer.get(&1), memo.get(&1)), (None, None));
}

#[test]
fn who_waits_gets_nothing_that_was_made_from_an_older_file() {
    let (_folder, path) = file();
    let cache = Cache::new(10);
    // A cache whose values are known to hang on files.
    cache.get_or_compute(&0, || length(&path));
    let (has_read, wait_for_read) = mpsc::channel();
    let (go_on, wait_for_go) = mpsc::channel();
    thread::scope(|scope| {
        let (cache, path) = (&cache, &path);
        let first = scope.spawn(move || {
            cache.get_or_compute(&1, || {
                let length = length(path);
                has_read.send(()).unwrap();
                wait_for_go.recv().unwrap();
                length
            })
        });
        wait_for_read.recv().unwrap();
        fs::write(path, "three").unwrap();
        let second = scope.spawn(move || cache.get_or_compute(&1, || length(path)));
        // Whether it waits already or comes later, it sees what is there now.
        go_on.send(()).unwrap();
        assert_eq!((first.join().unwrap(), second.join().unwrap()), (3, 5));
    });
    assert_eq!(cache.get(&1), Some(5));
}

#[test]
fn an_update_does_not_see_a_value_that_is_out_of_date() {
    let (_folder, path) = file();
    let cache = Cache::new(10);
    cache.get_or_compute(&1, || length(&path));
    assert_eq!(cache.entry(&1).upsert(|old| old), Some(3));
    cache.remove(&1);
    cache.get_or_compute(&1, || length(&path));
    fs::write(&path, "three").unwrap();
    assert_eq!(cache.entry(&1).upsert(|old| Some(old.map_or(0, |_| 1))), Some(0));
}

#[test]
fn a_snapshot_leaves_out_what_hangs_on_files() {
    let (folder, path) = file();
    let (cache, warm) = (Cache::new(10), Cache::<u32, usize>::new(10));
    cache.get_or_compute(&1u32, || length(&path));
    cache.get_or_compute(&2u32, || 7usize);
    cache.save_to(folder.path().join("snapshot")).unwrap();
    warm.load_from(folder.path().join("snapshot")).unwrap();
    assert_eq!((warm.get(&1), warm.get(&2)), (None, Some(7)));
}

#[test]
fn recursion_alone_hangs_on_nothing() {
    fn fib(cache: &Cache<u64, u64>, n: u64) -> u64 {
        cache.get_or_compute(&n, || if n < 2 { n } else { fib(cache, n - 1) + fib(cache, n - 2) })
    }
    let cache = Cache::new(100);
    assert_eq!((fib(&cache, 50), cache.stats().loads), (12_586_269_025, 51));
    assert!(!cache.inner.observing.load(std::sync::atomic::Ordering::Relaxed));
}

#[test]
fn what_is_made_of_a_value_hangs_on_what_the_value_hangs_on() {
    let (_folder, path) = file();
    let cache = Cache::new(10);
    cache.get_or_compute(&1, || length(&path));
    assert_eq!(cache.entry(&1).and_modify(|length| *length *= 2), Some(6));
    assert_eq!(cache.get(&1), Some(6));
    fs::write(&path, "three").unwrap();
    assert_eq!(cache.get(&1), None);
}
