//! What a store adds: results outlive the process, and are never misread.

use super::*;
use crate::disk::{Space, while_refused};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, sync::Arc};

/// A memo as another process would make it: with nothing in memory.
fn fresh<V: Serialize + serde::de::DeserializeOwned + Send + Sync + 'static>(place: &Place) -> Memo<V> {
    Memo::builder("stored").store(place.store()).build()
}

#[test]
fn another_process_finds_the_result() {
    let place = Place::new();
    let value = BTreeMap::from([("a".to_owned(), vec![Some(1.5), None]), ("b".to_owned(), vec![])]);
    fresh(&place).get_or_compute("x", || value.clone());
    let memo = fresh(&place);
    assert_eq!(memo.get_or_compute("x", || unreachable!("it is stored")), value);
    assert_eq!((memo.stats().disk_hits, memo.stats().memory_hits), (1, 0));
    assert_eq!(memo.get("x"), Some(value));
    assert_eq!((memo.stats().disk_hits, memo.stats().memory_hits), (1, 1));
}

#[test]
fn a_large_result_is_found_too() {
    let place = Place::new();
    let value: Vec<u64> = (0..100_000).collect();
    fresh(&place).get_or_compute(&1, || value.clone());
    assert_eq!(fresh(&place).get(&1), Some(value));
}

#[test]
fn files_that_were_read_are_looked_at_in_another_process() {
    let place = Place::new();
    let path = place.write("a", "one");
    let ask = || {
        let memo = fresh(&place);
        (memo.get_or_compute(&(), || length(&path)), memo.stats().loads)
    };
    assert_eq!((ask(), ask()), ((3, 1), (3, 0)));
    place.write("a", "three");
    assert_eq!((ask(), ask()), ((5, 1), (5, 0)));
    place.write("a", "one");
    assert_eq!(ask(), (3, 0));
}

#[test]
fn a_type_that_has_another_shape_is_a_miss() {
    #[derive(Clone, Serialize, Deserialize)]
    #[serde(rename = "Match")]
    struct Before {
        word: String,
    }
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    #[serde(rename = "Match")]
    struct After {
        word: String,
        #[serde(default)]
        distance: u32,
    }
    let place = Place::new();
    fresh(&place).get_or_compute(&1, || Before { word: "a".into() });
    let memo = fresh(&place);
    assert!(memo.explain(&1).is_hit());
    let after = After { word: "a".into(), distance: 3 };
    assert_eq!(memo.get_or_compute(&1, || after.clone()), after);
    assert_eq!((memo.stats().disk_hits, fresh(&place).get(&1)), (0, Some(after)));
}

#[test]
fn a_value_that_would_not_come_back_equal_is_not_stored() {
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Lossy {
        #[serde(skip)]
        lost: u32,
        kept: u32,
    }
    // What is skipped on purpose is the author's choice; what fails to be read is found out when it is stored.
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    #[serde(untagged)]
    enum Ambiguous {
        Small(u32),
        Large(f64),
        Broken(i128),
    }
    let place = Place::new();
    let memo = fresh(&place);
    let lossy = memo.get_or_compute(&1, || Lossy { lost: 1, kept: 2 });
    assert_eq!(lossy, Lossy { lost: 1, kept: 2 });
    let memo = fresh(&place);
    for value in [Ambiguous::Small(1), Ambiguous::Large(1.0), Ambiguous::Broken(1)] {
        let key = format!("{value:?}");
        assert_eq!(memo.get_or_compute(&key, || value.clone()), value);
        let stored = fresh::<Ambiguous>(&place).get(&key);
        assert!(stored.is_none() || stored == Some(value));
    }
}

#[test]
fn a_damaged_result_is_computed_again() {
    let place = Place::new();
    let value: Vec<u64> = (0..100_000).collect();
    fresh(&place).get_or_compute(&1, || value.clone());
    let blobs = walk(&place.path("cache").join("blobs"));
    assert_eq!(blobs.len(), 1);
    let mut bytes = fs::read(&blobs[0]).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    let mut permissions = fs::metadata(&blobs[0]).unwrap().permissions();
    #[allow(clippy::permissions_set_readonly_false)]
    permissions.set_readonly(false);
    fs::set_permissions(&blobs[0], permissions).unwrap();
    fs::write(&blobs[0], bytes).unwrap();
    let memo = fresh(&place);
    assert_eq!((memo.get_or_compute(&1, || value.clone()), memo.stats().loads), (value, 1));
}

fn walk(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

#[test]
fn a_result_that_was_evicted_is_computed_again() {
    let place = Place::new();
    fresh(&place).get_or_compute(&1, || "text".to_owned());
    let store = place.store();
    store.gc(Some(1)).unwrap();
    let memo = fresh(&place);
    assert_eq!(memo.get_or_compute(&1, || "again".to_owned()), "again");
}

#[test]
fn a_trace_that_cannot_be_read_is_none() {
    let place = Place::new();
    let memo = fresh(&place);
    memo.get_or_compute(&1, || 5);
    let store = place.store();
    let mut keys = Vec::new();
    store.for_each(Space::Traces, |key, _| keys.push(*key)).unwrap();
    assert_eq!(keys.len(), 1);
    store.put(Space::Traces, &keys[0], b"of another version", &[]).unwrap();
    assert_eq!(fresh(&place).get_or_compute(&1, || 6), 6);
}

#[test]
fn an_invalidation_counts_in_other_processes() {
    let place = Place::new();
    let (one, other) = (fresh(&place), fresh(&place));
    one.get_or_compute(&1, || 5);
    assert_eq!(other.get(&1), Some(5));
    one.invalidate(&1);
    assert_eq!(other.get(&1), None);
    other.get_or_compute(&1, || 6);
    assert_eq!(one.get(&1), Some(6));
    other.clear();
    assert_eq!(one.get(&1), None);
}

#[test]
fn two_that_share_a_store_compute_once() {
    let place = Place::new();
    let (one, other) = (fresh(&place), fresh(&place));
    let started = Arc::new(std::sync::Barrier::new(2));
    let values: Vec<u32> = std::thread::scope(|scope| {
        let ask = |memo: Memo<u32>| {
            let started = Arc::clone(&started);
            scope.spawn(move || {
                started.wait();
                memo.get_or_compute(&1, || 5)
            })
        };
        [ask(one.clone()), ask(other.clone())].map(|thread| thread.join().unwrap()).into()
    });
    assert_eq!(values, [5, 5]);
    assert_eq!(one.stats().loads + other.stats().loads, 1);
}

#[test]
fn the_keys_of_functions_are_pinned() {
    // Another key makes all results of earlier versions misses.
    let place = Place::new();
    let memo: Memo<Vec<u8>> = Memo::builder("golden").version(1).store(place.store()).build();
    memo.get_or_compute(&(1u8, "a"), || vec![1, 2]);
    let mut keys = Vec::new();
    place.store().for_each(Space::Traces, |key, _| keys.push(key.short())).unwrap();
    assert_eq!(keys, ["501e1b6a30a8"]);
}

#[test]
fn the_store_knows_what_functions_did_in_all_processes() {
    let place = Place::new();
    (0..3).for_each(|_| _ = fresh(&place).get_or_compute(&1, || 5));
    let functions = super::super::function_stats(&place.store()).unwrap();
    let [function] = functions.as_slice() else { panic!("one function: {functions:?}") };
    let stats = function.stats;
    assert_eq!((function.name.as_str(), stats.disk_hits, stats.misses, stats.loads), ("stored", 2, 1, 1));
}

#[test]
fn what_an_older_version_counted_is_read() {
    #[derive(Serialize)]
    struct MemoStats {
        memory_hits: u64,
        misses: u64,
    }
    #[derive(Serialize)]
    struct FunctionStats {
        name: String,
        stats: MemoStats,
        last_call: u64,
    }
    let old = FunctionStats { name: "f".into(), stats: MemoStats { memory_hits: 3, misses: 1 }, last_call: 7 };
    let read: super::super::FunctionStats =
        crate::codec::from_slice(&crate::codec::to_vec(&old).unwrap()).unwrap().value;
    assert_eq!((read.stats.hits(), read.stats.misses, read.stats.impure), (3, 1, 0));
}

#[test]
fn a_process_that_exits_closes_the_store_that_a_static_holds() {
    static MEMO: std::sync::OnceLock<Memo<u32>> = std::sync::OnceLock::new();
    const FOLDER: &str = "EVERFRESH_TEST_EXIT_FOLDER";
    if let Some(folder) = std::env::var_os(FOLDER) {
        let store = Store::open(folder.as_ref(), StoreOptions::default()).unwrap();
        let memo = MEMO.get_or_init(|| Memo::builder("exit").store(store).build());
        memo.get_or_compute(&1, || 5);
        std::process::exit(0);
    }
    let place = Place::new();
    let test = "memo::tests::stored::a_process_that_exits_closes_the_store_that_a_static_holds";
    let mut process = std::process::Command::new(std::env::current_exe().unwrap());
    process.args(["--exact", test]).env(FOLDER, place.path("cache")).stdout(std::process::Stdio::null());
    assert!(process.status().unwrap().success());
    let mark = fs::read_to_string(place.path("cache").join("mark")).unwrap();
    assert!(mark.contains("state closed"), "{mark}");
    let memo: Memo<u32> = Memo::builder("exit").store(place.store()).build();
    assert_eq!(memo.get(&1), Some(5));
}

/// A cache, a memo without a store and one with another store, all of which use a result that is stored in `place`.
fn others(elsewhere: &Place) -> (crate::memory::Cache<u32, u32>, Memo<u32>, Memo<u32>) {
    (crate::memory::Cache::new(10), memo().build(), memo().store(elsewhere.store()).build())
}

#[test]
fn who_has_another_store_or_none_hangs_on_invalidations_in_this_one() {
    let (place, elsewhere) = (Place::new(), Place::new());
    let callee: Memo<u32> = fresh(&place);
    let (cache, plain, stored) = others(&elsewhere);
    let ask = || {
        let ask = || callee.get_or_compute(&1, || 5);
        (cache.get_or_compute(&1, ask), plain.get_or_compute(&1, ask), stored.get_or_compute(&1, ask))
    };
    let kept = || (cache.get(&1), plain.get(&1), stored.get(&1));
    ask();
    assert_eq!(kept(), (Some(5), Some(5), Some(5)));
    // As another process would do it.
    let of = crate::recording::Generations::of_function("stored");
    place.store().put(Space::Generations, &of, &7u64.to_le_bytes(), &[]).unwrap();
    assert_eq!(kept(), (None, None, None));
    ask();
    assert_eq!(kept(), (Some(5), Some(5), Some(5)));
}

#[test]
fn what_was_invalidated_stays_so_when_the_store_is_emptied() {
    let place = Place::new();
    let (one, other) = (fresh(&place), fresh(&place));
    one.get_or_compute(&1, || 5);
    assert_eq!(other.get(&1), Some(5));
    one.invalidate(&1);
    place.store().gc(Some(1)).unwrap();
    assert_eq!(other.get(&1), None);
    place.store().wipe().unwrap();
    assert_eq!(other.get(&1), None);
    assert_eq!((other.get_or_compute(&1, || 6), one.get(&1)), (6, Some(6)));
}

#[test]
fn a_function_that_makes_its_memo_on_each_call_may_come_back_to_itself() {
    let place = Place::new();
    let value = fresh(&place).get_or_compute(&1, || fresh(&place).get_or_compute(&1, || 4) + 1);
    assert_eq!((value, fresh(&place).get(&1)), (5, Some(5)));
}

#[test]
fn an_invalidation_that_the_store_could_not_take_is_written_with_what_it_takes_next() {
    let place = Place::new();
    let (memo, store) = (fresh(&place), place.store());
    memo.get_or_compute(&1, || 5);
    let of = crate::recording::Generations::of_key(&memo.inner.key(&1).unwrap());
    while_refused(|| memo.invalidate(&1));
    assert_eq!((memo.get(&1), store.get(Space::Generations, &of)), (None, None));
    memo.get_or_compute(&2, || 6);
    assert!(store.get(Space::Generations, &of).is_some(), "other processes know too");
    assert_eq!((memo.get(&1), memo.get_or_compute(&1, || 7), fresh(&place).get(&1)), (None, 7, Some(7)));
}

#[test]
fn a_refresh_that_the_store_could_not_take_serves_nothing_old() {
    let place = Place::new();
    let memo = fresh(&place);
    memo.get_or_compute(&1, || 5);
    assert_eq!(while_refused(|| memo.call(&1).anew().or_compute(|| 6)), 6);
    assert_ne!(memo.get(&1), Some(5));
    memo.get_or_compute(&2, || 0);
    assert_eq!(fresh::<i32>(&place).get(&1), None);
}
