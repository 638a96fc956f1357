//! Whether an observation still holds, or why not.

use super::{
    content::{content, is_absence},
    frame::Recorded,
    function::runs,
    generation::Generations,
};
use crate::{
    Fingerprint, FingerprintBuilder,
    disk::Store,
    file::observe,
    memo::Reason,
    observation::{Observation, PathKind},
};
use std::{
    ffi::OsStr,
    fmt,
    fs::Metadata,
    io,
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
    path::Path,
    sync::Arc,
};

/// The world as one lookup sees it.
#[derive(Debug)]
pub(crate) struct World<'a> {
    generations: Generations<'a>,
    /// What the caller declared, by name.
    values: &'a [(String, Fingerprint)],
    /// Who knows the versions of code.
    versions: Option<&'a Versions>,
}

/// Who knows the present versions of what was observed by name.
#[derive(Clone)]
pub(crate) struct Versions(pub(crate) Arc<Version>);

type Version = dyn Fn(&str) -> Option<Fingerprint> + Send + Sync;

impl fmt::Debug for Versions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Versions")
    }
}

impl<'a> World<'a> {
    pub(crate) fn new(
        store: Option<&'a Store>,
        values: &'a [(String, Fingerprint)],
        versions: Option<&'a Versions>,
    ) -> Self {
        Self { generations: Generations::new(store), values, versions }
    }

    /// For a caller that declares nothing.
    pub(crate) fn undeclared() -> Self {
        Self::new(None, &[], None)
    }

    /// Whether somebody invalidated one of these.
    pub(crate) fn is_invalidated(&self, observations: &[Observation]) -> bool {
        observations.iter().any(|seen| matches!(seen, Observation::Generation { .. }) && self.check(seen).is_err())
    }

    /// Whether what was observed is as it was.
    ///
    /// # Errors
    /// The reason why not; what cannot be looked at does not hold.
    pub(crate) fn check(&self, observation: &Observation) -> Result<(), Reason> {
        let holds = match observation {
            Observation::Function { name, version, source, build } => runs(name, *source, *version, build),
            Observation::Value { name, value } => self.values.iter().any(|(own, now)| own == name && now == value),
            Observation::Env { name, value } => env_fingerprint(name.as_ref()) == *value,
            Observation::WorkingDir { path } => std::env::current_dir().is_ok_and(|now| now == Path::new(path)),
            Observation::Generation { of, home, generation, .. } => {
                self.generations.holds(of, home.as_deref(), *generation)
            }
            Observation::Exists { path, exists } => match Path::new(path).try_exists() {
                Ok(now) => now == *exists,
                Err(error) => return Err(unreadable(path, &error)),
            },
            Observation::Kind { path, kind } => match PathKind::of(Path::new(path)) {
                Ok(now) => now == *kind,
                Err(error) => return Err(unreadable(path, &error)),
            },
            Observation::Metadata { path, metadata } => match metadata_fingerprint(Path::new(path)) {
                Ok(now) => now == *metadata,
                Err(error) => return Err(unreadable(path, &error)),
            },
            Observation::File { path, content: before } => match content(Path::new(path), self.generations.store()) {
                Ok(now) => {
                    let now = now.map(|(content, _)| content);
                    if now == *before {
                        return Ok(());
                    }
                    return Err(match (before, now) {
                        (None, _) => Reason::FileAppeared { path: path.clone() },
                        (Some(_), None) => Reason::FileGone { path: path.clone() },
                        _ => Reason::FileChanged { path: path.clone() },
                    });
                }
                Err(error) => return Err(unreadable(path, &error)),
            },
            Observation::Dir { path, listing: before } => match listing(Path::new(path)) {
                Ok(now) => now == *before,
                Err(error) => return Err(unreadable(path, &error)),
            },
            Observation::Version { name, version } => {
                self.versions.is_some_and(|versions| (versions.0)(name).as_ref() == Some(version))
            }
            // Nobody but a pipeline knows tables.
            Observation::Table(_) => false,
        };
        if holds { Ok(()) } else { Err(Reason::changed(observation)) }
    }
}

impl Recorded {
    /// Looks again at all that was read. Why what was made of it cannot be kept, if so: a file that was written and written
    /// back may have been read in between.
    pub(crate) fn unsteady(&self, world: &World<'_>) -> Option<String> {
        let changed = |observation: &Observation| {
            if let Err(reason) = world.check(observation) {
                return Some(format!("{reason} while it was computed"));
            }
            let Observation::File { path, .. } = observation else { return None };
            let before = self.files.get(Path::new(path))?;
            let untouched = observe(Path::new(path)).is_ok_and(|now| now.stat == before.stat);
            (!untouched).then(|| format!("`{path}` was written to while it was computed"))
        };
        self.unstorable.clone().or_else(|| self.observations().find_map(changed))
    }
}

fn unreadable(path: &str, error: &io::Error) -> Reason {
    Reason::Unreadable { path: path.to_owned(), error: error.to_string() }
}

/// The fingerprint of an environment variable; `None` if it is unset.
pub(crate) fn env_fingerprint(name: &OsStr) -> Option<Fingerprint> {
    if name.is_empty() {
        return Some(env_names());
    }
    std::env::var_os(name).map(|value| FingerprintBuilder::new("everfresh.env").bytes(value.as_bytes()).finish())
}

/// Which variables there are. Python adds `LC_CTYPE` to its own environment where the locale is C.
fn env_names() -> Fingerprint {
    let mut names: Vec<_> = std::env::vars_os().map(|(name, _)| name).filter(|name| name != "LC_CTYPE").collect();
    names.sort();
    FingerprintBuilder::new("everfresh.env.names").list(&names, |builder, name| builder.bytes(name.as_bytes())).finish()
}

/// The fingerprint of what `stat` says of a path; `None` if there is nothing. The time of the last access does not count.
///
/// # Errors
/// If the path cannot be looked at.
pub(crate) fn metadata_fingerprint(path: &Path) -> io::Result<Option<Fingerprint>> {
    match std::fs::metadata(path) {
        Ok(metadata) => Ok(Some(of_metadata(&metadata))),
        Err(error) if is_absence(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

fn of_metadata(metadata: &Metadata) -> Fingerprint {
    let numbers = [metadata.dev(), metadata.ino(), u64::from(metadata.mode()), metadata.nlink(), metadata.size()];
    let owners = [metadata.uid(), metadata.gid()].map(u64::from);
    let times = [metadata.mtime(), metadata.mtime_nsec(), metadata.ctime(), metadata.ctime_nsec()];
    let builder = FingerprintBuilder::new("everfresh.metadata");
    let builder = numbers.into_iter().chain(owners).fold(builder, FingerprintBuilder::u64);
    times.into_iter().fold(builder, FingerprintBuilder::i64).finish()
}

/// The fingerprint of the names in a folder with their kinds; `None` if there is no such folder.
///
/// # Errors
/// If it cannot be listed.
pub(crate) fn listing(path: &Path) -> io::Result<Option<Fingerprint>> {
    let entries = match std::fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if is_absence(&error) => return Ok(None),
        Err(error) => return Err(error),
    };
    let entries = entries.map(|entry| {
        let entry = entry?;
        let kind = entry.file_type()?;
        let kind = [kind.is_dir(), kind.is_file(), kind.is_symlink()].map(u8::from);
        Ok((entry.file_name(), kind))
    });
    let mut entries: Vec<_> = entries.collect::<io::Result<_>>()?;
    entries.sort();
    let builder = FingerprintBuilder::new("everfresh.listing");
    let listing = builder.list(&entries, |builder, (name, kind)| builder.bytes(name.as_bytes()).bytes(kind));
    Ok(Some(listing.finish()))
}
