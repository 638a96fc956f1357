//! Running other programs.

use crate::place;
use std::{
    env,
    ffi::OsStr,
    path::PathBuf,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// A program, started in the checkout, without input, and without what `cargo run` told this process about the
/// package `xtask`: build scripts watch those variables, and would run again on every other call.
pub fn command(program: impl AsRef<OsStr>) -> Result<Command, String> {
    let mut command = Command::new(program);
    command.current_dir(place::root()?).stdin(Stdio::null());
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
    Ok(command)
}

/// The cargo that runs this program. It finds `rustdoc` also where only its toolchain's folder has one.
pub fn cargo(args: &[&str]) -> Result<Command, String> {
    let mut command = with_cargo(own_cargo())?;
    command.args(args);
    Ok(command)
}

fn own_cargo() -> PathBuf {
    PathBuf::from(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// A program that finds the cargo that runs this one.
pub fn with_cargo(program: impl AsRef<OsStr>) -> Result<Command, String> {
    let cargo = own_cargo();
    let mut command = command(program)?;
    if let Some(toolchain) = cargo.parent().filter(|folder| folder.is_absolute()) {
        let path = env::var_os("PATH").unwrap_or_default();
        let folders = env::split_paths(&path).chain([toolchain.to_owned()]);
        command.env("PATH", env::join_paths(folders).map_err(|error| format!("PATH: {error}"))?);
    }
    Ok(command)
}

/// Runs to the end, with what it prints going where ours goes.
pub fn run(command: &mut Command) -> Result<(), String> {
    let status = command.status().map_err(|error| cannot_start(command, &error))?;
    if status.success() { Ok(()) } else { Err(format!("{} ended with {status}", line(command))) }
}

/// What a program prints on its standard output.
pub fn output(command: &mut Command) -> Result<String, String> {
    let output = command.stderr(Stdio::inherit()).output().map_err(|error| cannot_start(command, &error))?;
    if !output.status.success() {
        return Err(format!("{} ended with {}", line(command), output.status));
    }
    String::from_utf8(output.stdout).map_err(|error| format!("{} printed no UTF-8: {error}", line(command)))
}

/// Whether a program can be started and succeeds. What it prints is dropped.
pub fn succeeds(command: &mut Command) -> bool {
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// As [`succeeds`], but a program that takes longer is ended, and has not succeeded.
pub fn succeeds_within(command: &mut Command, limit: Duration) -> bool {
    let Ok(mut child) = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn() else {
        return false;
    };
    let start = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return status.success(),
            Ok(None) if start.elapsed() < limit => thread::sleep(Duration::from_millis(50)),
            _ => {
                // Nothing more can be done if it cannot be ended.
                let _ = child.kill();
                let _ = child.wait();
                return false;
            }
        }
    }
}

fn line(command: &Command) -> String {
    let words: Vec<_> = std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    // A list of all Python files helps nobody.
    let shown = words.iter().take(12).cloned().collect::<Vec<_>>().join(" ");
    if words.len() > 12 { format!("`{shown} …`") } else { format!("`{shown}`") }
}

fn cannot_start(command: &Command, error: &std::io::Error) -> String {
    format!("{} cannot be started: {error}", line(command))
}
