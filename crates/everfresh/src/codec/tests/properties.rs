//! Of all values, and of all bytes.

use crate::codec::{canonical::Canonical, decode::Decoder, fingerprint, from_slice, to_storable, to_vec};
use proptest::{collection::vec, prelude::*, sample::Index};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{
    collections::{BTreeMap, HashMap},
    fmt,
};

/// A float that is what its bits are.
#[derive(Copy, Clone, Debug)]
struct Bits(f64);

impl PartialEq for Bits {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}

impl Serialize for Bits {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_f64(self.0)
    }
}

impl<'de> Deserialize<'de> for Bits {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        f64::deserialize(from).map(Self)
    }
}

#[derive(Clone, Debug, PartialEq)]
struct Bytes(Vec<u8>);

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Bytes;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Bytes, E> {
                Ok(Bytes(bytes.to_vec()))
            }
        }
        from.deserialize_bytes(Visitor)
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Unit;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Newtype(Box<Tree>);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Both {
    left: Box<Tree>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    right: Option<Box<Tree>>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Tree {
    Unit,
    Bool(bool),
    Unsigned(u8, u16, u32, u64, u128),
    Signed { a: i8, b: i16, c: i32, d: i64, e: i128 },
    Float(f32, Bits),
    Char(char),
    Text(String),
    Bytes(Bytes),
    Maybe(Option<Option<Box<Tree>>>),
    Nothings((), Unit, Option<()>),
    List(Vec<Tree>),
    Tuple((Box<Tree>, (u8, Box<Tree>))),
    Map(BTreeMap<u8, Tree>),
    Hashed(HashMap<(u8, String), u8>),
    Newtype(Newtype),
    Both(Both),
    Result(Result<Box<Tree>, String>),
}

fn tree() -> impl Strategy<Value = Tree> {
    // Small values are common, so that generated pairs are often nearly equal.
    let byte = || prop_oneof![0u8..3, any::<u8>()];
    let text = || prop_oneof!["[ab\0é]{0,3}", ".{0,20}"];
    let float = prop_oneof![
        Just(0f64.to_bits()),
        Just((-0f64).to_bits()),
        Just(f64::NAN.to_bits()),
        Just(f64::NAN.to_bits() + 1),
        any::<u64>()
    ];
    let leaf = prop_oneof![
        Just(Tree::Unit),
        any::<bool>().prop_map(Tree::Bool),
        (byte(), any::<u16>(), any::<u32>(), any::<u64>(), any::<u128>())
            .prop_map(|(a, b, c, d, e)| Tree::Unsigned(a, b, c, d, e)),
        (any::<i8>(), any::<i16>(), any::<i32>(), any::<i64>(), any::<i128>())
            .prop_map(|(a, b, c, d, e)| Tree::Signed { a, b, c, d, e }),
        (any::<i16>(), float).prop_map(|(small, large)| Tree::Float(f32::from(small), Bits(f64::from_bits(large)))),
        any::<char>().prop_map(Tree::Char),
        text().prop_map(Tree::Text),
        vec(byte(), 0..4).prop_map(|bytes| Tree::Bytes(Bytes(bytes))),
        any::<Option<()>>().prop_map(|nothing| Tree::Nothings((), Unit, nothing)),
        proptest::collection::hash_map((byte(), text()), byte(), 0..5).prop_map(Tree::Hashed),
    ];
    leaf.prop_recursive(5, 40, 4, move |tree| {
        let boxed = tree.clone().prop_map(Box::new).boxed();
        prop_oneof![
            proptest::option::of(proptest::option::of(boxed.clone())).prop_map(Tree::Maybe),
            vec(tree.clone(), 0..4).prop_map(Tree::List),
            (boxed.clone(), (any::<u8>(), boxed.clone())).prop_map(Tree::Tuple),
            proptest::collection::btree_map(byte(), tree, 0..4).prop_map(Tree::Map),
            boxed.clone().prop_map(|tree| Tree::Newtype(Newtype(tree))),
            (boxed.clone(), proptest::option::of(boxed.clone()))
                .prop_map(|(left, right)| Tree::Both(Both { left, right })),
            proptest::result::maybe_ok(boxed, text()).prop_map(Tree::Result),
        ]
    })
}

/// What happens to bytes on a bad day.
#[derive(Clone, Debug)]
enum Damage {
    Set(Index, u8),
    Flip(Index, u8),
    Remove(Index),
    Insert(Index, u8),
    Truncate(Index),
    Repeat(Index, Index),
}

impl Damage {
    fn strike(&self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        let length = bytes.len();
        match self {
            Self::Set(at, byte) => bytes[at.index(length)] = *byte,
            Self::Flip(at, bit) => bytes[at.index(length)] ^= 1 << bit,
            Self::Remove(at) => drop(bytes.remove(at.index(length))),
            Self::Insert(at, byte) => bytes.insert(at.index(length), *byte),
            Self::Truncate(at) => bytes.truncate(at.index(length)),
            Self::Repeat(from, to) => {
                let (from, to) = (from.index(length), to.index(length));
                bytes.extend_from_within(from.min(to)..from.max(to));
            }
        }
    }
}

fn damage() -> impl Strategy<Value = Damage> {
    let byte = || prop_oneof![0u8..33, any::<u8>()];
    prop_oneof![
        (any::<Index>(), byte()).prop_map(|(at, byte)| Damage::Set(at, byte)),
        (any::<Index>(), 0u8..8).prop_map(|(at, bit)| Damage::Flip(at, bit)),
        any::<Index>().prop_map(Damage::Remove),
        (any::<Index>(), byte()).prop_map(|(at, byte)| Damage::Insert(at, byte)),
        any::<Index>().prop_map(Damage::Truncate),
        any::<(Index, Index)>().prop_map(|(from, to)| Damage::Repeat(from, to)),
    ]
}

/// Whatever the bytes are, reading them ends, and what was read is a value that encodes and comes back as itself.
fn reads_soundly(bytes: &[u8]) {
    if let Ok(decoded) = from_slice::<Tree>(bytes) {
        let again = to_vec(&decoded.value).unwrap();
        assert_eq!(from_slice::<Tree>(&again).unwrap().value, decoded.value);
    }
    if let Ok(decoded) = from_slice::<serde_json::Value>(bytes) {
        to_vec(&decoded.value).unwrap();
    }
    from_slice::<serde::de::IgnoredAny>(bytes).ok();
    Canonical::new().copy(&mut Decoder::new(bytes)).ok();
    from_slice::<(u8, String, Vec<Option<i64>>)>(bytes).ok();
}

proptest! {
    #[test]
    fn a_value_comes_back_bit_by_bit(value in tree()) {
        let storable = to_storable(&value).unwrap();
        let decoded = from_slice::<Tree>(&storable.bytes).unwrap();
        prop_assert_eq!(decoded.value, value);
        prop_assert_eq!(decoded.shape, storable.shape);
    }

    #[test]
    fn an_encoding_has_the_canonical_form_of_its_value(value in tree()) {
        let mut copied = Canonical::new();
        copied.copy(&mut Decoder::new(&to_vec(&value).unwrap())).unwrap();
        prop_assert_eq!(copied.finish(), fingerprint(&value).unwrap());
    }

    #[test]
    fn values_are_equal_exactly_if_their_fingerprints_are(one in tree(), other in tree()) {
        let equal = one == other;
        prop_assert_eq!(fingerprint(&one).unwrap() == fingerprint(&other).unwrap(), equal);
        prop_assert_eq!(fingerprint(&one).unwrap(), fingerprint(&one.clone()).unwrap());
    }

    #[test]
    fn values_with_one_part_exchanged_have_different_fingerprints(parts in vec(tree(), 1..5), other in tree(), at: Index) {
        let mut changed = parts.clone();
        let at = at.index(parts.len());
        changed[at] = other;
        let equal = changed == parts;
        prop_assert_eq!(fingerprint(&changed).unwrap() == fingerprint(&parts).unwrap(), equal);
    }

    #[test]
    fn no_encoding_is_the_beginning_of_another(one in tree(), other in tree()) {
        let (one, other) = (to_vec(&one).unwrap(), to_vec(&other).unwrap());
        prop_assert!(one == other || !(one.starts_with(&other) || other.starts_with(&one)));
    }

    #[test]
    fn a_value_is_not_read_as_one_of_another_type(value in tree()) {
        let bytes = to_vec(&value).unwrap();
        prop_assert!(from_slice::<String>(&bytes).is_err());
        prop_assert!(from_slice::<Both>(&bytes).is_err());
        prop_assert!(from_slice::<Vec<Tree>>(&bytes).is_err());
        prop_assert!(from_slice::<Option<Tree>>(&bytes).is_err());
        prop_assert!(from_slice::<Result<Box<Tree>, String>>(&bytes).is_err());
    }

    #[test]
    fn damaged_bytes_are_an_error_or_a_sound_value(value in tree(), damage in vec(damage(), 1..4)) {
        let mut bytes = to_vec(&value).unwrap();
        damage.iter().for_each(|damage| damage.strike(&mut bytes));
        reads_soundly(&bytes);
    }

    #[test]
    fn every_truncation_is_an_error(value in tree(), at: Index) {
        let bytes = to_vec(&value).unwrap();
        prop_assert!(from_slice::<Tree>(&bytes[..at.index(bytes.len())]).is_err());
    }

    #[test]
    fn random_bytes_are_an_error_or_a_sound_value(
        bytes in vec(prop_oneof![0u8..33, any::<u8>()], 0..200),
    ) {
        reads_soundly(&bytes);
    }
}
