//! What an entry takes beside its key and its value.

use everfresh::memory::{Cache, Policy};
use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicBool, AtomicIsize, Ordering::Relaxed},
    time::Duration,
};

/// Counts bytes while it is asked to.
pub struct Counting;

static COUNTS: AtomicBool = AtomicBool::new(false);
static BYTES: AtomicIsize = AtomicIsize::new(0);

impl Counting {
    fn add(bytes: isize) {
        if COUNTS.load(Relaxed) {
            BYTES.fetch_add(bytes, Relaxed);
        }
    }
}

// SAFETY: all is left to the system's allocator.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Self::add(layout.size() as isize);
        // SAFETY: as promised to this function.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        Self::add(-(layout.size() as isize));
        // SAFETY: as promised to this function.
        unsafe { System.dealloc(at, layout) }
    }
}

const ENTRIES: usize = 20_000;
const TARGET: f64 = 64.0;

/// Bytes an entry beside key and value, once the cache was filled three times over.
fn overhead<C>(make: impl FnOnce() -> C, insert: impl Fn(&C, u64)) -> f64 {
    BYTES.store(0, Relaxed);
    COUNTS.store(true, Relaxed);
    let cache = make();
    (0..3 * ENTRIES as u64).for_each(|key| insert(&cache, key));
    COUNTS.store(false, Relaxed);
    BYTES.load(Relaxed) as f64 / ENTRIES as f64 - 16.0
}

/// Measures and prints. What was missed.
pub fn measure() -> Vec<String> {
    let ours = |policy: Policy, ttl: Option<Duration>| {
        let make = || {
            let cache = Cache::builder().max_entries(ENTRIES).policy(policy);
            ttl.into_iter().fold(cache, |cache, ttl| cache.ttl(ttl)).build()
        };
        overhead(make, |cache, key| assert!(cache.insert(key, key).is_ok()))
    };
    let quick = overhead(|| quick_cache::sync::Cache::new(ENTRIES), |cache, key| cache.insert(key, key));
    let moka = overhead(
        || moka::sync::Cache::new(ENTRIES as u64),
        |cache, key| {
            cache.insert(key, key);
            cache.run_pending_tasks();
        },
    );
    let rows = [
        ("everfresh", ours(Policy::default(), None)),
        ("everfresh, tinylfu", ours(Policy::TinyLfu, None)),
        ("everfresh, s3fifo", ours(Policy::S3Fifo, None)),
        ("everfresh, lru", ours(Policy::Lru, None)),
        ("everfresh with ttl", ours(Policy::default(), Some(Duration::from_secs(3600)))),
        ("quick_cache", quick),
        ("moka", moka),
    ];
    println!("\nbytes an entry beside key and value, {ENTRIES} entries of two u64");
    rows.iter().for_each(|(name, bytes)| println!("  {name:32} {bytes:>10.1}"));
    let own = rows[0].1;
    if own <= TARGET { Vec::new() } else { vec![format!("bytes an entry: {own:.1} > {TARGET}")] }
}
