//! Every policy against a few obvious lines.

use super::{POLICIES, with_policy};
use crate::memory::Policy;
use proptest::prelude::*;
use std::collections::HashMap;

#[derive(Clone, Copy, Debug)]
enum Action {
    Get(u32),
    Insert(u32, u32),
    Compute(u32, u32),
    Remove(u32),
    Clear,
}

fn actions() -> impl Strategy<Value = Vec<Action>> {
    let key = 0..12u32;
    let action = prop_oneof![
        6 => key.clone().prop_map(Action::Get),
        4 => (key.clone(), any::<u32>()).prop_map(|(key, value)| Action::Insert(key, value)),
        4 => (key.clone(), any::<u32>()).prop_map(|(key, value)| Action::Compute(key, value)),
        1 => key.prop_map(Action::Remove),
        1 => Just(Action::Clear),
    ];
    prop::collection::vec(action, 0..200)
}

/// The entries of an exact cache: key, value, uses, and when it was used or put in.
#[derive(Default)]
struct Model {
    entries: Vec<(u32, u32, u64, usize)>,
}

impl Model {
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
            let mut model = Model::default();
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
                }
                let mut kept: Vec<_> = cache.iter().collect();
                let mut expected: Vec<_> = model.entries.iter().map(|entry| (entry.0, entry.1)).collect();
                kept.sort_unstable();
                expected.sort_unstable();
                prop_assert_eq!(kept, expected, "{:?} after {:?}", policy, action);
            }
        }
    }

    #[test]
    fn a_value_that_is_found_is_the_last_that_was_put_in(actions in actions(), capacity in 0..12usize) {
        for policy in POLICIES {
            let cache = with_policy(policy, capacity);
            let mut last = HashMap::new();
            for action in &actions {
                match *action {
                    Action::Get(key) => {
                        let found = cache.get(&key);
                        prop_assert!(found.is_none() || found == last.get(&key).copied());
                    }
                    Action::Insert(key, value) => {
                        prop_assert_eq!(cache.insert(key, value).is_ok(), capacity > 0);
                        prop_assert_eq!(cache.peek(&key), (capacity > 0).then_some(value));
                        last.insert(key, value);
                    }
                    Action::Compute(key, value) => {
                        let found = cache.get_or_compute(&key, || value);
                        prop_assert!(found == value || Some(&found) == last.get(&key));
                        last.insert(key, found);
                    }
                    Action::Remove(key) => {
                        let removed = cache.remove(&key);
                        prop_assert!(removed.is_none() || removed == last.get(&key).copied());
                        last.remove(&key);
                    }
                    Action::Clear => {
                        cache.clear();
                        last.clear();
                    }
                }
                prop_assert!(cache.len() <= capacity);
                prop_assert_eq!(cache.iter().count(), cache.len());
            }
            let stats = cache.stats();
            let inserted = actions.iter().filter(|action| matches!(action, Action::Insert(..))).count() as u64;
            let put = inserted + stats.loads;
            let removed = stats.evicted + stats.replaced + stats.invalidated;
            prop_assert_eq!(stats.expired, 0);
            prop_assert_eq!(put, stats.refused + removed + stats.entries as u64, "what came in is there or went");
        }
    }
}

#[test]
fn what_is_used_again_and_again_survives_a_scan_that_is_not() {
    for policy in [Policy::Adaptive, Policy::TinyLfu, Policy::S3Fifo, Policy::Lfu] {
        let cache = with_policy(policy, 100);
        for _ in 0..5 {
            (0..50).for_each(|key| assert_eq!(cache.get_or_compute(&key, || key), key));
        }
        (1000..3000).for_each(|key| assert_eq!(cache.get_or_compute(&key, || key), key));
        let kept = (0..50).filter(|key| cache.peek(key).is_some()).count();
        assert!(kept >= 38, "{policy:?} kept {kept} of 50");
    }
}
