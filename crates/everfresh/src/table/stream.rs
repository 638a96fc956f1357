//! What columns are hashed through: streams of bytes and of bits, and which rows are null.

use arrow::buffer::{BooleanBuffer, NullBuffer};
use blake3::{Hash, Hasher};

/// How much a stream collects before it is hashed: 16 of BLAKE3's chunks, the widest that its SIMD code takes at once.
pub(super) const BLOCK: usize = 16 << 10;

/// How many rows are unpacked at a time, and how many lengths, views or places are written.
pub(super) const WINDOW: usize = 2048;

/// How many words of bits are written at a time.
const WORDS: usize = 128;

/// From how many bytes on a single slice is hashed by several cores.
const PARALLEL: usize = 1 << 20;

/// A BLAKE3 stream that hashes whole aligned blocks: large slices straight from where they are, small ones collected.
/// Where one write ends and the next begins does not count.
#[derive(Clone, Debug, Default)]
pub(super) struct ByteStream {
    hasher: Option<Box<Hasher>>,
    /// Grows up to a block; what lies behind `filled` has no meaning.
    buffer: Vec<u8>,
    filled: usize,
}

impl ByteStream {
    #[inline]
    pub fn write(&mut self, bytes: &[u8]) {
        let end = self.filled + bytes.len();
        if end <= self.buffer.len() {
            self.buffer[self.filled..end].copy_from_slice(bytes);
            self.filled = end;
        } else {
            self.write_blocks(bytes);
        }
    }

    fn write_blocks(&mut self, mut bytes: &[u8]) {
        if self.filled > 0 && self.filled + bytes.len() > BLOCK {
            let (head, rest) = bytes.split_at(BLOCK - self.filled);
            self.grow(BLOCK);
            self.buffer[self.filled..].copy_from_slice(head);
            self.filled = BLOCK;
            self.empty();
            bytes = rest;
        }
        if bytes.len() > BLOCK {
            let (blocks, rest) = bytes.split_at(bytes.len() - bytes.len() % BLOCK);
            hash(&mut self.hasher, blocks);
            bytes = rest;
        }
        let end = self.filled + bytes.len();
        self.grow(end);
        self.buffer[self.filled..end].copy_from_slice(bytes);
        self.filled = end;
    }

    /// Writes `len` bytes, 1,024 at most, all of which `fill` sets.
    #[inline]
    pub fn write_with(&mut self, len: usize, fill: impl FnOnce(&mut [u8])) {
        if self.filled == BLOCK {
            self.empty();
        }
        let end = self.filled + len;
        if end > BLOCK {
            let mut bytes = [0; 1024];
            fill(&mut bytes[..len]);
            return self.write(&bytes[..len]);
        }
        self.grow(end);
        fill(&mut self.buffer[self.filled..end]);
        self.filled = end;
    }

    pub fn write_zeros(&mut self, mut count: usize) {
        const ZEROS: [u8; 256] = [0; 256];
        while count > 0 {
            let some = count.min(ZEROS.len());
            self.write(&ZEROS[..some]);
            count -= some;
        }
    }

    /// Hashes what was collected.
    fn empty(&mut self) {
        hash(&mut self.hasher, &self.buffer[..self.filled]);
        self.filled = 0;
    }

    /// Makes the buffer at least so long.
    #[inline]
    fn grow(&mut self, len: usize) {
        if len > self.buffer.len() {
            self.buffer.resize(len.max(2 * self.buffer.len()).clamp(64, BLOCK), 0);
        }
    }

    pub fn finish(mut self) -> Hash {
        let rest = &self.buffer[..self.filled];
        if self.hasher.is_none() {
            return blake3::hash(rest);
        }
        hash(&mut self.hasher, rest).finalize()
    }
}

fn hash<'a>(hasher: &'a mut Option<Box<Hasher>>, bytes: &[u8]) -> &'a mut Hasher {
    let hasher = hasher.get_or_insert_default();
    if bytes.len() >= PARALLEL { hasher.update_rayon(bytes) } else { hasher.update(bytes) }
}

/// A stream of bits, the first in the lowest bit; the last word is filled up with zeros.
#[derive(Clone, Debug, Default)]
pub(super) struct BitStream {
    bytes: ByteStream,
    word: u64,
    /// Bits in `word`, fewer than 64.
    used: usize,
}

impl BitStream {
    /// Adds the lowest `count` bits, 64 at most; those above are zero.
    fn push(&mut self, bits: u64, count: usize) {
        self.word |= bits << self.used;
        let total = self.used + count;
        if total < 64 {
            self.used = total;
            return;
        }
        self.bytes.write(&self.word.to_le_bytes());
        self.word = if self.used == 0 { 0 } else { bits >> (64 - self.used) };
        self.used = total - 64;
    }

    fn push_ones(&mut self, mut count: usize) {
        while count > 0 {
            let some = count.min(64);
            self.push(u64::MAX >> (64 - some), some);
            count -= some;
        }
    }

    /// Adds bits; those under a null are zero.
    pub fn extend(&mut self, bits: &BooleanBuffer, nulls: Option<&NullBuffer>) {
        let chunks = bits.bit_chunks();
        if self.used == 0 && nulls.is_none() {
            let mut words = chunks.iter();
            for start in (0..chunks.chunk_len()).step_by(WORDS) {
                let some = WORDS.min(chunks.chunk_len() - start);
                self.bytes.write_with(8 * some, |bytes| {
                    let (bytes, _) = bytes.as_chunks_mut();
                    bytes.iter_mut().zip(words.by_ref()).for_each(|(bytes, word)| *bytes = word.to_le_bytes());
                });
            }
            return self.push_some(chunks.remainder_bits(), chunks.remainder_len());
        }
        match nulls {
            None => {
                chunks.iter().for_each(|word| self.push(word, 64));
                self.push_some(chunks.remainder_bits(), chunks.remainder_len());
            }
            Some(nulls) => {
                let valid = nulls.inner().bit_chunks();
                chunks.iter().zip(valid.iter()).for_each(|(word, valid)| self.push(word & valid, 64));
                self.push_some(chunks.remainder_bits() & valid.remainder_bits(), chunks.remainder_len());
            }
        }
    }

    fn push_some(&mut self, bits: u64, count: usize) {
        if count > 0 {
            self.push(bits, count);
        }
    }

    pub fn finish(mut self) -> Hash {
        if self.used > 0 {
            self.bytes.write(&self.word.to_le_bytes());
        }
        self.bytes.finish()
    }
}

/// Which rows are null. Costs nothing as long as none is.
#[derive(Clone, Debug, Default)]
pub(super) struct Validity {
    /// Rows before the first null.
    leading: usize,
    bits: Option<BitStream>,
}

impl Validity {
    pub fn extend(&mut self, rows: usize, nulls: Option<&NullBuffer>) {
        match (&mut self.bits, nulls) {
            (None, None) => self.leading += rows,
            (Some(bits), None) => bits.push_ones(rows),
            (bits, Some(nulls)) => {
                let leading = self.leading;
                bits.get_or_insert_with(|| {
                    let mut bits = BitStream::default();
                    bits.push_ones(leading);
                    bits
                })
                .extend(nulls.inner(), None);
            }
        }
    }

    /// `None` if no row is null.
    pub fn finish(self) -> Option<Hash> {
        self.bits.map(BitStream::finish)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_of_any_size_hash_like_one_write() {
        let bytes: Vec<u8> = (0..5 * BLOCK + 77).map(|i| (i % 253) as u8).collect();
        for size in [1, 7, 1000, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 5, bytes.len()] {
            let mut stream = ByteStream::default();
            bytes.chunks(size).for_each(|chunk| stream.write(chunk));
            assert_eq!(stream.finish(), blake3::hash(&bytes), "writes of {size}");
        }
        let mut zeros = ByteStream::default();
        zeros.write_zeros(BLOCK + 300);
        assert_eq!(zeros.finish(), blake3::hash(&vec![0; BLOCK + 300]));
    }

    #[test]
    fn a_large_write_hashes_the_same_on_several_cores() {
        let bytes: Vec<u8> = (0..PARALLEL + BLOCK + 1).map(|i| (i % 251) as u8).collect();
        let mut stream = ByteStream::default();
        stream.write(&bytes);
        assert_eq!(stream.finish(), blake3::hash(&bytes));
    }

    #[test]
    fn bits_in_pieces_hash_like_bits_in_one() {
        let all: BooleanBuffer = (0..1000).map(|i| i % 3 == 0 || i % 7 == 1).collect();
        let mut whole = BitStream::default();
        whole.extend(&all, None);
        let expected = whole.finish();
        for size in [1, 3, 63, 64, 65, 129, 999] {
            let mut stream = BitStream::default();
            let mut at = 0;
            while at < all.len() {
                let len = size.min(all.len() - at);
                stream.extend(&all.slice(at, len), None);
                at += len;
            }
            assert_eq!(stream.finish(), expected, "pieces of {size}");
        }
    }

    #[test]
    fn where_the_first_null_comes_does_not_depend_on_the_pieces() {
        let nulls = NullBuffer::from_iter((0..300).map(|i| i != 200));
        let mut whole = Validity::default();
        whole.extend(300, Some(&nulls));
        let mut pieces = Validity::default();
        pieces.extend(150, None);
        pieces.extend(60, Some(&nulls.slice(150, 60)));
        pieces.extend(90, None);
        assert_eq!(whole.finish(), pieces.finish());
        let mut none = Validity::default();
        none.extend(300, None);
        assert_eq!(none.finish(), None);
    }
}
