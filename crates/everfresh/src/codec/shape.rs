//! What a type asks for while a value of it is read.

use super::{stream::Stream, tag::Tag};
use crate::Fingerprint;
use hashbrown::HashMap;

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
#[derive(Default)]
pub(super) struct Shape {
    stream: Stream,
    /// The numbers of definitions by where they lie, which is quick to look up: what is static never changes.
    by_place: HashMap<(usize, usize, usize, usize), u64>,
    /// The same by what they are, so that a shape does not depend on where a compiler puts its constants.
    by_content: HashMap<(&'static str, Names), u64>,
    hidden: bool,
}

impl Shape {
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
        let place = (name.as_ptr().addr(), name.len(), list.as_ptr().addr(), list.len());
        if let Some(number) = self.by_place.get(&place) {
            return self.number(*number);
        }
        let next = self.by_content.len() as u64;
        let number = *self.by_content.entry((name, list)).or_insert(next);
        self.by_place.insert(place, number);
        self.number(number);
        if number == next {
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
        (self.stream.finish("everfresh codec shape"), self.hidden)
    }
}
