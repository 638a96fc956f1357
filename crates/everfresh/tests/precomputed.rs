//! `#[precomputed]`, as a user writes it.
#![cfg(feature = "macros")]
#![allow(clippy::unwrap_used)]
#![deny(missing_docs, unused, unreachable_pub)]

use everfresh::{precomputed, precomputed::Domain};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        LazyLock,
        atomic::{AtomicU32, Ordering},
    },
};

static COUNTED: AtomicU32 = AtomicU32::new(0);

#[precomputed(0..=65_535)]
fn ones(n: u32) -> u32 {
    COUNTED.fetch_add(1, Ordering::Relaxed);
    n.count_ones()
}

#[test]
fn a_table_is_computed_once_and_the_function_runs_outside_it() {
    assert_eq!((ones(0), ones(65_535), ones(7)), (0, 16, 3));
    assert_eq!(COUNTED.load(Ordering::Relaxed), 65_536);
    assert_eq!((ones(65_536), ones(u32::MAX)), (1, 32));
    assert_eq!(COUNTED.load(Ordering::Relaxed), 65_538);
}

const LAST: i8 = 5;

#[precomputed(-3..=LAST, 1_000_000_000_000..1_000_000_000_004)]
const fn sum(a: i8, b: u64) -> i128 {
    a as i128 + b as i128
}

#[test]
fn a_constant_function_stays_constant_and_every_cell_is_its_own() {
    const SUM: i128 = sum(-3, 1_000_000_000_003);
    assert_eq!(SUM, 1_000_000_000_000);
    for a in i8::MIN..=i8::MAX {
        for b in (999_999_999_998..1_000_000_000_006).chain([0, u64::MAX]) {
            assert_eq!(sum(a, b), i128::from(a) + i128::from(b));
        }
    }
}

#[precomputed(0..=20)]
fn factorial(n: u64) -> u64 {
    if n < 2 { 1 } else { n * factorial(n - 1) }
}

#[test]
fn a_recursive_function_fills_its_table() {
    assert_eq!((factorial(20), factorial(0)), (2_432_902_008_176_640_000, 1));
}

#[derive(Clone, Copy, Debug, PartialEq, Domain)]
enum Color {
    Red,
    Green = 70,
    Blue = -1,
}

static COLORS: AtomicU32 = AtomicU32::new(0);

#[precomputed(Color, 0..=9, bool)]
fn paint(color: Color, layers: u8, dry: bool) -> (Color, u8, bool) {
    COLORS.fetch_add(1, Ordering::Relaxed);
    (color, layers, dry)
}

#[test]
fn a_type_stands_for_all_its_values() {
    for color in [Color::Blue, Color::Green, Color::Red] {
        for layers in 0..10 {
            assert_eq!(
                [true, false].map(|dry| paint(color, layers, dry)),
                [(color, layers, true), (color, layers, false)]
            );
        }
    }
    assert_eq!(COLORS.load(Ordering::Relaxed), 60);
    assert_eq!((paint(Color::Red, 10, true), COLORS.load(Ordering::Relaxed)), ((Color::Red, 10, true), 61));
}

#[precomputed(Color, bool, i8)]
const fn code(color: Color, sign: bool, shift: i8) -> i32 {
    let code = color as i32 + shift as i32;
    if sign { -code } else { code }
}

#[test]
fn a_constant_function_takes_types_too() {
    const CODE: i32 = code(Color::Green, true, -128);
    assert_eq!((CODE, code(Color::Blue, false, 127), code(Color::Red, true, 1)), (58, 126, -1));
}

#[precomputed('\u{d000}'..='\u{f000}', u8)]
fn letter(letter: char, times: u8) -> u32 {
    u32::from(letter) * u32::from(times)
}

#[precomputed('a'..'f')]
const fn upper(letter: char) -> char {
    letter.to_ascii_uppercase()
}

#[test]
fn a_range_of_letters_has_a_gap_where_there_are_none() {
    for (found, times) in
        ['\u{cfff}', '\u{d000}', '\u{d7ff}', '\u{e000}', '\u{f000}', '\u{f001}', 'a'].into_iter().zip(0..)
    {
        assert_eq!(letter(found, times), u32::from(found) * u32::from(times));
    }
    assert_eq!(['a', 'e', 'f', 'é'].map(upper), ['A', 'E', 'F', 'é']);
}

macro_rules! results_of {
    ($($name:ident: $kind:ty = $of:expr;)*) => {$(
        #[precomputed(u8)]
        fn $name(n: u8) -> $kind {
            let of: fn(u8) -> $kind = $of;
            of(n)
        }
    )*};
}

results_of! {
    bytes: u8 = |n| n;
    signed: i16 = |n| i16::from(n) - 128;
    large: u64 = |n| u64::MAX - u64::from(n);
    parts: f64 = |n| 1.0 / f64::from(n);
    flags: bool = |n| n % 3 == 0;
    letters: char = char::from;
    wide: u128 = |n| 1 << (n % 128);
    options: Option<u8> = |n| n.checked_sub(100);
}

#[test]
fn every_result_is_what_the_function_gives() {
    for n in 0..=u8::MAX {
        assert_eq!((bytes(n), signed(n), large(n)), (n, i16::from(n) - 128, u64::MAX - u64::from(n)));
        assert_eq!((parts(n), flags(n), letters(n)), (1.0 / f64::from(n), n % 3 == 0, char::from(n)));
        assert_eq!((wide(n), options(n)), (1 << (n % 128), n.checked_sub(100)));
    }
}

/// Where the tables of this process are: in the folder that the test names.
static FOLDER: LazyLock<PathBuf> =
    LazyLock::new(|| std::env::var_os("EVERFRESH_TEST_TABLES").unwrap_or("no such folder".into()).into());
static SQUARED: AtomicU32 = AtomicU32::new(0);

#[precomputed(-500..500, file = FOLDER.join("squares"))]
fn square(n: i32) -> i64 {
    SQUARED.fetch_add(1, Ordering::Relaxed);
    i64::from(n) * i64::from(n)
}

#[precomputed(bool, bool, file = FOLDER.join("ands"), version = 3)]
fn and(a: bool, b: bool) -> bool {
    SQUARED.fetch_add(1, Ordering::Relaxed);
    a && b
}

/// Runs in a process of its own, for the test below.
#[test]
#[ignore = "is run by the test of stored tables"]
fn calls_of_this_process() {
    assert_eq!(
        (square(-500), square(499), square(500), and(true, true), and(true, false)),
        (250_000, 249_001, 250_000, true, false)
    );
    println!("calls: {}", SQUARED.load(Ordering::Relaxed));
}

#[test]
fn a_stored_table_is_mapped_by_the_next_process() {
    let folder = tempfile::tempdir().unwrap();
    let calls = |folder: &Path| {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "calls_of_this_process", "--nocapture"])
            .env("EVERFRESH_TEST_TABLES", folder)
            .output()
            .unwrap();
        let output = String::from_utf8(output.stdout).unwrap();
        let (_, calls) = output.split_once("calls: ").unwrap();
        calls.lines().next().unwrap().parse::<u32>().unwrap()
    };
    // One is outside the range.
    assert_eq!([calls(folder.path()), calls(folder.path())], [1005, 1]);
    let table = folder.path().join("squares");
    let mut damaged = fs::read(&table).unwrap();
    *damaged.last_mut().unwrap() ^= 1;
    fs::write(&table, damaged).unwrap();
    assert_eq!([calls(folder.path()), calls(folder.path())], [1001, 1]);
    assert_eq!(calls(&folder.path().join("no such folder")), 1005);
}

#[test]
fn functions_that_call_each_other_do_not_wait_for_each_other() {
    #[precomputed(0..=50)]
    fn is_even(n: u8) -> bool {
        n == 0 || is_odd(n - 1)
    }
    #[precomputed(0..=50)]
    fn is_odd(n: u8) -> bool {
        n != 0 && is_even(n - 1)
    }
    #[precomputed(0..=5)]
    fn words(n: u8) -> &'static str {
        if n < 2 { "few" } else { back(n) }
    }
    fn back(n: u8) -> &'static str {
        words(n - 1)
    }
    assert!((0..=60).all(|n| is_even(n) == (n % 2 == 0) && is_odd(n) == (n % 2 == 1)));
    assert_eq!(words(5), "few");
}
