//! The Python package: built and tested with every interpreter that it supports and that is installed.

use crate::{place, process, setup};
use std::{
    env, fs,
    path::{Path, PathBuf},
};

/// What the package's tests need, pinned.
const TESTS: &str = include_str!("../python-tests.txt");
/// What the package is measured against.
const PEERS: &str = include_str!("../python-peers.txt");
/// The versions of Python that the package supports.
const VERSIONS: [&str; 3] = ["3.11", "3.12", "3.13"];
/// The extension, a workspace of its own.
pub const MANIFEST: &str = "crates/everfresh-python/Cargo.toml";
/// What PyO3 would find out about an interpreter without the global lock: it supports them from 3.14 on. Nothing is linked,
/// so there need not be one.
const FREE_THREADED: &str = "implementation=CPython\nversion=3.14\nshared=true\npointer_width=64\n\
    build_flags=Py_GIL_DISABLED\nsuppress_build_script_link_lines=true\n";

/// An installed interpreter, with a virtual environment for the tests.
pub struct Interpreter {
    pub version: &'static str,
    folder: PathBuf,
}

impl Interpreter {
    /// The interpreter in its environment.
    pub fn program(&self) -> PathBuf {
        self.folder.join("bin/python")
    }

    /// Where its extension is compiled: each version of Python compiles PyO3 anew.
    fn target(&self) -> Result<PathBuf, String> {
        Ok(place::target()?.join(format!("python-{}", self.version)))
    }

    /// Builds the wheel and installs it into the environment; for tests unoptimised, which compiles in a third of the time.
    fn install(&self, profile: &str) -> Result<(), String> {
        let wheels = self.folder.join("wheels");
        setup::remove_folder(&wheels)?;
        let mut maturin = process::with_cargo(self.folder.join("bin/maturin"))?;
        maturin.args(["build", "--profile", profile, "--locked", "--quiet", "--interpreter"]);
        maturin.arg(self.program()).arg("--target-dir").arg(self.target()?).arg("--out").arg(&wheels);
        process::run(&mut maturin)?;
        let wheel = fs::read_dir(&wheels).map_err(|error| format!("`{}` cannot be read: {error}", wheels.display()))?;
        let wheel = wheel.filter_map(Result::ok).map(|entry| entry.path()).next().ok_or("maturin made no wheel")?;
        let mut pip = process::command(self.program())?;
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--force-reinstall"]);
        process::run(pip.arg(wheel))
    }

    /// Runs the package's tests.
    pub fn test(&self) -> Result<(), String> {
        self.install("dev")?;
        if let Err(missing) = setup::python_tests(&self.program(), self.version) {
            println!("SKIPPED: CPython's own tests of lru_cache: {missing}");
        }
        let mut pytest = process::command(self.program())?;
        pytest.args(["-m", "pytest", "--quiet", "-p", "no:cacheprovider", "-n", "2", "python/tests"]);
        pytest.env("PYTHONDONTWRITEBYTECODE", "1").env("PYTHONHASHSEED", "0").env_remove("PYTHONPATH");
        pytest.env("EVERFRESH_MYPY", setup::python_checks()?.join("mypy"));
        match setup::pyright() {
            Ok(pyright) => drop(pytest.env("EVERFRESH_PYRIGHT", pyright)),
            Err(missing) => println!("SKIPPED: pyright cannot be installed here: {missing}"),
        }
        process::run(&mut pytest)
    }
}

/// Measures the package, optimised, with the oldest interpreter.
pub fn bench(options: &[&str]) -> Result<(), String> {
    let (version, program) = programs()?.into_iter().next().ok_or("no interpreter")?;
    let folder = place::cache()?.join(format!("python-bench-{version}"));
    setup::virtual_environment(&program, &folder, &format!("{TESTS}{PEERS}"))?;
    let interpreter = Interpreter { version, folder };
    interpreter.install("release")?;
    let scripts = place::root()?.join("bench/python");
    let mut scripts: Vec<PathBuf> = fs::read_dir(&scripts)
        .map_err(|error| format!("`{}` cannot be read: {error}", scripts.display()))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "py"))
        .collect();
    scripts.sort();
    scripts.into_iter().try_for_each(|script| {
        println!("\n# {}", script.file_stem().unwrap_or_default().display());
        process::run(process::command(interpreter.program())?.arg(script).args(options))
    })
}

/// The interpreters that are installed, the oldest first, each with an environment for the tests.
pub fn interpreters() -> Result<Vec<Interpreter>, String> {
    programs()?.into_iter().map(|(version, program)| environment(version, &program)).collect()
}

fn programs() -> Result<Vec<(&'static str, PathBuf)>, String> {
    let mut programs: Vec<(&'static str, PathBuf)> =
        VERSIONS.into_iter().filter_map(|version| Some((version, find(version)?))).collect();
    if programs.is_empty() {
        // A fresh machine: Debian's own.
        let python = setup::python()?;
        let version = VERSIONS.into_iter().find(|version| is(&python, version));
        programs.push((version.ok_or("python3 is none of 3.11, 3.12, 3.13: install one of them")?, python));
    }
    Ok(programs)
}

fn environment(version: &'static str, program: &Path) -> Result<Interpreter, String> {
    let folder = place::cache()?.join(format!("python-tests-{version}"));
    setup::virtual_environment(program, &folder, TESTS)?;
    Ok(Interpreter { version, folder })
}

/// An interpreter of this version, on the `PATH` or among pyenv's.
fn find(version: &str) -> Option<PathBuf> {
    let name = format!("python{version}");
    let path = env::var_os("PATH").unwrap_or_default();
    let mut candidates: Vec<PathBuf> = env::split_paths(&path).map(|folder| folder.join(&name)).collect();
    let pyenv = env::var_os("PYENV_ROOT").map(PathBuf::from);
    let pyenv = pyenv.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".pyenv")));
    let versions = pyenv.and_then(|pyenv| fs::read_dir(pyenv.join("versions")).ok());
    let mut others: Vec<PathBuf> = versions
        .into_iter()
        .flatten()
        .filter_map(Result::ok)
        .map(|entry| entry.path().join("bin").join(&name))
        .collect();
    others.sort();
    candidates.extend(others);
    candidates.into_iter().find(|program| program.is_file() && is(program, version))
}

/// Whether a program is an interpreter of this version that can make virtual environments.
fn is(program: &Path, version: &str) -> bool {
    let probe = "import venv, ensurepip, sys; print('%d.%d' % sys.version_info[:2])";
    let Ok(mut command) = process::command(program) else { return false };
    command.args(["-c", probe]).stderr(std::process::Stdio::null());
    command.output().is_ok_and(|output| output.status.success() && output.stdout.trim_ascii() == version.as_bytes())
}

/// Clippy on the extension, for the oldest interpreter and for one without the global lock.
pub fn clippy() -> Result<(), String> {
    let interpreter = interpreters()?.into_iter().next().ok_or("no interpreter")?;
    clippy_for("PYO3_PYTHON", &interpreter.program(), &interpreter.target()?)?;
    let target = place::target()?.join("python-free-threaded");
    let config = target.join("pyo3.txt");
    fs::create_dir_all(&target)
        .and_then(|()| fs::write(&config, FREE_THREADED))
        .map_err(|error| format!("`{}` cannot be written: {error}", config.display()))?;
    clippy_for("PYO3_CONFIG_FILE", &config, &target)
}

fn clippy_for(variable: &str, value: &Path, target: &Path) -> Result<(), String> {
    let mut clippy = process::cargo(&["clippy", "--all-targets", "--locked", "--manifest-path", MANIFEST])?;
    clippy.env(variable, value).arg("--target-dir").arg(target);
    process::run(clippy.args(["--", "-D", "warnings"]))
}

/// Formatting of the extension.
pub fn format() -> Result<(), String> {
    process::run(&mut process::cargo(&["fmt", "--manifest-path", MANIFEST, "--check"])?)
}

/// The tests of each interpreter.
pub fn test() -> Result<(), String> {
    let mut failed = Vec::new();
    for interpreter in interpreters()? {
        println!("Python {}", interpreter.version);
        if let Err(message) = interpreter.test() {
            failed.push(format!("Python {}: {message}", interpreter.version));
        }
    }
    if failed.is_empty() { Ok(()) } else { Err(failed.join("; ")) }
}
