//! Small pieces on their way into a hash.

use super::FORMAT_VERSION;
use crate::{Fingerprint, FingerprintBuilder};

const BLOCK: usize = 16 << 10;

/// Hashes what is written to it in blocks: BLAKE3 is slow on single bytes.
#[derive(Default)]
pub(super) struct Stream {
    hasher: blake3::Hasher,
    /// What is not hashed yet.
    pub buffer: Vec<u8>,
}

impl Stream {
    pub fn put(&mut self, bytes: &[u8]) {
        if self.buffer.len() + bytes.len() > BLOCK {
            self.flush();
            if bytes.len() > BLOCK {
                self.hasher.update(bytes);
                return;
            }
        }
        self.buffer.extend_from_slice(bytes);
    }

    fn flush(&mut self) {
        self.hasher.update(&self.buffer);
        self.buffer.clear();
    }

    /// The hash of everything written, in a domain of its own and that of this version of the format.
    pub fn finish(mut self, domain: &str) -> Fingerprint {
        self.flush();
        let content = self.hasher.finalize().into();
        FingerprintBuilder::new(domain).u64(u64::from(FORMAT_VERSION)).fingerprint(&content).finish()
    }
}
