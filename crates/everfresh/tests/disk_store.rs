//! What the disk tier promises to those who use it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use everfresh::{
    Fingerprint,
    disk::{Space, Store, StoreError, StoreOptions},
};
use proptest::prelude::*;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

fn name(text: &str) -> Fingerprint {
    Fingerprint::of_bytes(text.as_bytes())
}

fn options(max_size: u64) -> StoreOptions {
    StoreOptions { max_size, grace: Duration::ZERO }
}

fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join(".everfresh"), options(5_000_000_000)).unwrap();
    (folder, store)
}

fn store_blob(store: &Store, blob: &str, payload: &[u8], cost: Duration) {
    let mut writer = store.blob_writer().unwrap();
    writer.write_all(payload).unwrap();
    assert_eq!(writer.finish(name(blob), cost).unwrap(), payload.len() as u64);
}

fn blob_path(store: &Store, blob: &str) -> PathBuf {
    let hex = name(blob).to_string();
    store.dir().join("blobs").join(&hex[..2]).join(&hex)
}

fn files_below(path: &Path) -> usize {
    let entries = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| if path.is_dir() { files_below(&path) } else { 1 }).sum()
}

#[test]
fn a_record_comes_back_until_it_is_replaced_or_deleted() {
    let (_folder, store) = store();
    assert_eq!(store.get(Space::Traces, &name("k")), None);
    store.put(Space::Traces, &name("k"), b"one", &[]).unwrap();
    assert_eq!(store.get(Space::Traces, &name("k")).unwrap(), b"one");
    store.put(Space::Traces, &name("k"), b"", &[]).unwrap();
    assert_eq!(store.get(Space::Traces, &name("k")).unwrap(), b"");
    assert!(store.delete(Space::Traces, &name("k")).unwrap());
    assert!(!store.delete(Space::Traces, &name("k")).unwrap());
    assert_eq!(store.get(Space::Traces, &name("k")), None);
}

#[test]
fn spaces_do_not_see_each_other() {
    let (_folder, store) = store();
    store.put(Space::Traces, &name("k"), b"trace", &[]).unwrap();
    store.put(Space::Steps, &name("k"), b"step", &[]).unwrap();
    assert_eq!(store.get(Space::Runs, &name("k")), None);
    let mut seen = Vec::new();
    store.for_each(Space::Steps, |key, value| seen.push((*key, value.to_vec()))).unwrap();
    assert_eq!(seen, [(name("k"), b"step".to_vec())]);
}

#[test]
fn put_all_stores_all_and_for_each_visits_all_in_the_order_of_their_keys() {
    let (_folder, store) = store();
    let expected: BTreeMap<_, _> = (0..500u32).map(|n| (name(&n.to_string()), vec![n as u8; n as usize * 7])).collect();
    let records: Vec<_> = expected.iter().map(|(key, value)| (Space::Tables, *key, value.clone(), vec![])).collect();
    store.put_all(&records).unwrap();
    let mut seen = Vec::new();
    store.for_each(Space::Tables, |key, value| seen.push((*key, value.to_vec()))).unwrap();
    assert_eq!(seen, expected.into_iter().collect::<Vec<_>>());
}

#[test]
fn updates_of_many_threads_are_all_counted() {
    let (_folder, store) = store();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..100 {
                    let wrote = store.update(Space::Memos, &name("count"), |old| {
                        let count = old.map_or(0, |old| u64::from_le_bytes(old.try_into().unwrap()));
                        Some(((count + 1).to_le_bytes().to_vec(), vec![]))
                    });
                    assert!(wrote.unwrap());
                }
            });
        }
    });
    assert_eq!(store.get(Space::Memos, &name("count")).unwrap(), 400u64.to_le_bytes());
    assert!(!store.update(Space::Memos, &name("count"), |_| None).unwrap());
    assert_eq!(store.get(Space::Memos, &name("count")).unwrap(), 400u64.to_le_bytes());
}

#[test]
fn everything_is_there_after_the_store_was_closed_and_opened() {
    let folder = tempfile::tempdir().unwrap();
    for round in 0..3 {
        let store = Store::open(folder.path(), options(1 << 30)).unwrap();
        if round == 0 {
            store.put(Space::Traces, &name("k"), b"value", &[]).unwrap();
            store_blob(&store, "small", b"small", Duration::ZERO);
            store_blob(&store, "large", &[7; 100_000], Duration::ZERO);
        }
        assert_eq!(store.get(Space::Traces, &name("k")).unwrap(), b"value");
        assert_eq!(*store.blob(&name("small")).unwrap(), *b"small");
        assert_eq!(*store.blob(&name("large")).unwrap(), [7; 100_000]);
    }
}

#[test]
fn stores_of_one_folder_share_everything() {
    let (_folder, one) = store();
    let other = Store::open(one.dir(), options(1)).unwrap();
    one.put(Space::Traces, &name("k"), b"value", &[]).unwrap();
    assert_eq!(other.get(Space::Traces, &name("k")).unwrap(), b"value");
    let lock = one.lock(&name("lock"), &|| false).unwrap();
    assert!(other.try_lock(&name("lock")).unwrap().is_none());
    drop(lock);
    assert!(other.try_lock(&name("lock")).unwrap().is_some());
}

#[test]
fn a_folder_is_opened_and_closed_by_many_threads_at_once() {
    let folder = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4u64 {
            let dir = folder.path();
            scope.spawn(move || {
                for round in 0..25u64 {
                    let key = name(&format!("{thread} {round}"));
                    Store::open(dir, options(1 << 30)).unwrap().put(Space::Memos, &key, b"v", &[]).unwrap();
                    assert!(Store::open(dir, options(1 << 30)).unwrap().get(Space::Memos, &key).is_some());
                }
            });
        }
    });
    let mut count = 0;
    Store::open(folder.path(), options(1 << 30)).unwrap().for_each(Space::Memos, |_, _| count += 1).unwrap();
    assert_eq!(count, 100);
}

#[test]
fn nothing_is_made_where_there_is_no_cache() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("none");
    assert!(Store::open_existing(&dir).unwrap().is_none());
    assert!(!dir.exists());
    drop(Store::open(&dir, StoreOptions::default()).unwrap());
    assert!(Store::open_existing(&dir).unwrap().is_some());
}

#[test]
fn the_folder_and_its_files_are_private() {
    let (_folder, store) = store();
    store_blob(&store, "b", &[1; 5_000], Duration::ZERO);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    for folder in ["", "index", "blobs", "tmp"] {
        assert_eq!(mode(&store.dir().join(folder)), 0o700, "{folder}");
    }
    for file in ["format", "lock", "mark", "index/data.mdb", "index/lock.mdb", "CACHEDIR.TAG", ".gitignore"] {
        assert_eq!(mode(&store.dir().join(file)), 0o600, "{file}");
    }
    assert_eq!(mode(&blob_path(&store, "b")), 0o600);
}

#[test]
fn a_folder_that_others_can_write_is_refused_with_the_remedy() {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let error = Store::open(folder.path(), StoreOptions::default()).unwrap_err();
    assert!(matches!(error, StoreError::Writable { .. }));
    assert!(error.to_string().contains("chmod 700"), "{error}");
}

#[test]
fn a_blob_of_any_length_comes_back_aligned() {
    let (_folder, store) = store();
    for length in [0, 1, 63, 64, 1_024, 1_025, 4_095, 4_096, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3 << 20] {
        let payload: Vec<u8> = (0..length).map(|at: usize| (at * 7 + at / 300) as u8).collect();
        let blob = format!("blob of {length}");
        // In pieces, as a serializer writes them.
        let mut writer = store.blob_writer().unwrap();
        for piece in payload.chunks(length / 3 + 1) {
            writer.write_all(piece).unwrap();
        }
        assert_eq!(writer.finish(name(&blob), Duration::from_secs(1)).unwrap(), length as u64);
        let found = store.blob(&name(&blob)).unwrap();
        assert!(*found == payload, "{length} bytes");
        assert_eq!(found.as_ptr().align_offset(64), 0, "{length} bytes");
    }
    assert_eq!(files_below(&store.dir().join("tmp")), 0);
}

#[test]
fn payloads_up_to_a_kibibyte_need_no_file() {
    let (_folder, store) = store();
    store_blob(&store, "small", &[1; 1_024], Duration::ZERO);
    assert_eq!(files_below(&store.dir().join("blobs")), 0);
    store_blob(&store, "large", &[1; 1_025], Duration::ZERO);
    assert_eq!(files_below(&store.dir().join("blobs")), 1);
}

#[test]
fn a_blob_that_was_not_finished_leaves_nothing() {
    let (_folder, store) = store();
    let mut writer = store.blob_writer().unwrap();
    writer.write_all(&[1; 3 << 20]).unwrap();
    assert_eq!(files_below(&store.dir().join("tmp")), 1);
    drop(writer);
    assert_eq!(files_below(&store.dir().join("tmp")), 0);
    assert_eq!(store.size(), 0);
}

#[test]
fn a_blob_that_is_stored_already_is_kept() {
    let (_folder, store) = store();
    store_blob(&store, "b", &[1; 5_000], Duration::ZERO);
    let before = fs::metadata(blob_path(&store, "b")).unwrap();
    let size = store.size();
    store_blob(&store, "b", &[1; 5_000], Duration::ZERO);
    let after = fs::metadata(blob_path(&store, "b")).unwrap();
    assert_eq!(before.modified().unwrap(), after.modified().unwrap());
    assert_eq!(std::os::unix::fs::MetadataExt::ino(&before), std::os::unix::fs::MetadataExt::ino(&after));
    assert_eq!(store.size(), size);
    assert_eq!(files_below(&store.dir().join("tmp")), 0);
}

#[test]
fn a_blob_whose_file_was_touched_is_read_once_and_found_good() {
    let (_folder, store) = store();
    store_blob(&store, "b", &[1; 5_000], Duration::ZERO);
    let old = SystemTime::now() - Duration::from_secs(3_600);
    fs::File::options().write(true).open(blob_path(&store, "b")).unwrap().set_modified(old).unwrap();
    assert!(store.has_blob(&name("b")));
    assert_eq!(*store.blob(&name("b")).unwrap(), [1; 5_000]);
}

#[test]
fn a_blob_whose_file_is_gone_is_a_miss_and_can_be_stored_again() {
    let (_folder, store) = store();
    store_blob(&store, "b", &[1; 5_000], Duration::ZERO);
    fs::remove_file(blob_path(&store, "b")).unwrap();
    assert!(!store.has_blob(&name("b")));
    assert!(store.blob(&name("b")).is_none());
    assert_eq!(store.size(), 0);
    store_blob(&store, "b", &[1; 5_000], Duration::ZERO);
    assert!(store.has_blob(&name("b")));
}

#[test]
fn a_blob_under_the_name_of_another_is_a_miss() {
    let (_folder, store) = store();
    store_blob(&store, "a", &[1; 5_000], Duration::ZERO);
    store_blob(&store, "b", &[2; 5_000], Duration::ZERO);
    fs::copy(blob_path(&store, "a"), blob_path(&store, "b")).unwrap();
    assert!(store.blob(&name("b")).is_none());
    assert_eq!(*store.blob(&name("a")).unwrap(), [1; 5_000]);
}

#[test]
fn a_mapped_blob_outlives_its_eviction_and_its_store() {
    let (_folder, store) = store();
    store_blob(&store, "b", &[9; 50_000], Duration::ZERO);
    let blob = store.blob(&name("b")).unwrap();
    store.wipe().unwrap();
    assert!(store.blob(&name("b")).is_none());
    drop(store);
    assert_eq!(*blob, [9; 50_000]);
}

#[test]
fn gc_keeps_what_a_record_refers_to_and_removes_the_rest() {
    let (_folder, store) = store();
    for blob in ["kept", "garbage", "small garbage"] {
        store_blob(&store, blob, &vec![1; if blob == "small garbage" { 10 } else { 5_000 }], Duration::ZERO);
    }
    store.put(Space::Traces, &name("k"), b"v", &[name("kept")]).unwrap();
    let report = store.gc(None).unwrap();
    assert_eq!((report.removed_blobs, report.removed_records, report.kept_blobs), (2, 0, 1));
    assert_eq!(report.removed_bytes, 5_128 + 138);
    assert_eq!(report.kept_bytes, store.size());
    assert!(store.has_blob(&name("kept")) && !store.has_blob(&name("garbage")));
    store.delete(Space::Traces, &name("k")).unwrap();
    assert_eq!(store.gc(None).unwrap().removed_blobs, 1);
    assert_eq!(files_below(&store.dir().join("blobs")), 0);
    assert_eq!(store.size(), 0);
}

#[test]
fn gc_leaves_a_blob_alone_that_was_stored_or_found_within_the_grace_period() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), StoreOptions::default()).unwrap();
    store_blob(&store, "just stored", &[1; 5_000], Duration::ZERO);
    assert_eq!(store.gc(Some(0)).unwrap().removed_blobs, 0);
    assert!(store.has_blob(&name("just stored")));
}

#[test]
fn gc_removes_files_that_the_index_does_not_know_and_temporary_files_without_a_writer() {
    let (_folder, store) = store();
    let orphan = blob_path(&store, "orphan");
    fs::create_dir_all(orphan.parent().unwrap()).unwrap();
    fs::write(&orphan, "left by a writer that was killed").unwrap();
    let mut alive = store.blob_writer().unwrap();
    alive.write_all(&[1; 2 << 20]).unwrap();
    let dead = store.dir().join("tmp/dead");
    fs::write(&dead, "left as well").unwrap();
    for entry in fs::read_dir(store.dir().join("tmp")).unwrap() {
        let file = fs::File::options().write(true).open(entry.unwrap().path()).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(3_600)).unwrap();
    }
    store.gc(None).unwrap();
    assert!(!orphan.exists() && !dead.exists());
    alive.finish(name("alive"), Duration::ZERO).unwrap();
    assert_eq!(*store.blob(&name("alive")).unwrap(), [1; 2 << 20]);
}

#[test]
fn eviction_takes_what_saves_the_least_time_per_byte() {
    let (_folder, store) = store();
    // Seconds per byte: dear 10 ms, used 4 times 0.1 ms, large 0.2 ms, cheap 0.1 ms.
    for (blob, seconds, length) in
        [("dear", 100, 10_000), ("cheap", 1, 10_000), ("large", 100, 500_000), ("used", 1, 10_000)]
    {
        store_blob(&store, blob, &vec![1; length], Duration::from_secs(seconds));
        store.put(Space::Traces, &name(blob), b"v", &[name(blob)]).unwrap();
    }
    for _ in 0..3 {
        store.used(&[(name("used"), 1.0), (name("not there"), 1.0)]);
    }
    let left = |max_size| {
        assert!(store.gc(Some(max_size)).unwrap().kept_bytes <= max_size);
        ["dear", "cheap", "large", "used"].into_iter().filter(|blob| store.has_blob(&name(blob))).collect::<Vec<_>>()
    };
    assert_eq!(left(5_000_000), ["dear", "cheap", "large", "used"]);
    assert_eq!(left(525_000), ["dear", "large", "used"]);
    assert_eq!(left(25_000), ["dear", "used"]);
    assert_eq!(left(15_000), ["dear"]);
    assert_eq!(left(5_000), Vec::<&str>::new());
    // The traces are still there: an output that was evicted costs nothing while nobody reads it.
    assert!(store.get(Space::Traces, &name("cheap")).is_some());
}

#[test]
fn records_are_bounded_too_and_the_oldest_go_first() {
    let (_folder, store) = store();
    for n in 0..100u32 {
        store.put(Space::Memos, &name(&n.to_string()), &[1; 1_000], &[]).unwrap();
    }
    let report = store.gc(Some(100_000)).unwrap();
    assert!(report.kept_bytes <= 50_000 && report.kept_bytes > 45_000, "{report:?}");
    assert_eq!(report.removed_records, 100 - report.kept_bytes / (1_000 + 33 + 29));
    assert!(store.get(Space::Memos, &name("99")).is_some() || store.get(Space::Memos, &name("98")).is_some());
}

#[test]
fn enforce_does_nothing_below_the_bound_and_keeps_it_above() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), options(100_000)).unwrap();
    for n in 0..8u64 {
        let blob = format!("blob {n}");
        store_blob(&store, &blob, &[n as u8; 10_000], Duration::from_secs(n + 1));
        store.put(Space::Traces, &name(&blob), b"v", &[name(&blob)]).unwrap();
    }
    assert_eq!(store.enforce().unwrap(), None);
    for n in 8..20u64 {
        let blob = format!("blob {n}");
        store_blob(&store, &blob, &[n as u8; 10_000], Duration::from_secs(n + 1));
        store.put(Space::Traces, &name(&blob), b"v", &[name(&blob)]).unwrap();
    }
    let report = store.enforce().unwrap().unwrap();
    assert!(store.size() <= 100_000 && report.kept_blobs >= 8, "{report:?}");
    assert!(store.has_blob(&name("blob 19")) && !store.has_blob(&name("blob 0")));
    assert_eq!(files_below(&store.dir().join("blobs")) as u64, report.kept_blobs);
}

#[test]
fn the_size_is_what_the_files_and_records_have() {
    let (_folder, store) = store();
    store_blob(&store, "b", &[1; 5_000], Duration::ZERO);
    let file = fs::metadata(blob_path(&store, "b")).unwrap().len();
    assert_eq!(store.size(), file);
    store.put(Space::Traces, &name("k"), b"v", &[]).unwrap();
    let with_record = store.size();
    assert!(with_record > file);
    store.put(Space::Traces, &name("k"), b"v", &[]).unwrap();
    assert_eq!(store.size(), with_record);
}

#[test]
fn a_wiped_cache_is_empty_and_works() {
    let (_folder, store) = store();
    store_blob(&store, "b", &[1; 5_000], Duration::ZERO);
    store.put(Space::Traces, &name("k"), b"v", &[name("b")]).unwrap();
    store.wipe().unwrap();
    assert_eq!((store.size(), store.get(Space::Traces, &name("k"))), (0, None));
    assert_eq!(files_below(&store.dir().join("blobs")), 0);
    store_blob(&store, "b", &[1; 5_000], Duration::ZERO);
    assert!(store.has_blob(&name("b")));
}

#[test]
fn verify_reads_everything_and_finds_nothing_wrong_with_a_good_cache() {
    let (_folder, store) = store();
    store_blob(&store, "large", &[1; 5_000], Duration::ZERO);
    store_blob(&store, "small", &[1; 50], Duration::ZERO);
    store.put(Space::Traces, &name("k"), b"v", &[]).unwrap();
    let report = store.verify().unwrap();
    assert_eq!((report.records, report.blobs, report.damaged.len()), (1, 2, 0));
    assert!(report.bytes > 5_050);
}

#[test]
fn a_store_can_be_used_inside_of_for_each() {
    let (_folder, store) = store();
    store.put(Space::Traces, &name("k"), b"v", &[]).unwrap();
    let mut seen = None;
    store
        .for_each(Space::Traces, |key, _| {
            seen = store.get(Space::Traces, key);
            store.put(Space::Runs, key, b"seen", &[]).unwrap();
        })
        .unwrap();
    assert_eq!(seen.unwrap(), b"v");
}

#[derive(Clone, Debug)]
enum Action {
    Put { key: u64, length: usize, blob: u64 },
    Delete { key: u64 },
    Blob { blob: u64 },
    Gc,
    Verify,
    Reopen,
    Wipe,
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        8 => (0..12u64, prop_oneof![Just(0), 1..400usize, 2_000..9_000usize], 0..6u64)
            .prop_map(|(key, length, blob)| Action::Put { key, length, blob }),
        4 => (0..12u64).prop_map(|key| Action::Delete { key }),
        6 => (0..6u64).prop_map(|blob| Action::Blob { blob }),
        3 => Just(Action::Gc),
        1 => Just(Action::Verify),
        2 => Just(Action::Reopen),
        1 => Just(Action::Wipe),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// The model: a map of records with the blob that each refers to, and a set of blobs.
    #[test]
    fn a_store_behaves_like_two_maps(actions in proptest::collection::vec(action(), 1..40)) {
        let folder = tempfile::tempdir().unwrap();
        let open = || Store::open(folder.path(), options(1 << 30)).unwrap();
        let (mut store, mut records, mut blobs) = (open(), BTreeMap::new(), BTreeSet::new());
        let blob_name = |blob: u64| name(&format!("blob {blob}"));
        let payload = |blob: u64| vec![blob as u8; if blob.is_multiple_of(2) { 700 } else { 3_000 }];
        for (turn, action) in actions.into_iter().enumerate() {
            match action {
                Action::Put { key, length, blob } => {
                    let value = vec![turn as u8; length];
                    store.put(Space::Memos, &name(&key.to_string()), &value, &[blob_name(blob)]).unwrap();
                    records.insert(key, (value, blob));
                }
                Action::Delete { key } => {
                    let was_there = store.delete(Space::Memos, &name(&key.to_string())).unwrap();
                    prop_assert_eq!(was_there, records.remove(&key).is_some());
                }
                Action::Blob { blob } => {
                    store_blob(&store, &format!("blob {blob}"), &payload(blob), Duration::ZERO);
                    blobs.insert(blob);
                }
                Action::Gc => {
                    let referred: BTreeSet<u64> = records.values().map(|(_, blob)| *blob).collect();
                    let before = blobs.len();
                    blobs.retain(|blob| referred.contains(blob));
                    let report = store.gc(None).unwrap();
                    prop_assert_eq!(report.removed_blobs as usize, before - blobs.len());
                    prop_assert_eq!(report.kept_blobs as usize, blobs.len());
                }
                Action::Verify => {
                    let report = store.verify().unwrap();
                    prop_assert_eq!((report.records as usize, report.blobs as usize), (records.len(), blobs.len()));
                    prop_assert!(report.damaged.is_empty());
                }
                Action::Reopen => {
                    drop(store);
                    store = open();
                }
                Action::Wipe => {
                    store.wipe().unwrap();
                    records.clear();
                    blobs.clear();
                }
            }
            for key in 0..12 {
                let value = store.get(Space::Memos, &name(&key.to_string()));
                prop_assert_eq!(value.as_ref(), records.get(&key).map(|(value, _)| value));
            }
            for blob in 0..6 {
                prop_assert_eq!(store.has_blob(&blob_name(blob)), blobs.contains(&blob));
                let found = store.blob(&blob_name(blob)).map(|found| found.to_vec());
                prop_assert_eq!(found, blobs.contains(&blob).then(|| payload(blob)));
            }
            if records.is_empty() && blobs.is_empty() {
                prop_assert_eq!(store.size(), 0);
            }
        }
    }
}
