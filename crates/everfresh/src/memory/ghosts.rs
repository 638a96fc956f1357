//! What would be there with twice the room: a sample of the keys that were evicted last.
//!
//! A shard with twice the room would hold about as many entries more as it holds now: those that it evicted last. Of them
//! a share is remembered, by bits of the key's hash, so that a key is in the sample always or never, and what is counted
//! stands for the whole ("Efficient MRC construction with SHARDS", FAST 2015). Keys in the sample are halved when there
//! are too many.

use std::{
    collections::{HashSet, VecDeque},
    num::NonZeroU32,
};

/// How many a cache remembers.
const MOST: usize = 512;

#[derive(Debug)]
pub(super) struct Ghosts {
    queue: VecDeque<u32>,
    held: HashSet<u32, hashbrown::DefaultHashBuilder>,
    /// One key in two to the power of this is in the sample.
    halvings: u32,
    most: usize,
}

impl Ghosts {
    /// Those of one of so many shards.
    pub(super) fn new(shards: usize) -> Self {
        let most = (MOST / shards).max(1);
        Self { queue: VecDeque::new(), held: HashSet::default(), halvings: 0, most }
    }

    /// A key was evicted of a shard that held so many entries.
    pub(super) fn add(&mut self, hash: NonZeroU32, entries: usize) {
        if !in_sample(hash.get(), self.halvings) || !self.held.insert(hash.get()) {
            return;
        }
        self.queue.push_back(hash.get());
        while self.queue.len() > (entries >> self.halvings).max(1) {
            if let Some(oldest) = self.queue.pop_front() {
                self.held.remove(&oldest);
            }
        }
        if self.queue.len() > self.most {
            self.halvings += 1;
            let halvings = self.halvings;
            self.queue.retain(|hash| in_sample(*hash, halvings));
            self.held.retain(|hash| in_sample(*hash, halvings));
        }
    }

    /// A key is there again.
    pub(super) fn forget(&mut self, hash: NonZeroU32) {
        if in_sample(hash.get(), self.halvings)
            && self.held.remove(&hash.get())
            && let Some(at) = self.queue.iter().position(|other| *other == hash.get())
        {
            self.queue.remove(at);
        }
    }

    /// How many lookups a lookup of this key stands for, if it would have been a hit.
    pub(super) fn hits(&self, hash: NonZeroU32) -> u64 {
        let hit = in_sample(hash.get(), self.halvings) && self.held.contains(&hash.get());
        if hit { 1 << self.halvings } else { 0 }
    }

    pub(super) fn clear(&mut self) {
        self.queue.clear();
        self.held.clear();
    }
}

/// The bits that choose the shard and the place in the table do not choose the sample.
fn in_sample(hash: u32, halvings: u32) -> bool {
    hash.wrapping_mul(0x9e37_79b9).leading_zeros() >= halvings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::entry::KeyHash;

    fn hash(key: u64) -> NonZeroU32 {
        KeyHash::new(key.wrapping_mul(0xbf58_476d_1ce4_e5b9)).short()
    }

    #[test]
    fn as_many_keys_are_remembered_as_there_are_entries() {
        let mut ghosts = Ghosts::new(1);
        (0..10).for_each(|key| ghosts.add(hash(key), 4));
        let hits: Vec<u64> = (0..10).map(|key| ghosts.hits(hash(key))).collect();
        assert_eq!(hits, [0, 0, 0, 0, 0, 0, 1, 1, 1, 1]);
        ghosts.forget(hash(7));
        ghosts.add(hash(10), 4);
        assert_eq!([6, 7, 8, 9, 10].map(|key| ghosts.hits(hash(key))), [1, 0, 1, 1, 1]);
        ghosts.clear();
        assert_eq!(ghosts.hits(hash(10)), 0);
    }

    #[test]
    fn a_sample_of_many_stands_for_all() {
        let mut ghosts = Ghosts::new(4);
        (0..300_000).for_each(|key| ghosts.add(hash(key), 100_000));
        assert!(ghosts.queue.len() <= 128 && ghosts.held.len() == ghosts.queue.len());
        let hits = |keys: std::ops::Range<u64>| keys.map(|key| ghosts.hits(hash(key))).sum::<u64>();
        assert!((70_000..130_000).contains(&hits(200_000..300_000)), "{}", hits(200_000..300_000));
        assert_eq!(hits(0..100_000), 0);
    }
}
