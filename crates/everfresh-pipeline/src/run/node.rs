//! One node of any kind: looked up, or computed under its lock.

use super::{Context, Done, Looked, check::CheckRun, lookup::Depth, source::SourceRun, python_step::PythonRun, step::StepRun};
use crate::{
    fault::Fault,
    graph::{Node, NodeId, NodeKind},
    reason::Reason,
    report::Event,
    sink::SinkRun,
    table::{Input, Table},
};
use everfresh::{Fingerprint, FingerprintBuilder};
use std::sync::Arc;

/// A node at work.
pub(super) enum NodeRun<'a> {
    Source(SourceRun<'a>),
    Step(StepRun<'a>),
    Python(PythonRun<'a>),
    Check(CheckRun<'a>),
    Sink(SinkRun<'a>),
}

impl<'a> NodeRun<'a> {
    /// Puts a node and its input tables together; `None` while one of them is missing.
    pub(super) fn new(
        context: &'a Context<'a>,
        id: NodeId,
        node: &'a Node,
        table: impl Fn(NodeId) -> Option<Arc<Table>>,
    ) -> Option<Self> {
        let inputs = || -> Option<Vec<Input>> {
            let input =
                |(name, id): &(String, NodeId)| Some(Input { name: name.clone(), table: table(*id)?, part: None });
            node.inputs.iter().map(input).collect()
        };
        Some(match &node.kind {
            NodeKind::Source(source) => Self::Source(SourceRun { context, id, source }),
            NodeKind::Step(step, query) => {
                let partition_of = node.partition_of.as_deref();
                Self::Step(StepRun { context, id, step, query, partition_of, inputs: inputs()? })
            }
            NodeKind::Python(step, function) => Self::Python(PythonRun::new(context, id, step, function, inputs()?)),
            NodeKind::Check(check, query) => {
                Self::Check(CheckRun { context, name: &node.name, check, query: query.as_ref(), inputs: inputs()? })
            }
            NodeKind::Sink(sink) => Self::Sink(SinkRun { context, sink, input: inputs()?.into_iter().next()? }),
        })
    }

    /// A lookup that reads no data, so that the thread that walks the graph can afford it.
    pub(super) fn quick(&self) -> Result<Looked, Fault> {
        match self {
            Self::Source(source) => source.quick(),
            Self::Step(step) => step.lookup(Depth::Ids),
            Self::Python(step) => step.lookup(Depth::Ids),
            Self::Check(check) => check.lookup(Depth::Ids),
            Self::Sink(sink) => sink.lookup(),
        }
    }

    /// A lookup that goes as far as it takes.
    fn close(&self) -> Result<Looked, Fault> {
        match self {
            Self::Source(source) => source.quick(),
            Self::Step(step) => step.lookup(Depth::Facts),
            Self::Python(step) => step.lookup(Depth::Facts),
            Self::Check(check) => check.lookup(Depth::Facts),
            Self::Sink(sink) => sink.lookup(),
        }
    }

    /// A lookup as far as it goes without computing anything.
    pub(super) fn foresee(&self) -> Result<Looked, Fault> {
        match self {
            Self::Source(source) => source.foresee(),
            other => other.close(),
        }
    }

    /// What is locked while it computes, so that one process computes and the others find the result.
    fn lock(&self, name: &str) -> Fingerprint {
        match self {
            Self::Step(step) => step.key_parts("step").key(),
            Self::Source(SourceRun { context, .. }) => context.node_key(name),
            Self::Python(step) => step.lock(),
            Self::Check(CheckRun { context, .. }) => context.node_key(name),
            // Two sinks of one database, or of one file, take turns.
            Self::Sink(SinkRun { sink, .. }) => {
                let (crate::spec::model::SinkKind::File { path, .. }
                | crate::spec::model::SinkKind::Sqlite { path, .. }) = &sink.kind;
                FingerprintBuilder::new("everfresh.target").bytes(path.as_os_str().as_encoded_bytes()).finish()
            }
        }
    }

    /// Looks closely, then computes. `forced` is the reason to compute in any case.
    pub(super) fn work(&self, context: &Context<'_>, name: &str, forced: Option<Reason>) -> Result<Done, Fault> {
        let cancel = &context.options.cancel;
        let store = &context.cache.store;
        let _lock = store
            .lock(&self.lock(name), &|| cancel.is_cancelled())
            .map_err(|error| if cancel.is_cancelled() { Fault::Cancelled } else { error.into() })?;
        let reason = match forced {
            Some(reason) => reason,
            None => match self.close()? {
                Ok(done) => return Ok(done),
                Err(reason) => reason,
            },
        };
        context.tell(Event::Started { name, reason: &reason });
        match self {
            Self::Source(source) => source.full(reason),
            Self::Step(step) => step.compute(reason),
            Self::Python(step) => step.compute(reason),
            Self::Check(check) => check.compute(reason),
            Self::Sink(sink) => sink.compute(reason),
        }
    }
}
