//! The `everfresh` command: puts the pipeline, the query engine and a terminal together.
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`args`] | the command line |
//! | [`commands`] | one file a command |
//! | [`output`] | what people and programs read |
//! | [`failure`] | why a command ended badly, and its exit code |
//! | [`session`] | a pipeline opened as the command line says |
//! | [`secret_key`] | the machine's own key for the fingerprints of secrets |
//! | [`interrupt`], [`logging`] | Ctrl-C, logs |
//!
//! Exit codes: 0 done; 1 the pipeline, a check or the cache failed; 2 bad usage or a bad pipeline file.

mod args;
mod commands;
mod failure;
mod interrupt;
mod logging;
mod output;
mod secret_key;
mod session;

use args::Cli;
use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return failure::usage(&error),
    };
    logging::start(cli.verbose);
    match commands::run(&cli) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => failure.tell(cli.json),
    }
}
