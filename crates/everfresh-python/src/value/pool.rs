//! The threads that hash large memory and tables.
#![allow(unsafe_code)]

use std::{
    process,
    ptr::null_mut,
    sync::atomic::{
        AtomicPtr,
        Ordering::{AcqRel, Acquire},
    },
};

/// Memory from here on is hashed on all cores.
const PARALLEL: usize = 1 << 20;

/// Adds bytes to a hasher, on all cores if they are many. To be called without the interpreter's lock.
pub(super) fn update(hasher: &mut blake3::Hasher, bytes: &[u8]) {
    if bytes.len() >= PARALLEL
        && let Ok(pool) = pool()
    {
        pool.install(|| hasher.update_rayon(bytes));
    } else {
        hasher.update(bytes);
    }
}

/// The BLAKE3 hash of bytes, likewise.
pub(super) fn hash(bytes: &[u8]) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    update(&mut hasher, bytes);
    hasher.finalize()
}

/// Threads, and the process that they belong to.
struct Pool {
    process: u32,
    threads: rayon::ThreadPool,
}

/// The pool of this process. A fork leaves its threads behind, so a child makes its own; what it inherited is leaked,
/// since its locks may be held by threads that are not there.
pub(super) fn pool() -> Result<&'static rayon::ThreadPool, String> {
    static POOL: AtomicPtr<Pool> = AtomicPtr::new(null_mut());
    let old = POOL.load(Acquire);
    // SAFETY: a pool, once published, is never freed.
    if let Some(pool) = unsafe { old.as_ref() }
        && pool.process == process::id()
    {
        return Ok(&pool.threads);
    }
    let threads = rayon::ThreadPoolBuilder::new().thread_name(|at| format!("everfresh-{at}")).build();
    let threads = threads.map_err(|error| error.to_string())?;
    let new = Box::into_raw(Box::new(Pool { process: process::id(), threads }));
    let held = match POOL.compare_exchange(old, new, AcqRel, Acquire) {
        Ok(_) => new,
        Err(other) => {
            // SAFETY: `new` was not published, and no one else has it.
            drop(unsafe { Box::from_raw(new) });
            other
        }
    };
    // SAFETY: published above, by this thread or another one.
    Ok(unsafe { &(*held).threads })
}
