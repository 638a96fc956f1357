//! A cache of keys alone, over a sample of the keys, for one window: what would hit with that window?

use super::{Mark, Slots, segments::Segments, state::State};
use crate::memory::entry::table_hash;
use hashbrown::HashTable;

#[derive(Debug)]
pub(super) struct Shadow {
    segments: Segments,
    keys: Keys,
    free: Vec<u32>,
    table: HashTable<u32>,
}

#[derive(Debug, Default)]
struct Keys(Vec<Key>);

#[derive(Debug)]
struct Key {
    hash: u32,
    state: State,
}

impl Slots for Keys {
    fn mark(&self, slot: u32) -> Mark<'_> {
        let key = &self.0[slot as usize];
        // In a shadow all keys are alike: it counts hits.
        Mark { hash: key.hash, state: &key.state, weight: 1, cost: 0.0 }
    }
}

impl Shadow {
    pub(super) fn new(capacity: usize, share: f64) -> Self {
        Self {
            segments: Segments::new(capacity, share),
            keys: Keys::default(),
            free: Vec::new(),
            table: HashTable::new(),
        }
    }

    /// Changes the capacity; what is too much leaves.
    pub(super) fn resize(&mut self, capacity: usize, epoch: u8) {
        if capacity.max(1) != self.segments.capacity() {
            self.segments.resize(capacity, self.segments.share());
        }
        while self.segments.len() > self.segments.capacity() {
            self.evict(epoch);
        }
    }

    /// A key is looked up, whose entry in the cache has this state, and put in if it is not there. Whether it was.
    pub(super) fn access(&mut self, hash: u32, state: u32, epoch: u8) -> bool {
        if let Some(slot) = self.find(hash) {
            self.keys.0[slot as usize].state.take_hit(state);
            return true;
        }
        if self.segments.len() >= self.segments.capacity() {
            self.evict(epoch);
        }
        let key = Key { hash, state: State::new(state) };
        let slot = match self.free.pop() {
            Some(slot) => {
                self.keys.0[slot as usize] = key;
                slot
            }
            None => {
                self.keys.0.push(key);
                self.keys.0.len() as u32 - 1
            }
        };
        self.segments.insert(slot, &self.keys);
        let keys = &self.keys.0;
        self.table.insert_unique(table_hash(hash), slot, |slot| table_hash(keys[*slot as usize].hash));
        false
    }

    /// Forgets a key.
    pub(super) fn remove(&mut self, hash: u32) {
        if let Some(slot) = self.find(hash) {
            self.segments.remove(slot, &self.keys);
            self.forget(slot);
        }
    }

    fn find(&self, hash: u32) -> Option<u32> {
        self.table.find(table_hash(hash), |slot| self.keys.0[*slot as usize].hash == hash).copied()
    }

    fn evict(&mut self, epoch: u8) {
        if let Some(slot) = self.segments.victim(epoch, &self.keys) {
            self.forget(slot);
        }
    }

    fn forget(&mut self, slot: u32) {
        let hash = self.keys.0[slot as usize].hash;
        if let Ok(found) = self.table.find_entry(table_hash(hash), |other| *other == slot) {
            found.remove();
        }
        self.free.push(slot);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hits(shadow: &mut Shadow, keys: impl IntoIterator<Item = u32>) -> usize {
        keys.into_iter().filter(|key| shadow.access(*key, 1, 0)).count()
    }

    #[test]
    fn it_hits_what_fits() {
        let mut shadow = Shadow::new(10, 0.4);
        assert_eq!(hits(&mut shadow, 0..10), 0);
        assert_eq!(hits(&mut shadow, 0..10), 10);
    }

    #[test]
    fn a_small_window_hits_in_a_loop_in_which_a_large_one_does_not() {
        let (mut frequency, mut recency) = (Shadow::new(10, 0.01), Shadow::new(10, 1.0));
        let laps = || (0..5).flat_map(|_| 0..12);
        assert_eq!(hits(&mut recency, laps()), 0);
        assert!(hits(&mut frequency, laps()) >= 4 * 8);
    }

    #[test]
    fn it_never_holds_more_than_its_capacity_also_when_that_shrinks() {
        let mut shadow = Shadow::new(10, 0.4);
        for key in 0..100 {
            shadow.access(key % 17, 1, 0);
            assert!(shadow.table.len() == shadow.segments.len() && shadow.table.len() <= 10);
        }
        shadow.resize(3, 0);
        assert_eq!((shadow.table.len(), shadow.free.len()), (3, 7));
    }

    #[test]
    fn a_key_that_was_removed_is_not_there() {
        let mut shadow = Shadow::new(10, 0.4);
        hits(&mut shadow, 0..5);
        shadow.remove(3);
        shadow.remove(99);
        assert_eq!(hits(&mut shadow, 0..5), 4);
    }
}
