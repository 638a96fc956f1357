//! Maps with known keys: which keys are there, which are unknown, absent, or exclude each other.

use super::{
    keys::{Key, Kind, ROOT, Shape, Table},
    model::Span,
    reader::{Reader, What, list},
    values::{describe, is_null},
    yaml::{Entry, Node, Value},
};

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
