//! Reads nodes of the tree as what they should be, and remembers everything that is wrong instead of stopping.
//!
//! Every method that gives an `Option` has reported an error when it gives `None`, but for
//! [`Fields::get`](super::fields::Fields::get), whose `None` is an absent key.

use super::{
    LoadOptions,
    error::{Diagnostic, Origin},
    filled::Environment,
    model::Span,
    substitute::is_name,
    suggest::closest,
    yaml::Entry,
};
use crate::engine::ParamValue;
use std::{collections::BTreeMap, fmt, path::PathBuf, sync::Arc};

/// How many names are looked through for suggestions, in all: a file with thousands of errors must not take minutes.
const MOST_COMPARED: usize = 100_000;

/// What one load is about.
pub(super) struct Reader<'a> {
    /// What the caller gave.
    pub options: &'a LoadOptions<'a>,
    /// The pipeline file.
    pub origin: Arc<Origin>,
    /// Its folder, absolute.
    pub folder: PathBuf,
    /// Its folder as people wrote it.
    pub shown_folder: PathBuf,
    /// What is wrong so far.
    pub diagnostics: Vec<Diagnostic>,
    /// The parameters; `None` for one whose value is wrong.
    pub params: BTreeMap<String, Option<ParamValue>>,
    /// The environment variables that were read.
    pub environment: Environment,
    /// The tables that are named, each with where.
    pub uses: Vec<(String, Span)>,
    compared: usize,
}

/// What an error is about: "step `clean`".
#[derive(Clone, Copy)]
pub(super) struct What<'a> {
    /// What it is; empty if the name says it.
    pub kind: &'static str,
    /// Its name; empty if it has none.
    pub name: &'a str,
}

impl fmt::Display for What<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.kind, self.name) {
            (kind, "") => f.write_str(kind),
            ("", name) => f.write_str(name),
            (kind, name) => write!(f, "{kind} `{name}`"),
        }
    }
}

impl<'a> Reader<'a> {
    /// Starts a load.
    pub fn new(options: &'a LoadOptions<'a>, origin: Arc<Origin>, folder: PathBuf, shown_folder: PathBuf) -> Self {
        Self {
            options,
            origin,
            folder,
            shown_folder,
            diagnostics: Vec::new(),
            params: BTreeMap::new(),
            environment: Environment::default(),
            uses: Vec::new(),
            compared: 0,
        }
    }

    /// An error in the pipeline file, to be reported.
    pub fn error(&self, span: Span, message: impl Into<String>) -> Diagnostic {
        Diagnostic::error(&self.origin, span, message)
    }

    /// Remembers a diagnostic.
    pub fn report(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    /// The name that was probably meant.
    pub fn suggest<'n>(&mut self, word: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
        let room = MOST_COMPARED.saturating_sub(self.compared);
        let mut seen = 0;
        let found = closest(word, names.into_iter().take(room).inspect(|_| seen += 1));
        self.compared += seen;
        found
    }

    /// Reports that a name is unknown, with the nearest that is known, or all of them if they are few.
    pub fn unknown<'n>(&mut self, span: Span, message: String, word: &str, names: &[&'n str]) -> Option<&'n str> {
        let nearest = self.suggest(word, names.iter().copied());
        let help = match nearest {
            Some(nearest) => Some(format!("did you mean `{nearest}`?")),
            None if names.is_empty() || names.len() > 20 => None,
            None => Some(format!("{} {}", if names.len() == 1 { "there is" } else { "there are" }, list(names, "and"))),
        };
        let mut diagnostic = self.error(span, message);
        diagnostic.help = help;
        self.report(diagnostic);
        nearest
    }

    /// Reports a name that cannot be that of a table or a parameter.
    pub fn check_name(&mut self, what: &str, entry: &Entry<'_>) -> bool {
        let valid = is_name(&entry.key);
        if !valid {
            let message = format!("`{}` cannot be the name of {what}", entry.key);
            let help = "a name is a letter or `_`, then letters, digits and `_`, so that SQL can say it";
            self.report(self.error(entry.span.clone(), message).help(help));
        }
        valid
    }
}

/// "`a`, `b` and `c`".
pub(super) fn list(names: &[&str], and: &str) -> String {
    match names {
        [] => String::new(),
        [one] => format!("`{one}`"),
        [first @ .., last] => format!("`{}` {and} `{last}`", first.join("`, `")),
    }
}
