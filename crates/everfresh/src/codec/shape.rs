//! What a type asks for while a value of it is read.

use super::{stream::Stream, tag::Tag};
use crate::Fingerprint;
use std::ptr;

/// One question of a type to its deserializer.
#[derive(Copy, Clone)]
pub(super) enum Ask {
    /// An item of this kind.
    Of(Tag),
    /// Whatever is there.
    Any,
    /// To pass over whatever is there.
    Ignored,
    /// A name that is not a struct's field: the key of a map with `#[serde(flatten)]`.
    Identifier,
    /// None or some.
    Option,
    /// One of these variants.
    Enum,
}

impl Ask {
    /// Tags are less than 64.
    fn code(self) -> u8 {
        match self {
            Self::Of(tag) => tag as u8,
            Self::Any => 64,
            Self::Ignored => 65,
            Self::Identifier => 66,
            Self::Option => 67,
            Self::Enum => 68,
        }
    }
}

type Names = &'static [&'static str];

/// Hashes questions as they come: one byte each, and numbers and names where there are some. A struct or enum is hashed
/// in full once, and after that by its number.
pub(super) struct Shape {
    stream: Stream,
    /// Definitions, each under its number. One may be there twice if the compiler put its constants in two places.
    known: Vec<(&'static str, Names, u64)>,
    /// How many numbers there are.
    count: u64,
    hidden: bool,
}

impl Shape {
    pub fn new() -> Self {
        Self { stream: Stream::new("everfresh codec shape"), known: Vec::new(), count: 0, hidden: false }
    }

    pub fn ask(&mut self, ask: Ask) {
        self.hidden |= matches!(ask, Ask::Any | Ask::Ignored | Ask::Identifier);
        self.stream.put(&[ask.code()]);
    }

    /// A question with a number: the length of a tuple.
    pub fn ask_length(&mut self, ask: Ask, length: usize) {
        self.ask(ask);
        self.number(length as u64);
    }

    /// A question with a name, and the names of all fields or variants.
    pub fn ask_named(&mut self, ask: Ask, name: &'static str, list: Names) {
        self.ask(ask);
        // What is static never changes, so the same place is the same definition, and comparing places is quick.
        if let Some((.., number)) = self.known.iter().find(|known| ptr::eq(known.0, name) && ptr::eq(known.1, list)) {
            return self.number(*number);
        }
        // The same definition elsewhere: a shape does not depend on where it lies.
        let same = self.known.iter().find(|known| (known.0, known.1) == (name, list)).map(|known| known.2);
        let number = same.unwrap_or(self.count);
        self.known.push((name, list, number));
        self.number(number);
        if same.is_none() {
            self.count += 1;
            self.text(name);
            self.number(list.len() as u64);
            list.iter().for_each(|item| self.text(item));
        }
    }

    fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.stream.put(text.as_bytes());
    }

    fn number(&mut self, number: u64) {
        self.stream.put(&number.to_le_bytes());
    }

    /// The hash of all questions, and whether one of them hides what its type knows.
    pub fn finish(self) -> (Fingerprint, bool) {
        (self.stream.finish(), self.hidden)
    }
}
