//! Options of `#[cached]` that are wrong.

use everfresh::cached;

#[cached(tll = "5m")]
fn near(a: u32) -> u32 { a }

#[cached(size = 5)]
fn far(a: u32) -> u32 { a }

#[cached(policy = lru2)]
fn policy(a: u32) -> u32 { a }

#[cached(ttl = "5m", ttl = "6m")]
fn twice(a: u32) -> u32 { a }

#[cached(ttl = "5 parsecs")]
fn duration(a: u32) -> u32 { a }

#[cached(ttl = "1e300d")]
fn long(a: u32) -> u32 { a }

#[cached(ttl = 5)]
fn number(a: u32) -> u32 { a }

#[cached(max_bytes = "64 pounds", weigher = |_, _| 1)]
fn size(a: u32) -> u32 { a }

#[cached(max_bytes = "64MB")]
fn weigher(a: u32) -> u32 { a }

#[cached(jitter = 1.5)]
fn jitter(a: u32) -> u32 { a }

#[cached(ignore = [b])]
fn ignored(a: u32) -> u32 { a }

#[cached(key = a)]
fn key(a: u32) -> u32 { a }

#[cached(cache_err)]
fn no_result(a: u32) -> u32 { a }

#[cached(cache_err)]
fn option(a: u32) -> Option<u32> { Some(a) }

#[cached(cache_none = "5s")]
fn no_option(a: u32) -> u32 { a }

#[cached(field = results)]
fn field(a: u32) -> u32 { a }

#[cached(shared)]
fn shared(a: u32) -> u32 { a }

fn main() {}
