//! What is refused, and how it is said.

use crate::codec::{CodecError, MAX_DEPTH, fingerprint, from_slice, tag::Tag, to_storable, to_vec};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{DeserializeOwned, IgnoredAny},
    ser::{Error, SerializeMap, SerializeSeq},
};
use std::collections::{BTreeMap, HashSet};

fn refused<T: DeserializeOwned>(bytes: &[u8]) -> String {
    match from_slice::<T>(bytes) {
        Err(CodecError::Decode { reason, type_name, .. }) => {
            assert_eq!(type_name, std::any::type_name::<T>());
            reason
        }
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("{bytes:?} was read as {}", std::any::type_name::<T>()),
    }
}

fn read_as<T: DeserializeOwned>(value: &(impl Serialize + ?Sized)) -> String {
    refused::<T>(&to_vec(value).unwrap())
}

#[derive(Serialize, Deserialize, Debug)]
struct Point {
    x: u8,
    y: u8,
}

#[derive(Serialize, Deserialize, Debug)]
enum Kind {
    Unit,
    New(u8),
}

#[test]
fn nothing_is_read_as_another_type() {
    #[derive(Deserialize)]
    struct Id(#[allow(dead_code)] u8);
    #[derive(Serialize)]
    #[serde(rename = "Id")]
    struct IdOfTwo(u8, u8);
    assert_eq!(read_as::<u32>(&1u64), "u32 is asked for and u64 was stored");
    assert_eq!(read_as::<u64>(&1u32), "u64 is asked for and u32 was stored");
    assert_eq!(read_as::<f64>(&1f32), "f64 is asked for and f32 was stored");
    assert_eq!(read_as::<String>(&'x'), "str is asked for and char was stored");
    assert_eq!(read_as::<Option<u8>>(&1u8), "an Option is asked for and u8 was stored");
    assert_eq!(read_as::<Kind>("Unit"), "an enum is asked for and str was stored");
    assert_eq!(read_as::<()>(&None::<()>), "unit is asked for and None was stored");
    assert_eq!(read_as::<Vec<u8>>(&(1u8, 2u8)), "sequence is asked for and tuple was stored");
    assert_eq!(read_as::<BTreeMap<u8, u8>>(&[(1u8, 2u8)][..]), "map is asked for and sequence was stored");
    assert_eq!(read_as::<Id>(&IdOfTwo(1, 2)), "newtype struct is asked for and tuple struct was stored");
    assert_eq!(read_as::<u8>(&Some(1u8)), "u8 is asked for and Some was stored");
}

#[test]
fn a_tuple_has_the_length_that_is_asked_for() {
    assert_eq!(read_as::<(u8, u8, u8)>(&(1u8, 2u8)), "3 items are asked for and 2 were stored");
    assert_eq!(read_as::<(u8, u8)>(&(1u8, 2u8, 3u8)), "more was stored than its Deserialize reads");
    assert_eq!(read_as::<[u8; 4]>(&[1u8; 5]), "more was stored than its Deserialize reads");
}

#[test]
fn a_struct_has_the_name_and_knows_the_fields_that_were_stored() {
    #[derive(Deserialize, Debug)]
    #[allow(dead_code)]
    struct Place {
        x: u8,
        y: u8,
    }
    #[derive(Deserialize, Debug)]
    #[serde(rename = "Point")]
    #[allow(dead_code)]
    struct Shorter {
        x: u8,
    }
    #[derive(Deserialize, Debug)]
    #[serde(rename = "Point")]
    #[allow(dead_code)]
    struct Longer {
        x: u8,
        y: u8,
        z: u8,
    }
    let point = Point { x: 1, y: 2 };
    assert_eq!(read_as::<Place>(&point), "`Place` is asked for and `Point` was stored");
    assert_eq!(read_as::<Shorter>(&point), "`Point` has no field `y`, which was stored");
    assert_eq!(read_as::<Longer>(&point), "missing field `z`");
}

#[test]
fn an_enum_has_the_name_and_knows_the_variant_that_was_stored() {
    #[derive(Deserialize, Debug)]
    enum Sort {
        Unit,
    }
    #[derive(Deserialize, Debug)]
    #[serde(rename = "Kind")]
    enum Fewer {
        Unit,
    }
    #[derive(Deserialize, Debug)]
    #[serde(rename = "Kind")]
    enum Other {
        Unit(#[allow(dead_code)] u8),
        New,
    }
    assert_eq!(read_as::<Sort>(&Kind::Unit), "`Sort` is asked for and `Kind` was stored");
    assert_eq!(read_as::<Fewer>(&Kind::New(1)), "`Kind` has no variant `New`, which was stored");
    assert_eq!(read_as::<Other>(&Kind::New(1)), "unit variant is asked for and newtype variant was stored");
    assert_eq!(read_as::<Other>(&Kind::Unit), "newtype variant is asked for and unit variant was stored");
}

#[test]
fn bytes_that_are_no_encoding_are_refused() {
    let byte = |tag: Tag| tag as u8;
    assert_eq!(refused::<u8>(&[]), "the bytes end in the middle of a value");
    assert_eq!(refused::<u8>(&[byte(Tag::U8)]), "the bytes end in the middle of a value");
    assert_eq!(refused::<u8>(&[byte(Tag::U8), 1, 2, 3]), "2 bytes follow the value");
    assert_eq!(refused::<u8>(&[0]), "0 is no tag");
    assert_eq!(refused::<u8>(&[32]), "32 is no tag");
    assert_eq!(refused::<bool>(&[byte(Tag::Bool), 2]), "2 is no bool");
    assert_eq!(refused::<char>(&[byte(Tag::Char), 0, 0xd8, 0, 0]), "0xd800 is no char");
    assert_eq!(refused::<String>(&[byte(Tag::Str), 1, 0xff]), "a text is not UTF-8");
    assert_eq!(refused::<Point>(&[byte(Tag::Struct), 2]), "a name refers to another that is not there");
    assert_eq!(refused::<Point>(&[byte(Tag::Struct), 0]), "a name refers to another that is not there");
    assert_eq!(refused::<IgnoredAny>(&[byte(Tag::End)]), "an item is asked for and end was stored");
}

#[test]
fn a_length_has_one_form_and_claims_nothing_that_is_not_there() {
    let text = |length: &[u8]| [&[Tag::Str as u8], length, b"x"].concat();
    assert_eq!(from_slice::<String>(&text(&[1])).unwrap().value, "x");
    assert_eq!(refused::<String>(&text(&[0x81, 0])), "a length is not written as it should be");
    assert_eq!(refused::<String>(&text(&[0xff; 10])), "a length is not written as it should be");
    assert_eq!(
        refused::<String>(&text(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 3])),
        "a length is not written as it should be"
    );
    let most = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
    assert_eq!(refused::<String>(&text(&most)), "the bytes end in the middle of a value");
    assert_eq!(refused::<IgnoredAny>(&text(&most)), "the bytes end in the middle of a value");
}

#[test]
fn bytes_nested_too_deep_are_refused_and_not_followed() {
    for tag in [Tag::Some, Tag::Seq, Tag::Tuple, Tag::Map] {
        let bytes = vec![tag as u8; 1_000_000];
        assert_eq!(
            refused::<IgnoredAny>(&bytes),
            "it is nested deeper than 128 levels: make it flatter, or cache its parts"
        );
        assert!(from_slice::<serde_json::Value>(&bytes[..MAX_DEPTH + 1]).is_err());
    }
}

#[test]
fn every_item_can_be_passed_over() {
    let all = (
        (1u8, 1u16, 1u32, 1u64, 1u128, 1i8, 1i16, 1i32, 1i64, 1i128, 1f32, 1f64),
        (true, 'x', "text", (), None::<u8>, Some(1u8), Some([i128::MIN])),
        (Kind::Unit, Kind::New(1), Point { x: 1, y: 2 }, BTreeMap::from([(1u8, u128::MAX)])),
    );
    assert!(from_slice::<IgnoredAny>(&to_vec(&all).unwrap()).is_ok());
}

#[test]
fn what_comes_back_as_another_value_is_not_storable() {
    #[derive(Serialize, Deserialize)]
    #[allow(dead_code)]
    struct Skips {
        #[serde(skip_serializing, default)]
        lost: u8,
        kept: u8,
    }
    #[derive(Serialize, Deserialize, Debug)]
    #[serde(untagged)]
    enum Untagged {
        Text(String),
        Kind(Kind),
    }
    #[derive(Serialize, Deserialize, Debug)]
    #[serde(untagged)]
    enum Wide {
        Signed(i128),
    }
    let reason = |error| match error {
        Err(CodecError::NotStorable { reason, type_name }) => {
            assert!(type_name.contains("tests::strictness"), "{type_name}");
            reason
        }
        other => panic!("{other:?}"),
    };
    assert!(to_storable(&Untagged::Text("Unit".to_owned())).is_ok());
    assert!(reason(to_storable(&Untagged::Kind(Kind::Unit))).starts_with("it comes back as another value (byte 0 of"));
    assert!(
        reason(to_storable(&Wide::Signed(1))).starts_with("what its Serialize writes, its Deserialize does not read")
    );
    // A field that is never written cannot be missed in the bytes: the value is equal as far as serde can see.
    assert!(to_storable(&Skips { lost: 1, kept: 2 }).is_ok());
    let set: HashSet<u32> = (0..1000).collect();
    let error = to_storable(&set).unwrap_err().to_string();
    assert!(error.contains("a HashSet (use a BTreeSet) has another order"), "{error}");
}

#[test]
fn an_error_that_a_type_drops_does_not_get_lost() {
    struct Fails;
    impl Serialize for Fails {
        fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(S::Error::custom("fails"))
        }
    }
    struct Drops;
    impl Serialize for Drops {
        fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
            let mut list = to.serialize_seq(None)?;
            list.serialize_element(&(1, Fails)).ok();
            list.end()
        }
    }
    assert!(to_vec(&Fails).unwrap_err().to_string().ends_with("cannot be encoded: fails"));
    assert!(to_vec(&Drops).unwrap_err().to_string().contains("the error of one of its parts was dropped"));
    assert!(fingerprint(&Drops).is_err());
}

#[test]
fn what_a_type_left_unread_is_not_taken_for_what_follows() {
    #[derive(Debug)]
    struct Lenient;
    impl<'de> Deserialize<'de> for Lenient {
        fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
            u8::deserialize(from).ok();
            Ok(Self)
        }
    }
    // After the tag of the u64, its bytes look like four of type u8.
    let looks = u64::from_le_bytes([3, 1, 3, 2, 3, 3, 3, 4]);
    assert_eq!(
        read_as::<Vec<Lenient>>(&[looks][..]),
        "the error of one of its parts was dropped: let its Serialize or Deserialize return it"
    );

    struct Careless;
    impl<'de> Deserialize<'de> for Careless {
        fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
            struct Visitor;
            impl<'de> serde::de::Visitor<'de> for Visitor {
                type Value = Careless;

                fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.write_str("a variant")
                }

                fn visit_enum<A: serde::de::EnumAccess<'de>>(self, access: A) -> Result<Careless, A::Error> {
                    access.variant::<String>().map(|_| Careless)
                }
            }
            from.deserialize_enum("Kind", &["Unit", "New"], Visitor)
        }
    }
    assert_eq!(read_as::<(Careless, u8)>(&(Kind::New(7),)), "more was stored than its Deserialize reads");
}

#[test]
fn a_map_pairs_keys_with_values() {
    struct Pairs(&'static [bool]);
    impl Serialize for Pairs {
        fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
            let mut map = to.serialize_map(None)?;
            for is_key in self.0 {
                if *is_key { map.serialize_key(&1u8)? } else { map.serialize_value(&1u8)? }
            }
            map.end()
        }
    }
    assert!(to_vec(&Pairs(&[true, false, true, false])).is_ok());
    for wrong in [&[true][..], &[false], &[true, true], &[true, false, false]] {
        assert!(to_vec(&Pairs(wrong)).unwrap_err().to_string().contains("keys without values"), "{wrong:?}");
        assert!(fingerprint(&Pairs(wrong)).is_err());
    }
}
