//! The last lines of a run: how much of it was served, and after a failure what to do.

use super::{
    quantity::{count, grouped, seconds},
    style::{BAD, FAINT, GOOD, WARN},
};
use everfresh_pipeline::report::{NodeReport, Outcome, RunReport};
use std::{fmt::Write as _, path::Path};

/// How many names a list has before the rest is counted.
const MOST_NAMES: usize = 8;

/// `4 steps: 3 cached, 1 ran, 0.9 s (13.2 s without cache)`, and what follows from a failure.
pub fn summary(report: &RunReport, path: &Path) -> String {
    let style = match (report.ok, warnings(report)) {
        (true, 0) => GOOD,
        (true, _) => WARN,
        (false, _) => BAD,
    };
    let mut text = format!("\n{style}{}{style:#}\n", line(report));
    if report.stopped {
        text += &stopped(report);
    } else if !report.ok {
        text += &failed(report, path);
    }
    text
}

fn of<'a>(report: &'a RunReport, kind: &str, outcome: Outcome) -> impl Iterator<Item = &'a NodeReport> {
    let kind = kind.to_owned();
    report.nodes.iter().filter(move |node| node.kind == kind && node.outcome == outcome)
}

fn warnings(report: &RunReport) -> u64 {
    let warned =
        |node: &&NodeReport| node.outcome != Outcome::Failed && node.check.as_ref().is_some_and(|check| !check.passed);
    report.nodes.iter().filter(warned).count() as u64
}

/// Steps first. Of sources, checks and sinks only what is not simply as it was.
fn line(report: &RunReport) -> String {
    let number = |kind: &str, outcome| of(report, kind, outcome).count() as u64;
    let mut parts = Vec::new();
    let mut add = |number: u64, text: String| {
        if number > 0 {
            parts.push(text);
        }
    };
    for (outcome, word) in
        [(Outcome::Hit, "cached"), (Outcome::Ran, "ran"), (Outcome::Failed, "failed"), (Outcome::Skipped, "skipped")]
    {
        let steps = number("step", outcome);
        add(steps, format!("{} {word}", grouped(steps)));
    }
    let others = [
        ("source", Outcome::Ran, "read"),
        ("check", Outcome::Ran, "ran"),
        ("sink", Outcome::Ran, "written"),
        ("source", Outcome::Failed, "failed"),
        ("check", Outcome::Failed, "failed"),
        ("sink", Outcome::Failed, "failed"),
        ("sink", Outcome::Skipped, "skipped"),
    ];
    for (kind, outcome, word) in others {
        let nodes = number(kind, outcome);
        add(nodes, format!("{} {word}", count(nodes, kind)));
    }
    add(warnings(report), count(warnings(report), "warning"));
    parts.push(seconds(report.seconds));
    let steps = report.nodes.iter().filter(|node| node.kind == "step").count() as u64;
    let saved: f64 = report.nodes.iter().map(|node| node.saved_seconds).sum();
    let without = match saved > 0.0 {
        true => format!(" ({} without cache)", seconds(report.seconds + saved)),
        false => String::new(),
    };
    format!("{}: {}{without}", count(steps, "step"), parts.join(", "))
}

fn stopped(report: &RunReport) -> String {
    let done = report.nodes.iter().filter(|node| node.outcome == Outcome::Ran).count() as u64;
    let left = report.nodes.iter().filter(|node| node.outcome == Outcome::Skipped).count() as u64;
    let kept = match done {
        0 => "nothing new was finished".into(),
        done => format!("what was finished is kept ({})", count(done, "result")),
    };
    format!(
        "stopped: {kept}, {} not run, no output is half written; the next run goes on from there\n",
        count(left, "node")
    )
}

fn failed(report: &RunReport, path: &Path) -> String {
    let mut text = String::new();
    for node in report.nodes.iter().filter(|node| node.outcome == Outcome::Failed) {
        let _ = writeln!(text, "{BAD}failed{BAD:#}: {}", node.name);
        if node.check.as_ref().is_some_and(|check| check.kept.is_some()) {
            let place = after(path);
            let _ = writeln!(text, "  its bad rows: everfresh show {}{place} --failures", shell_word(&node.name));
        }
    }
    let skipped: Vec<&str> = report
        .nodes
        .iter()
        .filter(|node| node.outcome == Outcome::Skipped && node.kind != "check")
        .map(|node| node.name.as_str())
        .collect();
    if !skipped.is_empty() {
        let _ = writeln!(text, "{FAINT}skipped{FAINT:#}: {}", names(&skipped));
    }
    if of(report, "sink", Outcome::Skipped).next().is_some() {
        text += "  what skipped sinks had written before is as it was\n";
    }
    text
}

fn names(names: &[&str]) -> String {
    let shown = names.iter().take(MOST_NAMES).copied().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(MOST_NAMES) {
        0 => shown,
        more => format!("{shown} and {}", count(more as u64, "other")),
    }
}

/// The path as one more argument; the current folder needs none.
pub fn after(path: &Path) -> String {
    if path == Path::new(".") { String::new() } else { format!(" {}", shell_word(&path.display().to_string())) }
}

/// As a shell reads it: in quotes where it must be.
fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '/');
    if text.chars().all(plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use everfresh_pipeline::reason::Reason;

    fn node(name: &str, kind: &str, outcome: Outcome, saved_seconds: f64) -> NodeReport {
        NodeReport {
            name: name.into(),
            kind: kind.into(),
            outcome,
            reason: Reason::Unchanged,
            rows: None,
            bytes: None,
            fingerprint: None,
            seconds: 0.1,
            saved_seconds,
            error: None,
            check: None,
            note: None,
        }
    }

    fn report(nodes: Vec<NodeReport>) -> RunReport {
        RunReport { ok: true, stopped: false, seconds: 0.9, nodes, engine_started: false, python_started: false, hashed_bytes: 0 }
    }

    #[test]
    fn the_summary_counts_steps_and_the_time_without_the_cache() {
        let nodes = vec![
            node("f", "source", Outcome::Hit, 0.3),
            node("a", "step", Outcome::Hit, 10.0),
            node("b", "step", Outcome::Hit, 2.0),
            node("c", "step", Outcome::Hit, 0.0),
            node("d", "step", Outcome::Ran, 0.0),
        ];
        assert_eq!(line(&report(nodes)), "4 steps: 3 cached, 1 ran, 0.9 s (13.2 s without cache)");
    }

    #[test]
    fn what_is_not_a_step_is_told_where_something_happened() {
        let nodes = vec![node("a", "step", Outcome::Hit, 1.1), node("out", "sink", Outcome::Ran, 0.0)];
        assert_eq!(line(&report(nodes)), "1 step: 1 cached, 1 sink written, 0.9 s (2.0 s without cache)");
    }

    #[test]
    fn names_are_quoted_as_a_shell_needs_it() {
        assert_eq!(shell_word("delays"), "delays");
        assert_eq!(shell_word("delays.not_null(carrier)"), "'delays.not_null(carrier)'");
        assert_eq!(shell_word("it's"), r"'it'\''s'");
    }
}
