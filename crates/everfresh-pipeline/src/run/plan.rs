//! What a run would do, with nothing done: no step computed, no sink written.
//!
//! Python steps whose files changed are imported, to see what they are made of. Files are looked at, and read where only
//! their content tells whether they changed.

use super::{Context, node::NodeRun};
use crate::{
    fault::{Failure, Fault},
    graph::{NodeId, NodeKind},
    reason::Reason,
    report::Outcome,
    table::Table,
};
use serde::Serialize;
use std::sync::Arc;

/// What will become of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Forecast {
    /// It will be served from the cache.
    Hit,
    /// It will be computed.
    Run,
    /// That hangs on the output of something before it.
    Maybe,
}

/// One line of a plan.
#[derive(Clone, Debug, Serialize)]
pub struct Planned {
    /// The node.
    pub name: String,
    /// Its kind.
    pub kind: &'static str,
    /// What will become of it.
    pub forecast: Forecast,
    /// Why.
    pub reason: String,
}

/// Plans a run.
///
/// # Errors
/// A source that cannot be read, or a cache that cannot.
pub fn plan(context: &Context<'_>) -> Result<Vec<Planned>, Failure> {
    let graph = context.graph;
    let needed = match context.options.only.as_slice() {
        [] => vec![true; graph.nodes.len()],
        only => graph.needed_by(&only.iter().filter_map(|name| graph.find(name)).collect::<Vec<_>>()),
    };
    let mut tables: Vec<Option<Arc<Table>>> = vec![None; graph.nodes.len()];
    let mut closed = vec![false; graph.nodes.len()];
    let mut lines = Vec::new();
    for &id in graph.order.iter().filter(|&&id| needed.get(id) == Some(&true)) {
        let Some(node) = graph.nodes.get(id) else { continue };
        let (forecast, reason, table) = match node.gates.iter().find(|&&gate| closed.get(gate) == Some(&true)) {
            Some(&gate) => {
                let gate = graph.nodes.get(gate).map_or("a check", |gate| gate.name.as_str());
                (Forecast::Maybe, format!("waits for {gate}, which failed"), None)
            }
            None => foresee(context, id, &tables)?,
        };
        if forecast == Forecast::Hit
            && let NodeKind::Check(..) = node.kind
            && let Some(slot) = closed.get_mut(id)
        {
            *slot = reason.starts_with(FAILS);
        }
        if let Some(slot) = tables.get_mut(id) {
            *slot = table;
        }
        lines.push(Planned { name: node.name.clone(), kind: node.kind_name(), forecast, reason });
    }
    context.cache.python.end();
    Ok(lines)
}

const FAILS: &str = "fails as before";

type Foreseen = (Forecast, String, Option<Arc<Table>>);

fn foresee(context: &Context<'_>, id: NodeId, tables: &[Option<Arc<Table>>]) -> Result<Foreseen, Failure> {
    let Some(node) = context.graph.nodes.get(id) else { return Ok((Forecast::Maybe, String::new(), None)) };
    let unknown = node.inputs.iter().find(|(_, input)| tables.get(*input).is_none_or(Option::is_none));
    if let Some((name, _)) = unknown {
        return Ok((Forecast::Maybe, format!("hangs on {name}"), None));
    }
    let Some(run) = NodeRun::new(context, id, node, |input| tables.get(input)?.clone()) else {
        return Ok((Forecast::Maybe, "hangs on its inputs".into(), None));
    };
    match run.foresee() {
        Ok(Ok(done)) if done.outcome == Outcome::Failed => Ok((Forecast::Hit, FAILS.into(), None)),
        Ok(Ok(done)) => Ok((Forecast::Hit, done.reason.to_string(), done.table)),
        Ok(Err(reason @ Reason::Waits(_))) => Ok((Forecast::Maybe, reason.to_string(), None)),
        Ok(Err(reason)) => Ok((Forecast::Run, reason.to_string(), None)),
        Err(Fault::Missing(producer)) => {
            let name = context.graph.nodes.get(producer).map_or("an input", |node| node.name.as_str());
            Ok((Forecast::Maybe, format!("hangs on {name}, whose rows are gone"), None))
        }
        Err(Fault::Cancelled) => Err(Failure::Other("stopped".into())),
        Err(Fault::Failed(Failure::Python { message, .. })) => {
            let last = message.lines().last().unwrap_or_default().to_owned();
            Ok((Forecast::Run, format!("its code cannot be looked at: {last}"), None))
        }
        Err(Fault::Failed(failure)) => Err(failure),
    }
}
