//! The form of a value that is fingerprinted: every name in full, every map sorted by its encoded keys.

use super::{
    encode::{Sink, put_length},
    stream::Stream,
    tag::NAME_IN_FULL,
};
use crate::Fingerprint;

/// Where an entry of an open map lies in the buffer.
#[derive(Copy, Clone)]
struct Entry {
    key: usize,
    value: usize,
    end: usize,
}

/// Streams into a hash; while a map is open, everything stays in the buffer.
#[derive(Default)]
pub(super) struct Canonical {
    stream: Stream,
    open_maps: usize,
    /// The entries of all open maps, those of the innermost last.
    entries: Vec<Entry>,
    /// Kept for its allocation.
    sorted: Vec<u8>,
}

impl Canonical {
    pub fn finish(self) -> Fingerprint {
        self.stream.finish("everfresh codec value")
    }

    fn place(&self) -> usize {
        self.stream.buffer.len()
    }
}

impl Sink for Canonical {
    fn put(&mut self, bytes: &[u8]) {
        if self.open_maps == 0 {
            self.stream.put(bytes);
        } else {
            self.stream.buffer.extend_from_slice(bytes);
        }
    }

    fn name(&mut self, name: &'static str) {
        put_length(self, NAME_IN_FULL);
        put_length(self, name.len() as u64);
        self.put(name.as_bytes());
    }

    fn map_opens(&mut self) -> usize {
        self.open_maps += 1;
        self.entries.len()
    }

    fn key_starts(&mut self) {
        let place = self.place();
        self.entries.push(Entry { key: place, value: place, end: place });
    }

    fn value_starts(&mut self) {
        let place = self.place();
        if let Some(entry) = self.entries.last_mut() {
            entry.value = place;
        }
    }

    fn value_ends(&mut self) {
        let place = self.place();
        if let Some(entry) = self.entries.last_mut() {
            entry.end = place;
        }
    }

    fn map_closes(&mut self, first: usize) {
        self.open_maps -= 1;
        let (entries, buffer) = (&mut self.entries[first..], &mut self.stream.buffer);
        let key = |entry: &Entry| &buffer[entry.key..entry.value];
        if !entries.is_sorted_by(|one, other| key(one) <= key(other)) {
            let start = entries[0].key;
            // Stable: entries of one key stay in their order.
            entries.sort_by(|one, other| key(one).cmp(key(other)));
            self.sorted.clear();
            for entry in entries {
                self.sorted.extend_from_slice(&buffer[entry.key..entry.end]);
            }
            buffer.truncate(start);
            buffer.extend_from_slice(&self.sorted);
        }
        self.entries.truncate(first);
    }
}
