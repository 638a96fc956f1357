//! A stored result by its name, for who was told of it when it was computed.

use super::Memo;
use crate::{Fingerprint, disk::Blob, recording::World};
use serde::Serialize;

impl<V> Memo<V> {
    /// The encoding of that one result of these arguments, whether or not it would be served today; `None` if it was
    /// invalidated or removed, or there is no store. `output` is what [`Entry::output`](super::Entry::output) said.
    ///
    /// ```
    /// use everfresh::{Memo, disk::{Store, StoreOptions}};
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open(folder.path(), StoreOptions::default())?;
    /// let squares: Memo<u64> = Memo::builder("squares").store(store).build();
    /// let entry = squares.call(&12).or_try_compute_entry(|| Ok::<_, String>(144))?;
    /// let output = entry.output().ok_or("it is in the store")?;
    /// assert!(squares.stored(&12, &output).is_some());
    /// squares.clear();
    /// assert!(squares.stored(&12, &output).is_none());
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn stored<A: Serialize + ?Sized>(&self, arguments: &A, output: &Fingerprint) -> Option<Blob> {
        let inner = &*self.inner;
        let disk = inner.disk.as_ref()?;
        let key = inner.key(arguments).ok()?;
        let world = World::new(inner.store(), &[], inner.versions.as_ref());
        let mut traces = disk.traces(&key).into_iter().map(|stored| stored.trace);
        traces.find(|trace| trace.output == *output && !world.is_invalidated(&trace.observations))?;
        disk.store.blob(output)
    }
}
