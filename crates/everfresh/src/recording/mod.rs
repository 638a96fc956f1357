//! What a computation reads, written down while it runs.
//!
//! | module | what it holds |
//! | --- | --- |
//! | `frame` | the observations of one computation, the innermost of its thread |
//! | `context` | [`Context`]: how a computation's threads write into its frame |
//! | `content` | what is in a file, by its stat where that is proof |
//! | `look` | whether an observation still holds, or why not |
//! | `generation` | what was invalidated |
//! | `function` | which code runs |
//!
//! A computation that ends hands its observations up to the one that called it, whether it was computed or found.

mod content;
mod context;
mod frame;
mod function;
mod generation;
mod look;

pub(crate) use content::{content, is_absence, read as read_observed};
pub use context::Context;
pub(crate) use frame::{
    Frame, Reading, Recorded, absolute, current, current_traced, hand_up, is_computing, is_recording, is_tracing, real,
    recorded,
};
pub(crate) use function::register;
pub(crate) use generation::{Generations, let_go_of_homes, random};
pub(crate) use look::{Versions, World, env_fingerprint, listing, metadata_fingerprint};
