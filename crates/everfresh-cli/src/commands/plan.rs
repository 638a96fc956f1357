//! `everfresh plan`.

use super::{cores, options, with_hint};
use crate::{
    args::PlanArgs,
    failure::{CliError, FAILED},
    output::{
        self,
        quantity::count,
        style::{FAINT, GOOD, WARN},
        table::{Align, Table},
    },
    session::{self, Needs},
};
use everfresh_pipeline::{Forecast, Planned};
use serde_json::json;

/// Tells what a run would do.
pub fn plan(args: &PlanArgs, json: bool) -> Result<u8, CliError> {
    let pipeline =
        session::open(&args.pipeline, Needs::look_only(), json).map_err(|error| with_hint(error, &args.choice))?;
    let options = options(&pipeline, &args.choice, cores())?;
    let plan = pipeline.plan(&options)?;
    let all_hits = plan.iter().all(|line| line.forecast == Forecast::Hit);
    if json {
        let status = if args.check && !all_hits { "failed" } else { "ok" };
        output::print_json(&json!({ "status": status, "would_run": !all_hits, "steps": plan }))?;
    } else {
        output::print(&lines(&plan))?;
    }
    Ok(if args.check && !all_hits { FAILED } else { 0 })
}

fn lines(plan: &[Planned]) -> String {
    let mut table =
        Table::new(&[("", Align::Left), ("name", Align::Left), ("kind", Align::Left), ("why", Align::Left)]);
    for line in plan {
        let (word, style) = match line.forecast {
            Forecast::Hit => ("HIT", GOOD),
            Forecast::Run => ("RUN", WARN),
            Forecast::Maybe => ("MAYBE", FAINT),
        };
        table.row([format!("{style}{word}{style:#}"), line.name.clone(), line.kind.to_owned(), line.reason.clone()]);
    }
    let of = |forecast| plan.iter().filter(|line| line.forecast == forecast).count() as u64;
    let (hits, runs, maybes) = (of(Forecast::Hit), of(Forecast::Run), of(Forecast::Maybe));
    let summary = match (runs, maybes) {
        (0, 0) => format!("nothing would run: {}", count(hits, "hit")),
        (runs, 0) => format!("{} would run, {}", count(runs, "node"), count(hits, "hit")),
        (runs, maybes) => {
            format!("{} would run, {maybes} more may, {}", count(runs, "node"), count(hits, "hit"))
        }
    };
    format!("{}\n{summary}\n", table.render(None))
}
