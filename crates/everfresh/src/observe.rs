//! Telling a cached computation what it reads by other means than [`fs`](crate::fs) and [`env`](crate::env): through a
//! library that opens files itself, from another language. Whoever reads says so *before* it reads.
//!
//! Outside of a computation that is kept, these do nothing.
//!
//! ```
//! use everfresh::{Memo, observe};
//!
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("data.parquet");
//! # std::fs::write(&path, "a")?;
//! let sizes = Memo::builder("observe").build();
//! let size = || sizes.try_get_or_compute(&path, || {
//!     observe::file(&path);
//!     std::fs::read(&path).map(|bytes| bytes.len())
//! });
//! assert_eq!((size()?, size()?, sizes.stats().loads), (1, 1, 1));
//! std::fs::write(&path, "abc")?;
//! assert_eq!(size()?, 3);
//! # Ok::<_, std::io::Error>(())
//! ```

use crate::{
    Fingerprint,
    disk::Store,
    memo::Reason,
    observation::{Observation, PathKind},
    recording::{
        Frame, World, absolute, content, current, env_fingerprint, is_recording as recording, listing,
        metadata_fingerprint, real, recorded,
    },
};
use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
};

/// Whether a computation that is kept runs on this thread.
///
/// ```
/// assert!(!everfresh::observe::is_recording());
/// let memo = everfresh::Memo::builder("observe::is_recording").build();
/// assert!(memo.get_or_compute(&(), everfresh::observe::is_recording));
/// ```
pub fn is_recording() -> bool {
    recording()
}

/// A file that is about to be read; it need not exist. Its content is hashed, unless its stat proves what is in it. What
/// cannot be observed (a pipe, a device) keeps the result from being kept.
///
/// ```
/// use everfresh::{Memo, observe};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("switch");
/// let switch = Memo::builder("observe::file").build();
/// let is_on = || switch.get_or_compute(&(), || {
///     observe::file(&path);
///     path.exists()
/// });
/// assert!(!is_on());
/// std::fs::write(&path, "")?;
/// assert!(is_on());
/// # Ok::<_, std::io::Error>(())
/// ```
pub fn file(path: impl AsRef<Path>) {
    let Some((frame, absolute, name)) = recorded(path.as_ref()) else { return };
    match content(&absolute, frame.store.as_ref()) {
        Ok(found) => {
            let (content, seen) = found.unzip();
            frame.add_file(&absolute, Observation::File { path: name, content }, seen);
        }
        Err(error) => frame.recorded().refuse(|| format!("`{name}` cannot be observed: {error}")),
    }
}

/// A folder whose names are about to be read; it need not exist.
///
/// ```
/// use everfresh::{Memo, observe};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path();
/// let files = Memo::builder("observe::dir").build();
/// let count = || files.try_get_or_compute(path, || {
///     observe::dir(path);
///     std::fs::read_dir(path).map(Iterator::count)
/// });
/// assert_eq!(count()?, 0);
/// std::fs::write(path.join("a"), "")?;
/// assert_eq!(count()?, 1);
/// # Ok::<_, std::io::Error>(())
/// ```
pub fn dir(path: impl AsRef<Path>) {
    let Some((frame, absolute, name)) = recorded(path.as_ref()) else { return };
    match listing(&absolute) {
        Ok(listing) => frame.add(Observation::Dir { path: name, listing }),
        Err(error) => frame.recorded().refuse(|| format!("`{name}` cannot be observed: {error}")),
    }
}

/// A path of which `stat` is about to be asked.
///
/// ```
/// use everfresh::{Memo, observe};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("data");
/// # std::fs::write(&path, "a")?;
/// let sizes = Memo::builder("observe::metadata").build();
/// let size = || sizes.try_get_or_compute(&path, || {
///     observe::metadata(&path);
///     std::fs::metadata(&path).map(|found| found.len())
/// });
/// assert_eq!(size()?, 1);
/// std::fs::write(&path, "abc")?;
/// assert_eq!(size()?, 3);
/// # Ok::<_, std::io::Error>(())
/// ```
pub fn metadata(path: impl AsRef<Path>) {
    let Some((frame, absolute, name)) = recorded(path.as_ref()) else { return };
    match metadata_fingerprint(&absolute) {
        Ok(metadata) => frame.add(Observation::Metadata { path: name, metadata }),
        Err(error) => frame.recorded().refuse(|| format!("`{name}` cannot be observed: {error}")),
    }
}

/// A path of which is about to be asked whether there is something.
///
/// ```
/// use everfresh::{Memo, observe};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("data");
/// let there = Memo::builder("observe::exists").build();
/// let look = || there.get_or_compute(&path, || {
///     observe::exists(&path);
///     path.exists()
/// });
/// assert!(!look());
/// std::fs::write(&path, "")?;
/// assert!(look());
/// # Ok::<_, std::io::Error>(())
/// ```
pub fn exists(path: impl AsRef<Path>) {
    let Some((frame, absolute, name)) = recorded(path.as_ref()) else { return };
    match absolute.try_exists() {
        Ok(exists) => frame.add(Observation::Exists { path: name, exists }),
        Err(error) => frame.recorded().refuse(|| format!("`{name}` cannot be observed: {error}")),
    }
}

/// A path of which is about to be asked whether it is a file or a folder.
///
/// ```
/// use everfresh::{Memo, observe};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("data");
/// let files = Memo::builder("observe::kind").build();
/// let look = || files.get_or_compute(&path, || {
///     observe::kind(&path);
///     path.is_file()
/// });
/// assert!(!look());
/// std::fs::write(&path, "")?;
/// assert!(look());
/// # Ok::<_, std::io::Error>(())
/// ```
pub fn kind(path: impl AsRef<Path>) {
    let Some((frame, absolute, name)) = recorded(path.as_ref()) else { return };
    match PathKind::of(&absolute) {
        Ok(kind) => frame.add(Observation::Kind { path: name, kind }),
        Err(error) => frame.recorded().refuse(|| format!("`{name}` cannot be observed: {error}")),
    }
}

/// The working folder, which is about to be asked for.
///
/// ```
/// use everfresh::{Memo, observe};
///
/// let memo = Memo::builder("observe::working_dir").build();
/// memo.get_or_compute(&(), observe::working_dir);
/// assert!(memo.explain(&()).to_string().contains("working folder"));
/// ```
pub fn working_dir() {
    let Some(frame) = current() else { return };
    match std::env::current_dir().map(|path| path.to_str().map(str::to_owned)) {
        Ok(Some(path)) => frame.add(Observation::WorkingDir { path }),
        _ => frame.recorded().refuse(|| "there is no working folder, or it is not UTF-8".to_owned()),
    }
}

/// A file or folder that the computation is about to make or write: to read it afterwards, or what is in it, is no input.
/// A file that it read before and now writes keeps the result from being kept.
///
/// ```
/// use everfresh::{Memo, observe};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("sorted.tmp");
/// let memo = Memo::builder("observe::made").build();
/// let sort = || memo.try_get_or_compute(&(), || {
///     observe::made(&path);
///     std::fs::write(&path, "a b")?;
///     everfresh::fs::read_to_string(&path)
/// });
/// assert_eq!((sort()?, sort()?, memo.stats().loads), ("a b".to_owned(), "a b".to_owned(), 1));
/// std::fs::remove_file(&path)?;
/// assert_eq!((sort()?, memo.stats().loads), ("a b".to_owned(), 1));
/// # Ok::<_, std::io::Error>(())
/// ```
pub fn made(path: impl AsRef<Path>) {
    let Some(frame) = current() else { return };
    if let Some(absolute) = absolute(path.as_ref()) {
        frame.recorded().make(&absolute);
    }
}

/// Whether the computation on this thread said that it makes this file, or the folder that it lies in.
///
/// ```
/// use everfresh::{Memo, observe};
///
/// let memo = Memo::builder("observe::is_made").build();
/// assert!(memo.get_or_compute(&(), || {
///     observe::made("a");
///     observe::is_made("a/b")
/// }));
/// ```
pub fn is_made(path: impl AsRef<Path>) -> bool {
    let Some((frame, path)) = current().zip(absolute(path.as_ref())) else { return false };
    frame.recorded().is_own(&path)
}

/// The files and folders that the computation on this thread made so far and that are still there.
///
/// ```
/// use everfresh::{Memo, observe};
///
/// let memo = Memo::builder("observe::left_behind").build();
/// let left = memo.get_or_compute(&(), || {
///     observe::made("no such file");
///     observe::left_behind()
/// });
/// assert!(left.is_empty());
/// ```
pub fn left_behind() -> Vec<PathBuf> {
    let made = current().map(|frame| frame.recorded().made()).unwrap_or_default();
    made.into_iter().filter(|path| path.symlink_metadata().is_ok()).collect()
}

/// Says that what the computation makes or writes from now on is a part of its result, as a report is. When all is written,
/// [`written`] is to be called: then the result is out of date once somebody changes one of the files, or removes it.
///
/// ```
/// use everfresh::{Memo, observe};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("report");
/// let memo = Memo::builder("observe::outputs").build();
/// let report = || memo.try_get_or_compute(&(), || {
///     observe::outputs();
///     observe::made(&path);
///     std::fs::write(&path, "all is well")?;
///     observe::written();
///     Ok::<_, std::io::Error>(())
/// });
/// (report()?, report()?);
/// assert_eq!(memo.stats().loads, 1);
/// std::fs::write(&path, "nothing is well")?;
/// assert_eq!(memo.explain(&()).to_string(), format!("miss: the file `{}` changed", path.display()));
/// report()?;
/// assert_eq!(std::fs::read_to_string(&path)?, "all is well");
/// # Ok::<_, std::io::Error>(())
/// ```
pub fn outputs() {
    if let Some(frame) = current() {
        frame.recorded().outputs.get_or_insert_default();
    }
}

/// Observes what the computation made and left behind, if its [`outputs`] count.
///
/// ```
/// // Outside of a computation it does nothing.
/// everfresh::observe::written();
/// ```
pub fn written() {
    let Some(frame) = current() else { return };
    let (made, databases, folders) = {
        let mut recorded = frame.recorded();
        let Some(databases) = recorded.outputs.clone() else { return };
        (recorded.made(), databases, recorded.take_folders())
    };
    for path in made {
        let Some(name) = path.to_str().map(str::to_owned) else { continue };
        let observed = if databases.contains(&path) {
            metadata_fingerprint(&path)
                .map(|metadata| frame.add(Observation::Metadata { path: name.clone(), metadata }))
        } else if path.is_file() {
            content(&path, frame.store.as_ref()).map(|found| {
                let (content, seen) = found.unzip();
                frame.add_file(&path, Observation::File { path: name.clone(), content }, seen);
            })
        } else if path.symlink_metadata().is_ok() {
            PathKind::of(&path).map(|kind| frame.add(Observation::Kind { path: name.clone(), kind }))
        } else {
            // It was there for the computation alone.
            Ok(())
        };
        if let Err(error) = observed {
            frame.recorded().refuse(|| format!("`{name}` cannot be observed: {error}"));
        }
    }
    for (path, is_listing) in folders {
        let folder = Path::new(&path);
        let observed = match is_listing {
            true => listing(folder).map(|listing| Observation::Dir { path: path.clone(), listing }),
            // The times of a folder are those of its own writing.
            false => PathKind::of(folder).map(|kind| Observation::Kind { path: path.clone(), kind }),
        };
        match observed {
            Ok(observation) => frame.add(observation),
            Err(error) => frame.recorded().refuse(|| format!("`{path}` cannot be observed: {error}")),
        }
    }
}

/// A database of SQLite that is about to be opened. It changes with its stat, or that of its log: to hash it would drop the
/// locks that this process has on it. Where [`outputs`] count it is one of them.
///
/// ```
/// use everfresh::{Memo, observe};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("orders.db");
/// let memo = Memo::builder("observe::database").build();
/// let look = || memo.get_or_compute(&(), || {
///     observe::database(&path);
///     path.exists()
/// });
/// assert!(!look());
/// std::fs::write(&path, "")?;
/// assert!(look());
/// # Ok::<_, std::io::Error>(())
/// ```
pub fn database(path: impl AsRef<Path>) {
    let Some(frame) = current() else { return };
    for suffix in ["", "-wal", "-journal"] {
        let mut name = path.as_ref().as_os_str().to_owned();
        name.push(suffix);
        if frame.recorded().outputs.is_none() {
            metadata(name);
        } else if let Some(path) = absolute(Path::new(&name)) {
            let mut recorded = frame.recorded();
            recorded.make(&path);
            if let Some(databases) = &mut recorded.outputs {
                databases.extend(real(&path));
                databases.push(path);
            }
        }
    }
}

/// An environment variable that is about to be read; the empty name stands for the names of all.
///
/// ```
/// use everfresh::{Memo, observe};
///
/// let memo = Memo::builder("observe::env").build();
/// memo.get_or_compute(&(), || observe::env("EVERFRESH_DOC_UNSET"));
/// assert!(memo.explain(&()).to_string().contains("environment variable EVERFRESH_DOC_UNSET (absent)"));
/// ```
pub fn env(name: impl AsRef<OsStr>) {
    let Some(frame) = current() else { return };
    let name = name.as_ref();
    match name.to_str() {
        Some(text) => frame.add(Observation::Env { name: text.to_owned(), value: env_fingerprint(name) }),
        None => frame.recorded().refuse(|| "the name of a variable is not Unicode".to_owned()),
    }
}

/// Something that changes only by being replaced, as code does: which one is used. The memo has to know who can tell it
/// later, see [`MemoBuilder::versions`](crate::memo::MemoBuilder::versions). The name is for people too: `the rules`.
///
/// ```
/// use everfresh::{Fingerprint, Memo, observe};
///
/// let memo = Memo::builder("observe::version").build();
/// memo.get_or_compute(&(), || observe::version("the rules", Fingerprint::of_bytes(b"1")));
/// // Nobody says which rules there are now.
/// assert_eq!(memo.explain(&()).to_string(), "miss: nothing is kept for these arguments");
/// ```
pub fn version(name: &str, version: Fingerprint) {
    let Some(frame) = current() else { return };
    frame.add(Observation::Version { name: name.to_owned(), version });
}

/// Whether something that was observed is still so, for whoever keeps traces of its own; `store` remembers what is in
/// files, so that they are hashed only when they changed.
///
/// Tables, versions and declared values never hold here: who made them has to look.
///
/// ```
/// use everfresh::{observation::Observation, observe};
///
/// let unset = Observation::Env { name: "EVERFRESH_DOC_UNSET".to_owned(), value: None };
/// assert!(observe::holds(&unset, None).is_ok());
/// let there = Observation::Exists { path: "/".to_owned(), exists: false };
/// assert!(observe::holds(&there, None).is_err());
/// ```
///
/// # Errors
/// What changed.
pub fn holds(observation: &Observation, store: Option<&Store>) -> Result<(), Reason> {
    World::new(store, &[], None).check(observation)
}

/// Does something, and tells what it read, for whoever keeps traces of its own; `store` remembers what is in files.
///
/// ```
/// use everfresh::{fs, observe};
///
/// let (text, read) = observe::record(None, || fs::read_to_string("Cargo.toml"));
/// assert!(text.is_ok());
/// assert!(read?.iter().all(|seen| observe::holds(seen, None).is_ok()));
/// # Ok::<_, String>(())
/// ```
///
/// # Errors
/// Beside the value: why it cannot be told.
pub fn record<T>(store: Option<&Store>, compute: impl FnOnce() -> T) -> (T, Result<Vec<Observation>, String>) {
    let frame = Frame::recording(store.cloned());
    let entered = frame.enter();
    let value = compute();
    drop(entered);
    let mut recorded = frame.take();
    recorded.settle();
    let read = match recorded.unstorable.take() {
        Some(why) => Err(why),
        None => Ok(recorded.into_observations()),
    };
    (value, read)
}

/// Says that the result hangs on something that cannot be observed: it is returned and not kept. The first reason counts.
///
/// ```
/// use everfresh::{Memo, observe};
///
/// let memo = Memo::builder("observe::refuse").build();
/// memo.get_or_compute(&(), || observe::refuse("it asks a server"));
/// assert_eq!(memo.get(&()), None);
/// ```
pub fn refuse(why: impl Into<String>) {
    if let Some(frame) = current() {
        frame.recorded().refuse(|| why.into());
    }
}

/// Says that the result hangs on something that nobody sees: as [`refuse`], unless the result has an end anyway, by the
/// memo's `ttl` or that of something that it was made with.
///
/// ```
/// use everfresh::{Memo, observe};
/// use std::time::Duration;
///
/// let asks = || observe::unseen("it asks a server");
/// let (plain, bounded) = (Memo::builder("observe::unseen"), Memo::builder("observe::unseen 2").ttl(Duration::from_secs(5)));
/// let (plain, bounded) = (plain.build(), bounded.build());
/// plain.get_or_compute(&(), asks);
/// bounded.get_or_compute(&(), asks);
/// assert_eq!((plain.get(&()), bounded.get(&())), (None, Some(())));
/// ```
pub fn unseen(why: impl Into<String>) {
    if let Some(frame) = current() {
        frame.recorded().unseen(why.into());
    }
}

/// Says that the computation does something that no function does whose result hangs on its inputs alone: it writes files,
/// asks a server, reads the clock. Whether that matters is for its caller to say, who asks for [`impurities`].
///
/// ```
/// use everfresh::{Memo, observe};
///
/// let memo = Memo::builder("observe::impure").build();
/// let seen = memo.get_or_compute(&(), || {
///     observe::impure("it asks a server");
///     observe::impurities()
/// });
/// assert_eq!(seen, ["it asks a server"]);
/// ```
pub fn impure(what: impl Into<String>) {
    if let Some(frame) = current() {
        frame.recorded().impurities.insert(what.into());
    }
}

/// What the computation on this thread has done so far according to [`impure`], in alphabetical order.
///
/// ```
/// assert_eq!(everfresh::observe::impurities(), [""; 0]);
/// ```
pub fn impurities() -> Vec<String> {
    current().map(|frame| frame.recorded().impurities.iter().cloned().collect()).unwrap_or_default()
}
