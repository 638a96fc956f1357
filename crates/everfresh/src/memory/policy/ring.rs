//! Hits on their way to a policy: written under a shared lock, read under the exclusive one.

use crate::memory::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

const ROOM: usize = 64;

/// The last hits that nobody looked at yet, up to 64; more are dropped. Losing a few at once when threads meet is fine too:
/// what reads this estimates.
#[derive(Debug)]
#[repr(align(64))]
pub(in crate::memory) struct Ring {
    len: AtomicUsize,
    hits: [AtomicU64; ROOM],
}

impl Default for Ring {
    fn default() -> Self {
        Self { len: AtomicUsize::new(0), hits: [const { AtomicU64::new(0) }; ROOM] }
    }
}

impl Ring {
    #[inline]
    pub(in crate::memory) fn is_full(&self) -> bool {
        self.len.load(Relaxed) >= ROOM
    }

    /// Adds a hit: an entry's hash and the state that the hit left. Writes nothing when it is full.
    #[inline]
    pub(in crate::memory) fn push(&self, hash: u32, state: u32) {
        let len = self.len.load(Relaxed);
        if let Some(hit) = self.hits.get(len) {
            hit.store(u64::from(hash) << 32 | u64::from(state), Relaxed);
            self.len.store(len + 1, Relaxed);
        }
    }

    /// Hands over all hits, the oldest first, and forgets them.
    pub(in crate::memory) fn drain(&mut self, mut to: impl FnMut(u32, u32)) {
        let len = std::mem::take(self.len.get_mut());
        for hit in &mut self.hits[..len] {
            let hit = *hit.get_mut();
            to((hit >> 32) as u32, hit as u32);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hits_come_out_once_in_order_and_those_that_find_no_room_are_dropped() {
        let mut ring = Ring::default();
        (0..100).for_each(|n| ring.push(n, u32::MAX - n));
        let mut seen = Vec::new();
        ring.drain(|hash, state| seen.push((hash, state)));
        assert_eq!(seen, (0..ROOM as u32).map(|n| (n, u32::MAX - n)).collect::<Vec<_>>());
        ring.drain(|_, _| unreachable!("they were forgotten"));
        ring.push(7, 8);
        ring.drain(|hash, state| assert_eq!((hash, state), (7, 8)));
    }
}
