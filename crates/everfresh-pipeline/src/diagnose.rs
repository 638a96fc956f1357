//! Telling what is wrong where it is wrong: in the pipeline file or in a query.

use crate::{
    fault::Failure,
    graph::{NodeKind, Problem},
    run::Context,
    spec::{Diagnostic, Loaded, model::StepKind, render},
};

/// The problems of a graph as diagnostics.
pub fn diagnostics(loaded: &Loaded, problems: Vec<Problem>) -> Vec<Diagnostic> {
    problems
        .into_iter()
        .map(|problem| match problem {
            Problem::File { message, span, help } => {
                let mut diagnostic = Diagnostic::error(loaded.origin(), span, message);
                diagnostic.help = help;
                diagnostic
            }
            Problem::Sql { node, origin, sql, error } => {
                loaded.sql_error(&format!("SQL of `{node}`"), &sql, &origin, &error)
            }
        })
        .collect()
}

impl Context<'_> {
    /// A failure as people read it; an error in a query that they wrote is drawn.
    pub fn describe(&self, name: &str, failure: &Failure) -> String {
        let Failure::Sql { error, sql, written } = failure else { return failure.to_string() };
        let node = self.graph.find(name).and_then(|id| self.graph.nodes.get(id));
        let origin = node.and_then(|node| match &node.kind {
            NodeKind::Step(step, _) => match &step.kind {
                StepKind::Sql { origin, .. } => Some(origin),
                StepKind::Scale { .. } | StepKind::Aggregate { .. } | StepKind::Python { .. } => None,
            },
            NodeKind::Check(_, query) => query.as_ref()?.origin.as_ref(),
            NodeKind::Source(_) | NodeKind::Python(..) | NodeKind::Sink(_) => None,
        });
        match origin {
            Some(origin) if *written => {
                render(&[self.loaded.sql_error(&format!("SQL of `{name}`"), sql, origin, error)], false)
            }
            _ => match &error.help {
                Some(help) => format!("{}\nhelp: {help}", error.message),
                None => error.message.clone(),
            },
        }
    }
}
