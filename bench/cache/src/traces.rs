//! Traces of keys: files that are named, or a few that are made here.

use crate::random::Random;
use flate2::read::GzDecoder;
use std::{
    collections::{HashMap, HashSet},
    fs::File,
    io::{self, BufRead, BufReader},
    path::Path,
};

/// Keys in the order in which a program asks for them.
pub struct Trace {
    /// As it stands in the table.
    pub name: String,
    /// The keys.
    pub keys: Vec<u64>,
    /// How many there are.
    pub distinct: usize,
}

impl Trace {
    fn new(name: &str, keys: Vec<u64>) -> Self {
        let distinct = keys.iter().collect::<HashSet<_>>().len();
        Self { name: name.to_owned(), keys, distinct }
    }

    /// A gzip file with a decimal key a line.
    pub fn read(path: &Path) -> io::Result<Self> {
        let lines = BufReader::new(GzDecoder::new(File::open(path)?)).lines();
        let parse = |line: String| line.trim().parse().map_err(|_| io::Error::other(format!("`{line}` is no key")));
        let keys: Vec<u64> = lines.map(|line| line.and_then(parse)).collect::<Result<_, _>>()?;
        let name = path.file_name().map(|name| name.to_string_lossy().replace(".keys.gz", "")).unwrap_or_default();
        Ok(Self::new(&name, keys))
    }

    /// When each key comes again; the length of the trace if it does not.
    pub fn next_uses(&self) -> Vec<usize> {
        let mut next = HashMap::new();
        let mut uses: Vec<usize> = self
            .keys
            .iter()
            .enumerate()
            .rev()
            .map(|(at, key)| next.insert(*key, at))
            .map(|next| next.unwrap_or(self.keys.len()))
            .collect();
        uses.reverse();
        uses
    }
}

/// `count` keys of `distinct` ones, the one of rank n 1/n^skew times as often as the first.
pub fn zipf(distinct: usize, skew: f64, count: usize, seed: u64) -> Vec<u64> {
    let mut random = Random::new(seed);
    let names: Vec<u64> = (0..distinct).map(|_| random.bits()).collect();
    let mut total = 0.0;
    let shares: Vec<f64> = (1..=distinct)
        .map(|rank| {
            total += (rank as f64).powf(-skew);
            total
        })
        .collect();
    let rank = |at: f64| shares.partition_point(|share| *share < at).min(distinct - 1);
    (0..count).map(|_| names[rank(random.part() * total)]).collect()
}

/// Popularity that stays, scans between, a loop, and popularity that shifts.
pub fn synthetic() -> Vec<Trace> {
    let stationary = zipf(20_000, 1.0, 400_000, 1);
    // After each 5,000 lookups 2,500 keys that never come again.
    let scan = |number: usize| (0..2500).map(move |at| 1 << 40 | (2500 * number + at) as u64);
    let scans = zipf(20_000, 0.9, 300_000, 2);
    let scans =
        scans.chunks(5000).enumerate().flat_map(|(number, some)| some.iter().copied().chain(scan(number))).collect();
    let looped = (0..400_000).map(|at| at % 5000).collect();
    // Every 50,000 lookups other keys are popular.
    let shifting = (0..8).flat_map(|phase| zipf(5000, 1.0, 50_000, 10 + phase)).collect();
    vec![
        Trace::new("stationary", stationary),
        Trace::new("scans", scans),
        Trace::new("loop", looped),
        Trace::new("shifting", shifting),
    ]
}
