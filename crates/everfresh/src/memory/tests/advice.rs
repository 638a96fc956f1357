//! Whether a cache pays, and what to change.

use super::{POLICIES, with_policy};
use crate::{
    memory::{Advice, Cache, ManualClock, Policy, Stats},
    observe,
};
use std::{
    fs,
    hash::{Hash, Hasher},
    sync::Arc,
    time::Duration,
};

/// Keys of which the low ones are much more frequent, the same ones each time.
fn skewed(most: u64) -> impl Iterator<Item = u32> {
    let mut state = 1u64;
    std::iter::repeat_with(move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let chance = (state >> 33) as f64 / (1u64 << 31) as f64;
        (most as f64 * chance * chance * chance) as u32
    })
}

#[test]
fn evicted_keys_foretell_the_hit_ratio_of_twice_the_room() {
    // Of a few all are remembered, of many a sample.
    for (entries, error) in [(100, 0.001), (3000, 0.04)] {
        let cache = |room: usize| {
            let cache = with_policy(Policy::Lru, room);
            skewed(entries as u64 * 20).take(30_000).for_each(|key| _ = cache.get_or_compute(&key, || key));
            cache.stats()
        };
        let (stats, real) = (cache(entries), cache(2 * entries).hit_ratio());
        let foretold = stats.hit_ratio_at_double();
        assert!((foretold - real).abs() < error, "{entries}: {foretold} for {real}");
        assert!(real > stats.hit_ratio() + 0.05);
    }
}

#[test]
fn only_what_is_evicted_would_be_there_with_twice_the_room() {
    for policy in POLICIES {
        let cache = with_policy(policy, 10);
        (0..10).for_each(|key| cache.insert(key, key).unwrap());
        cache.remove(&0);
        assert_eq!((cache.get(&0), cache.get(&99), cache.stats().ghost_hits), (None, None, 0));
        (20..22).for_each(|key| cache.insert(key, key).unwrap());
        let missing = (1..10).chain(20..22).find(|key| cache.peek(key).is_none()).unwrap();
        assert_eq!((cache.get(&missing), cache.stats().ghost_hits), (None, 1));
        cache.insert(missing, 0).unwrap();
        cache.remove(&missing);
        cache.get(&missing);
        assert_eq!(cache.stats().ghost_hits, 1, "it was there again");
        cache.clear();
        (0..30).for_each(|key| _ = cache.get(&key));
        assert_eq!(cache.stats().ghost_hits, 1);
    }
}

fn advice(stats: Stats) -> Vec<String> {
    stats.advice().iter().map(ToString::to_string).collect()
}

#[test]
fn each_trouble_has_its_advice() {
    let ms = Duration::from_millis;
    let good =
        Stats { hits: 900, misses: 100, loads: 100, compute_time: ms(100), saved_time: ms(900), ..Stats::default() };
    assert_eq!(advice(good), [""; 0]);
    let troubles = [
        (
            Stats { misses: 1000, ghost_hits: 300, ..good },
            "too small: 47.4% of lookups are hits, 63.2% would be with twice the room: raise its bounds",
        ),
        (
            Stats { hits: 1, misses: 999, ..good },
            "never hit: 0.1% of lookups are hits: compute without a cache, or key it by less",
        ),
        (
            Stats { lookup_time: ms(10), measured: 5, ..good },
            "slow to hash: a lookup takes 2.0ms and computing 1.0ms: use a smaller key or no cache",
        ),
        (
            Stats { refused: 50, entries: 50, ..good },
            "values too large: 50.0% of them have no room: raise max_bytes or cache parts",
        ),
        (
            Stats { verified: 10, impure: 2, ..good },
            "not pure: 2 of 10 values computed once more came out different: add what else they depend on to the key, or \
             give them a ttl",
        ),
        (
            Stats { effects: 6, ..good },
            "side effects: 6.0% of the computations were seen to do more than give a value (the first is in the log), which \
             a hit does not do: leave that to the caller, or declare files that they write by everfresh::observe::outputs",
        ),
        (
            Stats { expired: 100, expired_unused: 80, ..good },
            "expires unused: 80.0% of what expired was never found: raise the ttl, or use no cache",
        ),
    ];
    for (stats, expected) in troubles {
        assert_eq!(advice(stats), [expected]);
    }
    assert_eq!(advice(Stats { hits: 0, misses: 9, ..Stats::default() }), [""; 0], "too little to say");
}

#[test]
fn a_cache_is_measured_as_it_is_used() {
    let cache = with_policy(Policy::Lru, 100);
    for key in (0..3).flat_map(|_| 0..150) {
        cache.get_or_compute(&key, || key);
    }
    let stats = cache.stats();
    assert_eq!((stats.hits, stats.misses, stats.ghost_hits, stats.measured), (0, 450, 300, 29));
    assert!(stats.lookup_time > Duration::ZERO && stats.store_time > Duration::ZERO);
    assert!(matches!(stats.advice()[0], Advice::TooSmall { hit_ratio: 0.0, .. }), "{:?}", stats.advice());
}

#[test]
fn a_key_that_is_slow_to_hash_shows() {
    #[derive(Clone, PartialEq, Eq)]
    struct Slow(u32);
    impl Hash for Slow {
        fn hash<H: Hasher>(&self, state: &mut H) {
            (0..2000).for_each(|_| self.0.hash(state));
        }
    }
    let cache = Cache::new(10);
    (0..100).for_each(|key| _ = cache.get_or_compute(&Slow(key), || key));
    let stats = cache.stats();
    assert!(!stats.pays());
    assert!(stats.advice().iter().any(|advice| matches!(advice, Advice::SlowToHash { .. })), "{stats}");
}

#[test]
fn what_expires_before_anybody_finds_it_is_counted() {
    let (clock, second) = (Arc::new(ManualClock::default()), Duration::from_secs(1));
    let cache = Cache::builder().ttl(second).clock(clock.clone()).build();
    (0..10).for_each(|key| cache.insert(key, key).unwrap());
    (0..3).for_each(|key| assert!(cache.get(&key).is_some()));
    clock.advance(second);
    assert_eq!(cache.remove_expired(), 10);
    assert_eq!((cache.stats().expired, cache.stats().expired_unused), (10, 7));
}

#[test]
fn what_a_computation_does_beside_its_value_is_counted() {
    let (folder, cache) = (tempfile::tempdir().unwrap(), Cache::new(10));
    let path = folder.path().join("report");
    let write = |stays: bool| {
        observe::made(&path);
        fs::write(&path, "all is well").unwrap();
        if !stays {
            fs::remove_file(&path).unwrap();
        }
    };
    let effects = |key, compute: &dyn Fn()| (cache.get_or_compute(&key, compute), cache.stats().effects).1;
    assert_eq!(effects(1, &|| write(false)), 0);
    assert_eq!(effects(2, &|| (observe::outputs(), write(true)).1), 0);
    assert_eq!(effects(3, &|| write(true)), 1);
    assert_eq!(effects(4, &|| observe::impure("it starts a process")), 2);
    assert_eq!(cache.stats().advice(), [Advice::SideEffects { seen: 0.5 }]);
}

#[test]
fn it_pays_if_hits_save_more_than_lookups_and_storing_take() {
    let (us, ms) = (Duration::from_micros, Duration::from_millis);
    let stats =
        Stats { hits: 900, misses: 100, lookup_time: us(20), measured: 10, store_time: ms(1), ..Stats::default() };
    assert_eq!((stats.lookup_cost(), stats.spent_time()), (us(2), ms(3)));
    assert!(Stats { saved_time: ms(3) + us(1), ..stats }.pays());
    assert!(!Stats { saved_time: ms(3), ..stats }.pays());
    assert_eq!((Stats::default().hit_ratio_at_double(), Stats::default().lookup_cost()), (0.0, Duration::ZERO));
}

#[test]
fn statistics_are_printed_for_people() {
    let stats = Stats {
        hits: 75,
        misses: 25,
        ghost_hits: 5,
        loads: 25,
        compute_time: Duration::from_secs(2),
        saved_time: Duration::from_secs(6),
        store_time: Duration::from_millis(3),
        stale: 2,
        rescued: 1,
        verified: 4,
        impure: 1,
        evicted: 10,
        expired: 3,
        expired_unused: 2,
        entries: 12,
        weight: 12,
        ..Stats::default()
    };
    let expected = "\
lookups    100, of which 75 found a value (75.0%; 80.0% with twice the room)
computed   25 in 2.0s, 0 failed
saved      6.0s for 3.0ms of lookups and storing: pays
stale      2, and 1 in place of an error
verified   4, of which 1 came out different
left       10 evicted, 3 expired (2 unused), 0 replaced, 0 invalidated, 0 outdated, 0 refused
holds      12 entries that weigh 12";
    assert_eq!(stats.to_string(), expected);
}
