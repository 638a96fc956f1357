//! Least recently used; first in, first out, where no hit is told.

use super::{
    Order, Slots,
    list::{Links, List},
};

#[derive(Debug, Default)]
pub(super) struct Lru {
    links: Links,
    list: List,
}

impl Order for Lru {
    fn insert(&mut self, slot: u32, _: &dyn Slots) {
        self.list.push(slot, &mut self.links);
    }

    fn hit(&mut self, slot: u32) {
        self.list.remove(slot, &mut self.links);
        self.list.push(slot, &mut self.links);
    }

    fn remove(&mut self, slot: u32, _: &dyn Slots) {
        self.list.remove(slot, &mut self.links);
    }

    fn victim(&mut self, _: &dyn Slots) -> Option<u32> {
        self.list.pop_oldest(&mut self.links)
    }

    fn ranked(&self, _: &dyn Slots) -> Vec<u32> {
        self.list.iter(&self.links).collect()
    }

    fn clear(&mut self) {
        self.list = List::default();
    }
}
