//! Fewer results of functions, because somebody asks for it: what was used the longest ago goes.
//!
//! A result is a record of traces with the blobs that it refers to. It was used when one of these was touched last; several
//! results of equal content share a blob, which goes with the last of them.

use super::{
    entry::Entry,
    error::StoreError,
    gc::{BATCH, GcReport, remove_blob},
    index::{BLOBS, Found, TOTALS, now_ms},
    open::Inner,
    record::{IndexKey, index_key},
    store::Space,
};
use crate::Fingerprint;
use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

/// What [`reduce`](super::Store::reduce) leaves of functions' results.
///
/// ```
/// use everfresh::disk::{Limits, Store, StoreOptions};
/// use std::time::Duration;
///
/// # let folder = tempfile::tempdir()?;
/// # let store = Store::open(folder.path(), StoreOptions::default())?;
/// let limits = Limits { unused_for: Some(Duration::from_secs(86_400)), ..Limits::default() };
/// assert_eq!(store.reduce(&limits)?.removed_records, 0);
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// How many bytes their blobs may occupy; `None` is any number, as it is below.
    pub bytes: Option<u64>,
    /// How many there may be, counted by function and arguments.
    pub results: Option<u64>,
    /// How long ago they may have been used last.
    pub unused_for: Option<Duration>,
}

/// The results of one function for one list of arguments.
struct Item {
    used_ms: u64,
    stored_ms: u64,
    key: IndexKey,
    blobs: Vec<Fingerprint>,
}

#[derive(Default)]
struct Snapshot {
    items: Vec<Item>,
    /// Blobs that other records refer to.
    others: HashSet<Fingerprint>,
    /// When a blob was touched last, and its bytes.
    blobs: HashMap<Fingerprint, (u64, u64)>,
}

impl Limits {
    pub(super) fn impose(&self, inner: &Inner) -> Result<GcReport, StoreError> {
        let mut report = GcReport::default();
        inner.write_uses();
        let snapshot = Snapshot::take(inner)?;
        let kept = self.kept(&snapshot);
        let (kept, removed) = snapshot.items.split_at(kept);
        for batch in removed.chunks(BATCH) {
            report.count(inner.index.write(|writer| {
                let before = writer.totals;
                for item in batch {
                    // Somebody may have stored another result meanwhile.
                    if matches!(writer.get(&item.key)?, Some(Found::Whole(record)) if record.stored_ms == item.stored_ms) {
                        writer.delete(&item.key)?;
                    }
                }
                Ok((before, writer.totals))
            })?);
        }
        let left: HashSet<_> = kept.iter().flat_map(|item| &item.blobs).chain(&snapshot.others).collect();
        let gone: HashSet<_> =
            removed.iter().flat_map(|item| &item.blobs).filter(|name| !left.contains(name)).collect();
        for batch in gone.into_iter().collect::<Vec<_>>().chunks(BATCH) {
            report.count(inner.index.write(|writer| {
                let before = writer.totals;
                for name in batch {
                    // Nor is one removed that somebody refers to anew: that touches it.
                    if let Some(entry) = writer.entry(name)?
                        && snapshot.blobs.get(*name).is_some_and(|(touched_ms, _)| *touched_ms == entry.touched_ms)
                    {
                        remove_blob(inner, writer, name, &entry)?;
                    }
                }
                Ok((before, writer.totals))
            })?);
        }
        let totals = inner.index.write(|writer| Ok(writer.totals))?;
        (report.kept_blobs, report.kept_bytes) = (totals.blobs, totals.bytes());
        Ok(report)
    }

    /// How many of the items, which begin with the one that was used last, are kept.
    fn kept(&self, snapshot: &Snapshot) -> usize {
        let oldest_ms = self.unused_for.map(|age| {
            let age_ms = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
            now_ms().saturating_sub(age_ms)
        });
        let (mut bytes, mut counted) = (0u64, HashSet::new());
        let most = self.results.map_or(usize::MAX, |most| usize::try_from(most).unwrap_or(usize::MAX));
        let fits = |item: &Item| {
            for name in item.blobs.iter().filter(|name| counted.insert(**name)) {
                bytes = bytes.saturating_add(snapshot.blobs.get(name).map_or(0, |(_, bytes)| *bytes));
            }
            self.bytes.is_none_or(|most| bytes <= most) && oldest_ms.is_none_or(|oldest_ms| item.used_ms >= oldest_ms)
        };
        snapshot.items.iter().take(most).map(fits).take_while(|fits| *fits).count()
    }
}

impl Snapshot {
    fn take(inner: &Inner) -> Result<Self, StoreError> {
        let mut snapshot = Self::default();
        inner.index.read(|view| {
            view.each(None, |space, name, _, found| {
                let Found::Whole(record) = found else { return };
                if space == BLOBS {
                    if let Some(entry) = Entry::from_bytes(record.value) {
                        snapshot.blobs.insert(name, (entry.touched_ms, entry.bytes()));
                    }
                } else if space == Space::Traces as u8 {
                    let (stored_ms, key) = (record.stored_ms, index_key(space, &name));
                    snapshot.items.push(Item { used_ms: 0, stored_ms, key, blobs: record.blobs().collect() });
                } else if space != TOTALS {
                    snapshot.others.extend(record.blobs());
                }
            })
        })?;
        let Self { items, blobs, .. } = &mut snapshot;
        for item in items.iter_mut() {
            let touched = item.blobs.iter().filter_map(|name| blobs.get(name)).map(|(touched_ms, _)| *touched_ms);
            item.used_ms = touched.max().unwrap_or_default();
        }
        // The key decides between equals, so that the same cache is always reduced in the same order.
        items.sort_unstable_by(|a, b| (b.used_ms, b.stored_ms, &b.key).cmp(&(a.used_ms, a.stored_ms, &a.key)));
        Ok(snapshot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::{Store, StoreOptions};
    use std::io::Write;

    fn name(text: &str) -> Fingerprint {
        Fingerprint::of_bytes(text.as_bytes())
    }

    fn blob(store: &Store, content: &str) {
        let mut writer = store.blob_writer().unwrap();
        writer.write_all(&[7; 2_000]).unwrap();
        writer.finish(name(content), Duration::ZERO).unwrap();
    }

    /// A store with results by their keys, each of some content, used in this order.
    fn filled(results: &[(&str, &str)]) -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("cache"), StoreOptions::default()).unwrap();
        for (key, content) in results {
            blob(&store, content);
            store.put(Space::Traces, &name(key), b"traces", &[name(content)]).unwrap();
        }
        // Each use is stamped later than what is there by as many milliseconds as there were uses.
        for (at, (_, content)) in results.iter().enumerate() {
            (0..=at * 1_000).for_each(|_| store.used(&[(name(content), 0.0)]));
        }
        (folder, store)
    }

    fn kept<'a>(store: &Store, keys: &[&'a str]) -> Vec<&'a str> {
        keys.iter().copied().filter(|key| store.get(Space::Traces, &name(key)).is_some()).collect()
    }

    #[test]
    fn what_was_used_last_stays() {
        let (_folder, store) = filled(&[("a", "1"), ("b", "2"), ("c", "3")]);
        store.reduce(&Limits { results: Some(2), ..Limits::default() }).unwrap();
        assert_eq!(kept(&store, &["a", "b", "c"]), ["b", "c"]);
        assert_eq!(["1", "2", "3"].map(|content| store.has_blob(&name(content))), [false, true, true]);
    }

    #[test]
    fn bytes_that_two_results_share_count_once_and_go_with_the_last_of_them() {
        let (_folder, store) = filled(&[("a", "1"), ("b", "2"), ("c", "2")]);
        let report = store.reduce(&Limits { bytes: Some(2_500), ..Limits::default() }).unwrap();
        assert_eq!((report.removed_records, report.removed_blobs), (1, 1));
        assert_eq!(kept(&store, &["a", "b", "c"]), ["b", "c"]);
        let report = store.reduce(&Limits { results: Some(1), ..Limits::default() }).unwrap();
        assert_eq!((report.removed_records, report.removed_blobs), (1, 0));
        let report = store.reduce(&Limits { results: Some(0), ..Limits::default() }).unwrap();
        assert_eq!((report.removed_records, report.removed_blobs, report.kept_blobs), (1, 1, 0));
    }

    #[test]
    fn what_other_records_refer_to_stays() {
        let (_folder, store) = filled(&[("a", "1")]);
        store.put(Space::Tables, &name("table"), b"table", &[name("1")]).unwrap();
        store.reduce(&Limits { results: Some(0), ..Limits::default() }).unwrap();
        assert_eq!(kept(&store, &["a"]), [""; 0]);
        assert!(store.has_blob(&name("1")));
        assert!(store.get(Space::Tables, &name("table")).is_some());
    }

    #[test]
    fn what_is_younger_than_the_limit_stays() {
        let (_folder, store) = filled(&[("a", "1"), ("b", "2")]);
        store.reduce(&Limits { unused_for: Some(Duration::from_secs(3_600)), ..Limits::default() }).unwrap();
        assert_eq!(kept(&store, &["a", "b"]), ["a", "b"]);
    }
}
