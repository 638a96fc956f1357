//! Settings of a memo: how much of its results is in memory, and how they age.

use super::{builder::MemoBuilder, cache::Listener};
use crate::memory::{Cause, Estimated, Policy, tell_all, weight};
use std::{sync::Arc, time::Duration};

/// What a result weighs where nobody says it better: as [`memory::estimated_bytes`](crate::memory::estimated_bytes), of the
/// result alone, since of its arguments a fingerprint is kept. A weigher for [`MemoBuilder::max_bytes`], and what
/// `#[cached(max_bytes = …)]` takes without one.
///
/// ```
/// use everfresh::{Memo, memo::estimated_bytes};
///
/// let words = Memo::builder("estimated_bytes").max_bytes(50, estimated_bytes).build();
/// let word = |text: &str| words.get_or_compute(text, || text.to_owned());
/// (word("four"), word("seven.."));
/// // A `String` takes 24 bytes beside its text.
/// assert_eq!(["four", "seven.."].map(|text| words.get(text).is_some()), [false, true]);
/// ```
pub fn estimated_bytes<V: Estimated + ?Sized>(value: &V) -> u32 {
    weight(value.estimated_bytes())
}

impl<V> MemoBuilder<V> {
    /// For how many arguments results are kept in memory: 128 unless this or [`max_bytes`](Self::max_bytes) is said. The store
    /// has a bound of its own.
    ///
    /// ```
    /// use everfresh::{Memo, memory::Policy};
    ///
    /// let last = Memo::builder("MemoBuilder::max_entries").max_entries(1).policy(Policy::Fifo).build();
    /// (1..=2).for_each(|n| _ = last.get_or_compute(&n, || n * n));
    /// assert_eq!((last.get(&1), last.get(&2)), (None, Some(4)));
    /// ```
    #[must_use]
    pub fn max_entries(mut self, entries: usize) -> Self {
        self.memory = self.memory.max_entries(entries);
        self
    }

    /// How much all results in memory may weigh together, as `weigher` says, which is asked once for each. A result that is
    /// heavier than this alone is not kept in memory. A weight is below 4 GiB: say a larger one as `u32::MAX`.
    /// [`estimated_bytes`] is a weigher for results that are `Serialize`.
    ///
    /// ```
    /// use everfresh::Memo;
    ///
    /// let words = Memo::builder("MemoBuilder::max_bytes").max_bytes(10, |text: &String| text.len() as u32).build();
    /// let word = |text: &str| words.get_or_compute(text, || text.to_owned());
    /// (word("seven.."), word("more than ten"), word("four"));
    /// assert_eq!(["seven..", "more than ten", "four"].map(|text| words.get(text).is_some()), [false, false, true]);
    /// ```
    #[must_use]
    pub fn max_bytes(mut self, bytes: u64, weigher: impl Fn(&V) -> u32 + Send + Sync + 'static) -> Self {
        self.max_bytes = bytes;
        self.weigher = Some(Arc::new(weigher));
        self.memory = self.memory.max_bytes(bytes, |_, kept| kept.weight());
        self
    }

    /// How long results may go unused in memory. Those in the store stay there.
    ///
    /// ```
    /// use everfresh::{Memo, memory::ManualClock};
    /// use std::{sync::Arc, time::Duration};
    ///
    /// let (clock, second) = (Arc::new(ManualClock::default()), Duration::from_secs(1));
    /// let rates = Memo::builder("MemoBuilder::idle").idle(2 * second).clock(clock.clone()).build();
    /// assert_eq!(rates.get_or_compute(&"EUR", || 4), 4);
    /// let after = |pause| (clock.advance(pause), rates.get(&"EUR")).1;
    /// assert_eq!([after(second), after(second), after(2 * second)], [Some(4), Some(4), None]);
    /// ```
    #[must_use]
    pub fn idle(mut self, idle: Duration) -> Self {
        self.memory = self.memory.idle(idle);
        self
    }

    /// Is told of each result that left the memory, and why, on the thread that made it leave, with no lock held; it may use
    /// the memo. One that was invalidated together with others, or by another process, leaves when somebody meets it, or for
    /// want of room.
    ///
    /// ```
    /// use everfresh::{Memo, memory::Cause};
    /// use std::sync::mpsc;
    ///
    /// let (sender, gone) = mpsc::channel();
    /// let told = move |value: &u32, cause| _ = sender.send((*value, cause));
    /// let squares = Memo::builder("MemoBuilder::on_removal").max_entries(1).on_removal(told).build();
    /// (1..=2).for_each(|n| _ = squares.get_or_compute(&n, || n * n));
    /// squares.invalidate(&2u32);
    /// assert_eq!(gone.try_iter().collect::<Vec<_>>(), [(1, Cause::Evicted), (4, Cause::Invalidated)]);
    /// ```
    #[must_use]
    pub fn on_removal(mut self, listener: impl Fn(&V, Cause) + Send + Sync + 'static) -> Self
    where
        V: 'static,
    {
        let listener: Listener<V> = Arc::new(listener);
        self.listener = Some(Arc::clone(&listener));
        self.memory = self.memory.on_removal(move |_, kept, cause| {
            // Which of a key's results are replaced is known where the others stay.
            if cause != Cause::Replaced {
                tell_all(&kept.0, |held| listener(&held.value, cause));
            }
        });
        self
    }

    /// Which results leave the memory when there is no room.
    ///
    /// ```
    /// use everfresh::{Memo, memory::Policy};
    ///
    /// let squares = Memo::builder("MemoBuilder::policy").max_entries(2).policy(Policy::Lru).build();
    /// [1, 2, 1, 3].into_iter().for_each(|n| _ = squares.get_or_compute(&n, || n * n));
    /// assert_eq!((squares.get(&1), squares.get(&2)), (Some(1), None));
    /// ```
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> Self {
        self.memory = self.memory.policy(policy);
        self
    }

    /// How long a result lives at most, wherever it is.
    ///
    /// ```
    /// use everfresh::{Memo, memory::ManualClock};
    /// use std::{sync::Arc, time::Duration};
    ///
    /// let clock = Arc::new(ManualClock::default());
    /// let rates = Memo::builder("MemoBuilder::ttl").ttl(Duration::from_secs(60)).clock(clock.clone()).build();
    /// assert_eq!(rates.get_or_compute(&"EUR", || 2), 2);
    /// clock.advance(Duration::from_secs(60));
    /// assert_eq!(rates.get(&"EUR"), None);
    /// ```
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// How long a result lives at most, by what it is; `None` stands for the memo's own `ttl`.
    ///
    /// ```
    /// use everfresh::{Memo, memory::ManualClock};
    /// use std::{sync::Arc, time::Duration};
    ///
    /// let (clock, second) = (Arc::new(ManualClock::default()), Duration::from_secs(1));
    /// let unless_found = move |found: &Option<u32>| found.is_none().then_some(second);
    /// let users = Memo::builder("MemoBuilder::ttl_by").ttl_by(unless_found).clock(clock.clone()).build();
    /// (users.get_or_compute(&"Ann", || Some(7)), users.get_or_compute(&"Bob", || None));
    /// clock.advance(second);
    /// assert_eq!((users.get(&"Ann"), users.get(&"Bob")), (Some(Some(7)), None));
    /// ```
    #[must_use]
    pub fn ttl_by(mut self, ttl: impl Fn(&V) -> Option<Duration> + Send + Sync + 'static) -> Self {
        self.ttl_by = Some(Arc::new(ttl));
        self
    }

    /// Shortens each result's life by a random part of its ttl, up to this one (0 to 1), so that results that were made
    /// together do not expire together.
    ///
    /// ```
    /// use everfresh::{Memo, memory::ManualClock};
    /// use std::{sync::Arc, time::Duration};
    ///
    /// let (clock, second) = (Arc::new(ManualClock::default()), Duration::from_secs(1));
    /// let rates = Memo::builder("MemoBuilder::jitter").ttl(60 * second).jitter(0.5).clock(clock.clone()).build();
    /// assert_eq!(rates.get_or_compute(&"EUR", || 4), 4);
    /// let after = |pause| (clock.advance(pause), rates.get(&"EUR")).1;
    /// assert_eq!([after(29 * second), after(31 * second)], [Some(4), None]);
    /// ```
    #[must_use]
    pub fn jitter(mut self, part: f64) -> Self {
        self.ages.jitter = part.clamp(0.0, 1.0);
        self
    }

    /// For how long after its time is over a result may still be served while it is computed anew (stale while revalidate),
    /// or because that failed (stale if error): only if all else that it was made from is unchanged, only by calls that
    /// compute and by [`get_stale`](super::Call::get_stale), and never so that a caller keeps what it makes of it. None unless
    /// said.
    ///
    /// Of all who ask for such a result, one computes and the others have the old one at once, also while another process
    /// computes it; or all of them, if it is computed behind them, by a thread
    /// ([`or_compute_behind`](super::Call::or_compute_behind)) or a task
    /// ([`or_compute_async_behind`](super::Call::or_compute_async_behind)). If the computation fails, the old one takes the place of its error, and a tenth of the time that is left
    /// passes, at most a second, before this process tries again.
    ///
    /// ```
    /// use everfresh::{Memo, memory::ManualClock};
    /// use std::{sync::Arc, time::Duration};
    ///
    /// let (clock, minute) = (Arc::new(ManualClock::default()), Duration::from_secs(60));
    /// let rates = Memo::builder("MemoBuilder::stale").ttl(minute).stale(60 * minute).clock(clock.clone()).build();
    /// assert_eq!(rates.get_or_compute(&"EUR", || 4), 4);
    /// clock.advance(minute);
    /// assert_eq!(rates.get(&"EUR"), None);
    /// assert_eq!(rates.try_get_or_compute(&"EUR", || Err("no answer")), Ok(4));
    /// ```
    #[must_use]
    pub fn stale(mut self, stale: Duration) -> Self {
        self.ages.stale = stale;
        self
    }

    /// From which part of its life on (0 to 1) a result that expires is computed anew while it is still served, so that
    /// nobody waits for one that is in use: by one caller, or behind all of them
    /// ([`or_compute_behind`](super::Call::or_compute_behind)). Off unless said.
    ///
    /// ```
    /// use everfresh::{Memo, memory::ManualClock};
    /// use std::{sync::Arc, time::Duration};
    ///
    /// let (clock, second) = (Arc::new(ManualClock::default()), Duration::from_secs(1));
    /// let rates = Memo::builder("MemoBuilder::refresh_ahead").ttl(10 * second).refresh_ahead(0.8);
    /// let rates = rates.clock(clock.clone()).build();
    /// assert_eq!(rates.get_or_compute(&"EUR", || 4), 4);
    /// clock.advance(8 * second);
    /// assert_eq!((rates.get(&"EUR"), rates.get_or_compute(&"EUR", || 5)), (Some(4), 5));
    /// ```
    #[must_use]
    pub fn refresh_ahead(mut self, part: f64) -> Self {
        self.ages.ahead = Some(part.clamp(0.0, 1.0));
        self
    }
}
