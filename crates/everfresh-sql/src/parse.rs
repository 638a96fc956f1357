//! A query's syntax tree, and what it tells without any table: its normal form, the tables and the parameters.
//!
//! The tree is made from the tokens of [`Text`], so what differs only in white space, comments or the case of keywords
//! and unquoted identifiers has the same tree, and the planner plans from this very tree.

use crate::{
    error::invalid,
    text::{DIALECT, Text},
};
use datafusion::sql::sqlparser::{
    ast::{Expr, ObjectName, Query, Select, SetExpr, Spanned, TableFactor, Value, ValueWithSpan, Visit, Visitor},
    keywords::Keyword,
    parser::{Parser, ParserError},
    tokenizer::{Location, Token, TokenWithSpan},
};
use everfresh_pipeline::engine::{ParsedSql, SqlError};
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::{ControlFlow, Range},
};

/// How deep queries and parentheses may be nested: DataFusion's default.
const DEPTH: usize = 50;

/// How deep expressions may be nested, where each link of a chain of `or` is a level, and how many joins and set
/// operations there may be: the planner takes them apart by recursion.
const CHAIN: usize = 400;

/// A query with the tables and parameters that it names, each with where it stands.
pub(crate) struct Parsed {
    pub(crate) query: Box<Query>,
    tables: Vec<(String, Range<usize>)>,
    params: Vec<(String, Range<usize>)>,
}

/// The query in `text`, all of it looked at.
pub(crate) fn read(text: &Text<'_>) -> Result<Parsed, SqlError> {
    let query = query(text)?;
    let mut found = Found { text, tables: BTreeMap::new(), params: BTreeMap::new(), scopes: Vec::new(), depth: 0 };
    if let ControlFlow::Break(error) = query.visit(&mut found) {
        return Err(error);
    }
    let mut tables: Vec<_> = found.tables.into_iter().collect();
    tables.sort_by_key(|(_, range)| range.start);
    let params = found.params.into_iter().collect();
    Ok(Parsed { query, tables, params })
}

/// Reads a query's text. See [`ParsedSql`].
pub(crate) fn parse(sql: &str) -> Result<ParsedSql, SqlError> {
    let text = Text::read(sql)?;
    let Parsed { query, tables, params } = read(&text)?;
    Ok(ParsedSql { normal: normal(&query, &text), tables, params })
}

/// The one query in `text`.
fn query(text: &Text<'_>) -> Result<Box<Query>, SqlError> {
    let Some(first) = text.tokens().first() else {
        return Err(invalid("there is no query", Some(text.end())));
    };
    let starts_query = match &first.token {
        Token::LParen => true,
        Token::Word(word) => {
            matches!(word.keyword, Keyword::SELECT | Keyword::WITH | Keyword::VALUES | Keyword::FROM | Keyword::TABLE)
        }
        _ => false,
    };
    if !starts_query {
        return Err(no_query(&first.token.to_string(), text.range(first.span)));
    }
    let mut links = text.tokens().iter().filter(|token| {
        matches!(&token.token, Token::Word(word) if matches!(
            word.keyword,
            Keyword::UNION | Keyword::EXCEPT | Keyword::INTERSECT | Keyword::JOIN
        ))
    });
    if let Some(link) = links.nth(CHAIN) {
        return Err(invalid(format!("more than {CHAIN} joins and set operations in one query"), text.range(link.span)));
    }
    let mut parser = parser(text.tokens().to_vec());
    let query = parser.parse_query().map_err(|error| syntax(error, text))?;
    while parser.consume_token(&Token::SemiColon) {}
    let next = parser.peek_token();
    if next.token != Token::EOF {
        let after = text.tokens().iter().rev().skip_while(|token| token.span != next.span).nth(1);
        let another = after.is_some_and(|token| token.token == Token::SemiColon);
        let message = if another {
            "there is more than one statement: a step is one query".to_owned()
        } else {
            format!("`{}` is not expected here", next.token)
        };
        return Err(invalid(message, text.range(next.span)));
    }
    Ok(query)
}

/// The tree written out. Proven to be faithful by reading it back: were it not, two queries could share it; then the
/// tokens are written out instead.
fn normal(query: &Query, text: &Text<'_>) -> String {
    let written = query.to_string();
    let again = Text::read(&written).and_then(|text| self::query(&text));
    if again.is_ok_and(|again| *again == *query) { written } else { text.joined() }
}

fn parser(tokens: Vec<TokenWithSpan>) -> Parser<'static> {
    Parser::new(&DIALECT).with_recursion_limit(DEPTH).with_tokens_with_locations(tokens)
}

fn no_query(word: &str, span: Option<Range<usize>>) -> SqlError {
    SqlError {
        help: Some("a step is one `select` (or `with … select`): sinks write, and tables need no `create`".to_owned()),
        ..invalid(format!("`{word}` does not start a query"), span)
    }
}

/// The parser says where in words only: "… at Line: 1, Column: 8".
fn syntax(error: ParserError, text: &Text<'_>) -> SqlError {
    let message = match error {
        ParserError::TokenizerError(message) | ParserError::ParserError(message) => message,
        ParserError::RecursionLimitExceeded => {
            return invalid(format!("the query is nested more than {DEPTH} levels deep"), None);
        }
    };
    let (said, location) = match message.rsplit_once(" at Line: ") {
        Some((said, at)) => (said.to_owned(), at.split_once(", Column: ")),
        None => (message, None),
    };
    let location = location.and_then(|(line, column)| {
        Some(Location { line: line.trim().parse().ok()?, column: column.trim().parse().ok()? })
    });
    let span = match location {
        Some(location) => text.token_at(location),
        None => said.contains("EOF").then(|| text.end()),
    };
    let said = said.strip_prefix("sql parser error: ").unwrap_or(&said);
    invalid(format!("{}{}", said[..1.min(said.len())].to_lowercase(), said.get(1..).unwrap_or_default()), span)
}

/// The names that the `with` of one query brings into scope.
struct Scope {
    visible: BTreeSet<String>,
    /// Names that come into scope where their query (told by its address) begins, if recursive, or else ends.
    pending: Vec<(*const Query, String)>,
    recursive: bool,
}

impl Scope {
    fn reveal(&mut self, query: *const Query) {
        let revealed = self.pending.iter().filter(|(pending, _)| *pending == query);
        self.visible.extend(revealed.map(|(_, name)| name.clone()));
    }
}

struct Found<'a> {
    text: &'a Text<'a>,
    tables: BTreeMap<String, Range<usize>>,
    params: BTreeMap<String, Range<usize>>,
    scopes: Vec<Scope>,
    /// How many expressions the one at hand stands in.
    depth: usize,
}

impl Found<'_> {
    fn table(&mut self, name: &ObjectName) -> ControlFlow<SqlError> {
        let span = self.text.range(name.span());
        let [part] = name.0.as_slice() else {
            let last = name.0.last().and_then(|part| part.as_ident());
            return ControlFlow::Break(SqlError {
                help: last.map(|last| format!("a table is named by the pipeline alone: `{}`", last.value)),
                ..invalid(format!("`{name}` is a qualified name, and tables have none"), span)
            });
        };
        let Some(ident) = part.as_ident() else {
            return ControlFlow::Break(invalid(format!("`{name}` is not the name of a table"), span));
        };
        let span = self.text.range(ident.span).unwrap_or_default();
        if !self.scopes.iter().any(|scope| scope.visible.contains(&ident.value)) {
            let first = self.tables.entry(ident.value.clone()).or_insert_with(|| span.clone());
            if span.start < first.start {
                *first = span;
            }
        }
        ControlFlow::Continue(())
    }

    fn refuse(&self, what: &str, span: Option<Range<usize>>) -> ControlFlow<SqlError> {
        ControlFlow::Break(invalid(format!("`{what}` has no meaning in a pipeline's query"), span))
    }
}

impl Visitor for Found<'_> {
    type Break = SqlError;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<SqlError> {
        if let Some(scope) = self.scopes.last_mut()
            && scope.recursive
        {
            scope.reveal(query);
        }
        if let Some(with) = &query.with {
            let pending = with.cte_tables.iter().map(|cte| (&raw const *cte.query, cte.alias.name.value.clone()));
            self.scopes.push(Scope { visible: BTreeSet::new(), pending: pending.collect(), recursive: with.recursive });
        }
        if let Some(lock) = query.locks.first() {
            return self.refuse(&lock.to_string(), None);
        }
        match query.body.as_ref() {
            SetExpr::Insert(statement)
            | SetExpr::Update(statement)
            | SetExpr::Delete(statement)
            | SetExpr::Merge(statement) => {
                let word = statement.to_string();
                let word = word.split(' ').next().unwrap_or_default().to_lowercase();
                ControlFlow::Break(no_query(&word, self.text.word(&word, 0)))
            }
            _ => ControlFlow::Continue(()),
        }
    }

    fn post_visit_query(&mut self, query: &Query) -> ControlFlow<SqlError> {
        if query.with.is_some() {
            self.scopes.pop();
        }
        if let Some(scope) = self.scopes.last_mut() {
            scope.reveal(query);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<SqlError> {
        match &select.into {
            Some(_) => self.refuse("select … into", self.text.only(&[Keyword::INTO])),
            None => ControlFlow::Continue(()),
        }
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<SqlError> {
        match factor {
            // The planner would read past these as if they were not there.
            TableFactor::Table { sample: Some(_), .. } | TableFactor::Derived { sample: Some(_), .. } => {
                self.refuse("tablesample", self.text.only(&[Keyword::TABLESAMPLE]))
            }
            TableFactor::Table { version: Some(version), name, .. } => {
                self.refuse(&version.to_string(), self.text.range(name.span()))
            }
            TableFactor::Table { name, args: None, .. } => self.table(name),
            _ => ControlFlow::Continue(()),
        }
    }

    fn pre_visit_expr(&mut self, _: &Expr) -> ControlFlow<SqlError> {
        self.depth += 1;
        if self.depth <= CHAIN {
            return ControlFlow::Continue(());
        }
        ControlFlow::Break(SqlError {
            help: Some("write `in (…)`, or join a table of the values".to_owned()),
            ..invalid(format!("an expression is nested more than {CHAIN} levels deep"), None)
        })
    }

    fn post_visit_expr(&mut self, _: &Expr) -> ControlFlow<SqlError> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_value(&mut self, value: &ValueWithSpan) -> ControlFlow<SqlError> {
        if let Value::Placeholder(written) = &value.value {
            let span = self.text.range(value.span).unwrap_or_default();
            let name = param_name(written, &span)?;
            let first = self.params.entry(name.to_owned()).or_insert_with(|| span.clone());
            if span.start < first.start {
                *first = span;
            }
        }
        ControlFlow::Continue(())
    }
}

/// The name of a parameter that is written as `$name`.
pub(crate) fn param_name<'a>(written: &'a str, span: &Range<usize>) -> ControlFlow<SqlError, &'a str> {
    match written.strip_prefix('$').filter(|name| !name.is_empty()) {
        Some(name) => ControlFlow::Continue(name),
        None => ControlFlow::Break(SqlError {
            help: Some("a parameter is written `$name`".to_owned()),
            ..invalid(format!("`{written}` is not the name of a parameter"), Some(span.clone()))
        }),
    }
}
