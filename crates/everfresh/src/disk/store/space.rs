//! The families of records.

use crate::{
    Fingerprint,
    disk::record::{IndexKey, index_key},
};

/// A family of records, each with keys of its own.
///
/// ```
/// use everfresh::{Fingerprint, disk::{Space, Store, StoreOptions}};
///
/// # let folder = tempfile::tempdir()?;
/// # let store = Store::open(folder.path(), StoreOptions::default())?;
/// let key = Fingerprint::of_bytes(b"key");
/// store.put(Space::Memos, &key, b"value", &[])?;
/// assert_eq!(store.get(Space::Memos, &key).as_deref(), Some(&b"value"[..]));
/// assert_eq!(store.get(Space::Runs, &key), None);
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[repr(u8)]
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Space {
    /// The traces of a key.
    Traces = 1,
    /// Tables: their schema, rows and column fingerprints.
    Tables = 2,
    /// Files: what they looked like, and what was in them.
    Files = 3,
    /// Small results.
    Memos = 4,
    /// What runs did.
    Runs = 5,
    /// What is known of steps.
    Steps = 6,
    /// What functions saved.
    Functions = 7,
    /// What was invalidated. `gc` leaves these alone.
    Generations = 8,
}

impl Space {
    const ALL: [Self; 8] = [
        Self::Traces,
        Self::Tables,
        Self::Files,
        Self::Memos,
        Self::Runs,
        Self::Steps,
        Self::Functions,
        Self::Generations,
    ];

    /// The space of an index key, if it is one of records.
    pub(in crate::disk) fn of(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|space| *space as u8 == byte)
    }

    pub(in crate::disk) fn key(self, key: &Fingerprint) -> IndexKey {
        index_key(self as u8, key)
    }
}

/// A record to be stored: its space, its key, its value and the blobs that it refers to.
///
/// ```
/// use everfresh::{Fingerprint, disk::{Record, Space, Store, StoreOptions}};
///
/// # let folder = tempfile::tempdir()?;
/// # let store = Store::open(folder.path(), StoreOptions::default())?;
/// let payload = Fingerprint::of_bytes(b"payload");
/// let record: Record = (Space::Tables, Fingerprint::of_bytes(b"key"), b"value".to_vec(), vec![payload]);
/// store.put_all(&[record])?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
pub type Record = (Space, Fingerprint, Vec<u8>, Vec<Fingerprint>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_space_is_known_by_its_number() {
        for (space, number) in Space::ALL.into_iter().zip(1..) {
            assert_eq!((space as u8, Space::of(number)), (number, Some(space)));
        }
        assert_eq!(Space::of(0), None);
        assert_eq!(Space::of(9), None);
    }
}
