//! Which executable runs.

use crate::{
    Fingerprint, FingerprintBuilder, codec,
    disk::{Space, Store},
    file::{FileStat, hash_file_here, observe},
};
use std::{
    hash::{BuildHasher, RandomState},
    io,
    path::PathBuf,
    sync::OnceLock,
};

static BUILD_ID: OnceLock<Fingerprint> = OnceLock::new();

/// The fingerprint of the executable that runs, which any change to its code changes. The first call reads it, once a
/// process; a [`Memo`](crate::Memo) with a store finds it there by the executable's stat.
///
/// What is loaded later, such as plugins, is not in it. Where the executable cannot be read the fingerprint is a random one,
/// so that nothing of an earlier process is served.
///
/// ```
/// assert_eq!(everfresh::build_id(), everfresh::build_id());
/// ```
pub fn build_id() -> Fingerprint {
    *BUILD_ID.get_or_init(|| read(None))
}

/// Takes the fingerprint from a store, if it is there and not known yet.
pub(crate) fn known_in(store: &Store) {
    BUILD_ID.get_or_init(|| read(Some(store)));
}

fn read(store: Option<&Store>) -> Fingerprint {
    hash(store).unwrap_or_else(|error| {
        tracing::warn!("cannot read the running executable, so no results of earlier processes are served: {error}");
        // The standard library's hashers are seeded at random.
        FingerprintBuilder::new("everfresh.build.unknown").u64(RandomState::new().hash_one(())).finish()
    })
}

fn hash(store: Option<&Store>) -> io::Result<Fingerprint> {
    // On Linux the file that runs, also if another one has its path by now.
    let path = if cfg!(target_os = "linux") { PathBuf::from("/proc/self/exe") } else { std::env::current_exe()? };
    let seen = observe(&path)?;
    let key = FingerprintBuilder::new("everfresh.build").u64(seen.stat.dev).u64(seen.stat.inode).finish();
    let known = store.filter(|_| !seen.racy).and_then(|store| store.get(Space::Files, &key));
    if let Some(known) = known.and_then(|record| codec::from_slice::<(FileStat, Fingerprint)>(&record).ok())
        && known.value.0 == seen.stat
    {
        return Ok(known.value.1);
    }
    let content = hash_file_here(&path)?;
    if let (Some(store), false, Ok(record)) = (store, seen.racy, codec::to_vec(&(seen.stat, content)))
        && let Err(error) = store.put(Space::Files, &key, &record, &[])
    {
        tracing::warn!("{error}");
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_is_the_hash_of_the_executable() {
        let executable = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        assert_eq!(build_id(), Fingerprint::of_bytes(&executable));
    }
}
