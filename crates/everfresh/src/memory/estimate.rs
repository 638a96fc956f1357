//! What a value takes in memory, estimated by a walk over it as serde shows it. The walk allocates nothing.
//!
//! Where a value lies is known: so many bytes as `size_of_val` says. What it owns elsewhere shows as texts, sequences and
//! maps. Elements come by references whose types serde does not tell, so the size of one is put together from its parts, and
//! the widest stands for all, as they lie side by side in equal places.

use serde::{
    Serialize, Serializer,
    ser::{
        SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple, SerializeTupleStruct,
        SerializeTupleVariant,
    },
};
use std::fmt::{self, Display, Write};

/// A type of whose values [`estimated_bytes`] can say what they take: every one that is `Serialize`.
///
/// ```
/// use everfresh::memory::Estimated;
///
/// assert_eq!(7u64.estimated_bytes(), 8);
/// assert_eq!(vec![1u16, 2, 3].estimated_bytes(), size_of::<Vec<u16>>() as u64 + 6);
/// ```
#[diagnostic::on_unimplemented(
    message = "nobody can say how many bytes of memory `{Self}` takes",
    label = "`max_bytes` is said, and no `weigher`",
    note = "derive `serde::Serialize` for it, so that its size can be estimated, or say `weigher = …`, which gives a `u32`"
)]
pub trait Estimated {
    /// Its size and that of what it owns elsewhere, in bytes; [`estimated_bytes`] says what counts.
    fn estimated_bytes(&self) -> u64;
}

#[diagnostic::do_not_recommend]
impl<T: Serialize + ?Sized> Estimated for T {
    fn estimated_bytes(&self) -> u64 {
        let Size { own, owned } = Size::of_part(self);
        own + owned
    }
}

/// What an entry weighs where nobody says it better: a weigher for
/// [`CacheBuilder::max_bytes`](super::CacheBuilder::max_bytes), and what `#[cached(max_bytes = …)]` takes without one.
///
/// The size of key and value themselves (`size_of_val`), and of what they own elsewhere as `serde` shows it: texts and bytes
/// by their length, sequences and maps by the number of their elements and the size of the widest, and what these own. What
/// lies behind a `Box`, `Arc` or `Rc` counts where it is larger than a pointer, what several values share in each of them.
///
/// What serde does not show does not count: room beyond a length, a hash table's empty places, fields that are skipped,
/// anything of a value that cannot be serialized but its `size_of_val`; nor do the up to 64 bytes that the cache takes for
/// the entry. It takes a walk over key and value, so time that grows with them. From 4 GiB on it is `u32::MAX`.
///
/// ```
/// use everfresh::memory::{Cache, estimated_bytes};
///
/// let cache = Cache::builder().max_bytes(64 << 20, estimated_bytes).build();
/// cache.insert("ten".to_owned(), vec![1u32; 10])?;
/// let inline = size_of::<(String, Vec<u32>)>() as u64;
/// assert_eq!(cache.weight(), inline + 3 + 10 * 4);
/// # Ok::<_, everfresh::memory::Refused>(())
/// ```
pub fn estimated_bytes<K: Estimated + ?Sized, V: Estimated + ?Sized>(key: &K, value: &V) -> u32 {
    weight(key.estimated_bytes().saturating_add(value.estimated_bytes()))
}

/// A number of bytes as a weight.
pub(crate) fn weight(bytes: u64) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

/// What points to a text, a sequence or a map.
const HANDLE: u64 = size_of::<Vec<u8>>() as u64;

/// In bytes.
#[derive(Clone, Copy, Debug, Default)]
struct Size {
    /// In its place.
    own: u64,
    /// Elsewhere.
    owned: u64,
}

impl Size {
    /// As serde shows it; nothing if it cannot be serialized.
    fn of(value: &(impl Serialize + ?Sized)) -> Self {
        value.serialize(Walk).unwrap_or_default()
    }

    /// Of a value whose type is known: a part of something, or the whole.
    fn of_part(value: &(impl Serialize + ?Sized)) -> Self {
        let (shown, own) = (Self::of(value), size_of_val(value) as u64);
        // There is more of it than a pointer: that is where the pointer leads.
        let behind = if own == size_of::<usize>() as u64 && shown.own > own { shown.own } else { 0 };
        Self { own, owned: shown.owned + behind }
    }

    fn in_place(own: usize) -> Result<Self, fmt::Error> {
        Ok(Self { own: own as u64, owned: 0 })
    }

    fn elsewhere(owned: u64) -> Result<Self, fmt::Error> {
        Ok(Self { own: HANDLE, owned })
    }
}

/// Values side by side, of different types.
#[derive(Default)]
struct Parts {
    size: Size,
    align: u64,
}

impl Parts {
    /// Those of a variant, after what says which one it is.
    fn of_variant() -> Self {
        Self { size: Size { own: 1, owned: 0 }, align: 1 }
    }

    fn add(&mut self, value: &(impl Serialize + ?Sized)) {
        let part = Size::of_part(value);
        self.size.own += part.own;
        self.size.owned += part.owned;
        self.align = self.align.max(align_of_val(value) as u64);
    }

    fn end(self) -> Result<Size, fmt::Error> {
        Ok(Size { own: self.size.own.next_multiple_of(self.align.max(1)), ..self.size })
    }
}

/// Values of one type.
#[derive(Default)]
struct Elements {
    count: u64,
    widest: u64,
    owned: u64,
}

impl Elements {
    fn add(&mut self, value: &(impl Serialize + ?Sized)) {
        let Size { own, owned } = Size::of(value);
        self.count += 1;
        self.widest = self.widest.max(own);
        self.owned += owned;
    }

    fn total(&self) -> u64 {
        self.count * self.widest + self.owned
    }
}

#[derive(Default)]
struct Map {
    keys: Elements,
    values: Elements,
}

/// Counts the length of a text that is nowhere.
struct Length(usize);

impl Write for Length {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 += text.len();
        Ok(())
    }
}

struct Walk;

macro_rules! numbers {
    ($($method:ident: $number:ty),*) => {
        $(fn $method(self, _: $number) -> Result<Size, fmt::Error> {
            Size::in_place(size_of::<$number>())
        })*
    };
}

impl Serializer for Walk {
    type Ok = Size;
    type Error = fmt::Error;
    type SerializeSeq = Elements;
    type SerializeTuple = Parts;
    type SerializeTupleStruct = Parts;
    type SerializeTupleVariant = Parts;
    type SerializeMap = Map;
    type SerializeStruct = Parts;
    type SerializeStructVariant = Parts;

    numbers!(serialize_bool: bool, serialize_char: char, serialize_f32: f32, serialize_f64: f64);
    numbers!(serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64, serialize_i128: i128);
    numbers!(serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64, serialize_u128: u128);

    fn serialize_str(self, text: &str) -> Result<Size, fmt::Error> {
        Size::elsewhere(text.len() as u64)
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Result<Size, fmt::Error> {
        Size::elsewhere(bytes.len() as u64)
    }

    /// What is shown as a text is not one: a date, an address.
    fn collect_str<T: Display + ?Sized>(self, shown: &T) -> Result<Size, fmt::Error> {
        let mut length = Length(0);
        write!(length, "{shown}")?;
        Size::in_place(length.0)
    }

    fn serialize_none(self) -> Result<Size, fmt::Error> {
        Size::in_place(0)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Size, fmt::Error> {
        Ok(Size::of_part(value))
    }

    fn serialize_unit(self) -> Result<Size, fmt::Error> {
        Size::in_place(0)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<Size, fmt::Error> {
        Size::in_place(0)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, _: &'static str) -> Result<Size, fmt::Error> {
        Parts::of_variant().end()
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<Size, fmt::Error> {
        Ok(Size::of_part(value))
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        value: &T,
    ) -> Result<Size, fmt::Error> {
        let mut parts = Parts::of_variant();
        parts.add(value);
        parts.end()
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Elements, fmt::Error> {
        Ok(Elements::default())
    }

    fn serialize_tuple(self, _: usize) -> Result<Parts, fmt::Error> {
        Ok(Parts::default())
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Parts, fmt::Error> {
        Ok(Parts::default())
    }

    fn serialize_tuple_variant(self, _: &'static str, _: u32, _: &'static str, _: usize) -> Result<Parts, fmt::Error> {
        Ok(Parts::of_variant())
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Map, fmt::Error> {
        Ok(Map::default())
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Parts, fmt::Error> {
        Ok(Parts::default())
    }

    fn serialize_struct_variant(self, _: &'static str, _: u32, _: &'static str, _: usize) -> Result<Parts, fmt::Error> {
        Ok(Parts::of_variant())
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

/// All that have parts are walked in the same way.
macro_rules! parts {
    ($($kind:ident::$method:ident($($name:ident)?)),*) => {
        $(impl $kind for Parts {
            type Ok = Size;
            type Error = fmt::Error;

            fn $method<T: Serialize + ?Sized>(&mut self, $($name: &'static str,)? value: &T) -> fmt::Result {
                $(let _ = $name;)?
                self.add(value);
                Ok(())
            }

            fn end(self) -> Result<Size, fmt::Error> {
                self.end()
            }
        })*
    };
}

parts!(
    SerializeTuple::serialize_element(),
    SerializeTupleStruct::serialize_field(),
    SerializeTupleVariant::serialize_field(),
    SerializeStruct::serialize_field(name),
    SerializeStructVariant::serialize_field(name)
);

impl SerializeSeq for Elements {
    type Ok = Size;
    type Error = fmt::Error;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> fmt::Result {
        self.add(value);
        Ok(())
    }

    fn end(self) -> Result<Size, fmt::Error> {
        Size::elsewhere(self.total())
    }
}

impl SerializeMap for Map {
    type Ok = Size;
    type Error = fmt::Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> fmt::Result {
        self.keys.add(key);
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> fmt::Result {
        self.values.add(value);
        Ok(())
    }

    fn end(self) -> Result<Size, fmt::Error> {
        Size::elsewhere(self.keys.total() + self.values.total())
    }
}
