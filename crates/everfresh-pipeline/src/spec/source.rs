//! The `sources` part.

use super::{
    error::Diagnostic,
    fields::{Field, Fields},
    keys::{FORMATS, SOURCE},
    model::{Source, SourceKind, SqliteQuery},
    reader::{Reader, What, list},
    yaml::Entry,
};
use everfresh_sources::{Format, ReadOptions, escape, is_glob, parse_type, type_names};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

/// The longest that one request may take unless said otherwise.
const TIMEOUT: Duration = Duration::from_secs(30);

impl<'a> Reader<'a> {
    /// One source; `None` if something is wrong with it.
    pub fn source(&mut self, entry: &'a Entry<'a>) -> Option<Source> {
        let named = self.check_name("a source", entry);
        let what = What { kind: "source", name: &entry.key };
        let fields = self.fields(what, entry.into(), &SOURCE)?;
        let kind = if let Some(file) = fields.get("file") {
            self.file_source(file, &fields)
        } else if let Some(path) = fields.get("sqlite") {
            self.sqlite_source(path, &fields)
        } else if let Some(url) = fields.get("url") {
            self.url_source(url, &fields)
        } else {
            None
        }?;
        named.then(|| Source { name: entry.key.to_string(), span: entry.span.clone(), kind })
    }

    fn file_source(&mut self, file: Field<'a>, fields: &Fields<'a>) -> Option<SourceKind> {
        let pattern = self.fill_path(file);
        let format = pattern.as_ref().and_then(|pattern| Format::from_path(Path::new(&**pattern)).ok());
        let options = self.reading(fields, format);
        let check = fields.get("check").and_then(|field| self.one_of(field, &["stat", "content"]));
        let pattern = pattern?;
        let unknown = options.as_ref().is_some_and(|options| options.format.is_none()) && format.is_none();
        if unknown && !is_glob(&pattern) {
            let message = format!("the name `{pattern}` does not tell the format");
            let help = format!("add `format:` with one of {}", list(&FORMATS, "and"));
            self.report(self.error(file.span(), message).help(help));
            return None;
        }
        let pattern = self.pattern(file, &pattern)?;
        Some(SourceKind::File { pattern, options: options?, check_content: check == Some("content") })
    }

    /// A path or glob made absolute. The folder's own name is no glob, whatever characters it has.
    fn pattern(&mut self, file: Field<'a>, pattern: &str) -> Option<String> {
        if Path::new(pattern).is_absolute() {
            return Some(pattern.to_owned());
        }
        let Some(folder) = self.folder.to_str() else {
            let message = format!("the path of the folder `{}` is not UTF-8", self.folder.display());
            self.report(self.error(file.span(), message));
            return None;
        };
        let relative: PathBuf = Path::new(pattern).components().filter(|part| part.as_os_str() != ".").collect();
        Path::new(&escape(folder)).join(relative).to_str().map(str::to_owned)
    }

    fn sqlite_source(&mut self, path: Field<'a>, fields: &Fields<'a>) -> Option<SourceKind> {
        let path = self.fill_path(path);
        let table = fields.get("table").map(|field| self.filled_text(field));
        let query = fields.get("query").map(|field| self.inline_sql(field));
        let bind = fields.get("bind").map(|field| {
            if query.is_none() {
                let diagnostic = self.error(field.key.clone(), "`bind` has no meaning without `query`");
                self.report(diagnostic);
            }
            let items = self.items(field, "[2013, AA]")?;
            let values: Vec<_> = items.iter().map(|item| self.fill_bound(field.item(item))).collect();
            values.into_iter().collect::<Option<Vec<_>>>()
        });
        let query = match (table, query) {
            (Some(table), None) => SqliteQuery::Table(table?.into_owned()),
            (_, query) => SqliteQuery::Query { sql: query??.to_owned(), bind: bind.unwrap_or(Some(Vec::new()))? },
        };
        let ttl = match fields.get("ttl") {
            Some(field) => Some(self.duration(field)?),
            None => None,
        };
        Some(SourceKind::Sqlite { path: self.absolute(&path?), query, ttl })
    }

    fn url_source(&mut self, field: Field<'a>, fields: &Fields<'a>) -> Option<SourceKind> {
        let url = self.fill_url(field).filter(|url| self.check_url(field, url.expose()));
        // The path tells the format as a file's name does.
        let path = url.as_ref().and_then(|url| url.expose().split(['?', '#']).next().map(PathBuf::from));
        let options = self.reading(fields, path.and_then(|path| Format::from_path(&path).ok()));
        let headers = match fields.get("headers") {
            None => Some(Vec::new()),
            Some(field) => self.map(field, "{ accept: text/csv }").and_then(|entries| {
                let headers: Vec<_> = entries.iter().map(|entry| self.header(entry)).collect();
                headers.into_iter().collect()
            }),
        };
        let ttl = fields.get("ttl").map_or(Some(Duration::ZERO), |field| self.duration(field));
        let stale_if_error = fields.get("stale_if_error").map(|field| self.duration(field));
        let timeout = fields.get("timeout").map_or(Some(TIMEOUT), |field| self.some_duration(field));
        Some(SourceKind::Url {
            url: url?,
            headers: headers?,
            ttl: ttl?,
            stale_if_error: stale_if_error.map_or(Some(None), |duration| duration.map(Some))?,
            timeout: timeout?,
            options: options?,
        })
    }

    /// The text may hold a secret: no message says it.
    fn check_url(&mut self, field: Field<'a>, url: &str) -> bool {
        let rest = ["http://", "https://"].iter().find_map(|scheme| {
            url.get(..scheme.len())
                .filter(|start| start.eq_ignore_ascii_case(scheme))
                .and_then(|_| url.get(scheme.len()..))
        });
        let diagnostic = match rest {
            None => {
                let help = "to read a file, write `file:` in the place of `url:`";
                self.error(field.span(), "a URL starts with `http://` or `https://`").help(help)
            }
            Some(rest) if rest.is_empty() || rest.starts_with(['/', '?', '#', ':']) => {
                self.error(field.span(), "this URL names no host")
            }
            Some(rest) if rest.contains(|c: char| c.is_whitespace() || c.is_control()) => {
                self.error(field.span(), "a URL has no white space in it").help("write `%20` for a space")
            }
            Some(_) => return true,
        };
        self.report(diagnostic);
        false
    }

    fn header(&mut self, entry: &'a Entry<'a>) -> Option<(String, everfresh_sources::Secret)> {
        let valid = !entry.key.is_empty()
            && entry.key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte));
        if !valid {
            let message = format!("`{}` cannot be the name of a header", entry.key);
            self.report(self.error(entry.span.clone(), message));
        }
        let value = self.fill_header(entry.into())?;
        if value.expose().contains(|c: char| c.is_control() && c != '\t') {
            let message = format!("the header `{}` has a line break or another control character in it", entry.key);
            self.report(self.error(entry.value.span.clone(), message));
            return None;
        }
        valid.then(|| (entry.key.to_string(), value))
    }

    /// How to read a file or a body whose name tells `format`.
    fn reading(&mut self, fields: &Fields<'a>, told: Option<Format>) -> Option<ReadOptions> {
        let format = fields.get("format").map(|field| self.one_of(field, &FORMATS).and_then(Format::from_name));
        let columns = fields.get("columns").map(|field| {
            let entries = self.map(field, "{ zip: string }")?;
            let columns: Vec<_> = entries.iter().map(|entry| self.column(entry)).collect();
            columns.into_iter().collect::<Option<Vec<_>>>()
        });
        let delimiter = fields.get("delimiter").map(|field| self.delimiter(field));
        let header = fields.get("header").map(|field| self.boolean(field));
        let null = fields.get("null").map(|field| self.names(field, true));
        let known = format.flatten().or(told);
        if let Some(known) = known.filter(|known| !matches!(known, Format::Csv | Format::Tsv)) {
            for field in ["delimiter", "header", "null"].iter().filter_map(|name| fields.get(name)) {
                let message = format!("`{}` has no meaning for {known}", field.name);
                self.report(self.error(field.key.clone(), message).help("it is for csv and tsv"));
            }
        }
        let usual = ReadOptions::default();
        Some(ReadOptions {
            format: format.map_or(Some(None), |format| format.map(Some))?,
            columns: columns.unwrap_or(Some(usual.columns))?,
            delimiter: delimiter.map_or(Some(usual.delimiter), |delimiter| delimiter.map(Some))?,
            header: header.unwrap_or(Some(usual.header))?,
            null: null.unwrap_or(Some(usual.null))?,
        })
    }

    fn column(&mut self, entry: &'a Entry<'a>) -> Option<(String, arrow::datatypes::DataType)> {
        let name = self.column_type(entry)?;
        parse_type(&name).map(|data_type| (entry.key.to_string(), data_type))
    }

    /// The name of a type that exists.
    pub fn column_type(&mut self, entry: &'a Entry<'a>) -> Option<String> {
        let field = Field::from(entry);
        let name = self.text(field)?;
        if parse_type(&name).is_some() {
            return Some(name.into_owned());
        }
        self.unknown(field.span(), format!("there is no type `{name}`"), &name, type_names());
        None
    }

    fn delimiter(&mut self, field: Field<'a>) -> Option<u8> {
        let text = self.text(field)?;
        match text.as_bytes() {
            b"tab" => Some(b'\t'),
            [byte] if byte.is_ascii() && !matches!(byte, b'"' | b'\n' | b'\r') => Some(*byte),
            _ => {
                let diagnostic: Diagnostic = self.error(field.span(), "`delimiter` must be one ASCII character");
                self.report(diagnostic.help("such as `\";\"`, `\"|\"` or `tab`"));
                None
            }
        }
    }
}
