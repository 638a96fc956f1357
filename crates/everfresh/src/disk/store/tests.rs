//! What damage does, and what `gc` leaves alone.

use super::{Space, Store, StoreOptions};
use crate::{
    Fingerprint,
    disk::{
        index::{BLOBS, TOTALS},
        record::{self, IndexKey, index_key},
    },
};
use std::time::Duration;

fn key(name: &str) -> Fingerprint {
    Fingerprint::of_bytes(name.as_bytes())
}

/// Replaces the sealed bytes of a record.
fn damage(store: &Store, key: &IndexKey, change: impl FnOnce(&mut Vec<u8>)) {
    let damaged = store.inner().index.write(|writer| {
        let mut sealed = writer.get_raw(key)?.unwrap();
        change(&mut sealed);
        writer.put_raw(key, &sealed)?;
        Ok(())
    });
    damaged.unwrap();
}

#[test]
fn a_record_with_any_bit_flipped_or_cut_anywhere_is_a_miss_and_can_be_written_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), StoreOptions::default()).unwrap();
    let key = key("k");
    let store_it = || store.put(Space::Traces, &key, b"a small value", &[]).unwrap();
    store_it();
    let length = record::seal(&Space::Traces.key(&key), 0, &[], b"a small value").len();
    for bit in 0..length * 8 {
        damage(&store, &Space::Traces.key(&key), |sealed| sealed[bit / 8] ^= 1 << (bit % 8));
        assert_eq!(store.get(Space::Traces, &key), None, "bit {bit}");
        store_it();
        assert_eq!(store.get(Space::Traces, &key).as_deref(), Some(b"a small value".as_slice()));
    }
    for cut in 1..=length {
        damage(&store, &Space::Traces.key(&key), |sealed| sealed.truncate(length - cut));
        assert_eq!(store.get(Space::Traces, &key), None, "{cut} bytes cut off");
        store_it();
    }
}

#[test]
fn damage_is_found_by_verify_removed_and_not_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), StoreOptions::default()).unwrap();
    store.put(Space::Runs, &key("bad"), b"value", &[]).unwrap();
    store.put(Space::Runs, &key("good"), b"value", &[]).unwrap();
    store.blob_writer().unwrap().finish(key("inline"), Duration::ZERO).unwrap();
    damage(&store, &Space::Runs.key(&key("bad")), |sealed| sealed[20] ^= 1);
    damage(&store, &index_key(BLOBS, &key("inline")), |sealed| sealed[3] ^= 1);
    let mut found = store.verify().unwrap().damaged;
    found.sort();
    assert_eq!(found, [format!("blob {}", key("inline")), format!("record Runs {}", key("bad"))]);
    let report = store.verify().unwrap();
    assert_eq!((report.records, report.blobs, report.damaged.len()), (1, 0, 0));
}

#[test]
fn a_damaged_sum_is_counted_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), StoreOptions::default()).unwrap();
    store.put(Space::Runs, &key("k"), b"value", &[]).unwrap();
    let size = store.size();
    let totals = index_key(TOTALS, &Fingerprint::from_bytes([0; 32]));
    // The commit writes the sum after this, so it must be damaged by a delete that is not counted.
    store.inner().index.write(|writer| Ok(writer.delete(&totals)?)).unwrap();
    store.inner().index.write(|writer| Ok(writer.put_raw(&totals, b"nonsense")?)).unwrap();
    assert_eq!(store.size(), size);
    store.put(Space::Runs, &key("k"), b"value", &[]).unwrap();
    assert_eq!(store.size(), size);
}

fn store_blob(store: &Store, name: &str) {
    let mut writer = store.blob_writer().unwrap();
    std::io::Write::write_all(&mut writer, &[1; 5_000]).unwrap();
    writer.finish(key(name), Duration::ZERO).unwrap();
}

/// As if nobody had touched the blob for longer than the grace period.
fn age(store: &Store, name: &str) {
    let aged = store.inner().index.write(|writer| {
        let mut entry = writer.entry(&key(name))?.unwrap();
        entry.touched_ms = 1;
        Ok(writer.put_entry(&key(name), &entry)?)
    });
    aged.unwrap();
}

#[test]
fn a_writer_that_finds_its_blob_stored_or_refers_to_it_never_loses_it_to_gc() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), StoreOptions::default()).unwrap();
    for name in ["left", "found", "referred", "used"] {
        store_blob(&store, name);
        age(&store, name);
    }
    store_blob(&store, "found");
    // The record is gone again, as far as a `gc` that began earlier can see.
    store.put(Space::Traces, &key("k"), b"v", &[key("referred")]).unwrap();
    store.delete(Space::Traces, &key("k")).unwrap();
    store.used(&[(key("used"), 1.0)]);
    assert_eq!(store.gc(None).unwrap().removed_blobs, 1);
    let kept = ["left", "found", "referred", "used"].map(|name| store.blob(&key(name)).is_some());
    assert_eq!(kept, [false, true, true, true]);
}
