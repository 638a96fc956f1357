//! Keys as caches meet them.

/// SplitMix64: the same numbers on every run.
pub struct Random(pub u64);

impl Random {
    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from 0 to 1.
    pub fn part(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// `count` keys of `distinct` ones, the one of rank n 1/n times as often as the first.
pub fn zipf(distinct: usize, count: usize) -> Vec<u64> {
    let mut random = Random(1);
    let names: Vec<u64> = (0..distinct).map(|_| random.bits()).collect();
    let mut total = 0.0;
    let shares: Vec<f64> = (1..=distinct)
        .map(|rank| {
            total += 1.0 / rank as f64;
            total
        })
        .collect();
    let rank = |at: f64| shares.partition_point(|share| *share < at).min(distinct - 1);
    (0..count).map(|_| names[rank(random.part() * total)]).collect()
}
