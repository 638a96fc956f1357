//! What large values end in: arrays, by a hash of their items in C order, and tables, by their own fingerprint. Either is made
//! once if nobody can write to the memory.

use super::{
    buffer::Buffer,
    failure::Outcome,
    owned::{self, Place},
    pool,
    table::Table,
};
use everfresh::Fingerprint;
use pyo3::prelude::*;

/// Memory from here on is hashed while other threads run.
const LARGE: usize = 64 << 10;

/// The hash of a buffer's items.
pub(super) fn hash_of(py: Python<'_>, buffer: &Buffer<'_>) -> Fingerprint {
    let place = buffer.place();
    if let Some(hash) = owned::known(&place) {
        return hash;
    }
    let hash = match buffer.contiguous() {
        Some(bytes) => hash_of_bytes(py, bytes),
        None => {
            let items = buffer.strided();
            py.detach(move || {
                let mut hasher = blake3::Hasher::new();
                items.gather(|block| {
                    hasher.update(block);
                });
                hasher.finalize().into()
            })
        }
    };
    owned::learn(place, hash);
    hash
}

pub(super) fn hash_of_bytes(py: Python<'_>, bytes: &[u8]) -> Fingerprint {
    match bytes.len() {
        LARGE.. => py.detach(|| pool::hash(bytes)).into(),
        _ => Fingerprint::of_bytes(bytes),
    }
}

/// An object that consists of one array or table.
enum Leaf<'py> {
    Array(Buffer<'py>),
    Table(Table),
}

/// `None` for objects that are hashed in another way: NumPy's subclasses, and what polars makes of its memory.
fn leaf<'py>(object: &Bound<'py, PyAny>) -> Outcome<Option<Leaf<'py>>> {
    let class = object.get_type();
    let module = class.module()?;
    Ok(match module.to_str()?.split('.').next() {
        Some("numpy") if matches!(class.name()?.to_str()?, "ndarray" | "memmap") => {
            Buffer::get(object).ok().map(Leaf::Array)
        }
        Some("pyarrow") => Table::of_pyarrow(object)?.map(Leaf::Table),
        _ => None,
    })
}

/// What an object's fingerprint is made of, beside types and names.
pub(super) fn hash_of_object(object: &Bound<'_, PyAny>) -> Outcome<Option<Fingerprint>> {
    Ok(match leaf(object)? {
        Some(Leaf::Array(buffer)) => Some(hash_of(object.py(), &buffer)),
        Some(Leaf::Table(table)) => Some(table.fingerprint(object.py())?),
        None => None,
    })
}

/// Calls `look` with where an object's items lie, while they do.
pub(super) fn at_place<T>(object: &Bound<'_, PyAny>, look: impl FnOnce(Place) -> T) -> Outcome<Option<T>> {
    Ok(match leaf(object)? {
        Some(Leaf::Array(buffer)) => Some(look(buffer.place())),
        Some(Leaf::Table(table)) => Some(look(table.place())),
        None => None,
    })
}

/// Whether an object is a table of Arrow to which nobody can write.
pub(super) fn is_owned_table(object: &Bound<'_, PyAny>) -> Outcome<bool> {
    Ok(matches!(leaf(object)?, Some(Leaf::Table(table)) if owned::is_owned(&table.place())))
}
