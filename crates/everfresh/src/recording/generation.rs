//! What was invalidated. A function, each of its keys and each tag has a generation: 0 at first, and a random number after
//! each invalidation. Whoever used a result observes the generations that it hangs on, and so do its callers.
//!
//! The generations of a function with a store are kept there, so that all its processes see them; those of others are known
//! in this process alone. A reader takes the store's, or else the process's own.

use crate::{
    Fingerprint, FingerprintBuilder,
    disk::{Space, Store, StoreError},
    observation::Observation,
};
use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::{LazyLock, PoisonError, RwLock},
};

static HERE: LazyLock<RwLock<HashMap<Fingerprint, u64>>> = LazyLock::new(RwLock::default);

/// The generations as seen through a store, or without one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Generations<'a>(pub(crate) Option<&'a Store>);

impl Generations<'_> {
    pub(crate) fn of_function(name: &str) -> Fingerprint {
        FingerprintBuilder::new("everfresh.generation.function").str(name).finish()
    }

    pub(crate) fn of_tag(name: &str, tag: &str) -> Fingerprint {
        FingerprintBuilder::new("everfresh.generation.tag").str(name).str(tag).finish()
    }

    pub(crate) fn of_key(key: &Fingerprint) -> Fingerprint {
        FingerprintBuilder::new("everfresh.generation.key").fingerprint(key).finish()
    }

    pub(crate) fn get(self, of: &Fingerprint) -> u64 {
        let stored = self.0.and_then(|store| store.get(Space::Memos, of));
        let stored = stored.and_then(|bytes| bytes.try_into().ok().map(u64::from_le_bytes));
        stored
            .unwrap_or_else(|| HERE.read().unwrap_or_else(PoisonError::into_inner).get(of).copied().unwrap_or_default())
    }

    /// Begins a new generation.
    ///
    /// # Errors
    /// If the store cannot be written. Then this process alone knows.
    pub(crate) fn replace(self, of: &Fingerprint) -> Result<(), StoreError> {
        // The standard library's hashers are seeded at random.
        let generation = RandomState::new().hash_one(of).max(1);
        HERE.write().unwrap_or_else(PoisonError::into_inner).insert(*of, generation);
        match self.0 {
            Some(store) => store.put(Space::Memos, of, &generation.to_le_bytes(), &[]),
            None => Ok(()),
        }
    }

    pub(crate) fn observe(self, name: String, of: Fingerprint) -> Observation {
        Observation::Generation { name, generation: self.get(&of), of }
    }
}
