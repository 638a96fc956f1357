//! `everfresh completions`.

use crate::{
    args::{Cli, CompletionsArgs},
    failure::CliError,
    output,
};
use clap::CommandFactory;
use serde_json::json;

/// Prints a completion script.
pub fn completions(args: &CompletionsArgs, json: bool) -> Result<u8, CliError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "everfresh", &mut script);
    let script = String::from_utf8_lossy(&script);
    if json {
        output::print_json(&json!({ "status": "ok", "shell": args.shell.to_string(), "script": script }))?;
    } else {
        output::print(&script)?;
    }
    Ok(0)
}
