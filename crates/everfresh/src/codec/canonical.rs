//! The form of a value that is fingerprinted: every name in full, every map sorted by its encoded keys.

use super::{
    decode::Decoder,
    encode::{Sink, put_length},
    error::Problem,
    stream::Stream,
    tag::{NAME_IN_FULL, NAMES_END, Tag},
};
use crate::Fingerprint;

/// Where an entry of an open map lies in the buffer.
#[derive(Copy, Clone)]
struct Entry {
    key: usize,
    value: usize,
    end: usize,
}

/// Streams into a hash; while a map is open, everything stays in the buffer.
pub(super) struct Canonical {
    stream: Stream,
    open_maps: usize,
    /// The entries of all open maps, those of the innermost last.
    entries: Vec<Entry>,
    /// Kept for its allocation.
    sorted: Vec<u8>,
}

impl Canonical {
    pub fn new() -> Self {
        Self { stream: Stream::new("everfresh codec value"), open_maps: 0, entries: Vec::new(), sorted: Vec::new() }
    }

    pub fn finish(self) -> Fingerprint {
        self.stream.finish()
    }

    fn place(&self) -> usize {
        self.stream.buffer.len()
    }

    fn name_in_full(&mut self, name: &str) {
        put_length(self, NAME_IN_FULL);
        self.sized(name.as_bytes());
    }

    fn sized(&mut self, bytes: &[u8]) {
        put_length(self, bytes.len() as u64);
        self.put(bytes);
    }

    /// Takes an item that is encoded already.
    pub fn copy(&mut self, from: &mut Decoder<'_>) -> Result<(), Problem> {
        let tag = from.tag()?;
        self.put(&[tag as u8]);
        match tag {
            Tag::UnitStruct | Tag::NewtypeStruct | Tag::TupleStruct | Tag::Struct => self.name_in_full(from.name()?),
            Tag::UnitVariant | Tag::NewtypeVariant | Tag::TupleVariant | Tag::StructVariant => {
                self.name_in_full(from.name()?);
                put_length(self, from.number()?);
                self.name_in_full(from.name()?);
            }
            _ => {}
        }
        match tag {
            Tag::Unit | Tag::None | Tag::UnitStruct | Tag::UnitVariant => {}
            Tag::Bool | Tag::U8 | Tag::I8 => self.put(&from.array::<1>()?),
            Tag::U16 | Tag::I16 => self.put(&from.array::<2>()?),
            Tag::U32 | Tag::I32 | Tag::F32 | Tag::Char => self.put(&from.array::<4>()?),
            Tag::U64 | Tag::I64 | Tag::F64 => self.put(&from.array::<8>()?),
            Tag::U128 | Tag::I128 => self.put(&from.array::<16>()?),
            Tag::Str | Tag::Bytes => self.sized(from.sized()?),
            Tag::Some | Tag::NewtypeStruct | Tag::NewtypeVariant => from.nested(|from| self.copy(from))?,
            Tag::Seq | Tag::Tuple | Tag::TupleStruct | Tag::TupleVariant => from.nested(|from| {
                while from.peek()? != Tag::End {
                    self.copy(from)?;
                }
                self.put(&[from.tag()? as u8]);
                Ok(())
            })?,
            Tag::Map => from.nested(|from| {
                let first = self.map_opens();
                while from.peek()? != Tag::End {
                    self.key_starts();
                    self.copy(from)?;
                    self.value_starts();
                    self.copy(from)?;
                    self.value_ends();
                }
                self.map_closes(first);
                self.put(&[from.tag()? as u8]);
                Ok(())
            })?,
            Tag::Struct | Tag::StructVariant => from.nested(|from| {
                while let Some(name) = from.next_field()? {
                    self.name_in_full(name);
                    self.copy(from)?;
                }
                from.number()?;
                put_length(self, NAMES_END);
                Ok(())
            })?,
            Tag::End => return Err(Problem::Unpaired),
        }
        Ok(())
    }
}

impl Sink for Canonical {
    fn put(&mut self, bytes: &[u8]) {
        if self.open_maps == 0 {
            self.stream.put(bytes);
        } else {
            self.stream.buffer.extend_from_slice(bytes);
        }
    }

    fn name(&mut self, name: &'static str) {
        self.name_in_full(name);
    }

    fn map_opens(&mut self) -> usize {
        self.open_maps += 1;
        self.entries.len()
    }

    fn key_starts(&mut self) {
        let place = self.place();
        self.entries.push(Entry { key: place, value: place, end: place });
    }

    fn value_starts(&mut self) {
        let place = self.place();
        if let Some(entry) = self.entries.last_mut() {
            entry.value = place;
        }
    }

    fn value_ends(&mut self) {
        let place = self.place();
        if let Some(entry) = self.entries.last_mut() {
            entry.end = place;
        }
    }

    fn map_closes(&mut self, first: usize) {
        self.open_maps -= 1;
        let (entries, buffer) = (&mut self.entries[first..], &mut self.stream.buffer);
        let key = |entry: &Entry| &buffer[entry.key..entry.value];
        if !entries.is_sorted_by(|one, other| key(one) <= key(other)) {
            let start = entries[0].key;
            // Stable: entries of one key stay in their order.
            entries.sort_by(|one, other| key(one).cmp(key(other)));
            self.sorted.clear();
            for entry in entries {
                self.sorted.extend_from_slice(&buffer[entry.key..entry.end]);
            }
            buffer.truncate(start);
            buffer.extend_from_slice(&self.sorted);
        }
        self.entries.truncate(first);
    }
}
