//! The file `mark`: whether the index was closed properly, and what its file looked like then.
//!
//! ```text
//! everfresh-mark 1
//! state open                      or closed
//! boot 2f1b…                      /proc/sys/kernel/random/boot_id
//! pid-namespace 4026531836        the inode of /proc/self/ns/pid
//! index DEV INODE SIZE MTIME CTIME   of index/data.mdb; only when closed; times in nanoseconds
//! ```
//! LMDB has no page checksums and its commits are not synced here, so a process that opens the cache alone trusts the
//! index only if the mark says "closed", in this boot, and the file looks as it did then; else the index's structure is
//! checked first (`soundness`). So neither a power cut, nor a kill, nor an edited, truncated or exchanged index file is
//! taken on trust. A mark that cannot be read is no reason to trust anything.
//!
//! The index file's mtime is set back when it is closed: a write within the same clock tick then moves it.

use super::error::StoreError;
use crate::file::FileStat;
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_OMIT, utimensat};
use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::Path,
};

/// How far mtimes are set back.
const SET_BACK_NS: i64 = 10_000_000_000;

/// FAT counts in two seconds.
const COARSEST_NS: i64 = 2_000_000_000;

/// Where this process runs, as far as it matters for trusting what others left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Differs after every start of the machine; empty if unknown.
    pub boot: String,
    /// Processes of other PID namespaces cannot be told alive from dead; 0 if unknown.
    pub pid_namespace: u64,
}

impl Place {
    pub fn here() -> Self {
        Self {
            boot: fs::read_to_string("/proc/sys/kernel/random/boot_id")
                .map(|id| id.trim().to_owned())
                .unwrap_or_default(),
            pid_namespace: fs::metadata("/proc/self/ns/pid").map(|metadata| metadata.ino()).unwrap_or_default(),
        }
    }

    /// The boot as a number, for blob entries; 0 if unknown.
    pub fn boot_tag(&self) -> u64 {
        if self.boot.is_empty() {
            return 0;
        }
        blake3::hash(self.boot.as_bytes()).as_bytes().first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
    }
}

/// As [`Place::boot_tag`], of this boot.
pub(crate) fn boot_tag() -> u64 {
    Place::here().boot_tag()
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    pub place: Place,
    /// The index file when it was closed; `None` while it is open.
    pub closed: Option<FileStat>,
}

impl Mark {
    fn to_text(&self) -> String {
        let state = if self.closed.is_some() { "closed" } else { "open" };
        let Place { boot, pid_namespace } = &self.place;
        let mut text = format!("everfresh-mark 1\nstate {state}\nboot {boot}\npid-namespace {pid_namespace}\n");
        if let Some(FileStat { dev, inode, size, mtime_ns, ctime_ns }) = self.closed {
            text.push_str(&format!("index {dev} {inode} {size} {mtime_ns} {ctime_ns}\n"));
        }
        text
    }

    fn from_text(text: &str) -> Option<Self> {
        let mut lines = text.strip_prefix("everfresh-mark 1\n")?.strip_suffix('\n')?.split('\n');
        let state = lines.next()?.strip_prefix("state ")?;
        let boot = lines.next()?.strip_prefix("boot ")?.to_owned();
        let pid_namespace = lines.next()?.strip_prefix("pid-namespace ")?.parse().ok()?;
        let closed = match state {
            "open" => None,
            "closed" => {
                let mut words = lines.next()?.strip_prefix("index ")?.split(' ');
                let mut word = || words.next();
                Some(FileStat {
                    dev: word()?.parse().ok()?,
                    inode: word()?.parse().ok()?,
                    size: word()?.parse().ok()?,
                    mtime_ns: word()?.parse().ok()?,
                    ctime_ns: word()?.parse().ok()?,
                })
            }
            _ => return None,
        };
        lines.next().is_none().then_some(Self { place: Place { boot, pid_namespace }, closed })
    }

    /// `None` if there is no mark or it makes no sense.
    pub fn read(path: &Path) -> Option<Self> {
        Self::from_text(&fs::read_to_string(path).ok()?)
    }

    /// Replaces the mark. Not atomic: half a mark, or one with a rest of an older one, is none.
    pub fn write(&self, path: &Path) -> Result<(), StoreError> {
        let text = self.to_text();
        // Written over: ext4 starts to flush a file that was truncated to nothing when it is closed.
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path);
        file.and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.set_len(text.len() as u64)
        })
        .map_err(StoreError::io("write", path))
    }

    /// Whether an index file that looks like this may be used without a check.
    pub fn vouches_for(&self, place: &Place, index: io::Result<FileStat>) -> bool {
        !place.boot.is_empty() && self.place.boot == place.boot && self.closed.is_some() && self.closed == index.ok()
    }
}

/// Sets a file's mtime back by some seconds, so that every later write moves it, and looks at the file.
pub(super) fn set_back(path: &Path) -> io::Result<FileStat> {
    let now = FileStat::of(path)?;
    if is_set_back(&now) {
        return Ok(now);
    }
    utimensat(CWD, path, &set_back_times(&now), AtFlags::empty())?;
    FileStat::of(path)
}

/// The times that [`set_back`] sets; also for blobs.
pub(super) fn set_back_times(now: &FileStat) -> Timestamps {
    let mtime = now.mtime_ns.saturating_sub(SET_BACK_NS);
    let second = 1_000_000_000;
    Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT as _ },
        last_modification: Timespec { tv_sec: mtime.div_euclid(second), tv_nsec: mtime.rem_euclid(second) },
    }
}

/// A write to this file would move its mtime, whatever the clock's granularity.
pub(super) fn is_set_back(stat: &FileStat) -> bool {
    stat.mtime_ns.saturating_add(COARSEST_NS) <= stat.ctime_ns
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark() -> Mark {
        Mark {
            place: Place { boot: "b-1".into(), pid_namespace: 4026531836 },
            closed: Some(FileStat { dev: 1, inode: 2, size: 3, mtime_ns: 4, ctime_ns: -5 }),
        }
    }

    #[test]
    fn the_format_is_pinned_by_golden_bytes() {
        let golden = "everfresh-mark 1\nstate closed\nboot b-1\npid-namespace 4026531836\nindex 1 2 3 4 -5\n";
        assert_eq!(mark().to_text(), golden);
        let open = Mark { closed: None, ..mark() };
        assert_eq!(open.to_text(), "everfresh-mark 1\nstate open\nboot b-1\npid-namespace 4026531836\n");
        assert_eq!([Mark::from_text(golden), Mark::from_text(&open.to_text())], [Some(mark()), Some(open)]);
    }

    #[test]
    fn half_a_mark_is_none() {
        let text = mark().to_text();
        for length in 0..text.len() {
            assert_eq!(Mark::from_text(&text[..length]), None, "{length} bytes");
        }
    }

    #[test]
    fn only_a_mark_of_this_boot_vouches_and_only_for_the_file_that_it_saw() {
        let (mark, here) = (mark(), mark().place);
        let index = mark.closed.unwrap();
        assert!(mark.vouches_for(&here, Ok(index)));
        assert!(!mark.vouches_for(&here, Ok(FileStat { mtime_ns: 9, ..index })));
        assert!(!mark.vouches_for(&here, Err(io::ErrorKind::NotFound.into())));
        assert!(!mark.vouches_for(&Place { boot: "b-2".into(), ..here.clone() }, Ok(index)));
        assert!(!Mark { closed: None, ..mark }.vouches_for(&here, Ok(index)));
    }

    #[test]
    fn a_write_in_the_same_clock_tick_moves_a_stat_that_was_set_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data");
        fs::write(&path, "a").unwrap();
        let closed = set_back(&path).unwrap();
        OpenOptions::new().write(true).open(&path).unwrap().write_all(b"b").unwrap();
        assert_ne!(FileStat::of(&path).unwrap(), closed);
    }
}
