//! A table as a run knows it: by its fingerprint first, by facts on demand, by its rows only when somebody reads them.
//!
//! A table is a list of *parts* (partitions) with one schema. Each part has a number of rows and one fingerprint a
//! column; a column of the whole table is fingerprinted by the list of its parts' fingerprints.
//!
//! ```text
//! Table ── id ──▶ TableRecord { schema, parts: [ PartRecord { id, rows, columns, blob } ] } ── blob ──▶ Arrow IPC
//! ```
//!
//! The rows of a part lie in a blob of the cache, or, for formats that are quick to read in place (Parquet, Arrow), in
//! the source's own file. In that case a column's fingerprint is made when somebody first reads the column.

mod files;
mod input;
mod scan;
mod writer;

pub use files::{FileOrigin, SourceFile, declared_columns_exist};
pub use input::Input;
pub(crate) use writer::from_box;
pub use writer::{WrittenPart, write_part};

use crate::{cache::Cache, fault::Fault, graph::NodeId};
use arrow::{
    datatypes::{Schema, SchemaRef},
    ipc::writer::IpcWriteOptions,
};
use everfresh::{Fingerprint, FingerprintBuilder, disk::Space, table::schema_fingerprint};
use serde::{Deserialize, Serialize};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

/// One part of a table, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartRecord {
    /// What the part is made from or holds: unchanged means that everything below is.
    pub id: Fingerprint,
    /// Its number of rows.
    pub rows: u64,
    /// The size of its rows, in bytes, as stored.
    pub bytes: u64,
    /// A fingerprint a column, where one was made.
    pub columns: Vec<Option<Fingerprint>>,
    /// The blob with its rows; `None` where they are read in place from a source's file.
    pub blob: Option<Fingerprint>,
}

impl PartRecord {
    /// Those of the columns that have no fingerprint yet.
    fn lacking(&self, columns: impl IntoIterator<Item = usize>) -> Vec<usize> {
        columns.into_iter().filter(|&column| self.columns.get(column).copied().flatten().is_none()).collect()
    }
}

/// A table, as it is stored under its id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableRecord {
    /// The schema, as the flatbuffer of Arrow's IPC format.
    pub schema: Vec<u8>,
    /// Its parts, in order.
    pub parts: Vec<PartRecord>,
}

impl TableRecord {
    /// The blobs that it refers to.
    pub fn blobs(&self) -> Vec<Fingerprint> {
        self.parts.iter().filter_map(|part| part.blob).collect()
    }
}

/// What is known of a table without reading its rows.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Its columns.
    pub schema: SchemaRef,
    /// Their fingerprint.
    pub schema_fingerprint: Fingerprint,
    /// Its parts, in order.
    pub parts: Vec<PartRecord>,
}

impl Facts {
    /// Facts of these parts.
    pub fn new(schema: SchemaRef, parts: Vec<PartRecord>) -> Self {
        Self { schema_fingerprint: schema_fingerprint(&schema), schema, parts }
    }

    /// The number of rows.
    pub fn rows(&self) -> u64 {
        self.parts.iter().map(|part| part.rows).sum()
    }

    /// The size in bytes, as stored.
    pub fn bytes(&self) -> u64 {
        self.parts.iter().map(|part| part.bytes).sum()
    }

    /// The id of a table that holds exactly this; every column of every part must have its fingerprint.
    pub fn content_id(&self) -> Fingerprint {
        FingerprintBuilder::new("everfresh.table")
            .fingerprint(&self.schema_fingerprint)
            .list(&self.parts, |builder, part| builder.fingerprint(&part.id))
            .finish()
    }

    /// The stored form.
    pub fn record(&self) -> TableRecord {
        TableRecord { schema: schema_bytes(&self.schema), parts: self.parts.clone() }
    }

    /// Reads the stored form; `None` if it is not one.
    pub fn from_record(record: TableRecord) -> Option<Self> {
        Some(Self::new(schema_from_bytes(&record.schema)?, record.parts))
    }
}

/// The stored form of a schema.
pub fn schema_bytes(schema: &Schema) -> Vec<u8> {
    let mut tracker = arrow::ipc::writer::DictionaryTracker::new(false);
    let encoded = arrow::ipc::writer::IpcDataGenerator::default().schema_to_bytes_with_dictionary_tracker(
        schema,
        &mut tracker,
        &IpcWriteOptions::default(),
    );
    encoded.ipc_message
}

/// Reads a stored schema; `None` if the bytes are none.
pub fn schema_from_bytes(bytes: &[u8]) -> Option<SchemaRef> {
    let message = arrow::ipc::root_as_message(bytes).ok()?;
    let schema = message.header_as_schema()?;
    Some(Arc::new(arrow::ipc::convert::fb_to_schema(schema)))
}

/// Where a table's rows come from.
#[derive(Clone, Debug)]
pub enum Origin {
    /// From the cache; should they be gone, this node makes them again.
    Stored(NodeId),
    /// From files that are there.
    Files(Arc<FileOrigin>),
}

/// A table of a run. Clones are cheap through [`Arc`]; facts are loaded once, and concurrent callers wait for it.
#[derive(Debug)]
pub struct Table {
    /// Which table this is: equal ids, equal tables.
    pub id: Fingerprint,
    /// Whether it stands in for a newer one that could not be had; nothing made from it is stored.
    pub stale: bool,
    origin: Origin,
    facts: Mutex<Option<Arc<Facts>>>,
    /// Held by who reads a part for its fingerprints: nobody else need read it meanwhile.
    reading: Mutex<HashMap<usize, Arc<Mutex<()>>>>,
}

impl Table {
    /// A table that is known by its id alone.
    pub fn known(id: Fingerprint, origin: Origin) -> Self {
        Self { id, stale: false, origin, facts: Mutex::new(None), reading: Mutex::default() }
    }

    /// A table whose facts are at hand.
    pub fn with_facts(id: Fingerprint, origin: Origin, facts: Facts) -> Self {
        Self { facts: Mutex::new(Some(Arc::new(facts))), ..Self::known(id, origin) }
    }

    /// Marks it as standing in for a newer one.
    pub fn stale(mut self) -> Self {
        self.stale = true;
        self
    }

    /// Where its rows come from.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Schema, parts and numbers of rows.
    pub fn facts(&self, cache: &Cache) -> Result<Arc<Facts>, Fault> {
        let mut slot = self.facts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(facts) = slot.as_ref() {
            return Ok(facts.clone());
        }
        let stored = cache.record::<TableRecord>(Space::Tables, &self.id).and_then(Facts::from_record);
        let facts = match (stored, &self.origin) {
            (Some(facts), _) => facts,
            (None, Origin::Stored(node)) => return Err(Fault::Missing(*node)),
            (None, Origin::Files(origin)) => origin.facts(cache, &self.id)?,
        };
        let facts = Arc::new(facts);
        *slot = Some(facts.clone());
        Ok(facts)
    }

    /// The facts, with a fingerprint for each of these columns in every part (of `part` alone, where one is given).
    ///
    /// Reads what has no fingerprint yet, and takes time in proportion to it.
    pub fn facts_with(&self, cache: &Cache, columns: &[usize], part: Option<usize>) -> Result<Arc<Facts>, Fault> {
        let lacking = |facts: &Facts| -> Vec<usize> {
            let parts = facts.parts.iter().enumerate().filter(|(index, _)| part.is_none_or(|part| part == *index));
            let lacking = parts.filter(|(_, part)| !part.lacking(columns.iter().copied()).is_empty());
            lacking.map(|(index, _)| index).collect()
        };
        let facts = self.facts(cache)?;
        let parts = lacking(&facts);
        let origin = match &self.origin {
            _ if parts.is_empty() => return Ok(facts),
            Origin::Stored(node) => return Err(Fault::Missing(*node)),
            Origin::Files(origin) => origin,
        };
        // In the order of the parts, so that two that want several of them never wait for each other.
        let locks: Vec<Arc<Mutex<()>>> = {
            let mut reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
            parts.iter().map(|part| reading.entry(*part).or_default().clone()).collect()
        };
        let _held: Vec<_> = locks.iter().map(|lock| lock.lock().unwrap_or_else(PoisonError::into_inner)).collect();
        let facts = self.facts(cache)?;
        let parts = lacking(&facts);
        let read = origin.fingerprint_columns(cache, &facts, &parts, columns)?;
        self.update(cache, read, part.is_none())
    }

    /// Adds fingerprints to the facts. Each part has a memo of its own already; the table's record is written only with
    /// the `whole` table, so that a table of many parts is not written once for each.
    fn update(&self, cache: &Cache, read: Vec<(usize, PartRecord)>, whole: bool) -> Result<Arc<Facts>, Fault> {
        let facts = self.facts(cache)?;
        let mut slot = self.facts.lock().unwrap_or_else(PoisonError::into_inner);
        let mut updated = Facts::clone(slot.as_ref().unwrap_or(&facts));
        for (index, read) in read {
            let columns = updated.parts.get_mut(index).into_iter().flat_map(|part| part.columns.iter_mut());
            for (slot, known) in columns.zip(read.columns) {
                *slot = slot.or(known);
            }
        }
        if whole {
            let record = updated.record();
            cache.put(Space::Tables, &self.id, &record, &record.blobs())?;
        }
        let updated = Arc::new(updated);
        *slot = Some(updated.clone());
        Ok(updated)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::datatypes::{DataType, Field, TimeUnit};

    #[test]
    fn a_schema_survives_its_stored_form() {
        let schema = Schema::new(vec![
            Field::new("a", DataType::Int64, true),
            Field::new("t", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), false),
            Field::new("d", DataType::Decimal128(10, 2), true),
        ]);
        assert_eq!(schema_from_bytes(&schema_bytes(&schema)).as_deref(), Some(&schema));
        assert!(schema_from_bytes(b"nonsense").is_none());
    }
}
