//! A part of a cache under one lock: the table, the slots with the entries, and the order in which they go.
//!
//! Invariants: the table holds the slots that have an entry, the order the same ones; there are never more entries than
//! `limits.entries`, nor do they weigh more than `limits.weight`, not even between two steps of one insertion. Nothing
//! that the user wrote is called in here but `Eq`.

use super::{
    builder::Cause,
    entry::{Entry, KeyHash, NEVER, table_hash},
    ghosts::Ghosts,
    policy::{Hints, Mark, Order, Policy, Ring, Slots, State},
    stats::Stats,
};
use hashbrown::HashTable;
use std::collections::BTreeSet;

/// How much a shard may hold.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) entries: usize,
    pub(super) weight: u64,
}

impl Limits {
    /// Takes the room of one entry, if there is that much.
    pub(super) fn take(&mut self, weight: u32) -> bool {
        let (entries, weight) = (self.entries.checked_sub(1), self.weight.checked_sub(weight.into()));
        let left = entries.zip(weight).map(|(entries, weight)| Self { entries, weight });
        *self = left.unwrap_or(*self);
        left.is_some()
    }
}

/// Entries that left, with the reason: they are dropped, and listeners hear of them, when the lock is released.
pub(super) type Gone<K, V> = Vec<(Entry<K, V>, Cause)>;

pub(super) struct Shard<K, V> {
    table: HashTable<u32>,
    slots: Vec<Option<Entry<K, V>>>,
    /// Whether any entry ever had a time that could be over.
    timed: bool,
    /// What hits need of the order.
    hints: Hints,
    /// Hits of which the order does not know yet.
    ring: Ring,
    free: Vec<u32>,
    order: Box<dyn Order>,
    limits: Limits,
    weight: u64,
    /// Entries that expire, the soonest first.
    deadlines: BTreeSet<(u64, u32)>,
    ghosts: Ghosts,
    /// What left, and why.
    stats: Stats,
}

impl<K, V> Slots for Vec<Option<Entry<K, V>>> {
    fn mark(&self, slot: u32) -> Mark<'_> {
        static NOBODY: State = State::new(0);
        match self.get(slot as usize) {
            Some(Some(Entry { hash, state, weight, cost, .. })) => {
                Mark { hash: hash.get(), state, weight: *weight, cost: *cost }
            }
            _ => Mark { hash: 0, state: &NOBODY, weight: 1, cost: 0.0 },
        }
    }
}

impl<K: Eq, V> Shard<K, V> {
    pub(super) fn new(policy: Policy, limits: Limits, shards: usize) -> Self {
        let order = policy.order((limits.weight == u64::MAX).then_some(limits.entries));
        Self {
            table: HashTable::new(),
            slots: Vec::new(),
            timed: false,
            hints: order.hints(),
            ring: Ring::default(),
            free: Vec::new(),
            order,
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
        Some(self.find_entry(hash, is_key)?.0)
    }

    /// The slot and the entry of a key.
    #[inline]
    pub(super) fn find_entry(&self, hash: KeyHash, is_key: impl Fn(&K) -> bool) -> Option<(u32, &Entry<K, V>)> {
        let mut found = None;
        let same = |slot: &u32| {
            // The table compared seven bits of the hash, so this is nearly always the key.
            found = self.entry(*slot).filter(|entry| is_key(&entry.key));
            found.is_some()
        };
        let slot = *self.table.find(table_hash(hash.short().get()), same)?;
        Some((slot, found?))
    }

    /// Whether it may matter what time it is.
    #[inline]
    pub(super) fn is_timed(&self) -> bool {
        self.timed
    }

    /// Notes a hit for an order that is not exact.
    #[inline]
    pub(super) fn note(&self, entry: &Entry<K, V>) {
        let (hash, state) = (entry.hash.get(), entry.state.hit(self.hints.epoch));
        // In this order, since a full ring is the same for all keys: the processor foresees it.
        if !self.ring.is_full() && self.hints.sample.has(hash) {
            self.ring.push(hash, state);
        }
    }

    /// Tells an exact order of a hit.
    pub(super) fn hit(&mut self, slot: u32) {
        if let Some(entry) = self.entry(slot) {
            entry.state.hit(self.hints.epoch);
        }
        self.order.hit(slot);
    }

    /// Puts an entry in, for which there is room once others are gone, in place of one that has its key.
    pub(super) fn insert(&mut self, hash: KeyHash, entry: Entry<K, V>, now: u64, gone: &mut Gone<K, V>) {
        let Self { ring, order, .. } = self;
        ring.drain(|hash, state| order.seen(hash, state));
        if let Some(slot) = self.find(hash, |key| *key == entry.key) {
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
        self.ghosts.forget(hash.short());
        if entry.deadline != NEVER {
            self.deadlines.insert((entry.deadline, slot));
        }
        self.timed |= entry.deadline != NEVER || entry.more.is_some();
        if self.slots.len() == self.slots.capacity() {
            // As much again, but no more than there may ever be.
            let room = self.limits.entries.saturating_sub(self.slots.len());
            self.slots.reserve_exact(self.slots.len().clamp(1, room.max(1)));
        }
        match self.slots.get_mut(slot as usize) {
            Some(empty) => *empty = Some(entry),
            None => self.slots.push(Some(entry)),
        }
        self.order.insert(slot, &self.slots);
        self.hints = self.order.hints();
        let slots = &self.slots;
        let hash_of = |slot: &u32| table_hash(slots.mark(*slot).hash);
        self.table.insert_unique(table_hash(hash.short().get()), slot, hash_of);
    }

    /// Removes a slot's entry.
    pub(super) fn remove(&mut self, slot: u32, cause: Cause, gone: &mut Gone<K, V>) {
        self.order.remove(slot, &self.slots);
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
        let Some(slot) = self.order.victim(&self.slots) else { return false };
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
        if let Ok(found) = self.table.find_entry(table_hash(entry.hash.get()), |other| *other == slot) {
            found.remove();
        }
        self.deadlines.remove(&(entry.deadline, slot));
        self.free.push(slot);
        self.weight -= u64::from(entry.weight);
        self.stats.count(cause);
        self.stats.expired_unused += u64::from(cause == Cause::Expired && !entry.state.was_hit());
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
        (0..self.slots.len() as u32).for_each(|slot| self.empty(slot, Cause::Invalidated, gone));
        self.order.clear();
        self.ghosts.clear();
        self.hints = self.order.hints();
        self.ring.drain(|_, _| ());
        (self.slots, self.free) = (Vec::new(), Vec::new());
    }

    /// All entries, those that would be missed least first.
    pub(super) fn ranked(&self) -> Vec<&Entry<K, V>> {
        self.order.ranked(&self.slots).into_iter().filter_map(|slot| self.entry(slot)).collect()
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = &Entry<K, V>> {
        self.slots.iter().flatten()
    }

    pub(super) fn stats(&self) -> Stats {
        Stats { entries: self.len(), weight: self.weight, ..self.stats }
    }

    /// How many lookups it stands for that this key is not there any more, and would be with twice the room.
    pub(super) fn ghost_hits(&self, hash: KeyHash) -> u64 {
        self.ghosts.hits(hash.short())
    }

    /// What there is room for beside the entries.
    pub(super) fn room(&self) -> Limits {
        Limits { entries: self.limits.entries - self.len(), weight: self.limits.weight - self.weight }
    }

    pub(super) fn limits(&self) -> Limits {
        self.limits
    }
}
