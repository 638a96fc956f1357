//! Processes that are killed: nothing acknowledged is lost, no value is wrong, and nobody is left waiting.
//!
//! This test program runs itself again as the processes to be killed. A writer stores things that are a function of
//! their number, prints "ACK number" after each, and stops inside of a phase that `fault` names; there it is killed.

use super::{Space, Store, StoreOptions};
use crate::Fingerprint;
use std::{
    env,
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    time::Duration,
};

const ROUNDS: u64 = 30;

/// More than all rounds of a phase store together.
const NUMBERS: u64 = 400;

fn name(kind: &str, number: u64) -> Fingerprint {
    crate::FingerprintBuilder::new(kind).u64(number).finish()
}

fn payload(number: u64, length: usize) -> Vec<u8> {
    (0..length as u64).map(|at| (number.wrapping_mul(31) + at / 7) as u8).collect()
}

fn record_value(number: u64) -> Vec<u8> {
    payload(number, 20 + (number % 3) as usize * 1_500)
}

fn blob_value(number: u64) -> Vec<u8> {
    payload(number, if number.is_multiple_of(2) { 500 } else { 5_000 })
}

fn open(dir: &Path) -> Store {
    Store::open(dir, StoreOptions { grace: Duration::ZERO, ..StoreOptions::default() }).unwrap()
}

fn store_blob(store: &Store, name: Fingerprint, payload: &[u8]) {
    let mut writer = store.blob_writer().unwrap();
    writer.write_all(payload).unwrap();
    writer.finish(name, Duration::from_millis(5)).unwrap();
}

fn store_number(store: &Store, number: u64) {
    store_blob(store, name("garbage", number), &payload(number, 3_000));
    store_blob(store, name("blob", number), &blob_value(number));
    store.put(Space::Traces, &name("record", number), &record_value(number), &[name("blob", number)]).unwrap();
    // Put a second time: this overwrites, in pages that were freed.
    store.put(Space::Runs, &name("record", 0), &number.to_le_bytes(), &[]).unwrap();
    if number.is_multiple_of(3) {
        store.gc(None).unwrap();
    }
}

/// Checks all numbers; those below `acknowledged` must be there. Returns what is wrong.
fn wrong(store: &Store, acknowledged: u64, numbers: u64) -> Vec<String> {
    let mut wrong = Vec::new();
    for number in 0..numbers {
        let must = number < acknowledged;
        match store.get(Space::Traces, &name("record", number)) {
            Some(value) if value == record_value(number) => {}
            None if !must => {}
            found => wrong.push(format!("record {number}: {:?} bytes", found.map(|value| value.len()))),
        }
        match store.blob(&name("blob", number)) {
            Some(blob) if *blob == *blob_value(number) => {}
            None if !must => {}
            found => wrong.push(format!("blob {number}: {found:?}")),
        }
    }
    wrong
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "\n{line}").and_then(|()| out.flush()).unwrap();
}

/// The processes that are killed: started by the other tests, and nothing by itself.
#[test]
#[ignore = "run by the other tests of this module"]
fn child() {
    let Ok(dir) = env::var("EVERFRESH_CHILD_DIR") else { return };
    let dir = Path::new(&dir);
    let first: u64 = env::var("EVERFRESH_CHILD_FIRST").map_or(0, |first| first.parse().unwrap());
    match env::var("EVERFRESH_CHILD").unwrap().as_str() {
        "writer" => {
            let store = open(dir);
            for number in first..first + 12 {
                store_number(&store, number);
                say(&format!("ACK {number}"));
            }
            drop(store);
            say("DONE");
        }
        "reader" => {
            let store = open(dir);
            say("READY");
            let (mut sweeps, mut bad) = (0, Vec::new());
            while !dir.with_extension("stop").exists() {
                bad.extend(wrong(&store, 0, NUMBERS));
                sweeps += 1;
            }
            say(&format!("SWEEPS {sweeps} WRONG {bad:?}"));
        }
        "locker" => {
            let store = open(dir);
            let _lock = store.lock(&name("lock", 0), &|| false).unwrap();
            say("READY");
            loop {
                std::thread::park();
            }
        }
        role => panic!("{role}"),
    }
}

struct Process {
    child: Child,
    out: BufReader<ChildStdout>,
}

impl Process {
    fn start(role: &str, dir: &Path, first: u64, fault: &str) -> Self {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "disk::kill_tests::child", "--ignored", "--nocapture", "--test-threads=1"])
            .env("EVERFRESH_CHILD", role)
            .env("EVERFRESH_CHILD_DIR", dir)
            .env("EVERFRESH_CHILD_FIRST", first.to_string())
            .env("EVERFRESH_FAULT", fault)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        Self { child, out }
    }

    /// The next line that begins with one of the words.
    fn line(&mut self, words: &[&str]) -> String {
        let mut line = String::new();
        loop {
            line.clear();
            assert_ne!(self.out.read_line(&mut line).unwrap(), 0, "the process ended before it said any of {words:?}");
            if words.iter().any(|word| line.starts_with(word)) {
                return line.trim().to_owned();
            }
        }
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// Thirty writers are killed inside of one phase, each at another of its first `times` times; the first half of them
/// with two readers beside.
fn killed_in(phase: &str, times: u64) {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("cache");
    let mut readers = Vec::new();
    for _ in 0..2 {
        let mut reader = Process::start("reader", &dir, 0, "");
        reader.line(&["READY"]);
        readers.push(reader);
    }
    let (mut acknowledged, mut landed, mut sweeps) = (0, 0, 0);
    for round in 0..ROUNDS {
        if round == ROUNDS / 2 {
            std::fs::write(dir.with_extension("stop"), "").unwrap();
            for mut reader in readers.drain(..) {
                let line = reader.line(&["SWEEPS"]);
                assert!(line.ends_with("WRONG []"), "{line}");
                sweeps += line.split(' ').nth(1).unwrap().parse::<u64>().unwrap();
                reader.child.wait().unwrap();
            }
        }
        let count = 1 + round * 7 % times;
        let mut writer = Process::start("writer", &dir, acknowledged, &format!("{phase}:{count}"));
        loop {
            let line = writer.line(&["ACK", "AT", "DONE"]);
            match line.split_once(' ') {
                Some(("ACK", number)) => acknowledged = number.parse::<u64>().unwrap() + 1,
                Some(("AT", at)) => {
                    assert_eq!(at, phase);
                    landed += 1;
                    break;
                }
                _ => panic!("the writer never came to `{phase}`"),
            }
        }
        writer.kill();
        let store = open(&dir);
        assert_eq!(wrong(&store, acknowledged, acknowledged + 2), Vec::<String>::new(), "round {round}");
        store_number(&store, acknowledged);
        acknowledged += 1;
        drop(store);
    }
    let store = open(&dir);
    let report = store.verify().unwrap();
    assert_eq!(report.damaged, Vec::<String>::new());
    assert_eq!(landed, ROUNDS);
    assert!(sweeps > 0 && (ROUNDS..NUMBERS).contains(&acknowledged));
    println!(
        "{landed} kills landed in `{phase}`: {acknowledged} acknowledged, none lost; {sweeps} sweeps of readers, none wrong"
    );
}

macro_rules! killed_in {
    ($($test:ident: $phase:literal, $times:literal;)+) => {
        $(#[test]
        fn $test() {
            killed_in($phase, $times);
        })+
    };
}

killed_in! {
    nothing_is_lost_by_a_kill_while_a_blob_is_written: "blob-temporary", 16;
    nothing_is_lost_by_a_kill_before_a_blob_is_renamed: "blob-before-rename", 16;
    nothing_is_lost_by_a_kill_between_rename_and_commit: "blob-after-rename", 16;
    nothing_is_lost_by_a_kill_in_an_index_transaction: "index-transaction", 40;
    nothing_is_lost_by_a_kill_after_a_commit: "index-committed", 40;
    nothing_is_lost_by_a_kill_while_gc_removes_files: "gc-unlinked", 4;
    nothing_is_lost_by_a_kill_between_batches_of_gc: "gc-committed", 4;
    nothing_is_lost_by_a_kill_while_a_process_opens_the_cache: "opening", 1;
    nothing_is_lost_by_a_kill_while_a_process_closes_the_cache: "closing", 1;
}

#[test]
fn a_lock_is_exclusive_between_processes_and_dies_with_its_holder() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("cache");
    let mut holder = Process::start("locker", &dir, 0, "");
    holder.line(&["READY"]);
    let store = open(&dir);
    let key = name("lock", 0);
    assert!(store.try_lock(&key).unwrap().is_none());
    assert!(store.try_lock(&name("lock", 1)).unwrap().is_some());
    holder.kill();
    drop(store.lock(&key, &|| false).unwrap());
}
