//! Canonical fingerprints of Arrow tables.
//!
//! ```text
//! table   = schema, then for each partition: rows, one fingerprint a column          (merkle)
//! schema  = for each column: name, nullable, type                                    (schema_fingerprint)
//! column  = type, rows, hash of the hashes of its runs of CHUNK_ROWS rows            (TableHasher)
//! run     = one BLAKE3 stream for each part that the type has: which rows are null, values, lengths, bytes, children
//! ```
//!
//! A column's fingerprint depends on its type, the order of its rows, and every value: floats by their bits, null
//! apart from every value. It does not depend on how the rows were laid out in memory: batch sizes, slices, padding,
//! what stands under a null, the order or duplicates of a dictionary, how runs were encoded. Values enter in the
//! machine's byte order, which is little-endian wherever this crate is supported.
//!
//! Rows are cut at fixed places so that all cores can hash one column, whatever the batches' size. Memory is bounded by
//! what is queued (16 MiB, or one batch if that is larger) and about 50 KiB for each column, more where a dictionary has
//! many values: a run keeps those that it has, and the last dictionary.

mod column;
mod dictionary;
mod fixed;
mod hasher;
mod packed;
mod schema;
mod stream;
mod views;

pub use hasher::{CHUNK_ROWS, SMALL_BYTES, TableHasher, TableMismatch, UnsupportedType};
pub use schema::schema_fingerprint;

use crate::{Fingerprint, FingerprintBuilder};

/// What [`TableHasher`] makes of a table.
///
/// ```
/// use arrow::array::{Int32Array, RecordBatch};
/// use everfresh::table::{ColumnFingerprints, TableHasher};
/// use std::sync::Arc;
///
/// let batch = RecordBatch::try_from_iter([("id", Arc::new(Int32Array::from(vec![1, 2])) as _)])?;
/// let mut hasher = TableHasher::new(&batch.schema(), &[])?;
/// hasher.update(&batch.project(&[])?)?;
/// assert_eq!(hasher.finish(), ColumnFingerprints { rows: 2, columns: vec![] });
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnFingerprints {
    /// The number of rows.
    pub rows: u64,
    /// One fingerprint for each column that was hashed, in the order in which they were asked for.
    pub columns: Vec<Fingerprint>,
}

/// The fingerprint of a table of partitions: its schema, and for each partition, in order, the number of rows and the
/// fingerprint of every column. Where one partition ends and the next begins counts.
///
/// ```
/// use everfresh::{Fingerprint, table::merkle};
///
/// let [schema, column] = ["schema", "column"].map(|text| Fingerprint::of_bytes(text.as_bytes()));
/// let whole = merkle(schema, [(2, &[column][..])].into_iter());
/// let parts = merkle(schema, [(1, &[column][..]), (1, &[column][..])].into_iter());
/// assert_ne!(whole, parts);
/// ```
pub fn merkle<'a>(
    schema: Fingerprint,
    partitions: impl ExactSizeIterator<Item = (u64, &'a [Fingerprint])>,
) -> Fingerprint {
    FingerprintBuilder::new("everfresh.table.1")
        .fingerprint(&schema)
        .list(partitions, |builder, (rows, columns)| builder.u64(rows).list(columns, FingerprintBuilder::fingerprint))
        .finish()
}

#[cfg(test)]
mod layout_tests;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_its_schema_and_its_partitions() {
        let (a, b) = (Fingerprint::of_bytes(b"a"), Fingerprint::of_bytes(b"b"));
        let table = |schema, partitions: &[(u64, &[Fingerprint])]| merkle(schema, partitions.iter().copied());
        let all = [
            table(a, &[]),
            table(b, &[]),
            table(a, &[(1, &[a, b])]),
            table(a, &[(2, &[a, b])]),
            table(a, &[(1, &[b, a])]),
            table(a, &[(1, &[a]), (1, &[b])]),
            table(a, &[(1, &[b]), (1, &[a])]),
            table(a, &[(0, &[])]),
        ];
        assert_eq!(all.iter().collect::<std::collections::BTreeSet<_>>().len(), all.len());
    }
}
