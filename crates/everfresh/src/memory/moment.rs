//! A moment that a later process can compare with its own: how much time went by, as far as any clock knows.

use super::clock::nanoseconds;
use crate::disk::boot_tag;
use std::time::SystemTime;

/// By the wall clock, which somebody may set, and by the time since the machine started, which only its next start ends. In
/// nanoseconds.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Moment {
    /// Since the Unix epoch.
    pub(super) wall: u64,
    /// Differs after every start of the machine; 0 if unknown.
    pub(super) boot: u64,
    /// Since that start, in which the machine may have slept.
    pub(super) since_boot: u64,
}

impl Moment {
    pub(super) fn now() -> Self {
        let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, nanoseconds);
        let (boot, since_boot) = since_boot();
        Self { wall, boot, since_boot }
    }

    /// How much time went by since an earlier moment, the most that a clock says: a machine that was paused knows it by the
    /// wall clock alone, and one whose clock was set back by the time since its start alone. `None` if neither knows.
    pub(super) fn since(&self, earlier: &Self) -> Option<u64> {
        let same_boot = self.boot != 0 && self.boot == earlier.boot;
        let by_boot = same_boot.then(|| self.since_boot.checked_sub(earlier.since_boot)).flatten();
        self.wall.checked_sub(earlier.wall).max(by_boot)
    }
}

#[cfg(target_os = "linux")]
fn since_boot() -> (u64, u64) {
    use rustix::time::{ClockId, clock_gettime};
    let now = clock_gettime(ClockId::Boottime);
    (boot_tag(), now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64)
}

/// Which start it was is not known.
#[cfg(not(target_os = "linux"))]
fn since_boot() -> (u64, u64) {
    (boot_tag(), 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAVED: Moment = Moment { wall: 1000, boot: 7, since_boot: 500 };

    #[test]
    fn the_clock_that_says_more_counts_and_one_that_went_back_says_nothing() {
        let since = |wall, boot, since_boot| Moment { wall, boot, since_boot }.since(&SAVED);
        assert_eq!(since(1003, 7, 503), Some(3));
        assert_eq!(since(10, 7, 503), Some(3), "the wall clock was set back");
        assert_eq!(since(1900, 7, 503), Some(900), "the machine was paused, or the wall clock set");
        assert_eq!(since(1900, 8, 600), Some(900), "the machine was started anew");
        assert_eq!(since(10, 8, 600), None);
        assert_eq!(since(10, 7, 499), None);
        assert_eq!(Moment { wall: 10, ..Moment::default() }.since(&Moment { wall: 11, ..Moment::default() }), None);
    }

    #[test]
    fn what_time_it_is_does_not_go_back() {
        let before = Moment::now();
        assert!(Moment::now().since(&before).is_some());
        assert_eq!(before.boot, boot_tag());
    }
}
