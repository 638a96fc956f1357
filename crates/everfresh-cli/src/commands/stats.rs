//! `everfresh stats`.

use crate::{
    args::StatsArgs,
    failure::CliError,
    output::{
        self,
        quantity::{bytes, count, grouped, near, seconds},
        table::{Align, Table},
    },
    session::{self, Needs},
};
use everfresh_pipeline::{Pipeline, history::Counts};
use serde_json::{Value, json};

/// Tells what each step has saved.
pub fn stats(args: &StatsArgs, json: bool) -> Result<u8, CliError> {
    let pipeline = session::open(&args.pipeline, Needs::look_only(), json)?;
    let nodes = nodes(&pipeline);
    let total = nodes.iter().fold(Counts::default(), |total, (_, _, counts)| add(total, *counts));
    let size = pipeline.cache().store.size();
    if json {
        let steps: Vec<Value> = nodes
            .iter()
            .map(|(name, kind, counts)| {
                let mut object = counts_json(counts);
                if let Value::Object(object) = &mut object {
                    object.shift_insert(0, "name".into(), name.as_str().into());
                    object.shift_insert(1, "kind".into(), (*kind).into());
                    if args.advise {
                        object.insert("advice".into(), advice(name, counts).into());
                    }
                }
                object
            })
            .collect();
        let folder = pipeline.cache_dir();
        let max_size = pipeline.loaded().spec.cache.max_size;
        output::print_json(&json!({
            "status": "ok",
            "steps": steps,
            "totals": counts_json(&total),
            "cache": { "dir": folder.display().to_string(), "bytes": size, "max_size": max_size },
        }))?;
    } else {
        output::print(&lines(&pipeline, &nodes, total, size))?;
        if args.advise && !nodes.is_empty() {
            let advice = nodes.iter().flat_map(|(name, _, counts)| advice(name, counts)).collect::<Vec<_>>();
            output::print(&advice_lines(&advice))?;
        }
    }
    Ok(0)
}

/// Advice, one line each, under the table that it is about.
pub fn advice_lines(advice: &[String]) -> String {
    if advice.is_empty() {
        return "\nnothing to change: what is kept pays, or was not used often enough to tell\n".into();
    }
    format!("\n{}\n", advice.join("\n"))
}

/// Fewer runs than this tell nothing.
const ENOUGH: u64 = 5;

/// What a disk gives back, in bytes a second: who computes as quickly need not keep.
const DISK: f64 = 500e6;

/// What to change about a node.
fn advice(name: &str, counts: &Counts) -> Vec<String> {
    let runs = counts.hits + counts.misses;
    let each = counts.spent_seconds / counts.misses.max(1) as f64;
    let mut advice = Vec::new();
    if runs >= ENOUGH && counts.hits == 0 {
        advice.push(format!(
            "{name}: never hit in {runs} runs: see what changes each time with `everfresh explain {name}`, or say \
             `cache: {{ enabled: false }}`"
        ));
    }
    if counts.misses > 0 && counts.bytes as f64 / DISK > each {
        advice.push(format!(
            "{name}: keeps {} that take {} to compute: reading them back takes as long, so say `cache: {{ enabled: \
             false }}`",
            bytes(counts.bytes),
            seconds(each)
        ));
    }
    if runs >= ENOUGH && counts.failures * 2 > runs {
        advice.push(format!("{name}: failed {} times in {runs} runs, and a failure is never kept", counts.failures));
    }
    advice
}

/// Every node that ever ended, in the order of the graph.
fn nodes(pipeline: &Pipeline) -> Vec<(String, &'static str, Counts)> {
    let history = pipeline.history();
    let graph = pipeline.graph();
    let node = |id: &usize| {
        let node = graph.nodes.get(*id)?;
        Some((node.name.clone(), node.kind_name(), *history.counts.get(&node.name)?))
    };
    graph.order.iter().filter_map(node).collect()
}

fn add(one: Counts, other: Counts) -> Counts {
    Counts {
        hits: one.hits + other.hits,
        misses: one.misses + other.misses,
        failures: one.failures + other.failures,
        saved_seconds: one.saved_seconds + other.saved_seconds,
        spent_seconds: one.spent_seconds + other.spent_seconds,
        bytes: one.bytes + other.bytes,
    }
}

fn counts_json(counts: &Counts) -> Value {
    json!({
        "hits": counts.hits,
        "misses": counts.misses,
        "failures": counts.failures,
        "saved_seconds": counts.saved_seconds,
        "spent_seconds": counts.spent_seconds,
        "bytes": counts.bytes,
    })
}

fn lines(pipeline: &Pipeline, nodes: &[(String, &'static str, Counts)], total: Counts, size: u64) -> String {
    if nodes.is_empty() {
        return "this pipeline has not run yet: `everfresh run`\n".into();
    }
    let numbers = ["hits", "misses", "failed", "saved", "spent", "bytes"].map(|name| (name, Align::Right));
    let mut columns = vec![("name", Align::Left)];
    columns.extend(numbers);
    let mut table = Table::new(&columns);
    let mut row = |name: String, counts: &Counts| {
        table.row([
            name,
            grouped(counts.hits),
            grouped(counts.misses),
            grouped(counts.failures),
            seconds(counts.saved_seconds),
            seconds(counts.spent_seconds),
            bytes(counts.bytes),
        ]);
    };
    for (name, _, counts) in nodes.iter().filter(|(_, kind, _)| *kind != "check") {
        row(name.clone(), counts);
    }
    // The checks of a pipeline are many, and each is cheap: `--json` has them one by one.
    let checks: Vec<Counts> =
        nodes.iter().filter(|(_, kind, _)| *kind == "check").map(|(_, _, counts)| *counts).collect();
    if !checks.is_empty() {
        row(count(checks.len() as u64, "check"), &checks.iter().copied().fold(Counts::default(), add));
    }
    row("total".into(), &total);
    let max_size = pipeline.loaded().spec.cache.max_size;
    format!(
        "{}\ncache: {} of {} in {}\n",
        table.render(None),
        bytes(size),
        bytes(max_size),
        near(&pipeline.cache_dir())
    )
}
