//! What holds between the parts: names are unique, named tables exist, and no two sinks write the same thing. Tables that
//! SQL names, sources that read what a sink writes, and cycles are the graph's to find, when the SQL is parsed.

use super::{
    fields::Field,
    model::{Sink, SinkKind, Span},
    reader::Reader,
    yaml::Entry,
};
use std::{
    collections::{HashMap, HashSet},
    path::Path,
};

impl<'a> Reader<'a> {
    /// The name of a table that must exist, and where it stands.
    pub fn table_use(&mut self, field: Field<'a>) -> Option<(String, Span)> {
        let name = self.filled_text(field)?.into_owned();
        self.uses.push((name.clone(), field.span()));
        Some((name, field.span()))
    }

    /// Names of sources and steps are unique, and every table that is named exists. Names whose source or step is wrong
    /// count too: what is wrong with it is reported already.
    pub fn check_tables(&mut self, sources: &[Entry<'_>], steps: &[Entry<'_>]) {
        let mut tables: HashMap<&str, &Span> = HashMap::with_capacity(sources.len() + steps.len());
        for source in sources {
            tables.insert(&source.key, &source.span);
        }
        for step in steps {
            if let Some(source) = tables.insert(&step.key, &step.span).cloned() {
                let message = format!("`{}` is both a source and a step", step.key);
                let diagnostic = self.error(step.span.clone(), message).also(source, "the source");
                self.report(diagnostic.help("both are tables: give one of them another name"));
            }
        }
        let mut names: Vec<&str> = Vec::new();
        for (name, span) in std::mem::take(&mut self.uses) {
            if tables.contains_key(name.as_str()) {
                continue;
            }
            if names.is_empty() {
                let mut seen = HashSet::new();
                let every = sources.iter().chain(steps).map(|entry| entry.key.as_ref());
                names = every.filter(|name| seen.insert(*name)).collect();
            }
            self.unknown(span, format!("there is no table `{name}`"), &name, &names);
        }
    }

    /// No two sinks have one target.
    pub fn check_targets(&mut self, sinks: &[Sink]) {
        let mut targets: HashMap<(&Path, Option<&str>), &Sink> = HashMap::with_capacity(sinks.len());
        for sink in sinks {
            if let Some(first) = targets.insert(target(sink), sink) {
                let message = format!("the sinks `{}` and `{}` write the same thing", first.name, sink.name);
                let diagnostic = self.error(sink.span.clone(), message).also(first.span.clone(), "the first of them");
                self.report(diagnostic.help("give one of them another target"));
            }
        }
    }
}

fn target(sink: &Sink) -> (&Path, Option<&str>) {
    match &sink.kind {
        SinkKind::File { path, .. } => (path, None),
        SinkKind::Sqlite { path, table, .. } => (path, Some(table)),
    }
}
