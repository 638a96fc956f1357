//! Paths and globs to files, in a defined order.
//!
//! A glob is a path with `*` (any text within a name), `?` (one character), `[ab]`, `[a-z]`, `[!a]` (one character of a
//! class) or a whole component `**` (any folders). As in a shell, wildcards do not match a name's leading dot. A class
//! of one character stands for that character, so `[[]` is a plain `[`.

use crate::SourceError;
use glob::{MatchOptions, Pattern};
use std::{
    cmp::Ordering,
    ffi::OsStr,
    fs, io,
    path::{Component, Path, PathBuf},
};

const MATCHING: MatchOptions =
    MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: true };

/// How alike two names are, from 0 to 1, for one to be offered for the other.
const ALIKE: f64 = 0.7;

/// The files that a path or glob names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// The files, never none, in [`compare`]'s order.
    pub files: Vec<PathBuf>,
    /// Whether the pattern is a glob, whose files come and go; else it names one file.
    pub is_glob: bool,
}

/// Lists the regular files that an absolute path or glob names; links are followed.
///
/// Folders that match a glob are passed over; a link to nothing is an error, and so is finding no file.
pub fn list(pattern: &str) -> Result<Listing, SourceError> {
    match literal(pattern) {
        Some(path) => Ok(Listing { files: vec![one(pattern, PathBuf::from(path))?], is_glob: false }),
        None => Ok(Listing { files: many(pattern)?, is_glob: true }),
    }
}

/// Whether a pattern has a wildcard in it.
pub fn is_glob(pattern: &str) -> bool {
    literal(pattern).is_none()
}

/// Whether listing the pattern would find a file at this path, were there one; `.` and `..` in either are resolved
/// without looking at the disk.
pub fn matches(pattern: &str, path: &Path) -> bool {
    let path = cleaned(path);
    match literal(pattern) {
        Some(literal) => cleaned(Path::new(&literal)) == path,
        None => cleaned(Path::new(pattern))
            .to_str()
            .and_then(|pattern| Pattern::new(pattern).ok())
            .is_some_and(|pattern| pattern.matches_path_with(&path, MATCHING)),
    }
}

/// The pattern that matches just this text: what a folder's name needs before a glob is appended to it.
pub fn escape(path: &str) -> String {
    Pattern::escape(path)
}

/// The order of files in a listing: bytewise, but runs of digits compare as numbers, so that `part-2` comes before
/// `part-10`. It is total: names that differ only in leading zeros compare bytewise.
pub fn compare(one: &Path, other: &Path) -> Ordering {
    let (one, other) = (one.as_os_str().as_encoded_bytes(), other.as_os_str().as_encoded_bytes());
    let (mut left, mut right) = (one, other);
    while let (Some((a, rest_left)), Some((b, rest_right))) = (left.split_first(), right.split_first()) {
        let order = if a.is_ascii_digit() && b.is_ascii_digit() {
            let (number_left, after_left) = number(left);
            let (number_right, after_right) = number(right);
            (left, right) = (after_left, after_right);
            number_left.len().cmp(&number_right.len()).then_with(|| number_left.cmp(number_right))
        } else {
            (left, right) = (rest_left, rest_right);
            a.cmp(b)
        };
        if order.is_ne() {
            return order;
        }
    }
    left.len().cmp(&right.len()).then_with(|| one.cmp(other))
}

/// A leading run of digits without its leading zeros, and what follows the run.
fn number(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
    (digits.get(zeros..).unwrap_or_default(), rest)
}

/// The one path that a pattern stands for, if it has no wildcard.
fn literal(pattern: &str) -> Option<String> {
    let mut path = String::with_capacity(pattern.len());
    let mut chars = pattern.chars();
    while let Some(char) = chars.next() {
        match char {
            '*' | '?' => return None,
            '[' => {
                let class = (chars.next()?, chars.next()?);
                match class {
                    (char, ']') if char != '!' => path.push(char),
                    _ => return None,
                }
            }
            char => path.push(char),
        }
    }
    Some(path)
}

fn cleaned(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                clean.pop();
            }
            component => clean.push(component),
        }
    }
    clean
}

fn one(pattern: &str, path: PathBuf) -> Result<PathBuf, SourceError> {
    match fs::metadata(&path) {
        Ok(metadata) if metadata.is_file() => Ok(path),
        Ok(metadata) if metadata.is_dir() => Err(SourceError::NotAFile {
            path,
            what: "a folder; to read the files in it, write a glob such as `…/*.csv`",
        }),
        Ok(_) => Err(not_regular(path)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            if path.symlink_metadata().is_ok() {
                return Err(dangling(path));
            }
            Err(no_file(pattern, &path, false))
        }
        Err(error) => Err(SourceError::io(&path)(error)),
    }
}

fn many(pattern: &str) -> Result<Vec<PathBuf>, SourceError> {
    let paths = glob::glob_with(pattern, MATCHING)
        .map_err(|error| SourceError::BadPattern { pattern: pattern.to_owned(), message: error.msg.to_owned() })?;
    let mut files = Vec::new();
    for path in paths {
        let path = path.map_err(|error| {
            let path = error.path().to_owned();
            SourceError::Io { path, source: error.into() }
        })?;
        match fs::metadata(&path) {
            Ok(metadata) if metadata.is_file() => files.push(path),
            Ok(metadata) if metadata.is_dir() => {}
            Ok(_) => return Err(not_regular(path)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // Either a link to nothing, or a file that was removed since the folder was read.
                if path.symlink_metadata().is_ok() {
                    return Err(dangling(path));
                }
            }
            Err(error) => return Err(SourceError::io(&path)(error)),
        }
    }
    if files.is_empty() {
        return Err(no_file(pattern, Path::new(pattern), true));
    }
    files.sort_by(|one, other| compare(one, other));
    files.dedup();
    Ok(files)
}

fn not_regular(path: PathBuf) -> SourceError {
    SourceError::NotAFile { path, what: "no regular file; copy what it gives into a file first" }
}

fn dangling(path: PathBuf) -> SourceError {
    SourceError::NotAFile { path, what: "a link to a file that does not exist; mend or remove the link" }
}

/// Walks down to the first component that does not exist, and offers the names that are there in its place.
fn no_file(pattern: &str, path: &Path, glob: bool) -> SourceError {
    let mut folder = PathBuf::new();
    let mut missing = None;
    for component in path.components() {
        let next = folder.join(component);
        let wild = component.as_os_str().to_str().is_some_and(is_glob);
        if wild || next.symlink_metadata().is_err() {
            missing = Some(component.as_os_str().to_owned());
            break;
        }
        folder = next;
    }
    let nearest = missing.as_deref().map(|name| nearest_names(&folder, name)).unwrap_or_default();
    let help = match nearest.as_slice() {
        [] if folder.is_dir() && folder.read_dir().is_ok_and(|mut entries| entries.next().is_none()) => {
            format!("; the folder `{}` is empty", folder.display())
        }
        [] => String::new(),
        names => {
            let quoted: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
            format!("; in `{}` there is {}", folder.display(), quoted.join(", "))
        }
    };
    SourceError::NoFile { pattern: pattern.to_owned(), glob, nearest, help }
}

fn nearest_names(folder: &Path, name: &OsStr) -> Vec<String> {
    let name = name.to_string_lossy();
    let Ok(entries) = folder.read_dir() else { return Vec::new() };
    let mut scored: Vec<_> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .map(|entry| (strsim::jaro_winkler(&name.to_lowercase(), &entry.to_lowercase()), entry))
        .filter(|(score, _)| *score >= ALIKE)
        .collect();
    scored.sort_by(|one, other| other.0.total_cmp(&one.0).then_with(|| one.1.cmp(&other.1)));
    scored.into_iter().take(3).map(|(_, entry)| entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn folder(names: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in names {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        folder
    }

    fn names(folder: &tempfile::TempDir, pattern: &str) -> Vec<String> {
        let listing = list(folder.path().join(pattern).to_str().unwrap()).unwrap();
        let name = |path: &PathBuf| path.strip_prefix(folder.path()).unwrap().to_str().unwrap().to_owned();
        listing.files.iter().map(name).collect()
    }

    #[test]
    fn files_come_in_the_order_of_their_numbers() {
        let folder = folder(&["f-10.csv", "f-2.csv", "f-1.csv", "f-02.csv", "g.csv", ".f-3.csv", "f.txt"]);
        assert_eq!(names(&folder, "*.csv"), ["f-1.csv", "f-02.csv", "f-2.csv", "f-10.csv", "g.csv"]);
    }

    #[test]
    fn wildcards_stay_within_a_name_but_for_two_stars() {
        let folder = folder(&["a.csv", "x/b.csv", "x/y/c.csv", "z.csv/d.csv"]);
        assert_eq!(names(&folder, "*.csv"), ["a.csv"]);
        assert_eq!(names(&folder, "*/*.csv"), ["x/b.csv", "z.csv/d.csv"]);
        assert_eq!(names(&folder, "**/[b-d].csv"), ["x/b.csv", "x/y/c.csv", "z.csv/d.csv"]);
        assert_eq!(names(&folder, "x/?.csv"), ["x/b.csv"]);
    }

    #[test]
    fn a_class_of_one_character_is_that_character() {
        let folder = folder(&["a[1].csv", "b.csv"]);
        assert!(
            !is_glob("/x/a[[]1].csv") && !is_glob("/x/[b].csv") && is_glob("/x/[!b].csv") && is_glob("/x/[a-b].csv")
        );
        assert_eq!(names(&folder, "a[[]1].csv"), ["a[1].csv"]);
        let odd = "/a*[b]?/c";
        assert!(!is_glob(&escape(odd)) && matches(&escape(odd), Path::new(odd)));
    }

    #[test]
    fn a_missing_file_is_told_with_the_names_that_come_nearest() {
        let folder = folder(&["data/flights-2013-1.parquet", "data/flights-2013-2.parquet", "data/readme.md"]);
        let at = |pattern: &str| list(folder.path().join(pattern).to_str().unwrap()).unwrap_err();
        match at("data/flights-2014-*.parquet") {
            SourceError::NoFile { glob: true, nearest, .. } => {
                assert_eq!(nearest, ["flights-2013-1.parquet", "flights-2013-2.parquet"]);
            }
            other => panic!("{other}"),
        }
        let error = at("dta/flights-2013-1.parquet").to_string();
        assert!(error.starts_with("no file is at `") && error.ends_with("there is `data`"), "{error}");
        assert!(matches!(at("data"), SourceError::NotAFile { .. }));
        assert!(matches!(at("a**/b"), SourceError::BadPattern { .. }));
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_and_a_link_to_nothing_is_an_error() {
        let folder = folder(&["real/a.csv"]);
        std::os::unix::fs::symlink(folder.path().join("real/a.csv"), folder.path().join("b.csv")).unwrap();
        assert_eq!(names(&folder, "*.csv"), ["b.csv"]);
        std::os::unix::fs::symlink(folder.path().join("nowhere"), folder.path().join("c.csv")).unwrap();
        for pattern in ["*.csv", "c.csv"] {
            let error = list(folder.path().join(pattern).to_str().unwrap()).unwrap_err().to_string();
            assert!(error.contains("c.csv` is a link to a file that does not exist"), "{error}");
        }
    }

    #[test]
    fn matching_agrees_with_listing() {
        let folder = folder(&["a.csv", "x/b.csv", ".h.csv", "x/c.txt"]);
        let all = ["a.csv", "x/b.csv", ".h.csv", "x/c.txt"];
        for pattern in ["*.csv", "**/*.csv", "x/*", "./x/../*.csv", "a.csv", "x/../a.csv", "[a].csv", "?.csv"] {
            let pattern = folder.path().join(pattern);
            let pattern = pattern.to_str().unwrap();
            let listed: Vec<_> = list(pattern).unwrap().files.iter().map(|path| cleaned(path)).collect();
            for name in all {
                let path = folder.path().join(name);
                assert_eq!(matches(pattern, &path), listed.contains(&path), "{pattern} {name}");
            }
        }
    }

    proptest! {
        #[test]
        fn the_order_is_total(paths in prop::collection::vec("[ab/01]{0,5}", 3)) {
            let [a, b, c] = [0, 1, 2].map(|index| Path::new(&paths[index]));
            prop_assert_eq!(compare(a, b), compare(b, a).reverse());
            prop_assert_eq!(compare(a, b).is_eq(), paths[0] == paths[1]);
            if compare(a, b).is_le() && compare(b, c).is_le() {
                prop_assert!(compare(a, c).is_le());
            }
        }
    }
}
