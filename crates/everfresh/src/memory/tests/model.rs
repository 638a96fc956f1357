//! Every policy against a few obvious lines.

use super::{POLICIES, with_policy};
use crate::memory::{Cache, Cause, ManualClock, Policy};
use proptest::prelude::*;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

#[derive(Clone, Copy, Debug)]
enum Action {
    Get(u32),
    Insert(u32, u32),
    Compute(u32, u32),
    Remove(u32),
    Clear,
    /// A second goes by.
    Wait,
}

fn actions() -> impl Strategy<Value = Vec<Action>> {
    let key = 0..12u32;
    let action = prop_oneof![
        6 => key.clone().prop_map(Action::Get),
        4 => (key.clone(), any::<u32>()).prop_map(|(key, value)| Action::Insert(key, value)),
        4 => (key.clone(), any::<u32>()).prop_map(|(key, value)| Action::Compute(key, value)),
        1 => key.prop_map(Action::Remove),
        1 => Just(Action::Clear),
        2 => Just(Action::Wait),
    ];
    prop::collection::vec(action, 0..200)
}

/// The entries of an exact cache: key, value, uses, and when it was used or put in.
#[derive(Default)]
struct Exact {
    entries: Vec<(u32, u32, u64, usize)>,
}

impl Exact {
    fn get(&mut self, key: u32, now: usize, policy: Policy) -> Option<u32> {
        let entry = self.entries.iter_mut().find(|entry| entry.0 == key)?;
        entry.2 += 1;
        if policy != Policy::Fifo {
            entry.3 = now;
        }
        Some(entry.1)
    }

    fn insert(&mut self, key: u32, value: u32, now: usize, policy: Policy, capacity: usize) {
        self.entries.retain(|entry| entry.0 != key);
        if self.entries.len() == capacity {
            let rank = |entry: &(u32, u32, u64, usize)| match policy {
                Policy::Lfu => (entry.2, entry.3),
                _ => (0, entry.3),
            };
            let Some(victim) = self.entries.iter().min_by_key(|entry| rank(entry)).copied() else { return };
            self.entries.retain(|entry| entry.0 != victim.0);
        }
        self.entries.push((key, value, 0, now));
    }
}

proptest! {
    #[test]
    fn exact_policies_keep_what_their_definition_says(actions in actions(), capacity in 0..6usize) {
        for policy in [Policy::Lru, Policy::Lfu, Policy::Fifo] {
            let cache = with_policy(policy, capacity);
            let mut model = Exact::default();
            for (now, action) in actions.iter().enumerate() {
                match *action {
                    Action::Get(key) => prop_assert_eq!(cache.get(&key), model.get(key, now, policy)),
                    Action::Insert(key, value) => {
                        prop_assert_eq!(cache.insert(key, value).is_ok(), capacity > 0);
                        model.insert(key, value, now, policy, capacity);
                    }
                    Action::Compute(key, value) => {
                        let expected = model.get(key, now, policy);
                        prop_assert_eq!(cache.get_or_compute(&key, || value), expected.unwrap_or(value));
                        if expected.is_none() {
                            model.insert(key, value, now, policy, capacity);
                        }
                    }
                    Action::Remove(key) => {
                        let removed = cache.remove(&key);
                        let position = model.entries.iter().position(|entry| entry.0 == key);
                        prop_assert_eq!(removed, position.map(|at| model.entries.swap_remove(at).1));
                    }
                    Action::Clear => {
                        cache.clear();
                        model.entries.clear();
                    }
                    Action::Wait => {}
                }
                let mut kept: Vec<_> = cache.iter().collect();
                let mut expected: Vec<_> = model.entries.iter().map(|entry| (entry.0, entry.1)).collect();
                kept.sort_unstable();
                expected.sort_unstable();
                prop_assert_eq!(kept, expected, "{:?} after {:?}", policy, action);
            }
        }
    }
}

/// All that holds whatever the policy. Who goes when there is no room is left open: the listener says it.
struct Model {
    max_entries: usize,
    max_bytes: u64,
    now: u64,
    /// The value, and when it is over.
    entries: HashMap<u32, (u32, u64)>,
    left: HashMap<Cause, u64>,
}

fn weight(value: u32) -> u32 {
    value % 8
}

impl Model {
    fn value(&self, key: u32) -> Option<u32> {
        self.entries.get(&key).filter(|entry| entry.1 > self.now).map(|entry| entry.0)
    }

    fn weight(&self) -> u64 {
        self.entries.values().map(|entry| u64::from(weight(entry.0))).sum()
    }

    /// Whether an entry may leave for that reason while the action is done, for which a value of `coming` weight goes in.
    fn leaves(&mut self, (key, value, cause): (u32, u32, Cause), action: Action, coming: Option<u32>) -> bool {
        let weight = self.weight();
        let full = |coming: u32| self.entries.len() >= self.max_entries || weight + u64::from(coming) > self.max_bytes;
        let crowded = coming.is_some_and(full) && self.entries.values().all(|entry| entry.1 > self.now);
        *self.left.entry(cause).or_default() += 1;
        let Some((own, over)) = self.entries.remove(&key) else { return false };
        let may = match cause {
            Cause::Evicted => crowded,
            Cause::Expired => over <= self.now,
            Cause::Replaced => matches!(action, Action::Insert(own, _) | Action::Compute(own, _) if own == key),
            Cause::Invalidated => {
                matches!(action, Action::Clear) || matches!(action, Action::Remove(own) if own == key)
            }
            _ => false,
        };
        may && own == value
    }
}

const TTL: u64 = 3;

proptest! {
    #[test]
    fn what_came_in_is_there_until_the_listener_hears_that_it_left_and_why(
        actions in actions(),
        max_entries in 0..8usize,
        max_bytes in 0..40u64,
    ) {
        for policy in POLICIES {
            let (clock, heard) = (Arc::new(ManualClock::default()), Arc::new(Mutex::new(Vec::new())));
            let tell = Arc::clone(&heard);
            let cache = Cache::builder()
                .policy(policy)
                .max_entries(max_entries)
                .max_bytes(max_bytes, |_, value| weight(*value))
                .ttl(Duration::from_secs(TTL))
                .clock(clock.clone())
                .on_removal(move |key, value, cause| tell.lock().unwrap().push((key, value, cause)))
                .build();
            let mut model =
                Model { max_entries, max_bytes, now: 0, entries: HashMap::new(), left: HashMap::new() };
            let (mut hits, mut misses, mut loads, mut refused) = (0, 0, 0, 0);
            for action in &actions {
                let mut coming = None;
                match *action {
                    Action::Get(key) => {
                        let value = model.value(key);
                        prop_assert_eq!(cache.get(&key), value);
                        *(if value.is_some() { &mut hits } else { &mut misses }) += 1;
                    }
                    Action::Compute(key, new) => {
                        let value = model.value(key);
                        prop_assert_eq!(cache.get_or_compute(&key, || new), value.unwrap_or(new));
                        *(if value.is_some() { &mut hits } else { &mut misses }) += 1;
                        loads += u64::from(value.is_none());
                        coming = value.is_none().then_some((key, new));
                    }
                    Action::Insert(key, new) => {
                        let fits = max_entries > 0 && u64::from(weight(new)) <= max_bytes;
                        prop_assert_eq!(cache.insert(key, new).is_ok(), fits);
                        coming = Some((key, new));
                    }
                    Action::Remove(key) => prop_assert_eq!(cache.remove(&key), model.value(key)),
                    Action::Clear => cache.clear(),
                    Action::Wait => {
                        clock.advance(Duration::from_secs(1));
                        model.now += 1;
                    }
                }
                let kept = coming.filter(|(_, new)| max_entries > 0 && u64::from(weight(*new)) <= max_bytes);
                refused += u64::from(coming.is_some() && kept.is_none());
                for left in heard.lock().unwrap().drain(..) {
                    let may = model.leaves(left, *action, kept.map(|(_, new)| weight(new)));
                    prop_assert!(may, "{:?}: {:?} during {:?}", policy, left, action);
                }
                if let Some((key, _)) = coming {
                    prop_assert!(!model.entries.contains_key(&key), "what was there before has left");
                }
                if let Some((key, new)) = kept {
                    model.entries.insert(key, (new, model.now + TTL));
                }
                let mut found: Vec<_> = cache.iter().collect();
                let mut expected: Vec<_> =
                    model.entries.keys().filter_map(|key| Some((*key, model.value(*key)?))).collect();
                found.sort_unstable();
                expected.sort_unstable();
                prop_assert_eq!(found, expected, "{:?} after {:?}", policy, action);
                prop_assert_eq!((cache.len(), cache.weight()), (model.entries.len(), model.weight()));
                prop_assert!(cache.len() <= max_entries && cache.weight() <= max_bytes);
            }
            let stats = cache.stats();
            let left = |cause| model.left.get(&cause).copied().unwrap_or_default();
            prop_assert_eq!((stats.hits, stats.misses, stats.loads, stats.refused), (hits, misses, loads, refused));
            prop_assert_eq!(
                (stats.evicted, stats.expired, stats.replaced, stats.invalidated),
                (left(Cause::Evicted), left(Cause::Expired), left(Cause::Replaced), left(Cause::Invalidated))
            );
            prop_assert_eq!((stats.entries, stats.weight), (model.entries.len(), model.weight()));
        }
    }
}

#[test]
fn what_is_used_again_and_again_survives_a_scan_that_is_not() {
    const CACHES: usize = 20;
    for policy in [Policy::Adaptive, Policy::TinyLfu, Policy::S3Fifo, Policy::Lfu] {
        // The mean of several, since each cache hashes in its own way.
        let kept: usize = (0..CACHES)
            .map(|_| {
                let cache = with_policy(policy, 100);
                for _ in 0..5 {
                    (0..50).for_each(|key| assert_eq!(cache.get_or_compute(&key, || key), key));
                }
                (1000..3000).for_each(|key| assert_eq!(cache.get_or_compute(&key, || key), key));
                (0..50).filter(|key| cache.peek(key).is_some()).count()
            })
            .sum();
        assert!(kept >= 45 * CACHES, "{policy:?} kept {} of 50 on the average", kept as f64 / CACHES as f64);
    }
}
