//! How serde walks through what a [`Decoder`] reads: the items, entries, fields and variants.

use super::{decode::Decoder, error::Problem, shape::Ask, tag::Tag};
use serde::{
    Deserializer,
    de::{self, DeserializeSeed, Visitor, value::BorrowedStrDeserializer},
    forward_to_deserialize_any,
};

/// The items of a list or tuple.
pub(super) struct Items<'a, 'de> {
    pub decoder: &'a mut Decoder<'de>,
    pub length: Option<usize>,
    pub read: usize,
}

impl<'de> de::SeqAccess<'de> for Items<'_, 'de> {
    type Error = Problem;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Problem> {
        if self.decoder.peek()? == Tag::End {
            return match self.length {
                Some(asked) if self.read < asked => Err(Problem::TupleLength { asked, stored: self.read }),
                _ => Ok(None),
            };
        }
        self.read += 1;
        seed.deserialize(&mut *self.decoder).map(Some)
    }
}

/// The entries of a map.
pub(super) struct Entries<'a, 'de> {
    pub decoder: &'a mut Decoder<'de>,
}

impl<'de> de::MapAccess<'de> for Entries<'_, 'de> {
    type Error = Problem;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Problem> {
        if self.decoder.peek()? == Tag::End {
            return Ok(None);
        }
        seed.deserialize(&mut *self.decoder).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Problem> {
        seed.deserialize(&mut *self.decoder)
    }
}

/// The fields that a type has.
pub(super) struct Known {
    pub owner: &'static str,
    pub fields: &'static [&'static str],
}

impl Known {
    /// Where the field stands, which is mostly where it is looked for first.
    fn place(&self, name: &str, first: usize) -> Option<usize> {
        if self.fields.get(first).is_some_and(|field| *field == name) {
            return Some(first);
        }
        self.fields.iter().position(|field| *field == name)
    }
}

/// The fields of a struct.
pub(super) struct Fields<'a, 'de> {
    pub decoder: &'a mut Decoder<'de>,
    pub known: Option<Known>,
    pub next: usize,
}

impl<'de> de::MapAccess<'de> for Fields<'_, 'de> {
    type Error = Problem;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Problem> {
        let Some(name) = self.decoder.next_field()? else { return Ok(None) };
        if let Some(known) = &self.known {
            let place = known
                .place(name, self.next)
                .ok_or_else(|| Problem::Field { owner: known.owner, stored: name.to_owned() })?;
            self.next = place + 1;
        }
        seed.deserialize(BorrowedStrDeserializer::new(name)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Problem> {
        seed.deserialize(&mut *self.decoder)
    }
}

/// A variant of a known enum.
pub(super) struct Variant<'a, 'de> {
    pub decoder: &'a mut Decoder<'de>,
    pub tag: Tag,
    pub owner: &'static str,
    pub name: &'de str,
}

impl<'de> de::EnumAccess<'de> for Variant<'_, 'de> {
    type Error = Problem;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Problem> {
        let value = seed.deserialize(BorrowedStrDeserializer::new(self.name))?;
        Ok((value, self))
    }
}

impl Variant<'_, '_> {
    fn is(&mut self, asked: Tag) -> Result<(), Problem> {
        if self.tag != asked {
            let problem = Problem::Kind { asked: asked.name(), stored: self.tag.name() };
            return self.decoder.refuse(problem);
        }
        self.decoder.open_variants -= 1;
        Ok(())
    }
}

impl<'de> de::VariantAccess<'de> for Variant<'_, 'de> {
    type Error = Problem;

    fn unit_variant(mut self) -> Result<(), Problem> {
        self.decoder.shape.ask(Ask::Of(Tag::UnitVariant));
        self.is(Tag::UnitVariant)
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(mut self, seed: T) -> Result<T::Value, Problem> {
        self.decoder.shape.ask(Ask::Of(Tag::NewtypeVariant));
        self.is(Tag::NewtypeVariant)?;
        self.decoder.nested(|decoder| seed.deserialize(decoder))
    }

    fn tuple_variant<V: Visitor<'de>>(mut self, length: usize, visitor: V) -> Result<V::Value, Problem> {
        self.decoder.shape.ask_length(Ask::Of(Tag::TupleVariant), length);
        self.is(Tag::TupleVariant)?;
        self.decoder.sequence(Some(length), visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        mut self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Problem> {
        self.decoder.shape.ask_named(Ask::Of(Tag::StructVariant), self.owner, fields);
        self.is(Tag::StructVariant)?;
        self.decoder.fields(Some(Known { owner: self.owner, fields }), visitor)
    }
}

/// A variant that nobody expects, as a map of one entry. As a deserializer it is the entry's value.
pub(super) struct Content<'a, 'de> {
    pub decoder: &'a mut Decoder<'de>,
    pub tag: Tag,
    /// Until it was read.
    pub name: Option<&'de str>,
}

impl<'de> de::MapAccess<'de> for Content<'_, 'de> {
    type Error = Problem;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Problem> {
        self.name.take().map(|name| seed.deserialize(BorrowedStrDeserializer::new(name))).transpose()
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Problem> {
        self.decoder.open_variants -= 1;
        match self.tag {
            Tag::NewtypeVariant => self.decoder.nested(|decoder| seed.deserialize(decoder)),
            _ => seed.deserialize(Content { decoder: &mut *self.decoder, tag: self.tag, name: None }),
        }
    }
}

impl<'de> Deserializer<'de> for Content<'_, 'de> {
    type Error = Problem;

    fn is_human_readable(&self) -> bool {
        false
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        self.decoder.shape.ask(Ask::Any);
        match self.tag {
            Tag::StructVariant => self.decoder.fields(None, visitor),
            _ => self.decoder.sequence(None, visitor),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}
