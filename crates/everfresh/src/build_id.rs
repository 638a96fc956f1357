//! Which code this process runs.

use crate::{Fingerprint, FingerprintBuilder, file::hash_file};
use std::{
    hash::{BuildHasher, RandomState},
    io,
    path::PathBuf,
    process,
    sync::OnceLock,
};

/// The content of the running executable, hashed once a process: equal ids mean equal code, but for shared libraries.
///
/// Where the executable cannot be read, the id is one that no other process has, so that nothing of another build
/// passes for this one's.
///
/// ```
/// assert_eq!(everfresh::build_id::build_id(), everfresh::build_id::build_id());
/// ```
pub fn build_id() -> Fingerprint {
    static ID: OnceLock<Fingerprint> = OnceLock::new();
    *ID.get_or_init(|| {
        executable().and_then(|path| hash_file(&path)).unwrap_or_else(|error| {
            tracing::warn!("the executable cannot be read, so results of other processes are not used: {error}");
            let random = RandomState::new().hash_one(process::id());
            FingerprintBuilder::new("everfresh process").u64(random).u64(process::id().into()).finish()
        })
    })
}

/// Where the running executable is; on Linux also after it was replaced or removed.
fn executable() -> io::Result<PathBuf> {
    if cfg!(target_os = "linux") { Ok("/proc/self/exe".into()) } else { std::env::current_exe() }
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
