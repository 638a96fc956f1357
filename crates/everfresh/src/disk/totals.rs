//! How much the cache holds: a record of its own, kept with every write, so that nobody has to count.
//!
//! ```text
//! offset  bytes
//! 0       8     number of blobs
//! 8       8     their bytes, headers included
//! 16      8     number of records
//! 24      8     their bytes, keys included
//! 32      8     the clock of the eviction, a float (see `gdsf`)
//! ```
//! Integers are little endian; sealed like every record. If it is damaged, everything is counted again.

#[derive(Copy, Clone, Debug, Default, PartialEq)]
pub(super) struct Totals {
    pub blobs: u64,
    pub blob_bytes: u64,
    pub records: u64,
    pub record_bytes: u64,
    pub clock: f64,
}

impl Totals {
    /// What `max_size` bounds.
    pub fn bytes(&self) -> u64 {
        self.blob_bytes.saturating_add(self.record_bytes)
    }

    pub fn to_bytes(self) -> [u8; 40] {
        let mut bytes = [0; 40];
        let words = [self.blobs, self.blob_bytes, self.records, self.record_bytes, self.clock.to_bits()];
        for (place, word) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(words) {
            *place = word.to_le_bytes();
        }
        bytes
    }

    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let words: &[[u8; 8]; 5] = bytes.as_chunks().0.try_into().ok().filter(|_| bytes.len() == 40)?;
        let [blobs, blob_bytes, records, record_bytes, clock] = words.map(u64::from_le_bytes);
        Some(Self { blobs, blob_bytes, records, record_bytes, clock: f64::from_bits(clock) })
    }
}

#[cfg(test)]
mod tests {
    use super::Totals;

    #[test]
    fn the_format_is_pinned_by_golden_bytes() {
        let totals = Totals { blobs: 1, blob_bytes: 2, records: 3, record_bytes: 4, clock: 1.5 };
        let bytes = totals.to_bytes();
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let words =
            ["0100000000000000", "0200000000000000", "0300000000000000", "0400000000000000", "000000000000f83f"];
        assert_eq!(hex, words.concat());
        assert_eq!(Totals::from_bytes(&bytes), Some(totals));
        assert_eq!(Totals::from_bytes(&bytes[..39]), None);
    }
}
