//! What `#[precomputed]` and `#[derive(Domain)]` cannot work on.

use everfresh::{precomputed, precomputed::Domain};

#[precomputed(0..)]
fn without_end(a: u8) -> u8 { a }

#[precomputed(5)]
fn no_range(a: u8) -> u8 { a }

#[precomputed(0..2)]
fn one_of_two(a: u8, b: u8) -> u8 { a }

#[precomputed]
fn none() -> u8 { 1 }

#[precomputed(0..2)]
fn float(a: f32) -> f32 { a }

#[precomputed(0..2)]
fn wide(a: u128) -> u8 { 0 }

#[precomputed(0..2)]
async fn later(a: u8) -> u8 { a }

#[precomputed(0..2)]
unsafe fn unsound(a: u8) -> u8 { a }

#[precomputed(0..2)]
fn nothing(a: u8) { }

#[precomputed(0..2)]
fn generic<T>(a: u8) -> u8 { a }

#[precomputed(0..2, size = 5)]
fn unknown(a: u8) -> u8 { a }

#[precomputed(0..2, version = 5)]
fn version(a: u8) -> u8 { a }

#[precomputed(0..2, file = "a", file = "b")]
fn twice(a: u8) -> u8 { a }

#[precomputed(0..2, file = "a")]
const fn constant(a: u8) -> u8 { a }

#[precomputed(0..2, file = "a")]
fn no_number(a: u8) -> Option<u8> { Some(a) }

struct Foo;

impl Foo {
    #[precomputed(0..2)]
    fn method(&self, a: u8) -> u8 { a }
}

#[derive(Clone, Copy, Domain)]
enum WithFields {
    One,
    Two(u32),
    Three { four: u32 },
}

#[derive(Clone, Copy, Domain)]
enum Never {}

#[derive(Clone, Copy, Domain)]
struct Number(u8);

fn main() {}
