//! What a step's function is made of.
//!
//! Only Python can tell. What it told is remembered with all that it was read from: the files of the user's modules, what
//! they read while they were imported, where else a module could come from, the interpreter and the installed packages.
//! While all of that is as it was, so is the code, and no Python is started.

use super::{
    process::{Process, Request},
    workers::python_of,
};
use crate::{
    cache::Cache,
    engine::Cancel,
    fault::{Failure, Fault},
    run::Context,
    spec::model::PythonFunction,
};
use everfresh::{
    Fingerprint, FingerprintBuilder,
    disk::Space,
    observation::Observation,
    observe::{self, holds, record},
};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    fs,
    path::{Path, PathBuf},
};

/// What the interpreter itself reads of the environment, and decides on what code means or where it comes from.
pub const ENVIRONMENT: [&str; 14] = [
    "PYTHONPATH",
    "PYTHONHOME",
    "PYTHONOPTIMIZE",
    "PYTHONUSERBASE",
    "PYTHONNOUSERSITE",
    "PYTHONUTF8",
    "PYTHONINTMAXSTRDIGITS",
    "PYTHONIOENCODING",
    "PYTHONHASHSEED",
    "PYTHONSAFEPATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "TZ",
];

/// How many states of a function's files are remembered, so that going back to one starts no Python.
const STATES: usize = 4;

/// What a function is made of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Code {
    /// Items by name, sorted.
    pub items: Vec<(String, Fingerprint)>,
    /// The parameters that a parameter of the pipeline may fill.
    pub parameters: Vec<String>,
}

/// Code, and what it was read from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct State {
    code: Code,
    read: Vec<Observation>,
    folders: Vec<(PathBuf, Fingerprint)>,
}

/// What a process answers.
#[derive(Deserialize)]
struct Looked {
    items: BTreeMap<String, String>,
    parameters: Vec<String>,
    observed: Vec<String>,
    folders: Vec<PathBuf>,
    packages: Vec<PathBuf>,
    python: PathBuf,
    storable: bool,
}

impl Code {
    /// The code if it is known without Python.
    pub fn known(context: &Context<'_>, function: &PythonFunction) -> Option<Self> {
        let states = states(context.cache, &key(context, function));
        states.into_iter().find(|state| state.holds(context.cache)).map(|state| state.code)
    }

    /// Asks a process that runs the file.
    pub fn ask(
        context: &Context<'_>,
        function: &PythonFunction,
        process: &mut Process,
        cancel: &Cancel,
        printed: &mut dyn FnMut(&str),
    ) -> Result<Self, Fault> {
        let answer = process.ask(&Request::Look { function: &function.name }, cancel, printed)?;
        let looked: Looked = serde_json::from_value(answer).map_err(|error| nonsense(&error))?;
        // What a wrapper starts may be another interpreter the next time.
        let python = fs::canonicalize(python_of(context)).unwrap_or_default();
        let storable = looked.storable && python == looked.python;
        let state = State::of(context, looked)?;
        let code = state.code.clone();
        if storable && state.holds(context.cache) {
            let key = key(context, function);
            let mut states = states(context.cache, &key);
            states.retain(|old| old.read != state.read || old.folders != state.folders);
            states.insert(0, state);
            states.truncate(STATES);
            context.cache.put(Space::Memos, &key, &states, &[])?;
        }
        Ok(code)
    }
}

fn key(context: &Context<'_>, function: &PythonFunction) -> Fingerprint {
    FingerprintBuilder::new("everfresh.python.code")
        .str(env!("CARGO_PKG_VERSION"))
        .bytes(python_of(context).as_os_str().as_encoded_bytes())
        .bytes(context.folder().as_os_str().as_encoded_bytes())
        .bytes(function.file.as_os_str().as_encoded_bytes())
        .str(&function.name)
        .finish()
}

fn states(cache: &Cache, key: &Fingerprint) -> Vec<State> {
    cache.record(Space::Memos, key).unwrap_or_default()
}

impl State {
    fn of(context: &Context<'_>, looked: Looked) -> Result<Self, Fault> {
        let mut read = Vec::new();
        for observed in &looked.observed {
            read.extend(observations(observed)?);
        }
        let python = python_of(context);
        let (_, rest) = record(Some(&context.cache.store), || {
            observe::metadata(&python);
            // What a virtual environment is made from.
            if let Some(folder) = python.parent().and_then(Path::parent) {
                observe::file(folder.join("pyvenv.cfg"));
            }
            ENVIRONMENT.iter().for_each(observe::env);
            // An upgrade of a package renames a folder.
            looked.packages.iter().for_each(observe::dir);
        });
        read.extend(rest.map_err(|message| Failure::Python { message, ran: false })?);
        let folders = looked.folders.into_iter().map(|folder| (modules_in(&folder), folder));
        let folders = folders.map(|(seen, folder)| (folder, seen)).collect();
        let item = |(name, version): (String, String)| {
            let version = <[u8; 32]>::try_from(bytes(&version)?).map_err(|_| nonsense(&"no fingerprint"))?;
            Ok((name, Fingerprint::from_bytes(version)))
        };
        let items = looked.items.into_iter().map(item).collect::<Result<_, Fault>>()?;
        let code = Code { items, parameters: looked.parameters };
        Ok(Self { code, read, folders })
    }

    fn holds(&self, cache: &Cache) -> bool {
        self.folders.iter().all(|(folder, seen)| modules_in(folder) == *seen)
            && self.read.iter().all(|seen| holds(seen, Some(&cache.store)).is_ok())
    }
}

/// What the engine on the other side observed.
pub fn observations(encoded: &str) -> Result<Vec<Observation>, Fault> {
    Ok(everfresh::codec::from_slice(&bytes(encoded)?).map_err(|error| nonsense(&error))?.value)
}

fn bytes(hex: &str) -> Result<Vec<u8>, Fault> {
    let bytes = (0..hex.len() / 2).map(|at| u8::from_str_radix(hex.get(2 * at..2 * at + 2)?, 16).ok());
    bytes.collect::<Option<Vec<u8>>>().ok_or_else(|| nonsense(&"no bytes"))
}

/// An answer that cannot be understood.
pub fn nonsense(error: &dyn std::fmt::Display) -> Fault {
    Failure::Python { message: format!("the Python process answered something unknown: {error}"), ran: false }.into()
}

/// How many entries below a folder are looked at for code; a larger one counts by its name.
const MOST_ENTRIES: usize = 10_000;

/// The names of what could be imported from a folder: files of code, and folders that hold any at any depth.
fn modules_in(folder: &Path) -> Fingerprint {
    let mut left = MOST_ENTRIES;
    let mut names: Vec<OsString> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| is_code(&entry.file_name()) || is_folder_of_code(entry, &mut left))
        .map(|entry| entry.file_name())
        .collect();
    names.sort();
    let builder = FingerprintBuilder::new("everfresh.python.modules");
    builder.list(&names, |builder, name| builder.bytes(name.as_encoded_bytes())).finish()
}

fn is_code(name: &OsStr) -> bool {
    let name = name.as_encoded_bytes();
    [b".py".as_slice(), b".pyc", b".so", b".pth"].iter().any(|suffix| name.ends_with(suffix))
}

fn is_folder_of_code(entry: &fs::DirEntry, left: &mut usize) -> bool {
    let name = entry.file_name();
    let could_be_imported =
        name != "__pycache__" && name.to_string_lossy().chars().all(|c| c.is_alphanumeric() || c == '_');
    could_be_imported
        && fs::read_dir(entry.path()).is_ok_and(|mut entries| {
            entries.any(|entry| {
                let Ok(entry) = entry else { return false };
                *left = left.saturating_sub(1);
                *left == 0 || is_code(&entry.file_name()) || is_folder_of_code(&entry, left)
            })
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_changes_with_its_modules_and_not_with_its_data() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str| {
            fs::create_dir_all(folder.path().join(name).parent().unwrap()).unwrap();
            fs::write(folder.path().join(name), "x = 1").unwrap();
            modules_in(folder.path())
        };
        let first = write("steps.py");
        assert_eq!(write("out.csv"), first);
        assert_eq!(write("data/rows.csv"), first);
        assert_eq!(write("__pycache__/steps.cpython-311.pyc"), first);
        let second = write("json.py");
        assert_ne!(second, first);
        let third = write("helpers/__init__.py");
        assert_ne!(third, second);
        assert_ne!(write("deep/er/still.py"), third);
    }
}
