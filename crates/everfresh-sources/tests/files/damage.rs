//! Damaged files of every format end in rows or in an error, and never in a panic or without end.

use crate::tables::{bytes, file_name, format, options, pack, packing, table, write};
use arrow::{array::RecordBatch, datatypes::SchemaRef};
use everfresh_sources::{ReadOptions, SourceError, infer_schema, read, row_count, unify};
use proptest::prelude::*;
use std::path::Path;

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
    }
    let own = own?;
    let all: Vec<_> = (0..own.fields().len()).collect();
    let batches = read(path, options, &own, &all, 3)?.take(MOST_BATCHES).collect::<Result<Vec<_>, _>>()?;
    assert!(batches.len() < MOST_BATCHES);
    Ok(batches)
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
        for (at, mask) in &flips {
            let at = at.index(bytes.len());
            bytes[at] ^= mask;
        }
        if let Some(keep) = &keep {
            bytes.truncate(keep.index(bytes.len()));
        }
        let folder = tempfile::tempdir().unwrap();
        let path = write(folder.path(), &file_name(format, packing, 1), &bytes);
        if let Err(error) = use_all(&path, &options(&table, format), &table.schema()) {
            prop_assert!(error.to_string().contains(path.to_str().unwrap()), "{}", error);
        }
    }

    #[test]
    fn a_truncated_parquet_arrow_or_packed_file_is_an_error(
        table in table(12), format in format(), packing in packing(), keep in any::<prop::sample::Index>(),
    ) {
        let plain_text = packing == crate::tables::Packing::Plain
            && !matches!(format, everfresh_sources::Format::Parquet | everfresh_sources::Format::Arrow);
        // A text may end anywhere; and an empty file is an empty text, whatever its name.
        prop_assume!(!plain_text);
        let bytes = pack(&bytes(&table, format, 3), packing);
        let keep = keep.index(bytes.len() - 1) + 1;
        let folder = tempfile::tempdir().unwrap();
        let path = write(folder.path(), &file_name(format, packing, 1), &bytes[..keep.min(bytes.len() - 1)]);
        // Cut behind the first gzip member, the rest of a text may be a text.
        let error = use_all(&path, &options(&table, format), &table.schema());
        let whole_member = packing == crate::tables::Packing::Gzip;
        prop_assert!(error.is_err() || whole_member, "{} of {} bytes of {} were read", keep, bytes.len(), format);
    }
}
