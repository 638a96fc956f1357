//! What holds of a memo.

mod aging;
mod anew;
mod asynchronous;
mod behind;
mod beside;
mod calls;
mod counts;
mod flights;
mod limits;
mod made;
mod observed;
mod stored;
mod verified;

use super::Memo;
use crate::disk::{Store, StoreOptions};
use std::{
    cell::Cell,
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};
use tempfile::TempDir;

/// A folder with a file.
struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        path
    }

    fn store(&self) -> Store {
        Store::open(&self.path("cache"), StoreOptions::default()).unwrap()
    }
}

/// A memo under a name that no other test has.
fn memo<V>() -> super::MemoBuilder<V> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    Memo::builder(format!("test {}", NUMBER.fetch_add(1, Ordering::Relaxed)))
}

/// The length of a file's text, read as Everfresh sees it; 0 if there is none.
fn length(path: &Path) -> usize {
    crate::fs::read(path).map_or(0, |bytes| bytes.len())
}

/// Counts calls.
#[derive(Default)]
struct Calls(Cell<u32>);

impl Calls {
    fn count<T>(&self, value: T) -> T {
        self.0.set(self.0.get() + 1);
        value
    }
}
