//! `cargo xtask test`: every check, then every test.

use crate::{instructions, process, python, setup, steps::Steps};
use std::{path::Path, process::Command, time::Duration};

/// How many cases of the freshness oracle `--long` runs.
const LONG_ORACLE_CASES: &str = "5000";
/// How long the database of advisories may take to arrive.
const ADVISORIES_WITHIN: Duration = Duration::from_secs(60);

/// Runs everything. The quick checks come first, the test runner last.
///
/// Tests run in the release profile: one build of the query engine serves the tests and the program, and unoptimised
/// the freshness oracle is too slow to be of use.
pub fn run(long: bool) -> Result<(), String> {
    let mut steps = Steps::default();
    steps.step("format", || {
        setup::rust_components()?;
        process::run(&mut process::cargo(&["fmt", "--all", "--check"])?)?;
        python::format()?;
        ["bench", "bench/cache", "bench/instructions"].into_iter().try_for_each(|workspace| {
            let manifest = format!("{workspace}/Cargo.toml");
            process::run(&mut process::cargo(&["fmt", "--manifest-path", &manifest, "--check"])?)
        })
    });
    steps.step("Python files", python_files);
    steps.step("clippy", || clippy(&["--workspace"]));
    steps.step("clippy on the Python extension", python::clippy);
    // The workspace turns every feature of the library on; its users may not.
    steps.step("features of the library", || {
        ["--features=", "--features=macros", "--features=arrow", "--all-features"]
            .into_iter()
            .try_for_each(|features| clippy(&["--package", "everfresh", "--no-default-features", features]))
    });
    steps.step("docs", || {
        let mut docs = process::cargo(&["doc", "--workspace", "--no-deps", "--locked"])?;
        process::run(docs.env("RUSTDOCFLAGS", "-D warnings"))
    });
    steps.step("instruction counts", instruction_counts);
    // One after the other: what stands in a static belongs to one exploration at a time.
    steps.step("interleavings of the memory tier", || {
        let mut explore =
            process::cargo(&["test", "--package", "everfresh", "--features", "shuttle", "--lib", "--locked"])?;
        process::run(explore.args(["memory::shuttle_tests", "--", "--test-threads=1"]))
    });
    steps.step("words of the examples", || {
        // Its test says so too.
        if let Err(missing) = setup::word_list() {
            println!("SKIPPED: the example `levenshtein`: {missing}");
        }
        Ok(())
    });
    steps.step("licences, bans and origins of dependencies", || {
        let mut deny = deny("check")?;
        process::run(deny.args(["licenses", "bans", "sources"]))?;
        let mut deny = process::command(setup::cargo_deny()?)?;
        deny.args(["--locked", "--manifest-path", python::MANIFEST, "--config", "deny.toml", "--log-level", "error"]);
        process::run(deny.args(["check", "licenses", "bans", "sources"]))
    });
    steps.step("advisories on dependencies", advisories);

    steps.step("tests of the Python package", python::test);

    // Steps in Python are tested with the package that was installed just now.
    let python = python::interpreters().ok().and_then(|found| found.first().map(python::Interpreter::program));
    let oracle = |mut command: Command| {
        if let Some(python) = &python {
            command.env("EVERFRESH_PYTHON", python);
        }
        if long {
            command.env("EVERFRESH_ORACLE_CASES", LONG_ORACLE_CASES);
        }
        command
    };
    // A fresh machine has no nextest, and compiling it takes longer than the time it saves.
    if process::succeeds(&mut process::cargo(&["nextest", "--version"])?) {
        steps.step("build of the tests", || {
            process::run(&mut process::cargo(&["test", "--workspace", "--release", "--locked", "--no-run"])?)
        });
        steps.step("tests in the docs", || {
            process::run(&mut process::cargo(&["test", "--workspace", "--release", "--locked", "--doc"])?)
        });
        steps.last("tests", || {
            process::run(&mut oracle(process::cargo(&["nextest", "run", "--workspace", "--release", "--locked"])?))
        })
    } else {
        steps.step("build of the tests", || {
            process::run(&mut process::cargo(&["test", "--workspace", "--release", "--locked", "--no-run"])?)
        });
        let tests = ["test", "--workspace", "--release", "--locked", "--no-fail-fast"];
        steps.last("tests", || process::run(&mut oracle(process::cargo(&tests)?)))
    }
}

fn clippy(packages: &[&str]) -> Result<(), String> {
    let mut clippy = process::cargo(&["clippy", "--all-targets", "--locked"])?;
    process::run(clippy.args(packages).args(["--", "-D", "warnings"]))
}

fn instruction_counts() -> Result<(), String> {
    if !cfg!(target_os = "linux") {
        println!("SKIPPED: Valgrind counts instructions on Linux only");
        return Ok(());
    }
    if let Err(missing) = setup::valgrind() {
        println!("SKIPPED: {missing}");
        return Ok(());
    }
    instructions::bench(&[])
}

fn deny(subcommand: &str) -> Result<Command, String> {
    let mut command = process::command(setup::cargo_deny()?)?;
    command.args(["--locked", subcommand]);
    Ok(command)
}

fn advisories() -> Result<(), String> {
    if !process::succeeds_within(deny("fetch")?.arg("db"), ADVISORIES_WITHIN) {
        println!("SKIPPED: the database of advisories cannot be reached from here");
        return Ok(());
    }
    process::run(deny("check")?.args(["--disable-fetch", "advisories"]))
}

fn python_files() -> Result<(), String> {
    let root = crate::place::root()?;
    let mut git = process::command("git")?;
    let listed = process::output(git.args(["ls-files", "--cached", "--others", "--exclude-standard", "*.py"]))?;
    let files: Vec<&str> = listed.lines().filter(|file| root.join(Path::new(file)).is_file()).collect();
    if files.is_empty() {
        println!("no Python files");
        return Ok(());
    }
    let bin = setup::python_checks()?;
    for args in [&["check", "--quiet"][..], &["format", "--quiet", "--check"]] {
        process::run(process::command(bin.join("ruff"))?.args(args).args(&files))?;
    }
    // With what the tests import.
    let interpreter = python::interpreters()?.into_iter().next().ok_or("no interpreter")?;
    let mut mypy = process::command(bin.join("mypy"))?;
    process::run(mypy.arg("--python-executable").arg(interpreter.program()).args(&files))
}
