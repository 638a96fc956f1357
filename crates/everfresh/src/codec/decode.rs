//! From bytes to values: nothing is converted, and nothing that was stored is passed over.

use super::{
    MAX_DEPTH,
    access::{Content, Entries, Fields, Items, Known, Variant},
    error::Problem,
    shape::{Ask, Shape},
    tag::{NAME_AGAIN, NAME_IN_FULL, NAMES_END, Tag},
};
use crate::Fingerprint;
use serde::{Deserializer, de::Visitor};

pub(super) struct Decoder<'de> {
    input: &'de [u8],
    position: usize,
    names: Vec<&'de str>,
    depth: usize,
    /// Variants whose content nobody has read yet.
    pub open_variants: i64,
    /// Whether a part was refused before all of it was read: what follows would be misread if its error were dropped.
    refused: bool,
    pub shape: Shape,
}

impl<'de> Decoder<'de> {
    pub fn new(input: &'de [u8]) -> Self {
        let shape = Shape::new();
        Self { input, position: 0, names: Vec::new(), depth: 0, open_variants: 0, refused: false, shape }
    }

    pub fn position(&self) -> usize {
        self.position
    }

    pub fn finish(&self) -> Result<(), Problem> {
        match self.rest().len() {
            _ if self.refused || self.depth > 0 => Err(Problem::Dropped),
            0 => Ok(()),
            more => Err(Problem::Trailing(more)),
        }
    }

    /// The shape, and whether the type asked for something in a way that hides what it knows.
    pub fn into_shape(self) -> (Fingerprint, bool) {
        self.shape.finish()
    }

    fn rest(&self) -> &'de [u8] {
        self.input.get(self.position..).unwrap_or_default()
    }

    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Problem> {
        let array = *self.rest().first_chunk().ok_or(Problem::Truncated)?;
        self.position += N;
        Ok(array)
    }

    pub fn number(&mut self) -> Result<u64, Problem> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let [byte] = self.array()?;
            let bits = u64::from(byte & 0x7f);
            // Neither bits that do not fit, nor a last byte that could be left out.
            if bits << shift >> shift != bits || (byte == 0 && shift > 0) {
                return Err(Problem::Length);
            }
            number |= bits << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(Problem::Length)
    }

    /// A length, and as many bytes, which borrow from the input: what is claimed and not there costs nothing.
    pub fn sized(&mut self) -> Result<&'de [u8], Problem> {
        let length = usize::try_from(self.number()?).map_err(|_| Problem::Truncated)?;
        let bytes = self.rest().get(..length).ok_or(Problem::Truncated)?;
        self.position += length;
        Ok(bytes)
    }

    fn text(&mut self) -> Result<&'de str, Problem> {
        std::str::from_utf8(self.sized()?).map_err(|_| Problem::Utf8)
    }

    /// The next field of a struct. The end is left for [`Decoder::fields`], which looks for it in any case.
    pub fn next_field(&mut self) -> Result<Option<&'de str>, Problem> {
        if self.rest().first() == Some(&(NAMES_END as u8)) { Ok(None) } else { self.name().map(Some) }
    }

    pub fn name(&mut self) -> Result<&'de str, Problem> {
        match self.number()? {
            NAMES_END => Err(Problem::Name),
            NAME_IN_FULL => {
                let name = self.text()?;
                self.names.push(name);
                Ok(name)
            }
            again => {
                let place = usize::try_from(again - NAME_AGAIN).map_err(|_| Problem::Name)?;
                self.names.get(place).copied().ok_or(Problem::Name)
            }
        }
    }

    pub fn peek(&self) -> Result<Tag, Problem> {
        Tag::try_from(*self.rest().first().ok_or(Problem::Truncated)?)
    }

    pub fn tag(&mut self) -> Result<Tag, Problem> {
        let tag = self.peek()?;
        self.position += 1;
        Ok(tag)
    }

    /// Asks for an item of this kind.
    fn expect(&mut self, tag: Tag) -> Result<(), Problem> {
        self.shape.ask(Ask::Of(tag));
        self.is(tag)
    }

    /// Asks for a struct of this kind and name.
    fn expect_named(&mut self, tag: Tag, name: &'static str, fields: &'static [&'static str]) -> Result<(), Problem> {
        self.shape.ask_named(Ask::Of(tag), name, fields);
        self.is(tag)?;
        self.is_name(name)
    }

    pub fn refuse<R>(&mut self, problem: Problem) -> Result<R, Problem> {
        self.refused = true;
        Err(problem)
    }

    fn is(&mut self, asked: Tag) -> Result<(), Problem> {
        match self.tag()? {
            stored if stored == asked => Ok(()),
            stored => self.refuse(Problem::Kind { asked: asked.name(), stored: stored.name() }),
        }
    }

    fn is_name(&mut self, asked: &'static str) -> Result<(), Problem> {
        match self.name()? {
            stored if stored == asked => Ok(()),
            stored => self.refuse(Problem::OtherName { asked, stored: stored.to_owned() }),
        }
    }

    fn bool<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Problem> {
        match self.array()? {
            [0] => visitor.visit_bool(false),
            [1] => visitor.visit_bool(true),
            [other] => Err(Problem::Bool(other)),
        }
    }

    fn char<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Problem> {
        let code = u32::from_le_bytes(self.array()?);
        visitor.visit_char(char::from_u32(code).ok_or(Problem::Char(code))?)
    }

    pub fn nested<R>(&mut self, read: impl FnOnce(&mut Self) -> Result<R, Problem>) -> Result<R, Problem> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Problem::Depth);
        }
        let result = read(self)?;
        self.depth -= 1;
        Ok(result)
    }

    /// Reads items up to the end: of a tuple, exactly as many as asked for.
    pub fn sequence<V: Visitor<'de>>(&mut self, length: Option<usize>, visitor: V) -> Result<V::Value, Problem> {
        self.nested(|decoder| {
            let value = visitor.visit_seq(Items { decoder, length, read: 0 })?;
            decoder.closes()?;
            Ok(value)
        })
    }

    fn entries<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Problem> {
        self.nested(|decoder| {
            let value = visitor.visit_map(Entries { decoder })?;
            decoder.closes()?;
            Ok(value)
        })
    }

    fn closes(&mut self) -> Result<(), Problem> {
        if self.tag()? != Tag::End {
            return Err(Problem::Unread);
        }
        self.shape.ask(Ask::Of(Tag::End));
        Ok(())
    }

    /// Reads the fields of a struct; all of them have to be in the list, if there is one.
    pub fn fields<V: Visitor<'de>>(&mut self, known: Option<Known>, visitor: V) -> Result<V::Value, Problem> {
        self.nested(|decoder| {
            let value = visitor.visit_map(Fields { decoder, known, next: 0 })?;
            if decoder.number()? != NAMES_END {
                return Err(Problem::Unread);
            }
            decoder.shape.ask(Ask::Of(Tag::End));
            Ok(value)
        })
    }

    /// What is there. Variants look as in JSON: a name, or a map from the name to the content. That is what serde's
    /// buffers make enums from.
    fn any<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Problem> {
        let tag = self.tag()?;
        match tag {
            Tag::Unit => visitor.visit_unit(),
            Tag::Bool => self.bool(visitor),
            Tag::U8 => visitor.visit_u8(u8::from_le_bytes(self.array()?)),
            Tag::U16 => visitor.visit_u16(u16::from_le_bytes(self.array()?)),
            Tag::U32 => visitor.visit_u32(u32::from_le_bytes(self.array()?)),
            Tag::U64 => visitor.visit_u64(u64::from_le_bytes(self.array()?)),
            Tag::U128 => visitor.visit_u128(u128::from_le_bytes(self.array()?)),
            Tag::I8 => visitor.visit_i8(i8::from_le_bytes(self.array()?)),
            Tag::I16 => visitor.visit_i16(i16::from_le_bytes(self.array()?)),
            Tag::I32 => visitor.visit_i32(i32::from_le_bytes(self.array()?)),
            Tag::I64 => visitor.visit_i64(i64::from_le_bytes(self.array()?)),
            Tag::I128 => visitor.visit_i128(i128::from_le_bytes(self.array()?)),
            Tag::F32 => visitor.visit_f32(f32::from_le_bytes(self.array()?)),
            Tag::F64 => visitor.visit_f64(f64::from_le_bytes(self.array()?)),
            Tag::Char => self.char(visitor),
            Tag::Str => visitor.visit_borrowed_str(self.text()?),
            Tag::Bytes => visitor.visit_borrowed_bytes(self.sized()?),
            Tag::None => visitor.visit_none(),
            Tag::Some => self.nested(|decoder| visitor.visit_some(decoder)),
            Tag::Seq | Tag::Tuple => self.sequence(None, visitor),
            Tag::Map => self.entries(visitor),
            Tag::UnitStruct => {
                self.name()?;
                visitor.visit_unit()
            }
            Tag::NewtypeStruct => {
                self.name()?;
                self.nested(|decoder| visitor.visit_newtype_struct(decoder))
            }
            Tag::TupleStruct => {
                self.name()?;
                self.sequence(None, visitor)
            }
            Tag::Struct => {
                self.name()?;
                self.fields(None, visitor)
            }
            Tag::UnitVariant => {
                let (_, name) = self.variant()?;
                visitor.visit_borrowed_str(name)
            }
            Tag::NewtypeVariant | Tag::TupleVariant | Tag::StructVariant => {
                let (_, name) = self.variant()?;
                self.variant_is_read(|decoder| visitor.visit_map(Content { decoder, tag, name: Some(name) }))
            }
            Tag::End => Err(Problem::Kind { asked: "an item", stored: tag.name() }),
        }
    }

    /// The names of an enum and its variant.
    fn variant(&mut self) -> Result<(&'de str, &'de str), Problem> {
        let owner = self.name()?;
        u32::try_from(self.number()?).map_err(|_| Problem::Length)?;
        Ok((owner, self.name()?))
    }

    /// Makes sure that `read` also reads the content of the variant, whose bytes would else be taken for what follows.
    fn variant_is_read<R>(&mut self, read: impl FnOnce(&mut Self) -> Result<R, Problem>) -> Result<R, Problem> {
        let before = self.open_variants;
        self.open_variants += 1;
        let value = read(self)?;
        if self.open_variants == before { Ok(value) } else { Err(Problem::Unread) }
    }
}

/// The fixed-width kinds.
macro_rules! fixed {
    ($($method:ident $tag:ident $type:ty, $visit:ident;)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
            self.expect(Tag::$tag)?;
            visitor.$visit(<$type>::from_le_bytes(self.array()?))
        })*
    };
}

impl<'de> Deserializer<'de> for &mut Decoder<'de> {
    type Error = Problem;

    fixed! {
        deserialize_u8 U8 u8, visit_u8;
        deserialize_u16 U16 u16, visit_u16;
        deserialize_u32 U32 u32, visit_u32;
        deserialize_u64 U64 u64, visit_u64;
        deserialize_u128 U128 u128, visit_u128;
        deserialize_i8 I8 i8, visit_i8;
        deserialize_i16 I16 i16, visit_i16;
        deserialize_i32 I32 i32, visit_i32;
        deserialize_i64 I64 i64, visit_i64;
        deserialize_i128 I128 i128, visit_i128;
        deserialize_f32 F32 f32, visit_f32;
        deserialize_f64 F64 f64, visit_f64;
    }

    fn is_human_readable(&self) -> bool {
        false
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        self.shape.ask(Ask::Any);
        self.any(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        self.shape.ask(Ask::Ignored);
        // serde's `IgnoredAny` refuses integers of this width.
        if matches!(self.peek()?, Tag::U128 | Tag::I128) {
            self.tag()?;
            self.array::<16>()?;
            return visitor.visit_unit();
        }
        self.any(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        self.shape.ask(Ask::Identifier);
        self.any(visitor)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        self.expect(Tag::Bool)?;
        self.bool(visitor)
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        self.expect(Tag::Char)?;
        self.char(visitor)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        self.expect(Tag::Str)?;
        visitor.visit_borrowed_str(self.text()?)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        self.expect(Tag::Bytes)?;
        visitor.visit_borrowed_bytes(self.sized()?)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        self.shape.ask(Ask::Option);
        match self.tag()? {
            Tag::None => visitor.visit_none(),
            Tag::Some => self.nested(|decoder| visitor.visit_some(decoder)),
            stored => self.refuse(Problem::Kind { asked: "an Option", stored: stored.name() }),
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        self.expect(Tag::Unit)?;
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Problem> {
        self.expect_named(Tag::UnitStruct, name, &[])?;
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Problem> {
        self.expect_named(Tag::NewtypeStruct, name, &[])?;
        self.nested(|decoder| visitor.visit_newtype_struct(decoder))
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        self.expect(Tag::Seq)?;
        self.sequence(None, visitor)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, Problem> {
        self.shape.ask_length(Ask::Of(Tag::Tuple), length);
        self.is(Tag::Tuple)?;
        self.sequence(Some(length), visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Problem> {
        self.expect_named(Tag::TupleStruct, name, &[])?;
        self.shape.ask_length(Ask::Of(Tag::Tuple), length);
        self.sequence(Some(length), visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        self.expect(Tag::Map)?;
        self.entries(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Problem> {
        self.expect_named(Tag::Struct, name, fields)?;
        self.fields(Some(Known { owner: name, fields }), visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Problem> {
        self.shape.ask_named(Ask::Enum, name, variants);
        let tag = self.tag()?;
        if !matches!(tag, Tag::UnitVariant | Tag::NewtypeVariant | Tag::TupleVariant | Tag::StructVariant) {
            return self.refuse(Problem::Kind { asked: "an enum", stored: tag.name() });
        }
        // The index is not compared: a variant that is only written shifts those after it.
        let (owner, variant) = self.variant()?;
        if owner != name {
            return self.refuse(Problem::OtherName { asked: name, stored: owner.to_owned() });
        }
        if !variants.contains(&variant) {
            return self.refuse(Problem::Variant { owner: name, stored: variant.to_owned() });
        }
        self.variant_is_read(|decoder| visitor.visit_enum(Variant { decoder, tag, owner: name, name: variant }))
    }
}
