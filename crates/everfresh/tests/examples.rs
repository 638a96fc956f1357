//! The examples print what is written beside them.
#![cfg(feature = "macros")]
#![allow(missing_docs, clippy::unwrap_used)]

use std::{
    env, fs,
    io::Write,
    path::{Path, PathBuf},
    process::Command,
};

#[path = "../../../examples/bit_count/main.rs"]
mod bit_count;
#[path = "../../../examples/config/main.rs"]
mod config;
#[path = "../../../examples/fibonacci/main.rs"]
mod fibonacci;
#[path = "../../../examples/http/main.rs"]
mod http;
#[path = "../../../examples/levenshtein/main.rs"]
mod levenshtein;

fn printed<T>(run: impl FnOnce(&mut dyn Write) -> std::io::Result<T>) -> String {
    let mut out = Vec::new();
    run(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn fibonacci_prints_what_is_written() {
    assert_eq!(printed(fibonacci::run), include_str!("../../../examples/fibonacci/output.txt"));
}

#[test]
fn bit_count_prints_what_is_written() {
    assert_eq!(printed(bit_count::run), include_str!("../../../examples/bit_count/output.txt"));
}

#[test]
fn config_prints_what_is_written() {
    assert_eq!(printed(config::run), include_str!("../../../examples/config/output.txt"));
}

#[test]
fn http_prints_what_is_written() {
    assert_eq!(printed(http::run), include_str!("../../../examples/http/output.txt"));
}

/// Runs in processes of its own, which share a store: this test, started again with a file for what is printed.
#[test]
fn levenshtein_prints_what_is_written() {
    const OUTPUT: &str = "LEVENSHTEIN_OUTPUT";
    if let Some(output) = env::var_os(OUTPUT) {
        let dictionary = PathBuf::from(env::var_os("DICTIONARY").unwrap());
        let words = ["recieve", "seperate"].map(String::from);
        return fs::write(output, printed(|out| levenshtein::run(out, &dictionary, &words))).unwrap();
    }
    let list = Path::new("/usr/share/dict/american-english");
    if !list.is_file() {
        eprintln!("SKIPPED: there is no list of words: run `apt-get install wamerican`");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (dictionary, output) = (folder.path().join("american-english"), folder.path().join("output"));
    fs::copy(list, &dictionary).unwrap();
    let run = || {
        let child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "levenshtein_prints_what_is_written"])
            .env("EVERFRESH_CACHE_DIR", folder.path().join("cache"))
            .env("DICTIONARY", &dictionary)
            .env(OUTPUT, &output)
            .output()
            .unwrap();
        assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stdout));
        let text = fs::read_to_string(&output).unwrap().replace(&*folder.path().to_string_lossy(), "…");
        format!("$ levenshtein recieve seperate\n{text}")
    };
    let mut text = [run(), run()].concat();
    let words = fs::read_to_string(&dictionary).unwrap();
    fs::write(&dictionary, words + "recieved\n").unwrap();
    text += "$ echo recieved >> american-english\n";
    text += &[run(), run()].concat();
    assert_eq!(text, include_str!("../../../examples/levenshtein/output.txt"));
}
