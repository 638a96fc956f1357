//! `everfresh stats --functions`.

use super::stats::advice_lines;
use crate::{
    args::StatsArgs,
    failure::CliError,
    output::{
        self,
        quantity::{bytes, grouped, near, seconds},
        table::{Align, Table},
    },
};
use everfresh::{
    disk::{Store, StoreError},
    memo::{FunctionStats, default_folder, function_stats},
};
use serde_json::{Value, json};
use std::path::Path;

/// Tells what each function has saved that keeps its results in a store.
pub fn functions(args: &StatsArgs, json: bool) -> Result<u8, CliError> {
    let folder = args.pipeline.reading.cache_dir.clone().or_else(default_folder).ok_or(StoreError::NoHome)?;
    let store = Store::open_existing(&folder)?;
    let functions = store.as_ref().map(function_stats).transpose()?.unwrap_or_default();
    let size = store.as_ref().map(Store::size).unwrap_or_default();
    if json {
        let functions: Vec<Value> = functions.iter().map(|function| to_json(function, args.advise)).collect();
        output::print_json(&json!({
            "status": "ok",
            "functions": functions,
            "cache": { "dir": folder.display().to_string(), "bytes": size },
        }))?;
    } else {
        output::print(&lines(&functions, &folder, size))?;
        if args.advise && !functions.is_empty() {
            output::print(&advice_lines(&functions.iter().flat_map(advice).collect::<Vec<_>>()))?;
        }
    }
    Ok(0)
}

fn advice(function: &FunctionStats) -> Vec<String> {
    function.stats.advice().iter().map(|advice| format!("{}: {advice}", function.name)).collect()
}

fn to_json(FunctionStats { name, stats, last_call, .. }: &FunctionStats, advise: bool) -> Value {
    let mut function = json!({
        "name": name,
        "hits": stats.hits(),
        "memory_hits": stats.memory_hits,
        "disk_hits": stats.disk_hits,
        "stale": stats.stale,
        "rescued": stats.rescued,
        "misses": stats.misses,
        "expired": stats.expired,
        "outdated": stats.outdated,
        "loads": stats.loads,
        "failures": stats.failures,
        "not_kept": stats.unstored,
        "verified": stats.verified,
        "impure": stats.impure,
        "effects": stats.effects,
        "left_memory": {
            "evicted": stats.evicted,
            "unused": stats.unused,
            "replaced": stats.replaced,
            "invalidated": stats.invalidated,
            "refused": stats.refused,
        },
        "saved_seconds": stats.saved_time.as_secs_f64(),
        "spent_seconds": stats.compute_time.as_secs_f64(),
        "lookup_seconds": stats.lookup_time.as_secs_f64(),
        "pays": stats.pays(),
        "last_call": last_call,
    });
    if let (true, Value::Object(function)) = (advise, &mut function) {
        let advice: Vec<String> = stats.advice().iter().map(ToString::to_string).collect();
        function.insert("advice".into(), advice.into());
    }
    function
}

fn lines(functions: &[FunctionStats], folder: &Path, size: u64) -> String {
    if functions.is_empty() {
        return format!("no function keeps results in {}\n", near(folder));
    }
    let numbers =
        ["hits", "misses", "evicted", "not kept", "saved", "spent", "looking"].map(|name| (name, Align::Right));
    let mut columns = vec![("function", Align::Left)];
    columns.extend(numbers);
    columns.push(("pays", Align::Left));
    let mut table = Table::new(&columns);
    for FunctionStats { name, stats, .. } in functions {
        table.row([
            name.clone(),
            grouped(stats.hits()),
            grouped(stats.misses),
            grouped(stats.evicted),
            grouped(stats.unstored),
            seconds(stats.saved_time.as_secs_f64()),
            seconds(stats.compute_time.as_secs_f64()),
            seconds(stats.lookup_time.as_secs_f64()),
            if stats.pays() { "yes" } else { "no" }.to_owned(),
        ]);
    }
    format!("{}\nstore: {} in {}\n", table.render(None), bytes(size), near(folder))
}
