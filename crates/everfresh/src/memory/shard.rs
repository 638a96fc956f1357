//! A part of a cache under one lock: the table, the slots with the entries, and the order in which they go.
//!
//! Invariants: the table holds the slots that have an entry, the order the same ones; there are never more entries than
//! `limits.entries`, nor do they weigh more than `limits.weight`, not even between two steps of one insertion. Nothing
//! that the user wrote is called in here but `Eq`.

use super::{
    builder::Cause,
    entry::{Entry, KeyHash, NEVER},
    ghosts::Ghosts,
    policy::{Order, Policy},
    stats::Stats,
};
use hashbrown::HashTable;
use std::{collections::BTreeSet, sync::atomic::Ordering::Relaxed, time::Duration};

/// How much a shard may hold.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) entries: usize,
    pub(super) weight: u64,
}

/// Entries that left, with the reason: they are dropped, and listeners hear of them, when the lock is released.
pub(super) type Gone<K, V> = Vec<(Entry<K, V>, Cause)>;

pub(super) struct Shard<K, V> {
    table: HashTable<u32>,
    slots: Vec<Option<Entry<K, V>>>,
    free: Vec<u32>,
    order: Box<dyn Order>,
    limits: Limits,
    weight: u64,
    /// Entries that expire, the soonest first.
    deadlines: BTreeSet<(u64, u32)>,
    ghosts: Ghosts,
    /// Without what is counted in the entries.
    stats: Stats,
}

impl<K: Eq, V> Shard<K, V> {
    pub(super) fn new(policy: Policy, limits: Limits, shards: usize) -> Self {
        Self {
            table: HashTable::new(),
            slots: Vec::new(),
            free: Vec::new(),
            order: policy.order(limits.entries),
            limits,
            weight: 0,
            deadlines: BTreeSet::new(),
            ghosts: Ghosts::new(shards),
            stats: Stats::default(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    pub(super) fn weight(&self) -> u64 {
        self.weight
    }

    /// What weighs more has no room, whatever else goes.
    pub(super) fn has_room_for(&self, weight: u32) -> bool {
        self.limits.entries > 0 && u64::from(weight) <= self.limits.weight
    }

    pub(super) fn entry(&self, slot: u32) -> Option<&Entry<K, V>> {
        self.slots.get(slot as usize)?.as_ref()
    }

    #[inline]
    pub(super) fn find(&self, hash: KeyHash, is_key: impl Fn(&K) -> bool) -> Option<u32> {
        let same = |slot: &u32| self.entry(*slot).is_some_and(|entry| entry.hash == hash && is_key(&entry.key));
        self.table.find(hash.get(), same).copied()
    }

    /// Tells an exact order of a hit.
    pub(super) fn hit(&mut self, slot: u32) {
        self.order.hit(slot);
    }

    /// Puts an entry in, for which there is room once others are gone, in place of one that has its key.
    pub(super) fn insert(&mut self, entry: Entry<K, V>, now: u64, gone: &mut Gone<K, V>) {
        if let Some(slot) = self.find(entry.hash, |key| *key == entry.key) {
            self.remove(slot, Cause::Replaced, gone);
        }
        self.expire(now, 2, gone);
        let weight = u64::from(entry.weight);
        while self.len() >= self.limits.entries || self.weight + weight > self.limits.weight {
            if self.expire(now, 1, gone) == 0 && !self.evict(gone) {
                return;
            }
        }
        let slot = self.free.pop().unwrap_or(self.slots.len() as u32);
        self.weight += weight;
        self.ghosts.forget(entry.hash);
        self.order.insert(slot, entry.hash.get());
        if entry.deadline != NEVER {
            self.deadlines.insert((entry.deadline, slot));
        }
        let hash = entry.hash.get();
        match self.slots.get_mut(slot as usize) {
            Some(empty) => *empty = Some(entry),
            None => self.slots.push(Some(entry)),
        }
        let slots = &self.slots;
        let hash_of = |slot: &u32| slots[*slot as usize].as_ref().map_or(0, |entry| entry.hash.get());
        self.table.insert_unique(hash, slot, hash_of);
    }

    /// Removes a slot's entry.
    pub(super) fn remove(&mut self, slot: u32, cause: Cause, gone: &mut Gone<K, V>) {
        self.order.remove(slot);
        self.empty(slot, cause, gone);
    }

    /// Removes up to `most` entries whose deadline has come. How many there were.
    pub(super) fn expire(&mut self, now: u64, most: usize, gone: &mut Gone<K, V>) -> usize {
        let over = (0..most).take_while(|_| match self.deadlines.first() {
            Some(&(deadline, slot)) if deadline <= now => {
                self.remove(slot, Cause::Expired, gone);
                true
            }
            _ => false,
        });
        over.count()
    }

    fn evict(&mut self, gone: &mut Gone<K, V>) -> bool {
        let slots = &self.slots;
        let hits = |slot: u32| {
            let hits = |entry: &Entry<K, V>| entry.hits.load(Relaxed);
            slots[slot as usize].as_ref().map_or(0, hits)
        };
        let Some(slot) = self.order.victim(&hits) else { return false };
        let entries = self.len();
        self.empty(slot, Cause::Evicted, gone);
        if let Some((entry, _)) = gone.last() {
            self.ghosts.add(entry.hash, entries);
        }
        true
    }

    /// Empties a slot that the order has forgotten.
    fn empty(&mut self, slot: u32, cause: Cause, gone: &mut Gone<K, V>) {
        let Some(entry) = self.slots[slot as usize].take() else { return };
        if let Ok(found) = self.table.find_entry(entry.hash.get(), |other| *other == slot) {
            found.remove();
        }
        self.deadlines.remove(&(entry.deadline, slot));
        self.free.push(slot);
        self.weight -= u64::from(entry.weight);
        self.stats.count(cause);
        let (hits, saved) = hits(&entry);
        self.stats.expired_unused += u64::from(cause == Cause::Expired && hits == 0);
        self.stats.hits += hits;
        self.stats.saved_time = self.stats.saved_time.saturating_add(saved);
        gone.push((entry, cause));
    }

    /// Removes all entries for which `goes` holds.
    pub(super) fn remove_where(&mut self, cause: Cause, gone: &mut Gone<K, V>, goes: impl Fn(&Entry<K, V>) -> bool) {
        for slot in 0..self.slots.len() {
            if self.slots[slot].as_ref().is_some_and(&goes) {
                self.remove(slot as u32, cause, gone);
            }
        }
    }

    /// Removes everything at once, and forgets what the order learned.
    pub(super) fn clear(&mut self, gone: &mut Gone<K, V>) {
        self.remove_where(Cause::Invalidated, gone, |_| true);
        self.order.clear();
        self.ghosts.clear();
        (self.slots, self.free) = (Vec::new(), Vec::new());
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = &Entry<K, V>> {
        self.slots.iter().flatten()
    }

    pub(super) fn stats(&self) -> Stats {
        let mut stats = self.stats;
        for entry in self.entries() {
            let (hits, saved) = hits(entry);
            stats.hits += hits;
            stats.saved_time = stats.saved_time.saturating_add(saved);
        }
        (stats.entries, stats.weight) = (self.len(), self.weight);
        stats
    }

    /// How many lookups it stands for that this key is not there any more, and would be with twice the room.
    pub(super) fn ghost_hits(&self, hash: KeyHash) -> u64 {
        self.ghosts.hits(hash)
    }

    pub(super) fn limits(&self) -> Limits {
        self.limits
    }
}

/// An entry's hits, and what they saved.
fn hits<K, V>(entry: &Entry<K, V>) -> (u64, Duration) {
    let hits = entry.hits.load(Relaxed);
    (u64::from(hits), entry.cost().saturating_mul(hits))
}
