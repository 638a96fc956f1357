//! What holds for the memory tier as a whole.

mod advice;
mod behind;
mod bounds;
mod cost;
mod estimate;
mod expiry;
mod flights;
mod model;
mod observed;
mod panics;
mod refresh;
mod removal;
mod snapshot;
mod upsert;
mod verify;

use super::{Cache, Policy};

const POLICIES: [Policy; 6] =
    [Policy::Adaptive, Policy::TinyLfu, Policy::S3Fifo, Policy::Lru, Policy::Lfu, Policy::Fifo];

fn with_policy(policy: Policy, max_entries: usize) -> Cache<u32, u32> {
    Cache::builder().policy(policy).max_entries(max_entries).build()
}
