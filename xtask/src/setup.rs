//! What the commands need beside Rust, a C compiler and git: installed into the user's cache folder with the ordinary
//! package clients, or named.

use crate::{place, process, python};
use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::OnceLock,
};

/// The version that is installed where there is no cargo-deny.
const CARGO_DENY: &str = "0.20.2";
/// What runs the benchmarks in `bench/instructions`, in the version of the library there.
const GUNGRAUN_RUNNER: &str = "0.20.0";
/// English words, one a line.
const WORD_LIST: &str = "/usr/share/dict/american-english";
/// What checks Python files, pinned.
const PYTHON_CHECKS: &str = include_str!("../python-checks.txt");
/// A second checker of types, for tests of what a user's editor shows.
const PYTHON_TYPES: &str = include_str!("../python-types.txt");

/// Installs everything that `cargo xtask test` needs.
pub fn everything() -> Result<(), String> {
    rust_components()?;
    println!("rustfmt, clippy: there");
    println!("cargo-deny: `{}`", cargo_deny()?.display());
    println!("ruff, mypy: `{}`", python_checks()?.display());
    match pyright() {
        Ok(pyright) => println!("pyright: `{}`", pyright.display()),
        Err(missing) => println!("SKIPPED: pyright cannot be installed here: {missing}"),
    }
    for interpreter in python::interpreters()? {
        println!("Python {}: `{}`", interpreter.version, interpreter.program().display());
    }
    println!("word list: `{}`", word_list()?.display());
    // Elsewhere instructions are not counted.
    if cfg!(target_os = "linux") {
        println!("valgrind: `{}`", valgrind()?.display());
        println!("gungraun-runner: `{}`", gungraun_runner()?.display());
    }
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
    cargo_tool("cargo-deny", CARGO_DENY)
}

/// The program `gungraun-runner`, which works only with the same version of its library.
pub fn gungraun_runner() -> Result<PathBuf, String> {
    cargo_tool("gungraun-runner", GUNGRAUN_RUNNER)
}

/// A program of crates.io, of this version, compiled where it is not there.
fn cargo_tool(name: &str, version: &str) -> Result<PathBuf, String> {
    let tools = place::cache()?.join("tools");
    let program = tools.join("bin").join(name);
    // Where cargo writes what it installed.
    let installed = fs::read_to_string(tools.join(".crates.toml")).unwrap_or_default();
    if installed.contains(&format!("\"{name} {version} (")) && program.is_file() {
        return Ok(program);
    }
    println!("installing {name} {version} into `{}`", tools.display());
    let build = tools.join("build");
    // Unoptimised and without debug information: it compiles in less than half the time, and has little to do.
    let mut install = process::cargo(&["install", name, "--version", version, "--locked", "--debug"])?;
    install.env("CARGO_PROFILE_DEV_DEBUG", "0");
    process::run(install.arg("--root").arg(&tools).arg("--target-dir").arg(&build))?;
    remove_folder(&build)?;
    Ok(program)
}

/// The `bin` folder of a virtual environment with the pinned Python checkers.
pub fn python_checks() -> Result<PathBuf, String> {
    let folder = place::cache()?.join("python-checks");
    virtual_environment(&python()?, &folder, PYTHON_CHECKS)?;
    Ok(folder.join("bin"))
}

/// Pyright, in a distribution that brings the `node` that it runs on.
pub fn pyright() -> Result<PathBuf, String> {
    let folder = place::cache()?.join("python-types");
    virtual_environment(&python()?, &folder, PYTHON_TYPES)?;
    Ok(folder.join("bin/basedpyright"))
}

/// The interpreter that virtual environments are made with.
pub fn python() -> Result<PathBuf, String> {
    from_debian("python3-venv", || {
        let python = place::on_path("python3")?;
        let mut probe = process::command(&python).ok()?;
        process::succeeds(probe.args(["-c", "import venv, ensurepip"])).then_some(python)
    })
}

/// CPython's own tests, which Debian has in a package of their own.
pub fn python_tests(python: &Path, version: &str) -> Result<(), String> {
    let find = || {
        let mut probe = process::command(python).ok()?;
        process::succeeds(probe.args(["-c", "import test.test_functools"])).then(|| python.to_owned())
    };
    from_debian(&format!("libpython{version}-testsuite"), find).map(drop)
}

/// The program `valgrind`.
pub fn valgrind() -> Result<PathBuf, String> {
    from_debian("valgrind", || place::on_path("valgrind"))
}

/// The list of words that an example looks words up in.
pub fn word_list() -> Result<PathBuf, String> {
    from_debian("wamerican", || Some(PathBuf::from(WORD_LIST)).filter(|file| file.is_file()))
}

/// What a Debian package brings. Where it is not found, the package is installed, by root and with `apt-get`.
fn from_debian(package: &str, find: impl Fn() -> Option<PathBuf>) -> Result<PathBuf, String> {
    if let Some(found) = find() {
        return Ok(found);
    }
    let missing = format!("{package} is missing: run `apt-get install {package}` as root");
    if place::on_path("apt-get").is_none() || !is_root() {
        return Err(missing);
    }
    println!("installing {package}");
    static UPDATED: OnceLock<Result<(), String>> = OnceLock::new();
    let installed = UPDATED
        .get_or_init(|| apt_get(&["update", "-qq"]))
        .clone()
        .and_then(|()| apt_get(&["install", "-y", "-qq", "--no-install-recommends", package]));
    installed.map_err(|error| format!("{missing} ({error})"))?;
    find().ok_or(missing)
}

fn apt_get(args: &[&str]) -> Result<(), String> {
    process::run(process::command("apt-get")?.args(args).env("DEBIAN_FRONTEND", "noninteractive"))
}

/// Makes a virtual environment with exactly these requirements, unless it is there already.
pub fn virtual_environment(python: &Path, folder: &Path, requirements: &str) -> Result<(), String> {
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
    let mut venv = process::command(python)?;
    process::run(venv.args(["-m", "venv"]).arg(folder))?;
    let mut pip = process::command(folder.join("bin/python"))?;
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
    process::run(pip.args(requirements.split_whitespace()))?;
    fs::write(&mark, requirements).map_err(|error| format!("`{}` cannot be written: {error}", mark.display()))
}

pub fn remove_folder(folder: &Path) -> Result<(), String> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_runner_is_of_the_version_of_its_library() {
        let lock = fs::read_to_string(place::root().unwrap().join("bench/instructions/Cargo.lock")).unwrap();
        assert!(lock.contains(&format!("name = \"gungraun\"\nversion = \"{GUNGRAUN_RUNNER}\"\n")));
    }

    #[test]
    fn what_is_there_is_not_installed() {
        assert_eq!(from_debian("no-such-package", || Some(PathBuf::from("/there"))), Ok(PathBuf::from("/there")));
    }
}
