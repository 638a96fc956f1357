//! A cache's entries in a file, for a warm start.
//!
//! ```text
//! offset  bytes
//! 0       8     "EVFRSNAP"
//! 8       4     format version, 2
//! 12      4     version of the encoding of keys and values (`codec`)
//! 16      8     when it was saved, in nanoseconds since the Unix epoch
//! 24      8     in which boot of the machine, 0 if unknown
//! 32      8     nanoseconds since that began
//! 40      8     number of entries
//! 48      32    BLAKE3 over the shapes of all entries, in turn
//! 80      …     entries, those that would be missed least first
//! end-32  32    BLAKE3 over everything above
//!
//! entry:  8     nanoseconds that are left of its ttl, 2^64 - 1 if it has none
//!         8     nanoseconds that it took to compute
//!         4     number of tags; each is 4 bytes of length, and a text
//!         8     length of what follows
//!         …     key and value, encoded as a tuple
//! ```
//! Integers are little endian. The file gets its name when it is whole, so nobody reads half of one.

use super::{
    Cache,
    entry::{EntryOptions, NEVER},
    moment::Moment,
};
use crate::codec::{self, CodecError};
use serde::{Serialize, de::DeserializeOwned};
use std::{
    cmp::Reverse,
    fs,
    hash::{BuildHasher, Hash},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tempfile::NamedTempFile;

const MAGIC: &[u8; 8] = b"EVFRSNAP";
const VERSION: u32 = 2;
const HEADER: usize = 80;
const SUM: usize = 32;

/// Why a snapshot was not saved or not loaded.
///
/// ```
/// use everfresh::memory::{Cache, SnapshotError};
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("notes");
/// std::fs::write(&path, "no snapshot")?;
/// let loaded = Cache::<u32, u64>::new(10).load_from(&path);
/// assert!(matches!(loaded, Err(SnapshotError::Damaged { .. })));
/// # Ok::<_, std::io::Error>(())
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// The file cannot be read or written.
    #[error("the snapshot `{path}` cannot be read or written: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is no whole snapshot.
    #[error("`{path}` is no snapshot of a cache, or damaged: delete it")]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// The file is in another format.
    #[error(
        "the snapshot `{path}` is of format {found}, and this version reads {known}: delete it, or load it with the \
        version that saved it"
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// Its format, and its encoding's.
        found: String,
        /// The only one that is read.
        known: String,
    },
    /// The file has keys or values of another type.
    #[error("the snapshot `{path}` holds keys or values of another type: delete it")]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// A key or a value cannot be stored.
    #[error(transparent)]
    Codec(#[from] CodecError),
}

impl<K, V, S> Cache<K, V, S>
where
    K: Clone + Eq + Hash + Serialize + DeserializeOwned,
    V: Clone + Serialize + DeserializeOwned,
    S: BuildHasher,
{
    /// Saves all entries that are within their ttl, with what is left of it, their tags and what they cost, for
    /// [`load_from`](Self::load_from). How many there were. They are taken as they are while this goes from shard to
    /// shard; encoding and writing lock nothing. The file replaces another of its name at once, and only its owner can
    /// read it.
    ///
    /// ```
    /// use everfresh::memory::Cache;
    ///
    /// let folder = tempfile::tempdir()?;
    /// let path = folder.path().join("squares");
    /// let cache: Cache<u32, u64> = Cache::new(100);
    /// cache.get_or_compute(&12, || 144);
    /// assert_eq!(cache.save_to(&path)?, 1);
    ///
    /// let warm: Cache<u32, u64> = Cache::new(100);
    /// assert_eq!(warm.load_from(&path)?, 1);
    /// assert_eq!(warm.get(&12), Some(144));
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If a key or a value does not come back equal from its encoding, or the file cannot be written: then what was there
    /// before stays.
    pub fn save_to(&self, path: impl AsRef<Path>) -> Result<usize, SnapshotError> {
        self.save_at(path.as_ref(), Moment::now())
    }

    /// Puts the entries of a file in, as far as there is free room: nothing goes for them but what is over, and those
    /// that were most wanted where they were saved come first. A key that has a value, or whose value is being computed,
    /// keeps that. How many were put in. The time since they were saved counts against their ttl; an entry that had none
    /// has this cache's. If no clock knows that time, since the machine was started anew and its clock is behind the one that
    /// saved them, entries with a ttl count as over.
    ///
    /// ```
    /// use everfresh::memory::Cache;
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("rates");
    /// let (old, new) = (Cache::new(10), Cache::new(10));
    /// old.insert(1, 10)?;
    /// old.insert(2, 20)?;
    /// old.save_to(&path)?;
    /// new.insert(2, 22)?;
    /// assert_eq!((new.load_from(&path)?, new.get(&1), new.get(&2)), (1, Some(10), Some(22)));
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If the file cannot be read, is damaged, of another format, or of other types. Then nothing was put in.
    pub fn load_from(&self, path: impl AsRef<Path>) -> Result<usize, SnapshotError> {
        self.load_at(path.as_ref(), Moment::now())
    }

    pub(super) fn save_at(&self, path: &Path, now: Moment) -> Result<usize, SnapshotError> {
        let entries = self.to_save();
        let (mut bytes, mut shapes) = (vec![0; HEADER], blake3::Hasher::new());
        let count = entries.len();
        for (key, value, options) in entries {
            bytes.extend(options.ttl.map_or(NEVER, super::clock::nanoseconds).to_le_bytes());
            bytes.extend(super::clock::nanoseconds(options.cost).to_le_bytes());
            bytes.extend((options.tags.len() as u32).to_le_bytes());
            for tag in &options.tags {
                bytes.extend((tag.len() as u32).to_le_bytes());
                bytes.extend(tag.as_bytes());
            }
            let item = codec::to_storable(&(key, value))?;
            bytes.extend((item.bytes.len() as u64).to_le_bytes());
            bytes.extend(&item.bytes);
            shapes.update(item.shape.as_bytes());
        }
        let mut header = Vec::with_capacity(HEADER);
        header.extend(MAGIC);
        header.extend(VERSION.to_le_bytes());
        header.extend(codec::FORMAT_VERSION.to_le_bytes());
        header.extend([now.wall, now.boot, now.since_boot].into_iter().flat_map(u64::to_le_bytes));
        header.extend((count as u64).to_le_bytes());
        header.extend(shapes.finalize().as_bytes());
        bytes.splice(..HEADER, header);
        let sum = blake3::hash(&bytes);
        bytes.extend(sum.as_bytes());
        write(path, &bytes).map_err(|source| SnapshotError::Io { path: path.to_owned(), source })?;
        Ok(count)
    }

    pub(super) fn load_at(&self, path: &Path, now: Moment) -> Result<usize, SnapshotError> {
        let bytes = fs::read(path).map_err(|source| SnapshotError::Io { path: path.to_owned(), source })?;
        let damaged = || SnapshotError::Damaged { path: path.to_owned() };
        let mut rest = Reader(bytes.strip_prefix(MAGIC).ok_or_else(damaged)?);
        let found = (rest.u32().ok_or_else(damaged)?, rest.u32().ok_or_else(damaged)?);
        if found != (VERSION, codec::FORMAT_VERSION) {
            let [found, known] =
                [found, (VERSION, codec::FORMAT_VERSION)].map(|(format, codec)| format!("{format}.{codec}"));
            return Err(SnapshotError::Version { path: path.to_owned(), found, known });
        }
        let (summed, sum) = bytes.split_last_chunk::<SUM>().ok_or_else(damaged)?;
        if blake3::hash(summed).as_bytes() != sum {
            return Err(damaged());
        }
        let mut rest = Reader(summed.get(MAGIC.len() + 8..).ok_or_else(damaged)?);
        let saved = rest.moment().ok_or_else(damaged)?;
        let count = rest.u64().ok_or_else(damaged)?;
        let shape = rest.take(32).ok_or_else(damaged)?;
        let elapsed = now.since(&saved);
        let foreign = |_| SnapshotError::Foreign { path: path.to_owned() };
        let (mut entries, mut shapes) = (Vec::new(), blake3::Hasher::new());
        for _ in 0..count {
            let (options, item) = rest.entry(elapsed).ok_or_else(damaged)?;
            let item = codec::from_storable::<(K, V)>(item).map_err(foreign)?;
            shapes.update(item.shape.as_bytes());
            entries.push((item.value, options));
        }
        if !rest.0.is_empty() {
            return Err(damaged());
        }
        if shapes.finalize().as_bytes() != shape {
            return Err(SnapshotError::Foreign { path: path.to_owned() });
        }
        Ok(self.fill_all(entries))
    }

    /// Puts in what there is room for, the last first. How many there were.
    fn fill_all(&self, entries: Vec<((K, V), EntryOptions)>) -> usize {
        self.remove_expired();
        let mut rooms: Vec<_> = self.inner.parts.iter().map(|part| part.read().room()).collect();
        let mut chosen = Vec::new();
        for ((key, value), mut options) in entries.into_iter().rev() {
            if options.ttl == Some(Duration::ZERO) {
                continue;
            }
            let hash = self.hash(&key);
            let weight = self.judge(&key, &value, &mut options);
            let is_new = || self.part(hash).read().find(hash, |own| *own == key).is_none();
            if is_new() && rooms[self.part_at(hash)].take(weight) {
                chosen.push((hash, key, value, options, weight));
            }
        }
        // In the order in which they came to the cache that was saved.
        let fill = |(hash, key, value, options, weight)| self.fill(hash, key, value, options, weight);
        let loaded = chosen.into_iter().rev().map(fill).filter(|filled| *filled).count();
        if loaded > 0 {
            self.inner.identity.outdate();
        }
        loaded
    }

    /// What is to be saved, what would be missed least first; the ttl is what is left of it. What was made from more than
    /// its key is not.
    fn to_save(&self) -> Vec<(K, V, EntryOptions)> {
        let now = self.now();
        let part = |part: &super::cache::Part<K, V>| {
            let shard = part.read();
            let entries = shard.ranked();
            let found = entries.iter().rev().filter(|entry| self.is_found(entry, now) && entry.made().is_none());
            let saved = found.map(|entry| {
                let ttl = self.inner.ages.left(entry, now).map(Duration::from_nanos);
                let options =
                    EntryOptions { ttl, cost: entry.cost(), tags: entry.tags().to_vec(), ..EntryOptions::new() };
                (entry.key.clone(), entry.value.clone(), options)
            });
            saved.enumerate().collect::<Vec<_>>()
        };
        let mut saved: Vec<_> = self.inner.parts.iter().flat_map(part).collect();
        // Shards rank their own entries only: the best of each come together.
        saved.sort_by_key(|(better, _)| Reverse(*better));
        saved.into_iter().map(|(_, entry)| entry).collect()
    }
}

/// Writes a file that only its owner can read, and gives it its name when it is whole.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let mut file = NamedTempFile::new_in(folder.unwrap_or(Path::new(".")))?;
    file.write_all(bytes)?;
    file.persist(path)?;
    Ok(())
}

/// Bytes that are still to be read; `None` if there are too few.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn u32(&mut self) -> Option<u32> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u32::from_le_bytes(*taken))
    }

    fn u64(&mut self) -> Option<u64> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u64::from_le_bytes(*taken))
    }

    fn moment(&mut self) -> Option<Moment> {
        Some(Moment { wall: self.u64()?, boot: self.u64()?, since_boot: self.u64()? })
    }

    /// What there is to say of an entry that was saved so long ago, and the encoded key and value. Its time is over if nobody
    /// knows how long ago.
    fn entry(&mut self, elapsed: Option<u64>) -> Option<(EntryOptions, &'a [u8])> {
        let (ttl, cost) = (self.u64()?, self.u64()?);
        let mut tags: Vec<Arc<str>> = Vec::new();
        for _ in 0..self.u32()? {
            let length = self.u32()?;
            tags.push(str::from_utf8(self.take(length as usize)?).ok()?.into());
        }
        let left = || elapsed.map_or(0, |elapsed| ttl.saturating_sub(elapsed));
        let ttl = (ttl != NEVER).then(|| Duration::from_nanos(left()));
        let length = usize::try_from(self.u64()?).ok()?;
        Some((EntryOptions { ttl, cost: Duration::from_nanos(cost), tags, ..EntryOptions::new() }, self.take(length)?))
    }
}
