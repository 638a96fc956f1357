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
    cell::Cell,
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    path::{Path, PathBuf},
    sync::{LazyLock, Mutex, PoisonError, RwLock, RwLockWriteGuard},
};

/// Beyond so many generations in memory all of them begin anew.
const MOST_HERE: usize = 65_536;

/// The generations of functions without a store, and those that a store could not take.
#[derive(Default)]
struct Here {
    /// Of what was never invalidated.
    first: u64,
    replaced: HashMap<Fingerprint, u64>,
    /// Those that a store could not take, by its folder: they stand [`above`] the store's.
    unwritten: HashMap<PathBuf, HashMap<Fingerprint, u64>>,
}

static HERE: LazyLock<RwLock<Here>> = LazyLock::new(RwLock::default);

/// Stores that somebody else's results hang on.
static HOMES: Mutex<Vec<Store>> = Mutex::new(Vec::new());

/// In a child, right after a fork: lets go of stores that its parent has open.
pub(crate) fn let_go_of_homes() {
    // A thread that held the lock is not here any more.
    if let Ok(mut homes) = HOMES.try_lock() {
        homes.clear();
    }
}

/// The generations as one lookup sees them, through a store or without one.
#[derive(Debug)]
pub(crate) struct Generations<'a> {
    store: Option<&'a Store>,
    /// The store's first generation, once it was read: most of what a lookup hangs on was never invalidated.
    first: Cell<Option<u64>>,
}

impl<'a> Generations<'a> {
    pub(crate) fn new(store: Option<&'a Store>) -> Self {
        Self { store, first: Cell::new(None) }
    }

    /// The store through which they are seen.
    pub(crate) fn store(&self) -> Option<&'a Store> {
        self.store
    }

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
    /// If the store cannot be written. Then this process alone knows, until [`catch_up`](Self::catch_up) can write it.
    pub(crate) fn replace(&self, of: &Fingerprint) -> Result<(), StoreError> {
        let generation = random();
        let Some(store) = self.store else {
            here().replace(of, generation);
            return Ok(());
        };
        let written = store.put(Space::Generations, of, &generation.to_le_bytes(), &[]);
        match written {
            Ok(()) => {
                here().written(store, of);
                self.catch_up();
            }
            Err(_) => _ = here().unwritten.entry(store.dir().to_owned()).or_default().insert(*of, generation),
        }
        written
    }

    /// Begins the generation `next`, unless the present one is another than `before`. Whether it did.
    ///
    /// # Errors
    /// If the store cannot be written. Then nothing has changed.
    pub(crate) fn succeed(&self, of: &Fingerprint, before: u64, next: u64) -> Result<bool, StoreError> {
        let Some(store) = self.store else {
            let mut here = here();
            let succeeds = here.get(of) == before;
            if succeeds {
                here.replace(of, next);
            }
            return Ok(succeeds);
        };
        self.catch_up();
        let first = self.first(store);
        store.update(Space::Generations, of, |old| {
            let succeeds = old.map_or(first, |old| number(&old)) == before;
            succeeds.then(|| (next.to_le_bytes().into(), Vec::new()))
        })
    }

    /// Writes what the store could not take before, if it does now: the generation that this process sees already.
    pub(crate) fn catch_up(&self) {
        let Some(store) = self.store else { return };
        let unwritten = HERE.read().unwrap_or_else(PoisonError::into_inner).unwritten.get(store.dir()).cloned();
        for (of, own) in unwritten.into_iter().flatten() {
            let first = self.first(store);
            let written = store.update(Space::Generations, &of, |old| {
                let generation = above(old.map_or(first, |old| number(&old)), own);
                Some((generation.to_le_bytes().into(), Vec::new()))
            });
            // Written twice, by two threads, it is one more generation, which nothing was made in.
            match written {
                Ok(_) => here().written_as(store, &of, own),
                Err(_) => return,
            }
        }
    }

    /// The generation now, to be looked at again.
    pub(crate) fn observe(&self, name: String, of: Fingerprint) -> Observation {
        let home = self.store.map(|store| store.dir().to_string_lossy().into_owned());
        Observation::Generation { name, of, home, generation: self.get(&of) }
    }

    /// Whether a generation that was observed is the present one.
    pub(crate) fn holds(&self, of: &Fingerprint, home: Option<&str>, generation: u64) -> bool {
        match (home, self.store) {
            (None, _) => Generations::new(None).get(of) == generation,
            (Some(home), Some(own)) if own.dir() == Path::new(home) => self.get(of) == generation,
            (Some(home), _) => store_in(home).is_some_and(|store| Generations::new(Some(&store)).get(of) == generation),
        }
    }

    fn get(&self, of: &Fingerprint) -> u64 {
        let here = HERE.read().unwrap_or_else(PoisonError::into_inner);
        let Some(store) = self.store else { return here.get(of) };
        // Looked at before the store, where it is before it leaves from here.
        let own = here.unwritten.get(store.dir()).and_then(|unwritten| unwritten.get(of)).copied();
        drop(here);
        let stored = match store.look(Space::Generations, of) {
            Ok(Some(bytes)) => number(&bytes),
            Ok(None) => self.first(store),
            // Who knows what was there.
            Err(()) => random(),
        };
        own.map_or(stored, |own| above(stored, own))
    }

    fn first(&self, store: &Store) -> u64 {
        let first = self.first.get().unwrap_or_else(|| first(store));
        self.first.set(Some(first));
        first
    }
}

/// The generation that one which could not be written begins above the store's: another one for each that the store has, so
/// that what others invalidate later counts too.
fn above(stored: u64, own: u64) -> u64 {
    let above = FingerprintBuilder::new("everfresh.generation.above").u64(stored).u64(own).finish();
    number(above.as_bytes())
}

fn here() -> RwLockWriteGuard<'static, Here> {
    HERE.write().unwrap_or_else(PoisonError::into_inner)
}

impl Here {
    fn get(&self, of: &Fingerprint) -> u64 {
        self.replaced.get(of).copied().unwrap_or(self.first)
    }

    fn replace(&mut self, of: &Fingerprint, generation: u64) {
        if self.replaced.len() >= MOST_HERE {
            *self = Self { first: random(), unwritten: std::mem::take(&mut self.unwritten), ..Self::default() };
        }
        self.replaced.insert(*of, generation);
    }

    /// Whatever could not be written of it does not count any more.
    fn written(&mut self, store: &Store, of: &Fingerprint) {
        if let Some(unwritten) = self.unwritten.get_mut(store.dir()) {
            unwritten.remove(of);
            if unwritten.is_empty() {
                self.unwritten.remove(store.dir());
            }
        }
    }

    /// The same, unless there is another one by now.
    fn written_as(&mut self, store: &Store, of: &Fingerprint, own: u64) {
        if self.unwritten.get(store.dir()).and_then(|unwritten| unwritten.get(of)) == Some(&own) {
            self.written(store, of);
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
pub(crate) fn random() -> u64 {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::{StoreOptions, while_refused};

    fn in_a_store(check: impl Fn(&Store)) {
        let folder = tempfile::tempdir().unwrap();
        check(&Store::open(&folder.path().join("cache"), StoreOptions::default()).unwrap());
    }

    fn of(name: &str) -> Fingerprint {
        Generations::of_function(name)
    }

    #[test]
    fn one_lookup_reads_the_first_generation_once() {
        in_a_store(|store| {
            let lookup = Generations::new(Some(store));
            let first = lookup.get(&of("a"));
            store.wipe().unwrap();
            assert_eq!(lookup.get(&of("b")), first);
            assert_ne!(Generations::new(Some(store)).get(&of("b")), first);
        });
    }

    #[test]
    fn what_others_invalidate_counts_also_after_an_invalidation_that_the_store_could_not_take() {
        in_a_store(|store| {
            let (now, of) = (|| Generations::new(Some(store)).get(&of("unwritten")), of("unwritten"));
            let first = now();
            while_refused(|| Generations::new(Some(store)).replace(&of).unwrap_err());
            let own = now();
            // As another process would.
            store.put(Space::Generations, &of, &7u64.to_le_bytes(), &[]).unwrap();
            let others = now();
            assert!(first != own && others != own && others != first);
        });
    }

    #[test]
    fn what_a_store_could_not_take_is_not_about_another_store() {
        in_a_store(|store| {
            in_a_store(|other| {
                let now = || Generations::new(Some(other)).get(&of("unwritten"));
                let before = now();
                while_refused(|| Generations::new(Some(store)).replace(&of("unwritten")).unwrap_err());
                assert_eq!(now(), before);
            });
        });
    }

    #[test]
    fn a_generation_follows_only_the_one_that_it_is_to_follow() {
        in_a_store(|store| {
            for store in [None, Some(store)] {
                let (now, of) = (|| Generations::new(store), of("succeeds"));
                let before = now().get(&of);
                assert!(now().succeed(&of, before, 7).unwrap());
                assert_eq!(now().get(&of), 7);
                assert!(!now().succeed(&of, before, 8).unwrap());
                assert_eq!(now().get(&of), 7);
            }
        });
    }
}
