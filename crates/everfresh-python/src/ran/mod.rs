//! What runs during a miss, as `everfresh._code_ran` writes it down: the fast path, for code that is known already.
//!
//! | file | what |
//! | --- | --- |
//! | `seen` | what one computation knows, and the function that a frame runs |
//! | `hook` | Python 3.11: a profile hook |
//! | `starts` | later versions: the callback of `sys.monitoring` for code that starts |

#[cfg(not(Py_3_12))]
mod hook;
mod seen;
#[cfg(Py_3_12)]
mod starts;

#[cfg(not(Py_3_12))]
pub use hook::Hook;
pub use seen::{Seen, functions_are_read};
#[cfg(Py_3_12)]
pub use starts::Starts;
