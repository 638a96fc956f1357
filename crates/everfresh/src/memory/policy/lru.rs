//! Least recently used; first in, first out, where no hit is told.

use super::{
    Hits, Order,
    list::{Links, List},
};

#[derive(Debug, Default)]
pub(super) struct Lru {
    links: Links,
    list: List,
}

impl Order for Lru {
    fn insert(&mut self, slot: u32, _: u64) {
        self.list.push(slot, &mut self.links);
    }

    fn hit(&mut self, slot: u32) {
        self.list.remove(slot, &mut self.links);
        self.list.push(slot, &mut self.links);
    }

    fn remove(&mut self, slot: u32) {
        self.list.remove(slot, &mut self.links);
    }

    fn victim(&mut self, _: Hits<'_>) -> Option<u32> {
        self.list.pop_oldest(&mut self.links)
    }

    fn clear(&mut self) {
        self.list = List::default();
    }
}
