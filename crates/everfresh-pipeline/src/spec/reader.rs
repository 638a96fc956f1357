//! Reads nodes of the tree as what they should be, and remembers everything that is wrong instead of stopping.
//!
//! Every method that gives an `Option` has reported an error when it gives `None`, but for [`Fields::get`], whose `None`
//! is an absent key.

use super::{
    LoadOptions,
    error::{Diagnostic, Origin},
    filled::Environment,
    keys::{Key, Kind, ROOT, Shape, Table},
    model::{MaxBad, Span},
    quantity::{DURATION_HELP, SIZE_HELP, parse_duration, parse_max_bad, parse_size, seconds_to_duration},
    scalar::Scalar,
    substitute::is_name,
    suggest::closest,
    yaml::{Entry, Node, Value},
};
use crate::engine::ParamValue;
use std::{
    borrow::Cow,
    collections::{BTreeMap, HashSet},
    fmt,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

/// How many names are looked through for suggestions, in all: a file with thousands of errors must not take minutes.
const MOST_COMPARED: usize = 200_000;

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

/// The value of a key.
#[derive(Clone, Copy)]
pub(super) struct Field<'a> {
    /// The key.
    pub name: &'a str,
    /// Where the key stands.
    pub key: &'a Span,
    /// The value.
    pub node: &'a Node<'a>,
}

impl<'a> Field<'a> {
    /// An item of a list that is the value of the same key.
    pub fn item(self, node: &'a Node<'a>) -> Self {
        Self { node, ..self }
    }

    /// Where the value stands.
    pub fn span(self) -> Span {
        self.node.span.clone()
    }
}

impl<'a> From<&'a Entry<'a>> for Field<'a> {
    fn from(entry: &'a Entry<'a>) -> Self {
        Self { name: &entry.key, key: &entry.span, node: &entry.value }
    }
}

/// The known keys of a map that have a value.
pub(super) struct Fields<'a> {
    table: &'static Table,
    entries: Vec<&'a Entry<'a>>,
}

impl<'a> Fields<'a> {
    /// The value of a key, `None` if it is absent.
    pub fn get(&self, name: &str) -> Option<Field<'a>> {
        debug_assert!(self.table.all().any(|key| key.name == name), "`{name}` is no key of {}", self.table.about);
        self.entries.iter().find(|entry| entry.key == name).map(|entry| Field::from(*entry))
    }

    /// Whether any of these keys has a value.
    pub fn any(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.get(name).is_some())
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

    /// Reads a map with known keys; `at` is where an error about an absent key points. `None` only if it is no map.
    pub fn fields(&mut self, what: What<'_>, field: Field<'a>, table: &'static Table) -> Option<Fields<'a>> {
        let Value::Map(entries) = &field.node.value else {
            let help = match table.kinds.is_empty() {
                true => format!("its keys are {}", names_of(table.all())),
                false => format!("it has one of {}", marks_of(table)),
            };
            let at = if is_null(field.node) { self.at(field) } else { field.span() };
            let label = describe(field.node);
            let message = format!("{what} must be a map");
            self.report(self.error(at, message).label(label).help(help));
            return None;
        };
        let mut marked: Option<(&'static Kind, &'a Entry<'a>)> = None;
        for entry in entries {
            let Some(kind) = table.marked(&entry.key) else { continue };
            match marked {
                Some((first, mark)) if !std::ptr::eq(first, kind) => self.exclude(what, mark, entry),
                Some(_) => {}
                None => marked = Some((kind, entry)),
            }
        }
        let kind = marked.map(|(kind, _)| kind);
        let mut suggested = Vec::new();
        let mut strange = false;
        let mut known = Vec::with_capacity(entries.len());
        for entry in entries {
            let name = entry.key.as_ref();
            let found = table.common.iter().chain(kind.into_iter().flat_map(Kind::own)).find(|key| key.name == name);
            let elsewhere = || table.all().find(|key| key.name == name);
            match (found, kind) {
                (Some(key), _) => self.keep(entry, key, table, &mut known),
                // Without a mark nobody knows what it is: look at the value all the same.
                (None, None) if elsewhere().is_some() => {
                    elsewhere().into_iter().for_each(|key| self.keep(entry, key, table, &mut known))
                }
                (None, _) if table.extensions && name.starts_with("x-") => {}
                // A mark of another kind is reported already.
                (None, Some(_)) if table.marked(name).is_some() => {}
                (None, Some(kind)) if elsewhere().is_some() => {
                    let message = format!("`{name}` has no meaning in {}", kind.about);
                    let help = format!("it takes {}", names_of(table.common.iter().chain(kind.own())));
                    self.report(self.error(entry.span.clone(), message).help(help));
                }
                (None, _) => {
                    strange = true;
                    let mut names: Vec<&str> = match kind {
                        Some(kind) => table.common.iter().chain(kind.own()).map(|key| key.name).collect(),
                        None => table.all().map(|key| key.name).collect(),
                    };
                    names.sort_unstable();
                    names.dedup();
                    let message = format!("unknown key `{name}` in {what}");
                    suggested.extend(self.unknown(entry.span.clone(), message, name, &names));
                }
            }
        }
        let fields = Fields { table, entries: known };
        let present = |name: &str| entries.iter().any(|entry| entry.key == name) || suggested.contains(&name);
        if kind.is_none() && !table.kinds.is_empty() && !strange {
            self.missing(field, format!("{what} needs {}", marks_of(table)));
        }
        for key in table.common.iter().chain(kind.into_iter().flat_map(Kind::own)) {
            if key.required && !present(key.name) {
                self.missing(field, format!("{what} needs `{}`: {}", key.name, lower(key.about)));
            }
        }
        for group in kind.map_or(&[][..], |kind| kind.one_of) {
            let mut there = entries.iter().filter(|entry| group.contains(&entry.key.as_ref()));
            match (there.next(), there.next()) {
                (None, _) if !group.iter().any(|name| present(name)) => {
                    self.missing(field, format!("{what} needs {}", list(group, "or")));
                }
                (Some(first), Some(second)) => self.exclude(what, first, second),
                _ => {}
            }
        }
        Some(fields)
    }

    /// Keeps a known key; one without a value is an error, but for the sections of the file.
    fn keep(&mut self, entry: &'a Entry<'a>, key: &Key, table: &Table, known: &mut Vec<&'a Entry<'a>>) {
        if is_null(&entry.value) {
            if !(std::ptr::eq(table, &ROOT) && matches!(key.shape, Shape::MapOf(_))) {
                let message = format!("`{}` has no value", key.name);
                self.report(self.error(entry.span.clone(), message).help("give it one, or take the key out"));
            }
            return;
        }
        known.push(entry);
    }

    fn missing(&mut self, field: Field<'a>, message: String) {
        let at = self.at(field);
        self.report(self.error(at, message));
    }

    fn exclude(&mut self, what: What<'_>, first: &Entry<'_>, second: &Entry<'_>) {
        let message = format!("`{}` and `{}` exclude each other in {what}", first.key, second.key);
        let diagnostic = self.error(second.span.clone(), message).also(first.span.clone(), "first given here");
        self.report(diagnostic.help("keep one of them"));
    }

    /// Where to point if something is wrong with the whole value: at its key, or at the item of a list.
    fn at(&self, field: Field<'a>) -> Span {
        if field.key.is_empty() { field.span() } else { field.key.clone() }
    }

    /// The entries of a map from names that people choose.
    pub fn map(&mut self, field: Field<'a>, of: &str) -> Option<&'a [Entry<'a>]> {
        match &field.node.value {
            Value::Map(entries) => Some(entries),
            Value::List(_) | Value::Scalar { .. } => {
                self.wrong(field, "a map", &format!("such as `{of}`"));
                None
            }
        }
    }

    /// The items of a list.
    pub fn items(&mut self, field: Field<'a>, of: &str) -> Option<&'a [Node<'a>]> {
        match &field.node.value {
            Value::List(items) => Some(items),
            Value::Map(_) | Value::Scalar { .. } => {
                self.wrong(field, "a list", &format!("such as `{of}`"));
                None
            }
        }
    }

    /// Reports that a value is of the wrong type.
    pub fn wrong(&mut self, field: Field<'a>, expected: &str, help: &str) {
        let message = format!("`{}` must be {expected}", field.name);
        let diagnostic = self.error(field.span(), message).label(describe(field.node));
        self.report(if help.is_empty() { diagnostic } else { diagnostic.help(help) });
    }

    /// A scalar, variables filled in.
    pub fn scalar(&mut self, field: Field<'a>, expected: &str, help: &str) -> Option<Scalar<'a>> {
        let Value::Scalar { text, plain } = &field.node.value else {
            self.wrong(field, expected, help);
            return None;
        };
        let text = self.fill_value(field, text)?;
        Some(if *plain { Scalar::plain(text) } else { Scalar::Text(text) })
    }

    /// A scalar that is no text: what variables give is taken for what it looks like, even in quotes, since `{ a: ${B} }`
    /// needs them.
    fn typed(&mut self, field: Field<'a>, expected: &str, help: &str) -> Option<Scalar<'a>> {
        match (self.scalar(field, expected, help)?, &field.node.value) {
            (Scalar::Text(filled), Value::Scalar { text, .. }) if filled != *text => Some(Scalar::plain(filled)),
            (scalar, _) => Some(scalar),
        }
    }

    /// A text, variables filled in. A number is none.
    pub fn text(&mut self, field: Field<'a>) -> Option<Cow<'a, str>> {
        match self.scalar(field, "a text", "")? {
            Scalar::Text(text) => Some(text),
            Scalar::Null => self.none(field, "a text", "give it a value"),
            _ => self.none(field, "a text", "put it in quotes"),
        }
    }

    /// A text that is not empty.
    pub fn filled_text(&mut self, field: Field<'a>) -> Option<Cow<'a, str>> {
        let text = self.text(field)?;
        if text.trim().is_empty() {
            let message = format!("`{}` is empty", field.name);
            self.report(self.error(field.span(), message));
            return None;
        }
        Some(text)
    }

    /// A text, or a number or boolean as it is written.
    pub fn loose(&mut self, field: Field<'a>) -> Option<Cow<'a, str>> {
        match &field.node.value {
            Value::Scalar { text, .. } if is_null(field.node) => {
                let _ = text;
                self.none(field, "a text", "write `\"\"` for an empty text")
            }
            Value::Scalar { text, .. } => self.fill_value(field, text),
            Value::List(_) | Value::Map(_) => self.none(field, "a text", ""),
        }
    }

    /// A text in which nothing is replaced.
    pub fn raw(&mut self, field: Field<'a>) -> Option<&'a str> {
        match &field.node.value {
            Value::Scalar { text, plain } => match plain {
                true if !matches!(Scalar::plain(Cow::Borrowed(text)), Scalar::Text(_)) => {
                    self.none(field, "a text", "put it in quotes")
                }
                _ => Some(text),
            },
            Value::List(_) | Value::Map(_) => self.none(field, "a text", ""),
        }
    }

    fn none<T>(&mut self, field: Field<'a>, expected: &str, help: &str) -> Option<T> {
        self.wrong(field, expected, help);
        None
    }

    /// `5m`, or a number of seconds.
    pub fn duration(&mut self, field: Field<'a>) -> Option<Duration> {
        let duration = match self.typed(field, "a duration", DURATION_HELP)? {
            Scalar::Int(seconds) => seconds_to_duration(seconds as f64),
            Scalar::Float(seconds) => seconds_to_duration(seconds),
            Scalar::Text(text) => parse_duration(&text),
            Scalar::Null | Scalar::Bool(_) | Scalar::Huge(_) => None,
        };
        duration.or_else(|| self.none(field, "a duration", DURATION_HELP))
    }

    /// A duration that is not zero.
    pub fn some_duration(&mut self, field: Field<'a>) -> Option<Duration> {
        let duration = self.duration(field)?;
        if duration.is_zero() { self.none(field, "a duration above zero", DURATION_HELP) } else { Some(duration) }
    }

    /// `5GB`, or a number of bytes.
    pub fn size(&mut self, field: Field<'a>) -> Option<u64> {
        let size = match self.typed(field, "a size", SIZE_HELP)? {
            Scalar::Int(bytes) => u64::try_from(bytes).ok(),
            Scalar::Text(text) => parse_size(&text),
            _ => None,
        };
        size.or_else(|| self.none(field, "a size", SIZE_HELP))
    }

    /// `true` or `false`.
    pub fn boolean(&mut self, field: Field<'a>) -> Option<bool> {
        match self.typed(field, "`true` or `false`", "")? {
            Scalar::Bool(value) => Some(value),
            _ => self.none(field, "`true` or `false`", ""),
        }
    }

    /// A whole number from 0 to `most`.
    pub fn whole(&mut self, field: Field<'a>, most: u64) -> Option<u64> {
        let expected = "a whole number that is not negative";
        match self.typed(field, expected, "")? {
            Scalar::Int(value) if value > 0 && value.cast_unsigned() > most => {
                self.none(field, &format!("at most {most}"), "")
            }
            Scalar::Int(value) if value >= 0 => Some(value.cast_unsigned()),
            _ => self.none(field, expected, ""),
        }
    }

    /// A number; `None` inside for null or an infinite one.
    pub fn bound(&mut self, field: Field<'a>) -> Option<Option<f64>> {
        match self.typed(field, "a number", "null is open")? {
            Scalar::Null => Some(None),
            Scalar::Int(value) => Some(Some(value as f64)),
            Scalar::Huge(value) | Scalar::Float(value) if !value.is_nan() => {
                Some(Some(value).filter(|v| v.is_finite()))
            }
            Scalar::Text(_) => self.none(field, "a number", "for dates and texts, write a `sql` check"),
            _ => self.none(field, "a number", "null is open"),
        }
    }

    /// One of the words.
    pub fn one_of(&mut self, field: Field<'a>, words: &[&'static str]) -> Option<&'static str> {
        let expected = list(words, "or");
        let Scalar::Text(text) = self.scalar(field, &expected, "")? else { return self.none(field, &expected, "") };
        if let Some(word) = words.iter().find(|word| **word == text) {
            return Some(word);
        }
        let message = format!("`{}` must be {expected}", field.name);
        let mut diagnostic = self.error(field.span(), message);
        diagnostic.help = self.suggest(&text, words.iter().copied()).map(|word| format!("did you mean `{word}`?"));
        self.report(diagnostic);
        None
    }

    /// A count or a percentage.
    pub fn max_bad(&mut self, field: Field<'a>) -> Option<MaxBad> {
        let (expected, help) = ("a count or a percentage", "such as `2` or `1%`");
        let max_bad = match self.typed(field, expected, help)? {
            Scalar::Int(count) => u64::try_from(count).ok().map(MaxBad::Count),
            Scalar::Text(text) => parse_max_bad(&text),
            _ => None,
        };
        max_bad.or_else(|| self.none(field, expected, help))
    }

    /// A value that a parameter can have.
    pub fn value(&mut self, field: Field<'a>) -> Option<ParamValue> {
        let expected = "a text, a number, `true` or `false`";
        match self.scalar(field, expected, "")? {
            Scalar::Bool(value) => Some(ParamValue::Bool(value)),
            Scalar::Int(value) => Some(ParamValue::Int(value)),
            Scalar::Float(value) if value.is_finite() => Some(ParamValue::Float(value)),
            Scalar::Text(text) => Some(ParamValue::Text(text.into_owned())),
            Scalar::Huge(_) => {
                self.none(field, "a number that fits into 64 bits", "put it in quotes to make it a text")
            }
            Scalar::Null | Scalar::Float(_) => self.none(field, expected, ""),
        }
    }

    /// A text or a list of texts, none of them twice, at least one; `loose` takes numbers as they are written.
    pub fn names(&mut self, field: Field<'a>, loose: bool) -> Option<Vec<String>> {
        let nodes = match &field.node.value {
            Value::List(items) => items.as_slice(),
            Value::Scalar { .. } => std::slice::from_ref(field.node),
            Value::Map(_) if loose => return self.none(field, "a text or a list of texts", ""),
            Value::Map(_) => return self.none(field, "a name or a list of names", ""),
        };
        if nodes.is_empty() && !loose {
            let message = format!("`{}` is an empty list", field.name);
            self.report(self.error(field.span(), message).help("name at least one"));
            return None;
        }
        let mut names = Vec::with_capacity(nodes.len());
        let mut seen = HashSet::new();
        let mut complete = true;
        for node in nodes {
            let item = field.item(node);
            let name = if loose { self.loose(item) } else { self.filled_text(item) };
            let Some(name) = name else {
                complete = false;
                continue;
            };
            if nodes.len() > 1 && !seen.insert(name.to_string()) {
                let message = format!("`{name}` is given twice in `{}`", field.name);
                self.report(self.error(node.span.clone(), message).help("keep one of them"));
                complete = false;
            }
            names.push(name.into_owned());
        }
        complete.then_some(names)
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

/// Whether a node is an empty scalar or `null`.
pub(super) fn is_null(node: &Node<'_>) -> bool {
    match &node.value {
        Value::Scalar { text, plain: true } => Scalar::plain(Cow::Borrowed(text)) == Scalar::Null,
        Value::Scalar { .. } | Value::List(_) | Value::Map(_) => false,
    }
}

/// What a node is, for a label. It does not say the value: it may be a secret.
fn describe(node: &Node<'_>) -> String {
    match &node.value {
        Value::List(_) => "this is a list".into(),
        Value::Map(_) => "this is a map".into(),
        Value::Scalar { text, plain } => {
            let scalar = if *plain { Scalar::plain(Cow::Borrowed(text)) } else { Scalar::Text(Cow::Borrowed(text)) };
            format!("this is {}", scalar.describe())
        }
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

fn names_of(keys: impl Iterator<Item = &'static Key>) -> String {
    let mut names: Vec<&str> = Vec::new();
    keys.for_each(|key| {
        if !names.contains(&key.name) {
            names.push(key.name)
        }
    });
    list(&names, "and")
}

fn marks_of(table: &Table) -> String {
    let marks: Vec<&str> = table.kinds.iter().flat_map(|kind| kind.marks).copied().collect();
    list(&marks, "or")
}

/// A sentence without its capital and its full stop.
fn lower(sentence: &str) -> String {
    let sentence = sentence.trim_end_matches('.');
    let mut chars = sentence.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}
