//! The disk tier: a bounded store of records and blobs, shared by the threads and processes of one machine.
//!
//! | module | what it holds |
//! | --- | --- |
//! | `store` | the operations |
//! | `folder` | the cache folder, and which folders are refused |
//! | `open`, `exit`, `mark`, `soundness` | opening and closing; what is trusted and what is checked first |
//! | `index`, `record`, `totals` | the LMDB index, its sealed records, and their sum |
//! | `blob`, `blob_writer`, `header`, `entry` | payloads: reading, writing, their file's header, their part of the index |
//! | `temporary` | folders for files that another process is handed |
//! | `lock` | single flight between processes, and who has the cache open |
//! | `gc`, `gdsf`, `uses`, `reduce`, `verify` | what is removed, in which order, and finding damage |
//!
//! A *record* is a small value under a [`Space`] and a key; it may refer to *blobs*, payloads under a name. Both are
//! found whole or not at all: whatever is damaged, cut short or gone is a miss.
//!
//! | what happens | what is lost |
//! | --- | --- |
//! | a process is killed, at any moment | nothing that was acknowledged |
//! | power cut | perhaps what was written last; never a wrong value |
//! | a blob is damaged, or gone | that blob |
//! | the index is damaged while nobody has it open, or gone | all records; blobs are found again by their headers |
//! | the index is damaged while it is open | LMDB has no page checksums: at worst that process ends, then as above |
//!
//! Not supported: remote file systems and processes of several PID namespaces on one cache (refused), and use after a
//! fork in the child ([`StoreError::Forked`]; open the cache after the fork).

mod blob;
mod blob_writer;
mod entry;
mod error;
mod exit;
mod fault;
mod folder;
mod gc;
mod gdsf;
mod header;
mod index;
mod lock;
mod mark;
mod open;
mod record;
mod reduce;
mod soundness;
mod store;
mod temporary;
mod totals;
mod uses;
mod verify;

#[cfg(test)]
mod kill_tests;

pub use blob::Blob;
pub use blob_writer::BlobWriter;
pub use error::StoreError;
#[cfg(test)]
pub(crate) use fault::while_refused;
pub use gc::GcReport;
pub(crate) use open::after_fork;
pub use reduce::Limits;
pub use store::{LockGuard, Record, Space, Store, StoreOptions};
pub use temporary::TemporaryFolder;
pub use verify::VerifyReport;

pub(crate) use mark::boot_tag;
