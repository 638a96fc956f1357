//! The engine of Everfresh: *computed once, never stale*.
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`fingerprint`] | BLAKE3-256 content hashes, typed and length-prefixed |
//! | `table` | fingerprints of Arrow tables, one a column (feature `arrow`) |
//! | [`file`](mod@file) | what a file looked like when it was read, and whether it still does |
//! | [`observation`] | one thing that a computation read, with what it saw |
//! | [`trace`] | the observations of one computation, and what came out |
//! | [`memory`] | the memory tier: a bounded cache of one process, each value computed once |
//! | [`disk`] | the disk tier: index, blobs, locks, `gc`, `verify` |
//!
//! `#[cached]` and `#[precomputed]` (feature `macros`, on by default) are how functions use the memory tier.
//!
//! A stored result is served only if every observation made while it was computed still holds.

pub mod disk;
pub mod file;
pub mod fingerprint;
pub mod memory;
pub mod observation;
#[cfg(feature = "arrow")]
pub mod table;
pub mod trace;

#[cfg(feature = "macros")]
pub use everfresh_macros::{cached, precomputed};
pub use fingerprint::{Fingerprint, FingerprintBuilder};
