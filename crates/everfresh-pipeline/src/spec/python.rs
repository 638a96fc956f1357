//! `python:` of a step, and of the pipeline.

use super::{
    fields::{Field, Fields},
    model::{PythonFunction, Span, StepKind},
    reader::Reader,
    yaml::Value,
};
use std::path::{Path, PathBuf};

impl<'a> Reader<'a> {
    /// The interpreter: a path relative to the file, or the name of a program.
    pub fn interpreter(&mut self, field: Field<'a>) -> Option<PathBuf> {
        let path = self.fill_path(field)?;
        if !path.contains('/') {
            return Some(PathBuf::from(&*path));
        }
        let absolute = self.absolute(&path);
        if absolute.is_file() {
            return Some(absolute);
        }
        let error = self.error(field.span(), format!("there is no interpreter `{path}`"));
        self.report(error.help("`python3 -m venv .venv` makes one, which is `.venv/bin/python`"));
        None
    }

    /// A step in Python.
    pub(super) fn python(&mut self, fields: &Fields<'a>, field: Field<'a>) -> Option<StepKind> {
        let from = fields.get("from").map_or(Some(Vec::new()), |field| self.table_uses(field));
        let text = self.fill_path(field)?;
        let parts = text.rsplit_once(':').filter(|(file, name)| file.ends_with(".py") && is_identifier(name));
        let Some((shown, name)) = parts else {
            let error = self.error(field.span(), format!("`{text}` does not name a function"));
            self.report(error.help("write the file and the function, as in `python: steps.py:score`"));
            return None;
        };
        let file = self.absolute(shown);
        if !file.is_file() {
            self.no_file(field, shown, &file);
            return None;
        }
        let function = PythonFunction { shown: shown.to_owned(), name: name.to_owned(), file };
        Some(StepKind::Python { function, from: from? })
    }

    /// The names of tables that must exist, and where they stand.
    fn table_uses(&mut self, field: Field<'a>) -> Option<Vec<(String, Span)>> {
        match &field.node.value {
            Value::List(items) => {
                // Says what is wrong with the list as a whole.
                self.names(field, true)?;
                items.iter().map(|item| self.table_use(field.item(item))).collect()
            }
            Value::Scalar { .. } | Value::Map(_) => self.table_use(field).map(|one| vec![one]),
        }
    }

    fn no_file(&mut self, field: Field<'a>, shown: &str, file: &Path) {
        let error = std::io::Error::from(std::io::ErrorKind::NotFound);
        self.unreadable(field, shown, file, &error);
    }
}

/// Whether Python could call something so; it knows more letters than these.
fn is_identifier(name: &str) -> bool {
    name.chars().next().is_some_and(|first| first.is_alphabetic() || first == '_')
        && name.chars().all(|c| c.is_alphanumeric() || c == '_')
}
