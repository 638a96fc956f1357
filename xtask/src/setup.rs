//! What the commands need beside Rust, a C compiler and git: installed into the user's cache folder with the ordinary
//! package clients, or named.

use crate::{place, process};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// The version that is installed where there is no cargo-deny.
const CARGO_DENY: &str = "0.20.2";
/// What checks Python files, pinned.
const PYTHON_CHECKS: &str = include_str!("../python-checks.txt");

/// Installs everything that `cargo xtask test` needs.
pub fn everything() -> Result<(), String> {
    rust_components()?;
    println!("rustfmt, clippy: there");
    println!("cargo-deny: `{}`", cargo_deny()?.display());
    println!("ruff, mypy: `{}`", python_checks()?.display());
    Ok(())
}

/// rustfmt and clippy, which a toolchain may lack.
pub fn rust_components() -> Result<(), String> {
    let missing: Vec<&str> = [("fmt", "rustfmt"), ("clippy", "clippy")]
        .into_iter()
        .filter_map(|(subcommand, component)| {
            let there = process::cargo(&[subcommand, "--version"]).map(|mut command| process::succeeds(&mut command));
            (there != Ok(true)).then_some(component)
        })
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let mut install = process::command("rustup")?;
    process::run(install.args(["component", "add"]).args(&missing)).map_err(|error| {
        format!("{} missing: run `rustup component add {}` ({error})", missing.join(" and "), missing.join(" "))
    })
}

/// The program `cargo-deny`: the user's, or one of our own.
pub fn cargo_deny() -> Result<PathBuf, String> {
    if let Some(program) = place::on_path("cargo-deny") {
        return Ok(program);
    }
    let tools = place::cache()?.join("tools");
    let program = tools.join("bin/cargo-deny");
    if program.is_file() {
        return Ok(program);
    }
    println!("installing cargo-deny {CARGO_DENY} into `{}`", tools.display());
    let build = tools.join("build");
    // Unoptimised: it compiles in half the time, and looks at a few hundred crates.
    let mut install = process::cargo(&["install", "cargo-deny", "--version", CARGO_DENY, "--locked", "--debug"])?;
    process::run(install.arg("--root").arg(&tools).arg("--target-dir").arg(&build))?;
    remove_folder(&build)?;
    Ok(program)
}

/// The `bin` folder of a virtual environment with the pinned Python checkers.
pub fn python_checks() -> Result<PathBuf, String> {
    let folder = place::cache()?.join("python-checks");
    virtual_environment(&folder, PYTHON_CHECKS)?;
    Ok(folder.join("bin"))
}

/// The interpreter that virtual environments are made with, installed where it can be.
pub fn python() -> Result<PathBuf, String> {
    let works = || {
        let python = place::on_path("python3")?;
        let mut probe = process::command(&python).ok()?;
        process::succeeds(probe.args(["-c", "import venv, ensurepip"])).then_some(python)
    };
    if let Some(python) = works() {
        return Ok(python);
    }
    const MISSING: &str = "python3 with its venv module is missing: run `apt-get install python3-venv` as root";
    if place::on_path("apt-get").is_none() || !is_root() {
        return Err(MISSING.into());
    }
    println!("installing python3-venv");
    let mut update = process::command("apt-get")?;
    process::run(update.args(["update", "-qq"])).map_err(|error| format!("{MISSING} ({error})"))?;
    let mut install = process::command("apt-get")?;
    install.args(["install", "-y", "-qq", "--no-install-recommends", "python3-venv"]);
    process::run(install.env("DEBIAN_FRONTEND", "noninteractive")).map_err(|error| format!("{MISSING} ({error})"))?;
    works().ok_or_else(|| MISSING.into())
}

/// Makes a virtual environment with exactly these requirements, unless it is there already.
fn virtual_environment(folder: &Path, requirements: &str) -> Result<(), String> {
    // Written last: an environment that was left half made, or made for other requirements, is made anew.
    let mark = folder.join("installed.txt");
    if fs::read_to_string(&mark).is_ok_and(|installed| installed == requirements) {
        return Ok(());
    }
    remove_folder(folder)?;
    println!(
        "installing {} into `{}`",
        requirements.split_whitespace().collect::<Vec<_>>().join(" "),
        folder.display()
    );
    let mut venv = process::command(python()?)?;
    process::run(venv.args(["-m", "venv"]).arg(folder))?;
    let mut pip = process::command(folder.join("bin/python"))?;
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
    process::run(pip.args(requirements.split_whitespace()))?;
    fs::write(&mark, requirements).map_err(|error| format!("`{}` cannot be written: {error}", mark.display()))
}

fn remove_folder(folder: &Path) -> Result<(), String> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(format!("`{}` cannot be removed: {error}", folder.display()))
        }
        _ => Ok(()),
    }
}

fn is_root() -> bool {
    process::command("id").and_then(|mut id| process::output(id.arg("-u"))).is_ok_and(|user| user.trim() == "0")
}
