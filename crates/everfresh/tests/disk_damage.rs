//! Damage: whatever happens to the files of a cache, only misses follow, and the cache opens again and accepts writes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use everfresh::{
    Fingerprint,
    disk::{Space, Store, StoreOptions},
};
use std::{
    fs,
    io::Write as _,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

const RECORDS: u64 = 40;
const BLOBS: u64 = 4;

fn name(kind: &str, number: u64) -> Fingerprint {
    everfresh::FingerprintBuilder::new(kind).u64(number).finish()
}

fn record(number: u64) -> Vec<u8> {
    // The last ones fill pages of their own.
    vec![number as u8; if number + 2 < RECORDS { 100 } else { 9_000 }]
}

fn payload(number: u64) -> Vec<u8> {
    (0..if number.is_multiple_of(2) { 200 } else { 1_200 }).map(|at: u64| (at * (number + 3)) as u8).collect()
}

fn open(dir: &Path) -> Store {
    Store::open(dir, StoreOptions::default()).unwrap()
}

fn store_blob(store: &Store, blob: Fingerprint, payload: &[u8]) {
    let mut writer = store.blob_writer().unwrap();
    writer.write_all(payload).unwrap();
    writer.finish(blob, Duration::from_secs(1)).unwrap();
}

fn fill(store: &Store) {
    for number in 0..RECORDS {
        store.put(Space::Traces, &name("record", number), &record(number), &[name("blob", number % BLOBS)]).unwrap();
    }
    for number in 0..BLOBS {
        store_blob(store, name("blob", number), &payload(number));
    }
}

/// Everything that is found is right, and something new can be stored. Returns how many records and blobs are found.
fn found(store: &Store, what: &str) -> (u64, u64) {
    let (mut records, mut blobs) = (0, 0);
    for number in 0..RECORDS {
        if let Some(value) = store.get(Space::Traces, &name("record", number)) {
            assert!(value == record(number), "{what}: a wrong record");
            records += 1;
        }
    }
    for number in 0..BLOBS {
        if let Some(blob) = store.blob(&name("blob", number)) {
            assert!(*blob == payload(number), "{what}: a wrong blob");
            blobs += 1;
        }
    }
    store.put(Space::Runs, &name("new", 0), what.as_bytes(), &[]).unwrap();
    assert_eq!(store.get(Space::Runs, &name("new", 0)).unwrap(), what.as_bytes(), "{what}");
    (records, blobs)
}

fn blob_path(dir: &Path, blob: &Fingerprint) -> PathBuf {
    let hex = blob.to_string();
    dir.join("blobs").join(&hex[..2]).join(&hex)
}

#[test]
fn every_flipped_bit_of_a_blob_is_a_miss() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let (blob, payload) = (name("blob", 1), payload(1));
    store_blob(&store, blob, &payload);
    let path = blob_path(store.dir(), &blob);
    let whole = fs::read(&path).unwrap();
    for bit in 0..whole.len() * 8 {
        let file = fs::File::options().write(true).open(&path).unwrap();
        file.write_all_at(&[whole[bit / 8] ^ 1 << (bit % 8)], bit as u64 / 8).unwrap();
        assert!(store.blob(&blob).is_none(), "bit {bit}");
        assert!(!path.exists(), "bit {bit}");
        store_blob(&store, blob, &payload);
        assert!(*store.blob(&blob).unwrap() == payload, "bit {bit}");
    }
}

#[test]
fn a_blob_cut_or_grown_to_any_length_is_a_miss() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let (blob, payload) = (name("blob", 1), payload(1));
    store_blob(&store, blob, &payload);
    let path = blob_path(store.dir(), &blob);
    let length = fs::metadata(&path).unwrap().len();
    for cut in (0..length).chain([length + 1, length + 4_096]) {
        fs::File::options().write(true).open(&path).unwrap().set_len(cut).unwrap();
        assert!(!store.has_blob(&blob), "{cut} bytes");
        assert!(store.blob(&blob).is_none(), "{cut} bytes");
        store_blob(&store, blob, &payload);
        assert!(*store.blob(&blob).unwrap() == payload, "{cut} bytes");
    }
}

#[test]
fn a_flipped_bit_is_seen_even_if_the_mtime_is_put_back() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let blob = name("blob", 1);
    store_blob(&store, blob, &payload(1));
    let path = blob_path(store.dir(), &blob);
    // The clock that stamps files has to tick once, or nothing but the mtime could tell.
    let stamp = |path: &Path| fs::metadata(path).map(|m| std::os::unix::fs::MetadataExt::ctime_nsec(&m)).unwrap();
    let (stored, probe) = (stamp(&path), folder.path().join("tmp/probe"));
    loop {
        fs::write(&probe, "").unwrap();
        if stamp(&probe) != stored {
            break;
        }
    }
    let file = fs::File::options().write(true).open(&path).unwrap();
    let mtime = file.metadata().unwrap().modified().unwrap();
    file.write_all_at(b"?", 500).unwrap();
    file.set_modified(mtime).unwrap();
    assert!(store.blob(&blob).is_none());
}

#[test]
fn without_its_index_a_cache_finds_its_blobs_again() {
    let folder = tempfile::tempdir().unwrap();
    fill(&open(folder.path()));
    for victim in ["index", "index/data.mdb"] {
        let path = folder.path().join(victim);
        if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }.unwrap();
        let store = open(folder.path());
        // Those that are files: payloads of up to a kibibyte went with the index.
        assert_eq!(found(&store, victim), (0, BLOBS / 2));
        fill(&store);
        assert_eq!(found(&store, victim), (RECORDS, BLOBS));
    }
}

#[test]
fn any_other_file_of_the_cache_may_go() {
    let folder = tempfile::tempdir().unwrap();
    fill(&open(folder.path()));
    for victim in ["mark", "lock", "index/lock.mdb", "format", "CACHEDIR.TAG", ".gitignore"] {
        fs::remove_file(folder.path().join(victim)).unwrap();
        assert_eq!(found(&open(folder.path()), victim), (RECORDS, BLOBS));
    }
    fs::remove_dir_all(folder.path().join("tmp")).unwrap();
    fs::remove_dir_all(folder.path().join("blobs")).unwrap();
    assert_eq!(found(&open(folder.path()), "blobs"), (RECORDS, BLOBS / 2));
}

#[test]
fn an_index_of_any_other_length_is_only_misses() {
    let folder = tempfile::tempdir().unwrap();
    fill(&open(folder.path()));
    let data = folder.path().join("index/data.mdb");
    let whole = fs::read(&data).unwrap();
    let cuts = (0..whole.len()).step_by(512).flat_map(|at| [at, at + 1, at + 16]).filter(|cut| *cut < whole.len());
    for cut in cuts {
        fs::write(&data, &whole[..cut]).unwrap();
        found(&open(folder.path()), &format!("{cut} bytes"));
    }
    fs::write(&data, [&whole[..], &[0; 4_096]].concat()).unwrap();
    assert_eq!(found(&open(folder.path()), "a page more"), (RECORDS, BLOBS));
}

#[test]
fn a_flipped_bit_anywhere_in_the_index_is_only_misses() {
    let folder = tempfile::tempdir().unwrap();
    fill(&open(folder.path()));
    let data = folder.path().join("index/data.mdb");
    let whole = fs::read(&data).unwrap();
    let (mut all, mut some, mut none) = (0, 0, 0);
    // All bits of headers are many: a stride that is a prime reaches every kind of field, the meta pages are dense.
    let meta = (0..2).flat_map(|page| (page * 4_096 * 8..(page * 4_096 + 152) * 8).step_by(3));
    for bit in meta.chain((0..whole.len() * 8).step_by(499)) {
        let mut flipped = whole.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        fs::write(&data, flipped).unwrap();
        match found(&open(folder.path()), &format!("bit {bit}")).0 {
            RECORDS => all += 1,
            0 => none += 1,
            _ => some += 1,
        }
    }
    println!("{all} flips without effect, {some} damaged records, {none} damaged the structure");
    assert!(all > 0 && some > 0 && none > 0);
}
