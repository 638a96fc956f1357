//! The command line. The examples under each command are part of its help: `everfresh run --help` should teach.

use clap::{ArgAction, Args, Parser, Subcommand, ValueHint};
use clap_complete::Shell;
use everfresh_pipeline::spec::{SIZE_HELP, parse_size};
use std::path::PathBuf;

/// Runs data pipelines, and computes only what changed.
#[derive(Debug, Parser)]
#[command(name = "everfresh", version, arg_required_else_help = true, infer_subcommands = false)]
#[command(after_help = "\
Examples:
  everfresh init demo            a small pipeline to start from
  everfresh run demo             compute what is not known yet
  everfresh plan demo            what a run would do, and why
  everfresh explain paid demo    why the last run computed a step, or did not

Exit codes: 0 done, 1 the pipeline or a check failed, 2 bad usage or a bad pipeline file.")]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Print one JSON value on standard output, and nothing else there
    #[arg(long, global = true)]
    pub json: bool,
    /// Log what happens to standard error; -vv logs more, RUST_LOG chooses
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a pipeline: compute what changed, serve the rest from the cache
    #[command(after_help = "\
Examples:
  everfresh run                             the pipeline of this folder
  everfresh run examples/flights            of another one
  everfresh run --param year=2014           with another parameter
  everfresh run --only delays,report        these, and what they need
  everfresh run --refresh rates             ask again, whatever the cache says
  everfresh run --json | jq .status         for programs

Lists are separated by commas, or the option is repeated: what follows a space is PATH.")]
    Run(RunArgs),
    /// Tell what a run would do, and why; nothing is computed or written
    #[command(after_help = "\
Examples:
  everfresh plan                       HIT, RUN, or MAYBE where it hangs on an upstream output
  everfresh plan --param year=2014     with another parameter
  everfresh plan --check               exit code 1 if anything would run: for CI")]
    Plan(PlanArgs),
    /// Tell why the last run computed a step, or did not
    #[command(after_help = "\
Examples:
  everfresh explain delays                       what changed, from what to what; SQL as a diff
  everfresh explain delays examples/flights      in another folder
  everfresh explain 'delays.not_null(carrier)'   a check, by its full name")]
    Explain(ExplainArgs),
    /// Show the rows of a source or a step, or the bad rows of a check
    #[command(after_help = "\
Examples:
  everfresh show delays                              the first ten rows
  everfresh show delays examples/flights --limit 3
  everfresh show delays --failures                   the bad rows of every check of this table
  everfresh show 'delays.not_null(carrier)'          those of one check
  everfresh show delays --limit 1000 --json          an array of objects")]
    Show(ShowArgs),
    /// Tell hits, misses, time saved and bytes of each step, or of each cached function
    #[command(after_help = "\
Examples:
  everfresh stats
  everfresh stats --json | jq .totals.saved_seconds
  everfresh stats --advise               which steps do not pay, and what to change
  everfresh stats --functions            functions of programs, in your own store
  everfresh stats --functions --advise --cache-dir DIR")]
    Stats(StatsArgs),
    /// Forget results, so that the next run computes them again
    #[command(after_help = "\
Examples:
  everfresh clear --step delays          one step (or check, or sink)
  everfresh clear --source flights       what is known of a source
  everfresh clear --tag daily            the steps with this tag
  everfresh clear --all examples/flights everything in the cache folder")]
    Clear(ClearArgs),
    /// Remove what nothing refers to, then what saves the least, until the cache is within its size
    #[command(after_help = "\
Examples:
  everfresh gc                    within the max_size of the pipeline file
  everfresh gc --max-size 500MB
  everfresh gc --max-size 0       everything that can be computed again goes")]
    Gc(GcArgs),
    /// Hold every stored object against its fingerprint, and remove what is damaged
    #[command(after_help = "\
Examples:
  everfresh verify      exit code 1 if anything was damaged; the next run computes that again")]
    Verify(PipelineArgs),
    /// Write a starter pipeline that runs; never overwrites a file
    #[command(after_help = "\
Examples:
  everfresh init            into this folder
  everfresh init demo       into a new one, then: everfresh run demo")]
    Init(InitArgs),
    /// Print the JSON Schema of the pipeline file
    #[command(after_help = "\
Examples:
  everfresh schema > everfresh.schema.json
  Then let the editor know, in the first line of everfresh.yaml:
  # yaml-language-server: $schema=everfresh.schema.json")]
    Schema,
    /// Print a script that completes commands and options in a shell
    #[command(after_help = "\
Examples:
  everfresh completions bash > ~/.local/share/bash-completion/completions/everfresh
  everfresh completions fish > ~/.config/fish/completions/everfresh.fish
  everfresh completions zsh > \"${fpath[1]}/_everfresh\"")]
    Completions(CompletionsArgs),
}

/// Which pipeline, and how its file is read.
#[derive(Args, Debug)]
pub struct PipelineArgs {
    /// A pipeline file, or a folder with an everfresh.yaml
    #[arg(default_value = ".", value_hint = ValueHint::AnyPath)]
    pub path: PathBuf,
    #[command(flatten)]
    pub reading: ReadingArgs,
}

/// How a pipeline file is read.
#[derive(Args, Debug)]
pub struct ReadingArgs {
    /// Set a parameter in the place of the file's value; may be repeated
    #[arg(long = "param", value_name = "NAME=VALUE", value_parser = parameter)]
    pub params: Vec<(String, String)>,
    /// Use this cache folder instead of the file's
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub cache_dir: Option<PathBuf>,
}

/// Which part of a pipeline, and what to compute in any case.
#[derive(Args, Debug)]
pub struct ChoiceArgs {
    /// Only these steps, checks and sinks, and what they need: `--only a,b`
    #[arg(long, value_name = "STEP,…", value_parser = names)]
    pub only: Vec<Names>,
    /// Compute these again, whatever the cache says: `--refresh a,b`
    #[arg(long, value_name = "STEP,…", value_parser = names, conflicts_with = "refresh_all")]
    pub refresh: Vec<Names>,
    /// Compute everything again
    #[arg(long)]
    pub refresh_all: bool,
}

/// `everfresh run`.
#[derive(Args, Debug)]
pub struct RunArgs {
    #[command(flatten)]
    pub pipeline: PipelineArgs,
    #[command(flatten)]
    pub choice: ChoiceArgs,
    /// Use nothing that is kept, and keep nothing
    #[arg(long)]
    pub no_cache: bool,
    /// How many steps may compute at once [default: the number of cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub jobs: Option<u16>,
    /// The most memory that queries may use before they spill to disk, such as 2GB [default: three quarters of the machine's]
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub memory: Option<u64>,
}

/// `everfresh plan`.
#[derive(Args, Debug)]
pub struct PlanArgs {
    #[command(flatten)]
    pub pipeline: PipelineArgs,
    #[command(flatten)]
    pub choice: ChoiceArgs,
    /// Exit with 1 if anything would or might run
    #[arg(long)]
    pub check: bool,
}

/// `everfresh explain`.
#[derive(Args, Debug)]
pub struct ExplainArgs {
    /// A source, step, check or sink
    pub step: String,
    #[command(flatten)]
    pub pipeline: PipelineArgs,
}

/// `everfresh stats`.
#[derive(Args, Debug)]
pub struct StatsArgs {
    #[command(flatten)]
    pub pipeline: PipelineArgs,
    /// Functions that programs keep in your own store, or in --cache-dir, and no pipeline
    #[arg(long)]
    pub functions: bool,
    /// Say what does not pay, and what to change
    #[arg(long)]
    pub advise: bool,
}

/// `everfresh show`.
#[derive(Args, Debug)]
pub struct ShowArgs {
    /// A source, step, check or sink
    pub step: String,
    #[command(flatten)]
    pub pipeline: PipelineArgs,
    /// How many rows
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub limit: usize,
    /// Show the bad rows: of a check, or of every check of a table
    #[arg(long)]
    pub failures: bool,
}

/// `everfresh clear`.
#[derive(Args, Debug)]
#[command(group = clap::ArgGroup::new("what").required(true).multiple(true))]
pub struct ClearArgs {
    #[command(flatten)]
    pub pipeline: PipelineArgs,
    /// Forget these steps, checks and sinks
    #[arg(long = "step", value_name = "STEP,…", value_parser = names, group = "what")]
    pub steps: Vec<Names>,
    /// Forget these sources
    #[arg(long = "source", value_name = "SOURCE,…", value_parser = names, group = "what")]
    pub sources: Vec<Names>,
    /// Forget the steps with these tags
    #[arg(long = "tag", value_name = "TAG,…", value_parser = names, group = "what")]
    pub tags: Vec<Names>,
    /// Forget everything in the cache folder
    #[arg(long, group = "what", conflicts_with_all = ["steps", "sources", "tags"])]
    pub all: bool,
}

/// `everfresh gc`.
#[derive(Args, Debug)]
pub struct GcArgs {
    #[command(flatten)]
    pub pipeline: PipelineArgs,
    /// The most bytes that may stay, such as 500MB [default: the file's max_size]
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub max_size: Option<u64>,
}

/// `everfresh init`.
#[derive(Args, Debug)]
pub struct InitArgs {
    /// The folder, made if there is none
    #[arg(default_value = ".", value_hint = ValueHint::DirPath)]
    pub dir: PathBuf,
}

/// `everfresh completions`.
#[derive(Args, Debug)]
pub struct CompletionsArgs {
    /// The shell
    pub shell: Shell,
}

/// Names as they stand after one option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names(Vec<String>);

/// All names of an option that was repeated.
pub fn flatten(lists: &[Names]) -> Vec<String> {
    lists.iter().flat_map(|names| names.0.iter().cloned()).collect()
}

/// Splits at commas, but not at those inside the parentheses of a check's name.
fn names(text: &str) -> Result<Names, String> {
    let mut depth = 0usize;
    let mut names = vec![String::new()];
    for character in text.chars() {
        match character {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        match (character, names.last_mut()) {
            (',', _) if depth == 0 => names.push(String::new()),
            (_, Some(name)) => name.push(character),
            (_, None) => {}
        }
    }
    let names: Vec<String> = names.iter().map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect();
    if names.is_empty() { Err("a name is missing".into()) } else { Ok(Names(names)) }
}

fn parameter(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("a parameter is set by NAME=VALUE, as in `--param year=2014`".into()),
    }
}

fn size(text: &str) -> Result<u64, String> {
    parse_size(text).ok_or_else(|| format!("not a size: write one {SIZE_HELP}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn commas_separate_names_but_not_the_columns_of_a_check() {
        let Names(found) = names("a, t.unique(x, y),b").unwrap();
        assert_eq!(found, ["a", "t.unique(x, y)", "b"]);
        assert!(names(" , ").is_err());
    }

    #[test]
    fn every_command_has_examples() {
        for command in Cli::command().get_subcommands() {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("Examples:"), "`{}` has none", command.get_name());
        }
    }
}
