//! Reading files so that a cached computation knows of it: as in [`std::fs`], but what is read inside a computation that
//! [`Memo`](crate::Memo) or `#[cached]` keeps is observed, absences included. When it changes, the computation is done anew.
//! Outside of one, these are the functions of the standard library.
//!
//! ```
//! use everfresh::Memo;
//!
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("words.txt");
//! std::fs::write(&path, "one two")?;
//! let words: Memo<usize> = Memo::builder("words").build();
//! let count = || words.get_or_compute(&path, || match everfresh::fs::read_to_string(&path) {
//!     Ok(text) => text.split(' ').count(),
//!     Err(_) => 0,
//! });
//! assert_eq!((count(), count(), words.stats().loads), (2, 2, 1));
//! std::fs::write(&path, "one two three")?;
//! assert_eq!((count(), words.stats().loads), (3, 2));
//! # Ok::<_, std::io::Error>(())
//! ```

use crate::{
    observation::Observation,
    recording::{Frame, content, is_absence, listing, metadata_fingerprint, read_observed, recorded},
};
use std::{
    fs::{File, Metadata, ReadDir},
    io,
    path::Path,
};

/// A file's bytes, as [`std::fs::read`].
///
/// ```
/// use everfresh::Memo;
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("data");
/// let data = Memo::builder("fs::read").build();
/// let read = || data.try_get_or_compute(&path, || everfresh::fs::read(&path));
/// std::fs::write(&path, [1, 2])?;
/// assert_eq!((read()?, read()?, data.stats().loads), (vec![1, 2], vec![1, 2], 1));
/// std::fs::write(&path, [3])?;
/// assert_eq!(read()?, [3]);
/// # Ok::<_, std::io::Error>(())
/// ```
///
/// # Errors
/// Those of the standard library; inside a computation also if the file keeps changing while it is read.
pub fn read(path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
    let path = path.as_ref();
    let Some((frame, absolute, name)) = recorded(path) else { return std::fs::read(path) };
    match read_observed(&absolute, frame.store.as_ref()) {
        Ok((bytes, content, seen)) => {
            let observation = Observation::File { path: name, content: Some(content) };
            frame.add_file(&absolute, observation, Some(seen));
            Ok(bytes)
        }
        Err(error) => failed(&frame, name, error).map_or_else(Err, |()| std::fs::read(path)),
    }
}

/// A file's text, as [`std::fs::read_to_string`].
///
/// ```
/// use everfresh::Memo;
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("name");
/// let name = Memo::builder("fs::read_to_string").build();
/// let read = || name.try_get_or_compute(&path, || everfresh::fs::read_to_string(&path));
/// std::fs::write(&path, "Ada")?;
/// assert_eq!(read()?, "Ada");
/// std::fs::write(&path, "Grace")?;
/// assert_eq!(read()?, "Grace");
/// # Ok::<_, std::io::Error>(())
/// ```
///
/// # Errors
/// As [`read`]; and if it is not UTF-8.
pub fn read_to_string(path: impl AsRef<Path>) -> io::Result<String> {
    String::from_utf8(read(path)?).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "the file is not UTF-8"))
}

/// A file, open for reading, as [`File::open`]. Inside a computation its content is hashed first, unless its stat proves
/// what is in it.
///
/// ```
/// use everfresh::Memo;
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("name");
/// let name = Memo::builder("fs::open").build();
/// let read = || name.try_get_or_compute(&path, || std::io::read_to_string(everfresh::fs::open(&path)?));
/// std::fs::write(&path, "Ada")?;
/// assert_eq!(read()?, "Ada");
/// std::fs::write(&path, "Grace")?;
/// assert_eq!(read()?, "Grace");
/// # Ok::<_, std::io::Error>(())
/// ```
///
/// # Errors
/// As [`read`].
pub fn open(path: impl AsRef<Path>) -> io::Result<File> {
    let path = path.as_ref();
    let Some((frame, absolute, name)) = recorded(path) else { return File::open(path) };
    match content(&absolute, frame.store.as_ref()) {
        Ok(found) => {
            let (content, seen) = found.unzip();
            frame.add_file(&absolute, Observation::File { path: name, content }, seen);
        }
        Err(error) => failed(&frame, name, error)?,
    }
    File::open(path)
}

/// What is in a folder, as [`std::fs::read_dir`]. The names and their kinds are observed, not what is in the files.
///
/// ```
/// use everfresh::Memo;
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path();
/// let files = Memo::builder("fs::read_dir").build();
/// let count = || files.try_get_or_compute(path, || everfresh::fs::read_dir(path).map(Iterator::count));
/// assert_eq!(count()?, 0);
/// std::fs::write(path.join("a"), "")?;
/// assert_eq!(count()?, 1);
/// # Ok::<_, std::io::Error>(())
/// ```
///
/// # Errors
/// Those of the standard library.
pub fn read_dir(path: impl AsRef<Path>) -> io::Result<ReadDir> {
    let path = path.as_ref();
    if let Some((frame, absolute, name)) = recorded(path) {
        match listing(&absolute) {
            Ok(listing) => frame.add(Observation::Dir { path: name, listing }),
            Err(error) => failed(&frame, name, error)?,
        }
    }
    std::fs::read_dir(path)
}

/// What `stat` says of a path, as [`std::fs::metadata`]; all of it is observed but the time of the last access.
///
/// ```
/// use everfresh::Memo;
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("data");
/// let sizes = Memo::builder("fs::metadata").build();
/// let size = || sizes.try_get_or_compute(&path, || everfresh::fs::metadata(&path).map(|found| found.len()));
/// std::fs::write(&path, "a")?;
/// assert_eq!(size()?, 1);
/// std::fs::write(&path, "abc")?;
/// assert_eq!(size()?, 3);
/// # Ok::<_, std::io::Error>(())
/// ```
///
/// # Errors
/// Those of the standard library.
pub fn metadata(path: impl AsRef<Path>) -> io::Result<Metadata> {
    let path = path.as_ref();
    if let Some((frame, absolute, name)) = recorded(path) {
        match metadata_fingerprint(&absolute) {
            Ok(metadata) => frame.add(Observation::Metadata { path: name, metadata }),
            Err(error) => failed(&frame, name, error)?,
        }
    }
    std::fs::metadata(path)
}

/// Whether there is something at a path, as [`std::fs::exists`].
///
/// ```
/// use everfresh::Memo;
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("data");
/// let there = Memo::builder("fs::exists").build();
/// let look = || there.try_get_or_compute(&path, || everfresh::fs::exists(&path));
/// assert!(!look()?);
/// std::fs::write(&path, "")?;
/// assert!(look()?);
/// # Ok::<_, std::io::Error>(())
/// ```
///
/// # Errors
/// Those of the standard library.
pub fn exists(path: impl AsRef<Path>) -> io::Result<bool> {
    let path = path.as_ref();
    let exists = path.try_exists();
    if let Some((frame, _, name)) = recorded(path) {
        match &exists {
            Ok(exists) => frame.add(Observation::Exists { path: name, exists: *exists }),
            Err(_) => frame.recorded().refuse(|| format!("`{name}` cannot be looked at")),
        }
    }
    exists
}

/// An absence is observed. Another error is nothing that could be looked at again, and what is no regular file can be read
/// and not kept: then the caller goes on.
fn failed(frame: &Frame, name: String, error: io::Error) -> io::Result<()> {
    if is_absence(&error) {
        frame.add(Observation::File { path: name, content: None });
        return Err(error);
    }
    frame.recorded().refuse(|| format!("`{name}` cannot be observed: {error}"));
    if error.kind() == io::ErrorKind::InvalidInput { Ok(()) } else { Err(error) }
}
