//! Caches that play a trace, each as a user gets it.

use everfresh::memory::{Cache, Policy};
use foyer_memory::{CacheBuilder, CacheProperties, EvictionConfig, LfuConfig, S3FifoConfig, SieveConfig};
use std::num::NonZero;

/// Looks a key up, and puts it in after a miss. Whether it was there.
pub type Access = Box<dyn FnMut(u64) -> bool>;

/// The default policy, whose regret has a target.
pub const DEFAULT: &str = "everfresh";

/// The contenders by name, each with what makes one for so many entries.
pub const ONLINE: [(&str, fn(usize) -> Access); 12] = [
    (DEFAULT, |entries| ours(Policy::default(), entries)),
    ("tinylfu", |entries| ours(Policy::TinyLfu, entries)),
    ("s3fifo", |entries| ours(Policy::S3Fifo, entries)),
    ("lfu", |entries| ours(Policy::Lfu, entries)),
    ("fifo", |entries| ours(Policy::Fifo, entries)),
    ("our lru", |entries| ours(Policy::Lru, entries)),
    ("lru", lru),
    ("moka", moka),
    ("quick", quick),
    ("f:s3fifo", |entries| foyer(S3FifoConfig::default().into(), entries)),
    ("f:sieve", |entries| foyer(SieveConfig.into(), entries)),
    ("f:w-tiny", |entries| foyer(LfuConfig::default().into(), entries)),
];

fn ours(policy: Policy, entries: usize) -> Access {
    let cache = Cache::builder().policy(policy).max_entries(entries).build();
    Box::new(move |key: u64| {
        let mut hit = true;
        cache.get_or_compute(&key, || hit = false);
        hit
    })
}

fn lru(entries: usize) -> Access {
    let mut cache = lru::LruCache::new(NonZero::new(entries).unwrap_or(NonZero::<usize>::MIN));
    Box::new(move |key| cache.get(&key).is_some() || cache.put(key, ()).is_some())
}

/// Held to its bound after every insertion: else it keeps some dozens more for a while, which is much for a small cache.
fn moka(entries: usize) -> Access {
    let cache = moka::sync::Cache::new(entries as u64);
    Box::new(move |key| {
        let hit = cache.get(&key).is_some();
        if !hit {
            cache.insert(key, ());
            cache.run_pending_tasks();
        }
        hit
    })
}

fn quick(entries: usize) -> Access {
    let cache = quick_cache::sync::Cache::new(entries);
    Box::new(move |key| {
        let hit = cache.get(&key).is_some();
        if !hit {
            cache.insert(key, ());
        }
        hit
    })
}

/// In one shard: with more, it is for each shard's part of the keys what it is here for all.
fn foyer(policy: EvictionConfig, entries: usize) -> Access {
    let builder = CacheBuilder::new(entries).with_shards(1).with_eviction_config(policy);
    let cache: foyer_memory::Cache<u64, (), _, CacheProperties> = builder.build();
    Box::new(move |key| {
        let hit = cache.get(&key).is_some();
        if !hit {
            cache.insert(key, ());
        }
        hit
    })
}
