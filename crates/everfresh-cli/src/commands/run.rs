//! `everfresh run`.

use super::{cores, options, with_hint};
use crate::{
    args::RunArgs,
    failure::{CliError, FAILED},
    interrupt,
    output::{self, run_lines::RunLines, summary},
    session::{self, Needs},
};
use std::io;

/// Runs the pipeline.
pub fn run(args: &RunArgs, json: bool) -> Result<u8, CliError> {
    let jobs = args.jobs.map_or_else(cores, usize::from);
    let needs = Needs { jobs, memory: args.memory, no_cache: args.no_cache, look_only: false };
    let pipeline = session::open(&args.pipeline, needs, json).map_err(|error| with_hint(error, &args.choice))?;
    let options = options(&pipeline, &args.choice, jobs)?;
    interrupt::stop_on_signal(options.cancel.clone());
    let lines = RunLines::new(pipeline.graph(), &options.only, !json);
    let report = pipeline.run(&options, &lines);
    let mut out = lines.finish();
    let printed = if json {
        output::print_json(&report.to_json())
    } else {
        out.write(&summary::summary(&report, &args.pipeline.path));
        out.flush()
    };
    match printed {
        // The run counts, even if nobody reads to the end of what it prints.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(if report.ok { 0 } else { FAILED }),
    }
}
