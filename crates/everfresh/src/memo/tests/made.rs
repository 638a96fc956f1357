//! What a computation makes itself is no input of it, and nothing else is taken for that.

use crate::{Memo, fs::read_to_string, observe};
use std::{fs, path::Path};
use tempfile::tempdir;

/// How often a computation runs over two calls, the second after `data` has changed.
fn loads_after_a_change(data: &Path, name: &str, compute: impl Fn() -> Option<String>) -> (Option<String>, u64) {
    let memo = Memo::builder(name).build();
    fs::write(data, "one").unwrap();
    memo.get_or_compute(&(), &compute);
    fs::write(data, "two").unwrap();
    (memo.get_or_compute(&(), &compute), memo.stats().loads)
}

#[test]
fn a_folder_that_was_there_is_not_made_by_whoever_asks_for_it() {
    let folder = tempdir().unwrap();
    let data = folder.path().join("data");
    let read = || {
        observe::made(folder.path());
        fs::create_dir_all(folder.path()).ok()?;
        read_to_string(&data).ok()
    };
    assert_eq!(loads_after_a_change(&data, "made there", read), (Some("two".to_owned()), 2));
}

#[test]
fn what_lies_beside_a_folder_that_was_made_is_read_though_the_path_goes_through_it() {
    let folder = tempdir().unwrap();
    let (data, own) = (folder.path().join("data"), folder.path().join("own"));
    let read = || {
        observe::made(&own);
        fs::create_dir_all(&own).ok()?;
        let text = read_to_string(own.join("../data")).ok();
        fs::remove_dir(&own).ok()?;
        text
    };
    assert_eq!(loads_after_a_change(&data, "made parent", read), (Some("two".to_owned()), 2));
}

#[test]
fn what_a_link_in_a_folder_that_was_made_leads_to_is_read() {
    let folder = tempdir().unwrap();
    let (data, own) = (folder.path().join("data"), folder.path().join("own"));
    let read = || {
        observe::made(&own);
        fs::create_dir_all(&own).ok()?;
        std::os::unix::fs::symlink(&data, own.join("link")).ok()?;
        let text = read_to_string(own.join("link")).ok();
        fs::remove_dir_all(&own).ok()?;
        text
    };
    let memo = Memo::builder("made link").build();
    fs::write(&data, "one").unwrap();
    assert_eq!(memo.get_or_compute(&(), read), Some("one".to_owned()));
    fs::write(&data, "two").unwrap();
    assert_eq!(memo.get_or_compute(&(), read), Some("two".to_owned()));
}

#[test]
fn a_temporary_file_that_a_callee_reads_is_no_input() {
    let folder = tempdir().unwrap();
    let own = folder.path().join("own");
    let (inner, outer) = (Memo::builder("made inner").build(), Memo::builder("made outer").build());
    let read = || {
        outer.get_or_compute(&(), || {
            observe::made(&own);
            fs::write(&own, "text").ok()?;
            let text = inner.get_or_compute(&(), || read_to_string(&own).ok());
            fs::remove_file(&own).ok()?;
            text
        })
    };
    assert_eq!((read(), read(), outer.stats().loads), (Some("text".to_owned()), Some("text".to_owned()), 1));
}
