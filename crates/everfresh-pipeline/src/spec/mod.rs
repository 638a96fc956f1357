//! The pipeline file, `everfresh.yaml`: read, checked and typed.
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`model`] | what a file says, typed: a [`Spec`] |
//! | [`error`] | diagnostics that point into the file |
//! | [`suggest`] | did you mean …? |
//! | `yaml`, `syntax`, `scalar`, `quantity` | the tree with spans, and why there is none; what scalars, durations and sizes mean |
//! | `keys` | the tables of keys, from which both the parser and the JSON Schema work |
//! | `reader`, `fields`, `values` | nodes as what they should be |
//! | `substitute`, `filled`, `credentials` | `${NAME}`, `${secret:NAME}`, `{param}`; what must not be shown |
//! | `settings`, `source`, `step`, `python`, `check`, `sink` | the parts of the file |
//! | `references` | what holds between the parts |
//! | `sql_text` | SQL in the file or beside it, and places in it |
//!
//! Everything that is wrong is found in one pass and told at once. What is not looked at here is what needs a SQL parser:
//! the tables and parameters that SQL names, and cycles.
//!
//! Invariants: the time is linear in the size of the file; paths in the model are absolute; no secret and no credential
//! is in a diagnostic, in [`Loaded::text`] or in any `Debug` output.

pub mod error;
pub mod model;
pub mod suggest;

mod check;
mod credentials;
mod fields;
mod filled;
mod json_schema;
mod keys;
mod python;
mod quantity;
mod reader;
mod references;
mod scalar;
mod settings;
mod sink;
mod source;
mod sql_text;
mod step;
mod substitute;
mod syntax;
#[cfg(test)]
mod tests;
mod values;
mod yaml;

pub use error::{Diagnostic, Gravity, LoadError, Origin, render};
pub use json_schema::json_schema;
pub use quantity::{DURATION_HELP, SIZE_HELP, parse_duration, parse_size};

use everfresh::Fingerprint;
use fields::{Field, Fields};
use keys::ROOT;
use model::{Span, Spec};
use reader::{Reader, What};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};
use yaml::Entry;

/// The name of the pipeline file in a folder.
pub const FILE_NAME: &str = "everfresh.yaml";

/// A pipeline file that was read.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What it says.
    pub spec: Spec,
    /// Its text, credentials masked by `*`, every other byte in place.
    pub text: String,
    /// Where it is, absolute.
    pub path: PathBuf,
    /// The environment variables that it names, each once, in order of first appearance.
    pub env: Vec<EnvRead>,
    /// What somebody should look at.
    pub warnings: Vec<Diagnostic>,
    origin: Arc<Origin>,
}

/// What was seen of an environment variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvRead {
    /// Its name.
    pub name: String,
    /// The fingerprint of its value, keyed for a secret; `None` if it is unset.
    pub value: Option<Fingerprint>,
    /// Whether it is a secret.
    pub secret: bool,
}

/// What loading depends on besides the file.
pub struct LoadOptions<'a> {
    /// `--param NAME=VALUE`; the last of one name wins. The value is read with the type of the file's value.
    pub params: &'a [(String, String)],
    /// The cache folder in the place of the file's, relative to the current folder.
    pub cache_dir: Option<&'a Path>,
    /// The environment. It is asked for each variable at most once.
    pub env: &'a dyn Fn(&str) -> Option<String>,
    /// The machine's own key for the fingerprints of secrets. It is asked for at most once, and not without a secret.
    pub secret_key: &'a dyn Fn() -> [u8; 32],
}

/// A pipeline file that was read as far as possible.
#[derive(Debug)]
pub struct Partial {
    /// What it says, without the parts that are wrong.
    pub loaded: Loaded,
    /// What is wrong, in the order of the file.
    pub errors: Vec<Diagnostic>,
    /// The sources and steps that were left out: a name among these is no unknown table.
    pub left_out: BTreeSet<String>,
}

/// Loads a pipeline file, or the `everfresh.yaml` of a folder.
///
/// # Errors
/// There is no such file, it cannot be read, or something is wrong with it: then everything that is.
pub fn load(path: &Path, options: &LoadOptions<'_>) -> Result<Loaded, LoadError> {
    let partial = read(path, options)?;
    if partial.errors.is_empty() { Ok(partial.loaded) } else { Err(LoadError::Invalid(partial.errors)) }
}

/// Loads what can be loaded, for callers that find more errors (in SQL) and want to tell all of them at once.
///
/// # Errors
/// There is no such file, or it cannot be read, or it is no YAML.
pub fn read(path: &Path, options: &LoadOptions<'_>) -> Result<Partial, LoadError> {
    let shown = find(path)?;
    let io = |source| LoadError::Io { path: shown.clone(), source };
    let text = match String::from_utf8(fs::read(&shown).map_err(io)?) {
        Ok(text) => text,
        Err(error) => {
            let message = format!("not UTF-8 text: byte {} belongs to no character", error.utf8_error().valid_up_to());
            return Err(io(io::Error::new(io::ErrorKind::InvalidData, message)));
        }
    };
    let path = std::path::absolute(&shown).map_err(io)?;
    parse(&text, &shown, path, options)
}

/// The file that a path means.
fn find(path: &Path) -> Result<PathBuf, LoadError> {
    let not_found = |message, help| Err(LoadError::NotFound { path: path.to_path_buf(), message, help });
    let shown = path.display();
    match fs::metadata(path) {
        Ok(found) if !found.is_dir() => return Ok(path.to_path_buf()),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let help = format!("`everfresh init {shown}` makes a pipeline there that runs");
            return not_found(format!("there is no file or folder `{shown}`"), help);
        }
        Err(source) => return Err(LoadError::Io { path: path.to_path_buf(), source }),
    }
    // `.` is not worth showing.
    let folder = if path == Path::new(".") { Path::new("") } else { path };
    let file = folder.join(FILE_NAME);
    match fs::metadata(&file) {
        Ok(_) => Ok(file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let other = folder.join("everfresh.yml");
            let help = match other.exists() {
                true => format!("rename `{}` to `{FILE_NAME}`", other.display()),
                false => format!("`everfresh init {shown}` makes one that runs"),
            };
            not_found(format!("the folder `{shown}` has no `{FILE_NAME}`"), help)
        }
        Err(source) => Err(LoadError::Io { path: file, source }),
    }
}

/// Everything after the file was read. `shown` is its path as people wrote it.
fn parse(text: &str, shown: &Path, path: PathBuf, options: &LoadOptions<'_>) -> Result<Partial, LoadError> {
    let document = yaml::parse(text);
    let hidden = document.root.as_ref().map_or_else(|| credentials::in_lines(text), credentials::in_headers);
    let origin = Origin::masked(shown.display().to_string(), text, &hidden);
    let folder = path.parent().map(Path::to_path_buf).unwrap_or_default();
    let shown_folder = shown.parent().map(Path::to_path_buf).unwrap_or_default();
    let mut reader = Reader::new(options, Arc::clone(&origin), folder, shown_folder);
    for problem in document.problems {
        let mut diagnostic = Diagnostic::error(&origin, problem.span, problem.message);
        diagnostic.help = problem.help.map(str::to_owned);
        diagnostic.also = problem.also.map(|(span, label)| (span, label.to_owned()));
        reader.report(diagnostic);
    }
    let Some(root) = &document.root else {
        if reader.diagnostics.is_empty() {
            let help = "`everfresh init` makes a pipeline to start from";
            reader.report(Diagnostic::error(&origin, 0..0, "the file is empty").help(help));
        }
        return Err(LoadError::Invalid(reader.diagnostics));
    };
    static NOWHERE: Span = 0..0;
    let field = Field { name: "the pipeline file", key: &NOWHERE, node: root };
    let what = What { kind: "the pipeline file", name: "" };
    let Some(fields) = reader.fields(what, field, &ROOT) else { return Err(LoadError::Invalid(reader.diagnostics)) };
    let (spec, left_out) = parts(&mut reader, &fields);
    let Reader { mut diagnostics, environment, .. } = reader;
    // The order of the file, then what stands in other texts.
    diagnostics.sort_by_key(|diagnostic| (!Arc::ptr_eq(&diagnostic.file, &origin), diagnostic.span.start));
    let (errors, warnings) = diagnostics.into_iter().partition(|diagnostic| diagnostic.gravity == Gravity::Error);
    let text = origin.text().to_owned();
    let loaded = Loaded { spec, text, path, env: environment.into_reads(), warnings, origin };
    Ok(Partial { loaded, errors, left_out })
}

/// The parts of the file. Parameters come first: paths name them.
fn parts<'a>(reader: &mut Reader<'a>, fields: &Fields<'a>) -> (Spec, BTreeSet<String>) {
    let section = |reader: &mut Reader<'a>, name, example| -> &'a [Entry<'a>] {
        fields.get(name).and_then(|field| reader.map(field, example)).unwrap_or_default()
    };
    reader.read_params(fields.get("params"));
    let name = settings::name(reader, fields);
    let cache = reader.cache(fields.get("cache"));
    let python = fields.get("python").and_then(|field| reader.interpreter(field));
    let source_entries = section(reader, "sources", "{ flights: { file: data/flights.csv } }");
    let sources: Vec<_> = source_entries.iter().filter_map(|entry| reader.source(entry)).collect();
    let step_entries = section(reader, "steps", "{ clean: { sql: select * from flights } }");
    let steps: Vec<_> = step_entries.iter().filter_map(|entry| reader.step(entry)).collect();
    let mut checks = Vec::new();
    for entry in section(reader, "checks", "{ clean: [ { not_null: carrier } ] }") {
        reader.checks_of(entry, &mut checks);
    }
    let sink_entries = section(reader, "sinks", "{ report: { from: clean, file: out/report.csv } }");
    let sinks: Vec<_> = sink_entries.iter().filter_map(|entry| reader.sink(entry)).collect();
    reader.check_tables(source_entries, step_entries);
    reader.check_targets(&sinks);
    let params: BTreeMap<_, _> =
        std::mem::take(&mut reader.params).into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    let kept: BTreeSet<&str> =
        sources.iter().map(|source| source.name.as_str()).chain(steps.iter().map(|step| step.name.as_str())).collect();
    let left_out = source_entries
        .iter()
        .chain(step_entries)
        .filter(|entry| !kept.contains(entry.key.as_ref()))
        .map(|entry| entry.key.to_string())
        .collect();
    (Spec { name, cache, python, params, sources, steps, checks, sinks }, left_out)
}
