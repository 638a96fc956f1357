//! What is in a file: by its stat, where that was seen with the content and is proof; else by hashing.

use crate::{
    Fingerprint, FingerprintBuilder, codec,
    disk::{Space, Store},
    file::{FileStat, Seen, hash_file_here, observe, open_regular},
};
use std::{
    collections::HashMap,
    io::{self, Read as _},
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    sync::{LazyLock, Mutex, PoisonError},
};

/// Beyond so many files all are forgotten, and hashed once more or found in the store.
const KNOWN_FILES: usize = 65_536;

/// A file that is written all the time is tried so often.
const ATTEMPTS: usize = 3;

type Known = HashMap<PathBuf, (FileStat, Fingerprint)>;

/// What this process knows of files, with stats that are proof.
static KNOWN: LazyLock<Mutex<Known>> = LazyLock::new(Mutex::default);

/// The fingerprint of a file's content, and what the file looked like before it was read; `None` if there is no such file.
///
/// # Errors
/// If it cannot be read, is no regular file, or keeps changing.
pub(crate) fn content(path: &Path, store: Option<&Store>) -> io::Result<Option<(Fingerprint, Seen)>> {
    let Some(mut before) = look(path)? else { return Ok(None) };
    if let Some(content) = known(path, &before, store) {
        return Ok(Some((content, before)));
    }
    for _ in 0..ATTEMPTS {
        let content = hash_file_here(path)?;
        let Some(after) = look(path)? else { return Ok(None) };
        if after.stat == before.stat {
            remember(path, &before, content, store);
            return Ok(Some((content, before)));
        }
        before = after;
    }
    Err(keeps_changing(path))
}

/// A file's bytes, their fingerprint, and what the file looked like before they were read.
///
/// # Errors
/// As [`content`]; if there is no such file, too.
pub(crate) fn read(path: &Path, store: Option<&Store>) -> io::Result<(Vec<u8>, Fingerprint, Seen)> {
    for _ in 0..ATTEMPTS {
        let before = observe(path)?;
        let mut bytes = Vec::new();
        open_regular(path)?.read_to_end(&mut bytes)?;
        let after = observe(path)?;
        if after.stat == before.stat {
            let content = Fingerprint::of_bytes(&bytes);
            remember(path, &before, content, store);
            return Ok((bytes, content, before));
        }
    }
    Err(keeps_changing(path))
}

fn keeps_changing(path: &Path) -> io::Error {
    io::Error::other(format!("`{}` keeps changing while it is read: try again when its writer is done", path.display()))
}

fn look(path: &Path) -> io::Result<Option<Seen>> {
    match observe(path) {
        Ok(seen) => Ok(Some(seen)),
        Err(error) if is_absence(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether an error says that there is nothing at a path.
pub(crate) fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn key(path: &Path) -> Fingerprint {
    FingerprintBuilder::new("everfresh.content").bytes(path.as_os_str().as_bytes()).finish()
}

fn known(path: &Path, seen: &Seen, store: Option<&Store>) -> Option<Fingerprint> {
    if seen.racy {
        return None;
    }
    let here = KNOWN.lock().unwrap_or_else(PoisonError::into_inner).get(path).copied();
    if let Some((stat, content)) = here
        && stat == seen.stat
    {
        return Some(content);
    }
    let stored = codec::from_slice::<(FileStat, Fingerprint)>(&store?.get(Space::Files, &key(path))?);
    let (stat, content) = stored.ok()?.value;
    (stat == seen.stat).then_some(content)
}

fn remember(path: &Path, seen: &Seen, content: Fingerprint, store: Option<&Store>) {
    if seen.racy {
        return;
    }
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if known.len() >= KNOWN_FILES {
        known.clear();
    }
    known.insert(path.to_owned(), (seen.stat, content));
    drop(known);
    let Some(store) = store else { return };
    let stored = codec::to_vec(&(seen.stat, content)).map(|record| store.put(Space::Files, &key(path), &record, &[]));
    if let Ok(Err(error)) = stored {
        tracing::warn!("{error}");
    }
}
