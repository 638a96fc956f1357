//! How results age. All but its time must hold of a result that is served, fresh or stale.
//!
//! ```text
//! computed       due             expires          over
//!    |--- fresh ---|---- fresh ----|---- stale ----|
//!                  |-- computed anew while served --|
//! ```
//!
//! What a trace says is when it expires; when it is due and when it is over follows from the memo's settings now.

use super::held::Held;
use crate::{
    memory::{chance, nanoseconds},
    trace::Trace,
};
use std::{sync::atomic::Ordering::Relaxed, time::Duration};

/// The least and the most time, in nanoseconds, from a computation that failed to the next.
const PAUSE: (i64, i64) = (1_000_000, 1_000_000_000);

/// Settings of a memo.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ages {
    pub(super) stale: Duration,
    pub(super) ahead: Option<f64>,
    pub(super) jitter: f64,
}

/// How old a result is that is not over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Age {
    Fresh,
    Stale,
}

impl Ages {
    /// Whether results are computed anew while they are served.
    pub(super) fn any(&self) -> bool {
        self.stale > Duration::ZERO || self.ahead.is_some()
    }

    /// The moment when something is over that expires then.
    fn over(&self, expires_ns: i64) -> i64 {
        expires_ns.saturating_add(signed(self.stale))
    }

    /// How old a result is. What never expires asks for no time.
    ///
    /// # Errors
    /// For how long it has been expired, if it is over.
    pub(super) fn of(&self, trace: &Trace, now: impl FnOnce() -> i64) -> Result<Age, Duration> {
        let Some(expires_ns) = trace.expires_ns else { return Ok(Age::Fresh) };
        match now() {
            // A clock that went back says nothing of how old the result is.
            now if now < trace.made_ns => Err(Duration::ZERO),
            now if now < expires_ns => Ok(Age::Fresh),
            now if now < self.over(expires_ns) => Ok(Age::Stale),
            now => Err(expired_for(expires_ns, now)),
        }
    }

    /// Whether a result that is not over is to be computed anew while it is served.
    pub(super) fn is_due<V>(&self, held: &Held<V>, now: impl FnOnce() -> i64) -> bool {
        let Some(expires_ns) = held.trace.expires_ns.filter(|_| self.any()) else { return false };
        let now = now();
        let life = expires_ns.saturating_sub(held.trace.made_ns);
        let ahead = self.ahead.map_or(0, |part| life.saturating_sub((life as f64 * part) as i64));
        now >= expires_ns.saturating_sub(ahead) && now >= held.not_before.load(Relaxed)
    }

    /// After a computation that failed, the next one waits: a tenth of the time that is left, at most a second.
    pub(super) fn put_off<V>(&self, held: &Held<V>, now: i64) {
        if let Some(expires_ns) = held.trace.expires_ns {
            let left = self.over(expires_ns).saturating_sub(now);
            held.not_before.store(now.saturating_add((left / 10).clamp(PAUSE.0, PAUSE.1)), Relaxed);
        }
    }

    /// A ttl less a random part of it.
    pub(super) fn shortened(&self, ttl: Duration) -> Duration {
        if self.jitter == 0.0 { ttl } else { ttl.mul_f64(1.0 - self.jitter * chance()) }
    }
}

/// For how long something has been expired.
pub(super) fn expired_for(expires_ns: i64, now: i64) -> Duration {
    Duration::from_nanos(now.saturating_sub(expires_ns).try_into().unwrap_or_default())
}

pub(super) fn signed(duration: Duration) -> i64 {
    i64::try_from(nanoseconds(duration)).unwrap_or(i64::MAX)
}
