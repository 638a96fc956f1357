//! Functions whose results are kept with traces: *computed once, never stale*.
//!
//! | module | what it holds |
//! | --- | --- |
//! | `cache`, `builder` | [`Memo`]: its verbs and its settings |
//! | `call` | one call: declared dependencies, then the value |
//! | `arguments` | arguments by their fingerprint |
//! | `flight` | who computes, and who waits |
//! | `entry` | a result in the hands of a caller who keeps it too |
//! | `held` | a value with its trace, in memory |
//! | `disk`, `encoding` | the same in the store |
//! | `reason` | why a result was not served |
//! | `counts`, `ledger` | what happened, in this process and in all |
//!
//! A lookup verifies the traces of its key, those in memory first, then those in the store; the first that holds is a hit.
//! Otherwise one caller of the process takes the key's lock in the store, looks again, and computes with a frame that
//! writes down what is read. Then all that was read is looked at again: if it changed meanwhile, the result is returned and
//! not kept. The value is stored first and its trace last, so that no trace names what is not there.

mod arguments;
mod builder;
mod cache;
mod call;
mod counts;
mod disk;
mod encoding;
mod entry;
mod flight;
mod held;
mod ledger;
mod reason;
#[cfg(test)]
mod tests;

pub use arguments::Arguments;
pub use builder::MemoBuilder;
pub use cache::Memo;
pub use call::Call;
pub use counts::MemoStats;
pub use disk::{default_folder, default_store};
pub use encoding::{Encoding, EncodingError};
pub use entry::Entry;
pub use ledger::{FunctionStats, function_stats};
pub use reason::{Explanation, Reason, Tier};
