//! The examples print what is written beside them.
#![cfg(feature = "macros")]
#![allow(missing_docs, clippy::unwrap_used)]

use std::io::Write;

#[path = "../../../examples/bit_count/main.rs"]
mod bit_count;
#[path = "../../../examples/fibonacci/main.rs"]
mod fibonacci;

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
