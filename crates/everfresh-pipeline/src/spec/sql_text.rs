//! SQL in the pipeline file or beside it, and where a place in it stands.

use super::{
    Loaded,
    error::{Diagnostic, Origin},
    fields::{Field, Fields},
    model::{Span, SqlOrigin},
    reader::Reader,
    substitute::variables,
    suggest::closest,
};
use crate::engine::SqlError;
use std::{fs, io, path::Path, sync::Arc};

/// A variable would be pasted into the SQL.
const BIND: &str = "give a parameter its value (`params: { name: \"${NAME}\" }`), and write `$name` in the SQL";

impl<'a> Reader<'a> {
    /// The text of `sql` or `sql_file`.
    pub fn sql(&mut self, fields: &Fields<'a>) -> Option<(String, SqlOrigin)> {
        if let Some(field) = fields.get("sql") {
            return self.inline_sql(field).map(|text| (text.to_owned(), SqlOrigin::Inline(field.span())));
        }
        let field = fields.get("sql_file")?;
        let shown = self.fill_path(field)?;
        let path = self.absolute(&shown);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) => {
                self.unreadable(field, &shown, &path, &error);
                return None;
            }
        };
        let origin = Origin::new(self.shown_folder.join(&*shown).display().to_string(), &text);
        if text.trim().is_empty() {
            self.report(self.error(field.span(), format!("`{shown}` is empty")));
            return None;
        }
        let before = self.diagnostics.len();
        for span in variables(&text) {
            self.report(Diagnostic::error(&origin, span, "variables are not filled into SQL").help(BIND));
        }
        (self.diagnostics.len() == before).then_some((text, SqlOrigin::File(path)))
    }

    /// SQL that stands in the file.
    pub fn inline_sql(&mut self, field: Field<'a>) -> Option<&'a str> {
        let text = self.raw(field)?;
        if text.trim().is_empty() {
            self.report(self.error(field.span(), format!("`{}` is empty", field.name)));
            return None;
        }
        let mut complete = true;
        for span in variables(text) {
            let at = place_in(self.origin.text(), &field.span(), text, &span).unwrap_or_else(|| field.span());
            self.report(self.error(at, "variables are not filled into SQL").help(BIND));
            complete = false;
        }
        complete.then_some(text)
    }

    pub(super) fn unreadable(&mut self, field: Field<'a>, shown: &str, path: &Path, error: &io::Error) {
        let message = match error.kind() {
            io::ErrorKind::NotFound => format!("there is no file `{shown}`"),
            io::ErrorKind::InvalidData => format!("`{shown}` is not UTF-8 text"),
            _ => format!("cannot read `{shown}`: {error}"),
        };
        let mut diagnostic = self.error(field.span(), message);
        if error.kind() == io::ErrorKind::NotFound {
            let folder = path.parent().and_then(|folder| fs::read_dir(folder).ok());
            let names: Vec<String> = folder
                .into_iter()
                .flatten()
                .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
                .take(1000)
                .collect();
            let wanted = path.file_name().and_then(|name| name.to_str()).unwrap_or("");
            diagnostic.help = closest(wanted, names.iter().map(String::as_str))
                .map(|name| format!("did you mean `{}`?", Path::new(shown).with_file_name(name).display()));
        }
        self.report(diagnostic);
    }
}

impl Loaded {
    /// What is wrong with the SQL of `what` ("step `clean`"), drawn where it stands: in its own file, in the pipeline
    /// file, or, where the YAML says the text another way (folded, escaped), in the text by itself.
    pub fn sql_error(&self, what: &str, text: &str, origin: &SqlOrigin, error: &SqlError) -> Diagnostic {
        let span = error.span.clone().unwrap_or(0..0);
        let mut diagnostic = self.sql_diagnostic(what, text, origin, span, &error.message);
        diagnostic.help = error.help.clone();
        diagnostic
    }

    /// The same for any message about a span of the SQL.
    pub fn sql_diagnostic(
        &self,
        what: &str,
        text: &str,
        origin: &SqlOrigin,
        span: Span,
        message: impl Into<String>,
    ) -> Diagnostic {
        match origin {
            SqlOrigin::Inline(scalar) => match place_in(self.origin.text(), scalar, text, &span) {
                Some(span) => Diagnostic::error(&self.origin, span, message),
                None => {
                    let name = format!("{}, {what}", self.origin.name());
                    Diagnostic::error(&Origin::new(name, text), span, message)
                }
            },
            SqlOrigin::File(path) => Diagnostic::error(&Origin::new(self.shown(path), text), span, message),
        }
    }

    /// A path beside the pipeline file, as people would write it.
    fn shown(&self, path: &Path) -> String {
        let folder = self.path.parent();
        let shown = Path::new(self.origin.name()).parent();
        match folder.and_then(|folder| path.strip_prefix(folder).ok()).zip(shown) {
            Some((relative, shown)) => shown.join(relative).display().to_string(),
            None => path.display().to_string(),
        }
    }

    /// The pipeline file as what diagnostics point into.
    pub fn origin(&self) -> &Arc<Origin> {
        &self.origin
    }
}

/// Where a span of a scalar's text stands in the file: at once if the text stands there letter by letter, line by line
/// if it is an indented block.
fn place_in(file: &str, scalar: &Span, text: &str, span: &Span) -> Option<Span> {
    let raw = file.get(scalar.clone())?;
    if let Some(at) = raw.find(text.trim_end()) {
        let start = scalar.start + at;
        return (span.end <= text.len())
            .then(|| start + span.start..(start + span.end).min(scalar.end.max(start + span.start)));
    }
    // The span of an indented block starts with its first line's text.
    let mut lines = raw.split_inclusive('\n');
    let mut at = scalar.start;
    let mut found = Vec::new();
    for wanted in text.split_inclusive('\n') {
        let wanted = wanted.trim_end_matches(['\n', '\r']);
        let line = lines.next().unwrap_or("");
        let line_text = line.trim_end_matches(['\n', '\r']);
        // White space at the end of the block's last line is not in its span.
        let indent = match line_text.strip_suffix(wanted).or_else(|| line_text.strip_suffix(wanted.trim_end())) {
            Some(indent) if indent.trim().is_empty() => indent.len(),
            _ => return None,
        };
        found.push((at + indent, at + line_text.len()));
        at += line.len();
    }
    let mut before = 0;
    let mut start = None;
    for (wanted, (from, to)) in text.split_inclusive('\n').zip(found) {
        let after = before + wanted.len();
        if span.start < after && start.is_none() {
            // A span over several lines is drawn on its first.
            let first = (from + span.start - before).min(to);
            start = Some(first..(from + span.end.min(after).saturating_sub(before)).clamp(first, to.max(first)));
        }
        before = after;
    }
    start.or_else(|| Some(at.min(scalar.end)..at.min(scalar.end)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::yaml;

    /// The text at the place of `part` in the SQL of `yaml`.
    fn at<'t>(yaml: &'t str, part: &str) -> Option<&'t str> {
        let document = yaml::parse(yaml);
        let root = document.root.unwrap();
        let node = root.get("sql").unwrap();
        let yaml::Value::Scalar { text, .. } = &node.value else { panic!("no scalar") };
        let start = text.find(part).unwrap();
        place_in(yaml, &node.span, text, &(start..start + part.len())).map(|span| &yaml[span])
    }

    #[test]
    fn a_place_in_sql_is_found_in_the_file() {
        assert_eq!(at("sql: select a from b", "from"), Some("from"));
        assert_eq!(at("sql: \"select a from b\"", "b"), Some("b"));
        assert_eq!(at("sql: 'select a from b'", "select"), Some("select"));
        let block = "sql: |\n    select a,\n      é\n\n    from b\nnext: 1\n";
        for part in ["select", "a,", "é", "from", "b"] {
            assert_eq!(at(block, part), Some(part), "{part}");
        }
        assert_eq!(at(block, "a,\n  é"), Some("a,"));
        assert_eq!(at("sql: |-\n  x\n  y\n", "y"), Some("y"));
    }

    #[test]
    fn sql_that_yaml_says_another_way_has_no_place_in_the_file() {
        assert_eq!(at("sql: >\n  select a\n  from b\n", "from"), None);
        assert_eq!(at("sql: \"select\\ta\"", "a"), None);
        assert_eq!(at("sql: 'it''s'", "s"), None);
    }
}
