//! Tables on their way to a function and back.

use crate::{
    cache::Cache,
    engine::{Cancel, TableScan},
    fault::{Failure, Fault},
    table::{Input, WrittenPart, from_box, write_part},
};
use arrow::ipc::{reader::FileReader, writer::FileWriter};
use everfresh::disk::TemporaryFolder;
use std::{
    fs::File,
    io::{BufReader, BufWriter},
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

/// Input tables as files: those of the cache are handed over as they lie there, what lies elsewhere is copied once.
pub struct HandedOver {
    /// For each table its name, and the files of its parts with where in them the rows begin.
    pub tables: Vec<(String, Vec<(PathBuf, usize)>)>,
    folder: TemporaryFolder,
    /// Holds what was opened as long as the other side may look at it.
    _scans: Vec<Arc<dyn TableScan>>,
}

impl HandedOver {
    /// Hands tables over.
    pub fn new(cache: &Cache, inputs: &[Input]) -> Result<Self, Fault> {
        let folder = cache.store.temporary_folder()?;
        let (mut tables, mut scans) = (Vec::new(), Vec::new());
        for (place, input) in inputs.iter().enumerate() {
            let scan = input.open(cache)?;
            let parts = match input.files(cache)? {
                Some(parts) => parts,
                None => {
                    let path = folder.path().join(format!("{place}"));
                    copy(scan.as_ref(), &path)?;
                    vec![(path, 0)]
                }
            };
            tables.push((input.name.clone(), parts));
            scans.push(scan);
        }
        Ok(Self { tables, folder, _scans: scans })
    }

    /// Where the result is to go.
    pub fn output(&self) -> PathBuf {
        self.folder.path().join("result")
    }
}

fn copy(scan: &dyn TableScan, path: &Path) -> Result<(), Fault> {
    let schema = scan.schema();
    let file = File::create_new(path).map_err(Failure::io("write", path))?;
    let mut writer = FileWriter::try_new(BufWriter::new(file), &schema)?;
    let every: Vec<usize> = (0..schema.fields().len()).collect();
    for batch in scan.scan(&every).map_err(from_box)? {
        writer.write(&batch.map_err(from_box)?)?;
    }
    writer.finish()?;
    Ok(())
}

/// Puts the rows that a function wrote into the cache.
pub fn take_result(
    cache: &Cache,
    path: &Path,
    cancel: &Cancel,
    started: Instant,
    progress: &dyn Fn(u64),
) -> Result<WrittenPart, Fault> {
    let file = File::open(path).map_err(Failure::io("read", path))?;
    let reader = FileReader::try_new(BufReader::new(file), None)?;
    let schema = reader.schema();
    write_part(cache, &schema, reader.map(|batch| batch.map_err(Into::into)), cancel, started, progress)
}
