//! Uses of blobs, written together: a hit that waited for a write transaction would cost several times the lookup.
//!
//! They are written when one is noted a second or more after the last time, before anything is removed, and when the cache
//! is closed. A process that is killed loses those of its last second; they only tell what goes first.

use super::{gdsf, index::now_ms, open::Inner};
use crate::Fingerprint;
use std::{
    collections::HashMap,
    mem,
    sync::{Mutex, PoisonError},
};

const EVERY_MS: u64 = 1_000;

/// Those that were not written yet.
#[derive(Debug)]
pub(super) struct Uses(Mutex<Pending>);

#[derive(Debug)]
struct Pending {
    blobs: HashMap<Fingerprint, Use>,
    written_ms: u64,
}

#[derive(Debug, PartialEq)]
struct Use {
    count: u64,
    last_ms: u64,
    /// The most seconds that one saved.
    saved: f64,
}

impl Uses {
    pub fn new(now_ms: u64) -> Self {
        Self(Mutex::new(Pending { blobs: HashMap::new(), written_ms: now_ms }))
    }

    /// Notes uses, each with the seconds that it saved. Whether it is time to write them.
    fn note(&self, uses: &[(Fingerprint, f64)], now_ms: u64) -> bool {
        let mut pending = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (name, saved) in uses {
            let used = pending.blobs.entry(*name).or_insert(Use { count: 0, last_ms: now_ms, saved: 0.0 });
            used.count = used.count.saturating_add(1);
            used.last_ms = now_ms;
            if saved.is_finite() {
                used.saved = used.saved.max(*saved);
            }
        }
        // A clock that was set back does not put it off.
        now_ms.abs_diff(pending.written_ms) >= EVERY_MS
    }

    fn take(&self, now_ms: u64) -> HashMap<Fingerprint, Use> {
        let mut pending = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        pending.written_ms = now_ms;
        mem::take(&mut pending.blobs)
    }
}

impl Inner {
    pub fn used(&self, uses: &[(Fingerprint, f64)]) {
        if self.uses.note(uses, now_ms()) {
            self.write_uses();
        }
    }

    /// Writes the uses that were noted. Best effort.
    pub fn write_uses(&self) {
        // A forked child leaves that to its parent.
        if self.presence.refuse_forked(self.folder.path()).is_err() {
            return;
        }
        let uses = self.uses.take(now_ms());
        if uses.is_empty() {
            return;
        }
        let result = self.index.write(|writer| {
            for (name, used) in &uses {
                let Some(mut entry) = writer.entry(name)? else { continue };
                entry.uses = entry.uses.saturating_add(used.count);
                entry.touched_ms = used.last_ms.max(entry.touched_ms.saturating_add(used.count));
                entry.cost = entry.cost.max(used.saved);
                entry.priority = gdsf::priority(writer.totals.clock, entry.cost, entry.uses, entry.bytes());
                writer.put_entry(name, &entry)?;
            }
            Ok(())
        });
        if let Err(error) = result {
            tracing::warn!("{error}");
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.write_uses();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::{Space, Store, StoreOptions};
    use std::{collections::BTreeMap, time::Duration};

    fn name(text: &str) -> Fingerprint {
        Fingerprint::of_bytes(text.as_bytes())
    }

    #[test]
    fn they_are_due_a_second_after_they_were_written_whatever_the_clock_does() {
        let uses = Uses::new(5_000);
        assert_eq!(
            [5_000, 5_999, 6_000, 4_001, 4_000].map(|now| uses.note(&[], now)),
            [false, false, true, false, true]
        );
        uses.take(6_000);
        assert_eq!([6_999, 7_000].map(|now| uses.note(&[], now)), [false, true]);
    }

    #[test]
    fn each_is_counted_and_written_once() {
        let uses = Uses::new(0);
        uses.note(&[(name("a"), 2.0), (name("b"), f64::NAN)], 1);
        uses.note(&[(name("a"), 1.0)], 2);
        let taken: BTreeMap<_, _> = uses.take(3).into_iter().collect();
        let expected = [
            (name("a"), Use { count: 2, last_ms: 2, saved: 2.0 }),
            (name("b"), Use { count: 1, last_ms: 1, saved: 0.0 }),
        ];
        assert_eq!(taken, BTreeMap::from(expected));
        assert!(uses.take(4).is_empty());
    }

    #[test]
    fn hits_within_a_second_write_nothing_until_the_store_is_closed() {
        let folder = tempfile::tempdir().unwrap();
        let open = || Store::open(&folder.path().join("cache"), StoreOptions::default()).unwrap();
        let store = open();
        store.blob_writer().unwrap().finish(name("a"), Duration::ZERO).unwrap();
        let uses = |store: &Store| store.inner().index.read(|view| view.entry(&name("a"))).unwrap().unwrap().uses;
        let revision = store.revision().unwrap();
        // As if the store had been opened just now, however slow this test is.
        store.inner().uses.0.lock().unwrap().written_ms = now_ms() + 500;
        (0..100).for_each(|_| store.used(&[(name("a"), 1.0)]));
        assert_eq!((store.revision().unwrap(), uses(&store)), (revision, 1));
        drop(store);
        assert_eq!(uses(&open()), 101);
    }

    #[test]
    fn what_is_removed_is_chosen_by_all_uses() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("cache"), StoreOptions::default()).unwrap();
        for text in ["left", "used"] {
            let mut writer = store.blob_writer().unwrap();
            std::io::Write::write_all(&mut writer, &[1; 5_000]).unwrap();
            writer.finish(name(text), Duration::from_secs(1)).unwrap();
            store.put(Space::Tables, &name(text), b"refers to it", &[name(text)]).unwrap();
        }
        store.used(&[(name("used"), 1.0)]);
        store.gc(Some(8_000)).unwrap();
        assert_eq!(["left", "used"].map(|text| store.has_blob(&name(text))), [false, true]);
    }
}
