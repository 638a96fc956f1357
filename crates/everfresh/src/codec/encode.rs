//! From values to bytes.

use super::{
    MAX_DEPTH,
    error::Problem,
    tag::{NAME_AGAIN, NAME_IN_FULL, NAMES_END, Tag},
};
use hashbrown::HashMap;
use serde::{Serialize, Serializer, ser};

/// Where an encoding goes to. The last five let one sort maps.
pub(super) trait Sink {
    fn put(&mut self, bytes: &[u8]);
    fn name(&mut self, name: &'static str);
    /// Returns what [`Sink::map_closes`] wants to know.
    fn map_opens(&mut self) -> usize {
        0
    }
    fn key_starts(&mut self) {}
    fn value_starts(&mut self) {}
    fn value_ends(&mut self) {}
    fn map_closes(&mut self, _opened: usize) {}
}

/// Writes LEB128.
pub(super) fn put_length<S: Sink>(sink: &mut S, mut length: u64) {
    while length >= 0x80 {
        sink.put(&[length as u8 | 0x80]);
        length >>= 7;
    }
    sink.put(&[length as u8]);
}

/// Collects the bytes as they come, each name in full only once.
#[derive(Default)]
pub(super) struct Plain {
    bytes: Vec<u8>,
    names: HashMap<&'static str, u64>,
}

impl Plain {
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

impl Sink for Plain {
    fn put(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    fn name(&mut self, name: &'static str) {
        if let Some(&number) = self.names.get(name) {
            return put_length(self, NAME_AGAIN + number);
        }
        self.names.insert(name, self.names.len() as u64);
        put_length(self, NAME_IN_FULL);
        put_length(self, name.len() as u64);
        self.put(name.as_bytes());
    }
}

pub(super) struct Encoder<S> {
    sink: S,
    depth: usize,
    /// Whether a part failed. What was written of it would be taken for something else if its error were dropped.
    failed: bool,
}

impl<S: Sink> Encoder<S> {
    pub fn new(sink: S) -> Self {
        Self { sink, depth: 0, failed: false }
    }

    pub fn finish(self) -> Result<S, Problem> {
        if self.failed { Err(Problem::Dropped) } else { Ok(self.sink) }
    }

    fn fixed<const N: usize>(&mut self, tag: Tag, bytes: [u8; N]) -> Result<(), Problem> {
        self.sink.put(&[tag as u8]);
        self.sink.put(&bytes);
        Ok(())
    }

    fn sized(&mut self, tag: Tag, bytes: &[u8]) -> Result<(), Problem> {
        self.sink.put(&[tag as u8]);
        put_length(&mut self.sink, bytes.len() as u64);
        self.sink.put(bytes);
        Ok(())
    }

    fn named(&mut self, tag: Tag, name: &'static str) {
        self.sink.put(&[tag as u8]);
        self.sink.name(name);
    }

    fn variant(&mut self, tag: Tag, owner: &'static str, index: u32, name: &'static str) {
        self.named(tag, owner);
        put_length(&mut self.sink, u64::from(index));
        self.sink.name(name);
    }

    fn enter(&mut self) -> Result<(), Problem> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            self.failed = true;
            return Err(Problem::Depth);
        }
        Ok(())
    }

    fn item<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Problem> {
        let result = value.serialize(&mut *self);
        self.failed |= result.is_err();
        result
    }

    /// The one item of what has just one.
    fn only<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Problem> {
        self.enter()?;
        self.item(value)?;
        self.depth -= 1;
        Ok(())
    }

    /// The items of what has several; `end` follows the last.
    fn several(&mut self, end: u8) -> Result<Several<'_, S>, Problem> {
        self.enter()?;
        Ok(Several { encoder: self, end, opened: 0, key_waits: false })
    }
}

/// The fixed-width kinds.
macro_rules! fixed {
    ($($method:ident $tag:ident $type:ty;)*) => {
        $(fn $method(self, value: $type) -> Result<(), Problem> {
            self.fixed(Tag::$tag, value.to_le_bytes())
        })*
    };
}

impl<'a, S: Sink> Serializer for &'a mut Encoder<S> {
    type Ok = ();
    type Error = Problem;
    type SerializeSeq = Several<'a, S>;
    type SerializeTuple = Several<'a, S>;
    type SerializeTupleStruct = Several<'a, S>;
    type SerializeTupleVariant = Several<'a, S>;
    type SerializeMap = Several<'a, S>;
    type SerializeStruct = Several<'a, S>;
    type SerializeStructVariant = Several<'a, S>;

    fixed! {
        serialize_u8 U8 u8;
        serialize_u16 U16 u16;
        serialize_u32 U32 u32;
        serialize_u64 U64 u64;
        serialize_u128 U128 u128;
        serialize_i8 I8 i8;
        serialize_i16 I16 i16;
        serialize_i32 I32 i32;
        serialize_i64 I64 i64;
        serialize_i128 I128 i128;
    }

    fn is_human_readable(&self) -> bool {
        false
    }

    fn serialize_bool(self, value: bool) -> Result<(), Problem> {
        self.fixed(Tag::Bool, [u8::from(value)])
    }

    fn serialize_f32(self, value: f32) -> Result<(), Problem> {
        self.fixed(Tag::F32, value.to_bits().to_le_bytes())
    }

    fn serialize_f64(self, value: f64) -> Result<(), Problem> {
        self.fixed(Tag::F64, value.to_bits().to_le_bytes())
    }

    fn serialize_char(self, value: char) -> Result<(), Problem> {
        self.fixed(Tag::Char, u32::from(value).to_le_bytes())
    }

    fn serialize_str(self, value: &str) -> Result<(), Problem> {
        self.sized(Tag::Str, value.as_bytes())
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), Problem> {
        self.sized(Tag::Bytes, value)
    }

    fn serialize_none(self) -> Result<(), Problem> {
        self.fixed(Tag::None, [])
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Problem> {
        self.sink.put(&[Tag::Some as u8]);
        self.only(value)
    }

    fn serialize_unit(self) -> Result<(), Problem> {
        self.fixed(Tag::Unit, [])
    }

    fn serialize_unit_struct(self, name: &'static str) -> Result<(), Problem> {
        self.named(Tag::UnitStruct, name);
        Ok(())
    }

    fn serialize_unit_variant(self, owner: &'static str, index: u32, name: &'static str) -> Result<(), Problem> {
        self.variant(Tag::UnitVariant, owner, index, name);
        Ok(())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, name: &'static str, value: &T) -> Result<(), Problem> {
        self.named(Tag::NewtypeStruct, name);
        self.only(value)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        owner: &'static str,
        index: u32,
        name: &'static str,
        value: &T,
    ) -> Result<(), Problem> {
        self.variant(Tag::NewtypeVariant, owner, index, name);
        self.only(value)
    }

    // Lengths that are announced are not written: an end is, so that a wrong or missing announcement changes nothing.
    fn serialize_seq(self, _: Option<usize>) -> Result<Several<'a, S>, Problem> {
        self.sink.put(&[Tag::Seq as u8]);
        self.several(Tag::End as u8)
    }

    fn serialize_tuple(self, _: usize) -> Result<Several<'a, S>, Problem> {
        self.sink.put(&[Tag::Tuple as u8]);
        self.several(Tag::End as u8)
    }

    fn serialize_tuple_struct(self, name: &'static str, _: usize) -> Result<Several<'a, S>, Problem> {
        self.named(Tag::TupleStruct, name);
        self.several(Tag::End as u8)
    }

    fn serialize_tuple_variant(
        self,
        owner: &'static str,
        index: u32,
        name: &'static str,
        _: usize,
    ) -> Result<Several<'a, S>, Problem> {
        self.variant(Tag::TupleVariant, owner, index, name);
        self.several(Tag::End as u8)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Several<'a, S>, Problem> {
        self.sink.put(&[Tag::Map as u8]);
        let mut map = self.several(Tag::End as u8)?;
        map.opened = map.encoder.sink.map_opens();
        Ok(map)
    }

    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Several<'a, S>, Problem> {
        self.named(Tag::Struct, name);
        self.several(NAMES_END as u8)
    }

    fn serialize_struct_variant(
        self,
        owner: &'static str,
        index: u32,
        name: &'static str,
        _: usize,
    ) -> Result<Several<'a, S>, Problem> {
        self.variant(Tag::StructVariant, owner, index, name);
        self.several(NAMES_END as u8)
    }
}

/// An open list, tuple, map or struct.
pub(super) struct Several<'a, S> {
    encoder: &'a mut Encoder<S>,
    end: u8,
    opened: usize,
    /// Whether a map's key was written and its value was not.
    key_waits: bool,
}

impl<S: Sink> Several<'_, S> {
    fn field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Problem> {
        self.encoder.sink.name(name);
        self.encoder.item(value)
    }

    fn close(self) -> Result<(), Problem> {
        self.encoder.sink.put(&[self.end]);
        self.encoder.depth -= 1;
        Ok(())
    }

    fn unpaired(&mut self) -> Result<(), Problem> {
        self.encoder.failed = true;
        Err(Problem::Unpaired)
    }
}

impl<S: Sink> ser::SerializeMap for Several<'_, S> {
    type Ok = ();
    type Error = Problem;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Problem> {
        if self.key_waits {
            return self.unpaired();
        }
        self.key_waits = true;
        self.encoder.sink.key_starts();
        self.encoder.item(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Problem> {
        if !self.key_waits {
            return self.unpaired();
        }
        self.key_waits = false;
        self.encoder.sink.value_starts();
        self.encoder.item(value)?;
        self.encoder.sink.value_ends();
        Ok(())
    }

    fn end(mut self) -> Result<(), Problem> {
        if self.key_waits {
            return self.unpaired();
        }
        self.encoder.sink.map_closes(self.opened);
        self.close()
    }
}

/// Lists and tuples.
macro_rules! items {
    ($($trait:ident $method:ident),*) => {
        $(impl<S: Sink> ser::$trait for Several<'_, S> {
            type Ok = ();
            type Error = Problem;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Problem> {
                self.encoder.item(value)
            }

            fn end(self) -> Result<(), Problem> {
                self.close()
            }
        })*
    };
}
items!(
    SerializeSeq serialize_element,
    SerializeTuple serialize_element,
    SerializeTupleStruct serialize_field,
    SerializeTupleVariant serialize_field
);

/// Structs.
macro_rules! fields {
    ($($trait:ident),*) => {
        $(impl<S: Sink> ser::$trait for Several<'_, S> {
            type Ok = ();
            type Error = Problem;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Problem> {
                self.field(name, value)
            }

            fn end(self) -> Result<(), Problem> {
                self.close()
            }
        })*
    };
}
fields!(SerializeStruct, SerializeStructVariant);
