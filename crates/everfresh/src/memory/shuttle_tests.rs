//! How callers interleave, explored: in each test shuttle decides at every lock, atomic and park which thread goes
//! on, 500 times at random and as often with few switches (PCT), always from the same seed. `SHUTTLE_RANDOM_SEED=n`
//! is another seed. A schedule that fails is printed; put `shuttle::replay(test, schedule)` into the test to run it
//! again. What only relaxed atomics allow is not explored: shuttle takes all atomics for sequentially consistent
//! ones.

mod bounds;
mod circles;
mod flights;
mod outdated;
mod refresh;
mod updates;

use super::{Cache, CacheBuilder, ManualClock, Policy};
use shuttle::{
    Config, Runner,
    scheduler::{PctScheduler, RandomScheduler},
    thread,
};
use std::{
    hash::{BuildHasherDefault, DefaultHasher},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

const SCHEDULES: usize = 500;
const SEED: u64 = 7;
/// Most faults take no more than so many switches at the wrong moment.
const SWITCHES: usize = 3;

fn explore(test: impl Fn() + Send + Sync + Copy + 'static) {
    explore_in(SCHEDULES, test);
}

fn explore_in(schedules: usize, test: impl Fn() + Send + Sync + Copy + 'static) {
    let mut config = Config::new();
    // It would warn that it takes relaxed atomics for sequentially consistent ones, which the header says.
    config.silence_warnings = true;
    // Futures are moved there, which are large where nothing is optimised.
    config.stack_size *= 32;
    Runner::new(RandomScheduler::new_from_seed(SEED, schedules), config.clone()).run(test);
    Runner::new(PctScheduler::new_from_seed(SEED, SWITCHES, schedules), config).run(test);
}

/// Hashes the same in every run, so that a schedule can be replayed.
type Hasher = BuildHasherDefault<DefaultHasher>;
type Numbers = Cache<u32, u32, Hasher>;

fn builder() -> CacheBuilder<u32, u32, Hasher> {
    Cache::builder().max_entries(10).hasher(Hasher::default())
}

fn numbers() -> Numbers {
    builder().build()
}

/// What computes, and how often it did. No switch happens in here but those that a test asks for.
#[derive(Default)]
struct Computed(AtomicU32);

impl Computed {
    fn one(&self, value: u32) -> u32 {
        self.0.fetch_add(1, Relaxed);
        thread::yield_now();
        value
    }

    fn times(&self) -> u32 {
        self.0.load(Relaxed)
    }
}

const TTL: Duration = Duration::from_secs(10);
const STALE: Duration = Duration::from_secs(100);

/// A cache with a `ttl` and its clock.
fn timed(stale: Duration) -> (Numbers, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::default());
    (builder().ttl(TTL).stale(stale).clock(clock.clone()).build(), clock)
}

const POLICIES: [Policy; 6] =
    [Policy::Adaptive, Policy::TinyLfu, Policy::S3Fifo, Policy::Lru, Policy::Lfu, Policy::Fifo];
