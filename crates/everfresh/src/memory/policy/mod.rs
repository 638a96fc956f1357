//! Which entry goes when there is no room.
//!
//! A policy orders slots, which are small numbers, and knows of an entry no more than a [`Mark`]. It is called under the
//! lock of its shard. A hit writes nothing but the entry's [`State`], and that only if it changes; some hits of sampled keys
//! are told later, through a [`Ring`]. Only the exact policies, `lru` and `lfu`, are told of every hit at once.

mod adaptive;
mod lfu;
mod list;
mod lru;
mod ring;
mod s3fifo;
mod segments;
mod shadow;
mod sketch;
mod state;
#[cfg(test)]
mod tests;
mod tuner;

pub(super) use ring::Ring;
pub(super) use state::State;
pub(super) use tuner::Sample;

/// Which entries a cache keeps. Every one works in constant time, averaged over some operations.
///
/// Where the time that a value took to compute is known, `Adaptive` and `TinyLfu` weigh it, for each byte if weights bound
/// the cache: of two entries that one of must go, the one stays that saves more. Times that differ by less than twice count
/// as equal.
///
/// ```
/// use everfresh::memory::{Cache, Policy};
///
/// for (policy, left) in [(Policy::Lru, 2), (Policy::Fifo, 1)] {
///     let cache = Cache::builder().max_entries(2).policy(policy).build();
///     for key in [1, 2, 1, 3] {
///         cache.get_or_compute(&key, || 10 * key);
///     }
///     assert_eq!(cache.get(&left), None);
/// }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Policy {
    /// What was used often stays, or what was used lately, or something in between, whichever hits most: that is tried
    /// all the time on small shadows of the cache, which hold a sample of the keys. Good for loops, scans and
    /// popularity that shifts alike. A hit writes at most one word.
    #[default]
    Adaptive,
    /// What was used often stays, counted over the last ten uses for each entry, of keys that left too ("TinyLFU: A
    /// Highly Efficient Cache Admission Policy", ACM Transactions on Storage, 2017; with a window of 1 %). Bad where what
    /// was used lately is used again.
    TinyLfu,
    /// Small queue, main queue and ghosts ("FIFO queues are all you need for cache eviction", SOSP 2023): what is used
    /// once goes soon, so a scan leaves the rest alone.
    S3Fifo,
    /// What was not used for the longest time goes first, exactly. Hits of one cache wait for each other.
    Lru,
    /// What was used least often goes first, exactly, the oldest of those that tie ("An O(1) algorithm for implementing
    /// the LFU cache eviction scheme", 2010). Hits of one cache wait for each other.
    Lfu,
    /// What came first goes first.
    Fifo,
}

impl Policy {
    /// Whether hits change the order at once.
    pub(super) fn is_exact(self) -> bool {
        matches!(self, Self::Lru | Self::Lfu)
    }

    /// An order for up to `bound` slots; `None` where weight is the bound.
    pub(super) fn order(self, bound: Option<usize>) -> Box<dyn Order> {
        match self {
            Self::Adaptive => Box::new(adaptive::Adaptive::new(bound)),
            Self::TinyLfu => Box::new(adaptive::Adaptive::tiny_lfu(bound)),
            Self::S3Fifo => Box::new(s3fifo::S3Fifo::new(bound)),
            Self::Lfu => Box::new(lfu::Lfu::default()),
            // The same queue: only an exact policy is told of hits.
            Self::Lru | Self::Fifo => Box::new(lru::Lru::default()),
        }
    }
}

/// What a policy knows of an entry.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark<'a> {
    pub(super) hash: u32,
    pub(super) state: &'a State,
    pub(super) weight: u32,
    /// How long it took to compute, in nanoseconds; 0 if that is not known.
    pub(super) cost: f32,
}

/// The entries in the slots.
pub(super) trait Slots {
    /// Of a slot that is filled.
    fn mark(&self, slot: u32) -> Mark<'_>;
}

/// What a hit must know to leave its state.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hints {
    pub(super) epoch: u8,
    /// The keys of which hits go into the ring.
    pub(super) sample: Sample,
}

/// The slots of a shard in the order in which they go.
pub(super) trait Order: Send + Sync {
    /// A slot was filled.
    fn insert(&mut self, slot: u32, slots: &dyn Slots);

    /// A slot was hit. Only exact policies are told.
    fn hit(&mut self, _slot: u32) {}

    /// A sampled key was hit some time ago, which left this state.
    fn seen(&mut self, _hash: u32, _state: u32) {}

    /// A slot is about to be emptied, for another reason than room.
    fn remove(&mut self, slot: u32, slots: &dyn Slots);

    /// The slot that goes, which the order forgets; `None` if there is none.
    fn victim(&mut self, slots: &dyn Slots) -> Option<u32>;

    /// All slots, those that would be missed least first.
    fn ranked(&self, slots: &dyn Slots) -> Vec<u32>;

    /// Forgets everything; all slots are empty.
    fn clear(&mut self);

    /// Changes only when one of the others is called.
    fn hints(&self) -> Hints {
        Hints { epoch: 0, sample: Sample::NONE }
    }
}
