//! Dictionaries of texts and bytes, written as the distinct values that a run of rows has, in the order in which they
//! first appear there, and for each row the place of its value among them. So it does not count how the dictionary was
//! laid out, and no value is hashed for every row that has it.

use super::stream::{ByteStream, WINDOW};
use arrow::{
    array::{Array, ArrayRef, AsArray, PrimitiveArray},
    buffer::NullBuffer,
    datatypes::{
        ArrowDictionaryKeyType, ArrowNativeType, DataType, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type,
        UInt16Type, UInt32Type, UInt64Type,
    },
};
use blake3::Hash;
use std::{collections::HashMap, sync::Arc};

/// A run of rows of a column of dictionaries, which need not be the same one.
#[derive(Clone, Debug, Default)]
pub(super) struct Dictionary {
    /// For each row, the place of its value, from 1 on; 0 for null.
    places: ByteStream,
    /// The distinct values.
    lengths: ByteStream,
    bytes: ByteStream,
    place_of: HashMap<Box<[u8]>, u32>,
    /// The last array's values, and the place of each, 0 for those that did not appear yet.
    last: Option<(ArrayRef, Vec<u32>)>,
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
        let mut places = match self.last.take() {
            Some((last, places)) if Arc::ptr_eq(&last, values) => places,
            _ => vec![0; values.len()],
        };
        let mut written: Vec<[u8; 4]> = Vec::with_capacity(keys.len().min(WINDOW));
        for start in (0..keys.len()).step_by(WINDOW) {
            let window = &keys.values()[start..keys.len().min(start + WINDOW)];
            written.clear();
            for (row, key) in window.iter().enumerate() {
                let place = match nulls {
                    Some(nulls) if nulls.is_null(start + row) => 0,
                    _ => match places[key.as_usize()] {
                        0 => {
                            let place = self.place(value(values, key.as_usize()));
                            places[key.as_usize()] = place;
                            place
                        }
                        place => place,
                    },
                };
                written.push(place.to_le_bytes());
            }
            self.places.write(written.as_flattened());
        }
        self.last = Some((Arc::clone(values), places));
    }

    /// The place of a value, which is added if it is new.
    fn place(&mut self, value: &[u8]) -> u32 {
        if let Some(place) = self.place_of.get(value) {
            return *place;
        }
        self.lengths.write(&(value.len() as u64).to_le_bytes());
        self.bytes.write(value);
        // Distinct values of one run, which all lie in memory: fewer than there are places.
        let place = self.place_of.len() as u32 + 1;
        self.place_of.insert(value.into(), place);
        place
    }

    /// The hashes of all that was added.
    pub fn finish(self) -> [Hash; 3] {
        [self.places.finish(), self.lengths.finish(), self.bytes.finish()]
    }
}

fn value(values: &dyn Array, index: usize) -> &[u8] {
    match values.data_type() {
        DataType::Utf8 => values.as_string::<i32>().value(index).as_bytes(),
        DataType::LargeUtf8 => values.as_string::<i64>().value(index).as_bytes(),
        DataType::Utf8View => values.as_string_view().value(index).as_bytes(),
        DataType::Binary => values.as_binary::<i32>().value(index),
        DataType::LargeBinary => values.as_binary::<i64>().value(index),
        _ => values.as_binary_view().value(index),
    }
}
