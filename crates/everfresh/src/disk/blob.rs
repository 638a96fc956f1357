//! Reading blobs: mapped where they are files, and never before their content is known to be good.
//!
//! A file whose stat is the recorded one is opened without being read. Any other is hashed first; if its content is
//! good its stat is recorded anew, else the file and its entry are removed, and the blob is a miss.

use super::{
    entry::{Payload, Sighting},
    error::StoreError,
    header::{HEADER, Header},
    index::{BLOBS, Index},
    mark::is_set_back,
    open::Inner,
    record::index_key,
};
use crate::{
    Fingerprint,
    file::{self, FileStat},
};
use memmap2::Mmap;
use std::{
    fmt,
    fs::{self, File, OpenOptions},
    io,
    ops::Deref,
    os::unix::fs::{FileExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
};

const ALIGNMENT: usize = 64;

/// How much of a blob is read at a time to hash it.
const CHUNK: usize = 1 << 20;

/// A stored payload, aligned to 64 bytes. Cheap to clone.
///
/// A mapped blob stays readable while any clone lives, also after it was evicted or the store was closed.
///
/// ```
/// use everfresh::{Fingerprint, disk::{Store, StoreOptions}};
/// use std::{io::Write, time::Duration};
///
/// # let folder = tempfile::tempdir()?;
/// # let store = Store::open(folder.path(), StoreOptions::default())?;
/// let name = Fingerprint::of_bytes(b"name");
/// let mut writer = store.blob_writer()?;
/// writer.write_all(b"payload")?;
/// writer.finish(name, Duration::ZERO)?;
/// let blob = store.blob(&name).ok_or("nobody removed it")?;
/// drop(store);
/// assert_eq!((&*blob, blob.as_ptr() as usize % 64), (&b"payload"[..], 0));
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Blob(Arc<Data>);

enum Data {
    /// A whole file, header included.
    Mapped { map: Mmap, path: PathBuf },
    /// The payload from `start` on, where the buffer is aligned.
    Copied { buffer: Vec<u8>, start: usize },
}

impl Deref for Blob {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &*self.0 {
            Data::Mapped { map, .. } => map.get(HEADER..),
            Data::Copied { buffer, start } => buffer.get(*start..),
        }
        .unwrap_or_default()
    }
}

impl AsRef<[u8]> for Blob {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl fmt::Debug for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Blob({} bytes)", self.len())
    }
}

impl Blob {
    /// The file that it is mapped from, and where in it the payload begins; `None` if it is small, and lies in the index.
    ///
    /// Who needs a mapping of another kind makes it of this file, which is never written to and may be gone.
    ///
    /// ```
    /// use everfresh::{Fingerprint, disk::{Store, StoreOptions}};
    /// use std::{fs, io::Write, time::Duration};
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open(folder.path(), StoreOptions::default())?;
    /// let name = Fingerprint::of_bytes(b"name");
    /// let mut writer = store.blob_writer()?;
    /// writer.write_all(&[7; 10_000])?;
    /// writer.finish(name, Duration::ZERO)?;
    /// let blob = store.blob(&name).ok_or("nobody removed it")?;
    /// let (path, start) = blob.file().ok_or("it is large")?;
    /// assert_eq!(fs::read(path)?[start..], *blob);
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn file(&self) -> Option<(&Path, usize)> {
        match &*self.0 {
            Data::Mapped { path, .. } => Some((path, HEADER)),
            Data::Copied { .. } => None,
        }
    }

    fn copied(payload: &[u8]) -> Self {
        let mut buffer: Vec<u8> = Vec::with_capacity(payload.len() + ALIGNMENT);
        let start = buffer.as_ptr().align_offset(ALIGNMENT).min(ALIGNMENT);
        buffer.resize(start, 0);
        // Within the capacity: the buffer does not move.
        buffer.extend_from_slice(payload);
        Self(Arc::new(Data::Copied { buffer, start }))
    }

    #[allow(unsafe_code)]
    fn mapped(file: &File, path: PathBuf) -> io::Result<Self> {
        // SAFETY: the mapping is read-only, and blob files are never written after they got their name: they are
        // replaced or unlinked, which leaves the mapping as it is. The folder is private to the user.
        let map = unsafe { Mmap::map(file) }?;
        Ok(Self(Arc::new(Data::Mapped { map, path })))
    }
}

impl Inner {
    /// The blob of that name; `None` if there is none, or it is damaged.
    pub fn blob(&self, name: &Fingerprint) -> Option<Blob> {
        let entry = match self.index.read(|view| view.entry(name)) {
            Ok(entry) => entry?,
            Err(error) => {
                tracing::warn!("{error}");
                return None;
            }
        };
        match entry.place {
            Payload::Inline(payload) => Some(Blob::copied(&payload)),
            Payload::File(sighting) => self.open_file(name, &sighting).unwrap_or_else(|error| {
                tracing::warn!("{error}");
                None
            }),
        }
    }

    fn open_file(&self, name: &Fingerprint, sighting: &Sighting) -> Result<Option<Blob>, StoreError> {
        let path = self.folder.blob(name);
        let Some(file) = open_blob(&path)? else {
            self.discard(name, None)?;
            return Ok(None);
        };
        let stat = FileStat::of_file(&file).map_err(StoreError::io("read", &path))?;
        if !sighting.vouches_for(&stat, self.boot) && !self.examine(name, &file)? {
            return Ok(None);
        }
        Blob::mapped(&file, path.clone()).map(Some).map_err(StoreError::io("map", &path))
    }

    /// Whether the blob would be found, without reading it unless its file looks different from when it was stored.
    pub fn has_blob(&self, name: &Fingerprint) -> bool {
        let Ok(Some(entry)) = self.index.read(|view| view.entry(name)) else { return false };
        match entry.place {
            Payload::Inline(_) => true,
            Payload::File(sighting) => match FileStat::of(&self.folder.blob(name)) {
                Ok(stat) if sighting.vouches_for(&stat, self.boot) => true,
                Ok(_) => self.blob(name).is_some(),
                Err(_) => false,
            },
        }
    }

    /// Reads a blob's file and compares it with its hash. Good: remembers what the file looks like. Bad: removes it.
    pub fn examine(&self, name: &Fingerprint, file: &File) -> Result<bool, StoreError> {
        let path = self.folder.blob(name);
        let before = file::observe(&path).map_err(StoreError::io("read", &path))?;
        let good = content_is_good(file, name).map_err(StoreError::io("read", &path))?;
        let after = FileStat::of_file(file).map_err(StoreError::io("read", &path))?;
        if !good {
            tracing::warn!(blob = %name.short(), "a stored blob is damaged: removing it");
            self.discard(name, Some(after))?;
            return Ok(false);
        }
        if before.stat == after {
            let settled = !before.racy || is_set_back(&after);
            let sighting = Sighting { stat: after, settled, boot: self.boot };
            // Best effort: without it, the blob is hashed again next time.
            if let Err(error) = remember(&self.index, name, sighting) {
                tracing::warn!("{error}");
            }
        }
        Ok(true)
    }

    /// Forgets a blob whose file is not there (`None`) or bad and looks like that; unless it was replaced meanwhile.
    fn discard(&self, name: &Fingerprint, bad: Option<FileStat>) -> Result<(), StoreError> {
        self.index.write(|writer| {
            let path = self.folder.blob(name);
            let now = match FileStat::of(&path) {
                Ok(stat) => Some(stat),
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                Err(error) => return Err(StoreError::io("read", &path)(error).into()),
            };
            if now != bad {
                return Ok(());
            }
            if now.is_some() {
                fs::remove_file(&path).map_err(StoreError::io("remove", &path))?;
            }
            let key = index_key(BLOBS, name);
            if let Some(entry) = writer.entry(name)?
                && matches!(entry.place, Payload::File(_))
            {
                writer.delete(&key)?;
            }
            Ok(())
        })
    }
}

/// Opens a blob's file; `None` if there is none.
pub(super) fn open_blob(path: &Path) -> Result<Option<File>, StoreError> {
    let flags = (rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK).bits().cast_signed();
    match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StoreError::io("open", path)(error)),
    }
}

/// The header, if it is whole and the file is as long as it says.
pub(super) fn read_header(file: &File) -> io::Result<Option<Header>> {
    let mut bytes = [0; HEADER];
    match file.read_exact_at(&mut bytes, 0) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        result => result?,
    }
    let size = file.metadata()?.len();
    Ok(Header::from_bytes(&bytes).filter(|header| header.payload_len.checked_add(HEADER as u64) == Some(size)))
}

fn content_is_good(file: &File, name: &Fingerprint) -> io::Result<bool> {
    let Some(header) = read_header(file)?.filter(|header| header.name == *name) else { return Ok(false) };
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; CHUNK.min(header.payload_len as usize)];
    let mut at = 0;
    while at < header.payload_len {
        let length = (header.payload_len - at).min(CHUNK as u64) as usize;
        let chunk = buffer.get_mut(..length).unwrap_or_default();
        match file.read_exact_at(chunk, HEADER as u64 + at) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
            result => result?,
        }
        hasher.update_rayon(chunk);
        at += length as u64;
    }
    Ok(Fingerprint::from(hasher.finalize()) == header.payload_hash)
}

fn remember(index: &Index, name: &Fingerprint, sighting: Sighting) -> Result<(), StoreError> {
    index.write(|writer| {
        if let Some(mut entry) = writer.entry(name)?
            && matches!(entry.place, Payload::File(_))
            && entry.bytes() == sighting.stat.size
        {
            entry.place = Payload::File(sighting);
            writer.put_entry(name, &entry)?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::Blob;

    #[test]
    fn a_copied_payload_is_aligned_at_every_length() {
        for length in 0..200 {
            let payload: Vec<u8> = (0..length).collect();
            let blob = Blob::copied(&payload);
            assert_eq!(&*blob, payload);
            assert_eq!(blob.as_ptr().align_offset(64), 0, "{length} bytes");
        }
    }
}
