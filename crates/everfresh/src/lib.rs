//! The engine of Everfresh: *computed once, never stale*.
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`fingerprint`] | BLAKE3-256 content hashes, typed and length-prefixed |
//! | `table` | fingerprints of Arrow tables, one a column (feature `arrow`) |
//! | [`codec`] | one typed, self-describing encoding of values: fingerprints of arguments, stored results |
//! | [`file`](mod@file) | what a file looked like when it was read, and whether it still does |
//! | [`observation`] | one thing that a computation read, with what it saw |
//! | [`trace`] | the observations of one computation, and what came out |
//! | [`fs`], [`env`](mod@env) | reading files and variables so that a cached computation knows of it |
//! | [`observe`] | telling it what is read by other means |
//! | [`memo`] | results of functions with their traces, in memory and on disk |
//! | [`memory`] | the memory tier: a bounded cache of one process, each value computed once |
//! | [`precomputed`](mod@precomputed) | tables of results: their domains, and those that lie in files |
//! | [`disk`] | the disk tier: index, blobs, locks, `gc`, `verify` |
//!
//! `#[cached]` and `#[precomputed]` (feature `macros`, on by default) are how functions use the memory tier.
//!
//! A stored result is served only if every observation made while it was computed still holds.

mod build_id;
pub mod codec;
pub mod disk;
pub mod env;
#[cfg(test)]
mod executor;
pub mod file;
pub mod fingerprint;
pub mod fs;
pub mod memo;
pub mod memory;
pub mod observation;
pub mod observe;
pub mod precomputed;
mod recording;
#[cfg(feature = "arrow")]
pub mod table;
pub mod trace;

pub use build_id::build_id;
pub use fingerprint::{Fingerprint, FingerprintBuilder};
pub use memo::Memo;
pub use recording::Context;

/// ```
/// use everfresh::cached;
///
/// #[cached]
/// fn fib(n: u64) -> u64 {
///     if n < 2 { n } else { fib(n - 1) + fib(n - 2) }
/// }
///
/// assert_eq!(fib(50), 12_586_269_025);
/// assert_eq!(fib::cache_info().loads, 51);
/// ```
///
/// Old results are served while a thread computes the next one:
///
/// ```
/// use everfresh::{cached, memory::ManualClock};
/// use std::{sync::{Arc, LazyLock}, time::Duration};
///
/// static CLOCK: LazyLock<Arc<ManualClock>> = LazyLock::new(Arc::default);
///
/// #[cached(ttl = "5m", stale = "1h", clock = CLOCK.clone())]
/// fn rate(currency: &str) -> (usize, Duration) {
///     (currency.len(), everfresh::memory::Clock::now(&**CLOCK))
/// }
///
/// assert_eq!(rate("EUR"), (3, Duration::ZERO));
/// CLOCK.advance(Duration::from_secs(300));
/// assert_eq!(rate("EUR"), (3, Duration::ZERO));
/// while rate("EUR") != (3, Duration::from_secs(300)) {
///     std::thread::yield_now();
/// }
/// ```
///
/// With traces, a result is served only while all that it was made from is unchanged:
///
/// ```
/// use everfresh::cached;
/// use std::{fs, io, path::Path};
///
/// #[cached(depends = file(list), version = 1)]
/// fn longest(list: &Path) -> io::Result<usize> {
///     Ok(fs::read_to_string(list)?.lines().map(str::len).max().unwrap_or(0))
/// }
///
/// # let folder = tempfile::tempdir()?;
/// # let list = folder.path().join("words");
/// fs::write(&list, "a\nab")?;
/// assert_eq!((longest(&list)?, longest(&list)?, longest::cache_info().loads), (2, 2, 1));
/// fs::write(&list, "a\nabc")?;
/// assert_eq!(longest::explain(&list).to_string(), format!("miss: the file `{}` changed", list.display()));
/// assert_eq!(longest(&list)?, 3);
/// # Ok::<_, io::Error>(())
/// ```
///
/// Only its time may be over, if that is said, never what it was made from; and a refresh that fails loses nothing:
///
/// ```
/// use everfresh::{cached, memory::ManualClock};
/// use std::{fs, io, path::Path, sync::{Arc, LazyLock}, time::Duration};
///
/// static CLOCK: LazyLock<Arc<ManualClock>> = LazyLock::new(Arc::default);
///
/// #[cached(depends = file(rates), version = 1, ttl = "5m", stale = "1h", clock = CLOCK.clone(), ignore = [server])]
/// fn price(rates: &Path, server: Result<u32, &'static str>) -> Result<u32, &'static str> {
///     Ok(server? * fs::read(rates).map_err(|_| "no rates")?.len() as u32)
/// }
///
/// # let folder = tempfile::tempdir()?;
/// # let rates = folder.path().join("rates");
/// fs::write(&rates, "12")?;
/// assert_eq!((price(&rates, Ok(3)), price::refresh(&rates, Err("down")), price(&rates, Ok(4))), (Ok(6), Ok(6), Ok(6)));
/// CLOCK.advance(Duration::from_secs(300));
/// assert_eq!(price(&rates, Err("down")), Ok(6));
/// fs::write(&rates, "1234")?;
/// assert_eq!(price(&rates, Err("down")), Err("down"));
/// # Ok::<_, io::Error>(())
/// ```
///
/// `store` keeps them for other processes too:
///
/// ```no_run
/// # use everfresh::cached;
/// #[cached(store, version = 2)]
/// fn factors(number: u64) -> Vec<u64> {
///     (2..=number).filter(|divisor| number.is_multiple_of(*divisor)).collect()
/// }
///
/// println!("{:?}", factors(1_000_003));
/// ```
#[cfg(feature = "macros")]
pub use everfresh_macros::cached;
/// ```
/// use everfresh::precomputed;
///
/// #[precomputed(0..=65_535)]
/// fn ones(n: u32) -> u32 {
///     n.count_ones()
/// }
///
/// assert_eq!((ones(255), ones(u32::MAX)), (8, 32));
///
/// #[precomputed(0..=9, -2..2)]
/// const fn product(a: u8, b: i32) -> i32 {
///     a as i32 * b
/// }
///
/// assert_eq!((product(9, -2), product(9, 1), product(10, 10)), (-18, 9, 100));
///
/// #[derive(Clone, Copy, everfresh::precomputed::Domain)]
/// enum Suit {
///     Hearts,
///     Spades,
/// }
///
/// #[precomputed(Suit, 'a'..='z', bool)]
/// fn name(suit: Suit, letter: char, loud: bool) -> char {
///     let letter = if matches!(suit, Suit::Spades) { letter } else { 'h' };
///     if loud { letter.to_ascii_uppercase() } else { letter }
/// }
///
/// assert_eq!((name(Suit::Hearts, 'x', true), name(Suit::Spades, 's', false)), ('H', 's'));
/// ```
///
/// A range without values does not compile, nor does a table of more than 1 GiB:
///
/// ```compile_fail
/// #[everfresh::precomputed(5..5)]
/// fn empty(n: u8) -> u8 { n }
/// ```
///
/// ```compile_fail
/// #[everfresh::precomputed(0..=u32::MAX)]
/// fn large(n: u32) -> u64 { n.into() }
/// ```
#[cfg(feature = "macros")]
pub use everfresh_macros::precomputed;
