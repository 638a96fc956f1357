//! The cache folder: what is in it, and which folders are refused.
//!
//! ```text
//! .everfresh/            0700, owned by the user, writable by nobody else
//!   CACHEDIR.TAG         tells backup programs to leave it out
//!   .gitignore           "*"
//!   format               the version of everything below, as text: "everfresh-cache 1"
//!   lock                 byte-range locks, see `lock`; empty
//!   mark                 whether the index was closed, see `mark`
//!   index/               LMDB: data.mdb, lock.mdb
//!   blobs/ab/abcdef…     one immutable file a blob, see `header`
//!   tmp/                 blobs that are being written
//!   set-aside-N/         what a cache of format N held; `gc` removes it
//! ```
//! Files are 0600. The cache is on a local file system: NFS, SMB, FUSE and their like are refused, because LMDB's
//! mapping and the byte-range locks are not shared there by all machines that can write.

use super::error::StoreError;
use crate::Fingerprint;
use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

/// The version of all formats in the folder together.
pub(super) const FORMAT: u32 = 1;

const FORMAT_NAME: &str = "everfresh-cache ";
const TAG: &str = "Signature: 8a477f597d28d172789f06886806bc55\n\
    # This folder is a cache of Everfresh. It can be removed at any time.\n";
const OURS: [&str; 8] = ["CACHEDIR.TAG", ".gitignore", "format", "lock", "mark", "index", "blobs", "tmp"];
pub(super) const SET_ASIDE: &str = "set-aside-";

/// An open cache folder. The handle keeps its inode from being used again while this lives.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    handle: File,
}

impl Folder {
    /// Opens the folder, making it if it is not there.
    pub fn make(path: &Path) -> Result<Self, StoreError> {
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(StoreError::io("create", path))?;
        let folder = Self::checked(path)?;
        for part in [folder.index(), folder.blobs(), folder.temporary()] {
            folder.make_folder(&part)?;
        }
        folder.write_new("CACHEDIR.TAG", TAG)?;
        folder.write_new(".gitignore", "*\n")?;
        Ok(folder)
    }

    /// Opens the folder if there is a cache in it.
    pub fn existing(path: &Path) -> Result<Option<Self>, StoreError> {
        match fs::symlink_metadata(path.join("format")) {
            Ok(_) => Self::make(path).map(Some),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
            Err(error) => Err(StoreError::io("read", path)(error)),
        }
    }

    fn checked(path: &Path) -> Result<Self, StoreError> {
        // The absolute path, so that changing the working directory does not lose the folder.
        let path = fs::canonicalize(path).map_err(StoreError::io("find", path))?;
        let handle = File::open(&path).map_err(StoreError::io("open", &path))?;
        let metadata = handle.metadata().map_err(StoreError::io("read", &path))?;
        if metadata.uid() != rustix::process::geteuid().as_raw() {
            return Err(StoreError::Owner { path, owner: metadata.uid() });
        }
        if metadata.mode() & 0o022 != 0 {
            return Err(StoreError::Writable { path, mode: metadata.mode() & 0o7777 });
        }
        if let Some(kind) = remote_kind(&handle).map_err(StoreError::io("read", &path))? {
            return Err(StoreError::Remote { path, kind });
        }
        let folder = Self { path, handle };
        folder.refuse_foreign()?;
        Ok(folder)
    }

    /// A folder without `format` may be one that a killed process left half made, and is refused if it is anything else.
    fn refuse_foreign(&self) -> Result<(), StoreError> {
        if self.path.join("format").exists() {
            return Ok(());
        }
        for entry in fs::read_dir(&self.path).map_err(StoreError::io("list", &self.path))? {
            let name = entry.map_err(StoreError::io("list", &self.path))?.file_name();
            let name = name.to_string_lossy();
            if !OURS.contains(&name.as_ref()) && !name.starts_with(SET_ASIDE) {
                return Err(StoreError::NotACache { path: self.path.clone(), found: name.into_owned() });
            }
        }
        Ok(())
    }

    /// Two paths with the same identity are the same folder.
    pub fn identity(&self) -> Result<(u64, u64), StoreError> {
        let metadata = self.handle.metadata().map_err(StoreError::io("read", &self.path))?;
        Ok((metadata.dev(), metadata.ino()))
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn index(&self) -> PathBuf {
        self.path.join("index")
    }

    pub fn index_data(&self) -> PathBuf {
        self.path.join("index").join("data.mdb")
    }

    pub fn blobs(&self) -> PathBuf {
        self.path.join("blobs")
    }

    pub fn temporary(&self) -> PathBuf {
        self.path.join("tmp")
    }

    /// Where a blob's file is.
    pub fn blob(&self, name: &Fingerprint) -> PathBuf {
        let hex = name.to_string();
        self.path.join("blobs").join(hex.get(..2).unwrap_or_default()).join(&hex)
    }

    pub fn make_folder(&self, path: &Path) -> Result<(), StoreError> {
        match DirBuilder::new().mode(0o700).create(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(StoreError::io("create", path)(error)),
            _ => Ok(()),
        }
    }

    fn write_new(&self, name: &str, text: &str) -> Result<(), StoreError> {
        let path = self.path.join(name);
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
            Ok(mut file) => file.write_all(text.as_bytes()).map_err(StoreError::io("write", &path)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(StoreError::io("create", &path)(error)),
        }
    }

    /// Makes the folder one of [`FORMAT`]. The caller is the only process that has it open.
    ///
    /// What an older format left is set aside; what a newer one left is refused.
    pub fn claim_format(&self) -> Result<(), StoreError> {
        let path = self.path.join("format");
        let found = match fs::read_to_string(&path) {
            Ok(text) => {
                Some(text.trim().strip_prefix(FORMAT_NAME.trim_end()).and_then(|v| v.trim().parse().ok()).unwrap_or(0))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            // Not text: a damaged format file.
            Err(error) if error.kind() == io::ErrorKind::InvalidData => Some(0),
            Err(error) => return Err(StoreError::io("read", &path)(error)),
        };
        match found {
            Some(FORMAT) => return Ok(()),
            Some(newer) if newer > FORMAT => {
                return Err(StoreError::Newer { path: self.path.clone(), found: newer, known: FORMAT });
            }
            Some(older) => self.set_aside(older)?,
            // A process was killed while it made the folder. Records and blobs carry versions of their own besides.
            None => {}
        }
        // Renamed, so that a process killed here leaves no empty one.
        let new = self.temporary().join("format");
        let mut options = OpenOptions::new();
        let file = options.write(true).create(true).truncate(true).mode(0o600).open(&new);
        file.and_then(|mut file| writeln!(file, "{FORMAT_NAME}{FORMAT}")).map_err(StoreError::io("write", &new))?;
        fs::rename(&new, &path).map_err(StoreError::io("rename", &new))
    }

    fn set_aside(&self, format: u32) -> Result<(), StoreError> {
        tracing::warn!(cache = %self.path.display(), format, "setting aside what a cache of another format held");
        let aside = (0..).map(|n| self.path.join(format!("{SET_ASIDE}{format}-{n}"))).find(|path| !path.exists());
        let aside = aside.unwrap_or_else(|| self.path.join(SET_ASIDE));
        self.make_folder(&aside)?;
        for part in ["index", "blobs", "tmp", "mark"] {
            let from = self.path.join(part);
            match fs::rename(&from, aside.join(part)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(StoreError::io("rename", &from)(error));
                }
                _ => {}
            }
        }
        for part in [self.index(), self.blobs(), self.temporary()] {
            self.make_folder(&part)?;
        }
        Ok(())
    }
}

/// What kind of remote file system this is; `None` for a local one.
#[cfg(target_os = "linux")]
fn remote_kind(handle: &File) -> io::Result<Option<&'static str>> {
    Ok(match rustix::fs::fstatfs(handle)?.f_type as u32 {
        0x6969 => Some("NFS"),
        0x517b | 0xff53_4d42 | 0xfe53_4d42 => Some("a Windows share (SMB)"),
        0x6573_5546 => Some("a FUSE file system"),
        0x0102_1997 => Some("a 9P share"),
        0x00c3_6400 => Some("CephFS"),
        0x0bd0_0bd0 => Some("Lustre"),
        0x0116_1970 | 0x7461_636f => Some("a cluster file system"),
        0x5346_414f | 0x6b41_4653 | 0x7375_7245 => Some("a network file system"),
        _ => None,
    })
}

#[cfg(not(target_os = "linux"))]
fn remote_kind(_handle: &File) -> io::Result<Option<&'static str>> {
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_new_folder_is_private_and_marked_as_a_cache() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::make(&root.path().join("a/.everfresh")).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        for part in [folder.path().to_owned(), folder.index(), folder.blobs(), folder.temporary()] {
            assert_eq!(mode(&part), 0o700, "{}", part.display());
        }
        assert_eq!(mode(&folder.path().join("CACHEDIR.TAG")), 0o600);
        assert!(
            fs::read_to_string(folder.path().join("CACHEDIR.TAG"))
                .unwrap()
                .starts_with("Signature: 8a477f597d28d172789f06886806bc55\n")
        );
        assert_eq!(fs::read_to_string(folder.path().join(".gitignore")).unwrap(), "*\n");
    }

    #[test]
    fn a_folder_that_others_can_write_is_refused_and_the_message_says_chmod() {
        let root = tempfile::tempdir().unwrap();
        fs::set_permissions(root.path(), fs::Permissions::from_mode(0o770)).unwrap();
        let error = Folder::make(root.path()).unwrap_err().to_string();
        assert!(error.contains("chmod 700"), "{error}");
    }

    #[test]
    fn a_folder_of_something_else_is_refused_and_left_alone() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("thesis.tex"), "").unwrap();
        let error = Folder::make(root.path()).unwrap_err().to_string();
        assert!(error.contains("thesis.tex"), "{error}");
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
    }

    #[test]
    fn an_older_format_is_set_aside_and_a_newer_one_refused() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::make(root.path()).unwrap();
        folder.claim_format().unwrap();
        assert_eq!(fs::read_to_string(root.path().join("format")).unwrap(), "everfresh-cache 1\n");
        fs::write(folder.blobs().join("old"), "").unwrap();

        fs::write(root.path().join("format"), "everfresh-cache 0\n").unwrap();
        folder.claim_format().unwrap();
        assert!(!folder.blobs().join("old").exists());
        assert!(root.path().join("set-aside-0-0/blobs/old").exists());

        fs::write(root.path().join("format"), "everfresh-cache 99\n").unwrap();
        assert!(matches!(folder.claim_format(), Err(StoreError::Newer { found: 99, known: 1, .. })));
    }
}
