//! Tables whose rows lie in files: one part a file, in the order of the listing.
//!
//! | record | key | holds |
//! | --- | --- | --- |
//! | `Files` | the path | the file's stat when it was hashed, and its content's fingerprint |
//! | `Memos` | reader options, content | the schema that the file has by itself |
//! | `Memos` | reader options, content, schema | the part: rows, columns, blob |
//!
//! Text formats are read once, into a blob. Parquet and Arrow files are read in place.

use super::{Facts, PartRecord, scan::PartScan, schema_bytes, schema_from_bytes, write_part};
use crate::{
    cache::Cache,
    engine::{BATCH_ROWS, BoxError, Cancel},
    fault::{Failure, Fault},
    sabotage::Sabotage,
};
use arrow::datatypes::SchemaRef;
use everfresh::{
    Fingerprint, FingerprintBuilder,
    disk::Space,
    file::{Seen, hash_file, observe},
};
use everfresh_sources::{Format, ReadOptions};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::{
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

/// A file, and what it held when the run looked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// Where it is.
    pub path: PathBuf,
    /// The fingerprint of its content.
    pub content: Fingerprint,
    /// What it looked like before the content was read.
    seen: Seen,
}

/// The files of one source, in order.
#[derive(Debug)]
pub struct FileOrigin {
    files: Vec<SourceFile>,
    options: Arc<ReadOptions>,
}

#[derive(Serialize, Deserialize)]
struct FileRecord {
    seen: Seen,
    content: Fingerprint,
}

fn file_key(path: &Path) -> Fingerprint {
    FingerprintBuilder::new("everfresh.file").bytes(path.as_os_str().as_bytes()).finish()
}

impl SourceFile {
    /// Looks at a file: its stat decides, unless it is new, racy or `always_hash` asks for the content.
    pub fn look(cache: &Cache, path: PathBuf, always_hash: bool) -> Result<Self, Failure> {
        if !always_hash && let Some(file) = Self::look_at_stat(cache, &path) {
            return Ok(file);
        }
        let key = file_key(&path);
        let mut before = observe(&path).map_err(Failure::io("look at", &path))?;
        for _ in 0..3 {
            let content = hash_file(&path).map_err(Failure::io("read", &path))?;
            let after = observe(&path).map_err(Failure::io("look at", &path))?;
            if after.stat == before.stat {
                cache.put(Space::Files, &key, &FileRecord { seen: before, content }, &[])?;
                return Ok(Self { path, content, seen: before });
            }
            before = after;
        }
        Err(keeps_changing(&path))
    }

    /// Forgets what is known of a file, so that the next look reads it; tells whether anything was known.
    pub fn forget(cache: &Cache, path: &Path) -> Result<bool, Failure> {
        Ok(cache.store.delete(Space::Files, &file_key(path))?)
    }

    /// The file by its stat alone; `None` if only reading it could tell.
    pub fn look_at_stat(cache: &Cache, path: &Path) -> Option<Self> {
        let record = cache.record::<FileRecord>(Space::Files, &file_key(path))?;
        let seen = observe(path).ok()?;
        let trusted = cache.planted(Sabotage::TrustMtime)
            && (record.seen.stat.size, record.seen.stat.mtime_ns) == (seen.stat.size, seen.stat.mtime_ns);
        (trusted || (record.seen.stat == seen.stat && !record.seen.racy)).then(|| Self {
            path: path.to_owned(),
            content: record.content,
            seen,
        })
    }

    /// Whether nobody touched it since the look. A file that was written and then written back counts as changed:
    /// whoever read it meanwhile may have read the other content.
    fn untouched(&self, cache: &Cache) -> Result<bool, Failure> {
        if cache.planted(Sabotage::SkipAfterLook) {
            return Ok(true);
        }
        match observe(&self.path) {
            Ok(now) if now.stat == self.seen.stat => {}
            Ok(_) => return Ok(false),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(Failure::io("look at", &self.path)(error)),
        }
        Ok(!self.seen.racy || Self::look(cache, self.path.clone(), false)?.content == self.content)
    }

    /// Does `work`, which reads the file, until nobody touched the file meanwhile.
    fn read_steadily<T>(&self, cache: &Cache, work: impl Fn() -> Result<T, Fault>) -> Result<T, Fault> {
        for _ in 0..3 {
            let file = Self::look(cache, self.path.clone(), false)?;
            if file.content != self.content && !cache.planted(Sabotage::SkipAfterLook) {
                let message = format!("`{}` changed while it was read: run again", self.path.display());
                return Err(Failure::Other(message).into());
            }
            let done = work();
            if file.untouched(cache)? {
                return done;
            }
        }
        Err(keeps_changing(&self.path).into())
    }
}

fn keeps_changing(path: &Path) -> Failure {
    Failure::Other(format!("`{}` keeps changing while it is read: run again when its writer is done", path.display()))
}

/// A type that is declared for a column that nobody has is a typing error.
pub fn declared_columns_exist(options: &ReadOptions, schema: &SchemaRef) -> Result<(), Failure> {
    let Some((name, nearest)) = options.missing_columns(schema).into_iter().next() else { return Ok(()) };
    let hint = nearest.map(|nearest| format!(": did you mean `{nearest}`?")).unwrap_or_default();
    Err(Failure::Other(format!("`columns:` declares `{name}`, which is no column of the source{hint}")))
}

impl FileOrigin {
    /// These files, read like this.
    pub fn new(files: Vec<SourceFile>, options: Arc<ReadOptions>) -> Self {
        Self { files, options }
    }

    /// The files, in order.
    pub fn files(&self) -> &[SourceFile] {
        &self.files
    }

    /// The id of the table that these files make.
    pub fn id(&self, cache: &Cache) -> Fingerprint {
        let mut files: Vec<&SourceFile> = self.files.iter().collect();
        if cache.planted(Sabotage::IgnoreOrder) {
            files.sort_by_key(|file| file.content);
        }
        let options =
            if cache.planted(Sabotage::IgnoreReader) { ReadOptions::default() } else { (*self.options).clone() };
        FingerprintBuilder::new("everfresh.source")
            .fingerprint(&options.fingerprint())
            .list(files, |builder, file| builder.bytes(self.format_tag(file)).fingerprint(&file.content))
            .finish()
    }

    /// The format comes from the file's name, so it is part of what the file means.
    fn format_tag(&self, file: &SourceFile) -> &[u8] {
        match self.options.format_of(&file.path) {
            Ok(Format::Csv) => b"csv",
            Ok(Format::Tsv) => b"tsv",
            Ok(Format::Json) => b"json",
            Ok(Format::Ndjson) => b"ndjson",
            Ok(Format::Parquet) => b"parquet",
            Ok(Format::Arrow) => b"arrow",
            Err(_) => b"unknown",
        }
    }

    fn in_place(&self, file: &SourceFile) -> bool {
        matches!(self.options.format_of(&file.path), Ok(Format::Parquet | Format::Arrow))
    }

    /// Whether texts are quicker to read as views: Parquet tells a repeated text by its place in a dictionary, so a view
    /// is made without copying the text.
    pub(super) fn in_views(&self) -> bool {
        self.files.iter().all(|file| matches!(self.options.format_of(&file.path), Ok(Format::Parquet)))
    }

    fn schema_of(&self, cache: &Cache, file: &SourceFile) -> Result<arrow::datatypes::Schema, Fault> {
        let key = FingerprintBuilder::new("everfresh.file-schema")
            .fingerprint(&self.options.fingerprint())
            .bytes(self.format_tag(file))
            .fingerprint(&file.content)
            .finish();
        if let Some(schema) = cache.record::<Vec<u8>>(Space::Memos, &key).and_then(|bytes| schema_from_bytes(&bytes)) {
            return Ok(schema.as_ref().clone());
        }
        let schema = file.read_steadily(cache, || Ok(everfresh_sources::infer_schema(&file.path, &self.options)?))?;
        cache.put(Space::Memos, &key, &schema_bytes(&schema), &[])?;
        Ok(schema)
    }

    /// Schema and parts, from memos where the files were seen before; stores them under the table's id.
    pub(super) fn facts(&self, cache: &Cache, id: &Fingerprint) -> Result<Facts, Fault> {
        let schemas = self
            .files
            .par_iter()
            .map(|file| Ok((file.path.clone(), self.schema_of(cache, file)?)))
            .collect::<Result<Vec<_>, Fault>>()?;
        let schema = everfresh_sources::unify(&schemas)?;
        declared_columns_exist(&self.options, &schema)?;
        let parts =
            self.files.par_iter().map(|file| self.part(cache, file, &schema)).collect::<Result<Vec<_>, Fault>>()?;
        let facts = Facts::new(schema, parts);
        let record = facts.record();
        cache.put(Space::Tables, id, &record, &record.blobs())?;
        Ok(facts)
    }

    fn part_key(&self, file: &SourceFile, schema: &SchemaRef) -> Fingerprint {
        FingerprintBuilder::new("everfresh.file-part")
            .fingerprint(&self.options.fingerprint())
            .bytes(self.format_tag(file))
            .fingerprint(&everfresh::table::schema_fingerprint(schema))
            .fingerprint(&file.content)
            .finish()
    }

    fn part(&self, cache: &Cache, file: &SourceFile, schema: &SchemaRef) -> Result<PartRecord, Fault> {
        let key = self.part_key(file, schema);
        if let Some(part) = cache.record::<PartRecord>(Space::Memos, &key) {
            return Ok(part);
        }
        let part = if self.in_place(file) {
            let rows = file.read_steadily(cache, || Ok(everfresh_sources::row_count(&file.path, &self.options)?))?;
            let bytes = file.seen.stat.size;
            PartRecord { id: key, rows, bytes, columns: vec![None; schema.fields().len()], blob: None }
        } else {
            self.ingest(cache, file, schema)?
        };
        self.remember_part(cache, &key, &part)?;
        Ok(part)
    }

    fn remember_part(&self, cache: &Cache, key: &Fingerprint, part: &PartRecord) -> Result<(), Failure> {
        cache.put(Space::Memos, key, part, part.blob.as_slice())
    }

    /// Reads a file into a blob.
    fn ingest(&self, cache: &Cache, file: &SourceFile, schema: &SchemaRef) -> Result<PartRecord, Fault> {
        let every: Vec<usize> = (0..schema.fields().len()).collect();
        let written = file.read_steadily(cache, || {
            let started = Instant::now();
            let batches = everfresh_sources::read(&file.path, &self.options, schema, &every, BATCH_ROWS)?;
            let batches = batches.map(|batch| batch.map_err(BoxError::from));
            write_part(cache, schema, batches, &Cancel::default(), started, &|_| {})
        })?;
        Ok(PartRecord { id: self.part_key(file, schema), ..written.part })
    }

    /// Makes the fingerprints of these columns that these parts lack, and remembers them.
    pub(super) fn fingerprint_columns(
        &self,
        cache: &Cache,
        facts: &Facts,
        parts: &[usize],
        columns: &[usize],
    ) -> Result<Vec<(usize, PartRecord)>, Fault> {
        let schema = &facts.schema;
        let work: Vec<(usize, &SourceFile, &PartRecord)> =
            parts.iter().filter_map(|&index| Some((index, self.files.get(index)?, facts.parts.get(index)?))).collect();
        work.into_par_iter()
            .map(|(index, file, part)| {
                let mut part = self.with_memo(cache, part);
                let lacking = part.lacking(columns.iter().copied());
                if lacking.is_empty() {
                    return Ok((index, part));
                }
                let made = file.read_steadily(cache, || {
                    Ok(everfresh_sources::fingerprint_columns(&file.path, &self.options, schema, &lacking)?)
                })?;
                for (column, fingerprint) in lacking.into_iter().zip(made) {
                    if let Some(slot) = part.columns.get_mut(column) {
                        *slot = Some(fingerprint);
                    }
                }
                self.remember_part(cache, &part.id, &part)?;
                Ok((index, part))
            })
            .collect()
    }

    /// A part with the fingerprints that its memo knows, too.
    fn with_memo(&self, cache: &Cache, part: &PartRecord) -> PartRecord {
        let (mut part, known) = (part.clone(), cache.record::<PartRecord>(Space::Memos, &part.id));
        for (slot, known) in part.columns.iter_mut().zip(known.into_iter().flat_map(|part| part.columns)) {
            *slot = slot.or(known);
        }
        part
    }

    /// Opens the rows of one part: in place, or by reading the file anew where its blob is gone.
    pub(super) fn open(&self, cache: &Cache, facts: &Facts, part: usize) -> Result<PartScan, Fault> {
        let file = self.files.get(part).ok_or_else(|| Failure::Other("a source has fewer files than parts".into()))?;
        if self.in_place(file) {
            return Ok(PartScan::File(file.path.clone(), self.options.clone()));
        }
        let part = self.ingest(cache, file, &facts.schema)?;
        let blob = part.blob.and_then(|name| cache.store.blob(&name));
        blob.map(PartScan::Blob).ok_or_else(|| {
            Fault::Failed(Failure::Other(format!(
                "the cache lost the rows of `{}` right after they were stored",
                file.path.display()
            )))
        })
    }

    /// Whether nobody touched what is read in place: the files of all parts, or of one.
    pub(super) fn untouched(&self, cache: &Cache, part: Option<usize>) -> Result<bool, Fault> {
        let files = match part {
            Some(part) => self.files.get(part..=part).unwrap_or_default(),
            None => &self.files,
        };
        for file in files.iter().filter(|file| self.in_place(file)) {
            if !file.untouched(cache)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::tests::empty_cache;

    #[test]
    fn a_file_that_was_written_and_written_back_counts_as_touched() {
        let (folder, cache) = empty_cache();
        let path = folder.path().join("a.csv");
        std::fs::write(&path, "a\n1\n").unwrap();
        let file = SourceFile::look(&cache, path.clone(), false).unwrap();
        assert!(file.untouched(&cache).unwrap());
        std::fs::write(&path, "a\n2\n").unwrap();
        std::fs::write(&path, "a\n1\n").unwrap();
        // As if the clock had ticked meanwhile.
        std::fs::File::options().write(true).open(&path).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
        assert_eq!(SourceFile::look(&cache, path, false).unwrap().content, file.content);
        assert!(!file.untouched(&cache).unwrap());
    }
}
