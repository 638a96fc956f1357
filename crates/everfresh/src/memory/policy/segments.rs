//! Three queues, in which slots move only when somebody leaves: each is first in, first out, with a second chance for what
//! was hit since it was last looked at.
//!
//! | queue | holds |
//! | --- | --- |
//! | window | what is new; its share of the capacity is the dial |
//! | probation | what left the window and was let in |
//! | protected | what was hit in probation, up to 80 % of both |
//!
//! What leaves the window stays only if it is worth more than the next victim of the other two. With a small window
//! frequency decides, as in TinyLFU: good for loops and scans. With a window of all, recency decides, as in CLOCK.

use super::{
    Slots,
    list::{Links, List},
};

const WINDOW: usize = 0;
const PROBATION: usize = 1;
const PROTECTED: usize = 2;

/// The usual share of a segmented LRU.
const PROTECTED_SHARE: f64 = 0.8;
/// How many slots leave a window at once that became too large, or get out of the way for their cost: a bound on the work
/// of one eviction.
const MOVES: usize = 4;

/// In nanoseconds.
const LEAST_COST: f32 = 1000.0;
/// So that no cost outweighs that nobody wants an entry, which shows within some epochs.
const MOST_DOUBLINGS: f32 = 6.0;

#[derive(Debug)]
pub(super) struct Segments {
    links: Links,
    queues: [List; 3],
    capacity: usize,
    /// The window's part of the capacity.
    share: f64,
    window: usize,
}

impl Segments {
    pub(super) fn new(capacity: usize, share: f64) -> Self {
        let mut segments =
            Self { links: Links::default(), queues: [List::default(); 3], capacity: 0, share, window: 0 };
        segments.resize(capacity, share);
        segments
    }

    /// Changes the capacity and the window's share of it. Nothing moves until there is something to insert.
    pub(super) fn resize(&mut self, capacity: usize, share: f64) {
        self.capacity = capacity.max(1);
        self.share = share;
        self.window = ((share * self.capacity as f64).round() as usize).clamp(1, self.capacity);
    }

    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    pub(super) fn share(&self) -> f64 {
        self.share
    }

    pub(super) fn len(&self) -> usize {
        self.queues.iter().map(List::len).sum()
    }

    /// All slots, queue by queue, the oldest first.
    pub(super) fn slots(&self) -> impl Iterator<Item = u32> {
        self.queues.iter().flat_map(|queue| queue.iter(&self.links))
    }

    /// Puts a slot into the window.
    pub(super) fn insert(&mut self, slot: u32, slots: &dyn Slots) {
        self.settle(self.window, slots);
        self.push(WINDOW, slot, slots);
    }

    pub(super) fn remove(&mut self, slot: u32, slots: &dyn Slots) {
        self.queues[slots.mark(slot).state.queue()].remove(slot, &mut self.links);
    }

    /// Takes the slot out that goes next.
    pub(super) fn victim(&mut self, epoch: u8, slots: &dyn Slots) -> Option<u32> {
        self.settle(self.window + 1, slots);
        let contested = self.queues[WINDOW].len() >= self.window;
        let out = match self.main_tail(slots) {
            None => self.tail(WINDOW, slots)?,
            Some(resident) if contested => self.contest(resident, epoch, slots)?,
            Some(resident) => resident,
        };
        self.remove(out, slots);
        Some(out)
    }

    /// The one that goes of the window's end and probation's.
    fn contest(&mut self, mut resident: u32, epoch: u8, slots: &dyn Slots) -> Option<u32> {
        let candidate = self.tail(WINDOW, slots)?;
        for _ in 0..MOVES {
            let by_cost = doublings(candidate, resident, slots);
            let [mine, theirs] = [candidate, resident].map(|slot| slots.mark(slot).state.count(epoch));
            // Ties keep the resident: a loop longer than the cache then leaves a stable part of itself here.
            if mine << by_cost.max(0) > theirs << (-by_cost).max(0) {
                self.shift(candidate, PROBATION, slots);
                return Some(resident);
            }
            if by_cost >= 0 || mine <= theirs {
                break;
            }
            // It stays for its cost alone: there may be a cheaper one behind it.
            self.shift(resident, PROBATION, slots);
            resident = self.main_tail(slots)?;
        }
        Some(candidate)
    }

    /// Moves slots out of the window until there are fewer than `fewer_than`, a few at a time.
    fn settle(&mut self, fewer_than: usize, slots: &dyn Slots) {
        for _ in 0..MOVES {
            if self.queues[WINDOW].len() < fewer_than {
                return;
            }
            if let Some(slot) = self.tail(WINDOW, slots) {
                self.shift(slot, PROBATION, slots);
            }
        }
    }

    /// The end of a queue after second chances, each of which a hit paid for: constant time on average.
    fn tail(&mut self, queue: usize, slots: &dyn Slots) -> Option<u32> {
        loop {
            let slot = self.queues[queue].oldest()?;
            if !slots.mark(slot).state.take_used() {
                return Some(slot);
            }
            self.shift(slot, queue, slots);
        }
    }

    /// The end of probation. What was hit there becomes protected, and what is too much there comes back.
    fn main_tail(&mut self, slots: &dyn Slots) -> Option<u32> {
        let protected = PROTECTED_SHARE * (self.capacity - self.window) as f64;
        loop {
            let Some(slot) = self.queues[PROBATION].oldest() else { return self.tail(PROTECTED, slots) };
            if !slots.mark(slot).state.take_used() {
                return Some(slot);
            }
            self.shift(slot, PROTECTED, slots);
            if self.queues[PROTECTED].len() as f64 > protected
                && let Some(back) = self.tail(PROTECTED, slots)
            {
                self.shift(back, PROBATION, slots);
            }
        }
    }

    fn push(&mut self, queue: usize, slot: u32, slots: &dyn Slots) {
        slots.mark(slot).state.set_queue(queue);
        self.queues[queue].push(slot, &mut self.links);
    }

    fn shift(&mut self, slot: u32, queue: usize, slots: &dyn Slots) {
        self.remove(slot, slots);
        self.push(queue, slot, slots);
    }
}

/// How much more one slot saves with a hit, for a byte of room, than another, as a power of two. Less than twice as much is
/// nothing, so that what is measured a little differently counts as equal; nor is anything below a microsecond.
fn doublings(one: u32, other: u32, slots: &dyn Slots) -> i32 {
    let (one, other) = (slots.mark(one), slots.mark(other));
    // What nobody measured may cost anything.
    let known = one.cost > 0.0 && other.cost > 0.0;
    let costs = if known { one.cost.max(LEAST_COST) / other.cost.max(LEAST_COST) } else { 1.0 };
    let ratio = costs * (other.weight.max(1) as f32 / one.weight.max(1) as f32);
    if ratio == 1.0 { 0 } else { ratio.log2().trunc().clamp(-MOST_DOUBLINGS, MOST_DOUBLINGS) as i32 }
}

#[cfg(test)]
mod tests {
    use super::{super::tests::Plain, *};

    fn filled(capacity: usize, share: f64, slots: &Plain) -> Segments {
        let mut segments = Segments::new(capacity, share);
        (0..capacity as u32).for_each(|slot| segments.insert(slot, slots));
        segments
    }

    fn victims(segments: &mut Segments, slots: &Plain) -> Vec<u32> {
        std::iter::from_fn(|| segments.victim(0, slots)).collect()
    }

    #[test]
    fn without_hits_the_window_lets_nobody_in_and_the_rest_goes_in_order() {
        let slots = Plain::new(10);
        let mut segments = filled(10, 0.1, &slots);
        assert_eq!(segments.victim(0, &slots), Some(9), "the newcomer, which nobody asked for twice");
        assert_eq!(victims(&mut segments, &slots), (0..9).collect::<Vec<_>>());
        assert_eq!(segments.len(), 0);
    }

    #[test]
    fn a_window_of_all_is_a_queue_with_second_chances() {
        let slots = Plain::new(4);
        let mut segments = filled(4, 1.0, &slots);
        slots.hit(0, 1);
        slots.hit(2, 1);
        assert_eq!(victims(&mut segments, &slots), [1, 3, 0, 2]);
    }

    #[test]
    fn a_newcomer_that_was_asked_for_more_often_takes_the_place_of_a_resident() {
        let slots = Plain::new(10);
        let mut segments = filled(10, 0.1, &slots);
        slots.states[9].set_count(2, 0);
        slots.states[0].set_count(1, 0);
        assert_eq!(segments.victim(0, &slots), Some(0));
    }

    #[test]
    fn what_is_hit_in_probation_is_protected() {
        let slots = Plain::new(10);
        let mut segments = filled(10, 0.1, &slots);
        slots.hit(0, 1);
        slots.hit(1, 1);
        let gone = victims(&mut segments, &slots);
        assert_eq!(gone, [9, 2, 3, 4, 5, 6, 7, 8, 0, 1]);
    }

    #[test]
    fn removed_slots_are_no_victims() {
        let slots = Plain::new(5);
        let mut segments = filled(5, 0.4, &slots);
        [0, 4, 2].into_iter().for_each(|slot| segments.remove(slot, &slots));
        assert_eq!(segments.slots().collect::<std::collections::BTreeSet<_>>(), [1, 3].into());
        let mut gone = victims(&mut segments, &slots);
        gone.sort_unstable();
        assert_eq!(gone, [1, 3]);
    }

    #[test]
    fn a_window_that_shrinks_gives_back_a_few_slots_at_a_time() {
        let slots = Plain::new(101);
        let mut segments = filled(100, 1.0, &slots);
        segments.resize(100, 0.01);
        assert_eq!(segments.victim(0, &slots), Some(4), "the first that has to compete with those that moved");
        segments.insert(100, &slots);
        assert!(segments.queues[WINDOW].len() >= 100 - 2 * MOVES - 1, "{}", segments.queues[WINDOW].len());
    }

    #[test]
    fn costs_decide_by_powers_of_two_and_for_each_byte() {
        let doublings = |one: (f32, u32), other: (f32, u32)| {
            let mut slots = Plain::new(2);
            for (slot, (cost, weight)) in [one, other].into_iter().enumerate() {
                (slots.costs[slot], slots.weights[slot]) = (cost * 1e6, weight);
            }
            doublings(0, 1, &slots)
        };
        assert_eq!(doublings((1.9, 1), (1.0, 1)), 0, "less than twice is equal");
        assert_eq!([doublings((2.0, 1), (1.0, 1)), doublings((1.0, 1), (9.0, 1))], [1, -3]);
        assert_eq!([doublings((1e9, 1), (1.0, 1)), doublings((1.0, 1), (1e9, 1))], [6, -6]);
        assert_eq!([doublings((1.0, 10), (1.0, 20)), doublings((2.0, 20), (1.0, 10))], [1, 0], "for a byte");
        assert_eq!(doublings((5.0, 1), (0.0, 1)), 0, "an unknown cost is like any other");
        assert_eq!(doublings((9e-4, 1), (1e-6, 1)), 0, "below a microsecond all are equal");
        assert_eq!([doublings((0.0, 0), (0.0, 0)), doublings((0.0, u32::MAX), (f32::MAX, 0))], [0, -6]);
    }

    #[test]
    fn what_is_dear_stays_unless_nobody_wants_it() {
        let gone = |cost: f32, count: u32| {
            let mut slots = Plain::new(10);
            slots.costs = vec![1e6; 10];
            slots.costs[0] = cost * 1e6;
            let mut segments = filled(10, 0.1, &slots);
            slots.states[0].set_count(count, 0);
            slots.states[9].set_count(3, 0);
            segments.victim(0, &slots)
        };
        assert_eq!(gone(1.0, 1), Some(0));
        assert_eq!(gone(8.0, 1), Some(1), "the next one, which is cheap");
        assert_eq!(gone(8.0, 0), Some(0));
    }

    #[test]
    fn equal_costs_change_nothing() {
        let victims_with = |cost: f32| {
            let mut slots = Plain::new(50);
            slots.costs = vec![cost; 50];
            let mut segments = filled(50, 0.4, &slots);
            (0..50).for_each(|slot| slots.hit(slot, (slot as usize * 7) % 5));
            victims(&mut segments, &slots)
        };
        assert_eq!(victims_with(0.0), victims_with(3e7));
    }
}
