//! Records: small values under a space and a key.

use super::{Record, Space, Store};
use crate::{
    Fingerprint,
    disk::{
        error::StoreError,
        index::{Found, Writer},
    },
};

impl Store {
    /// The value of a record. `None` if there is none, or it is damaged (which is logged).
    ///
    /// ```
    /// use everfresh::{Fingerprint, disk::{Space, Store, StoreOptions}};
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open(folder.path(), StoreOptions::default())?;
    /// let key = Fingerprint::of_bytes(b"key");
    /// assert_eq!(store.get(Space::Memos, &key), None);
    /// store.put(Space::Memos, &key, b"value", &[])?;
    /// assert_eq!(store.get(Space::Memos, &key), Some(b"value".to_vec()));
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn get(&self, space: Space, key: &Fingerprint) -> Option<Vec<u8>> {
        let found = self.inner.index.read(|view| {
            Ok(match view.get(&space.key(key))? {
                Some(found) => value_of(&found, space, key),
                None => None,
            })
        });
        found.unwrap_or_else(|error| {
            tracing::warn!("{error}");
            None
        })
    }

    /// The same for who has to tell an absent record from one that cannot be read.
    pub(crate) fn look(&self, space: Space, key: &Fingerprint) -> Result<Option<Vec<u8>>, ()> {
        let found = self.inner.index.read(|view| {
            Ok(match view.get(&space.key(key))? {
                Some(found) => value_of(&found, space, key).ok_or(()).map(Some),
                None => Ok(None),
            })
        });
        found.unwrap_or_else(|error| {
            tracing::warn!("{error}");
            Err(())
        })
    }

    /// Stores a record, in the place of one with the same key. `blobs` are what its value refers to: `gc` keeps them.
    ///
    /// ```
    /// use everfresh::{Fingerprint, disk::{Space, Store, StoreOptions}};
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open(folder.path(), StoreOptions::default())?;
    /// let key = Fingerprint::of_bytes(b"key");
    /// store.put(Space::Memos, &key, b"old", &[])?;
    /// store.put(Space::Memos, &key, b"new", &[])?;
    /// assert_eq!(store.get(Space::Memos, &key), Some(b"new".to_vec()));
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If the index cannot be written; the old record is still there then.
    pub fn put(&self, space: Space, key: &Fingerprint, value: &[u8], blobs: &[Fingerprint]) -> Result<(), StoreError> {
        self.inner.index.write(|writer| self.put_one(writer, space, key, value, blobs).map_err(Into::into))
    }

    /// Stores several records: all of them, or none. As [`Store::put`] otherwise.
    ///
    /// ```
    /// use everfresh::{Fingerprint, disk::{Space, Store, StoreOptions}};
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open(folder.path(), StoreOptions::default())?;
    /// let keys = ["one", "two"].map(|key| Fingerprint::of_bytes(key.as_bytes()));
    /// store.put_all(&keys.map(|key| (Space::Memos, key, b"value".to_vec(), vec![])))?;
    /// assert!(keys.iter().all(|key| store.get(Space::Memos, key).is_some()));
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Store::put`].
    pub fn put_all(&self, records: &[Record]) -> Result<(), StoreError> {
        self.inner.index.write(|writer| {
            for (space, key, value, blobs) in records {
                self.put_one(writer, *space, key, value, blobs)?;
            }
            Ok(())
        })
    }

    /// Changes a record that nobody else changes meanwhile. `change` gets its value (`None` if there is none, or it is
    /// damaged) and gives the new one with the blobs it refers to, or `None` to leave it. Says whether it wrote.
    ///
    /// All other writers of the cache wait while `change` runs, and it must not use the store itself.
    ///
    /// ```
    /// use everfresh::{Fingerprint, disk::{Space, Store, StoreOptions}};
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open(folder.path(), StoreOptions::default())?;
    /// let key = Fingerprint::of_bytes(b"runs");
    /// for _ in 0..3 {
    ///     store.update(Space::Memos, &key, |old| {
    ///         let count = old.and_then(|old| old.first().copied()).unwrap_or(0);
    ///         Some((vec![count + 1], vec![]))
    ///     })?;
    /// }
    /// assert_eq!(store.get(Space::Memos, &key), Some(vec![3]));
    /// assert!(!store.update(Space::Memos, &key, |_| None)?);
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Store::put`].
    pub fn update(
        &self,
        space: Space,
        key: &Fingerprint,
        change: impl FnOnce(Option<Vec<u8>>) -> Option<(Vec<u8>, Vec<Fingerprint>)>,
    ) -> Result<bool, StoreError> {
        self.inner.index.write(|writer| {
            let old = writer.get(&space.key(key))?.and_then(|found| value_of(&found, space, key));
            let Some((value, blobs)) = change(old) else { return Ok(false) };
            self.put_one(writer, space, key, &value, &blobs)?;
            Ok(true)
        })
    }

    /// Removes a record; says whether there was one.
    ///
    /// ```
    /// use everfresh::{Fingerprint, disk::{Space, Store, StoreOptions}};
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open(folder.path(), StoreOptions::default())?;
    /// let key = Fingerprint::of_bytes(b"key");
    /// store.put(Space::Memos, &key, b"value", &[])?;
    /// assert!(store.delete(Space::Memos, &key)?);
    /// assert!(!store.delete(Space::Memos, &key)?);
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Store::put`].
    pub fn delete(&self, space: Space, key: &Fingerprint) -> Result<bool, StoreError> {
        self.inner.index.write(|writer| Ok(writer.delete(&space.key(key))?))
    }

    /// Visits every record of a space, in the order of the keys, as they were at one moment. Damaged ones are left out.
    ///
    /// ```
    /// use everfresh::{Fingerprint, disk::{Space, Store, StoreOptions}};
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open(folder.path(), StoreOptions::default())?;
    /// let key = Fingerprint::of_bytes(b"key");
    /// store.put(Space::Memos, &key, b"value", &[])?;
    /// store.put(Space::Runs, &key, b"of another space", &[])?;
    /// let mut found = Vec::new();
    /// store.for_each(Space::Memos, |key, value| found.push((*key, value.to_vec())))?;
    /// assert_eq!(found, [(key, b"value".to_vec())]);
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If the index cannot be read.
    pub fn for_each(&self, space: Space, mut visit: impl FnMut(&Fingerprint, &[u8])) -> Result<(), StoreError> {
        self.inner.index.read(|view| {
            view.each(Some(space as u8), |_, key, _, found| match found {
                Found::Whole(record) => visit(&key, record.value),
                Found::Damaged => warn_damaged(space, &key),
            })
        })
    }

    fn put_one(
        &self,
        writer: &mut Writer<'_>,
        space: Space,
        key: &Fingerprint,
        value: &[u8],
        blobs: &[Fingerprint],
    ) -> heed::Result<()> {
        for name in blobs {
            // A `gc` that looked for references before this one was there sees that the blob was touched. Half of the
            // grace period, since most blobs that are referred to were stored just now.
            if let Some(mut entry) = writer.entry(name)?
                && entry.touched_ms.saturating_add(self.grace_ms() / 2) <= writer.now_ms
            {
                entry.touched_ms = writer.now_ms.max(entry.touched_ms + 1);
                writer.put_entry(name, &entry)?;
            }
        }
        writer.put(&space.key(key), blobs, value)
    }
}

fn value_of(found: &Found<'_>, space: Space, key: &Fingerprint) -> Option<Vec<u8>> {
    match found {
        Found::Whole(record) => Some(record.value.to_vec()),
        Found::Damaged => {
            warn_damaged(space, key);
            None
        }
    }
}

fn warn_damaged(space: Space, key: &Fingerprint) {
    tracing::warn!(?space, key = %key.short(), "a stored record is damaged: it counts as a miss");
}
