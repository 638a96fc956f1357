//! How often keys were used that are not in the cache: 4-bit counts, several keys to a cell. A count may be too high, where
//! all cells of a key are shared, and never too low. Written when an entry leaves, read when a key comes: an entry that is
//! there carries its own count.

/// A key has a cell in each row, and its count is the lowest of them.
const ROWS: usize = 4;
/// Cells of a row for each entry: with the four rows, 8 bytes an entry. Half as many double the regret.
const CELLS: usize = 4;

/// Odd numbers that spread a hash over each row in another way.
const SPREAD: [u64; ROWS] =
    [0x9e37_79b9_7f4a_7c15, 0xbf58_476d_1ce4_e5b9, 0x94d0_49bb_1331_11eb, 0xd6e8_feb8_6659_fd93];

#[derive(Debug, Default)]
pub(super) struct Sketch {
    /// 16 cells each.
    words: Vec<u64>,
    /// Cells of a row; 0 as long as nothing was noted, so that a cache that never fills pays for no sketch.
    width: usize,
}

impl Sketch {
    /// Where a key's cell in a row is: word and shift.
    fn cell(&self, hash: u32, row: usize) -> (usize, u32) {
        let spread = mix(hash).wrapping_mul(SPREAD[row]);
        let cell = row * self.width + ((u128::from(spread) * self.width as u128) >> 64) as usize;
        (cell / 16, (cell % 16) as u32 * 4)
    }

    pub(super) fn count(&self, hash: u32) -> u32 {
        if self.width == 0 {
            return 0;
        }
        let cells = (0..ROWS).map(|row| {
            let (word, shift) = self.cell(hash, row);
            (self.words[word] >> shift & 15) as u32
        });
        cells.min().unwrap_or(0)
    }

    /// Notes a count of a key that leaves a cache of so many entries.
    pub(super) fn note(&mut self, hash: u32, count: u32, entries: usize) {
        if self.width < entries * CELLS {
            // A cache that has grown forgets what it knew: it was little.
            self.width = entries * CELLS;
            self.words = vec![0; (self.width * ROWS).div_ceil(16)];
        }
        for row in 0..ROWS {
            let (word, shift) = self.cell(hash, row);
            let word = &mut self.words[word];
            if (*word >> shift & 15) < u64::from(count) {
                *word = *word & !(15 << shift) | u64::from(count) << shift;
            }
        }
    }

    /// Halves all counts: what was long ago counts less.
    pub(super) fn halve(&mut self) {
        self.words.iter_mut().for_each(|word| *word = *word >> 1 & 0x7777_7777_7777_7777);
    }
}

/// SplitMix64's last step.
fn mix(hash: u32) -> u64 {
    let z = u64::from(hash).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_never_too_low_and_seldom_too_high() {
        let mut sketch = Sketch::default();
        (0..1000).for_each(|hash| sketch.note(hash, hash % 15 + 1, 1000));
        assert!((0..1000).all(|hash| sketch.count(hash) > hash % 15));
        let wrong = (0..1000).filter(|hash| sketch.count(*hash) != hash % 15 + 1).count();
        assert!(wrong < 20, "{wrong} of 1000 are too high");
        let ghosts = (1000..2000).filter(|hash| sketch.count(*hash) > 0).count();
        assert!(ghosts < 20, "{ghosts} of 1000 that never were");
    }

    #[test]
    fn a_lower_count_does_not_replace_a_higher_one() {
        let mut sketch = Sketch::default();
        sketch.note(1, 9, 256);
        sketch.note(1, 2, 256);
        assert_eq!(sketch.count(1), 9);
    }

    #[test]
    fn halving_halves_every_count() {
        let mut sketch = Sketch::default();
        (0..16).for_each(|hash| sketch.note(hash, hash.min(15), 256));
        sketch.halve();
        assert!((0..16).all(|hash| sketch.count(hash) == hash.min(15) / 2));
    }

    #[test]
    fn before_the_first_note_there_is_nothing_and_it_takes_no_room() {
        let sketch = Sketch::default();
        assert_eq!((sketch.count(7), sketch.words.capacity()), (0, 0));
    }
}
