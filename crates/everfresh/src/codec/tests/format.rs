//! What the bytes are, which values have which, and what serde's own encodings of types become.

use crate::{
    Fingerprint,
    codec::{MAX_DEPTH, fingerprint, from_slice, from_storable, tag::Tag, to_storable, to_vec},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet, HashMap},
    net::IpAddr,
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime},
};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn golden<T: Serialize + ?Sized>(value: &T, bytes: &str) {
    assert_eq!(hex(&to_vec(value).unwrap()), bytes.replace(' ', ""), "{}", std::any::type_name::<T>());
}

/// What comes back encodes to the same bytes, which tells NaNs and zeros apart where `==` does not.
fn comes_back<T: Serialize + DeserializeOwned>(value: &T) {
    let storable = to_storable(value).unwrap();
    let decoded = from_slice::<T>(&storable.bytes).unwrap();
    assert_eq!(decoded.shape, storable.shape);
    assert_eq!(from_storable::<T>(&storable.bytes).unwrap().shape, storable.shape);
    assert_eq!(fingerprint(&decoded.value).unwrap(), fingerprint(value).unwrap());
}

#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
struct Unit;

#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
struct Id(u8);

#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
struct Pair(u8, bool);

#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
struct Point {
    x: u8,
    y: u8,
}

#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
enum Kind {
    Unit,
    New(u8),
    Pair(u8, u8),
    Point { x: u8 },
}

struct Raw<'a>(&'a [u8]);

impl Serialize for Raw<'_> {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_bytes(self.0)
    }
}

#[test]
fn the_format_is_pinned_by_golden_bytes() {
    golden(&(), "01");
    golden(&true, "02 01");
    golden(&1u8, "03 01");
    golden(&0x0102u16, "04 0201");
    golden(&0x0102_0304u32, "05 04030201");
    golden(&1u64, "06 0100000000000000");
    golden(&1u128, "07 01000000000000000000000000000000");
    golden(&-1i8, "08 ff");
    golden(&-2i16, "09 feff");
    golden(&-2i32, "0a feffffff");
    golden(&-2i64, "0b feffffffffffffff");
    golden(&-2i128, "0c feffffffffffffffffffffffffffffff");
    golden(&1f32, "0d 0000803f");
    golden(&-0f64, "0e 0000000000000080");
    golden(&'é', "0f e9000000");
    golden("ab", "10 02 6162");
    golden(&Raw(&[7; 130]), &format!("11 8201 {}", "07".repeat(130)));
    golden(&None::<u8>, "12");
    golden(&Some(()), "13 01");
    golden(&[1u8, 2][..], "14 0301 0302 1f");
    golden(&(1u8, false), "15 0301 0200 1f");
    golden(&BTreeMap::from([(1u8, ())]), "16 0301 01 1f");
    golden(&Unit, "17 01 04 556e6974");
    golden(&Id(1), "18 01 02 4964 0301");
    golden(&Pair(1, true), "19 01 04 50616972 0301 0201 1f");
    golden(&Point { x: 1, y: 2 }, "1a 01 05 506f696e74 01 01 78 0301 01 01 79 0302 00");
    golden(&Kind::Unit, "1b 01 04 4b696e64 00 01 04 556e6974");
    golden(&Kind::New(1), "1c 01 04 4b696e64 01 01 03 4e6577 0301");
    golden(&Kind::Pair(1, 2), "1d 01 04 4b696e64 02 01 04 50616972 0301 0302 1f");
    golden(&Kind::Point { x: 1 }, "1e 01 04 4b696e64 03 01 05 506f696e74 01 01 78 0301 00");
}

#[test]
fn a_name_is_written_in_full_once() {
    let point = Point { x: 1, y: 2 };
    golden(
        &(point.clone(), point),
        "15 1a 01 05 506f696e74 01 01 78 0301 01 01 79 0302 00 1a 02 03 0301 04 0302 00 1f",
    );
}

#[test]
fn fingerprints_and_shapes_are_pinned() {
    let value = (BTreeMap::from([(2u8, "two".to_owned()), (1, "one".to_owned())]), Kind::Point { x: 1 }, Some(Unit));
    assert_eq!(fingerprint(&value).unwrap().short(), "8fa48170a2ca");
    assert_eq!(to_storable(&value).unwrap().shape.short(), "83edfa73f281");
}

#[test]
fn no_two_tags_share_a_byte_and_each_is_read_as_itself() {
    for tag in Tag::ALL {
        assert_eq!(Tag::try_from(*tag as u8).unwrap(), *tag);
    }
}

#[test]
fn values_of_different_types_or_structure_have_different_encodings_and_fingerprints() {
    fn add<T: Serialize + ?Sized>(all: &mut Vec<(Vec<u8>, Fingerprint)>, value: &T) {
        all.push((to_vec(value).unwrap(), fingerprint(value).unwrap()));
    }
    #[derive(Serialize)]
    struct OtherId(u8);
    #[derive(Serialize)]
    struct Swapped {
        y: u8,
        x: u8,
    }
    let mut all = Vec::new();
    macro_rules! add {
        ($($value:expr),* $(,)?) => { $(add(&mut all, &$value);)* };
    }
    add!(1u8, 1u16, 1u32, 1u64, 1u128, 1i8, 1i16, 1i32, 1i64, 1i128, 1f32, 1f64, 0f64, -0f64, '1', "1", true, ());
    add!(f64::NAN, f64::from_bits(f64::NAN.to_bits() + 1), Raw(b"1"), None::<()>, Some(()), Some(None::<()>));
    add!(Some(Some(())), Some(1u8), (1u8,), [1u8][..], (1u8, 2u8), [1u8, 2][..], [[1u8]; 2], ((1u8,), 2u8));
    add!((("a", "b"), "c"), ("a", ("b", "c")), ("a", "b", "c"), ("ab", "c"), ("a", "bc"), ((),), ((), ()));
    add!(BTreeMap::from([(1u8, 2u8)]), [(1u8, 2u8)][..], BTreeMap::<u8, u8>::new(), <[u8; 0]>::default());
    add!(Unit, Id(1), OtherId(1), Pair(1, true), Point { x: 1, y: 2 }, Point { x: 2, y: 1 }, Swapped { y: 2, x: 1 });
    add!(Kind::Unit, Kind::New(1), Kind::Pair(1, 2), Kind::Point { x: 1 }, "Unit");
    let bytes: BTreeSet<_> = all.iter().map(|(bytes, _)| bytes).collect();
    let fingerprints: BTreeSet<_> = all.iter().map(|(_, fingerprint)| fingerprint).collect();
    assert_eq!((bytes.len(), fingerprints.len()), (all.len(), all.len()));
}

#[test]
fn types_of_the_standard_library_come_back() {
    comes_back(&(u128::MAX, i128::MIN, u64::MAX, i64::MIN, u8::MAX, char::MAX));
    comes_back(&(f64::from_bits(0x7ff8_0000_0000_0001), f32::from_bits(0xffc0_0001), -0f64, f64::NEG_INFINITY));
    comes_back(&[None, Some(None), Some(Some(()))]);
    comes_back(&(Unit, Id(1), Pair(1, true), Point { x: 1, y: 2 }));
    comes_back(&[Kind::Unit, Kind::New(1), Kind::Pair(1, 2), Kind::Point { x: 1 }]);
    comes_back(&[Ok("fine".to_owned()), Err(7u8)]);
    comes_back(&(PathBuf::from("/tmp"), Duration::MAX, SystemTime::UNIX_EPOCH, "::1".parse::<IpAddr>().unwrap()));
    comes_back(&(1..2, 1..=2, [0u16; 32], Cow::from("text"), Arc::new(1), Box::<[u8]>::from([1, 2])));
    comes_back(&(String::new(), "\0é\u{10ffff}".to_owned(), Vec::<u8>::new(), vec![(); 1000]));
    comes_back(&(std::num::NonZeroU8::MIN, std::cmp::Reverse(1), std::ops::Bound::Included(1)));
    comes_back(&crate::Fingerprint::of_bytes(b""));
}

#[test]
fn a_hash_map_comes_back_whatever_its_order() {
    let map: HashMap<u32, HashMap<String, u8>> =
        (0..100).map(|key| (key, (0..20).map(|inner| (inner.to_string(), inner)).collect())).collect();
    comes_back(&map);
}

#[test]
fn fingerprints_sort_maps_at_every_level_and_lists_keep_their_order() {
    let forwards = |range: std::ops::Range<u8>| range.collect::<Vec<_>>();
    let mut backwards = forwards(0..40);
    backwards.reverse();
    let nested =
        |keys: &[u8]| Map(keys.iter().map(|key| (*key, Map(keys.iter().map(|k| (*k, *k)).collect()))).collect());
    assert_eq!(fingerprint(&(nested(&forwards(0..40)), 1)).unwrap(), fingerprint(&(nested(&backwards), 1)).unwrap(),);
    assert_ne!(to_vec(&nested(&forwards(0..40))).unwrap(), to_vec(&nested(&backwards)).unwrap());
    assert_ne!(fingerprint(&forwards(0..40)).unwrap(), fingerprint(&backwards).unwrap());
}

#[test]
fn entries_of_one_key_keep_their_order() {
    let twice = |one, other| fingerprint(&Map(vec![(2u8, 0u8), (1, one), (1, other)])).unwrap();
    assert_ne!(twice(3, 4), twice(4, 3));
    assert_eq!(twice(3, 4), fingerprint(&Map(vec![(1u8, 3u8), (2, 0), (1, 4)])).unwrap());
}

/// A map in the order of its entries, with repetitions.
struct Map<K, V>(Vec<(K, V)>);

impl<K: Serialize, V: Serialize> Serialize for Map<K, V> {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.0.iter().map(|(key, value)| (key, value)))
    }
}

#[test]
fn a_fingerprint_is_the_hash_of_the_encoding_wherever_its_blocks_end() {
    // True of values that repeat no name and whose maps are sorted.
    let is_hash_of_encoding = |value: &dyn Fn() -> (Vec<u8>, Fingerprint)| {
        let (bytes, fingerprint) = value();
        let hashed = [b"everfresh codec value\x01\0\0\0", bytes.as_slice()].concat();
        assert_eq!(fingerprint, Fingerprint::of_bytes(&hashed), "{} bytes", bytes.len());
    };
    for length in (16_300..16_420).chain([0, 40_000]) {
        let text = "x".repeat(length);
        let (plain, mapped) = ((&text, 1u8, &text, Unit), (1u8, Map(vec![(1u8, &text), (2, &text)]), &text));
        is_hash_of_encoding(&|| (to_vec(&plain).unwrap(), fingerprint(&plain).unwrap()));
        is_hash_of_encoding(&|| (to_vec(&mapped).unwrap(), fingerprint(&mapped).unwrap()));
    }
}

#[test]
fn json_and_what_serde_buffers_come_back() {
    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    struct Flat {
        id: Id,
        #[serde(flatten)]
        point: Point,
        #[serde(flatten)]
        rest: BTreeMap<String, Option<u16>>,
    }
    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    struct Hashed {
        #[serde(flatten)]
        rest: HashMap<String, HashMap<u8, Id>>,
    }
    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    #[serde(untagged)]
    enum Untagged {
        Nothing,
        Number(u64),
        Text(String),
        Point(Point),
        Both { kind: Kind, kinds: Vec<Kind> },
        Deep(Option<Option<Id>>),
    }
    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    #[serde(tag = "type")]
    enum Tagged {
        Nothing,
        Point(Point),
        Both { kind: Kind, kinds: Vec<Kind> },
    }
    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    #[serde(tag = "type", content = "content")]
    enum Adjacent {
        Nothing,
        Pair(u8, i128),
    }
    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    struct Skips {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        some: Option<u8>,
        always: u8,
    }
    let kinds = || vec![Kind::Unit, Kind::New(1), Kind::Pair(1, 2), Kind::Point { x: 1 }];
    comes_back(&serde_json::json!({"a": [null, true, 1, -1, 1.5, "text", {"b": {}}], "": u64::MAX}));
    comes_back(&Flat { id: Id(1), point: Point { x: 1, y: 2 }, rest: [("z".to_owned(), Some(1))].into() });
    comes_back(&[
        Untagged::Nothing,
        Untagged::Number(1),
        Untagged::Text("1".to_owned()),
        Untagged::Point(Point { x: 1, y: 2 }),
        Untagged::Deep(Some(Some(Id(1)))),
    ]);
    for kind in kinds() {
        comes_back(&Untagged::Both { kind: kind.clone(), kinds: kinds() });
        comes_back(&Tagged::Both { kind, kinds: kinds() });
    }
    comes_back(&Hashed { rest: (0..50).map(|key| (key.to_string(), HashMap::from([(key, Id(key))]))).collect() });
    comes_back(&[Tagged::Nothing, Tagged::Point(Point { x: 1, y: 2 })]);
    comes_back(&[Adjacent::Nothing, Adjacent::Pair(1, i128::MIN)]);
    comes_back(&[Skips { some: None, always: 1 }, Skips { some: Some(1), always: 1 }]);
}

#[test]
fn what_can_be_encoded_is_read_up_to_the_same_depth() {
    #[derive(Serialize, Deserialize)]
    enum Tree {
        Leaf,
        New(Box<Tree>),
        Pair(u8, Box<Tree>),
        Field { tree: Box<Tree> },
        Maybe(Option<Vec<Tree>>),
    }
    let grow: [fn(Tree) -> Tree; 4] = [
        |tree| Tree::New(tree.into()),
        |tree| Tree::Pair(1, tree.into()),
        |tree| Tree::Field { tree: tree.into() },
        |tree| Tree::Maybe(Some(vec![tree])),
    ];
    for (grow, levels) in grow.into_iter().zip([1, 1, 1, 3]) {
        let deep = |times| (0..times).fold(Tree::Leaf, |tree, _| grow(tree));
        comes_back(&deep(MAX_DEPTH / levels));
        let error = to_vec(&deep(MAX_DEPTH / levels + 1)).unwrap_err().to_string();
        assert!(error.contains("nested deeper than 128 levels"), "{error}");
        assert!(fingerprint(&deep(MAX_DEPTH / levels + 1)).is_err());
    }
}
