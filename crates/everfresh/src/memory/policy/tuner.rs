//! Which window would hit most? Three shadows over a sample of the keys say so, and a score that forgets decides.

use super::shadow::Shadow;
use std::array;

/// Frequency decides, both do, recency decides. Two would do nearly as well; more gain nothing.
const SHARES: [f64; N] = [0.01, 0.4, 1.0];
const N: usize = 3;
/// The least harmful guess.
const START: usize = 1;

/// A shadow has 256 entries, or a sixteenth of a cache of 2,048 and more: a sample of 256 errs by about 6 %, and a sixteenth
/// bounds what a hit of a large cache costs, and how much room that takes.
const SHADOW_LEAST: usize = 256;
const SHADOW_PART: usize = 16;
const LARGE: usize = 2048;
const SHADOW_MOST: usize = 32_768;

/// Scores forget by half in twice a shadow's entries, counted in sampled accesses: several times its turnover.
const HALF_LIFE: f64 = 2.0;
const HALF_LIFE_LEAST: f64 = 500.0;
/// A lead counts when it is above 2.5 standard deviations of a coin thrown at each access where two settings disagree.
const SIGMAS: f64 = 2.5;
/// Each change makes the next one harder, which fades over 8 half-lives: no flapping where two settings lead in turn.
const BACKOFF: f64 = 1.5;
const BACKOFF_MOST: f64 = 4.0;
const BACKOFF_FADE: f64 = 8.0;
/// The sampled share of what is in the cache is averaged over 16 times a shadow's entries: longer than any loop that the
/// cache could hold.
const DENSITY_MEMORY: f64 = 16.0;
/// Weights grow until here, then all are scaled down.
const WEIGHT_MOST: f64 = 1e100;

/// Which keys are looked at.
#[derive(Clone, Copy, Debug)]
pub(in crate::memory) struct Sample {
    threshold: u32,
}

impl Sample {
    /// No key.
    pub(in crate::memory) const NONE: Self = Self { threshold: 0 };

    fn new(part: f64) -> Self {
        Self { threshold: (part * f64::from(u32::MAX)) as u32 }
    }

    /// Whether a key is looked at, by its hash, which is not zero. That takes other bits than the place in a table.
    #[inline]
    pub(in crate::memory) fn has(self, hash: u32) -> bool {
        hash.wrapping_mul(0x9e37_79b1) <= self.threshold
    }
}

#[derive(Debug)]
pub(super) struct Tuner {
    shadows: [Shadow; N],
    /// Of a shadow, as long as the sample is as large as it should be.
    entries: usize,
    /// The discounted hits of each setting where any two disagree.
    score: [f64; N],
    /// The discounted number of accesses where two disagree.
    differ: [[f64; N]; N],
    /// Of the next access. Scores forget by giving each access more weight than the one before.
    weight: f64,
    keep: f64,
    backoff: f64,
    /// Sampled keys in the cache, on average: the shadows' capacity. A sample that happens to hold more or fewer keys of the
    /// working set than its share gets shadows that are larger or smaller to match; it matters for loops slightly longer
    /// than the cache.
    density: f64,
    current: usize,
}

impl Tuner {
    /// A tuner for a cache of so many entries.
    pub(super) fn new(capacity: usize) -> Self {
        let entries = shadow_entries(capacity);
        Self {
            shadows: array::from_fn(|at| Shadow::new(entries, SHARES[at])),
            entries,
            score: [0.0; N],
            differ: [[0.0; N]; N],
            weight: 1.0,
            keep: 0.5f64.powf(1.0 / (HALF_LIFE * entries as f64).max(HALF_LIFE_LEAST)),
            backoff: 1.0,
            density: entries as f64,
            current: START,
        }
    }

    /// The same for another capacity, with the setting that it has.
    pub(super) fn resized(&self, capacity: usize) -> Self {
        Self { current: self.current, ..Self::new(capacity) }
    }

    /// The window's share.
    pub(super) fn share(&self) -> f64 {
        SHARES[self.current]
    }

    /// A sampled key was looked up, whose entry has this state, in a cache that holds `resident` sampled keys. Whether the
    /// setting changed.
    pub(super) fn observe(&mut self, hash: u32, state: u32, epoch: u8, resident: usize, full: bool) -> bool {
        let capacity = if full {
            self.density += (resident as f64 - self.density) / (DENSITY_MEMORY * self.entries as f64);
            self.density.round() as usize
        } else {
            self.density = resident as f64;
            self.entries.max(resident)
        };
        let hits = self.shadows.each_mut().map(|shadow| {
            shadow.resize(capacity, epoch);
            shadow.access(hash, state, epoch)
        });
        self.weight /= self.keep;
        self.backoff = 1.0 + (self.backoff - 1.0) * (1.0 - (1.0 - self.keep) / BACKOFF_FADE);
        // Where all agree, as they mostly do, no lead changes.
        if hits == [hits[0]; N] {
            return false;
        }
        self.score(hits);
        self.choose()
    }

    /// A key left the cache for another reason than room.
    pub(super) fn remove(&mut self, hash: u32) {
        self.shadows.iter_mut().for_each(|shadow| shadow.remove(hash));
    }

    fn score(&mut self, hits: [bool; N]) {
        if self.weight > WEIGHT_MOST {
            self.score.iter_mut().chain(self.differ.as_flattened_mut()).for_each(|sum| *sum /= self.weight);
            self.weight = 1.0;
        }
        for one in 0..N {
            self.score[one] += if hits[one] { self.weight } else { 0.0 };
            for other in 0..N {
                self.differ[one][other] += if hits[one] == hits[other] { 0.0 } else { self.weight };
            }
        }
    }

    /// Goes over to the setting with the longest lead that is no chance. Whether there is one.
    fn choose(&mut self) -> bool {
        let sigmas = SIGMAS * self.backoff;
        let mut best = (self.current, 1.0);
        for other in 0..N {
            let lead = (self.score[other] - self.score[self.current]) / self.weight;
            let differ = self.differ[other][self.current] / self.weight;
            if lead > best.1 && lead * lead > sigmas * sigmas * differ {
                best = (other, lead);
            }
        }
        if best.0 == self.current {
            return false;
        }
        self.current = best.0;
        self.backoff = (self.backoff * BACKOFF).min(BACKOFF_MOST);
        true
    }
}

/// How many entries a shadow of a cache has.
pub(super) fn shadow_entries(capacity: usize) -> usize {
    let entries = if capacity < LARGE { capacity.min(SHADOW_LEAST) } else { capacity / SHADOW_PART };
    entries.clamp(1, SHADOW_MOST)
}

/// The keys that shadows of a cache look at.
pub(super) fn sample(capacity: usize) -> Sample {
    Sample::new(shadow_entries(capacity) as f64 / capacity.max(1) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share_after(keys: impl Iterator<Item = u32>) -> f64 {
        let mut tuner = Tuner::new(100);
        keys.for_each(|key| {
            tuner.observe(key, 1, 0, 100, true);
        });
        tuner.share()
    }

    #[test]
    fn a_loop_is_for_frequency_and_what_moves_on_for_recency() {
        assert_eq!(share_after((0..30).flat_map(|_| 0..120)), 0.01);
        // A working set that drifts: every key is asked for again soon, and then never more.
        assert_eq!(share_after((0..6000u32).flat_map(|at| [at, at.saturating_sub(43)])), 1.0);
    }

    #[test]
    fn without_a_clear_lead_nothing_changes() {
        assert_eq!(share_after((0..3000).map(|at| at % 50)), SHARES[START], "everything fits");
        assert_eq!(share_after(0..3000), SHARES[START], "nothing comes back");
    }

    #[test]
    fn a_sample_has_its_share_of_the_keys() {
        let capacity = 16 * 1024;
        let sampled = (0..100_000u32).filter(|hash| sample(capacity).has(hash.wrapping_mul(0x85eb_ca6b))).count();
        assert!((5_500..7_000).contains(&sampled), "{sampled} of 100,000 for a sixteenth");
        assert!((0..1000).all(|hash| sample(256).has(hash)), "a small cache looks at all");
        assert!(!(1..1000).any(|hash| Sample::NONE.has(hash)));
    }

    #[test]
    fn scores_forget_and_do_not_overflow() {
        let mut tuner = Tuner::new(1);
        (0..400_000).for_each(|at| {
            tuner.observe(at % 3, 1, 0, 1, true);
        });
        assert!(tuner.weight.is_finite() && tuner.score.iter().all(|score| score.is_finite()));
    }

    #[test]
    fn changing_the_capacity_keeps_the_setting() {
        let mut tuner = Tuner::new(100);
        tuner.current = 2;
        assert_eq!(tuner.resized(1000).share(), 1.0);
    }
}
