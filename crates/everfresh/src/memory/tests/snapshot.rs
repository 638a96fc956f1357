//! A cache that was saved starts warm, or, from a file that is not whole, cold.

use super::{POLICIES, with_policy};
use crate::memory::{Cache, EntryOptions, ManualClock, Policy, SnapshotError, moment::Moment};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{
    cell::Cell,
    fmt::Debug,
    fs,
    hash::Hash,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

const SECOND: Duration = Duration::from_secs(1);
/// By the wall clock, in nanoseconds since 1970.
const SAVED: Moment = Moment { wall: 1_700_000_000_000_000_000, boot: 7, since_boot: 50 };

/// So many nanoseconds later, in another boot.
fn later(by: i64) -> Moment {
    Moment { wall: SAVED.wall.saturating_add_signed(by), boot: 8, since_boot: 0 }
}

fn file(folder: &tempfile::TempDir) -> PathBuf {
    folder.path().join("snapshot")
}

/// Two entries: one with a ttl of 10 seconds, of which 4 are left, a cost and tags; one with nothing.
fn saved(path: &Path) {
    let clock = Arc::new(ManualClock::default());
    let cache: Cache<String, u32> = Cache::builder().clock(clock.clone()).stale(SECOND).build();
    let options = EntryOptions::new().ttl(10 * SECOND).cost(3 * SECOND).tag("x").tag("yz");
    cache.insert_with("one".to_owned(), 1, options).unwrap();
    cache.insert("two".to_owned(), 2).unwrap();
    cache.insert_with("over".to_owned(), 3, EntryOptions::new().ttl(6 * SECOND)).unwrap();
    clock.advance(6 * SECOND);
    assert_eq!(cache.save_at(path, SAVED).unwrap(), 2);
}

fn sorted<K: Clone + Eq + Hash + Ord, V: Clone + Ord>(cache: &Cache<K, V>) -> Vec<(K, V)> {
    let mut entries: Vec<_> = cache.iter().collect();
    entries.sort();
    entries
}

#[test]
fn what_was_saved_is_there_again_with_all_that_was_said_of_it() {
    let folder = tempfile::tempdir().unwrap();
    saved(&file(&folder));
    let clock = Arc::new(ManualClock::default());
    let cache: Cache<String, u32> = Cache::builder().clock(clock.clone()).build();
    // One of the four seconds went by between saving and loading.
    assert_eq!(cache.load_at(&file(&folder), later(1_000_000_000)).unwrap(), 2);
    assert_eq!(sorted(&cache), [("one".to_owned(), 1), ("two".to_owned(), 2)]);
    assert_eq!(cache.get("one"), Some(1));
    assert_eq!(cache.stats().saved_time, 3 * SECOND);
    clock.advance(3 * SECOND - Duration::from_nanos(1));
    assert_eq!(cache.get("one"), Some(1));
    clock.advance(Duration::from_nanos(1));
    assert_eq!((cache.get("one"), cache.get("two")), (None, Some(2)));
    for tag in ["x", "yz"] {
        let cache: Cache<String, u32> = Cache::new(10);
        cache.load_at(&file(&folder), SAVED).unwrap();
        assert_eq!((cache.invalidate_tag(tag), cache.len()), (1, 1));
    }
}

#[test]
fn time_in_the_file_counts_and_where_no_clock_knows_it_a_ttl_is_over() {
    let folder = tempfile::tempdir().unwrap();
    saved(&file(&folder));
    // The wall clock was set back in the boot in which it was saved.
    let set_back = |since_boot| Moment { wall: 0, since_boot: SAVED.since_boot + since_boot, ..SAVED };
    for (now, entries) in [
        (later(3_999_999_999), 2),
        (later(4_000_000_000), 1),
        (later(i64::MAX), 1),
        (set_back(3_999_999_999), 2),
        (set_back(4_000_000_000), 1),
        (later(-1), 1),
    ] {
        let cache: Cache<String, u32> = Cache::new(10);
        assert_eq!((cache.load_at(&file(&folder), now).unwrap(), cache.len()), (entries, entries), "{now:?}");
        assert_eq!(cache.get("two"), Some(2), "it has no ttl");
    }
}

#[test]
fn an_entry_that_had_no_ttl_has_the_ttl_of_the_cache_it_comes_to() {
    let folder = tempfile::tempdir().unwrap();
    saved(&file(&folder));
    let clock = Arc::new(ManualClock::default());
    let cache: Cache<String, u32> = Cache::builder().ttl(SECOND).clock(clock.clone()).build();
    cache.load_at(&file(&folder), SAVED).unwrap();
    clock.advance(SECOND);
    assert_eq!((cache.get("one"), cache.get("two")), (Some(1), None));
}

#[test]
fn what_is_there_stays_and_the_rest_of_the_room_is_for_what_was_most_wanted() {
    for policy in POLICIES {
        let folder = tempfile::tempdir().unwrap();
        let full = with_policy(policy, 100);
        (0..100).for_each(|key| full.insert(key, key).unwrap());
        (0..50).for_each(|n| assert_eq!(full.get(&(n % 10)), Some(n % 10)));
        assert_eq!(full.save_to(file(&folder)).unwrap(), 100);
        let cache = with_policy(policy, 20);
        (91..96).chain(1000..1005).for_each(|key| cache.insert(key, 7).unwrap());
        assert_eq!(cache.load_from(file(&folder)).unwrap(), 10);
        // Five of the newest are there already.
        let wanted: Vec<u32> =
            if policy == Policy::Fifo { (85..91).chain(96..100).collect() } else { (0..10).collect() };
        assert!(wanted.iter().all(|key| cache.peek(key) == Some(*key)), "{policy:?}: {:?}", sorted(&cache));
        assert!((91..96).chain(1000..1005).all(|key| cache.peek(&key) == Some(7)), "{policy:?}");
        assert_eq!((cache.load_from(file(&folder)).unwrap(), cache.stats().evicted), (0, 0), "there is no room left");
    }
}

#[test]
fn a_small_part_of_a_large_cache_is_the_most_wanted_of_all_shards() {
    let folder = tempfile::tempdir().unwrap();
    let full: Cache<u32, u32> = Cache::new(20_000);
    assert!(full.inner.parts.len() > 1);
    (0..10_000).for_each(|key| full.insert(key, key).unwrap());
    (0..500).for_each(|n| assert!(full.get(&(n % 100)).is_some()));
    full.save_to(file(&folder)).unwrap();
    let cache: Cache<u32, u32> = Cache::new(1000);
    assert_eq!((cache.load_from(file(&folder)).unwrap(), cache.stats().evicted), (1000, 0));
    assert!((0..100).all(|key| cache.peek(&key).is_some()));
}

#[test]
fn the_order_in_which_entries_go_is_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let old = with_policy(Policy::Lru, 3);
    (1..=3).for_each(|key| old.insert(key, key).unwrap());
    assert_eq!(old.get(&1), Some(1));
    old.save_to(file(&folder)).unwrap();
    let new = with_policy(Policy::Lru, 3);
    assert_eq!(new.load_from(file(&folder)).unwrap(), 3);
    new.insert(4, 4).unwrap();
    new.insert(5, 5).unwrap();
    assert_eq!(sorted(&new), [(1, 1), (4, 4), (5, 5)]);
}

#[test]
fn bounds_hold_while_loading() {
    let folder = tempfile::tempdir().unwrap();
    let full: Cache<u32, u32> = Cache::builder().max_entries(1000).policy(Policy::Fifo).build();
    (0..1000).for_each(|key| full.insert(key, key).unwrap());
    assert_eq!(full.save_to(file(&folder)).unwrap(), 1000);
    let weigher = |_: &u32, weight: &u32| *weight;
    let cache: Cache<u32, u32> = Cache::builder().max_entries(10).max_bytes(3000, weigher).build();
    cache.insert(5, 77).unwrap();
    assert_eq!(cache.load_from(file(&folder)).unwrap(), 4);
    assert_eq!(sorted(&cache), [(0, 0), (5, 77), (926, 926), (998, 998), (999, 999)]);
    assert_eq!((cache.weight(), cache.stats().evicted, cache.stats().refused), (3000, 0, 0));
    let none: Cache<u32, u32> = Cache::new(0);
    assert_eq!((none.load_from(file(&folder)).unwrap(), none.len()), (0, 0));
}

#[test]
fn what_is_over_makes_room() {
    let folder = tempfile::tempdir().unwrap();
    saved(&file(&folder));
    let clock = Arc::new(ManualClock::default());
    let cache: Cache<String, u32> = Cache::builder().max_entries(2).clock(clock.clone()).build();
    cache.insert_with("one".to_owned(), 7, EntryOptions::new().ttl(SECOND)).unwrap();
    cache.insert("live".to_owned(), 8).unwrap();
    clock.advance(SECOND);
    assert_eq!(cache.load_at(&file(&folder), SAVED).unwrap(), 1);
    assert_eq!((cache.get("live"), cache.len(), cache.stats().evicted), (Some(8), 2, 0));
}

#[test]
fn what_comes_while_a_snapshot_is_loaded_stays() {
    let folder = tempfile::tempdir().unwrap();
    let full = with_policy(Policy::Lru, 100);
    (0..100).for_each(|key| full.insert(key, key).unwrap());
    full.save_to(file(&folder)).unwrap();
    for policy in POLICIES {
        let slot: Arc<Mutex<Option<Cache<u32, u32>>>> = Arc::default();
        let late = slot.clone();
        // Asked of each entry before any goes in.
        let ttl = move |key: &u32, _: &u32| {
            let cache = if *key < 100 { late.lock().unwrap().take() } else { None };
            cache.into_iter().for_each(|cache| (1000..1005).for_each(|key| cache.insert(key, 7).unwrap()));
            None
        };
        let cache = Cache::builder().policy(policy).max_entries(10).ttl_by(ttl).build();
        *slot.lock().unwrap() = Some(cache.clone());
        assert_eq!(cache.load_from(file(&folder)).unwrap(), 5);
        assert!((1000..1005).all(|key| cache.peek(&key) == Some(7)));
        assert_eq!((cache.len(), cache.stats().evicted), (10, 0));
    }
}

#[test]
fn what_is_being_computed_while_a_snapshot_is_loaded_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    saved(&file(&folder));
    let cache: Cache<String, u32> = Cache::new(10);
    let computed = cache.get_or_compute("one", || {
        assert_eq!(cache.load_at(&file(&folder), SAVED).unwrap(), 1);
        7
    });
    assert_eq!((computed, cache.get("one"), cache.get("two")), (7, Some(7), Some(2)));
}

fn refused<K, V>(path: &Path) -> SnapshotError
where
    K: Clone + Debug + Eq + Hash + Serialize + DeserializeOwned,
    V: Clone + Serialize + DeserializeOwned,
{
    let cache: Cache<K, V> = Cache::new(10);
    let error = cache.load_at(path, SAVED).unwrap_err();
    assert!(cache.is_empty());
    error
}

#[test]
fn a_file_that_was_cut_or_changed_anywhere_is_refused_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(&folder);
    saved(&path);
    let good = fs::read(&path).unwrap();
    for length in 0..good.len() {
        fs::write(&path, &good[..length]).unwrap();
        assert!(matches!(refused::<String, u32>(&path), SnapshotError::Damaged { .. }), "{length} bytes");
    }
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1 << (at % 8);
        fs::write(&path, &bad).unwrap();
        let error = refused::<String, u32>(&path);
        let version = matches!(error, SnapshotError::Version { .. });
        assert!(
            if (8..16).contains(&at) { version } else { matches!(error, SnapshotError::Damaged { .. }) },
            "byte {at}"
        );
    }
    fs::write(&path, [good.as_slice(), b"more"].concat()).unwrap();
    let shown = format!("`{}` is no snapshot of a cache, or damaged: delete it", path.display());
    assert_eq!(refused::<String, u32>(&path).to_string(), shown);
    assert!(matches!(refused::<String, u32>(&folder.path().join("none")), SnapshotError::Io { .. }));
}

#[test]
fn a_newer_format_or_other_types_are_refused() {
    #[derive(Clone, Serialize, Deserialize)]
    struct Old {
        rate: u32,
    }
    #[derive(Clone, Serialize, Deserialize)]
    struct New {
        rate: u32,
        #[serde(default)]
        date: u32,
    }
    let folder = tempfile::tempdir().unwrap();
    let path = file(&folder);
    saved(&path);
    assert!(matches!(refused::<String, u64>(&path), SnapshotError::Foreign { .. }));
    assert!(matches!(refused::<u32, u32>(&path), SnapshotError::Foreign { .. }));
    let mut newer = fs::read(&path).unwrap();
    newer[8] = 3;
    fs::write(&path, newer).unwrap();
    let shown = format!(
        "the snapshot `{}` is of format 3.1, and this version reads 2.1: delete it, or load it with the version that \
         saved it",
        path.display()
    );
    assert_eq!(refused::<String, u32>(&path).to_string(), shown);
    let cache: Cache<u32, Old> = Cache::new(10);
    cache.insert(1, Old { rate: 4 }).unwrap();
    cache.save_to(&path).unwrap();
    assert!(matches!(refused::<u32, New>(&path), SnapshotError::Foreign { .. }), "a field more");
    assert_eq!(Cache::<u32, Old>::new(10).load_from(&path).unwrap(), 1);
}

#[test]
fn a_file_gets_its_name_when_it_is_whole_and_is_its_owners_alone() {
    thread_local!(static FAILS: Cell<bool> = const { Cell::new(false) });
    #[derive(Clone, Deserialize)]
    struct Value;
    impl Serialize for Value {
        fn serialize<T: serde::Serializer>(&self, to: T) -> Result<T::Ok, T::Error> {
            if FAILS.get() { Err(serde::ser::Error::custom("on purpose")) } else { to.serialize_unit_struct("Value") }
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let cache: Cache<u32, Value> = Cache::new(10);
    cache.insert(1, Value).unwrap();
    cache.save_to(file(&folder)).unwrap();
    let before = fs::read(file(&folder)).unwrap();
    assert_eq!(fs::metadata(file(&folder)).unwrap().permissions().mode() & 0o777, 0o600);
    FAILS.set(true);
    assert!(matches!(cache.save_to(file(&folder)), Err(SnapshotError::Codec(_))));
    assert_eq!(fs::read(file(&folder)).unwrap(), before);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
}

#[test]
fn the_bytes_of_a_snapshot_stay_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    saved(&file(&folder));
    let bytes = fs::read(file(&folder)).unwrap();
    let hex: Vec<String> =
        bytes.chunks(32).map(|line| line.iter().map(|byte| format!("{byte:02x}")).collect()).collect();
    assert_eq!(hex, GOLDEN);
}

const GOLDEN: [&str; 7] = [
    "45564652534e4150020000000100000000002a36fe9c97170700000000000000",
    "32000000000000000200000000000000a8d2150629cd99671ca1016a07703319",
    "801d06519e496ad9b4ba901a5b1a3b4b00286bee00000000005ed0b200000000",
    "02000000010000007802000000797a0c000000000000001510036f6e65050100",
    "00001fffffffffffffffff0000000000000000000000000c0000000000000015",
    "100374776f05020000001f42ca1d350ce7bb2568e708ed794aedcbd5c096a0fb",
    "dae31e4f4f6ce2f1b09ecb",
];
