//! Named phases of every write, at which a test stops the process to kill it there; and disks that are full. Nothing outside
//! of tests.
//!
//! | phase | when |
//! | --- | --- |
//! | `blob-temporary` | part of a blob's payload is in its temporary file |
//! | `blob-before-rename` | the temporary file is whole |
//! | `blob-after-rename` | the blob has its name, the index does not know it |
//! | `index-transaction` | an index transaction has written, and not committed |
//! | `index-committed` | it has committed, and the caller does not know |
//! | `gc-unlinked` | `gc` has removed files of blobs that the index still knows |
//! | `gc-committed` | `gc` has committed one of its batches |
//! | `opening` | a process has said that it is here, and not opened the index |
//! | `closing` | the index is closed, and others do not know |

#[cfg(not(test))]
#[inline(always)]
pub(super) fn reach(_phase: &'static str) {}

#[cfg(not(test))]
#[inline(always)]
pub(super) fn refuses() -> bool {
    false
}

#[cfg(test)]
std::thread_local! {
    static REFUSES: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// Whether no store takes what this thread writes.
#[cfg(test)]
pub(super) fn refuses() -> bool {
    REFUSES.get()
}

/// Works while no store takes what this thread writes, as if its disk were full.
#[cfg(test)]
pub(crate) fn while_refused<T>(work: impl FnOnce() -> T) -> T {
    REFUSES.set(true);
    let done = work();
    REFUSES.set(false);
    done
}

/// Stops for ever at the n-th time that the phase named by `EVERFRESH_FAULT=phase:n` is reached.
#[cfg(test)]
pub(super) fn reach(phase: &'static str) {
    use std::io::Write as _;
    use std::sync::{
        LazyLock,
        atomic::{AtomicU32, Ordering},
    };
    static PLAN: LazyLock<Option<(String, AtomicU32)>> = LazyLock::new(|| {
        let plan = std::env::var("EVERFRESH_FAULT").ok()?;
        let (phase, count) = plan.split_once(':')?;
        Some((phase.to_owned(), AtomicU32::new(count.parse().ok()?)))
    });
    let Some((planned, left)) = &*PLAN else { return };
    if planned == phase && left.fetch_sub(1, Ordering::SeqCst) == 1 {
        let mut out = std::io::stdout().lock();
        // Straight to the descriptor: the test harness captures what `println!` prints.
        let _ = writeln!(out, "\nAT {phase}").and_then(|()| out.flush());
        drop(out);
        loop {
            std::thread::park();
        }
    }
}
