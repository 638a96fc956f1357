//! What a file looked like when it was read, and what is in it.
//!
//! [`observe`] is cheap (one `stat`) and [`hash_file`] reads everything. A file whose stat equals the observed one is
//! unchanged if that observation was not *racy*: a file system stamps files with a clock that ticks a few hundred times
//! a second at most, so a write right after the look can leave the stat as it was. Writes through a shared `mmap` that
//! move neither stamp are not seen: that is a limit.
//!
//! Hashing reads with `pread` into buffers of its own and never maps: a file that is truncated meanwhile is an error,
//! not a SIGBUS. Only regular files on real file systems are hashed; a FIFO, a device or a file of `/proc` has no
//! content that could be the same tomorrow.
//!
//! Do not hash a SQLite database that this process has open: closing any descriptor of a file drops all POSIX locks
//! that the process holds on it.

mod hash;
mod regular;
mod stat;

pub use hash::{hash_file, hash_file_here, hash_range, hashed_bytes};
pub(crate) use regular::open_regular;
pub use stat::{FileStat, Seen, observe};
