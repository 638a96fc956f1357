//! S3-FIFO: new slots wait in a small queue; those that were used there more than once move on to the main queue, the others
//! leave a ghost, the hash of their key. A key that comes back while its ghost is there goes straight to the main queue,
//! where a slot gets another round for each of up to three uses.

use super::{
    Order, Slots,
    list::{Links, List},
};
use hashbrown::HashTable;
use std::collections::VecDeque;

/// The paper's: a tenth of the entries are in the small queue.
const SMALL_PART: usize = 10;
const MOST_USES: u32 = 3;

const SMALL: usize = 0;
const MAIN: usize = 1;

#[derive(Debug)]
pub(super) struct S3Fifo {
    links: Links,
    queues: [List; 2],
    ghosts: Ghosts,
    bound: Option<usize>,
}

impl S3Fifo {
    pub(super) fn new(bound: Option<usize>) -> Self {
        Self {
            links: Links::default(),
            queues: [List::default(); 2],
            ghosts: Ghosts { queue: VecDeque::new(), table: HashTable::new(), passed: 0 },
            bound,
        }
    }

    fn push(&mut self, queue: usize, slot: u32, slots: &dyn Slots) {
        slots.mark(slot).state.set_queue(queue);
        self.queues[queue].push(slot, &mut self.links);
    }

    fn small_victim(&mut self, slots: &dyn Slots) -> Option<u32> {
        while let Some(slot) = self.queues[SMALL].pop_oldest(&mut self.links) {
            let mark = slots.mark(slot);
            if mark.state.count(0) <= 1 {
                // As many ghosts as there are entries in the main queue.
                self.ghosts.add(mark.hash, self.queues[MAIN].len().max(1));
                return Some(slot);
            }
            mark.state.set_count(0, 0);
            self.push(MAIN, slot, slots);
        }
        None
    }

    fn main_victim(&mut self, slots: &dyn Slots) -> Option<u32> {
        // Every round takes one of at most three uses from a slot, so it ends.
        while let Some(slot) = self.queues[MAIN].pop_oldest(&mut self.links) {
            let state = slots.mark(slot).state;
            let uses = state.count(0).min(MOST_USES);
            if uses == 0 {
                return Some(slot);
            }
            state.set_count(uses - 1, 0);
            self.push(MAIN, slot, slots);
        }
        None
    }
}

impl Order for S3Fifo {
    fn insert(&mut self, slot: u32, slots: &dyn Slots) {
        let queue = if self.ghosts.remove(slots.mark(slot).hash) { MAIN } else { SMALL };
        self.push(queue, slot, slots);
    }

    fn remove(&mut self, slot: u32, slots: &dyn Slots) {
        self.queues[slots.mark(slot).state.queue()].remove(slot, &mut self.links);
    }

    fn victim(&mut self, slots: &dyn Slots) -> Option<u32> {
        // Where weights bound the cache, its capacity in entries is what it holds.
        let [small, main] = self.queues.each_ref().map(List::len);
        let entries = self.bound.unwrap_or(usize::MAX).min(small + main);
        if small * SMALL_PART >= entries.max(1) {
            self.small_victim(slots).or_else(|| self.main_victim(slots))
        } else {
            self.main_victim(slots).or_else(|| self.small_victim(slots))
        }
    }

    fn ranked(&self, slots: &dyn Slots) -> Vec<u32> {
        let mut ranked: Vec<_> = self.queues.iter().flat_map(|queue| queue.iter(&self.links)).collect();
        ranked.sort_by_key(|slot| slots.mark(*slot).state.count(0));
        ranked
    }

    fn clear(&mut self) {
        *self = Self::new(self.bound);
    }
}

/// Hashes of keys that left, the oldest first.
#[derive(Debug)]
struct Ghosts {
    queue: VecDeque<u32>,
    /// Each hash with its number in the queue, counted from the first that ever was.
    table: HashTable<(u32, u32)>,
    /// How many left the queue.
    passed: u32,
}

impl Ghosts {
    fn add(&mut self, hash: u32, most: usize) {
        while self.queue.len() >= most {
            if let Some(oldest) = self.queue.pop_front() {
                let number = self.passed;
                if let Ok(found) = self.table.find_entry(spread(oldest), |ghost| *ghost == (oldest, number)) {
                    found.remove();
                }
                self.passed = self.passed.wrapping_add(1);
            }
        }
        let number = self.passed.wrapping_add(self.queue.len() as u32);
        self.queue.push_back(hash);
        match self.table.find_mut(spread(hash), |ghost| ghost.0 == hash) {
            Some(ghost) => ghost.1 = number,
            None => {
                self.table.insert_unique(spread(hash), (hash, number), |ghost| spread(ghost.0));
            }
        }
    }

    /// Whether it was there.
    fn remove(&mut self, hash: u32) -> bool {
        match self.table.find_entry(spread(hash), |ghost| ghost.0 == hash) {
            Ok(found) => {
                found.remove();
                true
            }
            Err(_) => false,
        }
    }
}

/// The table tells entries apart by the highest bits.
fn spread(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

#[cfg(test)]
mod tests {
    use super::{super::tests::Plain, *};

    #[test]
    fn what_is_used_once_goes_before_what_is_used_twice() {
        let slots = Plain::new(10);
        let mut order = S3Fifo::new(Some(10));
        (0..10).for_each(|slot| order.insert(slot, &slots));
        slots.hit(0, 2);
        let gone: Vec<u32> = (0..9).filter_map(|_| order.victim(&slots)).collect();
        assert_eq!(gone, (1..10).collect::<Vec<_>>());
        assert_eq!(order.victim(&slots), Some(0));
        assert_eq!(order.victim(&slots), None);
    }

    #[test]
    fn a_ghost_that_returns_goes_to_the_main_queue() {
        let slots = Plain::new(2);
        let mut order = S3Fifo::new(Some(2));
        (0..2).for_each(|slot| order.insert(slot, &slots));
        assert_eq!(order.victim(&slots), Some(0));
        order.insert(0, &slots);
        assert_eq!([0, 1].map(|slot: u32| slots.mark(slot).state.queue()), [MAIN, SMALL]);
    }

    #[test]
    fn a_slot_of_the_main_queue_has_up_to_three_more_rounds() {
        let slots = Plain::new(2);
        let mut order = S3Fifo::new(Some(2));
        (0..2).for_each(|slot| order.push(MAIN, slot, &slots));
        slots.hit(0, 10);
        assert_eq!(order.victim(&slots), Some(1));
        assert_eq!(slots.states[0].count(0), 2);
        assert_eq!(order.victim(&slots), Some(0));
    }

    #[test]
    fn there_are_no_more_ghosts_than_asked_for_and_each_is_found_once() {
        let mut ghosts = S3Fifo::new(Some(1)).ghosts;
        (0..100).for_each(|hash| ghosts.add(hash, 5));
        assert_eq!((ghosts.queue.len(), ghosts.table.len()), (5, 5));
        assert!(!ghosts.remove(94));
        assert!(ghosts.remove(95) && !ghosts.remove(95));
        ghosts.add(96, 5);
        assert!((97..100).all(|hash| ghosts.remove(hash)) && ghosts.remove(96));
        assert_eq!(ghosts.table.len(), 0);
    }
}
