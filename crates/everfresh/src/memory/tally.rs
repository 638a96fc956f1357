//! Hits, counted exactly and without threads getting in each other's way: every thread has a number, and a cache has a
//! counter for each number, in a cache line of its own.

use super::sync::{
    atomic::{AtomicU64, Ordering::Relaxed},
    thread_local,
};
use std::{
    cell::Cell,
    cmp::Reverse,
    collections::BinaryHeap,
    num::NonZero,
    sync::{Mutex, PoisonError},
    thread::available_parallelism,
    time::Duration,
};

/// Threads beyond these share one counter, which costs each of their hits an atomic addition.
const LEAST_OWN: usize = 16;
const MOST_OWN: usize = 64;

/// Hits of one cache, and the nanoseconds that they saved.
pub(super) struct Tally {
    own: Box<[Counter]>,
    shared: Box<Counter>,
}

#[derive(Default)]
#[repr(align(128))]
struct Counter {
    hits: AtomicU64,
    saved: AtomicU64,
}

impl Tally {
    pub(super) fn new() -> Self {
        let own = (2 * available_parallelism().map_or(1, NonZero::get)).clamp(LEAST_OWN, MOST_OWN);
        Self { own: (0..own).map(|_| Counter::default()).collect(), shared: Box::default() }
    }

    /// Counts a hit that saved so many nanoseconds.
    #[inline]
    pub(super) fn count(&self, saved: f32) {
        // Nobody else writes here as long as this thread has its number.
        let Some(own) = self.own.get(NUMBER.with(Cell::get)) else { return self.count_shared(saved) };
        own.hits.store(own.hits.load(Relaxed).wrapping_add(1), Relaxed);
        if saved > 0.0 {
            own.saved.store(own.saved.load(Relaxed).saturating_add(saved as u64), Relaxed);
        }
    }

    #[cold]
    fn count_shared(&self, saved: f32) {
        if NUMBER.with(Cell::get) == UNKNOWN {
            take_number();
            return self.count(saved);
        }
        self.shared.hits.fetch_add(1, Relaxed);
        if saved > 0.0 {
            // An update that always gives a value never fails.
            let _ =
                self.shared.saved.fetch_update(Relaxed, Relaxed, |so_far| Some(so_far.saturating_add(saved as u64)));
        }
    }

    /// All hits, and what they saved; longer than 584 years is for ever.
    pub(super) fn total(&self) -> (u64, Duration) {
        let all = || self.own.iter().chain([&*self.shared]);
        let hits = all().map(|counter| counter.hits.load(Relaxed)).sum();
        let saved = all().fold(0u64, |sum, counter| sum.saturating_add(counter.saved.load(Relaxed)));
        (hits, if saved == u64::MAX { Duration::MAX } else { Duration::from_nanos(saved) })
    }
}

/// This thread was not asked for its number yet.
const UNKNOWN: usize = usize::MAX;
/// It has none: it is ending.
const NONE: usize = usize::MAX - 1;

thread_local! {
    static NUMBER: Cell<usize> = const { Cell::new(UNKNOWN) };
    /// Gives the number back when the thread ends.
    static LEASE: Lease = Lease(NUMBERS.lock().unwrap_or_else(PoisonError::into_inner).take());
}

/// The numbers that no thread has. The lock orders the last count of one thread before the first of the next.
static NUMBERS: Mutex<Numbers> = Mutex::new(Numbers { free: BinaryHeap::new(), next: 0 });

struct Numbers {
    free: BinaryHeap<Reverse<usize>>,
    next: usize,
}

impl Numbers {
    /// The lowest one.
    fn take(&mut self) -> usize {
        self.free.pop().map_or_else(
            || {
                self.next += 1;
                self.next - 1
            },
            |Reverse(number)| number,
        )
    }
}

struct Lease(usize);

impl Drop for Lease {
    fn drop(&mut self) {
        // Has no destructor, so it is always there but under shuttle.
        let _ = NUMBER.try_with(|number| number.set(NONE));
        NUMBERS.lock().unwrap_or_else(PoisonError::into_inner).free.push(Reverse(self.0));
    }
}

fn take_number() {
    let own = LEASE.try_with(|lease| lease.0).unwrap_or(NONE);
    NUMBER.with(|number| number.set(own));
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn no_hit_is_lost_however_many_threads_count() {
        let tally = Tally::new();
        for _ in 0..3 {
            thread::scope(|scope| {
                for _ in 0..2 * MOST_OWN {
                    scope.spawn(|| (0..1000).for_each(|_| tally.count(2.0)));
                }
            });
        }
        let hits = 3 * 2 * MOST_OWN as u64 * 1000;
        assert_eq!(tally.total(), (hits, Duration::from_nanos(2 * hits)));
    }

    #[test]
    fn numbers_are_given_back_and_the_lowest_goes_first() {
        let mut numbers = Numbers { free: BinaryHeap::new(), next: 0 };
        assert_eq!([(); 3].map(|()| numbers.take()), [0, 1, 2]);
        numbers.free.extend([Reverse(2), Reverse(0)]);
        assert_eq!([(); 3].map(|()| numbers.take()), [0, 2, 3]);
    }

    #[test]
    fn what_was_saved_does_not_overflow() {
        let tally = Tally::new();
        (0..2).for_each(|_| tally.count(f32::MAX));
        assert_eq!(tally.total(), (2, Duration::MAX));
    }
}
