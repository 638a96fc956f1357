//! Damaged files of every format end in rows or in an error, and never in a panic or without end.

use crate::tables::{Packing, bytes, file_name, format, gzip, options, pack, packing, table, write};
use arrow::{
    array::{Array, ArrayRef, DictionaryArray, ListArray, RecordBatch, StringViewArray, StructArray},
    datatypes::{Field, Int8Type, Int32Type, SchemaRef},
};
use everfresh_sources::{Format, ReadOptions, SourceError, fingerprint_columns, infer_schema, read, row_count, unify};
use proptest::prelude::*;
use std::{path::Path, sync::Arc};

/// More batches than any of these tables has rows.
const MOST_BATCHES: usize = 100;

/// Does everything that can be done with a file; gives the rows if nothing fails.
fn use_all(path: &Path, options: &ReadOptions, schema: &SchemaRef) -> Result<Vec<RecordBatch>, SourceError> {
    let own = infer_schema(path, options).and_then(|own| unify(&[(path.to_owned(), own)]));
    let _ = row_count(path, options);
    for projection in [vec![], (0..schema.fields().len()).collect()] {
        if let Ok(batches) = read(path, options, schema, &projection, 3) {
            batches.take(MOST_BATCHES).for_each(drop);
        }
        let _ = fingerprint_columns(path, options, schema, &projection);
    }
    let own = own?;
    let all: Vec<_> = (0..own.fields().len()).collect();
    let batches = read(path, options, &own, &all, 3)?.take(MOST_BATCHES).collect::<Result<Vec<_>, _>>()?;
    assert!(batches.len() < MOST_BATCHES);
    Ok(batches)
}

fn nested() -> RecordBatch {
    let lists = [Some(vec![Some(1), None]), None, Some(vec![]), Some(vec![Some(2), Some(300)])];
    let lists: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(lists));
    let codes: DictionaryArray<Int8Type> = vec![Some("a"), None, Some("b"), Some("a")].into_iter().collect();
    let codes: ArrayRef = Arc::new(codes);
    let views: ArrayRef = Arc::new(StringViewArray::from(vec!["a text too long to be inlined", "x", "", "y"]));
    let field = |name: &str, array: &ArrayRef| Arc::new(Field::new(name, array.data_type().clone(), true));
    let object = StructArray::from(vec![(field("l", &lists), lists), (field("v", &views), views)]);
    RecordBatch::try_from_iter_with_nullable([("o", Arc::new(object) as ArrayRef, true), ("d", codes, true)]).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn flipped_and_missing_bytes_are_rows_or_an_error(
        table in table(12), format in format(), packing in packing(), group in 1_usize..7,
        flips in prop::collection::vec((any::<prop::sample::Index>(), 1_u8..), 0..4),
        keep in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut bytes = pack(&bytes(&table, format, group), packing);
        let length = bytes.len();
        if length > 0 {
            flips.iter().for_each(|(at, mask)| bytes[at.index(length)] ^= mask);
            keep.iter().for_each(|keep| bytes.truncate(keep.index(length)));
        }
        let folder = tempfile::tempdir().unwrap();
        let path = write(folder.path(), &file_name(format, packing, 1), &bytes);
        if let Err(error) = use_all(&path, &options(&table, format), &table.schema()) {
            prop_assert!(error.to_string().contains(path.to_str().unwrap()), "{}", error);
            let text = !matches!(format, Format::Parquet | Format::Arrow);
            prop_assert!(!text || !error.to_string().contains("gave up"), "{}", error);
        }
    }

    #[test]
    fn flipped_bytes_in_nested_and_encoded_columns_are_rows_or_an_error(
        typed in prop::sample::select(vec![Format::Parquet, Format::Arrow]), group in 1_usize..7,
        flips in prop::collection::vec((any::<prop::sample::Index>(), 1_u8..), 1..4),
    ) {
        let table = nested();
        let mut bytes = bytes(&table, typed, group);
        let length = bytes.len();
        flips.iter().for_each(|(at, mask)| bytes[at.index(length)] ^= mask);
        let folder = tempfile::tempdir().unwrap();
        let path = write(folder.path(), &file_name(typed, Packing::Plain, 1), &bytes);
        if let Err(error) = use_all(&path, &ReadOptions::default(), &table.schema()) {
            prop_assert!(error.to_string().contains(path.to_str().unwrap()), "{}", error);
        }
    }

    #[test]
    fn a_truncated_parquet_arrow_or_packed_file_is_an_error(
        table in table(12), format in format(), packing in packing(), keep in any::<prop::sample::Index>(),
    ) {
        let plain_text = packing == Packing::Plain && !matches!(format, Format::Parquet | Format::Arrow);
        let packing = if plain_text { Packing::Zstd } else { packing };
        let plain = bytes(&table, format, 3);
        let whole = pack(&plain, packing);
        let mut keep = keep.index(whole.len());
        // A gzip file of one member less is whole, and its text may be a text.
        if packing == Packing::Gzip && keep == gzip(&plain[..plain.len() / 3]).len() {
            keep -= 1;
        }
        let folder = tempfile::tempdir().unwrap();
        let path = write(folder.path(), &file_name(format, packing, 1), &whole[..keep]);
        let used = use_all(&path, &options(&table, format), &table.schema());
        prop_assert!(used.is_err(), "{} of {} bytes were read", keep, whole.len());
    }
}
