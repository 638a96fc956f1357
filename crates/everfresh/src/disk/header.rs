//! The header of a blob's file: enough to check the payload, and to find it again after the index was lost.
//!
//! ```text
//! offset  bytes
//! 0       8     "EVFRBLOB"
//! 8       4     format version, 1
//! 12      4     length of this header, 128: the payload is aligned to 64 bytes in a mapping
//! 16      8     length of the payload
//! 24      8     what it cost to compute, in seconds, a float
//! 32      32    BLAKE3 of the payload
//! 64      32    the blob's name
//! 96      16    zero
//! 112     16    the first 16 bytes of BLAKE3 over everything above
//! 128     …     the payload
//! ```
//! Integers are little endian. The file is never changed after it got its name.

use crate::Fingerprint;

pub(super) const HEADER: usize = 128;
const MAGIC: &[u8; 8] = b"EVFRBLOB";
const VERSION: u32 = 1;
const SUMMED: usize = 112;

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Header {
    pub payload_len: u64,
    pub cost: f64,
    pub payload_hash: Fingerprint,
    pub name: Fingerprint,
}

impl Header {
    pub fn to_bytes(&self) -> [u8; HEADER] {
        let mut bytes = Vec::with_capacity(HEADER);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&(HEADER as u32).to_le_bytes());
        bytes.extend_from_slice(&self.payload_len.to_le_bytes());
        bytes.extend_from_slice(&self.cost.to_bits().to_le_bytes());
        bytes.extend_from_slice(self.payload_hash.as_bytes());
        bytes.extend_from_slice(self.name.as_bytes());
        bytes.resize(SUMMED, 0);
        let sum = blake3::hash(&bytes);
        bytes.extend(sum.as_bytes().iter().take(HEADER - SUMMED));
        let mut header = [0; HEADER];
        header.copy_from_slice(&bytes);
        header
    }

    /// `None` if the header is damaged or of another version.
    pub fn from_bytes(bytes: &[u8; HEADER]) -> Option<Self> {
        let (summed, sum) = bytes.split_last_chunk::<{ HEADER - SUMMED }>()?;
        if !blake3::hash(summed).as_bytes().starts_with(sum) {
            return None;
        }
        let rest = summed.strip_prefix(MAGIC)?;
        let (version, rest) = rest.split_first_chunk()?;
        let (length, rest) = rest.split_first_chunk()?;
        let (payload_len, rest) = rest.split_first_chunk()?;
        let (cost, rest) = rest.split_first_chunk()?;
        let (payload_hash, rest) = rest.split_first_chunk()?;
        let (name, _) = rest.split_first_chunk()?;
        let known = u32::from_le_bytes(*version) == VERSION && u32::from_le_bytes(*length) as usize == HEADER;
        known.then(|| Self {
            payload_len: u64::from_le_bytes(*payload_len),
            cost: f64::from_bits(u64::from_le_bytes(*cost)),
            payload_hash: Fingerprint::from_bytes(*payload_hash),
            name: Fingerprint::from_bytes(*name),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Header {
        Header {
            payload_len: 2_000,
            cost: 1.5,
            payload_hash: Fingerprint::from_bytes([1; 32]),
            name: Fingerprint::from_bytes([2; 32]),
        }
    }

    #[test]
    fn a_header_comes_back_and_no_flipped_bit_passes() {
        let bytes = header().to_bytes();
        assert_eq!(Header::from_bytes(&bytes), Some(header()));
        for bit in 0..HEADER * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Header::from_bytes(&flipped), None, "bit {bit}");
        }
    }

    #[test]
    fn the_format_is_pinned_by_golden_bytes() {
        let hex: String = header().to_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        let golden = [
            "45564652424c4f42",
            "01000000",
            "80000000",
            "d007000000000000",
            "000000000000f83f",
            &"01".repeat(32),
            &"02".repeat(32),
            &"00".repeat(16),
        ]
        .concat();
        assert_eq!(&hex[..golden.len()], golden);
        assert_eq!(&hex[golden.len()..], "8c6c91c76f3894143305bb75c819fc16");
    }
}
