//! Slots without a cache, for the tests of policies.

use super::{Mark, Order, Slots, State};
use std::collections::HashMap;

/// Entries that are told apart by their slot alone.
pub(super) struct Plain {
    pub(super) hashes: Vec<u32>,
    pub(super) states: Vec<State>,
    pub(super) costs: Vec<f32>,
    pub(super) weights: Vec<u32>,
}

impl Plain {
    pub(super) fn new(slots: usize) -> Self {
        Self {
            hashes: (0..slots as u32).map(|slot| slot.wrapping_mul(0x85eb_ca6b)).collect(),
            states: (0..slots).map(|_| State::default()).collect(),
            costs: vec![0.0; slots],
            weights: vec![1; slots],
        }
    }

    pub(super) fn hit(&self, slot: u32, times: usize) {
        (0..times).for_each(|_| {
            self.states[slot as usize].hit(0);
        });
    }
}

impl Slots for Plain {
    fn mark(&self, slot: u32) -> Mark<'_> {
        let at = slot as usize;
        Mark { hash: self.hashes[at], state: &self.states[at], weight: self.weights[at], cost: self.costs[at] }
    }
}

/// A cache of keys, as small as it can be.
pub(super) struct Keys<O> {
    pub(super) order: O,
    pub(super) slots: Plain,
    pub(super) capacity: usize,
    places: HashMap<u32, u32>,
    free: Vec<u32>,
}

impl<O: Order> Keys<O> {
    pub(super) fn new(order: O, capacity: usize) -> Self {
        let free = (0..capacity as u32).rev().collect();
        Self { order, slots: Plain::new(capacity), capacity, places: HashMap::new(), free }
    }

    /// Whether a key is there; it is then.
    pub(super) fn access(&mut self, key: u32) -> bool {
        let hash = key.wrapping_mul(0x85eb_ca6b) ^ key >> 7;
        if let Some(slot) = self.places.get(&key) {
            let state = self.slots.states[*slot as usize].hit(self.order.hints().epoch);
            self.order.hit(*slot);
            if self.order.hints().sample.has(hash) {
                self.order.seen(hash, state);
            }
            return true;
        }
        while self.places.len() >= self.capacity {
            let slot = self.order.victim(&self.slots).unwrap();
            self.places.retain(|_, other| *other != slot);
            self.free.push(slot);
        }
        let slot = self.free.pop().unwrap();
        let at = slot as usize;
        (self.slots.hashes[at], self.slots.states[at]) = (hash, State::default());
        self.order.insert(slot, &self.slots);
        self.places.insert(key, slot);
        false
    }

    pub(super) fn remove(&mut self, key: u32) {
        if let Some(slot) = self.places.remove(&key) {
            self.order.remove(slot, &self.slots);
            self.free.push(slot);
        }
    }

    /// How often a key was used, if it is there.
    pub(super) fn count(&self, key: u32) -> Option<u32> {
        Some(self.slots.states[*self.places.get(&key)? as usize].count(self.order.hints().epoch))
    }
}
