//! The `sinks` part.

use super::{
    fields::{Field, Fields},
    keys::{FORMATS, SINK},
    model::{Sink, SinkFormat, SinkKind, SinkMode},
    reader::{Reader, What, list},
    yaml::Entry,
};
use everfresh_sources::Format;
use std::path::Path;

impl<'a> Reader<'a> {
    /// One sink; `None` if something is wrong with it.
    pub fn sink(&mut self, entry: &'a Entry<'a>) -> Option<Sink> {
        let named = self.sink_name(entry);
        let fields = self.fields(What { kind: "sink", name: &entry.key }, entry.into(), &SINK)?;
        let from = fields.get("from").and_then(|field| self.table_use(field));
        let kind = if let Some(file) = fields.get("file") {
            self.file_sink(file, &fields)
        } else if let Some(path) = fields.get("sqlite") {
            self.sqlite_sink(path, &fields)
        } else {
            None
        };
        named.then_some(())?;
        Some(Sink { name: entry.key.to_string(), span: entry.span.clone(), from: from?, kind: kind? })
    }

    /// No SQL names a sink, so that its name may have `-` and `.` in it.
    fn sink_name(&mut self, entry: &Entry<'_>) -> bool {
        let valid = entry.key.starts_with(|c: char| c.is_alphanumeric() || c == '_')
            && entry.key.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'));
        if !valid {
            let message = format!("`{}` cannot be the name of a sink", entry.key);
            let help = "a name has letters, digits, `_`, `-` and `.`";
            self.report(self.error(entry.span.clone(), message).help(help));
        }
        valid
    }

    fn file_sink(&mut self, file: Field<'a>, fields: &Fields<'a>) -> Option<SinkKind> {
        let path = self.fill_path(file);
        let format = fields.get("format").map(|field| self.one_of(field, &FORMATS).and_then(Format::from_name));
        let path = path?;
        let wrong = match path.rsplit_once('.') {
            _ if path.ends_with(['/', '\\']) => Some(("this names a folder", "name a file in it".to_owned())),
            Some((_, "gz" | "zst")) => Some(("sinks are not compressed", "take the last ending off".into())),
            _ => None,
        };
        if let Some((message, help)) = wrong {
            self.report(self.error(file.span(), message).help(help));
            return None;
        }
        let format = match (format, Format::from_path(Path::new(&*path))) {
            (Some(format), _) => format?,
            (None, Ok(format)) => format,
            (None, Err(_)) => {
                let message = format!("the name `{path}` does not tell the format");
                let help = format!("add `format:` with one of {}", list(&FORMATS, "and"));
                self.report(self.error(file.span(), message).help(help));
                return None;
            }
        };
        let format = match format {
            Format::Csv => SinkFormat::Csv,
            Format::Tsv => SinkFormat::Tsv,
            Format::Json => SinkFormat::Json,
            Format::Ndjson => SinkFormat::Ndjson,
            Format::Parquet => SinkFormat::Parquet,
            Format::Arrow => SinkFormat::Arrow,
        };
        Some(SinkKind::File { path: self.absolute(&path), format })
    }

    fn sqlite_sink(&mut self, path: Field<'a>, fields: &Fields<'a>) -> Option<SinkKind> {
        let path = self.fill_path(path);
        let table = fields.get("table").and_then(|field| self.filled_text(field));
        let mode =
            fields.get("mode").map_or(Some("replace"), |field| self.one_of(field, &["replace", "append", "upsert"]));
        let key = fields.get("key").map(|field| self.names(field, false));
        let mode = match (mode?, key) {
            ("upsert", Some(key)) => SinkMode::Upsert(key?),
            ("upsert", None) => {
                let at = fields.get("mode").map_or_else(|| path_span(fields), Field::span);
                let message = "`mode: upsert` needs `key`: the columns that tell rows apart";
                self.report(self.error(at, message).help("such as `key: [carrier, month]`"));
                return None;
            }
            (mode, Some(_)) => {
                let at = fields.get("key").map_or_else(|| path_span(fields), |field| field.key.clone());
                let message = format!("`key` has no meaning with `mode: {mode}`");
                self.report(self.error(at, message).help("it is for `mode: upsert`"));
                return None;
            }
            ("append", None) => SinkMode::Append,
            (_, None) => SinkMode::Replace,
        };
        Some(SinkKind::Sqlite { path: self.absolute(&path?), table: table?.into_owned(), mode })
    }
}

fn path_span(fields: &Fields<'_>) -> super::model::Span {
    fields.get("sqlite").map(Field::span).unwrap_or_default()
}
