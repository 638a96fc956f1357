//! What the index knows of a blob: a record's value, sealed like every other (see `record`).
//!
//! ```text
//! offset  bytes
//! 0       1     0: the payload is in here; 1: it is in a file
//! 1       8     length of the payload
//! 9       8     what it cost to compute, in seconds, a float
//! 17      8     how often it was used
//! 25      8     priority, a float (see `gdsf`)
//! 33      8     when it was stored, used or referred to last, in milliseconds since the Unix epoch
//!         in a file:
//! 41      1     1 if an equal stat proves that the file was not written since, else 0
//! 42      8     the boot in which that was found, 0 if unknown
//! 50      40    the file's device, inode, size, mtime and ctime
//!         in here:
//! 41      …     the payload
//! ```
//! Integers are little endian.

use super::header::HEADER;
use crate::file::FileStat;

const INLINE: u8 = 0;
const FILE: u8 = 1;

/// The longest payload that is kept in the index instead of in a file.
pub(super) const INLINE_MAX: usize = 1 << 10;

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub payload_len: u64,
    pub cost: f64,
    pub uses: u64,
    pub priority: f64,
    pub touched_ms: u64,
    pub place: Payload,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Payload {
    Inline(Vec<u8>),
    File(Sighting),
}

/// What a blob's file looked like when its content was known to be good.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) struct Sighting {
    pub stat: FileStat,
    /// An equal stat proves an equal content.
    pub settled: bool,
    /// The boot in which this was seen: a power cut may take what was written and leave the stat.
    pub boot: u64,
}

impl Sighting {
    /// Whether a file that looks like this now need not be read to be trusted.
    pub fn vouches_for(&self, stat: &FileStat, boot: u64) -> bool {
        self.settled && boot != 0 && self.boot == boot && self.stat == *stat
    }
}

impl Entry {
    /// What the blob occupies: its payload and its header, which an inline one is counted with too.
    pub fn bytes(&self) -> u64 {
        self.payload_len.saturating_add(HEADER as u64)
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(96);
        bytes.push(if matches!(self.place, Payload::Inline(_)) { INLINE } else { FILE });
        for word in [self.payload_len, self.cost.to_bits(), self.uses, self.priority.to_bits(), self.touched_ms] {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        match &self.place {
            Payload::Inline(payload) => bytes.extend_from_slice(payload),
            Payload::File(Sighting { stat, settled, boot }) => {
                bytes.push(u8::from(*settled));
                let FileStat { dev, inode, size, mtime_ns, ctime_ns } = *stat;
                for word in [*boot, dev, inode, size, mtime_ns.cast_unsigned(), ctime_ns.cast_unsigned()] {
                    bytes.extend_from_slice(&word.to_le_bytes());
                }
            }
        }
        bytes
    }

    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        fn word(bytes: &mut &[u8]) -> Option<u64> {
            let (word, rest) = bytes.split_first_chunk()?;
            *bytes = rest;
            Some(u64::from_le_bytes(*word))
        }
        let (kind, mut rest) = bytes.split_first()?;
        let rest = &mut rest;
        let payload_len = word(rest)?;
        let cost = f64::from_bits(word(rest)?);
        let uses = word(rest)?;
        let priority = f64::from_bits(word(rest)?);
        let touched_ms = word(rest)?;
        let place = match *kind {
            INLINE if rest.len() as u64 == payload_len => Payload::Inline(rest.to_vec()),
            FILE => {
                let (settled, tail) = rest.split_first()?;
                *rest = tail;
                let boot = word(rest)?;
                let stat = FileStat {
                    dev: word(rest)?,
                    inode: word(rest)?,
                    size: word(rest)?,
                    mtime_ns: word(rest)?.cast_signed(),
                    ctime_ns: word(rest)?.cast_signed(),
                };
                if !rest.is_empty() {
                    return None;
                }
                Payload::File(Sighting { stat, settled: *settled == 1, boot })
            }
            _ => return None,
        };
        Some(Self { payload_len, cost, uses, priority, touched_ms, place })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(place: Payload) -> Entry {
        Entry { payload_len: 3, cost: 1.5, uses: 4, priority: 2.5, touched_ms: 5, place }
    }

    fn sighting() -> Sighting {
        Sighting { stat: FileStat { dev: 7, inode: 8, size: 9, mtime_ns: 10, ctime_ns: -1 }, settled: true, boot: 6 }
    }

    #[test]
    fn the_format_is_pinned_by_golden_bytes() {
        let word = |value: u64| value.to_le_bytes().map(|byte| format!("{byte:02x}")).concat();
        let common = [word(3), word(1.5f64.to_bits()), word(4), word(2.5f64.to_bits()), word(5)].concat();
        let inline = entry(Payload::Inline(b"abc".to_vec()));
        let file = entry(Payload::File(sighting()));
        let stat = [word(6), word(7), word(8), word(9), word(10), "ff".repeat(8)].concat();
        let hex = |entry: &Entry| entry.to_bytes().iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        assert_eq!(hex(&inline), format!("00{common}616263"));
        assert_eq!(hex(&file), format!("01{common}01{stat}"));
        assert_eq!(
            [Entry::from_bytes(&inline.to_bytes()), Entry::from_bytes(&file.to_bytes())],
            [Some(inline), Some(file)]
        );
    }

    #[test]
    fn an_entry_of_any_other_length_is_none() {
        for entry in [entry(Payload::Inline(b"abc".to_vec())), entry(Payload::File(sighting()))] {
            let mut bytes = entry.to_bytes();
            for length in 0..bytes.len() {
                assert_eq!(Entry::from_bytes(&bytes[..length]), None, "{length} bytes");
            }
            bytes.push(0);
            assert_eq!(Entry::from_bytes(&bytes), None);
        }
    }

    #[test]
    fn a_sighting_vouches_only_for_the_same_stat_in_the_same_boot_and_only_if_it_was_settled() {
        let seen = sighting();
        assert!(seen.vouches_for(&seen.stat, 6));
        assert!(!seen.vouches_for(&FileStat { ctime_ns: 0, ..seen.stat }, 6));
        assert!(!seen.vouches_for(&seen.stat, 5));
        assert!(!Sighting { settled: false, ..seen }.vouches_for(&seen.stat, 6));
        assert!(!Sighting { boot: 0, ..seen }.vouches_for(&seen.stat, 0));
    }
}
