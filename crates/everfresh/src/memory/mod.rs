//! The memory tier: values of one process, bounded, each computed once.
//!
//! | module | what it holds |
//! | --- | --- |
//! | `cache`, `builder` | [`Cache`]: shards, each under a lock of its own |
//! | `shard`, `entry` | the table, the slots and the limits of one shard |
//! | `policy` | which entry goes when there is no room |
//! | `lookup`, `compute`, `flight` | single flight: one computes, the others wait |
//! | `key` | what a key can be looked up by |
//! | `clock`, `stats`, `tally` | what time it is, what the cache did, hits counted |
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
mod lookup;
mod policy;
mod shard;
mod stats;
mod tally;
#[cfg(test)]
mod tests;

pub use builder::{CacheBuilder, Cause};
pub use cache::{Cache, DEFAULT_ENTRIES, Refused};
pub use clock::{Clock, ManualClock, SystemClock};
pub use entry::EntryOptions;
pub use key::KeyRef;
pub use lookup::Lookup;
pub use policy::Policy;
pub use stats::Stats;

pub(crate) use clock::nanoseconds;
pub(crate) use entry::KeyHash;
pub(crate) use flight::{Flights, Joined, Lead, Led, Waited};
