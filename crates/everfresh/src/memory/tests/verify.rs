//! Hits that are computed once more tell whether a function is pure.

use crate::executor::block_on;
use crate::memory::{Cache, ManualClock};
use std::{
    cell::Cell,
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

#[test]
fn a_share_of_hits_is_computed_once_more() {
    let (cache, calls) = (Cache::new(10), Cell::new(0));
    let look = |share| {
        cache.lookup(&1).verify(share).or_compute(|| {
            calls.set(calls.get() + 1);
            5
        })
    };
    for (share, expected) in [(0.0, 1..=1), (1.0, 1000..=1000), (0.5, 350..=650)] {
        calls.set(0);
        (0..1000).for_each(|_| assert_eq!(look(share), 5));
        assert!(expected.contains(&calls.get()), "{} of 1000 at {share}", calls.get());
    }
    let stats = cache.stats();
    assert_eq!((stats.impure, stats.replaced), (0, 0), "what is the same stays as it is");
    assert_eq!(stats.verified + 1, stats.loads);
}

#[test]
fn a_value_that_differs_is_counted_kept_and_given() {
    let (cache, next) = (Cache::new(10), Arc::new(AtomicU32::new(0)));
    let count = next.clone();
    let compute = move || count.fetch_add(1, Ordering::Relaxed);
    assert_eq!(cache.lookup(&1).verify(1.0).or_compute(&compute), 0);
    assert_eq!(cache.lookup(&1).verify(1.0).or_compute(&compute), 1);
    assert_eq!(block_on(cache.lookup(&1).verify(1.0).or_compute_async(async { compute() })), 2);
    assert_eq!(cache.lookup(&1).verify(1.0).or_compute_behind(compute), 2);
    while cache.get(&1) != Some(3) {
        std::thread::yield_now();
    }
    assert_eq!((cache.stats().verified, cache.stats().impure), (3, 3));
}

#[test]
fn an_error_of_what_is_computed_once_more_leaves_the_value() {
    let cache = Cache::new(10);
    let look = |computed| cache.lookup(&1).verify(1.0).or_try_compute(|| computed);
    assert_eq!([Ok(4), Err("no"), Ok(4)].map(look), [Ok(4); 3]);
    assert_eq!((cache.stats().verified, cache.stats().failures), (1, 1));
}

#[test]
fn what_is_due_is_not_compared() {
    let (clock, second) = (Arc::new(ManualClock::default()), Duration::from_secs(1));
    let cache = Cache::builder().ttl(second).stale(second).clock(clock.clone()).build();
    cache.insert("rate", 4).unwrap();
    clock.advance(second);
    assert_eq!(cache.lookup(&"rate").verify(1.0).or_compute(|| 5), 5);
    assert_eq!((cache.stats().verified, cache.stats().impure), (0, 0));
}

/// Keeps the cache that each event names.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Subscriber for Log {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
    fn event(&self, event: &Event<'_>) {
        struct Name<'a>(&'a Log);
        impl Visit for Name<'_> {
            fn record_str(&mut self, field: &Field, value: &str) {
                if field.name() == "cache" {
                    self.0.0.lock().unwrap().push(value.to_owned());
                }
            }
            fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}
        }
        event.record(&mut Name(self));
    }
}

#[test]
fn a_cache_that_is_not_pure_is_warned_of_once_by_its_name() {
    let log = Log::default();
    tracing::subscriber::with_default(log.clone(), || {
        let (cache, next) = (Cache::builder().name("rates").build(), Cell::new(0));
        for _ in 0..5 {
            cache.lookup(&1).verify(1.0).or_compute(|| next.replace(next.get() + 1));
        }
        assert_eq!(cache.stats().impure, 4);
    });
    assert_eq!(*log.0.lock().unwrap(), ["rates"]);
}
