//! The text of a query, cut into tokens, and positions in it.
//!
//! Invariant: white space and comments are gone, and unquoted words are in lower case, which is how DataFusion resolves
//! identifiers. Everything after this module works on these tokens, so two texts that differ in nothing else cannot be
//! told apart by any later stage. Tokens keep where they stood: lines and columns count characters from 1; what leaves
//! this module is byte ranges.

use crate::error::invalid;
use datafusion::sql::sqlparser::{
    dialect::GenericDialect,
    keywords::Keyword,
    tokenizer::{Location, Span, Token, TokenWithSpan, Tokenizer},
};
use everfresh_pipeline::engine::SqlError;
use std::ops::Range;

/// The dialect of the planner (`sql_parser.dialect`'s default).
pub(crate) const DIALECT: GenericDialect = GenericDialect {};

/// A query's text and its tokens.
pub(crate) struct Text<'a> {
    sql: &'a str,
    /// Where each line starts, in bytes.
    lines: Vec<usize>,
    tokens: Vec<TokenWithSpan>,
}

impl<'a> Text<'a> {
    /// Cuts `sql` into tokens.
    pub(crate) fn read(sql: &'a str) -> Result<Self, SqlError> {
        let lines = std::iter::once(0).chain(sql.match_indices('\n').map(|(at, _)| at + 1)).collect();
        let mut text = Self { sql, lines, tokens: Vec::new() };
        let mut tokens = Vec::new();
        Tokenizer::new(&DIALECT, sql).tokenize_with_location_into_buf(&mut tokens).map_err(|error| {
            let at = text.offset(error.location);
            invalid(error.message.clone(), at.map(|at| at..text.next_char(at)))
        })?;
        tokens.retain(|token| !matches!(token.token, Token::Whitespace(_) | Token::EOF));
        for token in &mut tokens {
            if let Token::Word(word) = &mut token.token
                && word.quote_style.is_none()
            {
                word.value.make_ascii_lowercase();
            }
        }
        text.tokens = tokens;
        Ok(text)
    }

    pub(crate) fn tokens(&self) -> &[TokenWithSpan] {
        &self.tokens
    }

    /// The tokens as they were written, with one space between them.
    pub(crate) fn joined(&self) -> String {
        let mut joined = String::with_capacity(self.sql.len());
        for token in &self.tokens {
            if !joined.is_empty() {
                joined.push(' ');
            }
            match &token.token {
                Token::Word(word) if word.quote_style.is_none() => joined.push_str(&word.value),
                other => match self.range(token.span).and_then(|range| self.sql.get(range)) {
                    Some(written) => joined.push_str(written),
                    None => joined.push_str(&other.to_string()),
                },
            }
        }
        joined
    }

    /// The bytes from `line` and `column` on.
    pub(crate) fn offset(&self, location: Location) -> Option<usize> {
        let line = usize::try_from(location.line).ok()?.checked_sub(1)?;
        let column = usize::try_from(location.column).ok()?.checked_sub(1)?;
        let start = *self.lines.get(line)?;
        let rest = self.sql.get(start..)?;
        Some(start + rest.char_indices().map(|(at, _)| at).nth(column).unwrap_or(rest.len()))
    }

    /// A span as a range of bytes. The parser's empty span is none.
    pub(crate) fn range(&self, span: Span) -> Option<Range<usize>> {
        let (start, end) = (self.offset(span.start)?, self.offset(span.end)?);
        (start < end).then_some(start..end)
    }

    /// The token that starts at `location`; past the last one, the end of the text.
    pub(crate) fn token_at(&self, location: Location) -> Option<Range<usize>> {
        let token = self.tokens.iter().find(|token| token.span.start == location)?;
        self.range(token.span)
    }

    /// The end of the last token, as an empty range.
    pub(crate) fn end(&self) -> Range<usize> {
        let end = self.tokens.last().and_then(|token| self.range(token.span)).map_or(0, |range| range.end);
        end..end
    }

    fn next_char(&self, at: usize) -> usize {
        at + self.sql.get(at..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8)
    }

    /// Where the identifier `name` first stands; with `nth`, where it stands for that time, counted from 0.
    pub(crate) fn word(&self, name: &str, nth: usize) -> Option<Range<usize>> {
        self.tokens
            .iter()
            .filter(|token| matches!(&token.token, Token::Word(word) if word.value == name))
            .nth(nth)
            .and_then(|token| self.range(token.span))
    }

    /// Where the function `name` is first called; without parentheses (`current_date`), where the word first stands.
    pub(crate) fn call(&self, name: &str) -> Option<Range<usize>> {
        let called = self.tokens.windows(2).find_map(|pair| match pair {
            [word, open] if open.token == Token::LParen => match &word.token {
                Token::Word(found) if found.value == name => self.range(word.span),
                _ => None,
            },
            _ => None,
        });
        called.or_else(|| self.word(name, 0))
    }

    /// Where these keywords stand one after the other, if they do so exactly once: else nobody knows which is meant.
    pub(crate) fn only(&self, keywords: &[Keyword]) -> Option<Range<usize>> {
        let mut found = self.tokens.windows(keywords.len().max(1)).filter(|window| {
            window.iter().zip(keywords).all(|(token, keyword)| match &token.token {
                Token::Word(word) => word.quote_style.is_none() && word.keyword == *keyword,
                _ => false,
            })
        });
        let (first, None) = (found.next()?, found.next()) else { return None };
        let (start, end) = (first.first()?.span, first.last()?.span);
        Some(self.range(start)?.start..self.range(end)?.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written<'a>(text: &Text<'a>, range: Option<Range<usize>>) -> &'a str {
        &text.sql[range.unwrap()]
    }

    #[test]
    fn positions_are_bytes_also_after_characters_of_several_bytes() {
        let text = Text::read("select 'grün', \"Straße\",\n  '日本' as café_ort, now()").unwrap();
        assert_eq!(written(&text, text.word("Straße", 0)), "\"Straße\"");
        assert_eq!(written(&text, text.word("café_ort", 0)), "café_ort");
        assert_eq!(written(&text, text.call("now")), "now");
    }

    #[test]
    fn a_token_that_never_ends_is_an_error_at_its_start() {
        let error = Text::read("select 'ä', 'open").err().unwrap();
        assert_eq!(&"select 'ä', 'open"[error.span.clone().unwrap()], "'", "{error:?}");
    }

    #[test]
    fn tokens_come_back_as_written_without_comments_and_white_space() {
        let text = Text::read("SELECT  'It''s',\n\t\"A\" -- why\n FROM /* not */ T").unwrap();
        assert_eq!(text.joined(), "select 'It''s' , \"A\" from t");
    }

    #[test]
    fn a_keyword_is_found_where_it_stands_only_once() {
        let text = Text::read("select a from t group by a order by a limit 3").unwrap();
        assert_eq!(written(&text, text.only(&[Keyword::ORDER, Keyword::BY])), "order by");
        assert_eq!(text.only(&[Keyword::BY]), None);
        assert_eq!(text.only(&[Keyword::OFFSET]), None);
    }
}
