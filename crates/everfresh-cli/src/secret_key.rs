//! The machine's own key for the fingerprints of secrets: 32 random bytes in a file of the user's, made when first needed.
//!
//! It lies outside every cache folder, so that nobody who gets hold of a cache can guess secrets by trying.

use std::{
    cell::RefCell,
    env, fs,
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
};

/// Asks for the key, and keeps the error if there is none.
#[derive(Default)]
pub struct SecretKey {
    error: RefCell<Option<String>>,
}

impl SecretKey {
    /// The key. If it cannot be had, zeros, and [`SecretKey::error`] says why: nothing may be kept that was made with it.
    pub fn get(&self) -> [u8; 32] {
        let result =
            file().and_then(|file| read_or_make(&file).map_err(|error| format!("`{}`: {error}", file.display())));
        result.unwrap_or_else(|error| {
            *self.error.borrow_mut() =
                Some(format!("the pipeline names a secret, and the key for its fingerprint cannot be had: {error}"));
            [0; 32]
        })
    }

    /// Why there is no key, if somebody asked for it and there is none.
    pub fn error(&self) -> Option<String> {
        self.error.borrow().clone()
    }
}

fn file() -> Result<PathBuf, String> {
    let state = env::var_os("XDG_STATE_HOME").map(PathBuf::from).filter(|folder| folder.is_absolute());
    let state = match state {
        Some(folder) => folder,
        None => {
            let home = env::var_os("HOME").filter(|home| !home.is_empty());
            PathBuf::from(home.ok_or("neither XDG_STATE_HOME nor HOME is set")?).join(".local/state")
        }
    };
    Ok(state.join("everfresh/secret.key"))
}

fn read_or_make(file: &Path) -> io::Result<[u8; 32]> {
    match fs::read(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        found => return key(&found?),
    }
    let folder = file.parent().unwrap_or(Path::new("."));
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let mut random = [0; 32];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    // Linked whole into place: of two processes that make one at once, both use the first one's.
    let mut temporary = tempfile::NamedTempFile::new_in(folder)?;
    temporary.as_file().set_permissions(fs::Permissions::from_mode(0o600))?;
    temporary.write_all(&random)?;
    temporary.as_file().sync_all()?;
    match temporary.persist_noclobber(file) {
        Ok(_) => Ok(random),
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => key(&fs::read(file)?),
        Err(error) => Err(error.error),
    }
}

fn key(bytes: &[u8]) -> io::Result<[u8; 32]> {
    bytes.try_into().map_err(|_| {
        let message = format!("it has {} bytes instead of 32: delete it, and a new one is made", bytes.len());
        io::Error::new(io::ErrorKind::InvalidData, message)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_made_once_and_only_its_owner_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("state/everfresh/secret.key");
        let key = read_or_make(&file).unwrap();
        assert_ne!(key, [0; 32]);
        assert_eq!(read_or_make(&file).unwrap(), key);
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(file.parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn a_key_of_another_length_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret.key");
        fs::write(&file, b"short").unwrap();
        assert!(read_or_make(&file).unwrap_err().to_string().contains("5 bytes"));
    }
}
