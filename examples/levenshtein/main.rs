//! The words of a dictionary that are nearest to one that is misspelt. Each is searched for once: the next process finds it
//! too, until the dictionary changes. `cargo run --example levenshtein -- recieve seperate`

use everfresh::{cached, memo::Explanation};
use std::{
    env, fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

/// Where Debian's package `wamerican` puts its words.
const DICTIONARY: &str = "/usr/share/dict/american-english";

/// The three nearest words by Levenshtein's distance, in which two letters that are swapped count as one mistake; the first
/// ones of those that are as near.
#[cached(store, depends = file(dictionary), version = 1)]
fn nearest(word: &str, dictionary: &Path) -> io::Result<Vec<String>> {
    let text = fs::read_to_string(dictionary)?;
    let mut words: Vec<(usize, &str)> = text.lines().map(|own| (strsim::osa_distance(word, own), own)).collect();
    words.sort();
    Ok(words.into_iter().take(3).map(|(_, own)| own.to_owned()).collect())
}

/// What the program prints.
pub fn run(out: &mut dyn Write, dictionary: &Path, words: &[String]) -> io::Result<()> {
    for word in words {
        let why = match nearest::explain(word, dictionary) {
            Explanation::Hit { .. } => "found".to_owned(),
            Explanation::Miss { reason } => format!("computed: {reason}"),
        };
        writeln!(out, "{word}: {} ({why})", nearest(word, dictionary)?.join(", "))?;
    }
    Ok(())
}

#[allow(dead_code)]
fn main() -> io::Result<()> {
    let words: Vec<String> = env::args().skip(1).collect();
    let words = if words.is_empty() { vec!["recieve".into(), "seperate".into()] } else { words };
    let dictionary = env::var_os("DICTIONARY").map_or_else(|| DICTIONARY.into(), PathBuf::from);
    if !dictionary.is_file() {
        let help = "there is no list of words: run `apt-get install wamerican`, or name one in DICTIONARY";
        return Err(io::Error::new(io::ErrorKind::NotFound, help));
    }
    run(&mut io::stdout().lock(), &dictionary, &words)
}
