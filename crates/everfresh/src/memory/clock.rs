//! What time it is, for entries that expire.

use super::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

/// A clock. It need not be right, only move on: where it goes backwards, entries live longer.
///
/// ```
/// use everfresh::memory::Clock;
/// use std::time::Duration;
///
/// #[derive(Debug)]
/// struct Stopped(Duration);
///
/// impl Clock for Stopped {
///     fn now(&self) -> Duration {
///         self.0
///     }
/// }
///
/// assert_eq!(Stopped(Duration::from_secs(7)).now(), Duration::from_secs(7));
/// ```
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// The time since some moment in the past, always the same one.
    fn now(&self) -> Duration;
}

/// The system's monotonic clock as the kernel last noted it, which on Linux is up to 10 ms ago: cheap enough for every
/// hit.
///
/// ```
/// use everfresh::memory::{Clock, SystemClock};
///
/// let before = SystemClock.now();
/// assert!(SystemClock.now() >= before);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Duration {
        Duration::from_nanos(system_now())
    }
}

/// The time since the Unix epoch, which all processes agree on, as far as somebody sets it right.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct WallClock;

impl Clock for WallClock {
    fn now(&self) -> Duration {
        SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
    }
}

#[inline]
fn system_now() -> u64 {
    use rustix::time::{ClockId, clock_gettime};
    #[cfg(target_os = "linux")]
    let id = ClockId::MonotonicCoarse;
    #[cfg(not(target_os = "linux"))]
    let id = ClockId::Monotonic;
    let now = clock_gettime(id);
    // Never negative, and 584 years fit.
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// The clock of one cache. The system's is asked without a detour.
#[derive(Clone, Debug)]
pub(super) enum CacheClock {
    System,
    Other(Arc<dyn Clock>),
}

impl CacheClock {
    /// The time in nanoseconds.
    #[inline]
    pub(super) fn now(&self) -> u64 {
        match self {
            Self::System => system_now(),
            Self::Other(clock) => nanoseconds(clock.now()),
        }
    }
}

/// A clock that stands still until somebody moves it: for tests.
///
/// ```
/// use everfresh::memory::{Cache, ManualClock};
/// use std::{sync::Arc, time::Duration};
///
/// let clock = Arc::new(ManualClock::default());
/// let cache = Cache::builder().ttl(Duration::from_secs(60)).clock(clock.clone()).build();
/// cache.insert("rate", 4)?;
/// clock.advance(Duration::from_secs(59));
/// assert_eq!(cache.get("rate"), Some(4));
/// clock.advance(Duration::from_secs(1));
/// assert_eq!(cache.get("rate"), None);
/// # Ok::<_, everfresh::memory::Refused>(())
/// ```
#[derive(Debug, Default)]
pub struct ManualClock {
    nanoseconds: AtomicU64,
}

impl ManualClock {
    /// Moves the clock on.
    ///
    /// ```
    /// use everfresh::memory::{Clock, ManualClock};
    /// use std::time::Duration;
    ///
    /// let clock = ManualClock::default();
    /// clock.advance(Duration::from_secs(1));
    /// clock.advance(Duration::from_secs(2));
    /// assert_eq!(clock.now(), Duration::from_secs(3));
    /// ```
    pub fn advance(&self, by: Duration) {
        self.set(self.now().saturating_add(by));
    }

    /// Sets the clock, backwards too.
    ///
    /// ```
    /// use everfresh::memory::{Clock, ManualClock};
    /// use std::time::Duration;
    ///
    /// let clock = ManualClock::default();
    /// clock.set(Duration::from_secs(7));
    /// clock.set(Duration::from_secs(5));
    /// assert_eq!(clock.now(), Duration::from_secs(5));
    /// ```
    pub fn set(&self, now: Duration) {
        self.nanoseconds.store(nanoseconds(now), Relaxed);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Duration {
        Duration::from_nanos(self.nanoseconds.load(Relaxed))
    }
}

pub(crate) fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_clock_does_not_go_backwards() {
        let first = SystemClock.now();
        assert!((0..1000).all(|_| SystemClock.now() >= first));
    }
}
