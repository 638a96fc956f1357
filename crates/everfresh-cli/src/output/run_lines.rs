//! What a run prints while it goes on: one line a node, and under a table what its checks have found.
//!
//! A table and its checks are a group, printed as soon as all of it has ended: on a terminal at once, behind a pipe in the
//! order of the graph, so that the same run prints the same lines. Checks that pass print nothing.

use super::{
    Out, check_lines,
    live::{Live, above},
    quantity::{count, seconds},
    style::{BAD, FAINT, FRESH, GOOD, WARN},
};
use everfresh_pipeline::{
    graph::{Graph, Node, NodeKind},
    report::{CheckReport, Event, NodeReport, Observer, Outcome},
};
use std::{
    collections::{HashMap, HashSet},
    fmt::Write as _,
    sync::{Mutex, PoisonError},
};

/// A name longer than this moves the columns behind it.
const LONGEST_NAME: usize = 32;

/// The observer that prints.
pub struct RunLines<'a> {
    graph: &'a Graph,
    /// Of a node's name: its group, and its place in it.
    places: HashMap<&'a str, (usize, usize)>,
    name_width: usize,
    wanted: bool,
    in_order: bool,
    state: Mutex<State>,
}

struct State {
    groups: Vec<Group>,
    /// The first group that is not printed yet, where they are printed in order.
    next: usize,
    out: Out,
    live: Live,
    computing: HashSet<String>,
}

#[derive(Default)]
struct Group {
    lines: Vec<Option<String>>,
    missing: usize,
    printed: bool,
}

impl<'a> RunLines<'a> {
    /// Lines for a run of these nodes (all, if `only` is empty). Without `wanted`, none are printed but live ones.
    pub fn new(graph: &'a Graph, only: &[String], wanted: bool) -> Self {
        let needed = match only {
            [] => vec![true; graph.nodes.len()],
            only => graph.needed_by(&only.iter().filter_map(|name| graph.find(name)).collect::<Vec<_>>()),
        };
        let wanted_ids = graph.order.iter().filter(|id| needed.get(**id) == Some(&true));
        let nodes: Vec<&'a Node> = wanted_ids.filter_map(|id| graph.nodes.get(*id)).collect();
        let mut groups: Vec<Group> = Vec::new();
        let mut places = HashMap::new();
        let mut name_width = 0;
        for node in nodes.iter().filter(|node| !matches!(node.kind, NodeKind::Check(..))) {
            places.insert(node.name.as_str(), (groups.len(), 0));
            name_width = name_width.max(node.name.len().min(LONGEST_NAME));
            groups.push(Group { lines: vec![None], missing: 1, printed: false });
        }
        for node in &nodes {
            let NodeKind::Check(check, _) = &node.kind else { continue };
            let Some(&(group, _)) = places.get(check.table.as_str()) else { continue };
            if let Some(slots) = groups.get_mut(group) {
                places.insert(node.name.as_str(), (group, slots.lines.len()));
                slots.lines.push(None);
                slots.missing += 1;
            }
        }
        let state = State { groups, next: 0, out: Out::new(), live: Live::new(), computing: HashSet::new() };
        Self { graph, places, name_width, wanted, in_order: !Out::is_terminal(), state: Mutex::new(state) }
    }

    /// Prints what is left, and gives the output back.
    pub fn finish(self) -> Out {
        let mut state = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        for group in state.groups.iter_mut().filter(|group| !group.printed) {
            group.print(&mut state.out);
        }
        state.out
    }

    fn ended(&self, state: &mut State, report: &NodeReport) {
        state.live.end(&report.name);
        state.computing.remove(&report.name);
        if !self.wanted {
            return;
        }
        let text = match (&report.check, report.kind.as_str()) {
            (Some(check), _) => self.check_text(report, check),
            (None, "check") => unfinished_check_text(report),
            (None, _) => self.node_text(report),
        };
        let Some(&(place, slot)) = self.places.get(report.name.as_str()) else { return };
        state.place(place, slot, text, self.in_order);
        // A run that computes is slow enough to be followed line by line; one that only looks up is not.
        if report.outcome == Outcome::Ran || !state.computing.is_empty() {
            state.flush();
        }
    }

    /// `✓ delays  hit  <1 ms  16 rows  saved 1.2 s  unchanged`.
    fn node_text(&self, report: &NodeReport) -> String {
        let (mark, word, style) = match report.outcome {
            Outcome::Hit => ("✓", "hit", GOOD),
            Outcome::Ran => ("●", "ran", FRESH),
            Outcome::Failed => ("✗", "failed", BAD),
            Outcome::Skipped => ("–", "skipped", FAINT),
        };
        let width = self.name_width;
        let start = format!("{style}{mark}{style:#} {name:width$}  {style}{word:<7}{style:#}", name = report.name);
        let mut text = match report.outcome {
            Outcome::Skipped => format!("{start}  {}\n", report.reason),
            Outcome::Failed => format!("{start}  {:>9}\n", seconds(report.seconds)),
            Outcome::Hit | Outcome::Ran => {
                let rows = report.rows.map(|rows| count(rows, "row")).unwrap_or_default();
                let saved = match report.outcome {
                    Outcome::Hit => format!("saved {}", seconds(report.saved_seconds)),
                    _ => String::new(),
                };
                let time = seconds(report.seconds);
                format!("{start}  {time:>9}  {rows:>16}  {FAINT}{saved:<16}{FAINT:#}  {}\n", report.reason)
            }
        };
        add_messages(&mut text, report, "    ");
        text
    }

    fn check_text(&self, report: &NodeReport, check: &CheckReport) -> String {
        if check.passed {
            return String::new();
        }
        let (mark, style, word) = match report.outcome {
            Outcome::Failed => ("✗", BAD, "failed"),
            _ => ("!", WARN, "warning"),
        };
        let mut text = format!("  {style}{mark} {}: {word}{style:#}, {}\n", report.name, check_lines::verdict(check));
        // A warning that is known already is told in one line.
        if report.outcome != Outcome::Hit {
            let node = self.graph.find(&report.name).and_then(|id| self.graph.nodes.get(id));
            let columns = match node.map(|node| &node.kind) {
                Some(NodeKind::Check(check, _)) => check_lines::columns(&check.kind),
                _ => Vec::new(),
            };
            text += &check_lines::details(check, &columns, "      ");
        }
        text
    }
}

/// A check that could not be asked, or was not.
fn unfinished_check_text(report: &NodeReport) -> String {
    let mut text = String::new();
    if report.outcome == Outcome::Failed {
        text = format!("  {BAD}✗ {}: failed{BAD:#}\n", report.name);
        add_messages(&mut text, report, "      ");
    }
    text
}

fn add_messages(text: &mut String, report: &NodeReport, indent: &str) {
    for line in report.error.iter().flat_map(|error| error.lines()) {
        let _ = writeln!(text, "{indent}{line}");
    }
    if let Some(note) = &report.note {
        let _ = writeln!(text, "{indent}note: {note}");
    }
}

impl State {
    fn place(&mut self, place: usize, slot: usize, text: String, in_order: bool) {
        let Some(group) = self.groups.get_mut(place) else { return };
        if group.printed {
            // Told once already: its rows were gone, and it had to be computed after all.
            return self.out.write(&text);
        }
        if let Some(line) = group.lines.get_mut(slot) {
            group.missing -= usize::from(line.is_none());
            *line = Some(text);
        }
        if !in_order && group.missing == 0 {
            group.print(&mut self.out);
        }
        while let Some(group) = self.groups.get_mut(self.next).filter(|group| in_order && group.missing == 0) {
            group.print(&mut self.out);
            self.next += 1;
        }
    }

    /// Shows what is printed so far. An error is kept for the end of the run.
    fn flush(&mut self) {
        above(|| self.out.send());
    }
}

impl Group {
    fn print(&mut self, out: &mut Out) {
        self.printed = true;
        for text in self.lines.iter_mut().filter_map(Option::take) {
            out.write(&text);
        }
    }
}

impl Observer for RunLines<'_> {
    fn event(&self, event: Event<'_>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Started { name, reason } => {
                // This may take a while: what is ready is shown before.
                state.flush();
                state.computing.insert(name.to_owned());
                state.live.start(name, reason);
            }
            Event::Progress { name, rows } => state.live.progress(name, rows),
            Event::Printed { name, line } => above(|| eprintln!("{name}: {line}")),
            Event::Ended(report) => self.ended(&mut state, report),
        }
    }
}
