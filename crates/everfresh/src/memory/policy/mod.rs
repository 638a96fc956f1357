//! Which entry goes when there is no room.
//!
//! A policy orders slots, which are small numbers, and knows neither keys nor values. It is called under the lock of its
//! shard. A hit writes nothing but the entry's own counter, which the policy reads when it looks for a victim; only the
//! exact policies, `lru` and `lfu`, are told of every hit.

mod lfu;
mod list;
mod lru;
mod s3fifo;

/// Which entries a cache keeps. Every one works in constant time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Policy {
    /// Small queue, main queue and ghosts ("FIFO queues are all you need for cache eviction", SOSP 2023): what is used
    /// once goes soon, so a scan leaves the rest alone. A hit costs one counter.
    #[default]
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

    /// An order for up to `capacity` slots.
    pub(super) fn order(self, capacity: usize) -> Box<dyn Order> {
        match self {
            Self::S3Fifo => Box::new(s3fifo::S3Fifo::new(capacity)),
            Self::Lfu => Box::new(lfu::Lfu::default()),
            // The same queue: only an exact policy is told of hits.
            Self::Lru | Self::Fifo => Box::new(lru::Lru::default()),
        }
    }
}

/// How often a slot's entry was hit, ever.
pub(super) type Hits<'a> = &'a dyn Fn(u32) -> u32;

/// The slots of a shard in the order in which they go.
pub(super) trait Order: Send + Sync {
    /// A slot was filled; `hash` is its key's. Its hits start at zero.
    fn insert(&mut self, slot: u32, hash: u64);

    /// A slot was hit. Only exact policies are told.
    fn hit(&mut self, _slot: u32) {}

    /// A slot is emptied, for another reason than room.
    fn remove(&mut self, slot: u32);

    /// The slot that goes, which the order forgets; `None` if there is none.
    fn victim(&mut self, hits: Hits<'_>) -> Option<u32>;

    /// Forgets everything.
    fn clear(&mut self);
}
