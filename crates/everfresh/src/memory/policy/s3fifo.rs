//! S3-FIFO: new slots wait in a small queue; those that were used there more than once move on to the main queue, the others
//! leave a ghost, the hash of their key. A key that comes back while its ghost is there goes straight to the main queue,
//! where a slot gets another round for each of up to three uses.

use super::{
    Hits, Order,
    list::{Links, List},
};
use hashbrown::HashTable;
use std::collections::VecDeque;

/// The paper's: a tenth of the entries are in the small queue.
const SMALL: usize = 10;
const MOST_USES: u8 = 3;

#[derive(Clone, Copy, Debug, Default)]
struct Place {
    /// The key's hash, for the ghost.
    hash: u32,
    /// Hits that were counted.
    seen: u32,
    uses: u8,
    main: bool,
}

#[derive(Debug)]
pub(super) struct S3Fifo {
    links: Links,
    small: List,
    main: List,
    places: Vec<Place>,
    ghosts: Ghosts,
    capacity: usize,
}

impl S3Fifo {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            links: Links::default(),
            small: List::default(),
            main: List::default(),
            places: Vec::new(),
            ghosts: Ghosts { queue: VecDeque::new(), table: HashTable::new(), passed: 0 },
            capacity,
        }
    }

    /// How often the slot was used since it was last asked for.
    fn uses(&mut self, slot: u32, hits: Hits<'_>) -> u8 {
        let place = &mut self.places[slot as usize];
        let hits = hits(slot);
        let more = hits.wrapping_sub(place.seen).min(u32::from(MOST_USES)) as u8;
        place.seen = hits;
        place.uses = (place.uses + more).min(MOST_USES);
        place.uses
    }

    fn small_victim(&mut self, hits: Hits<'_>) -> Option<u32> {
        while let Some(slot) = self.small.pop_oldest(&mut self.links) {
            if self.uses(slot, hits) <= 1 {
                // As many ghosts as there are entries in the main queue.
                self.ghosts.add(self.places[slot as usize].hash, self.main.len().max(1));
                return Some(slot);
            }
            let place = &mut self.places[slot as usize];
            (place.uses, place.main) = (0, true);
            self.main.push(slot, &mut self.links);
        }
        None
    }

    fn main_victim(&mut self, hits: Hits<'_>) -> Option<u32> {
        // Every round takes one of at most three uses from a slot, so it ends.
        while let Some(slot) = self.main.pop_oldest(&mut self.links) {
            if self.uses(slot, hits) == 0 {
                return Some(slot);
            }
            self.places[slot as usize].uses -= 1;
            self.main.push(slot, &mut self.links);
        }
        None
    }
}

impl Order for S3Fifo {
    fn insert(&mut self, slot: u32, hash: u64) {
        if self.places.len() <= slot as usize {
            self.places.resize(slot as usize + 1, Place::default());
        }
        let hash = (hash >> 16) as u32;
        let main = self.ghosts.remove(hash);
        self.places[slot as usize] = Place { hash, main, ..Place::default() };
        if main { &mut self.main } else { &mut self.small }.push(slot, &mut self.links);
    }

    fn remove(&mut self, slot: u32) {
        let list = if self.places[slot as usize].main { &mut self.main } else { &mut self.small };
        list.remove(slot, &mut self.links);
    }

    fn victim(&mut self, hits: Hits<'_>) -> Option<u32> {
        // Where weights bound the cache, its capacity in entries is what it holds.
        let entries = self.capacity.min(self.small.len() + self.main.len());
        if self.small.len() * SMALL >= entries.max(1) {
            self.small_victim(hits).or_else(|| self.main_victim(hits))
        } else {
            self.main_victim(hits).or_else(|| self.small_victim(hits))
        }
    }

    fn clear(&mut self) {
        *self = Self::new(self.capacity);
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
    use super::*;

    #[test]
    fn what_is_used_once_goes_before_what_is_used_twice() {
        let mut order = S3Fifo::new(10);
        (0..10).for_each(|slot| order.insert(slot, u64::from(slot) << 16));
        let hits = |slot: u32| if slot == 0 { 2 } else { 0 };
        let gone: Vec<u32> = (0..9).filter_map(|_| order.victim(&hits)).collect();
        assert_eq!(gone, (1..10).collect::<Vec<_>>());
        assert_eq!(order.victim(&hits), Some(0));
        assert_eq!(order.victim(&hits), None);
    }

    #[test]
    fn a_ghost_that_returns_goes_to_the_main_queue() {
        let mut order = S3Fifo::new(2);
        let none = |_: u32| 0;
        order.insert(0, 1 << 16);
        order.insert(1, 2 << 16);
        assert_eq!(order.victim(&none), Some(0));
        order.insert(0, 1 << 16);
        assert!(order.places[0].main && !order.places[1].main);
    }

    #[test]
    fn there_are_no_more_ghosts_than_asked_for_and_each_is_found_once() {
        let mut ghosts = S3Fifo::new(1).ghosts;
        (0..100).for_each(|hash| ghosts.add(hash, 5));
        assert_eq!((ghosts.queue.len(), ghosts.table.len()), (5, 5));
        assert!(!ghosts.remove(94));
        assert!(ghosts.remove(95) && !ghosts.remove(95));
        ghosts.add(96, 5);
        assert!((97..100).all(|hash| ghosts.remove(hash)) && ghosts.remove(96));
        assert_eq!(ghosts.table.len(), 0);
    }
}
