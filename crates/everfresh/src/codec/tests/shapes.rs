//! When two types have one shape.

use crate::{
    Fingerprint,
    codec::{CodecError, from_slice, from_storable, to_storable, to_vec},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

fn shape<T: DeserializeOwned>(bytes: &[u8]) -> Fingerprint {
    from_slice::<T>(bytes).unwrap().shape
}

/// Types of one name that can all be read from the same bytes.
macro_rules! versions {
    ($name:literal: $($version:ident { $($body:tt)* })*) => {
        $(#[derive(Serialize, Deserialize, Default, Debug)]
        #[serde(rename = $name)]
        #[allow(dead_code)]
        struct $version { $($body)* })*
    };
}

versions! {
    "Rate":
    Rate { currency: String, #[serde(default)] rate: f64 }
    Same { currency: String, #[serde(default)] rate: f64 }
    Gained { currency: String, #[serde(default)] rate: f64, #[serde(default)] day: u32 }
    Reordered { #[serde(default)] rate: f64, currency: String }
    Renamed { currency: String, #[serde(default, alias = "rate")] price: f64 }
}

#[test]
fn a_type_that_changed_has_another_shape_even_where_it_can_be_read() {
    let bytes = to_storable(&Rate { currency: "EUR".to_owned(), rate: 1.5 }).unwrap().bytes;
    let now = shape::<Rate>(&bytes);
    assert_eq!(now, shape::<Same>(&bytes));
    assert_ne!(now, shape::<Gained>(&bytes));
    assert_ne!(now, shape::<Reordered>(&bytes));
    assert_ne!(now, shape::<Renamed>(&bytes));
}

#[test]
fn a_type_that_lost_a_field_that_was_not_written_has_another_shape() {
    #[derive(Serialize, Deserialize)]
    #[serde(rename = "Rate")]
    struct Optional {
        currency: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        day: Option<u32>,
    }
    #[derive(Serialize, Deserialize)]
    #[serde(rename = "Rate")]
    struct Lost {
        currency: String,
    }
    let bytes = to_storable(&Optional { currency: String::new(), day: None }).unwrap().bytes;
    assert_ne!(shape::<Optional>(&bytes), shape::<Lost>(&bytes));
}

#[test]
fn an_enum_that_changed_has_another_shape() {
    #[derive(Serialize, Deserialize)]
    enum Kind {
        One,
        Two { x: u8 },
    }
    mod later {
        #[derive(serde::Deserialize)]
        #[allow(dead_code)]
        pub enum Kind {
            One,
            Two { x: u8 },
            Three,
        }
    }
    mod wider {
        #[derive(serde::Deserialize)]
        #[allow(dead_code)]
        pub enum Kind {
            One,
            Two {
                x: u8,
                #[serde(default)]
                y: u8,
            },
        }
    }
    let (one, two) = (to_vec(&Kind::One).unwrap(), to_vec(&Kind::Two { x: 1 }).unwrap());
    assert_ne!(shape::<Kind>(&one), shape::<later::Kind>(&one));
    assert_ne!(shape::<Kind>(&two), shape::<wider::Kind>(&two));
    // The fields of a variant that was not stored are not asked for.
    assert_eq!(shape::<Kind>(&one), shape::<wider::Kind>(&one));
}

#[test]
fn a_struct_deep_inside_counts_wherever_it_stands() {
    let rates = vec![Some(Rate::default()), None, Some(Rate { currency: "EUR".to_owned(), rate: 1.5 })];
    let bytes = to_storable(&rates).unwrap().bytes;
    assert_eq!(shape::<Vec<Option<Rate>>>(&bytes), shape::<Vec<Option<Same>>>(&bytes));
    assert_ne!(shape::<Vec<Option<Rate>>>(&bytes), shape::<Vec<Option<Gained>>>(&bytes));

    let pair = to_vec(&(Rate::default(), Rate::default())).unwrap();
    assert_eq!(shape::<(Rate, Rate)>(&pair), shape::<(Rate, Same)>(&pair), "wherever their names lie");
    let shapes = [
        shape::<(Rate, Same)>(&pair),
        shape::<(Rate, Gained)>(&pair),
        shape::<(Gained, Rate)>(&pair),
        shape::<(Gained, Gained)>(&pair),
    ];
    for (at, one) in shapes.iter().enumerate() {
        assert!(!shapes[at + 1..].contains(one), "{at}");
    }
}

#[test]
fn what_the_bytes_do_not_reach_is_not_part_of_the_shape() {
    let empty = to_vec::<Vec<u8>>(&vec![]).unwrap();
    assert_eq!(shape::<Vec<Rate>>(&empty), shape::<Vec<Gained>>(&empty));
}

#[test]
fn any_type_has_a_shape_other_than_a_known_one() {
    let bytes = to_vec(&"text").unwrap();
    assert_ne!(shape::<String>(&bytes), shape::<serde_json::Value>(&bytes));
    assert_ne!(shape::<serde_json::Value>(&bytes), shape::<serde::de::IgnoredAny>(&bytes));
}

#[test]
fn a_type_that_hides_what_it_asks_for_is_encoded_again_and_compared() {
    #[derive(Serialize, Deserialize)]
    struct Flat {
        id: u8,
        #[serde(flatten)]
        rate: Rate,
    }
    #[derive(Serialize, Deserialize)]
    #[serde(rename = "Flat")]
    struct FlatGained {
        id: u8,
        #[serde(default)]
        version: u8,
        #[serde(flatten)]
        rate: Rate,
    }
    #[derive(Serialize, Deserialize)]
    #[serde(rename = "Flat")]
    struct FlatOfGained {
        id: u8,
        #[serde(flatten)]
        rate: Gained,
    }
    let bytes = to_storable(&Flat { id: 1, rate: Rate::default() }).unwrap().bytes;
    let outdated = |error: Option<CodecError>| error.unwrap().to_string().contains("the type has changed");
    assert!(from_storable::<Flat>(&bytes).is_ok());
    assert!(outdated(from_storable::<FlatGained>(&bytes).err()));
    assert!(outdated(from_storable::<FlatOfGained>(&bytes).err()));
    // The shape alone cannot tell.
    assert_eq!(shape::<Flat>(&bytes), shape::<FlatGained>(&bytes));
}
