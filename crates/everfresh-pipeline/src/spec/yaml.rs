//! YAML as a tree of nodes that know where they stand.
//!
//! One document; keys are texts, in the file's order; duplicate keys are problems. Aliases are resolved by copying what
//! they name, and `<<` merges maps; how much may be copied is bounded, so that a small file cannot grow into a huge
//! tree, and so is the depth, so that walking it cannot exhaust the stack. Spans are in bytes of the text. Those of
//! copied nodes point at the original.

use super::{model::Span, syntax};
use granit_parser::{Event, Parser, ScalarStyle, Span as Place, Tag};
use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
};

/// How deep maps and lists may be nested, aliases resolved.
const MOST_DEEP: usize = 64;

/// How much aliases may copy: the bytes of scalars, and 64 for every node.
const MOST_COPIED: usize = 16 << 20;

/// A map with more keys than this looks for duplicates with a hash set.
const FEW_KEYS: usize = 16;

/// A node of the tree.
#[derive(Clone, Debug)]
pub(super) struct Node<'t> {
    /// Where it stands.
    pub span: Span,
    /// What it is.
    pub value: Value<'t>,
}

/// What a node is.
#[derive(Clone, Debug)]
pub(super) enum Value<'t> {
    /// A scalar: its text, escapes resolved, and whether it stands without quotes.
    Scalar {
        /// The text.
        text: Cow<'t, str>,
        /// Without quotes, not a block, no `!!str`: it may be a number.
        plain: bool,
    },
    /// A list.
    List(Vec<Node<'t>>),
    /// A map.
    Map(Vec<Entry<'t>>),
}

/// One key of a map with its value.
#[derive(Clone, Debug)]
pub(super) struct Entry<'t> {
    /// The key.
    pub key: Cow<'t, str>,
    /// Where the key stands.
    pub span: Span,
    /// The value.
    pub value: Node<'t>,
}

impl<'t> Node<'t> {
    /// The entries of a map; nothing for other nodes.
    pub fn entries(&self) -> &[Entry<'t>] {
        match &self.value {
            Value::Map(entries) => entries,
            Value::List(_) | Value::Scalar { .. } => &[],
        }
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&Node<'t>> {
        self.entries().iter().find(|entry| entry.key == key).map(|entry| &entry.value)
    }

    fn weight(&self) -> usize {
        64 + match &self.value {
            Value::Scalar { text, .. } => text.len(),
            Value::List(items) => items.iter().map(Self::weight).sum(),
            Value::Map(entries) => entries.iter().map(|entry| 64 + entry.key.len() + entry.value.weight()).sum(),
        }
    }

    fn depth(&self) -> usize {
        1 + match &self.value {
            Value::Scalar { .. } => 0,
            Value::List(items) => items.iter().map(Self::depth).max().unwrap_or(0),
            Value::Map(entries) => entries.iter().map(|entry| entry.value.depth()).max().unwrap_or(0),
        }
    }
}

/// Something wrong with the YAML itself.
#[derive(Debug)]
pub(super) struct Problem {
    /// Where.
    pub span: Span,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: Option<&'static str>,
    /// Another place that matters.
    pub also: Option<(Span, &'static str)>,
}

impl Problem {
    /// A problem at one place.
    pub fn new(span: Span, message: impl Into<String>, help: Option<&'static str>) -> Self {
        Self { span, message: message.into(), help, also: None }
    }
}

/// What came of a text.
#[derive(Debug)]
pub(super) struct Document<'t> {
    /// The tree; `None` if the text is empty or cannot be read to its end.
    pub root: Option<Node<'t>>,
    /// What is wrong.
    pub problems: Vec<Problem>,
}

/// Reads a text.
pub(super) fn parse(text: &str) -> Document<'_> {
    let mut builder = Builder::default();
    let root = match builder.read(text) {
        Ok(()) => builder.root.take(),
        Err(problem) => {
            builder.problems.push(problem);
            None
        }
    };
    Document { root, problems: builder.problems }
}

#[derive(Default)]
struct Builder<'t> {
    open: Vec<Open<'t>>,
    /// What anchors name, by the parser's number for them; absent while it is still open.
    anchors: HashMap<usize, (Node<'t>, usize)>,
    copied: usize,
    root: Option<Node<'t>>,
    problems: Vec<Problem>,
}

/// A list or map that is not yet closed.
struct Open<'t> {
    start: usize,
    anchor: usize,
    inside: Inside<'t>,
}

enum Inside<'t> {
    List(Vec<Node<'t>>),
    Map {
        entries: Vec<Entry<'t>>,
        key: Option<(Cow<'t, str>, Span)>,
        merged: Vec<Node<'t>>,
        seen: HashSet<Cow<'t, str>>,
    },
}

impl<'t> Builder<'t> {
    fn read(&mut self, text: &'t str) -> Result<(), Problem> {
        let mut documents = 0;
        for event in Parser::new_from_str(text) {
            let (event, place) = event.map_err(|error| syntax::problem(text, &error))?;
            let span = bytes(text, &place);
            match event {
                Event::DocumentStart(..) => {
                    documents += 1;
                    if documents > 1 {
                        let help = "a pipeline file is one document: take `---` out, or make two files";
                        return Err(Problem::new(span, "this starts a second document", Some(help)));
                    }
                }
                Event::Scalar(content, style, anchor, tag) => {
                    let plain = self.tag(tag.as_deref(), &tag_place(text, &place)) && style == ScalarStyle::Plain;
                    self.push(Node { span, value: Value::Scalar { text: content, plain } }, anchor)?;
                }
                Event::SequenceStart(_, anchor, tag) => {
                    self.tag(tag.as_deref(), &tag_place(text, &place));
                    self.open(span, anchor, Inside::List(Vec::new()))?;
                }
                Event::MappingStart(_, anchor, tag) => {
                    self.tag(tag.as_deref(), &tag_place(text, &place));
                    let (entries, merged, seen) = Default::default();
                    self.open(span, anchor, Inside::Map { entries, key: None, merged, seen })?;
                }
                Event::SequenceEnd | Event::MappingEnd => self.close(span.end)?,
                Event::Alias(anchor) => {
                    let node = self.alias(anchor, &span)?;
                    self.push(node, 0)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Whether a plain scalar with this tag still means what its text looks like.
    fn tag(&mut self, tag: Option<&Tag>, span: &Span) -> bool {
        let Some(tag) = tag else { return true };
        match tag.core_suffix() {
            Some("str") => false,
            Some(_) => true,
            None => {
                self.problems.push(Problem::new(span.clone(), "tags have no meaning here", Some("take the `!…` out")));
                true
            }
        }
    }

    fn open(&mut self, span: Span, anchor: usize, inside: Inside<'t>) -> Result<(), Problem> {
        self.deep(1, &span)?;
        self.open.push(Open { start: span.start, anchor, inside });
        Ok(())
    }

    fn deep(&self, more: usize, span: &Span) -> Result<(), Problem> {
        match self.open.len() + more > MOST_DEEP {
            true => Err(Problem::new(span.clone(), "this is nested too deeply", None)),
            false => Ok(()),
        }
    }

    fn alias(&mut self, anchor: usize, span: &Span) -> Result<Node<'t>, Problem> {
        let Some((node, weight)) = self.anchors.get(&anchor) else {
            return Err(Problem::new(span.clone(), "this alias stands inside what it names", None));
        };
        self.copied = self.copied.saturating_add(*weight);
        if self.copied > MOST_COPIED {
            return Err(Problem::new(
                span.clone(),
                "the aliases of this file copy too much",
                Some("write fewer aliases"),
            ));
        }
        self.deep(node.depth(), span)?;
        Ok(node.clone())
    }

    fn close(&mut self, end: usize) -> Result<(), Problem> {
        let Some(Open { start, anchor, inside }) = self.open.pop() else { return Ok(()) };
        let value = match inside {
            Inside::List(items) => Value::List(items),
            Inside::Map { entries, merged, .. } => Value::Map(self.merge(entries, merged)),
        };
        self.push(Node { span: start..end.max(start), value }, anchor)
    }

    /// Adds what `<<` names and the map does not say itself; the first of several wins.
    fn merge(&mut self, mut entries: Vec<Entry<'t>>, merged: Vec<Node<'t>>) -> Vec<Entry<'t>> {
        for node in merged {
            let maps = match node.value {
                Value::List(items) => items,
                Value::Map(_) | Value::Scalar { .. } => vec![node],
            };
            for map in maps {
                match map.value {
                    Value::Map(more) => {
                        for entry in more {
                            if entries.iter().all(|own| own.key != entry.key) {
                                entries.push(entry);
                            }
                        }
                    }
                    Value::List(_) | Value::Scalar { .. } => {
                        let help = Some("name a map, such as `<<: *defaults`");
                        self.problems.push(Problem::new(map.span, "`<<` merges maps, and this is none", help));
                    }
                }
            }
        }
        entries
    }

    fn push(&mut self, node: Node<'t>, anchor: usize) -> Result<(), Problem> {
        if anchor != 0 {
            let weight = node.weight();
            self.copied = self.copied.saturating_add(weight);
            if self.copied > MOST_COPIED {
                return Err(Problem::new(
                    node.span,
                    "the anchors of this file hold too much",
                    Some("write fewer anchors"),
                ));
            }
            self.anchors.insert(anchor, (node.clone(), weight));
        }
        match self.open.last_mut().map(|open| &mut open.inside) {
            None => self.root = Some(node),
            Some(Inside::List(items)) => items.push(node),
            Some(Inside::Map { entries, key, merged, seen }) => match key.take() {
                None => match node.value {
                    Value::Scalar { text, .. } => *key = Some((text, node.span)),
                    Value::List(_) | Value::Map(_) => {
                        let help = "put a text that starts with `{`, `[` or `*` in quotes";
                        return Err(Problem::new(node.span, "a key must be a text", Some(help)));
                    }
                },
                Some((name, _)) if name == "<<" => merged.push(node),
                Some((name, span)) => {
                    let entry = Entry { key: name, span, value: node };
                    match first(entries, seen, &entry) {
                        Some(first) => self.problems.push(Problem {
                            span: entry.span,
                            message: format!("`{}` is given twice", entry.key),
                            help: Some("keep one of them"),
                            also: Some((first, "first given here")),
                        }),
                        None => entries.push(entry),
                    }
                }
            },
        }
        Ok(())
    }
}

/// Where the map already has this key.
fn first<'t>(entries: &[Entry<'t>], seen: &mut HashSet<Cow<'t, str>>, new: &Entry<'t>) -> Option<Span> {
    if entries.len() >= FEW_KEYS {
        if seen.is_empty() {
            seen.extend(entries.iter().map(|entry| entry.key.clone()));
        }
        if seen.insert(new.key.clone()) {
            return None;
        }
    }
    entries.iter().find(|entry| entry.key == new.key).map(|entry| entry.span.clone())
}

/// The parser's span in bytes, without the white space that ends a block.
fn bytes(text: &str, place: &Place) -> Span {
    let Span { start, end } = place.byte_range().unwrap_or(0..0);
    let raw = text.get(start..end.max(start)).unwrap_or("");
    start..start + raw.trim_end().len()
}

fn tag_place(text: &str, place: &Place) -> Span {
    bytes(text, &place.tag_span().unwrap_or(*place))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(text: &str) -> Node<'_> {
        let document = parse(text);
        assert!(document.problems.is_empty(), "{:?}", document.problems);
        document.root.unwrap()
    }

    fn problems(text: &str) -> Vec<String> {
        parse(text).problems.into_iter().map(|problem| problem.message).collect()
    }

    fn spans(node: &Node<'_>, out: &mut Vec<Span>) {
        out.push(node.span.clone());
        match &node.value {
            Value::Scalar { .. } => {}
            Value::List(items) => items.iter().for_each(|item| spans(item, out)),
            Value::Map(entries) => entries.iter().for_each(|entry| {
                out.push(entry.span.clone());
                spans(&entry.value, out);
            }),
        }
    }

    #[test]
    fn every_node_knows_where_it_stands() {
        let text = "é: plain text # comment\nb: 'quoted'\nc: |\n  one\n  two\nd: [1, {e: \"x\"}]\nf: &n last\ng: *n\n";
        let mut all = Vec::new();
        spans(&tree(text), &mut all);
        let slices: Vec<&str> = all.into_iter().skip(1).map(|span| &text[span]).collect();
        assert_eq!(
            slices,
            [
                "é",
                "plain text",
                "b",
                "'quoted'",
                "c",
                "one\n  two",
                "d",
                "[1, {e: \"x\"}]",
                "1",
                "{e: \"x\"}",
                "e",
                "\"x\"",
                "f",
                "last",
                "g",
                "last"
            ]
        );
    }

    #[test]
    fn a_byte_order_mark_moves_nothing() {
        let text = "\u{feff}a: b\n";
        let root = tree(text);
        assert_eq!(&text[root.get("a").unwrap().span.clone()], "b");
    }

    #[test]
    fn a_merge_adds_what_the_map_does_not_say() {
        let root = tree("d: &d {a: 1, b: 2}\nx: {b: 3, <<: *d}\n");
        let keys: Vec<&str> = root.get("x").unwrap().entries().iter().map(|entry| entry.key.as_ref()).collect();
        assert_eq!(keys, ["b", "a"]);
        assert_eq!(problems("a: {<<: 1}"), ["`<<` merges maps, and this is none"]);
    }

    #[test]
    fn duplicate_keys_are_found_in_small_and_large_maps() {
        assert_eq!(problems("a: 1\na: 2\n"), ["`a` is given twice"]);
        let many: String = (0..1000).map(|i| format!("k{i}: 1\n")).collect();
        assert_eq!(problems(&format!("{many}k3: 1\nk999: 1\n")), ["`k3` is given twice", "`k999` is given twice"]);
    }

    #[test]
    fn a_billion_laughs_are_refused() {
        let mut text = String::from("a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]\n");
        for i in 1..12 {
            let aliases = vec![format!("*a{}", i - 1); 10].join(", ");
            text.push_str(&format!("a{i}: &a{i} [{aliases}]\n"));
        }
        assert_eq!(problems(&text), ["the aliases of this file copy too much"]);
        assert_eq!(problems("a: &a [*a]"), ["this alias stands inside what it names"]);
    }

    #[test]
    fn deep_nesting_is_refused() {
        assert_eq!(problems(&"[".repeat(100_000)), ["this is nested too deeply"]);
        let mut text = String::from("a0: &a0 x\n");
        (1..100).for_each(|i| text.push_str(&format!("a{i}: &a{i} [*a{}]\n", i - 1)));
        assert_eq!(problems(&text), ["this is nested too deeply"]);
    }

    #[test]
    fn there_is_one_document_and_it_may_be_empty() {
        assert!(parse("").root.is_none() && parse("# nothing\n").root.is_none());
        assert_eq!(problems("a: 1\n---\nb: 2\n"), ["this starts a second document"]);
        assert!(problems("---\na: 1\n...\n").is_empty());
    }
}
