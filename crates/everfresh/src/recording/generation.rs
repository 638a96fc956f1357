//! What was invalidated. A function, each of its keys and each tag has a generation, which every invalidation replaces by a
//! random number. Whoever used a result observes the generations that it hangs on, and so do its callers.
//!
//! The generations of a function with a store are records there, so that all its processes see them; an observation names
//! the store, for callers who have another one or none. Those of other functions are known in their process alone. What was
//! never invalidated has the *first generation* of its store, a random number that the store loses with all its records: so
//! it tells what was never invalidated from what was and is forgotten.

use crate::{
    Fingerprint, FingerprintBuilder,
    disk::{Space, Store, StoreError},
    observation::Observation,
};
use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    path::Path,
    sync::{LazyLock, Mutex, PoisonError, RwLock},
};

/// Beyond so many generations in memory all of them begin anew.
const MOST_HERE: usize = 65_536;

/// The generations of functions without a store, and those that a store could not take.
#[derive(Default)]
struct Here {
    /// Of what was never invalidated.
    first: u64,
    replaced: HashMap<Fingerprint, u64>,
    /// Those that a store could not take, where they stand above the store's.
    unwritten: HashMap<Fingerprint, u64>,
}

static HERE: LazyLock<RwLock<Here>> = LazyLock::new(RwLock::default);

/// Stores that somebody else's results hang on.
static HOMES: Mutex<Vec<Store>> = Mutex::new(Vec::new());

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

    /// Begins a new generation.
    ///
    /// # Errors
    /// If the store cannot be written. Then this process alone knows.
    pub(crate) fn replace(self, of: &Fingerprint) -> Result<(), StoreError> {
        let generation = random();
        let Some(store) = self.0 else {
            let mut here = HERE.write().unwrap_or_else(PoisonError::into_inner);
            if here.replaced.len() >= MOST_HERE {
                *here = Here { first: random(), unwritten: std::mem::take(&mut here.unwritten), ..Here::default() };
            }
            here.replaced.insert(*of, generation);
            return Ok(());
        };
        let written = store.put(Space::Generations, of, &generation.to_le_bytes(), &[]);
        let mut here = HERE.write().unwrap_or_else(PoisonError::into_inner);
        match written {
            Ok(()) => here.unwritten.remove(of),
            Err(_) => here.unwritten.insert(*of, generation),
        };
        written
    }

    /// The generation now, to be looked at again.
    pub(crate) fn observe(self, name: String, of: Fingerprint) -> Observation {
        let home = self.0.map(|store| store.dir().to_string_lossy().into_owned());
        Observation::Generation { name, of, home, generation: self.get(&of) }
    }

    /// Whether a generation that was observed is the present one.
    pub(crate) fn holds(self, of: &Fingerprint, home: Option<&str>, generation: u64) -> bool {
        match (home, self.0) {
            (None, _) => Generations(None).get(of) == generation,
            (Some(home), Some(own)) if own.dir() == Path::new(home) => self.get(of) == generation,
            (Some(home), _) => store_in(home).is_some_and(|store| Generations(Some(&store)).get(of) == generation),
        }
    }

    fn get(self, of: &Fingerprint) -> u64 {
        let here = HERE.read().unwrap_or_else(PoisonError::into_inner);
        let Some(store) = self.0 else { return here.replaced.get(of).copied().unwrap_or(here.first) };
        if let Some(generation) = here.unwritten.get(of) {
            return *generation;
        }
        drop(here);
        match store.look(Space::Generations, of) {
            Ok(Some(bytes)) => number(&bytes),
            Ok(None) => first(store),
            // Who knows what was there.
            Err(()) => random(),
        }
    }
}

/// The generation of what was never invalidated in a store, made when it is first asked for.
fn first(store: &Store) -> u64 {
    let key = FingerprintBuilder::new("everfresh.generation.first").finish();
    if let Ok(Some(bytes)) = store.look(Space::Generations, &key) {
        return number(&bytes);
    }
    let mut generation = random();
    let written = store.update(Space::Generations, &key, |old| match old {
        // Somebody was quicker.
        Some(old) => {
            generation = number(&old);
            None
        }
        None => Some((generation.to_le_bytes().into(), Vec::new())),
    });
    if let Err(error) = written {
        tracing::warn!("{error}");
    }
    generation
}

fn number(bytes: &[u8]) -> u64 {
    bytes.first_chunk().copied().map_or_else(random, u64::from_le_bytes)
}

/// The standard library's hashers are seeded at random.
fn random() -> u64 {
    RandomState::new().hash_one(())
}

/// The store in a folder, which stays open from then on.
fn store_in(folder: &str) -> Option<Store> {
    let mut homes = HOMES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(store) = homes.iter().find(|store| store.dir() == Path::new(folder)) {
        return Some(store.clone());
    }
    match Store::open_existing(Path::new(folder)) {
        Ok(store) => homes.extend(store),
        Err(error) => tracing::warn!("{error}"),
    }
    homes.last().filter(|store| store.dir() == Path::new(folder)).cloned()
}
