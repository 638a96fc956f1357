//! What stands in texts for something else: `${NAME}`, `${NAME:-default}`, `${secret:NAME}` and, in paths and URLs,
//! `{param}`. `$${` is a `${`, and where `{param}` means something `{{` and `}}` are braces. A default ends at the first
//! `}`. As in a shell, it stands in for a variable that is unset or empty.

use super::model::Span;

/// A part of a text.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// Itself.
    Literal(&'a str),
    /// An environment variable.
    Env {
        /// Its name.
        name: &'a str,
        /// What stands in for it where it is unset or empty.
        default: Option<&'a str>,
    },
    /// An environment variable that is a secret.
    Secret(&'a str),
    /// A parameter.
    Param(&'a str),
}

/// A reference that cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed {
    /// Where, in the text.
    pub span: Span,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: &'static str,
}

/// Whether a text holds anything to replace.
pub(super) fn is_literal(text: &str, params: bool) -> bool {
    !(text.contains("${") || params && text.contains(['{', '}']))
}

/// Cuts a text into its pieces, each with where it stands.
pub(super) fn pieces(text: &str, params: bool) -> Result<Vec<(Span, Piece<'_>)>, Malformed> {
    let mut pieces = Vec::new();
    let mut at = 0;
    let mut literal = 0;
    let flush = |pieces: &mut Vec<_>, from: usize, to: usize| {
        if let Some(text) = text.get(from..to).filter(|text| !text.is_empty()) {
            pieces.push((from..to, Piece::Literal(text)));
        }
    };
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        // `$${` keeps its last two characters, `{{` and `}}` their last one.
        let (skip, keep) = match () {
            () if rest.starts_with("$${") => (1, 2),
            () if params && (rest.starts_with("{{") || rest.starts_with("}}")) => (1, 1),
            () => (0, 0),
        };
        if keep > 0 {
            flush(&mut pieces, literal, at);
            literal = at + skip;
            at = literal + keep;
            continue;
        }
        let env = rest.starts_with("${");
        if !(env || params && rest.starts_with('{')) {
            at += rest.chars().next().map_or(1, char::len_utf8);
            continue;
        }
        flush(&mut pieces, literal, at);
        let open = if env { 2 } else { 1 };
        let help =
            if env { "write `$${` for a `${` that means itself" } else { "write `{{` for a `{` that means itself" };
        let Some(end) = rest.find('}') else {
            return Err(Malformed { span: at..text.len(), message: "this reference has no `}`".into(), help });
        };
        let span = at..at + end + 1;
        let inside = rest.get(open..end).unwrap_or("");
        let piece = if env { variable(inside) } else { Some(inside).filter(|name| is_name(name)).map(Piece::Param) };
        let Some(piece) = piece else {
            let what = if env { "environment variable" } else { "parameter" };
            let shown = rest.get(..end + 1).unwrap_or("");
            return Err(Malformed { span, message: format!("`{shown}` names no {what}"), help });
        };
        at = span.end;
        literal = at;
        pieces.push((span, piece));
    }
    flush(&mut pieces, literal, text.len());
    Ok(pieces)
}

/// Where references to variables stand in a text in which nothing is replaced.
pub(super) fn variables(text: &str) -> impl Iterator<Item = Span> {
    text.match_indices("${").filter_map(|(at, _)| {
        let rest = text.get(at..)?;
        let end = rest.find('}')?;
        variable(rest.get(2..end)?).map(|_| at..at + end + 1)
    })
}

fn variable(inside: &str) -> Option<Piece<'_>> {
    if let Some(name) = inside.strip_prefix("secret:") {
        return Some(name).filter(|name| is_name(name)).map(Piece::Secret);
    }
    let (name, default) = match inside.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (inside, None),
    };
    is_name(name).then_some(Piece::Env { name, default })
}

/// Whether this can name a variable, a parameter or a table: a letter or `_`, then letters, digits and `_`.
pub(super) fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_alphabetic() || c == '_') && name.chars().all(|c| c.is_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;
    use Piece::{Env, Literal, Param, Secret};

    fn cut(text: &str, params: bool) -> Vec<Piece<'_>> {
        pieces(text, params).unwrap().into_iter().map(|(_, piece)| piece).collect()
    }

    #[test]
    fn references_are_told_from_text() {
        assert_eq!(cut("plain $5 {x}", false), [Literal("plain $5 {x}")]);
        assert_eq!(
            cut("a${B}c${D:-e f}${secret:G}", false),
            [
                Literal("a"),
                Env { name: "B", default: None },
                Literal("c"),
                Env { name: "D", default: Some("e f") },
                Secret("G")
            ]
        );
        assert_eq!(cut("${A:-}", false), [Env { name: "A", default: Some("") }]);
        assert_eq!(cut("é-{year}.csv", true), [Literal("é-"), Param("year"), Literal(".csv")]);
    }

    #[test]
    fn what_means_itself_is_doubled() {
        assert_eq!(cut("a$${B}", false).concat(), "a${B}");
        assert_eq!(cut("{{x}}{y}", true), [Literal("{x"), Literal("}"), Param("y")]);
        assert_eq!(cut("a}b", true), [Literal("a}b")]);
    }

    #[test]
    fn every_piece_knows_where_it_stands() {
        let text = "x${A}/{b}";
        let slices: Vec<_> = pieces(text, true).unwrap().into_iter().map(|(span, _)| &text[span]).collect();
        assert_eq!(slices, ["x", "${A}", "/", "{b}"]);
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        for (text, params, span, message) in [
            ("a${B", false, 1..4, "this reference has no `}`"),
            ("${}", false, 0..3, "`${}` names no environment variable"),
            ("${1}", false, 0..4, "`${1}` names no environment variable"),
            ("${secret:}", false, 0..10, "`${secret:}` names no environment variable"),
            ("${secret:A:-b}", false, 0..14, "`${secret:A:-b}` names no environment variable"),
            ("x{a,b}", true, 1..6, "`{a,b}` names no parameter"),
        ] {
            let malformed = pieces(text, params).unwrap_err();
            assert_eq!((malformed.span, malformed.message.as_str()), (span, message), "{text}");
        }
    }

    trait Concat {
        fn concat(self) -> String;
    }

    impl Concat for Vec<Piece<'_>> {
        fn concat(self) -> String {
            self.iter().map(|piece| if let Literal(text) = piece { text } else { "?" }).collect()
        }
    }
}
