//! Building the graph: from the parts of the file to nodes, with everything that is wrong between them.

use super::{Node, NodeId, NodeKind, Problem};
use crate::{
    cache::Cache,
    engine::{SqlError, SqlErrorKind},
    query::{Query, bad_rows_sql, step_sql},
    spec::{
        model::{Check, CheckKind, Severity, SinkKind, Source, SourceKind, Span, Spec, SqlOrigin, Step, StepKind},
        suggest::closest,
    },
};
use everfresh_sources::{is_glob, matches};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// A graph in the making.
#[derive(Default)]
pub struct Building {
    /// All nodes so far.
    pub nodes: Vec<Node>,
    tables: HashMap<String, NodeId>,
    /// Everything that is wrong.
    pub problems: Vec<Problem>,
    /// Whether something was left out, since a table that it names is not there.
    pub incomplete: bool,
    left_out: BTreeSet<String>,
}

impl Building {
    /// Puts every part of the file into the list.
    pub fn nodes_of(spec: &Spec, left_out: &BTreeSet<String>, cache: &Cache) -> Self {
        let mut building = Self { left_out: left_out.clone(), ..Self::default() };
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
            let inputs = building.input(&sink.from.0).into_iter().collect();
            building.push(sink.name.clone(), NodeKind::Sink(sink.clone()), inputs);
        }
        building
    }

    fn table(&mut self, name: &str) {
        self.tables.insert(name.to_owned(), self.nodes.len());
    }

    fn push(&mut self, name: String, kind: NodeKind, inputs: Vec<(String, NodeId)>) {
        self.nodes.push(Node { name, kind, inputs, gates: Vec::new(), partition_of: None });
    }

    /// A table that the file names outside SQL. One that is not there was told by the file's reader.
    fn input(&mut self, name: &str) -> Option<(String, NodeId)> {
        let id = self.tables.get(name).copied();
        self.incomplete |= id.is_none();
        Some((name.to_owned(), id?))
    }

    fn step(&mut self, id: NodeId, step: &Step, spec: &Spec, cache: &Cache) {
        let (origin, from) = match &step.kind {
            StepKind::Sql { origin, .. } => (Some(origin.clone()), None),
            StepKind::Scale { from, .. } | StepKind::Aggregate { from, .. } => (None, Some(from)),
            StepKind::Python { function, from } => {
                let inputs: Vec<_> = from.iter().filter_map(|(name, _)| self.input(name)).collect();
                return self.set(id, NodeKind::Python(step.clone(), function.clone()), inputs);
            }
        };
        if let Some((name, _)) = from
            && self.input(name).is_none()
        {
            return;
        }
        let Some(sql) = step_sql(&step.kind) else { return };
        if let Some((query, inputs)) = self.query(&step.name, &step.span, sql, origin, spec, cache) {
            self.set(id, NodeKind::Step(step.clone(), query), inputs);
        }
    }

    fn set(&mut self, id: NodeId, kind: NodeKind, inputs: Vec<(String, NodeId)>) {
        if let Some(node) = self.nodes.get_mut(id) {
            (node.kind, node.inputs) = (kind, inputs);
        }
    }

    fn check(&mut self, check: &Check, spec: &Spec, cache: &Cache) {
        let name = format!("{}.{}", check.table, check.name);
        let Some(checked) = self.input(&check.table) else { return };
        if let CheckKind::Relationship { to, .. } = &check.kind
            && self.input(&to.0).is_none()
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
        let invalid =
            |message: String, span, help| SqlError { message, span: Some(span), help, kind: SqlErrorKind::Invalid };
        let (mut inputs, mut problems) = (Vec::new(), Vec::new());
        for (name, span) in &parsed.tables {
            match self.tables.get(name) {
                Some(&id) => inputs.push((name.clone(), id)),
                None if self.left_out.contains(name) => self.incomplete = true,
                None => {
                    let help = closest(name, self.tables.keys().map(String::as_str))
                        .map(|close| format!("did you mean `{close}`?"));
                    problems.push(problem(invalid(format!("no source or step is named `{name}`"), span.clone(), help)));
                }
            }
        }
        let mut params = BTreeMap::new();
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
    pub fn find_loops_through_sinks(&mut self, spec: &Spec) {
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
    pub fn find_partitions(&mut self) {
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

    /// Lets everything but checks wait for the `error` checks on what it reads.
    pub fn set_gates(&mut self) {
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

/// Stands in the list until the step's query has been read: a step may read one that comes later in the file.
fn placeholder(step: &Step) -> Source {
    Source {
        name: step.name.clone(),
        span: step.span.clone(),
        kind: SourceKind::File { pattern: String::new(), options: Default::default(), check_content: false },
    }
}
