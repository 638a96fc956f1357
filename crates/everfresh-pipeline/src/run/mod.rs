//! A run: every node of the graph looked up, and computed where it must be.

mod attempts;
mod check;
mod context;
mod done;
mod kept;
mod lookup;
mod node;
mod plan;
mod python_step;
mod query_run;
mod schedule;
mod source;
mod step;

pub use check::Found;
pub use context::{Context, Refresh, RunOptions, elapsed_ns, node_key};
pub use done::{Done, Looked, NodeRecord};
pub use plan::{Forecast, Planned, plan};
pub use query_run::may_store;
pub use schedule::run;
pub use source::{SourceRecord, source_table};
