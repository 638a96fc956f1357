//! Diagnostics: what is wrong, where, and what to do, drawn with the source line under it.
//!
//! A [`Diagnostic`] points into an [`Origin`]: the pipeline file, a file of SQL, the command line. An origin's text has
//! credentials masked by `*` with every other byte in place, so that drawing a line never shows a password that
//! happens to stand on it.

use super::{credentials, model::Span};
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet, normalize_untrusted_str};
use std::{
    fmt::{self, Write as _},
    io,
    path::PathBuf,
    sync::{Arc, OnceLock},
};

/// How many diagnostics are drawn; the rest is counted.
const MOST_DRAWN: usize = 100;

/// How far apart, in lines, two places of one diagnostic may be to share a snippet.
const SNIPPET_LINES: usize = 40;

/// A text that diagnostics point into.
pub struct Origin {
    name: String,
    text: String,
    /// Where each line starts, in bytes; made when first asked for.
    lines: OnceLock<Vec<usize>>,
}

impl Origin {
    /// A text called `name` (`examples/flights/everfresh.yaml`). Credentials in its URLs are masked.
    pub fn new(name: impl Into<String>, text: &str) -> Arc<Self> {
        Self::masked(name, text, &[])
    }

    /// Masks `secrets` as well.
    pub(super) fn masked(name: impl Into<String>, text: &str, secrets: &[Span]) -> Arc<Self> {
        let mut ranges = credentials::in_urls(text);
        ranges.extend_from_slice(secrets);
        Arc::new(Self { name: name.into(), text: credentials::mask(text, &ranges), lines: OnceLock::new() })
    }

    /// What the text is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The text, credentials masked; offsets are those of the original.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The line and the column of a byte offset, both from 1; columns count characters.
    pub fn position(&self, offset: usize) -> (usize, usize) {
        let line = self.line(offset);
        let start = self.line_start(line);
        let before = self.text.get(start..self.boundary(offset)).unwrap_or("");
        (line + 1, before.chars().count() + 1)
    }

    fn starts(&self) -> &[usize] {
        self.lines.get_or_init(|| {
            let newlines = self.text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
            std::iter::once(0).chain(newlines.map(|(at, _)| at + 1)).collect()
        })
    }

    /// The line of an offset, from 0.
    fn line(&self, offset: usize) -> usize {
        self.starts().partition_point(|start| *start <= offset).saturating_sub(1)
    }

    fn line_start(&self, line: usize) -> usize {
        self.starts().get(line).copied().unwrap_or(self.text.len())
    }

    /// Where a line's text ends, its line break left out.
    fn line_end(&self, line: usize) -> usize {
        let end = self.line_start(line + 1);
        let text = self.text.get(self.line_start(line)..end).unwrap_or("");
        end - (text.len() - text.trim_end_matches(['\n', '\r']).len())
    }

    fn boundary(&self, offset: usize) -> usize {
        self.text.floor_char_boundary(offset.min(self.text.len()))
    }

    /// A span cut down to its first line, within the text and on character boundaries.
    fn clip(&self, span: &Span) -> Span {
        let start = self.boundary(span.start);
        let last = self.line_end(self.line(start)).max(start);
        start..self.boundary(span.end).clamp(start, last)
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Origin({})", self.name)
    }
}

/// How much a [`Diagnostic`] matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gravity {
    /// Nothing can run.
    Error,
    /// It runs; somebody should look at it.
    Warning,
}

/// Something wrong at a place in a text.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Diagnostic {
    /// How much it matters.
    pub gravity: Gravity,
    /// What is wrong, in one sentence.
    pub message: String,
    /// Where, in bytes.
    pub span: Span,
    /// What stands beside the caret.
    pub label: Option<String>,
    /// What to do about it.
    pub help: Option<String>,
    /// Another place in the same text that matters, with what it is.
    pub also: Option<(Span, String)>,
    /// The text that the spans point into.
    pub file: Arc<Origin>,
}

impl Diagnostic {
    /// An error.
    pub fn error(file: &Arc<Origin>, span: Span, message: impl Into<String>) -> Self {
        Self {
            gravity: Gravity::Error,
            message: message.into(),
            span,
            label: None,
            help: None,
            also: None,
            file: Arc::clone(file),
        }
    }

    /// A warning.
    pub fn warning(file: &Arc<Origin>, span: Span, message: impl Into<String>) -> Self {
        Self { gravity: Gravity::Warning, ..Self::error(file, span, message) }
    }

    /// Says what stands beside the caret.
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// Says what to do.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Points at a second place.
    pub fn also(mut self, span: Span, label: impl Into<String>) -> Self {
        self.also = Some((span, label.into()));
        self
    }

    /// Its line and column, from 1.
    pub fn position(&self) -> (usize, usize) {
        self.file.position(self.span.start)
    }

    fn group(&self) -> Group<'_> {
        let level = match self.gravity {
            Gravity::Error => Level::ERROR,
            Gravity::Warning => Level::WARNING,
        };
        let span = self.file.clip(&self.span);
        let also = self.also.as_ref().map(|(span, label)| (self.file.clip(span), label.as_str()));
        let line = self.file.line(span.start);
        let near = also.as_ref().filter(|(other, _)| self.file.line(other.start).abs_diff(line) <= SNIPPET_LINES);
        let primary = (AnnotationKind::Primary, &span, self.label.as_deref());
        let group = Group::with_title(level.primary_title(self.message.as_str()));
        let group = match (near, &also) {
            (Some((other, label)), _) => {
                group.element(self.snippet(&[primary, (AnnotationKind::Context, other, Some(label))]))
            }
            (None, Some((span, label))) => group.element(self.snippet(&[primary])).element(self.snippet(&[(
                AnnotationKind::Context,
                span,
                Some(label),
            )])),
            (None, None) => group.element(self.snippet(&[primary])),
        };
        match &self.help {
            Some(help) => group.element(Level::HELP.message(normalize_untrusted_str(help))),
            None => group,
        }
    }

    /// The lines that hold all of these places. Only they are given to the renderer: its time grows with the text's.
    fn snippet<'a>(
        &'a self,
        places: &[(AnnotationKind, &Span, Option<&'a str>)],
    ) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
        let lines = || places.iter().map(|(_, span, _)| self.file.line(span.start));
        let first = lines().min().unwrap_or(0);
        let start = self.file.line_start(first);
        let end = self.file.line_end(lines().max().unwrap_or(0)).max(start);
        let text = self.file.text.get(start..end).unwrap_or("");
        let snippet = Snippet::source(text).line_start(first + 1).path(self.file.name.as_str());
        snippet.annotations(
            places.iter().map(|(kind, span, label)| {
                kind.span(span.start - start..span.end.max(span.start) - start).label(*label)
            }),
        )
    }
}

/// Draws diagnostics, one after the other with an empty line between them: message, `file:line:column`, the source
/// line with a caret, help. With `color`, in ANSI colours. After 100 the rest is only counted.
pub fn render(diagnostics: &[Diagnostic], color: bool) -> String {
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    let drawn: Vec<String> =
        diagnostics.iter().take(MOST_DRAWN).map(|diagnostic| renderer.render(&[diagnostic.group()])).collect();
    let mut text = drawn.join("\n\n");
    if let Some(more) = diagnostics.len().checked_sub(MOST_DRAWN).filter(|more| *more > 0) {
        let _ = write!(text, "\n\n… and {more} more");
    }
    text
}

/// Why a pipeline file could not be loaded. `Display` is [`LoadError::render`] without colour.
#[derive(Debug)]
#[non_exhaustive]
pub enum LoadError {
    /// There is no such file, or no `everfresh.yaml` in the folder.
    NotFound {
        /// What was asked for.
        path: PathBuf,
        /// What is wrong, in one sentence.
        message: String,
        /// What to do.
        help: String,
    },
    /// The file could not be read.
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file was read and something in it, or in what it names, is wrong.
    Invalid(Vec<Diagnostic>),
}

impl LoadError {
    /// The whole message, over several lines and without a line break at its end.
    pub fn render(&self, color: bool) -> String {
        match self {
            Self::Invalid(diagnostics) => render(diagnostics, color),
            Self::NotFound { message, help, .. } => Self::plain(message, Some(help), color),
            Self::Io { path, source } => {
                Self::plain(&format!("cannot read `{}`: {source}", path.display()), None, color)
            }
        }
    }

    /// What is wrong with the text, if it was read.
    pub fn diagnostics(&self) -> &[Diagnostic] {
        match self {
            Self::Invalid(diagnostics) => diagnostics,
            Self::NotFound { .. } | Self::Io { .. } => &[],
        }
    }

    fn plain(message: &str, help: Option<&str>, color: bool) -> String {
        let renderer = if color { Renderer::styled() } else { Renderer::plain() };
        let mut group = Group::with_title(Level::ERROR.primary_title(message));
        if let Some(help) = help {
            group = group.element(Level::HELP.message(normalize_untrusted_str(help)));
        }
        renderer.render(&[group])
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for LoadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            Self::NotFound { .. } | Self::Invalid(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_drawn_wherever_it_is() {
        let text = "first: 1\r\nsecönd: 2\nthird: 3";
        let origin = Origin::new("file.yaml", text);
        assert_eq!(origin.position(text.find("nd").unwrap()), (2, 5));
        for start in 0..text.len() + 3 {
            for end in 0..text.len() + 3 {
                let drawn = render(&[Diagnostic::error(&origin, start..end, "wrong").label("here")], false);
                let (line, column) = origin.position(start);
                assert!(drawn.contains(&format!("file.yaml:{line}:")), "{start}..{end} ({column}): {drawn}");
            }
        }
    }

    #[test]
    fn two_places_far_apart_are_two_snippets() {
        let text = "x: 1\n".repeat(500);
        let origin = Origin::new("f", &text);
        let drawn = render(&[Diagnostic::error(&origin, 2000..2001, "twice").also(0..1, "first here")], false);
        assert!(drawn.contains("f:401:1") && drawn.contains("first here"), "{drawn}");
        assert!(drawn.lines().count() < 12, "{drawn}");
    }

    #[test]
    fn a_password_on_a_drawn_line_is_masked() {
        let origin = Origin::new("f", "a: { url: 'https://me:hunter2@host/', tll: 1 }");
        let drawn = render(&[Diagnostic::error(&origin, 38..41, "unknown key")], false);
        assert!(!drawn.contains("hunter2") && drawn.contains("@host"), "{drawn}");
    }
}
