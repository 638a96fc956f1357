//! The caches, each filled with all keys, so that every lookup hits.

use crate::{rounds::Contender, traces::zipf};
use everfresh::memory::{Cache, Policy};
use std::{
    hint::black_box,
    num::NonZero,
    sync::{LazyLock, Mutex},
    time::Duration,
};

const DISTINCT: usize = 10_000;
/// Twice the keys: a cache that is cut into shards has room for all of them too.
const CAPACITY: usize = 2 * DISTINCT;
const TTL: Duration = Duration::from_secs(3600);

static KEYS: LazyLock<Vec<u64>> = LazyLock::new(|| zipf(DISTINCT, 1.0, 1 << 18, 1));

fn value(key: u64) -> u64 {
    key.rotate_left(7)
}

/// A contender that looks every key up; the threads begin at different ones.
fn lookups(name: &'static str, get: impl Fn(u64) -> Option<u64> + Sync + 'static) -> Contender {
    let work = move |thread: usize| {
        let (before, after) = KEYS.split_at(thread * 12_345 % KEYS.len());
        let found = after.iter().chain(before).map(|key| match get(black_box(*key)) {
            Some(value) => value,
            None => unreachable!("all keys are there"),
        });
        found.fold(0, u64::wrapping_add)
    };
    Contender { name, work: Box::new(work), operations: KEYS.len() }
}

fn everfresh(name: &'static str, cache: Cache<u64, u64>) -> Contender {
    KEYS.iter().for_each(|key| assert!(cache.insert(*key, value(*key)).is_ok()));
    lookups(name, move |key| cache.get(&key))
}

/// Caches by their own interface.
pub fn hits() -> Vec<Contender> {
    let quick = quick_cache::sync::Cache::new(CAPACITY);
    let moka = moka::sync::Cache::new(CAPACITY as u64);
    let lru = Mutex::new(lru::LruCache::new(NonZero::new(CAPACITY).unwrap_or(NonZero::<usize>::MIN)));
    for key in KEYS.iter() {
        quick.insert(*key, value(*key));
        moka.insert(*key, value(*key));
        if let Ok(mut lru) = lru.lock() {
            lru.put(*key, value(*key));
        }
    }
    vec![
        lookups("quick_cache", move |key| quick.get(&key)),
        everfresh("everfresh Cache", Cache::new(CAPACITY)),
        everfresh("everfresh Cache, lru", Cache::builder().max_entries(CAPACITY).policy(Policy::Lru).build()),
        lookups("moka", move |key| moka.get(&key)),
        lookups("lru, in a mutex", move |key| lru.lock().ok()?.get(&key).copied()),
    ]
}

/// With and without a time to live.
pub fn with_ttl() -> Vec<Contender> {
    vec![
        everfresh("everfresh Cache", Cache::new(CAPACITY)),
        everfresh("everfresh Cache with ttl", Cache::builder().max_entries(CAPACITY).ttl(TTL).build()),
    ]
}

#[everfresh::cached(max_entries = CAPACITY)]
fn by_everfresh(key: u64) -> u64 {
    value(key)
}

#[cached::macros::cached(max_size = 20_000)]
fn by_cached(key: u64) -> u64 {
    value(key)
}

#[memoize::memoize(SharedCache, Capacity: 20_000)]
fn by_memoize(key: u64) -> u64 {
    value(key)
}

/// Functions with an attribute.
pub fn decorated() -> Vec<Contender> {
    let function = |name, function: fn(u64) -> u64| {
        KEYS.iter().for_each(|key| assert_eq!(function(*key), value(*key)));
        lookups(name, move |key| Some(function(key)))
    };
    vec![function("cached", by_cached), function("everfresh #[cached]", by_everfresh), function("memoize", by_memoize)]
}

#[everfresh::precomputed(0..=65_535)]
fn ones(n: u32) -> u32 {
    n.count_ones()
}

#[everfresh::precomputed(0..=65_535)]
const fn constant_ones(n: u32) -> u32 {
    n.count_ones()
}

/// A table against indexing a slice by hand, range check included.
pub fn tables() -> Vec<Contender> {
    static TABLE: LazyLock<Vec<u32>> = LazyLock::new(|| (0..65_536u32).map(u32::count_ones).collect());
    let table: &'static [u32] = &TABLE;
    let looks = |name, look: Box<dyn Fn(&[u32]) -> u64 + Sync>| {
        let numbers: Vec<u32> = (0..1 << 18).map(|n: u32| n.wrapping_mul(0x9e37_79b9) >> 16).collect();
        let operations = numbers.len();
        Contender { name, work: Box::new(move |_| look(&numbers)), operations }
    };
    // Each loop is written out, so that the look is inlined as it would be in a program.
    vec![
        looks(
            "slice, by hand",
            Box::new(move |numbers| {
                let look = |n: u32| table.get(n as usize).copied().unwrap_or_else(|| n.count_ones());
                numbers.iter().map(|n| u64::from(look(black_box(*n)))).sum()
            }),
        ),
        looks(
            "everfresh #[precomputed]",
            Box::new(|numbers| numbers.iter().map(|n| u64::from(ones(black_box(*n)))).sum()),
        ),
        looks(
            "everfresh #[precomputed] const",
            Box::new(|numbers| numbers.iter().map(|n| u64::from(constant_ones(black_box(*n)))).sum()),
        ),
    ]
}
