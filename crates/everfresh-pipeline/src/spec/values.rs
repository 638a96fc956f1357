//! Values of one key: texts, numbers, durations, lists of names.

use super::{
    fields::Field,
    model::MaxBad,
    quantity::{DURATION_HELP, SIZE_HELP, parse_duration, parse_max_bad, parse_size, seconds_to_duration},
    reader::{Reader, list},
    scalar::Scalar,
    yaml::{Entry, Node, Value},
};
use crate::engine::ParamValue;
use std::{borrow::Cow, collections::HashSet, time::Duration};

impl<'a> Reader<'a> {
    /// The entries of a map from names that people choose.
    pub fn map(&mut self, field: Field<'a>, of: &str) -> Option<&'a [Entry<'a>]> {
        match &field.node.value {
            Value::Map(entries) => Some(entries),
            Value::List(_) | Value::Scalar { .. } => {
                self.wrong(field, "a map", &format!("such as `{of}`"));
                None
            }
        }
    }

    /// The items of a list.
    pub fn items(&mut self, field: Field<'a>, of: &str) -> Option<&'a [Node<'a>]> {
        match &field.node.value {
            Value::List(items) => Some(items),
            Value::Map(_) | Value::Scalar { .. } => {
                self.wrong(field, "a list", &format!("such as `{of}`"));
                None
            }
        }
    }

    /// Reports that a value is of the wrong type.
    pub fn wrong(&mut self, field: Field<'a>, expected: &str, help: &str) {
        let message = format!("`{}` must be {expected}", field.name);
        let diagnostic = self.error(field.span(), message).label(describe(field.node));
        self.report(if help.is_empty() { diagnostic } else { diagnostic.help(help) });
    }

    /// A scalar, variables filled in.
    pub fn scalar(&mut self, field: Field<'a>, expected: &str, help: &str) -> Option<Scalar<'a>> {
        let Value::Scalar { text, plain } = &field.node.value else {
            self.wrong(field, expected, help);
            return None;
        };
        let text = self.fill_value(field, text)?;
        Some(if *plain { Scalar::plain(text) } else { Scalar::Text(text) })
    }

    /// A scalar that is no text: what variables give is taken for what it looks like, even in quotes, since `{ a: ${B} }`
    /// needs them.
    fn typed(&mut self, field: Field<'a>, expected: &str, help: &str) -> Option<Scalar<'a>> {
        match (self.scalar(field, expected, help)?, &field.node.value) {
            (Scalar::Text(filled), Value::Scalar { text, .. }) if filled != *text => Some(Scalar::plain(filled)),
            (scalar, _) => Some(scalar),
        }
    }

    /// A text, variables filled in. A number is none.
    pub fn text(&mut self, field: Field<'a>) -> Option<Cow<'a, str>> {
        match self.scalar(field, "a text", "")? {
            Scalar::Text(text) => Some(text),
            Scalar::Null => self.none(field, "a text", "give it a value"),
            _ => self.none(field, "a text", "put it in quotes"),
        }
    }

    /// A text that is not empty.
    pub fn filled_text(&mut self, field: Field<'a>) -> Option<Cow<'a, str>> {
        let text = self.text(field)?;
        if text.trim().is_empty() {
            let message = format!("`{}` is empty", field.name);
            self.report(self.error(field.span(), message));
            return None;
        }
        Some(text)
    }

    /// A text, or a number or boolean as it is written.
    pub fn loose(&mut self, field: Field<'a>) -> Option<Cow<'a, str>> {
        match &field.node.value {
            Value::Scalar { text, .. } if is_null(field.node) => {
                let _ = text;
                self.none(field, "a text", "write `\"\"` for an empty text")
            }
            Value::Scalar { text, .. } => self.fill_value(field, text),
            Value::List(_) | Value::Map(_) => self.none(field, "a text", ""),
        }
    }

    /// A text in which nothing is replaced.
    pub fn raw(&mut self, field: Field<'a>) -> Option<&'a str> {
        match &field.node.value {
            Value::Scalar { text, plain } => match plain {
                true if !matches!(Scalar::plain(Cow::Borrowed(text)), Scalar::Text(_)) => {
                    self.none(field, "a text", "put it in quotes")
                }
                _ => Some(text),
            },
            Value::List(_) | Value::Map(_) => self.none(field, "a text", ""),
        }
    }

    fn none<T>(&mut self, field: Field<'a>, expected: &str, help: &str) -> Option<T> {
        self.wrong(field, expected, help);
        None
    }

    /// `5m`, or a number of seconds.
    pub fn duration(&mut self, field: Field<'a>) -> Option<Duration> {
        let duration = match self.typed(field, "a duration", DURATION_HELP)? {
            Scalar::Int(seconds) => seconds_to_duration(seconds as f64),
            Scalar::Float(seconds) => seconds_to_duration(seconds),
            Scalar::Text(text) => parse_duration(&text),
            Scalar::Null | Scalar::Bool(_) | Scalar::Huge(_) => None,
        };
        duration.or_else(|| self.none(field, "a duration", DURATION_HELP))
    }

    /// A duration that is not zero.
    pub fn some_duration(&mut self, field: Field<'a>) -> Option<Duration> {
        let duration = self.duration(field)?;
        if duration.is_zero() { self.none(field, "a duration above zero", DURATION_HELP) } else { Some(duration) }
    }

    /// `5GB`, or a number of bytes.
    pub fn size(&mut self, field: Field<'a>) -> Option<u64> {
        let size = match self.typed(field, "a size", SIZE_HELP)? {
            Scalar::Int(bytes) => u64::try_from(bytes).ok(),
            Scalar::Text(text) => parse_size(&text),
            _ => None,
        };
        size.or_else(|| self.none(field, "a size", SIZE_HELP))
    }

    /// `true` or `false`.
    pub fn boolean(&mut self, field: Field<'a>) -> Option<bool> {
        match self.typed(field, "`true` or `false`", "")? {
            Scalar::Bool(value) => Some(value),
            _ => self.none(field, "`true` or `false`", ""),
        }
    }

    /// A whole number from 0 to `most`.
    pub fn whole(&mut self, field: Field<'a>, most: u64) -> Option<u64> {
        let expected = "a whole number that is not negative";
        match self.typed(field, expected, "")? {
            Scalar::Int(value) if value > 0 && value.cast_unsigned() > most => {
                self.none(field, &format!("at most {most}"), "")
            }
            Scalar::Int(value) if value >= 0 => Some(value.cast_unsigned()),
            _ => self.none(field, expected, ""),
        }
    }

    /// A number; `None` inside for null or an infinite one.
    pub fn bound(&mut self, field: Field<'a>) -> Option<Option<f64>> {
        match self.typed(field, "a number", "null is open")? {
            Scalar::Null => Some(None),
            Scalar::Int(value) => Some(Some(value as f64)),
            Scalar::Huge(value) | Scalar::Float(value) if !value.is_nan() => {
                Some(Some(value).filter(|v| v.is_finite()))
            }
            Scalar::Text(_) => self.none(field, "a number", "for dates and texts, write a `sql` check"),
            _ => self.none(field, "a number", "null is open"),
        }
    }

    /// One of the words.
    pub fn one_of(&mut self, field: Field<'a>, words: &[&'static str]) -> Option<&'static str> {
        let expected = list(words, "or");
        let Scalar::Text(text) = self.scalar(field, &expected, "")? else { return self.none(field, &expected, "") };
        if let Some(word) = words.iter().find(|word| **word == text) {
            return Some(word);
        }
        let message = format!("`{}` must be {expected}", field.name);
        let mut diagnostic = self.error(field.span(), message);
        diagnostic.help = self.suggest(&text, words.iter().copied()).map(|word| format!("did you mean `{word}`?"));
        self.report(diagnostic);
        None
    }

    /// A count or a percentage.
    pub fn max_bad(&mut self, field: Field<'a>) -> Option<MaxBad> {
        let (expected, help) = ("a count or a percentage", "such as `2` or `1%`");
        let max_bad = match self.typed(field, expected, help)? {
            Scalar::Int(count) => u64::try_from(count).ok().map(MaxBad::Count),
            Scalar::Text(text) => parse_max_bad(&text),
            _ => None,
        };
        max_bad.or_else(|| self.none(field, expected, help))
    }

    /// A value that a parameter can have.
    pub fn value(&mut self, field: Field<'a>) -> Option<ParamValue> {
        let expected = "a text, a number, `true` or `false`";
        match self.scalar(field, expected, "")? {
            Scalar::Bool(value) => Some(ParamValue::Bool(value)),
            Scalar::Int(value) => Some(ParamValue::Int(value)),
            Scalar::Float(value) if value.is_finite() => Some(ParamValue::Float(value)),
            Scalar::Text(text) => Some(ParamValue::Text(text.into_owned())),
            Scalar::Huge(_) => {
                self.none(field, "a number that fits into 64 bits", "put it in quotes to make it a text")
            }
            Scalar::Null | Scalar::Float(_) => self.none(field, expected, ""),
        }
    }

    /// A text or a list of texts, none of them twice, at least one; `loose` takes numbers as they are written.
    pub fn names(&mut self, field: Field<'a>, loose: bool) -> Option<Vec<String>> {
        let nodes = match &field.node.value {
            Value::List(items) => items.as_slice(),
            Value::Scalar { .. } => std::slice::from_ref(field.node),
            Value::Map(_) if loose => return self.none(field, "a text or a list of texts", ""),
            Value::Map(_) => return self.none(field, "a name or a list of names", ""),
        };
        if nodes.is_empty() && !loose {
            let message = format!("`{}` is an empty list", field.name);
            self.report(self.error(field.span(), message).help("name at least one"));
            return None;
        }
        let mut names = Vec::with_capacity(nodes.len());
        let mut seen = HashSet::new();
        let mut complete = true;
        for node in nodes {
            let item = field.item(node);
            let name = if loose { self.loose(item) } else { self.filled_text(item) };
            let Some(name) = name else {
                complete = false;
                continue;
            };
            if nodes.len() > 1 && !seen.insert(name.to_string()) {
                let message = format!("`{name}` is given twice in `{}`", field.name);
                self.report(self.error(node.span.clone(), message).help("keep one of them"));
                complete = false;
            }
            names.push(name.into_owned());
        }
        complete.then_some(names)
    }
}

/// Whether a node is an empty scalar or `null`.
pub(super) fn is_null(node: &Node<'_>) -> bool {
    match &node.value {
        Value::Scalar { text, plain: true } => Scalar::plain(Cow::Borrowed(text)) == Scalar::Null,
        Value::Scalar { .. } | Value::List(_) | Value::Map(_) => false,
    }
}

/// What a node is, for a label. It does not say the value: it may be a secret.
pub(super) fn describe(node: &Node<'_>) -> String {
    match &node.value {
        Value::List(_) => "this is a list".into(),
        Value::Map(_) => "this is a map".into(),
        Value::Scalar { text, plain } => {
            let scalar = if *plain { Scalar::plain(Cow::Borrowed(text)) } else { Scalar::Text(Cow::Borrowed(text)) };
            format!("this is {}", scalar.describe())
        }
    }
}
