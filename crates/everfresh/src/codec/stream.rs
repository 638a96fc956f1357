//! Small pieces on their way into a hash.

use super::FORMAT_VERSION;
use crate::Fingerprint;

const BLOCK: usize = 16 << 10;

/// Hashes what is written to it in blocks: BLAKE3 is slow on single bytes, and most streams are shorter than a block.
pub(super) struct Stream {
    /// Once there was more than a block.
    hasher: Option<Box<blake3::Hasher>>,
    /// What is not hashed yet.
    pub buffer: Vec<u8>,
}

impl Stream {
    /// A stream in a domain of its own and that of this version of the format. No domain may begin another one, nor with
    /// the byte 1, with which a `FingerprintBuilder` begins.
    pub fn new(domain: &'static str) -> Self {
        let mut buffer = Vec::with_capacity(128);
        buffer.extend_from_slice(domain.as_bytes());
        buffer.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
        Self { hasher: None, buffer }
    }

    pub fn put(&mut self, bytes: &[u8]) {
        if self.buffer.len() + bytes.len() > BLOCK {
            let hasher = self.hasher.get_or_insert_default();
            hasher.update(&self.buffer);
            self.buffer.clear();
            if bytes.len() > BLOCK {
                hasher.update(bytes);
                return;
            }
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The hash of the domain, the version and everything written.
    pub fn finish(self) -> Fingerprint {
        match self.hasher {
            None => Fingerprint::of_bytes(&self.buffer),
            Some(mut hasher) => hasher.update(&self.buffer).finalize().into(),
        }
    }
}
