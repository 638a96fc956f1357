//! Fibonacci numbers by their definition: without a cache the calls grow as the numbers do, with one each number is
//! computed once. `cargo run --example fibonacci`

use everfresh::cached;
use std::{
    cell::Cell,
    io::{self, Write},
};

thread_local! {
    static CALLS: Cell<u64> = const { Cell::new(0) };
}

fn plain(n: u64) -> u64 {
    CALLS.set(CALLS.get() + 1);
    if n < 2 { n } else { plain(n - 1) + plain(n - 2) }
}

#[cached]
fn fib(n: u64) -> u64 {
    CALLS.set(CALLS.get() + 1);
    if n < 2 { n } else { fib(n - 1) + fib(n - 2) }
}

/// The value of a function, and how often it was called.
fn counted(function: fn(u64) -> u64, n: u64) -> (u64, u64) {
    CALLS.set(0);
    (function(n), CALLS.get())
}

/// What the program prints.
pub fn run(out: &mut dyn Write) -> io::Result<()> {
    for n in [10, 20, 25] {
        fib::cache_clear();
        let ((value, without), (_, with)) = (counted(plain, n), counted(fib, n));
        writeln!(out, "fib({n}) = {value}: {without} calls without a cache, {with} with one")?;
    }
    fib::cache_clear();
    let (value, calls) = counted(fib, 90);
    writeln!(out, "fib(90) = {value}: {calls} calls")?;
    let info = fib::cache_info();
    writeln!(out, "the cache: {} hits, {} misses, {} entries", info.hits, info.misses, info.entries)
}

#[allow(dead_code)]
fn main() -> io::Result<()> {
    run(&mut io::stdout().lock())
}
