//! Closing caches when the process exits: what a `static` holds is never dropped, and a cache that was not closed is checked
//! whole by the next process.

use super::open::open_caches;
use nix::libc;
use std::{panic::catch_unwind, sync::Once};

/// Has all caches of this process closed when it returns from `main` or calls `exit`.
pub(super) fn close_at_exit() {
    static REGISTERED: Once = Once::new();
    REGISTERED.call_once(|| {
        // SAFETY: `close` has the signature that is asked for, never unwinds, and uses nothing but statics that are not
        // dropped.
        #[allow(unsafe_code)]
        let refused = unsafe { libc::atexit(close) } != 0;
        if refused {
            tracing::debug!("the caches of this process will not be closed when it exits");
        }
    });
}

extern "C" fn close() {
    // The process ends all the same.
    let _ = catch_unwind(|| {
        for cache in open_caches() {
            cache.write_uses();
            cache.presence.close();
        }
    });
}
