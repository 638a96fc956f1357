//! `everfresh stats`.

use crate::{
    args::PipelineArgs,
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
pub fn stats(args: &PipelineArgs, json: bool) -> Result<u8, CliError> {
    let pipeline = session::open(args, Needs::look_only(), json)?;
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
    }
    Ok(0)
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
