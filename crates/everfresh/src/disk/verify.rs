//! Finding damage: everything is read and compared with its checksum.

use super::{
    blob::open_blob,
    entry::Payload,
    error::StoreError,
    index::{BLOBS, Found, TOTALS},
    open::Inner,
    record::{IndexKey, index_key},
    store::Space,
};
use crate::Fingerprint;

/// What [`verify`](super::Store::verify) found.
///
/// ```
/// use everfresh::{Fingerprint, disk::{Store, StoreOptions}};
/// use std::{io::Write, time::Duration};
///
/// # let folder = tempfile::tempdir()?;
/// # let store = Store::open(folder.path(), StoreOptions::default())?;
/// let name = Fingerprint::of_bytes(b"name");
/// let mut writer = store.blob_writer()?;
/// writer.write_all(&[1; 5_000])?;
/// writer.finish(name, Duration::ZERO)?;
/// // Somebody writes into a file of the cache.
/// let file = folder.path().join("blobs").join(&name.to_string()[..2]).join(name.to_string());
/// let mut bytes = std::fs::read(&file)?;
/// bytes[1_000] ^= 1;
/// std::fs::write(&file, bytes)?;
/// assert_eq!(store.verify()?.damaged, [format!("blob {name}")]);
/// assert_eq!(store.verify()?.damaged, [""; 0]);
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VerifyReport {
    /// Records that were read.
    pub records: u64,
    /// Blobs that were read.
    pub blobs: u64,
    /// Bytes that were read, blobs with their headers.
    pub bytes: u64,
    /// What was damaged and has been removed, for people: the space and key of a record, the name of a blob.
    pub damaged: Vec<String>,
}

impl Inner {
    pub fn verify(&self) -> Result<VerifyReport, StoreError> {
        let mut report = VerifyReport::default();
        let mut blobs = Vec::new();
        let mut damaged: Vec<IndexKey> = Vec::new();
        self.index.read(|view| {
            view.each(None, |space, name, length, found| {
                match space {
                    BLOBS => blobs.push(name),
                    TOTALS => {}
                    _ => {
                        report.records += 1;
                        report.bytes += length as u64;
                    }
                }
                if matches!(found, Found::Damaged) {
                    damaged.push(index_key(space, &name));
                    report.damaged.push(describe(space, &name));
                }
            })
        })?;
        self.remove_damaged(&damaged)?;
        // Without a snapshot that stays open for as long as all blobs take to be read.
        for name in blobs {
            self.verify_blob(&name, &mut report)?;
        }
        Ok(report)
    }

    fn remove_damaged(&self, keys: &[IndexKey]) -> Result<(), StoreError> {
        if keys.is_empty() {
            return Ok(());
        }
        self.index.write(|writer| {
            for key in keys {
                // Someone may have written it anew.
                if matches!(writer.get(key)?, Some(Found::Damaged)) {
                    writer.delete(key)?;
                }
            }
            // What a damaged entry counted for is not known.
            Ok(writer.recount()?)
        })
    }

    fn verify_blob(&self, name: &Fingerprint, report: &mut VerifyReport) -> Result<(), StoreError> {
        let Some(entry) = self.index.read(|view| view.entry(name))? else { return Ok(()) };
        report.blobs += 1;
        report.bytes += entry.bytes();
        if matches!(entry.place, Payload::Inline(_)) {
            return Ok(());
        }
        let good = match open_blob(&self.folder.blob(name))? {
            Some(file) => self.examine(name, &file)?,
            // Forgets it.
            None => self.blob(name).is_some(),
        };
        // Somebody may have removed it meanwhile, on purpose.
        if !good && self.index.read(|view| view.entry(name))?.is_none() {
            report.damaged.push(describe(BLOBS, name));
        }
        Ok(())
    }
}

fn describe(space: u8, name: &Fingerprint) -> String {
    match (space, Space::of(space)) {
        (_, Some(space)) => format!("record {space:?} {name}"),
        (BLOBS, None) => format!("blob {name}"),
        (TOTALS, None) => "the record of totals".to_owned(),
        (space, None) => format!("record of unknown space {space} {name}"),
    }
}
