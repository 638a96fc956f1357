//! `everfresh show`.

use crate::{
    args::ShowArgs,
    failure::CliError,
    output::{
        self, Out,
        quantity::{count, grouped, percent},
        rows,
        style::TITLE,
    },
    session::{self, Needs},
};
use everfresh_pipeline::{Pipeline, graph::NodeKind, report::CheckReport};
use serde_json::{Value, json};

/// Shows rows.
pub fn show(args: &ShowArgs, json: bool) -> Result<u8, CliError> {
    let pipeline = session::open(&args.pipeline, Needs::look_only(), json)?;
    session::known(&pipeline, std::slice::from_ref(&args.step))?;
    if args.failures {
        failures(&pipeline, args, json)?
    } else {
        table(&pipeline, args, json)?
    };
    Ok(0)
}

fn table(pipeline: &Pipeline, args: &ShowArgs, json: bool) -> Result<(), CliError> {
    let (schema, batches, total) = pipeline.show(&args.step, args.limit)?;
    if json {
        output::print_json(&rows::json(&batches).map_err(unprintable(&args.step))?)?;
        return Ok(());
    }
    let text = rows::table(&schema, &batches, Out::width()).map_err(unprintable(&args.step))?;
    output::print(&format!("{text}{}", more(&batches, total)))?;
    Ok(())
}

fn unprintable(name: &str) -> impl Fn(arrow::error::ArrowError) -> CliError {
    move |error| CliError::Failed(format!("cannot print rows of `{name}`: {error}"))
}

fn more(batches: &[arrow::array::RecordBatch], total: u64) -> String {
    let shown: usize = batches.iter().map(arrow::array::RecordBatch::num_rows).sum();
    match total.saturating_sub(shown as u64) {
        0 => format!("{}\n", count(total, "row")),
        1 => "… 1 more row\n".into(),
        more => format!("… {} more rows\n", grouped(more)),
    }
}

/// The bad rows of a check, or of every check of a table.
fn failures(pipeline: &Pipeline, args: &ShowArgs, json: bool) -> Result<(), CliError> {
    let history = pipeline.history();
    let mut shown = Vec::new();
    let mut checks = 0;
    for node in &pipeline.graph().nodes {
        let NodeKind::Check(check, _) = &node.kind else { continue };
        if node.name != args.step && check.table != args.step {
            continue;
        }
        checks += 1;
        let found = history.last.get(&node.name).and_then(|last| last.check.as_ref());
        if let Some(found) = found.filter(|found| found.bad > 0) {
            shown.push((node.name.as_str(), found));
        }
    }
    if checks == 0 {
        return Err(CliError::Usage(format!("`{}` has no check", args.step)));
    }
    if json {
        let all = shown.iter().map(|(name, found)| failure_json(pipeline, name, found, args.limit));
        output::print_json(&Value::Array(all.collect::<Result<_, _>>()?))?;
        return Ok(());
    }
    if shown.is_empty() {
        output::print(&format!("no bad rows: {} of `{}` found nothing\n", count(checks, "check"), args.step))?;
        return Ok(());
    }
    let mut text = String::new();
    for (index, (name, found)) in shown.iter().enumerate() {
        let gap = if index == 0 { "" } else { "\n" };
        text += &format!("{gap}{TITLE}{name}{TITLE:#}: {}\n", what(found));
        for detail in &found.details {
            text += &format!("  {detail}\n");
        }
        if found.kept.is_some() {
            let (schema, batches, total) = pipeline.show(name, args.limit)?;
            text += &rows::table(&schema, &batches, Out::width()).map_err(unprintable(name))?;
            text += &more(&batches, total);
        }
    }
    output::print(&text)?;
    Ok(())
}

fn what(found: &CheckReport) -> String {
    match found.columns.is_empty() {
        true => found.message.clone(),
        false => format!("{} of {} rows ({})", grouped(found.bad), grouped(found.total), percent(found.percent())),
    }
}

fn failure_json(pipeline: &Pipeline, name: &str, found: &CheckReport, limit: usize) -> Result<Value, CliError> {
    let rows = match found.kept {
        Some(_) => rows::json(&pipeline.show(name, limit)?.1).map_err(unprintable(name))?,
        None => Value::Array(Vec::new()),
    };
    Ok(json!({
        "check": name,
        "severity": found.severity,
        "passed": found.passed,
        "message": found.message,
        "bad": found.bad,
        "total": found.total,
        "details": found.details,
        "rows": rows,
    }))
}
