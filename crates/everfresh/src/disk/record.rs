//! How a value lies in the index: sealed, so that a damaged one is told from a good one.
//!
//! ```text
//! offset  bytes
//! 0       1       format version, 1
//! 1       8       when it was stored, in milliseconds since the Unix epoch
//! 9       4       number of blobs that the value refers to, n
//! 13      32 n    their names
//! 13+32n  …       the value
//! end-16  16      the first 16 bytes of BLAKE3 over the record's space, its key and everything above
//! ```
//! Integers are little endian. The checksum covers the key, so a record that turns up under another key is damaged.

use crate::Fingerprint;

const VERSION: u8 = 1;
const FIXED: usize = 1 + 8 + 4;
const NAME: usize = 32;
const CHECKSUM: usize = 16;

/// A record's place in the index: one byte for its space, then its key.
pub(super) type IndexKey = [u8; 33];

pub(super) fn index_key(space: u8, key: &Fingerprint) -> IndexKey {
    let mut bytes = [0; 33];
    let (first, rest) = bytes.split_at_mut(1);
    first.fill(space);
    rest.copy_from_slice(key.as_bytes());
    bytes
}

/// Takes an [`IndexKey`] apart.
pub(super) fn split_key(bytes: &[u8]) -> Option<(u8, Fingerprint)> {
    let (space, key) = bytes.split_first()?;
    Some((*space, Fingerprint::from_bytes(key.try_into().ok()?)))
}

/// A sealed value that was found to be whole.
#[derive(Copy, Clone, Debug, PartialEq)]
pub(super) struct Record<'a> {
    /// When it was stored, in milliseconds since the Unix epoch.
    pub stored_ms: u64,
    names: &'a [u8],
    /// The value itself.
    pub value: &'a [u8],
}

impl Record<'_> {
    /// The blobs that the value refers to.
    pub fn blobs(&self) -> impl Iterator<Item = Fingerprint> {
        self.names.as_chunks::<NAME>().0.iter().map(|name| Fingerprint::from_bytes(*name))
    }
}

pub(super) fn seal(key: &IndexKey, stored_ms: u64, blobs: &[Fingerprint], value: &[u8]) -> Vec<u8> {
    let mut sealed = Vec::with_capacity(FIXED + NAME * blobs.len() + value.len() + CHECKSUM);
    sealed.push(VERSION);
    sealed.extend_from_slice(&stored_ms.to_le_bytes());
    sealed.extend_from_slice(&(blobs.len() as u32).to_le_bytes());
    for name in blobs {
        sealed.extend_from_slice(name.as_bytes());
    }
    sealed.extend_from_slice(value);
    let sum = checksum(key, &sealed);
    sealed.extend_from_slice(&sum);
    sealed
}

/// `None` if the record is damaged or of another version.
pub(super) fn unseal<'a>(key: &[u8], sealed: &'a [u8]) -> Option<Record<'a>> {
    let (body, sum) = sealed.split_last_chunk::<CHECKSUM>()?;
    if checksum(key, body) != *sum {
        return None;
    }
    let (version, rest) = body.split_first()?;
    let (stored_ms, rest) = rest.split_first_chunk()?;
    let (count, rest) = rest.split_first_chunk()?;
    let (names, value) = rest.split_at_checked(NAME.checked_mul(u32::from_le_bytes(*count) as usize)?)?;
    (*version == VERSION).then_some(Record { stored_ms: u64::from_le_bytes(*stored_ms), names, value })
}

fn checksum(key: &[u8], body: &[u8]) -> [u8; CHECKSUM] {
    let hash = blake3::Hasher::new().update(key).update(body).finalize();
    let mut sum = [0; CHECKSUM];
    sum.copy_from_slice(hash.as_bytes().first_chunk::<CHECKSUM>().unwrap_or(&[0; CHECKSUM]));
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> IndexKey {
        index_key(1, &Fingerprint::from_bytes([7; 32]))
    }

    fn sealed() -> Vec<u8> {
        seal(&key(), 0x0102_0304, &[Fingerprint::from_bytes([8; 32])], b"value")
    }

    #[test]
    fn a_sealed_record_comes_back() {
        let sealed = sealed();
        let record = unseal(&key(), &sealed).unwrap();
        assert_eq!((record.stored_ms, record.value), (0x0102_0304, b"value".as_slice()));
        assert_eq!(record.blobs().collect::<Vec<_>>(), [Fingerprint::from_bytes([8; 32])]);
        assert_eq!(split_key(&key()), Some((1, Fingerprint::from_bytes([7; 32]))));
    }

    #[test]
    fn a_record_with_any_bit_flipped_is_damaged() {
        let sealed = sealed();
        for bit in 0..sealed.len() * 8 {
            let mut flipped = sealed.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(unseal(&key(), &flipped), None, "bit {bit}");
        }
    }

    #[test]
    fn a_record_of_any_other_length_is_damaged() {
        let mut sealed = sealed();
        for length in 0..sealed.len() {
            assert_eq!(unseal(&key(), &sealed[..length]), None, "{length} bytes");
        }
        sealed.push(0);
        assert_eq!(unseal(&key(), &sealed), None);
    }

    #[test]
    fn a_record_under_another_key_or_space_is_damaged() {
        assert_eq!(unseal(&index_key(2, &Fingerprint::from_bytes([7; 32])), &sealed()), None);
        assert_eq!(unseal(&index_key(1, &Fingerprint::from_bytes([9; 32])), &sealed()), None);
    }

    #[test]
    fn the_format_is_pinned_by_golden_bytes() {
        let golden = format!("01{}{}{}{}", "0403020100000000", "01000000", "08".repeat(32), "76616c7565");
        let sealed = sealed();
        let hex: String = sealed.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(&hex[..golden.len()], golden);
        assert_eq!(&hex[golden.len()..], "90db6b0a997c7b2aaf42c9bf89de1087");
    }
}
