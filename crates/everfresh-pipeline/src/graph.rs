//! The graph of a pipeline: which node reads which, and in which order they can run.
//!
//! Nodes are sources, steps, checks and sinks. An edge is either an *input*, whose table the node reads, or a *gate*: a
//! check with severity `error` on a table stands between that table and everything but other checks, so that nobody
//! reads what has not passed (write, audit, publish). Everything here works on lists; nothing recurses, so the depth of
//! a pipeline is bounded by memory alone.

use crate::{
    cache::Cache,
    engine::SqlError,
    query::{Query, bad_rows_sql, step_sql},
    spec::{
        model::{
            Check, CheckKind, Severity, Sink, SinkKind, Source, SourceKind, Span, Spec, SqlOrigin, Step, StepKind,
        },
        suggest::closest,
    },
};
use everfresh_sources::{is_glob, matches};
use std::collections::{BTreeSet, HashMap};

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
    /// A computation.
    Step(Step, Query),
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
            NodeKind::Step(..) => "step",
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
    /// All problems, in the order of the nodes. A table among `left_out` is one that could not be read from the file:
    /// naming it is no problem of its own.
    pub fn build(spec: &Spec, left_out: &BTreeSet<String>, cache: &Cache) -> Result<Self, Vec<Problem>> {
        let mut building = Building { left_out: left_out.clone(), ..Building::default() };
        for source in &spec.sources {
            building.table(&source.name);
            building.push(source.name.clone(), NodeKind::Source(source.clone()), Vec::new());
        }
        for step in &spec.steps {
            building.table(&step.name);
            building.push(step.name.clone(), NodeKind::Source(placeholder(step)), Vec::new());
        }
        for (index, step) in spec.steps.iter().enumerate() {
            building.step(spec.sources.len() + index, step, spec, cache);
        }
        for check in &spec.checks {
            building.check(check, spec, cache);
        }
        for sink in &spec.sinks {
            let inputs = building.input(&sink.from.0, &sink.from.1).into_iter().collect();
            building.push(sink.name.clone(), NodeKind::Sink(sink.clone()), inputs);
        }
        building.find_loops_through_sinks(spec);
        building.find_partitions();
        building.set_gates();
        if !building.problems.is_empty() {
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

/// Stands in the list until the step's query has been read: a step may read one that comes later in the file.
fn placeholder(step: &Step) -> Source {
    Source {
        name: step.name.clone(),
        span: step.span.clone(),
        kind: SourceKind::File { pattern: String::new(), options: Default::default(), check_content: false },
    }
}

#[derive(Default)]
struct Building {
    nodes: Vec<Node>,
    tables: HashMap<String, NodeId>,
    problems: Vec<Problem>,
    left_out: BTreeSet<String>,
}

impl Building {
    fn table(&mut self, name: &str) {
        self.tables.insert(name.to_owned(), self.nodes.len());
    }

    fn push(&mut self, name: String, kind: NodeKind, inputs: Vec<(String, NodeId)>) {
        self.nodes.push(Node { name, kind, inputs, gates: Vec::new(), partition_of: None });
    }

    fn input(&mut self, name: &str, span: &Span) -> Option<(String, NodeId)> {
        if let Some(&id) = self.tables.get(name) {
            return Some((name.to_owned(), id));
        }
        if self.left_out.contains(name) {
            return None;
        }
        let help =
            closest(name, self.tables.keys().map(String::as_str)).map(|close| format!("did you mean `{close}`?"));
        self.problems.push(Problem::File {
            message: format!("no source or step is named `{name}`"),
            span: span.clone(),
            help,
        });
        None
    }

    fn step(&mut self, id: NodeId, step: &Step, spec: &Spec, cache: &Cache) {
        let origin = match &step.kind {
            StepKind::Sql { origin, .. } => Some(origin.clone()),
            StepKind::Scale { .. } | StepKind::Aggregate { .. } => None,
        };
        let from = match &step.kind {
            StepKind::Sql { .. } => None,
            StepKind::Scale { from, .. } | StepKind::Aggregate { from, .. } => Some(from),
        };
        if let Some((name, span)) = from
            && self.input(name, span).is_none()
        {
            return;
        }
        let Some((query, inputs)) = self.query(&step.name, &step.span, step_sql(&step.kind), origin, spec, cache)
        else {
            return;
        };
        if let Some(node) = self.nodes.get_mut(id) {
            node.kind = NodeKind::Step(step.clone(), query);
            node.inputs = inputs;
        }
    }

    fn check(&mut self, check: &Check, spec: &Spec, cache: &Cache) {
        let name = format!("{}.{}", check.table, check.name);
        let Some(checked) = self.input(&check.table, &check.span) else { return };
        if let CheckKind::Relationship { to, .. } = &check.kind
            && self.input(&to.0, &to.1).is_none()
        {
            return;
        }
        let Some(sql) = bad_rows_sql(&check.table, &check.kind) else {
            return self.push(name, NodeKind::Check(check.clone(), None), vec![checked]);
        };
        let origin = match &check.kind {
            CheckKind::Sql { origin, .. } => Some(origin.clone()),
            _ => None,
        };
        let Some((query, mut inputs)) = self.query(&name, &check.span, sql, origin, spec, cache) else { return };
        if !inputs.iter().any(|(_, input)| *input == checked.1) {
            inputs.push(checked);
        }
        self.push(name, NodeKind::Check(check.clone(), Some(query)), inputs);
    }

    /// Reads a query and finds its input tables and parameters.
    fn query(
        &mut self,
        node: &str,
        span: &Span,
        sql: String,
        origin: Option<SqlOrigin>,
        spec: &Spec,
        cache: &Cache,
    ) -> Option<(Query, Vec<(String, NodeId)>)> {
        let problem = |error: SqlError| match origin.clone() {
            Some(origin) => Problem::Sql { node: node.to_owned(), origin, sql: sql.clone(), error },
            None => Problem::File { message: error.message, span: span.clone(), help: error.help },
        };
        let parsed = match cache.parse(&sql) {
            Ok(parsed) => parsed,
            Err(error) => {
                self.problems.push(problem(error));
                return None;
            }
        };
        let invalid = |message: String, span, help| SqlError {
            message,
            span: Some(span),
            help,
            kind: crate::engine::SqlErrorKind::Invalid,
        };
        let (mut inputs, mut problems) = (Vec::new(), Vec::new());
        for (name, span) in &parsed.tables {
            match self.tables.get(name) {
                Some(&id) => inputs.push((name.clone(), id)),
                None if self.left_out.contains(name) => {}
                None => {
                    let help = closest(name, self.tables.keys().map(String::as_str))
                        .map(|close| format!("did you mean `{close}`?"));
                    problems.push(problem(invalid(format!("no source or step is named `{name}`"), span.clone(), help)));
                }
            }
        }
        let mut params = std::collections::BTreeMap::new();
        for (name, span) in &parsed.params {
            match spec.params.get(name) {
                Some(value) => {
                    params.insert(name.clone(), value.clone());
                }
                None => {
                    let help = closest(name, spec.params.keys().map(String::as_str))
                        .map(|close| format!("did you mean `${close}`?"))
                        .or_else(|| Some(format!("add it under `params:`, as in `params: {{ {name}: … }}`")));
                    problems.push(problem(invalid(format!("no parameter is named `{name}`"), span.clone(), help)));
                }
            }
        }
        if problems.is_empty() {
            return Some((Query { sql, origin, parsed, params }, inputs));
        }
        self.problems.extend(problems);
        None
    }

    /// A source must not read what a sink of the same pipeline writes: the result would depend on how often it ran.
    fn find_loops_through_sinks(&mut self, spec: &Spec) {
        for source in &spec.sources {
            for sink in &spec.sinks {
                let reads = match (&source.kind, &sink.kind) {
                    (SourceKind::File { pattern, .. }, SinkKind::File { path, .. } | SinkKind::Sqlite { path, .. }) => {
                        matches(pattern, path)
                    }
                    (
                        SourceKind::Sqlite { path: from, .. },
                        SinkKind::Sqlite { path, .. } | SinkKind::File { path, .. },
                    ) => from == path,
                    (SourceKind::Url { .. }, _) => false,
                };
                if reads {
                    self.problems.push(Problem::File {
                        message: format!("source `{}` reads the file that sink `{}` writes", source.name, sink.name),
                        span: source.span.clone(),
                        help: Some("write the sink to another folder, or name the source's files more narrowly".into()),
                    });
                }
            }
        }
    }

    /// Finds the one input that a `per: partition` step takes apart: a source with a glob, or a step that is itself
    /// computed partition by partition.
    fn find_partitions(&mut self) {
        let parted: Vec<bool> = self
            .nodes
            .iter()
            .map(|node| match &node.kind {
                NodeKind::Source(Source { kind: SourceKind::File { pattern, .. }, .. }) => is_glob(pattern),
                NodeKind::Step(step, _) => step.per_partition,
                _ => false,
            })
            .collect();
        let mut problems = Vec::new();
        for node in &mut self.nodes {
            let NodeKind::Step(step, _) = &node.kind else { continue };
            if !step.per_partition {
                continue;
            }
            let inputs: Vec<&String> =
                node.inputs.iter().filter(|(_, id)| parted.get(*id) == Some(&true)).map(|(name, _)| name).collect();
            match inputs.as_slice() {
                [one] => node.partition_of = Some((*one).clone()),
                [] => problems.push(Problem::File {
                    message: format!("`per: partition` on `{}`, but no input of it has partitions", step.name),
                    span: step.span.clone(),
                    help: Some("partitions come from a source with a glob (`data/*.parquet`) or from a step with `per: partition`".into()),
                }),
                several => {
                    let names = several.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" and ");
                    problems.push(Problem::File {
                        message: format!("`per: partition` on `{}`, but {names} all have partitions", step.name),
                        span: step.span.clone(),
                        help: Some("let a step without `per: partition` put all but one of them together first".into()),
                    });
                }
            }
        }
        self.problems.extend(problems);
    }

    fn set_gates(&mut self) {
        let mut gates: HashMap<NodeId, Vec<NodeId>> = HashMap::new();
        for (id, node) in self.nodes.iter().enumerate() {
            if let NodeKind::Check(check, _) = &node.kind
                && check.severity == Severity::Error
                && let Some(&table) = self.tables.get(&check.table)
            {
                gates.entry(table).or_default().push(id);
            }
        }
        for node in &mut self.nodes {
            if !matches!(node.kind, NodeKind::Check(..)) {
                node.gates =
                    node.inputs.iter().flat_map(|(_, input)| gates.get(input).into_iter().flatten().copied()).collect();
                node.gates.sort_unstable();
                node.gates.dedup();
            }
        }
    }
}

/// Kahn's algorithm, smallest id first, so that the order follows the file; on failure the nodes of one cycle.
fn sort(nodes: &[Node]) -> Result<Vec<NodeId>, Vec<NodeId>> {
    let mut waits: Vec<usize> = vec![0; nodes.len()];
    let mut after: Vec<Vec<NodeId>> = vec![Vec::new(); nodes.len()];
    for (id, node) in nodes.iter().enumerate() {
        for before in node.inputs.iter().map(|(_, input)| *input).chain(node.gates.iter().copied()) {
            if let (Some(after), Some(waits)) = (after.get_mut(before), waits.get_mut(id)) {
                after.push(id);
                *waits += 1;
            }
        }
    }
    let mut ready: BTreeSet<NodeId> =
        waits.iter().enumerate().filter(|(_, waits)| **waits == 0).map(|(id, _)| id).collect();
    let mut order = Vec::with_capacity(nodes.len());
    while let Some(id) = ready.pop_first() {
        order.push(id);
        for &next in after.get(id).into_iter().flatten() {
            if let Some(waits) = waits.get_mut(next) {
                *waits -= 1;
                if *waits == 0 {
                    ready.insert(next);
                }
            }
        }
    }
    if order.len() == nodes.len() { Ok(order) } else { Err(one_cycle(nodes, &waits)) }
}

/// Walks back along what each node still waits for until a node comes up twice.
fn one_cycle(nodes: &[Node], waits: &[usize]) -> Vec<NodeId> {
    let stuck = |id: &NodeId| waits.get(*id).is_some_and(|&waits| waits > 0);
    let Some(mut at) = (0..nodes.len()).find(|id| stuck(id)) else { return Vec::new() };
    let mut path: Vec<NodeId> = Vec::new();
    loop {
        if let Some(start) = path.iter().position(|&seen| seen == at) {
            let mut cycle = path.split_off(start);
            cycle.reverse();
            return cycle;
        }
        path.push(at);
        let node = nodes.get(at);
        let before = node
            .into_iter()
            .flat_map(|node| node.inputs.iter().map(|(_, input)| *input).chain(node.gates.iter().copied()));
        match before.into_iter().find(|id| stuck(id)) {
            Some(next) => at = next,
            None => return path,
        }
    }
}

fn cycle_problem(nodes: &[Node], cycle: &[NodeId]) -> Problem {
    let names: Vec<&str> = cycle.iter().filter_map(|&id| nodes.get(id)).map(|node| node.name.as_str()).collect();
    let span = cycle
        .iter()
        .filter_map(|&id| nodes.get(id))
        .map(|node| match &node.kind {
            NodeKind::Source(source) => source.span.clone(),
            NodeKind::Step(step, _) => step.span.clone(),
            NodeKind::Check(check, _) => check.span.clone(),
            NodeKind::Sink(sink) => sink.span.clone(),
        })
        .next()
        .unwrap_or_default();
    let path = names.iter().chain(names.first()).copied().collect::<Vec<_>>().join(" → ");
    Problem::File {
        message: format!("these wait for each other: {path}"),
        span,
        help: Some("take one of these references out".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(inputs: &[NodeId]) -> Node {
        Node {
            name: "n".into(),
            kind: NodeKind::Source(Source {
                name: "n".into(),
                span: 0..0,
                kind: SourceKind::File { pattern: String::new(), options: Default::default(), check_content: false },
            }),
            inputs: inputs.iter().map(|&input| (String::new(), input)).collect(),
            gates: Vec::new(),
            partition_of: None,
        }
    }

    #[test]
    fn every_node_comes_after_what_it_reads() {
        let nodes = [node(&[2]), node(&[0, 2]), node(&[])];
        assert_eq!(sort(&nodes), Ok(vec![2, 0, 1]));
    }

    #[test]
    fn a_cycle_is_found_and_named() {
        let nodes = [node(&[]), node(&[0, 3]), node(&[1]), node(&[2])];
        let mut cycle = sort(&nodes).unwrap_err();
        cycle.sort_unstable();
        assert_eq!(cycle, vec![1, 2, 3]);
    }

    #[test]
    fn a_chain_of_a_hundred_thousand_is_sorted_without_recursion() {
        let mut nodes = vec![node(&[])];
        nodes.extend((0..100_000).map(|before| node(&[before])));
        assert_eq!(sort(&nodes).map(|order| order.len()), Ok(100_001));
    }
}
