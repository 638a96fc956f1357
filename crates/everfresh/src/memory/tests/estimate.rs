//! What is estimated of a value's size is what its parts come to by hand.

use crate::memory::{Cache, Estimated, Refused, estimated_bytes};
use proptest::prelude::*;
use serde::{Serialize, Serializer};
use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::Arc,
};

#[derive(Clone, Debug, Serialize)]
struct Row {
    id: u64,
    flag: bool,
    name: String,
    tags: Vec<String>,
    more: Option<Box<Row>>,
}

const TEXT: usize = size_of::<String>();
const ROW: usize = size_of::<Row>();

/// What a row owns elsewhere.
fn owned(row: &Row) -> usize {
    let tags: usize = row.tags.iter().map(|tag| TEXT + tag.len()).sum();
    row.name.len() + tags + row.more.as_deref().map_or(0, |more| ROW + owned(more))
}

fn row() -> impl Strategy<Value = Row> {
    let flat = |more: BoxedStrategy<Option<Box<Row>>>| {
        let parts = (any::<u64>(), any::<bool>(), ".{0,9}", prop::collection::vec(".{0,9}", 0..5), more);
        parts.prop_map(|(id, flag, name, tags, more)| Row { id, flag, name, tags, more })
    };
    let leaf = flat(Just(None).boxed()).boxed();
    leaf.prop_recursive(3, 3, 1, move |row| flat(prop::option::of(row.prop_map(Box::new)).boxed()))
}

proptest! {
    #[test]
    fn a_value_takes_its_size_and_what_it_owns(rows in prop::collection::vec(row(), 0..6), numbers: Vec<(u64, u16)>) {
        for row in &rows {
            prop_assert_eq!(row.estimated_bytes(), (ROW + owned(row)) as u64);
        }
        let in_vec = size_of_val(&rows) + rows.iter().map(|row| ROW + owned(row)).sum::<usize>();
        prop_assert_eq!(rows.estimated_bytes(), in_vec as u64);
        prop_assert_eq!(Arc::new(rows.clone()).estimated_bytes(), (8 + in_vec) as u64);
        // A pair takes 16 bytes, with what its second part is padded by.
        prop_assert_eq!(numbers.estimated_bytes(), (size_of_val(&numbers) + 16 * numbers.len()) as u64);
        let map: BTreeMap<u64, u16> = numbers.iter().copied().collect();
        prop_assert_eq!(map.estimated_bytes(), (size_of_val(&map) + 10 * map.len()) as u64);
        prop_assert_eq!(estimated_bytes(&rows, &map), (rows.estimated_bytes() + map.estimated_bytes()) as u32);
    }
}

#[test]
fn what_lies_in_its_place_takes_its_size_alone() {
    #[derive(Serialize)]
    enum Shape {
        Point,
        Circle(f64),
        Square { side: [u16; 2] },
    }
    fn size<T: Serialize>(value: T) -> (u64, usize) {
        (value.estimated_bytes(), size_of::<T>())
    }
    let same = [
        size(()),
        size('x'),
        size(1u128),
        size([7u32; 20]),
        size((1u8, 2u64, [3.0f32; 3])),
        size(Some(5u64)),
        size(None::<String>),
        size(Shape::Point),
        size(Shape::Circle(1.0)),
        size(Shape::Square { side: [1, 2] }),
        size(std::net::Ipv4Addr::LOCALHOST),
        size(std::time::Duration::from_secs(1)),
    ];
    assert!(same.iter().all(|(estimated, size)| *estimated == *size as u64), "{same:?}");
}

#[test]
fn the_widest_element_stands_for_all() {
    #[derive(Serialize)]
    enum Cell {
        Empty,
        Number(u64),
    }
    let cells = [Cell::Empty, Cell::Number(1), Cell::Empty];
    assert_eq!(Vec::from(cells).estimated_bytes(), TEXT as u64 + 3 * 16);
    assert_eq!(vec![None, Some([1u8; 30])].estimated_bytes(), TEXT as u64 + 2 * 30);
    let map: HashMap<&str, Option<u32>> = [("a", None), ("bcd", Some(1))].into();
    assert_eq!(map.estimated_bytes(), (size_of_val(&map) + 2 * TEXT + 4 + 2 * 4) as u64);
}

#[test]
fn what_is_shown_as_a_text_is_none() {
    struct Date(u32);
    impl fmt::Display for Date {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "{:010}", self.0)
        }
    }
    impl Serialize for Date {
        fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
            to.collect_str(self)
        }
    }
    assert_eq!((Date(1).estimated_bytes(), vec![Date(1), Date(2)].estimated_bytes()), (4, TEXT as u64 + 20));
}

#[test]
fn a_part_that_cannot_be_serialized_takes_its_size_alone() {
    struct Bad(#[expect(dead_code)] [u64; 3]);
    impl Serialize for Bad {
        fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("on purpose"))
        }
    }
    assert_eq!((Bad([1; 3]), "four".to_owned()).estimated_bytes(), 24 + TEXT as u64 + 4);
}

#[test]
fn a_cache_is_bounded_by_what_is_estimated() {
    let cache = Cache::builder().max_bytes(2 * (8 + TEXT as u64 + 10), estimated_bytes).build();
    for key in 0..10u64 {
        cache.insert(key, "x".repeat(10)).unwrap();
        assert!(cache.weight() <= 2 * (8 + TEXT as u64 + 10));
    }
    assert_eq!(cache.len(), 2);
    assert!(matches!(cache.insert(1, "x".repeat(100)), Err(Refused::TooHeavy { weight: 132, .. })));
}
