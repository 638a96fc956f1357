//! Functions whose results are kept with traces: *computed once, never stale*.
//!
//! | module | what it holds |
//! | --- | --- |
//! | `cache`, `builder`, `limits` | [`Memo`]: its verbs and its settings |
//! | `call`, `terms` | one call: its arguments, and what it says beside them |
//! | `compute` | the value of a call |
//! | `arguments` | arguments by their fingerprint |
//! | `lookup` | which of a key's results holds |
//! | `age` | how results age: fresh, due, stale, over |
//! | `flight`, `shared`, `lock` | who computes, and who waits, in the process and on the machine |
//! | `beside` | what is computed beside all others |
//! | `keep` | what a computation depends on, and how its value goes in |
//! | `verify` | whether a function is pure |
//! | `held` | a value with its trace, in memory |
//! | `entry` | a result in the hands of a caller who keeps it too |
//! | `disk`, `encoding` | the same in the store |
//! | `shelf` | a stored result by its name |
//! | `reason` | why a result was not served |
//! | `counts`, `ledger` | what happened, in this process and in all |
//!
//! A lookup verifies the traces of its key, those in memory first, then those in the store; the first that holds is a hit.
//! Otherwise one caller of the process takes the key's lock in the store, looks again, and computes with a frame that
//! writes down what is read. Then all that was read is looked at again: if it changed meanwhile, the result is returned and
//! not kept. The value is stored first and its trace last, so that no trace names what is not there.
//!
//! A result of which all holds but its time is served while somebody computes it anew, in the process and on the machine at
//! most one at a time; its age is what may be stale, never its content, and who uses it keeps nothing of its own.

mod age;
mod arguments;
mod behind;
mod beside;
mod builder;
mod cache;
mod call;
mod compute;
mod counts;
mod disk;
mod encoding;
mod entry;
mod flight;
mod held;
mod keep;
mod ledger;
mod limits;
mod lock;
mod lookup;
mod reason;
mod shared;
mod shelf;
mod terms;
#[cfg(test)]
mod tests;
mod verify;

pub use arguments::Arguments;
pub use builder::MemoBuilder;
pub use cache::Memo;
pub use call::Call;
pub use counts::MemoStats;
pub use disk::{default_folder, default_store};
pub use encoding::{Encoding, EncodingError};
pub use entry::Entry;
pub use ledger::{FunctionStats, function_stats};
pub use limits::estimated_bytes;
pub use reason::{Explanation, Reason, Tier};

/// In a child, right after a fork: closes the stores of its parent, which refuse to work from now on. Who holds one, or a
/// memo that has one, opens it anew.
///
/// Fork while no other thread is within a call of this library: a child has one thread, and the locks of the others.
///
/// ```
/// everfresh::memo::after_fork();
/// ```
pub fn after_fork() {
    crate::recording::let_go_of_homes();
    shared::after_fork();
    crate::disk::after_fork();
}
