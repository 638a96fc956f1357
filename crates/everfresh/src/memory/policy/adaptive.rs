//! The default: [`segments`](super::segments) whose window follows what shadows of the cache say, with counts that age, of
//! entries and of keys that left. With a fixed window, and no shadows, it is TinyLFU.

use super::{
    Hints, Order, Slots,
    segments::Segments,
    sketch::Sketch,
    state,
    tuner::{Sample, Tuner, sample, shadow_entries},
};

/// The window of TinyLFU: "TinyLFU: A Highly Efficient Cache Admission Policy", ACM Transactions on Storage, 2017.
const TINY_WINDOW: f64 = 0.01;
/// Counts are halved after 10 accesses for each entry, TinyLFU's usual sample...
const AGE_ACCESSES: usize = 10;
/// ... or after 5 hits for each entry, if that is sooner, as in caches of some dozens of entries: there the least history
/// is long, and entries would all have counted to the end.
const AGE_HITS: usize = 5;
/// Smaller caches keep the history of one of this size: some dozens of keys cannot tell a loop from noise.
const LEAST_HISTORY: usize = 256;
/// What a cache bounded by weight holds at least, for all that is estimated from it.
const LEAST_CAPACITY: usize = 16;

#[derive(Debug)]
pub(super) struct Adaptive {
    segments: Segments,
    sketch: Sketch,
    /// None where the window is fixed.
    tuner: Option<Tuner>,
    sample: Sample,
    /// How many entries are in the sample.
    resident: usize,
    /// In entries; `None` where weight is the bound, so that it depends on the entries how many there is room for.
    bound: Option<usize>,
    /// Whether something had to go, and since then nothing else did.
    crowded: bool,
    epoch: u8,
    /// Of sampled keys, in this epoch.
    accesses: usize,
    hits: usize,
}

impl Adaptive {
    pub(super) fn new(bound: Option<usize>) -> Self {
        Self::with_tuner(bound, Some(Tuner::new(bound.unwrap_or(LEAST_CAPACITY))))
    }

    pub(super) fn tiny_lfu(bound: Option<usize>) -> Self {
        Self::with_tuner(bound, None)
    }

    fn with_tuner(bound: Option<usize>, tuner: Option<Tuner>) -> Self {
        let capacity = bound.unwrap_or(LEAST_CAPACITY);
        Self {
            segments: Segments::new(capacity, tuner.as_ref().map_or(TINY_WINDOW, Tuner::share)),
            sketch: Sketch::default(),
            tuner,
            sample: sample(capacity),
            resident: 0,
            bound,
            crowded: false,
            epoch: 0,
            accesses: 0,
            hits: 0,
        }
    }

    /// Where weight is the bound, what there is stands for the capacity. When it doubled or halved, all that depends on
    /// it starts anew but for the window's share.
    fn fit(&mut self, slots: &dyn Slots) {
        let (len, capacity) = (self.segments.len().max(LEAST_CAPACITY), self.segments.capacity());
        if self.bound.is_some() || (len < 2 * capacity && capacity < 2 * len) {
            return;
        }
        self.segments.resize(len, self.segments.share());
        self.sketch = Sketch::default();
        self.tuner = self.tuner.as_ref().map(|tuner| tuner.resized(len));
        self.sample = sample(len);
        self.resident = self.segments.slots().filter(|slot| self.sample.has(slots.mark(*slot).hash)).count();
    }

    /// Notes that an entry leaves.
    fn leave(&mut self, slot: u32, slots: &dyn Slots) {
        let mark = slots.mark(slot);
        // By what there is: a bound may be far beyond.
        let entries = (self.segments.len() + 1).next_power_of_two().min(self.segments.capacity()).max(LEAST_HISTORY);
        self.sketch.note(mark.hash, mark.state.count(self.epoch), entries);
        self.resident -= usize::from(self.sample.has(mark.hash));
    }

    /// All that a lookup costs beside the entry's own state, and only for sampled keys.
    fn observe(&mut self, hash: u32, state: u32, hit: bool) {
        if !self.sample.has(hash) {
            return;
        }
        self.tick(hit);
        let full = self.bound.map_or(self.crowded, |bound| self.segments.len() >= bound);
        if let Some(tuner) = &mut self.tuner
            && tuner.observe(hash, state, self.epoch, self.resident, full)
        {
            self.segments.resize(self.segments.capacity(), tuner.share());
        }
    }

    fn tick(&mut self, hit: bool) {
        self.accesses += 1;
        self.hits += usize::from(hit);
        let entries = shadow_entries(self.segments.capacity());
        if self.accesses >= AGE_ACCESSES * entries.max(LEAST_HISTORY) || self.hits >= AGE_HITS * entries {
            (self.accesses, self.hits) = (0, 0);
            self.epoch = self.epoch.wrapping_add(1);
            self.sketch.halve();
        }
    }
}

impl Order for Adaptive {
    fn insert(&mut self, slot: u32, slots: &dyn Slots) {
        let mark = slots.mark(slot);
        let count = self.sketch.count(mark.hash) + 1;
        mark.state.set_count(count, self.epoch);
        self.segments.insert(slot, slots);
        self.resident += usize::from(self.sample.has(mark.hash));
        self.fit(slots);
        self.observe(mark.hash, state::word(count, self.epoch), false);
    }

    fn seen(&mut self, hash: u32, state: u32) {
        self.observe(hash, state, true);
    }

    fn remove(&mut self, slot: u32, slots: &dyn Slots) {
        self.segments.remove(slot, slots);
        self.leave(slot, slots);
        self.crowded = false;
        let hash = slots.mark(slot).hash;
        if let Some(tuner) = &mut self.tuner
            && self.sample.has(hash)
        {
            tuner.remove(hash);
        }
    }

    fn victim(&mut self, slots: &dyn Slots) -> Option<u32> {
        self.crowded = true;
        self.fit(slots);
        let slot = self.segments.victim(self.epoch, slots)?;
        self.leave(slot, slots);
        Some(slot)
    }

    fn ranked(&self, slots: &dyn Slots) -> Vec<u32> {
        let mut ranked: Vec<_> = self.segments.slots().collect();
        ranked.sort_by_key(|slot| slots.mark(*slot).state.count(self.epoch));
        ranked
    }

    fn clear(&mut self) {
        let tuner = self.tuner.as_ref().map(|_| Tuner::new(self.bound.unwrap_or(LEAST_CAPACITY)));
        *self = Self::with_tuner(self.bound, tuner);
    }

    fn hints(&self) -> Hints {
        Hints { epoch: self.epoch, sample: self.sample }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::tests::Keys, *};

    /// The hits in the second half of a trace.
    fn hits(order: Adaptive, capacity: usize, trace: &[u32]) -> usize {
        let mut keys = Keys::new(order, capacity);
        let (first, second) = trace.split_at(trace.len() / 2);
        first.iter().for_each(|key| {
            keys.access(*key);
        });
        second.iter().filter(|key| keys.access(**key)).count()
    }

    #[test]
    fn the_window_follows_what_the_keys_do() {
        let looped: Vec<u32> = (0..200).flat_map(|_| 0..120).collect();
        let drift: Vec<u32> = (0..12_000u32).flat_map(|at| [at, at.saturating_sub(43)]).collect();
        for trace in [looped, drift] {
            let tuned = hits(Adaptive::new(Some(100)), 100, &trace) as f64 / (trace.len() / 2) as f64;
            assert!(tuned > 0.4, "{tuned}");
        }
    }

    #[test]
    fn tiny_lfu_does_not_care_for_what_is_recent() {
        let drift: Vec<u32> = (0..12_000u32).flat_map(|at| [at, at.saturating_sub(43)]).collect();
        assert!(hits(Adaptive::tiny_lfu(Some(100)), 100, &drift) < hits(Adaptive::new(Some(100)), 100, &drift) / 2);
    }

    #[test]
    fn a_key_that_comes_back_has_the_count_it_left_with() {
        let mut keys = Keys::new(Adaptive::tiny_lfu(Some(10)), 10);
        (0..5).for_each(|_| {
            keys.access(7);
        });
        keys.remove(7);
        keys.access(7);
        assert_eq!(keys.count(7), Some(6));
    }

    #[test]
    fn epochs_pass_with_accesses_and_with_hits() {
        let mut keys = Keys::new(Adaptive::new(Some(100)), 100);
        (0..2560).for_each(|key| {
            keys.access(key);
        });
        assert_eq!(keys.order.epoch, 1);
        (0..500).for_each(|_| {
            keys.access(2559);
        });
        assert_eq!(keys.order.epoch, 2);
    }

    #[test]
    fn what_a_cache_bounded_by_weight_holds_stands_for_its_capacity() {
        let mut keys = Keys::new(Adaptive::new(None), 1000);
        (0..5000).for_each(|key| {
            keys.access(key);
        });
        assert!((500..2000).contains(&keys.order.segments.capacity()));
        keys.capacity = 100;
        (0..50).for_each(|key| {
            keys.access(key);
        });
        assert!((50..200).contains(&keys.order.segments.capacity()), "{}", keys.order.segments.capacity());
        let Keys { order, .. } = &keys;
        let sampled = order.segments.slots().filter(|slot| order.sample.has(keys.slots.hashes[*slot as usize])).count();
        assert_eq!(order.resident, sampled);
    }
}
