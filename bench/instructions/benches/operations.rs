//! One benchmark for each way through the memory tier, each of 1,000 operations.
//!
//! Gungraun counts what runs inside of a benchmark's function, the loop and its `black_box` included; what stands in the
//! brackets of `#[bench]` runs before, and what is leaked there is not dropped in the count. Caches have a fixed hasher,
//! but for those of `#[cached]` and `Memo`, where few keys keep the counts close together. All have one shard, on any
//! machine.

use everfresh::{
    Memo, cached,
    memory::{Cache, CacheBuilder, Policy},
    precomputed,
};
use foldhash::fast::FixedState;
use gungraun::{Callgrind, prelude::*};
use std::{hint::black_box, time::Duration};

/// `cargo xtask bench instructions` divides by it.
const OPERATIONS: u64 = 1_000;
/// In the caches with a fixed hasher, which are full.
const KEYS: u64 = 500;
/// In the others, which have room for 128.
const FEW_KEYS: u64 = 50;

type Numbers = &'static Cache<u64, u64, FixedState>;
type Texts = &'static Cache<String, u64, FixedState>;
type Keys<K = u64> = &'static [K];

/// One for each operation.
fn keys<K>(distinct: u64, key: impl Fn(u64) -> K) -> Keys<K> {
    (0..OPERATIONS).map(|n| key(n % distinct)).collect::<Vec<_>>().leak()
}

fn text(key: u64) -> String {
    format!("station {key:03}")
}

fn leaked<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

fn numbers(settings: impl FnOnce(CacheBuilder<u64, u64>) -> CacheBuilder<u64, u64>) -> (Numbers, Keys) {
    let cache = settings(Cache::builder().max_entries(KEYS as usize)).hasher(FixedState::default()).build();
    (0..KEYS).for_each(|key| assert_eq!(cache.insert(key, key), Ok(())));
    (leaked(cache), keys(KEYS, |key| key))
}

fn numbers_and_other_keys() -> (Numbers, Keys) {
    (numbers(|cache| cache).0, keys(OPERATIONS, |key| KEYS + key))
}

fn texts() -> (Texts, Keys<String>) {
    let cache = Cache::builder().max_entries(KEYS as usize).hasher(FixedState::default()).build();
    (0..KEYS).for_each(|key| assert_eq!(cache.insert(text(key), key), Ok(())));
    (leaked(cache), keys(KEYS, text))
}

fn each<K>(keys: &[K], operation: impl Fn(&K) -> u64) -> u64 {
    keys.iter().fold(0, |sum, key| sum.wrapping_add(operation(black_box(key))))
}

#[library_benchmark]
#[bench::hit(numbers(|cache| cache))]
#[bench::hit_with_ttl(numbers(|cache| cache.ttl(Duration::from_secs(3_600))))]
#[bench::hit_with_lru(numbers(|cache| cache.policy(Policy::Lru)))]
fn get((cache, keys): (Numbers, Keys)) -> u64 {
    each(keys, |key| cache.get(key).unwrap_or_else(|| unreachable!("all keys are there")))
}

#[library_benchmark]
#[bench::hit(texts())]
fn get_by_str((cache, keys): (Texts, Keys<String>)) -> u64 {
    each(keys, |key| cache.get(key.as_str()).unwrap_or_else(|| unreachable!("all keys are there")))
}

#[library_benchmark]
#[bench::miss(numbers_and_other_keys())]
fn get_none((cache, keys): (Numbers, Keys)) -> u64 {
    each(keys, |key| cache.get(key).map_or(0, |_| unreachable!("no key is there")))
}

#[library_benchmark]
#[bench::hit(numbers(|cache| cache))]
fn get_or_compute((cache, keys): (Numbers, Keys)) -> u64 {
    each(keys, |key| cache.get_or_compute(key, || unreachable!("all keys are there")))
}

#[library_benchmark]
#[bench::that_evicts(numbers_and_other_keys())]
fn insert((cache, keys): (Numbers, Keys)) -> u64 {
    each(keys, |key| cache.insert(*key, *key).map_or_else(|_| unreachable!("nothing is refused"), |()| 1))
}

#[cached]
fn number(key: u64) -> u64 {
    key.rotate_left(7)
}

fn called_with_numbers() -> Keys {
    let keys = keys(FEW_KEYS, |key| key);
    each(keys, |key| number(*key));
    keys
}

#[library_benchmark]
#[bench::hit(called_with_numbers())]
fn cached_by_u64(keys: Keys) -> u64 {
    each(keys, |key| number(*key))
}

#[cached]
fn length(text: &str) -> u64 {
    text.len() as u64
}

fn called_with_texts() -> Keys<String> {
    let keys = keys(FEW_KEYS, text);
    each(keys, |key| length(key));
    keys
}

#[library_benchmark]
#[bench::hit(called_with_texts())]
fn cached_by_str(keys: Keys<String>) -> u64 {
    each(keys, |key| length(key))
}

#[precomputed(0..1_000)]
fn ones(n: u64) -> u64 {
    u64::from(n.count_ones())
}

fn table() -> Keys {
    ones(0);
    keys(OPERATIONS, |key| key)
}

#[library_benchmark]
#[bench::look(table())]
fn precomputed_lazily(keys: Keys) -> u64 {
    each(keys, |key| ones(*key))
}

#[precomputed(0..1_000)]
const fn constant_ones(n: u64) -> u64 {
    n.count_ones() as u64
}

#[library_benchmark]
#[bench::look(keys(OPERATIONS, |key| key))]
fn precomputed_const(keys: Keys) -> u64 {
    each(keys, |key| constant_ones(*key))
}

fn memo_of_numbers() -> (&'static Memo<u64>, Keys) {
    let (memo, keys) = (leaked(Memo::builder("number").build()), keys(FEW_KEYS, |key| key));
    each(keys, |key| memo.get_or_compute(key, || *key));
    (memo, keys)
}

#[library_benchmark]
#[bench::hit(memo_of_numbers())]
fn memo((memo, keys): (&'static Memo<u64>, Keys)) -> u64 {
    each(keys, |key| memo.get_or_compute(key, || unreachable!("all keys are there")))
}

library_benchmark_group!(
    name = operations,
    benchmarks = [
        get,
        get_by_str,
        get_none,
        get_or_compute,
        insert,
        cached_by_u64,
        cached_by_str,
        precomputed_lazily,
        precomputed_const,
        memo,
    ]
);

main!(
    // Without a simulation of the processor's caches: only instructions are looked at.
    config = LibraryBenchmarkConfig::default().tool(Callgrind::with_args(["--cache-sim=no"]));
    library_benchmark_groups = operations
);
