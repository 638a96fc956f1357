//! Texts with their references filled in: environment variables, secrets and parameters.
//!
//! Every variable is read once, and remembered as what was seen of it. Secrets come only into the URLs and headers of
//! sources; what is shown of those has `${secret:NAME}` in the secret's place and `***` in that of any other credential.

use super::{
    EnvRead, credentials,
    fields::Field,
    model::Span,
    reader::Reader,
    substitute::{Piece, is_literal, pieces},
    values::is_null,
    yaml::Value,
};
use crate::engine::ParamValue;
use everfresh::FingerprintBuilder;
use everfresh_sources::Secret;
use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
};

/// Schemes of an `authorization` header, which may be shown.
const SCHEMES: [&str; 4] = ["Basic ", "Bearer ", "Token ", "ApiKey "];

/// The environment variables that were read.
#[derive(Default)]
pub(super) struct Environment {
    values: HashMap<String, Option<String>>,
    reads: Vec<EnvRead>,
    seen: HashSet<(String, bool)>,
    secret_key: Option<[u8; 32]>,
}

impl Environment {
    /// What was read, each variable once, in order of first appearance.
    pub fn into_reads(self) -> Vec<EnvRead> {
        self.reads
    }
}

/// Where a text stands, and so what may stand in it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Variables.
    Value,
    /// Variables and parameters.
    Path,
    /// Variables, secrets and percent-encoded parameters.
    Url,
    /// Variables and secrets.
    Header,
}

/// A text with its references filled in.
#[derive(Default)]
struct Filled<'a> {
    text: String,
    /// Where secrets came to stand, and how each is shown.
    secrets: Vec<(Span, String)>,
    /// Which parts stand in the file as they are.
    literals: Vec<Span>,
    /// Where other variables came to stand.
    variables: Vec<(Span, &'a str)>,
}

impl<'a> Reader<'a> {
    /// A value with its variables filled in.
    pub fn fill_value(&mut self, field: Field<'a>, text: &'a str) -> Option<Cow<'a, str>> {
        if is_literal(text, false) {
            return Some(Cow::Borrowed(text));
        }
        self.fill(field, text, Place::Value).map(|filled| Cow::Owned(filled.text))
    }

    /// A path as written, with variables and parameters filled in; not yet absolute.
    pub fn fill_path(&mut self, field: Field<'a>) -> Option<Cow<'a, str>> {
        let text = self.raw(field)?;
        let path = match is_literal(text, true) {
            true => Cow::Borrowed(text),
            false => Cow::Owned(self.fill(field, text, Place::Path)?.text),
        };
        if path.trim().is_empty() || path.contains('\0') {
            let message = format!("`{}` is no path", field.name);
            self.report(self.error(field.span(), message));
            return None;
        }
        Some(path)
    }

    /// A value to bind: `{name}` alone is that parameter's value with its type.
    pub fn fill_bound(&mut self, field: Field<'a>) -> Option<ParamValue> {
        let value = self.value(field)?;
        let ParamValue::Text(text) = &value else { return Some(value) };
        if is_literal(text, true) {
            return Some(value);
        }
        let raw = self.raw(field)?;
        if let Ok([(_, Piece::Param(name))]) = pieces(raw, true).as_deref()
            && let Some(value) = self.params.get(*name)
        {
            return value.clone();
        }
        self.fill(field, raw, Place::Path).map(|filled| ParamValue::Text(filled.text))
    }

    /// A URL.
    pub fn fill_url(&mut self, field: Field<'a>) -> Option<Secret> {
        let text = self.raw(field)?;
        let filled = self.fill(field, text, Place::Url)?;
        let hidden = credentials::in_url(&filled.text);
        Some(self.conceal(field, filled, hidden))
    }

    /// The value of a header.
    pub fn fill_header(&mut self, field: Field<'a>) -> Option<Secret> {
        let text = self.loose_raw(field)?;
        let filled = self.fill(field, text, Place::Header)?;
        let mut hidden = Vec::new();
        if credentials::is_credential(field.name) {
            let scheme = SCHEMES
                .iter()
                .find(|scheme| filled.text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)));
            hidden.push(scheme.map_or(0, |scheme| scheme.len())..filled.text.len());
        }
        Some(self.conceal(field, filled, hidden))
    }

    fn loose_raw(&mut self, field: Field<'a>) -> Option<&'a str> {
        match &field.node.value {
            Value::Scalar { text, .. } if !is_null(field.node) => Some(text),
            Value::Scalar { .. } | Value::List(_) | Value::Map(_) => {
                self.wrong(field, "a text", "");
                None
            }
        }
    }

    fn fill(&mut self, field: Field<'a>, text: &'a str, place: Place) -> Option<Filled<'a>> {
        let pieces = match pieces(text, matches!(place, Place::Path | Place::Url)) {
            Ok(pieces) => pieces,
            Err(malformed) => {
                let at = self.within(field, text.get(malformed.span).unwrap_or(""));
                self.report(self.error(at, malformed.message).help(malformed.help));
                return None;
            }
        };
        let mut filled = Filled::default();
        let mut complete = true;
        for (span, piece) in pieces {
            let start = filled.text.len();
            let source = text.get(span).unwrap_or("");
            let value = match piece {
                Piece::Literal(literal) => {
                    filled.literals.push(start..start + literal.len());
                    Some(Cow::Borrowed(literal))
                }
                Piece::Env { name, default } => self.variable(field, name, default).map(Cow::Owned),
                Piece::Secret(name) => self.secret(field, name, source, place).map(Cow::Owned),
                Piece::Param(name) => self.param(field, name, source, place),
            };
            match value {
                Some(value) => filled.text.push_str(&value),
                None => complete = false,
            }
            let span = start..filled.text.len();
            match piece {
                Piece::Secret(_) => filled.secrets.push((span, source.to_owned())),
                Piece::Env { name, .. } => filled.variables.push((span, name)),
                Piece::Literal(_) | Piece::Param(_) => {}
            }
        }
        complete.then_some(filled)
    }

    /// Where a part of a value stands; the whole value if it does not stand there letter by letter.
    fn within(&self, field: Field<'a>, part: &str) -> Span {
        let span = field.span();
        let found = self.origin.text().get(span.clone()).and_then(|raw| raw.find(part));
        found.filter(|_| !part.is_empty()).map_or(span.clone(), |at| span.start + at..span.start + at + part.len())
    }

    fn read_env(&mut self, name: &str) -> Option<String> {
        if let Some(value) = self.environment.values.get(name) {
            return value.clone();
        }
        let value = (self.options.env)(name);
        self.environment.values.insert(name.to_owned(), value.clone());
        value
    }

    fn secret_key(&mut self) -> [u8; 32] {
        *self.environment.secret_key.get_or_insert_with(|| (self.options.secret_key)())
    }

    fn remember(&mut self, name: &str, value: Option<&str>, secret: bool) {
        if !self.environment.seen.insert((name.to_owned(), secret)) {
            return;
        }
        let value = value.map(|value| match secret {
            true => *Secret::keyed(value, "", &self.secret_key()).fingerprint(),
            false => FingerprintBuilder::new("everfresh.env").str(value).finish(),
        });
        self.environment.reads.push(EnvRead { name: name.to_owned(), value, secret });
    }

    /// A variable turned out to hold a credential: what is remembered of it must not help to guess it.
    fn keep_secret(&mut self, name: &str) {
        self.environment.reads.retain(|read| read.name != name || read.secret);
        let value = self.read_env(name);
        self.remember(name, value.as_deref(), true);
    }

    fn variable(&mut self, field: Field<'a>, name: &str, default: Option<&str>) -> Option<String> {
        let value = self.read_env(name);
        self.remember(name, value.as_deref(), false);
        match (value, default) {
            (Some(value), Some(default)) if value.is_empty() => Some(default.to_owned()),
            (Some(value), _) => Some(value),
            (None, Some(default)) => Some(default.to_owned()),
            (None, None) => {
                let help = format!("set it, or say what stands in for it: `${{{name}:-…}}`");
                self.unset(field, name, &format!("${{{name}}}"), help);
                None
            }
        }
    }

    fn unset(&mut self, field: Field<'a>, name: &str, source: &str, help: String) {
        let at = self.within(field, source);
        self.report(self.error(at, format!("the environment variable `{name}` is not set")).help(help));
    }

    fn secret(&mut self, field: Field<'a>, name: &str, source: &str, place: Place) -> Option<String> {
        if !matches!(place, Place::Url | Place::Header) {
            let at = self.within(field, source);
            let message = format!("a secret cannot stand in `{}`", field.name);
            self.report(self.error(at, message).help("secrets go into the `url` and the `headers` of a source"));
            return None;
        }
        let value = self.read_env(name);
        self.remember(name, value.as_deref(), true);
        if value.is_none() {
            self.unset(field, name, source, format!("set `{name}`; a secret has no default"));
        }
        value
    }

    fn param(&mut self, field: Field<'a>, name: &str, source: &str, place: Place) -> Option<Cow<'a, str>> {
        match self.params.get(name) {
            // What is wrong with it is reported where it is declared.
            Some(None) => None,
            Some(Some(value)) if place == Place::Url => Some(Cow::Owned(percent_encoded(&value.to_string()))),
            Some(Some(value)) => Some(Cow::Owned(value.to_string())),
            None => {
                let at = self.within(field, source);
                let names: Vec<String> = self.params.keys().cloned().collect();
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                self.unknown(at, format!("there is no parameter `{name}`"), name, &names);
                None
            }
        }
    }

    /// Makes a secret of a text if there is a credential in it, and warns of one that stands in the file.
    fn conceal(&mut self, field: Field<'a>, filled: Filled<'_>, hidden: Vec<Span>) -> Secret {
        let exposed = hidden.iter().any(|range| {
            // A user's name alone is no secret beside a password that is one.
            let after = filled.text.get(range.end..).unwrap_or("");
            let user =
                filled.text.get(range.clone()).and_then(|text| text.find(':')).filter(|_| after.starts_with('@'));
            let range = range.start + user.map_or(0, |colon| colon + 1)..range.end;
            filled.literals.iter().any(|literal| {
                let both = range.start.max(literal.start)..range.end.min(literal.end).max(range.start);
                filled.text.get(both).is_some_and(|text| text.chars().any(char::is_alphanumeric))
            })
        });
        if exposed {
            let message = format!("a credential stands in `{}` for everybody to read", field.name);
            let help = "keep it in an environment variable, and write `${secret:NAME}`";
            let warning = super::error::Diagnostic::warning(&self.origin, field.span(), message);
            self.report(warning.help(help));
        }
        for (span, name) in &filled.variables {
            if hidden.iter().any(|range| range.start < span.end && span.start < range.end) {
                self.keep_secret(name);
            }
        }
        if hidden.is_empty() && filled.secrets.is_empty() {
            return Secret::public(filled.text);
        }
        let shown = redacted(&filled, &hidden);
        let key = self.secret_key();
        Secret::keyed(filled.text, shown, &key)
    }
}

/// The text with what may be shown in the place of secrets and of `hidden` parts.
fn redacted(filled: &Filled<'_>, hidden: &[Span]) -> String {
    let mut shown = String::new();
    let mut secrets = filled.secrets.iter().peekable();
    let mut after = 0;
    let mut starred = false;
    for (at, c) in filled.text.char_indices().chain(std::iter::once((filled.text.len(), '\0'))) {
        while let Some((span, name)) = secrets.next_if(|(span, _)| span.start <= at) {
            shown.push_str(name);
            after = span.end;
            starred = false;
        }
        if at < after || at == filled.text.len() {
            continue;
        }
        let hide = hidden.iter().any(|range| range.contains(&at));
        match (hide, starred) {
            (false, _) => shown.push(c),
            (true, false) => shown.push_str("***"),
            (true, true) => {}
        }
        starred = hide;
    }
    shown
}

fn percent_encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_has_no_secret_in_it() {
        let filled = Filled {
            text: "https://user:pw@host/?token=abc&x=1".into(),
            secrets: vec![(13..15, "${secret:PW}".into()), (35..35, "${secret:EMPTY}".into())],
            ..Filled::default()
        };
        let hidden = credentials::in_url(&filled.text);
        assert_eq!(redacted(&filled, &hidden), "https://***${secret:PW}@host/?token=***&x=1${secret:EMPTY}");
    }

    #[test]
    fn parameters_in_urls_are_percent_encoded() {
        assert_eq!(percent_encoded("a b&c=é/2.5~"), "a%20b%26c%3D%C3%A9%2F2.5~");
    }
}
