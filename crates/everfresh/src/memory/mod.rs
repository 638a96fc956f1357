//! The memory tier: values of one process, bounded, each computed once.
//!
//! | module | what it holds |
//! | --- | --- |
//! | `cache`, `builder` | [`Cache`]: shards, each under a lock of its own |
//! | `shard`, `entry` | the table, the slots and the limits of one shard |
//! | `policy` | which entry goes when there is no room |
//! | `lookup`, `compute`, `flight` | single flight: one computes, the others wait |
//! | `key`, `key_parts` | what a key can be looked up by |
//! | `per_type` | one cache for each type |
//! | `clock`, `stats` | what time it is, what the cache did |
//!
//! Locks, in the order in which they are taken: the flights of a shard, one flight, the shard. Loaders, weighers, listeners
//! and destructors run without any.

mod builder;
mod cache;
mod clock;
mod compute;
mod entry;
mod flight;
mod key;
mod key_parts;
mod lookup;
mod per_type;
mod policy;
mod shard;
mod stats;
#[cfg(test)]
mod tests;

pub use builder::{CacheBuilder, Cause};
pub use cache::{Cache, DEFAULT_ENTRIES, Refused};
pub use clock::{Clock, ManualClock, SystemClock};
pub use entry::EntryOptions;
pub use key::KeyRef;
pub use key_parts::KeyParts;
pub use lookup::Lookup;
pub use per_type::PerType;
pub use policy::Policy;
pub use stats::Stats;
