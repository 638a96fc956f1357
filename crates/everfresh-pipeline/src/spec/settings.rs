//! The `cache` and `params` parts, and `--param`.

use super::{
    error::{Diagnostic, Origin},
    fields::{Field, Fields},
    keys::{CACHE, Table},
    model::CacheSpec,
    reader::{Reader, What},
    yaml::Value,
};
use crate::engine::ParamValue;
use std::path::PathBuf;

/// The most bytes that the cache may hold unless said otherwise.
const MAX_SIZE: u64 = 5_000_000_000;

/// A record, or `true` or `false` for one with just `enabled`.
pub(super) enum Switch<'a> {
    /// `true` or `false`.
    Only(bool),
    /// A record.
    Fields(Fields<'a>),
}

impl<'a> Reader<'a> {
    /// Reads a record in whose place `true` or `false` may stand.
    pub fn switch(&mut self, what: What<'_>, field: Field<'a>, table: &'static Table) -> Option<Switch<'a>> {
        match &field.node.value {
            Value::Scalar { .. } => self.boolean(field).map(Switch::Only),
            Value::List(_) | Value::Map(_) => self.fields(what, field, table).map(Switch::Fields),
        }
    }

    /// The `cache` part.
    pub fn cache(&mut self, field: Option<Field<'a>>) -> CacheSpec {
        let dir = self.folder.join(".everfresh");
        let mut cache = CacheSpec { dir, max_size: MAX_SIZE, enabled: true, version: 0 };
        let what = What { kind: "`cache`", name: "" };
        match field.and_then(|field| self.switch(what, field, &CACHE)) {
            None => {}
            Some(Switch::Only(enabled)) => cache.enabled = enabled,
            Some(Switch::Fields(fields)) => {
                let dir = fields.get("dir").and_then(|field| self.fill_path(field));
                cache.dir = dir.map_or(cache.dir, |dir| self.absolute(&dir));
                cache.max_size = fields.get("max_size").and_then(|field| self.size(field)).unwrap_or(MAX_SIZE);
                cache.enabled = fields.get("enabled").and_then(|field| self.boolean(field)).unwrap_or(true);
                cache.version = fields.get("version").and_then(|field| self.whole(field, u64::MAX)).unwrap_or(0);
            }
        }
        if let Some(dir) = self.options.cache_dir {
            cache.dir = std::path::absolute(dir).unwrap_or_else(|_| dir.to_path_buf());
        }
        cache
    }

    /// The `params` part, then what the command line says of it.
    pub fn read_params(&mut self, field: Option<Field<'a>>) {
        let entries = field.and_then(|field| self.map(field, "{ year: 2013 }")).unwrap_or_default();
        for entry in entries {
            self.check_name("a parameter", entry);
            let value = self.value(entry.into());
            self.params.insert(entry.key.to_string(), value);
        }
        let given = self.options.params;
        for (name, text) in given {
            self.give(name, text);
        }
    }

    fn give(&mut self, name: &str, text: &str) {
        let line = format!("--param {name}={text}");
        let origin = Origin::new("command line", &line);
        let start = "--param ".len();
        match self.params.get(name) {
            None => {
                let names: Vec<String> = self.params.keys().cloned().collect();
                let nearest = self.suggest(name, names.iter().map(String::as_str));
                let help = match nearest {
                    Some(nearest) => format!("did you mean `{nearest}`?"),
                    None => "declare it, with its usual value, in the `params` of the pipeline file".into(),
                };
                let message = format!("there is no parameter `{name}`");
                self.report(Diagnostic::error(&origin, start..start + name.len(), message).help(help));
            }
            Some(None) => {}
            Some(Some(usual)) => match typed(text, usual) {
                Some(value) => {
                    self.params.insert(name.to_owned(), Some(value));
                }
                None => {
                    let at = start + name.len() + 1;
                    let message = format!("the parameter `{name}` must be {}", type_of(usual));
                    let help = format!("the pipeline file says `{name}: {usual}`");
                    self.report(Diagnostic::error(&origin, at..line.len(), message).help(help));
                }
            },
        }
    }

    /// A path of the pipeline file: relative ones start at its folder.
    pub fn absolute(&self, path: &str) -> PathBuf {
        // Going through the components takes every `.` out.
        self.folder.join(path).components().collect()
    }
}

/// A text as a value of the same type as another.
fn typed(text: &str, like: &ParamValue) -> Option<ParamValue> {
    match like {
        ParamValue::Bool(_) => text.parse().ok().map(ParamValue::Bool),
        ParamValue::Int(_) => text.parse().ok().map(ParamValue::Int),
        ParamValue::Float(_) => text.parse().ok().filter(|value: &f64| value.is_finite()).map(ParamValue::Float),
        ParamValue::Text(_) => Some(ParamValue::Text(text.to_owned())),
    }
}

fn type_of(value: &ParamValue) -> &'static str {
    match value {
        ParamValue::Bool(_) => "`true` or `false`",
        ParamValue::Int(_) => "a whole number",
        ParamValue::Float(_) => "a number",
        ParamValue::Text(_) => "a text",
    }
}

/// The pipeline's name: what the file says, else its folder's name.
pub(super) fn name<'a>(reader: &mut Reader<'a>, fields: &Fields<'a>) -> String {
    let given = fields.get("name").and_then(|field| reader.filled_text(field)).map(|name| name.into_owned());
    given.unwrap_or_else(|| {
        reader.folder.file_name().map_or_else(|| "pipeline".into(), |name| name.to_string_lossy().into_owned())
    })
}
