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

#[derive(Clone)]
struct Opaque;

#[cached(max_bytes = "64MB")]
fn weigher(a: u32) -> Result<Opaque, Opaque> { Ok(Opaque) }

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

#[cached(stale = "1h")]
fn no_ttl(a: u32) -> u32 { a }

#[cached(ttl = "1m", refresh_ahead = 1.5)]
fn ahead(a: u32) -> u32 { a }

#[cached(verify = 1)]
fn verified(a: u32) -> u32 { a }

#[cached(depends = fil(a))]
fn kind(a: &str) -> u32 { 1 }

#[cached(depends = http(a))]
fn other_kind(a: &str) -> u32 { 1 }

#[cached(depends = [file(a), dir(a, a)])]
fn two(a: &str) -> u32 { 1 }

#[cached(depends = a)]
fn bare(a: &str) -> u32 { 1 }

#[cached(depends = file(a))]
fn no_path(a: bool) -> u32 { 1 }

#[cached(version = 1, max_bytes = "1MB")]
fn weightless(a: u32) -> Opaque { Opaque }

#[cached(stale = "1h", depends = file(a))]
fn no_ttl_traces(a: &str) -> u32 { 1 }

#[cached(version = 1, cache_err = "5s")]
fn no_result_traces(a: u32) -> u32 { a }

#[cached(version = "1")]
fn version(a: u32) -> u32 { a }

#[cached(store = 5)]
fn no_store(a: u32) -> u32 { a }

#[cached(version = 1)]
fn mutable(a: &mut u32) -> u32 { *a }

#[cached(ttl = "1m", stale = "1h", spawn = spawn)]
fn plain(a: u32) -> u32 { a }

#[cached(ttl = "1m", spawn = spawn)]
async fn ageless(a: u32) -> u32 { a }

#[cached(ttl = "1m", stale = "1h", spawn = spawn)]
async fn as_ref(a: impl AsRef<str>) -> u32 { 1 }

#[cached(ttl = "1m", stale = "1h", ignore = [a], spawn = spawn)]
async fn borrows(a: Option<&str>) -> u32 { 1 }

#[cached(ttl = "1m", stale = "1h", spawn = spawn)]
async fn lifetime<'a>(a: &'a str) -> u32 { 1 }

fn main() {}
