//! Methods that `#[cached]` cannot work on.

use everfresh::{cached, memory::Cache};

struct Foo {
    results: Cache<(u32,), u32>,
}

#[cached]
impl Foo {
    #[cached]
    fn nowhere(&self, a: u32) -> u32 { a }

    #[cached(field = results, shared)]
    fn both(&self, a: u32) -> u32 { a }

    #[cached(field = results, max_entries = 5, ttl = "5m")]
    fn bounds(&self, a: u32) -> u32 { a }

    #[cached(field = results, cache_err = "5m")]
    fn kept(&self, a: u32) -> Result<u32, u32> { Ok(a) }

    #[cached(field = results)]
    fn without_self(a: u32) -> u32 { a }

    #[cached(field = results)]
    fn by_value(self, a: u32) -> u32 { a }

    #[cached(shared)]
    fn mutable(&mut self, a: u32) -> u32 { a }

    #[cached(shared)]
    fn generic<T>(&self, a: T) -> u32 { 1 }

    #[cached(field = results, tll = "5m")]
    fn unknown(&self, a: u32) -> u32 { a }

    #[cached(field = results, store)]
    fn traced(&self, a: u32) -> u32 { a }

    #[cached(field = results, stale = "1h", ttl = "1m")]
    fn aging(&self, a: u32) -> u32 { a }

    #[cached = "results"]
    fn value(&self, a: u32) -> u32 { a }
}

#[cached]
impl Foo {
    fn none(&self, a: u32) -> u32 { a }
}

#[cached(max_entries = 5)]
impl Foo {
    #[cached(shared)]
    fn options_above(&self, a: u32) -> u32 { a }
}

#[cached]
impl Clone for Foo {
    #[cached(field = results)]
    fn clone(&self) -> Self { loop {} }
}

fn main() {}
