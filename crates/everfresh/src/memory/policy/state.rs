//! What hits leave in an entry for its policy: one small word, which a hit writes only if that changes it. An entry that is
//! hit all the time is therefore read by all cores and written by none.

use crate::memory::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// The highest count.
const MOST: u32 = 15;

const COUNT: u32 = 0xf;
const EPOCH: u32 = 4;
const USED: u32 = 1 << 12;
const FOUND: u32 = 1 << 13;
const QUEUE: u32 = 14;

/// Bits 0 to 3: how often the entry was used, up to 15. Bits 4 to 11: the epoch in which that was true; the count is half
/// as high for every epoch since. Bit 12: whether it was hit since a policy last looked. Bit 13: whether it ever was. From
/// bit 14 on: the queue that the entry is in, which only the policy writes, under the lock that keeps hits out.
#[derive(Debug, Default)]
pub(in crate::memory) struct State(AtomicU32);

impl State {
    /// Not hit yet, with the count and the epoch of a word.
    pub(in crate::memory) const fn new(word: u32) -> Self {
        Self(AtomicU32::new(word & (COUNT | 0xff << EPOCH)))
    }

    /// Notes a hit, and gives the state then. Of several at once one may not count.
    #[inline]
    pub(in crate::memory) fn hit(&self, epoch: u8) -> u32 {
        let old = self.0.load(Relaxed);
        if old << (32 - QUEUE) == (FOUND | USED | word(MOST, epoch)) << (32 - QUEUE) {
            return old;
        }
        let count = (count_in(old, epoch) + 1).min(MOST);
        let new = (old >> QUEUE) << QUEUE | FOUND | USED | u32::from(epoch) << EPOCH | count;
        if new != old {
            self.0.store(new, Relaxed);
        }
        new
    }

    /// Whether it was ever hit.
    pub(in crate::memory) fn was_hit(&self) -> bool {
        self.0.load(Relaxed) & FOUND != 0
    }

    /// How often it was used, as of an epoch.
    pub(super) fn count(&self, epoch: u8) -> u32 {
        count_in(self.0.load(Relaxed), epoch)
    }

    pub(super) fn set_count(&self, count: u32, epoch: u8) {
        let rest = self.0.load(Relaxed) & !(COUNT | 0xff << EPOCH);
        self.0.store(rest | word(count, epoch), Relaxed);
    }

    /// Takes over the count and the epoch of another state, and is used.
    pub(super) fn take_hit(&self, other: u32) {
        let queue = self.0.load(Relaxed) >> QUEUE;
        self.0.store(queue << QUEUE | USED | other & (COUNT | 0xff << EPOCH), Relaxed);
    }

    /// Whether it was hit since the last call.
    pub(super) fn take_used(&self) -> bool {
        let state = self.0.load(Relaxed);
        if state & USED != 0 {
            self.0.store(state & !USED, Relaxed);
        }
        state & USED != 0
    }

    pub(super) fn queue(&self) -> usize {
        (self.0.load(Relaxed) >> QUEUE) as usize
    }

    pub(super) fn set_queue(&self, queue: usize) {
        let rest = self.0.load(Relaxed) & ((1 << QUEUE) - 1);
        self.0.store(rest | (queue as u32) << QUEUE, Relaxed);
    }
}

#[inline]
fn count_in(state: u32, epoch: u8) -> u32 {
    let since = epoch.wrapping_sub((state >> EPOCH) as u8);
    // Four halvings of four bits leave nothing.
    (state & COUNT) >> since.min(4)
}

/// The word of a state that was used so often.
#[inline]
pub(super) const fn word(count: u32, epoch: u8) -> u32 {
    (epoch as u32) << EPOCH | if count < MOST { count } else { MOST }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hits_count_up_to_fifteen_and_then_change_nothing() {
        let state = State::default();
        state.set_queue(2);
        for hits in 1..=20 {
            assert_eq!(state.hit(7) & COUNT, hits.min(15));
        }
        let before = state.0.load(Relaxed);
        state.hit(7);
        assert_eq!((state.0.load(Relaxed), state.queue()), (before, 2));
    }

    #[test]
    fn a_count_is_halved_with_every_epoch_even_when_epochs_start_anew() {
        let state = State::default();
        state.set_count(13, 254);
        assert_eq!([254, 255, 0, 1, 2, 100].map(|epoch| state.count(epoch)), [13, 6, 3, 1, 0, 0]);
        assert_eq!(state.hit(0) & COUNT, 4);
    }

    #[test]
    fn a_use_is_noticed_once() {
        let state = State::default();
        assert!(!state.take_used());
        state.hit(0);
        assert!(state.take_used() && !state.take_used());
        assert_eq!(state.count(0), 1, "which leaves the count");
    }

    #[test]
    fn a_hit_is_taken_over_without_the_queue() {
        let (from, to) = (State::default(), State::default());
        from.set_queue(1);
        to.set_queue(2);
        to.take_hit(from.hit(9));
        assert_eq!((to.queue(), to.count(9), to.take_used()), (2, 1, true));
    }
}
