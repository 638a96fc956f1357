//! Which parts of URLs, headers and the pipeline file are credentials, and how they are kept from being shown.
//!
//! A credential is the user information of a URL (`user:password@`), the value of a query parameter whose name sounds
//! like one (`api_key=`), and the value of such a header (`authorization`, `cookie`, `x-api-key`, `…token…`), whether it
//! stands in the file as it is or comes from the environment.

use super::{
    model::Span,
    yaml::{Node, Value},
};

/// Parts of names that tell a credential.
const TELLING: [&str; 14] = [
    "authorization",
    "cookie",
    "token",
    "secret",
    "password",
    "passwd",
    "apikey",
    "accesskey",
    "subscriptionkey",
    "privatekey",
    "credential",
    "signature",
    "session",
    "bearer",
];

/// Whole names that tell a credential.
const NAMES: [&str; 7] = ["auth", "key", "pwd", "pass", "sig", "code", "xauth"];

/// Whether a header or a query parameter of this name holds a credential.
pub(super) fn is_credential(name: &str) -> bool {
    let name: String = name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    NAMES.contains(&name.as_str()) || TELLING.iter().any(|part| name.contains(part))
}

/// The credentials in one URL, in order.
pub(super) fn in_url(url: &str) -> Vec<Span> {
    let mut found = Vec::new();
    let Some(start) = url.find("://").map(|at| at + 3) else { return found };
    let rest = url.get(start..).unwrap_or("");
    let authority = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
    if let Some(at) = rest.get(..authority).and_then(|authority| authority.rfind('@')) {
        found.push(start..start + at);
    }
    let Some(query) = url.find('?').map(|at| at + 1) else { return found };
    let mut at = query;
    for pair in url.get(query..).unwrap_or("").split(['&', ';', '#']) {
        if let Some((name, value)) = pair.split_once('=').filter(|(name, _)| is_credential(name)) {
            let from = at + name.len() + 1;
            found.push(from..from + value.len());
        }
        at += pair.len() + 1;
    }
    found.retain(|range| !range.is_empty());
    found
}

/// The credentials of every URL in a text of any kind.
pub(super) fn in_urls(text: &str) -> Vec<Span> {
    let mut found = Vec::new();
    let mut after = 0;
    for (at, _) in text.match_indices("://") {
        if at < after {
            continue;
        }
        let rest = text.get(at..).unwrap_or("");
        let end =
            rest.find(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`' | '<' | '>')).unwrap_or(rest.len());
        found.extend(in_url(rest.get(..end).unwrap_or("")).into_iter().map(|range| range.start + at..range.end + at));
        after = at + end;
    }
    found
}

/// The values of headers with a telling name, anywhere in a pipeline file whose structure is known.
pub(super) fn in_headers(root: &Node<'_>) -> Vec<Span> {
    let mut found = Vec::new();
    for source in root.get("sources").into_iter().flat_map(Node::entries) {
        for header in source.value.get("headers").into_iter().flat_map(Node::entries) {
            if is_credential(&header.key) && matches!(header.value.value, Value::Scalar { .. }) {
                found.push(header.value.span.clone());
            }
        }
    }
    found
}

/// The same where the structure is not known: what follows a telling name and a colon, up to the line's end.
pub(super) fn in_lines(text: &str) -> Vec<Span> {
    let mut found = Vec::new();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let mut word = 0;
        for (at, _) in line.match_indices(':') {
            let before = line.get(word..at).unwrap_or("");
            let name = before.rsplit(['{', ',', ' ', '\t']).next().unwrap_or(before);
            if name.len() > 3 && is_credential(name) {
                let end = line.trim_end().len();
                found.push(start + (at + 1).min(end)..start + end);
                break;
            }
            word = at + 1;
        }
        start += line.len();
    }
    found
}

/// The text with every character in `ranges` replaced by `*`s that take as many bytes; white space, quotes and
/// references to variables (`${…}`, but not their defaults) stay.
pub(super) fn mask(text: &str, ranges: &[Span]) -> String {
    if ranges.is_empty() {
        return text.to_owned();
    }
    let mut ranges = ranges.to_vec();
    ranges.sort_by_key(|range| range.start);
    let mut out = String::with_capacity(text.len());
    for range in ranges {
        let start = range.start.max(out.len());
        let (Some(before), Some(hidden)) = (text.get(out.len()..start), text.get(start..range.end.max(start))) else {
            continue;
        };
        out.push_str(before);
        let mut reference = false;
        for (at, c) in hidden.char_indices() {
            let rest = hidden.get(at..).unwrap_or("");
            reference |= rest.starts_with("${") && rest.split('}').next().is_some_and(|inside| !inside.contains(":-"));
            match c {
                _ if reference || c.is_whitespace() || matches!(c, '"' | '\'') => out.push(c),
                _ => out.extend(std::iter::repeat_n('*', c.len_utf8())),
            }
            reference &= c != '}';
        }
    }
    out.push_str(text.get(out.len()..).unwrap_or(""));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(text: &str) -> String {
        mask(text, &in_urls(text))
    }

    #[test]
    fn user_information_and_telling_query_values_of_urls_are_masked() {
        assert_eq!(masked("see https://me:pw@host/a@b"), "see https://*****@host/a@b");
        assert_eq!(masked("http://h/?a=1&api_key=xyz&b=2#f"), "http://h/?a=1&api_key=***&b=2#f");
        assert_eq!(masked("'http://h/?token=é' http://u@h"), "'http://h/?token=**' http://*@h");
        assert_eq!(masked("https://${secret:U}:x@h/"), "https://${secret:U}**@h/");
        assert_eq!(masked("https://u:${P:-pw}@h/"), "https://**********@h/");
        assert_eq!(masked("mail me@host: a://b c@d"), "mail me@host: a://b c@d");
    }

    #[test]
    fn names_tell_credentials() {
        for name in
            ["Authorization", "Proxy-Authorization", "X-API-Key", "x_api_key", "access_token", "Cookie", "X-Auth"]
        {
            assert!(is_credential(name), "{name}");
        }
        for name in ["Accept", "Author", "User-Agent", "monkey", "If-None-Match"] {
            assert!(!is_credential(name), "{name}");
        }
    }

    #[test]
    fn without_a_structure_the_rest_of_the_line_is_masked() {
        let text = "headers: { authorization: Bearer abc\nnext: 1\n";
        assert_eq!(mask(text, &in_lines(text)), "headers: { authorization: ****** ***\nnext: 1\n");
    }
}
