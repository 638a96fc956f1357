//! The graph of a pipeline: which node reads which, and in which order they can run.
//!
//! Nodes are sources, steps, checks and sinks. An edge is either an *input*, whose table the node reads, or a *gate*: a
//! check with severity `error` on a table stands between that table and everything but other checks, so that nobody
//! reads what has not passed (write, audit, publish). Everything here works on lists; nothing recurses, so the depth of
//! a pipeline is bounded by memory alone.

mod build;
mod order;

use crate::{
    cache::Cache,
    engine::SqlError,
    query::Query,
    spec::model::{Check, PythonFunction, Sink, Source, Span, Spec, SqlOrigin, Step},
};
use build::Building;
use order::{cycle_problem, sort};
use std::collections::BTreeSet;

/// A node's place in [`Graph::nodes`].
pub type NodeId = usize;

/// One node.
#[derive(Clone, Debug)]
pub struct Node {
    /// `clean`, or `delays.not_null(carrier)` for a check.
    pub name: String,
    /// What it is.
    pub kind: NodeKind,
    /// The tables that it reads, by the name that it knows them by.
    pub inputs: Vec<(String, NodeId)>,
    /// The checks that must pass before it runs.
    pub gates: Vec<NodeId>,
    /// The input that a step takes partition by partition.
    pub partition_of: Option<String>,
}

/// What a node is.
#[derive(Clone, Debug)]
pub enum NodeKind {
    /// A table from outside.
    Source(Source),
    /// A computation by the query engine.
    Step(Step, Query),
    /// A computation by a function in Python.
    Python(Step, PythonFunction),
    /// A check, with the query that finds its bad rows, where it has one.
    Check(Check, Option<Query>),
    /// A target.
    Sink(Sink),
}

impl Node {
    /// The word for its kind, as in reports.
    pub fn kind_name(&self) -> &'static str {
        match self.kind {
            NodeKind::Source(_) => "source",
            NodeKind::Step(..) | NodeKind::Python(..) => "step",
            NodeKind::Check(..) => "check",
            NodeKind::Sink(_) => "sink",
        }
    }
}

/// A checked graph.
#[derive(Clone, Debug)]
pub struct Graph {
    /// All nodes: sources, steps, checks and sinks, each in the file's order.
    pub nodes: Vec<Node>,
    /// An order in which every node comes after everything that it waits for.
    pub order: Vec<NodeId>,
}

/// Something that is wrong with the pipeline as a whole.
#[derive(Clone, Debug)]
pub enum Problem {
    /// It shows in the pipeline file.
    File {
        /// What is wrong.
        message: String,
        /// Where.
        span: Span,
        /// What to do.
        help: Option<String>,
    },
    /// It shows in a query.
    Sql {
        /// The step or check.
        node: String,
        /// Where the text comes from.
        origin: SqlOrigin,
        /// The text.
        sql: String,
        /// What is wrong, and where in the text.
        error: SqlError,
    },
}

impl Graph {
    /// Builds the graph and finds everything that is wrong with it: SQL that cannot be read, unknown tables and
    /// parameters, cycles, sources that read what a sink writes.
    ///
    /// # Errors
    /// All problems, in the order of the nodes; none at all where the only ones are tables that the file names and that
    /// are not there, since its reader tells those. A table among `left_out` is one that could not be read from the
    /// file: naming it is no problem of its own.
    pub fn build(spec: &Spec, left_out: &BTreeSet<String>, cache: &Cache) -> Result<Self, Vec<Problem>> {
        let mut building = Building::nodes_of(spec, left_out, cache);
        building.find_loops_through_sinks(spec);
        building.find_partitions();
        building.set_gates();
        if building.incomplete || !building.problems.is_empty() {
            return Err(building.problems);
        }
        let order = sort(&building.nodes).map_err(|cycle| vec![cycle_problem(&building.nodes, &cycle)])?;
        Ok(Self { nodes: building.nodes, order })
    }

    /// The node with this name.
    pub fn find(&self, name: &str) -> Option<NodeId> {
        self.nodes.iter().position(|node| node.name == name)
    }

    /// Everything that these nodes wait for, themselves included, as one flag a node; with the checks of each table
    /// among them.
    pub fn needed_by(&self, wanted: &[NodeId]) -> Vec<bool> {
        let mut needed = vec![false; self.nodes.len()];
        for &id in wanted {
            if let Some(slot) = needed.get_mut(id) {
                *slot = true;
            }
        }
        let mark = |needed: &mut Vec<bool>| {
            for &id in self.order.iter().rev() {
                if needed.get(id) != Some(&true) {
                    continue;
                }
                let Some(node) = self.nodes.get(id) else { continue };
                for before in node.inputs.iter().map(|(_, input)| *input).chain(node.gates.iter().copied()) {
                    if let Some(slot) = needed.get_mut(before) {
                        *slot = true;
                    }
                }
            }
        };
        mark(&mut needed);
        for (id, node) in self.nodes.iter().enumerate() {
            let NodeKind::Check(check, _) = &node.kind else { continue };
            let checked =
                node.inputs.iter().any(|(name, input)| *name == check.table && needed.get(*input) == Some(&true));
            if checked && let Some(slot) = needed.get_mut(id) {
                *slot = true;
            }
        }
        mark(&mut needed);
        needed
    }
}
