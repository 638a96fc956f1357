//! Bits that are set in 32-bit numbers, from a table of all 16-bit numbers against computing them one by one.
//! `cargo run --release --example bit_count`

use everfresh::precomputed;
use std::{
    hint::black_box,
    io::{self, Write},
    time::{Duration, Instant},
};

/// The table is made on the first call.
#[precomputed(0..=65_535)]
fn ones(n: u32) -> u32 {
    one_by_one(n)
}

fn one_by_one(n: u32) -> u32 {
    (0..32).map(|bit| n >> bit & 1).sum()
}

fn by_halves(n: u32) -> u32 {
    ones(n >> 16) + ones(n & 0xffff)
}

/// Many numbers, well spread.
fn numbers() -> impl Iterator<Item = u32> {
    (0..200_000u32).map(|n| n.wrapping_mul(0x9e37_79b9))
}

fn timed(function: fn(u32) -> u32) -> (u64, Duration) {
    let start = Instant::now();
    let all = numbers().map(|n| u64::from(function(black_box(n)))).sum();
    (all, start.elapsed())
}

/// What the program prints, times aside.
pub fn run(out: &mut dyn Write) -> io::Result<(Duration, Duration)> {
    for n in [0, 1, 255, 65_535, 65_536, u32::MAX] {
        writeln!(out, "{n} has {} bits set", by_halves(n))?;
    }
    let ((looked_up, table), (computed, one_by_one)) = (timed(by_halves), timed(one_by_one));
    writeln!(out, "200000 numbers have {looked_up} bits set by the table and {computed} one by one")?;
    Ok((table, one_by_one))
}

#[allow(dead_code)]
fn main() -> io::Result<()> {
    let (table, one_by_one) = run(&mut io::stdout().lock())?;
    println!("the table took {table:?}, one by one {one_by_one:?}");
    Ok(())
}
