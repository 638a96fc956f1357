//! `everfresh explain`: the reason in full, for what the last run that got to the node did.

use crate::{
    args::ExplainArgs,
    failure::CliError,
    output::{
        self, check_lines,
        quantity::{grouped, seconds},
        query_diff::query_diff,
        style::{BAD, FAINT, FRESH, GOOD, TITLE},
        summary::after,
        table::{Align, Table},
    },
    session::{self, Needs, known},
};
use everfresh::{
    observation::{Observation, TableObservation},
    trace::Trace,
};
use everfresh_pipeline::{
    Pipeline,
    history::History,
    reason::{Change, Reason},
    report::{NodeReport, Outcome},
    run::{NodeRecord, node_key},
};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// Tells why the last run computed a node, or did not.
pub fn explain(args: &ExplainArgs, json: bool) -> Result<u8, CliError> {
    let pipeline = session::open(&args.pipeline, Needs::look_only(), json)?;
    known(&pipeline, std::slice::from_ref(&args.step))?;
    let history = pipeline.history();
    let Some(node) = history.last.get(&args.step) else {
        let path = after(&args.pipeline.path);
        return Err(CliError::Failed(format!("`{}` has not run yet: `everfresh run{path}`", args.step)));
    };
    let trace = trace(&pipeline, node);
    let seen: Vec<&TableObservation> = trace.iter().flat_map(tables).collect();
    let others: Vec<String> = trace.iter().flat_map(others).collect();
    let env = env_changes(&pipeline, &history);
    if json {
        output::print_json(&to_json(node, &seen, &others, &env))?;
    } else {
        output::print(&text(node, &seen, &others, &env))?;
    }
    Ok(0)
}

/// The trace that the node's result came from, or was kept in.
fn trace(pipeline: &Pipeline, node: &NodeReport) -> Option<Trace> {
    let record = NodeRecord::load(pipeline.cache(), &node_key(&pipeline.loaded().path, &node.name));
    let mut traces = record.keys.iter().flat_map(|key| pipeline.cache().traces(key).0);
    traces.find(|trace| Some(trace.output) == node.fingerprint)
}

fn tables(trace: &Trace) -> impl Iterator<Item = &TableObservation> {
    trace.observations.iter().filter_map(|observation| match observation {
        Observation::Table(table) => Some(table),
        _ => None,
    })
}

/// What a Python step read by itself, a line each.
fn others(trace: &Trace) -> impl Iterator<Item = String> {
    trace.observations.iter().filter(|seen| !matches!(seen, Observation::Table(_))).map(ToString::to_string)
}

/// The environment variables that are not what they were when the last run ended.
fn env_changes(pipeline: &Pipeline, history: &History) -> Vec<String> {
    let now = &pipeline.loaded().env;
    let differs = |name: &str, value| history.env.iter().any(|(before, was)| before == name && *was != value);
    now.iter().filter(|read| differs(&read.name, read.value)).map(|read| read.name.clone()).collect()
}

fn text(node: &NodeReport, seen: &[&TableObservation], others: &[String], env: &[String]) -> String {
    let mut text = String::new();
    let known = matches!(node.reason, Reason::Unchanged | Reason::NotRead(_));
    let (word, style) = match node.outcome {
        Outcome::Hit => ("hit", GOOD),
        Outcome::Ran => ("ran", FRESH),
        Outcome::Failed if known => ("failed as before", BAD),
        Outcome::Failed => ("failed", BAD),
        Outcome::Skipped => ("skipped", FAINT),
    };
    let name = &node.name;
    let time = match node.outcome {
        Outcome::Hit => format!("{} saved", seconds(node.saved_seconds)),
        _ => seconds(node.seconds),
    };
    let _ = writeln!(text, "{TITLE}{name}{TITLE:#}: {style}{word}{style:#} ({time}){}", sentence(&node.reason));
    if let Reason::Changed(changes) = &node.reason {
        for change in changes {
            change_lines(&mut text, change);
        }
    }
    if let Some(error) = &node.error {
        let _ = writeln!(text, "\n{error}");
    }
    if let Some(note) = &node.note {
        let _ = writeln!(text, "note: {note}");
    }
    if let Some(check) = &node.check {
        let _ = writeln!(text, "\n{}", check_lines::verdict(check));
        text += &check_lines::details(check, &[], "  ");
    }
    if !seen.is_empty() || !others.is_empty() {
        let _ =
            writeln!(text, "\n{}", if node.outcome == Outcome::Hit { "What it read still holds:" } else { "It read:" });
    }
    if !seen.is_empty() {
        let mut table = Table::new(&[
            ("table", Align::Left),
            ("rows", Align::Right),
            ("columns, with their fingerprints", Align::Left),
        ]);
        for seen in seen {
            let columns: Vec<String> =
                seen.columns.iter().map(|(name, value)| format!("{name} {}", value.short())).collect();
            let columns =
                if columns.is_empty() { "none, only how many rows there are".into() } else { columns.join(", ") };
            table.row([seen.name.clone(), grouped(seen.rows), columns]);
        }
        text += &table.render(None);
    }
    for other in others {
        let _ = writeln!(text, "  {other}");
    }
    for name in env {
        let _ = writeln!(text, "\nSince that run, the environment variable {name} has changed.");
    }
    text
}

fn sentence(reason: &Reason) -> String {
    match reason {
        Reason::Unchanged => ", since nothing that it was made from has changed".into(),
        Reason::NotRead(tables) => format!(", since {} changed in nothing that it reads", tables.join(", ")),
        Reason::New => ", since nothing was known of it".into(),
        Reason::Changed(changes) if changes.len() == 1 => ", since this changed:".into(),
        Reason::Changed(_) => ", since these changed:".into(),
        Reason::Refreshed => ", since somebody asked for it".into(),
        Reason::Disabled => ", since its cache is off".into(),
        Reason::Expired { .. } => format!(", since its result was {reason}"),
        Reason::RowsGone => ", since its rows had been evicted and somebody read them".into(),
        Reason::Failed => String::new(),
        other => format!(", {other}"),
    }
}

fn change_lines(text: &mut String, change: &Change) {
    let _ = match change {
        Change::Query { before, after } => writeln!(text, "\n{}", query_diff(before, after).trim_end()),
        Change::Schema { table, lines } => {
            let lines: String = lines.iter().map(|line| format!("\n    {line}")).collect();
            writeln!(text, "  the columns of {table}:{lines}")
        }
        Change::Rows { table, before, after } => {
            writeln!(text, "  {table}: {} rows, were {}", grouped(*after), grouped(*before))
        }
        Change::Column { table, column, before, after } => {
            writeln!(text, "  {table}.{column}: its values (fingerprint {before} → {after})")
        }
        Change::Code(items) => writeln!(text, "  {}", items.join("\n  ")),
        other => writeln!(text, "  {other}"),
    };
}

fn to_json(node: &NodeReport, seen: &[&TableObservation], others: &[String], env: &[String]) -> Value {
    let changes = match &node.reason {
        Reason::Changed(changes) => changes.iter().map(change_json).collect(),
        _ => Vec::new(),
    };
    let read: Vec<Value> = seen
        .iter()
        .map(|seen| {
            let columns: serde_json::Map<String, Value> =
                seen.columns.iter().map(|(name, value)| (name.clone(), value.to_string().into())).collect();
            json!({ "table": seen.name, "rows": seen.rows, "columns": columns })
        })
        .collect();
    let mut object = node.to_json();
    if let Value::Object(object) = &mut object {
        object.shift_insert(0, "status".into(), "ok".into());
        object.insert("changes".into(), changes.into());
        object.insert("observations".into(), read.into());
        object.insert("other_observations".into(), json!(others));
        object.insert("changed_env".into(), json!(env));
    }
    object
}

fn change_json(change: &Change) -> Value {
    match change {
        Change::Query { before, after } => json!({ "what": "query", "before": before, "after": after }),
        Change::Setting { name, before, after } => {
            json!({ "what": "setting", "name": name, "before": before, "after": after })
        }
        Change::Schema { table, lines } => json!({ "what": "schema", "table": table, "lines": lines }),
        Change::Rows { table, before, after } => {
            json!({ "what": "rows", "table": table, "before": before, "after": after })
        }
        Change::Column { table, column, before, after } => {
            json!({ "what": "column", "table": table, "column": column, "before": before, "after": after })
        }
        Change::Input(table) => json!({ "what": "input", "table": table }),
        Change::Code(items) => json!({ "what": "code", "items": items }),
        Change::Observed(what) => json!({ "what": "observed", "text": what }),
        Change::File { path, how } => json!({ "what": "file", "path": path, "how": how }),
    }
}
