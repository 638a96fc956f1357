//! Regular files: what else is refused, since its content cannot be observed.

use rustix::fs::{OFlags, fstatfs};
use std::{
    fs::{File, Metadata, OpenOptions},
    io,
    os::unix::fs::{FileExt, FileTypeExt, OpenOptionsExt},
    path::Path,
};

/// Opens a file for reading, unless reading it has effects or gives something else each time.
pub(crate) fn open_regular(path: &Path) -> io::Result<File> {
    // Before the open, which can have effects on a device.
    refuse_irregular(path, &std::fs::metadata(path)?)?;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags((OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed())
        .open(path)?;
    let metadata = file.metadata()?;
    refuse_irregular(path, &metadata)?;
    refuse_made_up(path, &file, &metadata)?;
    Ok(file)
}

fn refused(path: &Path, what: &str) -> io::Error {
    let message = format!("`{}` is {what}, not a regular file: its content cannot be observed", path.display());
    io::Error::new(io::ErrorKind::InvalidInput, message)
}

fn refuse_irregular(path: &Path, metadata: &Metadata) -> io::Result<()> {
    let kind = metadata.file_type();
    if kind.is_file() {
        return Ok(());
    }
    Err(refused(
        path,
        match () {
            () if kind.is_dir() => "a folder",
            () if kind.is_fifo() => "a FIFO",
            () if kind.is_socket() => "a socket",
            () if kind.is_char_device() || kind.is_block_device() => "a device",
            () => "something else",
        },
    ))
}

/// Refuses files whose content the kernel makes up on every read.
fn refuse_made_up(path: &Path, file: &File, metadata: &Metadata) -> io::Result<()> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        // proc, sysfs, debugfs, tracefs, cgroup, cgroup2.
        const MADE_UP: [rustix::fs::FsWord; 6] =
            [0x9fa0, 0x6265_6572, 0x6462_6720, 0x7472_6163, 0x0027_e0eb, 0x6367_7270];
        if MADE_UP.contains(&fstatfs(file)?.f_type) {
            return Err(refused(path, "made up by the kernel"));
        }
    }
    // Any other such file gives itself away by having content and no size.
    if metadata.len() == 0 && file.read_at(&mut [0], 0)? > 0 && file.metadata()?.len() == 0 {
        return Err(refused(path, "made up on every read"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::hash_file;

    #[test]
    fn what_is_no_regular_file_is_refused_and_never_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let fifo = folder.path().join("fifo");
        rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR).unwrap();
        let socket = folder.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        for (path, what) in [
            (fifo.as_path(), "a FIFO"),
            (socket.as_path(), "a socket"),
            (folder.path(), "a folder"),
            (Path::new("/dev/zero"), "a device"),
        ] {
            let error = hash_file(path).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
            assert!(error.to_string().contains(what), "{error}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_the_kernel_makes_up_is_refused() {
        let error = hash_file(Path::new("/proc/self/status")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        assert!(error.to_string().contains("`/proc/self/status` is made up by the kernel"), "{error}");
    }
}
