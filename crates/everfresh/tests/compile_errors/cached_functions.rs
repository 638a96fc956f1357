//! Items that `#[cached]` cannot work on.

use everfresh::cached;

struct Foo;

impl Foo {
    #[cached]
    fn method(&self, a: u32) -> u32 { a }
}

#[cached]
const fn constant(a: u32) -> u32 { a }

#[cached]
unsafe extern "C" fn variadic(a: u32, more: ...) -> u32 { a }

#[cached]
fn cow(a: std::borrow::Cow<'_, str>) -> u32 { 1 }

#[cached]
fn within(a: Option<&str>) -> u32 { 1 }

#[cached]
fn mutable(a: &mut u32) -> u32 { 1 }

#[cached]
fn closure(a: impl Fn()) -> u32 { 1 }

#[cached]
fn reference(a: &str) -> &str { a }

#[cached]
fn reference_within(a: &str) -> Option<&str> { None }

#[cached]
fn unnamed(a: u32) -> impl Iterator<Item = u32> { 0..a }

#[cached]
fn in_some_builds(a: u32, #[cfg(unix)] b: u32) -> u32 { a }

#[cached]
static NUMBER: u32 = 5;

#[cached]
fn hidden(a: u32) -> std::fmt::Result { if a == 0 { Err(std::fmt::Error) } else { Ok(()) } }

fn main() {}
