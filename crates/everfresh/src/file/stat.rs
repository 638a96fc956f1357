//! What a file looks like, and whether that tells it from what it may become.

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use std::{
    fs::{File, Metadata},
    io,
    os::unix::fs::MetadataExt,
    path::Path,
};

/// How old a stamp with nanoseconds must be to be told from the stamp of a write that is still to come. Kernels tick
/// every 1 to 10 ms.
const FINE_MARGIN_NS: i64 = 20_000_000;

/// The same for stamps without a sub-second part: file systems that count seconds, or pairs of them (FAT).
const COARSE_MARGIN_NS: i64 = 2_000_000_000;

const NS_PER_SECOND: i64 = 1_000_000_000;

/// What `stat` says of a file, as far as it moves when the content does.
///
/// ```
/// use everfresh::file::FileStat;
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("words");
/// std::fs::write(&path, "four")?;
/// assert_eq!(FileStat::of(&path)?.size, 4);
/// # Ok::<_, std::io::Error>(())
/// ```
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileStat {
    /// The device.
    pub dev: u64,
    /// The file's number on the device: a replaced file has another one.
    pub inode: u64,
    /// The size in bytes.
    pub size: u64,
    /// When the content was written last, in nanoseconds since the Unix epoch. Programs can set it.
    pub mtime_ns: i64,
    /// When content or metadata were changed last, in nanoseconds since the Unix epoch. Programs cannot set it.
    pub ctime_ns: i64,
}

impl FileStat {
    /// Looks at the file that `path` leads to, through symbolic links.
    ///
    /// ```
    /// use everfresh::file::FileStat;
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("words");
    /// std::fs::write(&path, "a")?;
    /// let before = FileStat::of(&path)?;
    /// assert_eq!(FileStat::of(&path)?, before);
    /// std::fs::write(&path, "a b")?;
    /// assert_ne!(FileStat::of(&path)?, before);
    /// # Ok::<_, std::io::Error>(())
    /// ```
    pub fn of(path: &Path) -> io::Result<Self> {
        std::fs::metadata(path).map(|metadata| Self::of_metadata(&metadata))
    }

    /// Looks at an open file.
    ///
    /// ```
    /// use everfresh::file::FileStat;
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("words");
    /// std::fs::write(&path, "a")?;
    /// assert_eq!(FileStat::of_file(&std::fs::File::open(&path)?)?, FileStat::of(&path)?);
    /// # Ok::<_, std::io::Error>(())
    /// ```
    pub fn of_file(file: &File) -> io::Result<Self> {
        file.metadata().map(|metadata| Self::of_metadata(&metadata))
    }

    fn of_metadata(metadata: &Metadata) -> Self {
        Self {
            dev: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            mtime_ns: nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
            ctime_ns: nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// Whether a write at `now_ns` or later could leave this stat as it is.
    fn is_racy(&self, now_ns: i64) -> bool {
        [self.mtime_ns, self.ctime_ns].into_iter().any(|stamp| {
            let margin = if stamp % NS_PER_SECOND == 0 { COARSE_MARGIN_NS } else { FINE_MARGIN_NS };
            stamp >= now_ns.saturating_sub(margin)
        })
    }
}

/// A look at a file.
///
/// ```
/// use everfresh::file::observe;
/// use std::{fs::File, time::{Duration, SystemTime}};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("words");
/// File::create(&path)?.set_modified(SystemTime::now() + Duration::from_secs(3600))?;
/// assert!(observe(&path)?.racy);
/// # Ok::<_, std::io::Error>(())
/// ```
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// What it looked like.
    pub stat: FileStat,
    /// Stamped so shortly before the look that a later write could leave the stat equal: an equal stat then proves
    /// nothing, and only the content does. A stamp in the future counts as racy.
    pub racy: bool,
}

/// Looks at the file that `path` leads to.
///
/// The margin is 20 ms for stamps with nanoseconds and 2 s for stamps without a sub-second part.
///
/// ```
/// use everfresh::file::{FileStat, observe};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("words");
/// assert!(observe(&path).is_err());
/// std::fs::write(&path, "a")?;
/// assert_eq!(observe(&path)?.stat, FileStat::of(&path)?);
/// # Ok::<_, std::io::Error>(())
/// ```
///
/// # Errors
/// Those of `stat`; [`io::ErrorKind::NotFound`] if there is no such file.
pub fn observe(path: &Path) -> io::Result<Seen> {
    // Before the stat: a write after the stat is then stamped no earlier than this.
    let now_ns = file_clock_ns();
    let stat = FileStat::of(path)?;
    Ok(Seen { stat, racy: stat.is_racy(now_ns) })
}

fn nanoseconds(seconds: i64, nanoseconds: i64) -> i64 {
    seconds.saturating_mul(NS_PER_SECOND).saturating_add(nanoseconds)
}

/// The clock that the kernel stamps files with.
fn file_clock_ns() -> i64 {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let now = clock_gettime(ClockId::RealtimeCoarse);
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let now = clock_gettime(ClockId::Realtime);
    nanoseconds(now.tv_sec, now.tv_nsec)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_file_that_was_just_written_is_racy_and_an_old_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data");
        fs::write(&path, "a").unwrap();
        let seen = observe(&path).unwrap();
        assert!(seen.racy);
        assert_eq!(seen.stat, FileStat::of_file(&File::open(&path).unwrap()).unwrap());
        let old = FileStat { mtime_ns: 999, ctime_ns: 999, ..seen.stat };
        assert!(!old.is_racy(file_clock_ns()));
    }

    #[test]
    fn a_stamp_is_racy_within_the_granularity_of_the_look() {
        let now = 1_700_000_000_500_000_000;
        let stat = |mtime_ns, ctime_ns| FileStat { dev: 1, inode: 1, size: 1, mtime_ns, ctime_ns };
        let fine = now - FINE_MARGIN_NS;
        assert!(stat(fine, 1).is_racy(now));
        assert!(stat(1, fine).is_racy(now));
        assert!(!stat(fine - 1, fine - 1).is_racy(now));
        let second = 1_700_000_000_000_000_000;
        assert!(stat(1, second - NS_PER_SECOND).is_racy(now));
        assert!(!stat(1, second - 2 * NS_PER_SECOND).is_racy(now));
        assert!(stat(1, now + 3_600 * NS_PER_SECOND).is_racy(now));
    }

    #[test]
    fn a_replaced_file_has_another_stat_even_with_the_same_size_and_mtime() {
        let folder = tempfile::tempdir().unwrap();
        let (path, other) = (folder.path().join("data"), folder.path().join("other"));
        fs::write(&path, "a").unwrap();
        let before = FileStat::of(&path).unwrap();
        fs::write(&other, "b").unwrap();
        File::options()
            .write(true)
            .open(&other)
            .unwrap()
            .set_modified(fs::metadata(&path).unwrap().modified().unwrap())
            .unwrap();
        fs::rename(&other, &path).unwrap();
        let after = FileStat::of(&path).unwrap();
        assert_eq!((before.size, before.mtime_ns), (after.size, after.mtime_ns));
        assert_ne!(before, after);
    }
}
