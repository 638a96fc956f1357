//! Dictionaries of texts and bytes, written as the distinct values that a run of rows has, in the order in which they
//! first appear there, and for each row the place of its value among them, mostly in two bytes. How the dictionary was
//! laid out does not count then, and no value is hashed for every row that has it.

use super::stream::ByteStream;
use arrow::{
    array::{Array, ArrayAccessor, ArrayRef, AsArray, PrimitiveArray},
    buffer::NullBuffer,
    datatypes::{
        ArrowDictionaryKeyType, ArrowNativeType, DataType, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type,
        UInt16Type, UInt32Type, UInt64Type,
    },
};
use blake3::Hash;
use hashbrown::{DefaultHashBuilder, HashTable};
use std::{hash::BuildHasher, ops::Range, sync::Arc};

/// How many rows are looked up at a time: one word of validity bits.
const ROWS: usize = 64;

/// Places from here on are written as this and four bytes more.
const WIDE: u16 = u16::MAX;

/// A run of rows of a column of dictionaries, which need not be the same one.
#[derive(Clone, Debug, Default)]
pub(super) struct Dictionary {
    /// For each row, the place of its value, from 1 on; 0 for null.
    places: ByteStream,
    /// The distinct values.
    values: Values,
    /// The last array's values, and the place of each: 0 for those that did not appear yet, [`WIDE`] for large ones.
    last: Option<(ArrayRef, Vec<u16>)>,
}

impl Dictionary {
    /// Whether values of this type are written so.
    pub fn holds(values: &DataType) -> bool {
        matches!(
            values,
            DataType::Utf8
                | DataType::LargeUtf8
                | DataType::Utf8View
                | DataType::Binary
                | DataType::LargeBinary
                | DataType::BinaryView
        )
    }

    /// Adds rows; `nulls` tells those that have no key.
    pub fn extend(&mut self, array: &dyn Array, nulls: Option<&NullBuffer>) {
        let Some(dictionary) = array.as_any_dictionary_opt() else { return };
        let values = dictionary.values();
        // A key may also lead to a value that is null.
        let to_null = if values.null_count() > 0 { array.logical_nulls() } else { None };
        let nulls = NullBuffer::union(to_null.as_ref(), nulls);
        let keys = dictionary.keys();
        match keys.data_type() {
            DataType::Int8 => self.extend_keys(keys.as_primitive::<Int8Type>(), values, nulls.as_ref()),
            DataType::Int16 => self.extend_keys(keys.as_primitive::<Int16Type>(), values, nulls.as_ref()),
            DataType::Int32 => self.extend_keys(keys.as_primitive::<Int32Type>(), values, nulls.as_ref()),
            DataType::Int64 => self.extend_keys(keys.as_primitive::<Int64Type>(), values, nulls.as_ref()),
            DataType::UInt8 => self.extend_keys(keys.as_primitive::<UInt8Type>(), values, nulls.as_ref()),
            DataType::UInt16 => self.extend_keys(keys.as_primitive::<UInt16Type>(), values, nulls.as_ref()),
            DataType::UInt32 => self.extend_keys(keys.as_primitive::<UInt32Type>(), values, nulls.as_ref()),
            _ => self.extend_keys(keys.as_primitive::<UInt64Type>(), values, nulls.as_ref()),
        }
    }

    fn extend_keys<K: ArrowDictionaryKeyType>(
        &mut self,
        keys: &PrimitiveArray<K>,
        values: &ArrayRef,
        nulls: Option<&NullBuffer>,
    ) {
        let value = values_of(values.as_ref());
        let mut places = match self.last.take() {
            Some((last, places)) if Arc::ptr_eq(&last, values) || *last == **values => places,
            // In order, since rows lead to them in any order, and memory is quickest in order.
            _ if values.len() <= keys.len() => {
                (0..values.len()).map(|at| narrow(self.values.find(value(at)).unwrap_or_default())).collect()
            }
            _ => vec![0; values.len()],
        };
        let valid = nulls.map(|nulls| nulls.inner().bit_chunks());
        let mut valid = valid.as_ref().map(|valid| valid.iter_padded());
        let mut block = [0; ROWS];
        for keys in keys.values().chunks(ROWS) {
            let valid = valid.as_mut().map_or(u64::MAX, |valid| valid.next().unwrap_or_default());
            let rows = &mut block[..keys.len()];
            if look_up(keys, valid, &places, rows) {
                self.places.write_with(2 * rows.len(), |bytes| {
                    let (bytes, _) = bytes.as_chunks_mut();
                    bytes.iter_mut().zip(rows).for_each(|(bytes, place)| *bytes = place.to_le_bytes());
                });
            } else {
                self.extend_new(keys, valid, &mut places, value.as_ref());
            }
        }
        self.last = Some((Arc::clone(values), places));
    }

    /// Adds rows of which some have no place yet, or a large one.
    fn extend_new<'a, K: ArrowNativeType>(
        &mut self,
        keys: &[K],
        valid: u64,
        places: &mut [u16],
        value: &dyn Fn(usize) -> &'a [u8],
    ) {
        for (bit, key) in keys.iter().enumerate() {
            let place = if valid >> bit & 1 == 0 {
                0
            } else {
                match &mut places[key.as_usize()] {
                    known @ (0 | &mut WIDE) => {
                        let place = self.values.place(value(key.as_usize()));
                        *known = narrow(place);
                        place
                    }
                    known => u32::from(*known),
                }
            };
            self.places.write(&narrow(place).to_le_bytes());
            if narrow(place) == WIDE {
                self.places.write(&place.to_le_bytes());
            }
        }
    }

    /// The hashes of all that was added.
    pub fn finish(self) -> [Hash; 3] {
        let mut lengths = ByteStream::default();
        for at in 0..self.values.ends.len() {
            lengths.write(&(self.values.range(at).len() as u64).to_le_bytes());
        }
        [self.places.finish(), lengths.finish(), blake3::hash(&self.values.bytes)]
    }
}

fn narrow(place: u32) -> u16 {
    u16::try_from(place).unwrap_or(WIDE)
}

/// Finds the places of up to 64 rows' values, 0 for null; `valid` has a bit for each. Whether every row that is not null
/// has a place, and none a large one.
fn look_up<K: ArrowNativeType>(keys: &[K], valid: u64, places: &[u16], rows: &mut [u16]) -> bool {
    let known = |place: u16| (1..WIDE).contains(&place);
    if valid == u64::MAX {
        // Arrays of eight, so that the compiler sees that many loads at once.
        let (eights, last) = keys.as_chunks::<8>();
        let (row_eights, last_rows) = rows.as_chunks_mut::<8>();
        for (rows, keys) in row_eights.iter_mut().zip(eights) {
            *rows = keys.map(|key| places[key.as_usize()]);
        }
        last_rows.iter_mut().zip(last).for_each(|(row, key)| *row = places[key.as_usize()]);
        rows.iter().fold(true, |all, place| all & known(*place))
    } else {
        let mut all = true;
        for (bit, (row, key)) in rows.iter_mut().zip(keys).enumerate() {
            let valid = valid >> bit & 1 == 1;
            // A key under a null may lead nowhere.
            let place = places.get(key.as_usize()).copied().unwrap_or_default();
            *row = if valid { place } else { 0 };
            all &= known(place) | !valid;
        }
        all
    }
}

/// Distinct values in the order in which they were added.
#[derive(Clone, Debug, Default)]
struct Values {
    bytes: Vec<u8>,
    /// Where each value ends.
    ends: Vec<usize>,
    /// The hash and the place of each.
    table: HashTable<(u64, u32)>,
    hasher: DefaultHashBuilder,
}

impl Values {
    /// The place of a value, from 1 on; it is added if it is new.
    fn place(&mut self, value: &[u8]) -> u32 {
        let hash = self.hasher.hash_one(value);
        self.find_hashed(hash, value).unwrap_or_else(|| {
            self.bytes.extend_from_slice(value);
            self.ends.push(self.bytes.len());
            // All of a run's distinct values lie in memory: fewer than there are places.
            let place = self.ends.len() as u32;
            self.table.insert_unique(hash, (hash, place), |(hash, _)| *hash);
            place
        })
    }

    fn find(&self, value: &[u8]) -> Option<u32> {
        self.find_hashed(self.hasher.hash_one(value), value)
    }

    fn find_hashed(&self, hash: u64, value: &[u8]) -> Option<u32> {
        let same = |(of, place): &(u64, u32)| *of == hash && self.bytes[self.range(*place as usize - 1)] == *value;
        self.table.find(hash, same).map(|(_, place)| *place)
    }

    fn range(&self, at: usize) -> Range<usize> {
        let start = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        start..self.ends[at]
    }
}

/// What gives the value at an index.
fn values_of<'a>(values: &'a dyn Array) -> Box<dyn Fn(usize) -> &'a [u8] + 'a> {
    match values.data_type() {
        DataType::Utf8 => all_of(values.as_string::<i32>(), |text| text.as_bytes()),
        DataType::LargeUtf8 => all_of(values.as_string::<i64>(), |text| text.as_bytes()),
        DataType::Utf8View => all_of(values.as_string_view(), |text| text.as_bytes()),
        DataType::Binary => all_of(values.as_binary::<i32>(), |bytes| bytes),
        DataType::LargeBinary => all_of(values.as_binary::<i64>(), |bytes| bytes),
        _ => all_of(values.as_binary_view(), |bytes| bytes),
    }
}

fn all_of<'a, A: ArrayAccessor + 'a>(
    values: A,
    bytes: impl Fn(A::Item) -> &'a [u8] + 'a,
) -> Box<dyn Fn(usize) -> &'a [u8] + 'a> {
    Box::new(move |at| bytes(values.value(at)))
}
