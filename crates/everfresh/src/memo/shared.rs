//! Flights that memos share: all those of one store, so that two memos of one function meet each other's callers, as two calls
//! of one memo do.

use super::held::Held;
use crate::{
    Fingerprint,
    memory::{Flights, KeyHash},
};
use std::{
    any::{Any, TypeId},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, Weak},
};

/// Flights by key.
pub(super) type KeyFlights<V> = Flights<Fingerprint, Arc<Held<V>>>;

/// Where a key's flight is found.
pub(super) fn hash(key: &Fingerprint) -> KeyHash {
    KeyHash::new(key.as_bytes().first_chunk().copied().map_or(0, u64::from_le_bytes))
}

struct Shared {
    flights: TypeId,
    folder: PathBuf,
    held: Weak<dyn Any + Send + Sync>,
}

static SHARED: Mutex<Vec<Shared>> = Mutex::new(Vec::new());

/// In a forked child: nobody who computes in its parent computes here.
pub(super) fn after_fork() {
    if let Ok(mut shared) = SHARED.try_lock() {
        shared.clear();
    }
}

/// Flights of such a type that all memos with a store in this folder share.
pub(super) fn shared<F: Default + Send + Sync + 'static>(folder: &Path) -> Arc<F> {
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    let own = shared.iter().filter(|own| own.flights == TypeId::of::<F>() && own.folder == folder);
    if let Some(Ok(flights)) = own.filter_map(|own| own.held.upgrade()).next().map(Arc::downcast) {
        return flights;
    }
    let flights: Arc<F> = Arc::default();
    shared.retain(|other| other.held.strong_count() > 0);
    let any: Arc<dyn Any + Send + Sync> = Arc::clone(&flights) as _;
    shared.push(Shared { flights: TypeId::of::<F>(), folder: folder.to_owned(), held: Arc::downgrade(&any) });
    flights
}
