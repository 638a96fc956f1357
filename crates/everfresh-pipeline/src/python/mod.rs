//! Python steps: functions that run in processes of their own.
//!
//! | module | what it holds |
//! | --- | --- |
//! | `interpreter` | which Python |
//! | `process` | one process, its requests and answers |
//! | `workers` | the processes of a run |
//! | `code` | what a function is made of, known without Python while its files are as they were |
//! | `exchange` | tables on their way to a function and back |
//!
//! The other side is `everfresh._worker` of the Python package, which must be of this program's version.

mod code;
mod exchange;
mod interpreter;
mod process;
mod workers;

pub(crate) use code::{Code, ENVIRONMENT, nonsense, observations};
pub(crate) use exchange::{HandedOver, take_result};
pub(crate) use process::{Answer, Request};
pub use workers::Workers;
