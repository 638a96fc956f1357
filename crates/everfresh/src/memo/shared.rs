//! Flights that memos share: all those of one store, so that two memos of one function meet each other's callers, as two calls
//! of one memo do.

use super::held::Held;
use crate::{Fingerprint, memory::Flights};
use std::{
    any::{Any, TypeId},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, Weak},
};

/// Flights by key.
pub(super) type KeyFlights<V> = Flights<Fingerprint, Arc<Held<V>>>;

struct Shared {
    values: TypeId,
    folder: PathBuf,
    flights: Weak<dyn Any + Send + Sync>,
}

static SHARED: Mutex<Vec<Shared>> = Mutex::new(Vec::new());

/// The flights of all memos with such values and a store in this folder.
pub(super) fn shared_flights<V: Send + Sync + 'static>(folder: &Path) -> Arc<KeyFlights<V>> {
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    let values = TypeId::of::<V>();
    let own = shared.iter().filter(|own| own.values == values && own.folder == folder);
    if let Some(Ok(flights)) = own.filter_map(|own| own.flights.upgrade()).next().map(Arc::downcast) {
        return flights;
    }
    let flights: Arc<KeyFlights<V>> = Arc::default();
    shared.retain(|other| other.flights.strong_count() > 0);
    let any: Arc<dyn Any + Send + Sync> = Arc::clone(&flights) as _;
    shared.push(Shared { values, folder: folder.to_owned(), flights: Arc::downgrade(&any) });
    flights
}
