//! The memory tier: values of one process, bounded, each computed once.
//!
//! | module | what it holds |
//! | --- | --- |
//! | `cache`, `builder` | [`Cache`]: shards, each under a lock of its own |
//! | `get`, `insert`, `remove` | reading what is there, putting in, taking out |
//! | `shard`, `entry` | the table, the slots and the limits of one shard |
//! | `estimate` | what a value weighs where nobody says it |
//! | `policy` | which entry goes when there is no room |
//! | `lookup`, `compute`, `flight` | single flight: one computes, the others wait |
//! | `waits` | who waits for what, so that nobody waits in a circle |
//! | `refresh`, `behind` | entries that are computed anew while they are served, by tasks behind them |
//! | `observed` | values that were made from more than their keys |
//! | `upsert` | read, change and write as one |
//! | `snapshot`, `moment` | entries in a file, for a warm start, and how long ago they were saved |
//! | `verify` | whether what is cached is pure |
//! | `clock` | what time it is |
//! | `sync` | locks, atomics and threads: std's, or those of a test of interleavings |
//! | `stats`, `tally` | what the cache did, hits counted |
//! | `ghosts`, `advice` | what it would do with twice the room, whether it pays |
//! | `key`, `key_parts` | what a key can be looked up by |
//! | `per_type` | one cache for each type |
//!
//! Locks, in the order in which they are taken: the flights of a shard, one flight, the shard. Loaders, weighers, listeners
//! and destructors run without any.

mod advice;
mod behind;
mod builder;
mod cache;
mod clock;
mod compute;
mod entry;
mod estimate;
mod flight;
mod get;
mod ghosts;
mod insert;
mod key;
mod key_parts;
mod lookup;
mod moment;
mod observed;
mod per_type;
mod policy;
mod refresh;
mod remove;
mod shard;
#[cfg(test)]
#[cfg(feature = "shuttle")]
mod shuttle_tests;
mod snapshot;
mod stats;
pub(crate) mod sync;
mod tally;
#[cfg(test)]
#[cfg(not(feature = "shuttle"))]
mod tests;
mod upsert;
mod verify;
mod waits;

pub use advice::Advice;
pub use behind::Refresh;
pub use builder::{CacheBuilder, Cause};
pub use cache::{Cache, DEFAULT_ENTRIES};
pub use clock::{Clock, ManualClock, SystemClock};
pub use entry::EntryOptions;
pub use estimate::{Estimated, estimated_bytes};
pub use insert::Refused;
pub use key::KeyRef;
pub use key_parts::KeyParts;
pub use lookup::Lookup;
pub use per_type::PerType;
pub use policy::Policy;
pub use refresh::Served;
pub use snapshot::SnapshotError;
pub use stats::Stats;

pub(crate) use advice::ENOUGH;
pub(crate) use behind::OnDrop;
pub(crate) use clock::{WallClock, nanoseconds};
pub(crate) use entry::KeyHash;
pub(crate) use estimate::weight;
pub(crate) use flight::{Flight, Flights, Joined, Lead, Led, Wait, Waited};
pub(crate) use lookup::Failed;
pub(crate) use remove::tell_all;
pub(crate) use stats::ratio;
pub(crate) use verify::chance;
