//! One file a command. Each gives its exit code; what it prints goes through [`crate::output`].

mod clear;
mod completions;
mod explain;
mod functions;
mod gc;
mod init;
mod plan;
mod run;
mod schema;
mod show;
mod stats;
mod verify;

use crate::{
    args::{ChoiceArgs, Cli, Command, flatten},
    failure::CliError,
    session::known,
};
use everfresh_pipeline::{Pipeline, Refresh, RunOptions, engine::Cancel, spec::LoadError};

/// Runs the command.
pub fn run(cli: &Cli) -> Result<u8, CliError> {
    let json = cli.json;
    match &cli.command {
        Command::Run(args) => run::run(args, json),
        Command::Plan(args) => plan::plan(args, json),
        Command::Explain(args) => explain::explain(args, json),
        Command::Show(args) => show::show(args, json),
        Command::Stats(args) if args.functions => functions::functions(args, json),
        Command::Stats(args) => stats::stats(args, json),
        Command::Clear(args) => clear::clear(args, json),
        Command::Gc(args) => gc::gc(args, json),
        Command::Verify(args) => verify::verify(args, json),
        Command::Init(args) => init::init(args, json),
        Command::Schema => schema::schema(),
        Command::Completions(args) => completions::completions(args, json),
    }
}

/// What to run, as the command line chooses.
fn options(pipeline: &Pipeline, choice: &ChoiceArgs, jobs: usize) -> Result<RunOptions, CliError> {
    let (only, refresh) = (flatten(&choice.only), flatten(&choice.refresh));
    known(pipeline, &only)?;
    known(pipeline, &refresh)?;
    let refresh = match (choice.refresh_all, refresh.is_empty()) {
        (true, _) => Refresh::All,
        (false, true) => Refresh::None,
        (false, false) => Refresh::These(refresh),
    };
    Ok(RunOptions { jobs, refresh, only, cancel: Cancel::default() })
}

/// `--only a b` takes `b` for the path: says so.
fn with_hint(error: CliError, choice: &ChoiceArgs) -> CliError {
    let option = match (choice.only.is_empty(), choice.refresh.is_empty()) {
        (false, _) => "--only",
        (true, false) => "--refresh",
        (true, true) => return error,
    };
    match error {
        CliError::Load(error @ LoadError::NotFound { .. }, None) => {
            let hint = format!("several names after {option} are separated by commas: `{option} a,b`");
            CliError::Load(error, Some(hint))
        }
        other => other,
    }
}

/// The number of cores.
fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| cores.get())
}
