//! Locks, atomics, threads and the time that passes: std's, and shuttle's where that explores how they interleave.

#[cfg(not(all(test, feature = "shuttle")))]
pub(crate) use std::{
    sync::{Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard, atomic},
    thread, thread_local,
    time::Instant,
};

#[cfg(all(test, feature = "shuttle"))]
pub(crate) use self::explored::Instant;
#[cfg(all(test, feature = "shuttle"))]
pub(crate) use shuttle::{
    sync::{Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard, atomic},
    thread, thread_local,
};

#[cfg(all(test, feature = "shuttle"))]
mod explored {
    use std::time::Duration;

    /// Whatever is measured takes a nanosecond, so that a schedule that failed can be replayed.
    #[derive(Clone, Copy)]
    pub(crate) struct Instant;

    impl Instant {
        pub(crate) fn now() -> Self {
            Self
        }

        pub(crate) fn elapsed(self) -> Duration {
            Duration::from_nanos(1)
        }
    }
}
