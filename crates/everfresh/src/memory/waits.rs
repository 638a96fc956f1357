//! Who waits for what, so that nobody waits in a circle: of two callers that need each other's keys, each leading the flight
//! of its own, one waits and the other computes for itself.
//!
//! Here is only who leads a flight while it waits for another one: nobody waits for anybody else. A caller looks and enters
//! in one step, so the one that comes last sees the circle.

use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, Ordering},
};

/// A caller that waits for a flight, and the flights that do not go on meanwhile; all by their numbers.
struct Edge {
    number: u64,
    led: Vec<usize>,
    flight: usize,
}

// Not one of those that shuttle explores: nothing happens while it is held.
static EDGES: Mutex<Vec<Edge>> = Mutex::new(Vec::new());

static NEXT: AtomicU64 = AtomicU64::new(1);

fn edges() -> MutexGuard<'static, Vec<Edge>> {
    EDGES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A caller waits until this is dropped.
#[derive(Debug)]
pub(super) struct Waits(Option<u64>);

impl Waits {
    /// For who leads `led` and is about to wait for `flight`; `None` if that, or who it waits for in turn, waits for one of
    /// them.
    pub(super) fn enter(led: &[usize], flight: usize) -> Option<Self> {
        if led.is_empty() {
            return Some(Self(None));
        }
        let mut edges = edges();
        let (mut reached, mut at) = (vec![flight], 0);
        while let Some(next) = reached.get(at).copied() {
            if led.contains(&next) {
                return None;
            }
            for edge in edges.iter().filter(|edge| edge.led.contains(&next)) {
                if !reached.contains(&edge.flight) {
                    reached.push(edge.flight);
                }
            }
            at += 1;
        }
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        edges.push(Edge { number, led: led.to_vec(), flight });
        Some(Self(Some(number)))
    }
}

impl Drop for Waits {
    fn drop(&mut self) {
        let Some(number) = self.0 else { return };
        let mut edges = edges();
        if let Some(at) = edges.iter().position(|edge| edge.number == number) {
            edges.swap_remove(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_that_would_close_a_circle_is_refused() {
        // Flights that no other test has.
        let [a, b, c, d] = [1, 2, 3, 4].map(|number| usize::MAX - number);
        let first = Waits::enter(&[a], b).unwrap();
        let second = Waits::enter(&[b, d], c).unwrap();
        assert!(Waits::enter(&[c], a).is_none() && Waits::enter(&[c], b).is_none());
        assert!(Waits::enter(&[c], d).is_none(), "all that a caller leads waits with it");
        assert!(Waits::enter(&[], a).is_some(), "nobody waits for who leads nothing");
        drop(second);
        assert!(Waits::enter(&[c], a).is_some());
        drop(first);
        assert!(Waits::enter(&[b], a).is_some());
    }
}
