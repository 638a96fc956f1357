//! A table, or one partition of it, as the input of a computation.

use super::{
    Facts, Origin, PartRecord, Table,
    scan::{PartScan, PartsScan},
};
use crate::{cache::Cache, engine::TableScan, fault::Fault, sabotage::Sabotage};
use everfresh::{Fingerprint, FingerprintBuilder, observation::TableObservation};
use std::{path::PathBuf, sync::Arc};

/// A table, or one partition of it, under the name that a computation knows it by.
#[derive(Clone, Debug)]
pub struct Input {
    /// The name.
    pub name: String,
    /// The table.
    pub table: Arc<Table>,
    /// The partition, where only one is meant.
    pub part: Option<usize>,
}

impl Input {
    /// The id of what is meant.
    pub fn id(&self, cache: &Cache) -> Result<Fingerprint, Fault> {
        match self.part {
            None => Ok(self.table.id),
            Some(part) => Ok(self.table.facts(cache)?.parts.get(part).map_or(self.table.id, |part| part.id)),
        }
    }

    /// The parts that are meant.
    fn parts<'a>(&self, facts: &'a Facts) -> &'a [PartRecord] {
        match self.part {
            None => &facts.parts,
            Some(part) => facts.parts.get(part..=part).unwrap_or_default(),
        }
    }

    /// What a computation sees that reads these columns.
    pub fn observe(&self, cache: &Cache, columns: &[usize]) -> Result<TableObservation, Fault> {
        let columns = match columns {
            [seen @ .., _] if cache.planted(Sabotage::DropColumn) => seen,
            all => all,
        };
        let facts = self.table.facts_with(cache, columns, self.part)?;
        let parts = self.parts(&facts);
        let column = |&index: &usize| {
            let fingerprint = FingerprintBuilder::new("everfresh.column")
                .list(parts, |builder, part| {
                    builder
                        .u64(part.rows)
                        .option(part.columns.get(index).and_then(Option::as_ref), FingerprintBuilder::fingerprint)
                })
                .finish();
            (facts.schema.field(index).name().clone(), fingerprint)
        };
        Ok(TableObservation {
            name: self.name.clone(),
            id: self.id(cache)?,
            schema: facts.schema_fingerprint,
            rows: parts.iter().map(|part| part.rows).sum(),
            columns: columns.iter().map(column).collect(),
        })
    }

    /// Opens its rows, so that they stay readable until the scan is dropped.
    pub fn open(&self, cache: &Cache) -> Result<Arc<dyn TableScan>, Fault> {
        let facts = self.table.facts(cache)?;
        let mut scans = Vec::new();
        let first = self.part.unwrap_or(0);
        for (index, part) in self.parts(&facts).iter().enumerate() {
            let blob = part.blob.as_ref().and_then(|name| cache.open_blob(name));
            scans.push(match (blob, self.table.origin()) {
                (Some(blob), _) => PartScan::Blob(blob),
                (None, Origin::Stored(node)) => return Err(Fault::Missing(*node)),
                (None, Origin::Files(origin)) => origin.open(cache, &facts, first + index)?,
            });
        }
        let rows = self.parts(&facts).iter().map(|part| part.rows).sum();
        // Of the whole table, so that each of its partitions is read in the same way.
        let views = matches!(self.table.origin(), Origin::Files(origin) if origin.in_views());
        Ok(Arc::new(PartsScan { schema: facts.schema.clone(), rows, parts: scans, views }))
    }

    /// The files that its rows lie in, with where in them they begin, in Arrow's IPC file format; `None` if some lie
    /// elsewhere.
    pub fn files(&self, cache: &Cache) -> Result<Option<Vec<(PathBuf, usize)>>, Fault> {
        let facts = self.table.facts(cache)?;
        let file = |part: &PartRecord| {
            let blob = part.blob.as_ref().and_then(|name| cache.store.blob(name))?;
            blob.file().map(|(path, start)| (path.to_owned(), start))
        };
        Ok(self.parts(&facts).iter().map(file).collect())
    }

    /// Whether nobody touched what was read in place.
    pub fn untouched(&self, cache: &Cache) -> Result<bool, Fault> {
        match self.table.origin() {
            Origin::Stored(_) => Ok(true),
            Origin::Files(origin) => origin.untouched(cache, self.part),
        }
    }
}
