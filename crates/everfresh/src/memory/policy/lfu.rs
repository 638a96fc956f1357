//! Least frequently used: a list of slots for each number of uses, and the numbers that occur in a list of their own, so
//! that the smallest is at its end and the next larger is a neighbour.

use super::{
    Order, Slots,
    list::{Links, List, NONE},
};

/// The slots that were used equally often.
#[derive(Clone, Copy, Debug)]
struct Group {
    uses: u64,
    slots: List,
    fewer: u32,
    more: u32,
}

#[derive(Debug)]
pub(super) struct Lfu {
    links: Links,
    groups: Vec<Group>,
    free: Vec<u32>,
    /// The group with the fewest uses.
    fewest: u32,
    /// The group of each slot.
    group_of: Vec<u32>,
}

impl Default for Lfu {
    fn default() -> Self {
        Self { links: Links::default(), groups: Vec::new(), free: Vec::new(), fewest: NONE, group_of: Vec::new() }
    }
}

impl Lfu {
    /// The group of those with `uses`, which stands after `fewer`; made if it is not there.
    fn group(&mut self, uses: u64, fewer: u32) -> u32 {
        let more = if fewer == NONE { self.fewest } else { self.groups[fewer as usize].more };
        if more != NONE && self.groups[more as usize].uses == uses {
            return more;
        }
        let group = Group { uses, slots: List::default(), fewer, more };
        let at = match self.free.pop() {
            Some(at) => {
                self.groups[at as usize] = group;
                at
            }
            None => {
                self.groups.push(group);
                self.groups.len() as u32 - 1
            }
        };
        self.join(fewer, at);
        self.join(at, more);
        at
    }

    /// Makes two groups neighbours; `NONE` stands for the end.
    fn join(&mut self, fewer: u32, more: u32) {
        match fewer {
            NONE => self.fewest = more,
            fewer => self.groups[fewer as usize].more = more,
        }
        if more != NONE {
            self.groups[more as usize].fewer = fewer;
        }
    }

    fn put(&mut self, slot: u32, group: u32) {
        self.groups[group as usize].slots.push(slot, &mut self.links);
        self.group_of[slot as usize] = group;
    }

    fn take(&mut self, slot: u32, group: u32) {
        self.groups[group as usize].slots.remove(slot, &mut self.links);
    }

    fn drop_if_empty(&mut self, group: u32) {
        let Group { slots, fewer, more, .. } = self.groups[group as usize];
        if slots.len() == 0 {
            self.join(fewer, more);
            self.free.push(group);
        }
    }
}

impl Order for Lfu {
    fn insert(&mut self, slot: u32, _: &dyn Slots) {
        if self.group_of.len() <= slot as usize {
            self.group_of.resize(slot as usize + 1, NONE);
        }
        let group = self.group(1, NONE);
        self.put(slot, group);
    }

    fn hit(&mut self, slot: u32) {
        let from = self.group_of[slot as usize];
        let to = self.group(self.groups[from as usize].uses + 1, from);
        self.take(slot, from);
        self.put(slot, to);
        self.drop_if_empty(from);
    }

    fn remove(&mut self, slot: u32, _: &dyn Slots) {
        let group = self.group_of[slot as usize];
        self.take(slot, group);
        self.drop_if_empty(group);
    }

    fn victim(&mut self, slots: &dyn Slots) -> Option<u32> {
        let victim = self.groups.get(self.fewest as usize)?.slots.oldest()?;
        self.remove(victim, slots);
        Some(victim)
    }

    fn ranked(&self, _: &dyn Slots) -> Vec<u32> {
        let groups =
            std::iter::successors(self.groups.get(self.fewest as usize), |group| self.groups.get(group.more as usize));
        groups.flat_map(|group| group.slots.iter(&self.links)).collect()
    }

    fn clear(&mut self) {
        *self = Self::default();
    }
}
