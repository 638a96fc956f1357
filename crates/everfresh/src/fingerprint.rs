//! Content hashes: BLAKE3-256 over a typed, length-prefixed encoding.
//!
//! Every item that enters a [`FingerprintBuilder`] is written as a tag byte, its length where it can vary, and its
//! bytes; so no two different sequences of items have the same encoding, and two values share a fingerprint only if
//! BLAKE3 itself collides.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A content hash of a value, a file, a table or a computation.
///
/// `Display` prints all 64 hexadecimal digits; [`Fingerprint::short`] the first 12.
///
/// ```
/// use everfresh::Fingerprint;
///
/// let one = Fingerprint::of_bytes(b"one");
/// assert_eq!(one, Fingerprint::of_bytes(b"one"));
/// assert_ne!(one, Fingerprint::of_bytes(b"two"));
/// ```
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The fingerprint of raw bytes: plain BLAKE3, the same that `b3sum` prints.
    ///
    /// ```
    /// use everfresh::Fingerprint;
    ///
    /// assert!(Fingerprint::of_bytes(b"").to_string().starts_with("af1349b9f5f9a1a6"));
    /// ```
    pub fn of_bytes(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }

    /// Takes 32 bytes that already are a fingerprint.
    ///
    /// ```
    /// use everfresh::Fingerprint;
    ///
    /// assert_eq!(Fingerprint::from_bytes([0xab; 32]).to_string(), "ab".repeat(32));
    /// ```
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    ///
    /// ```
    /// use everfresh::Fingerprint;
    ///
    /// assert_eq!(Fingerprint::from_bytes([7; 32]).as_bytes(), &[7; 32]);
    /// ```
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Reads 64 hexadecimal digits; `None` if the text is anything else.
    ///
    /// ```
    /// use everfresh::Fingerprint;
    ///
    /// assert_eq!(Fingerprint::from_hex(&"07".repeat(32)), Some(Fingerprint::from_bytes([7; 32])));
    /// assert_eq!(Fingerprint::from_hex("07"), None);
    /// ```
    pub fn from_hex(text: &str) -> Option<Self> {
        blake3::Hash::from_hex(text).ok().map(|hash| Self(*hash.as_bytes()))
    }

    /// The first 12 hexadecimal digits, for people.
    ///
    /// ```
    /// use everfresh::Fingerprint;
    ///
    /// assert_eq!(Fingerprint::from_bytes([7; 32]).short(), "070707070707");
    /// ```
    pub fn short(&self) -> String {
        self.to_string().chars().take(12).collect()
    }
}

impl From<blake3::Hash> for Fingerprint {
    fn from(hash: blake3::Hash) -> Self {
        Self(*hash.as_bytes())
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&blake3::Hash::from_bytes(self.0).to_hex())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({})", self.short())
    }
}

/// Builds a [`Fingerprint`] from typed items; the order of the items counts.
///
/// ```
/// use everfresh::FingerprintBuilder;
/// let one = FingerprintBuilder::new("example").str("ab").str("c").finish();
/// let other = FingerprintBuilder::new("example").str("a").str("bc").finish();
/// assert_ne!(one, other);
/// ```
#[derive(Clone)]
pub struct FingerprintBuilder {
    /// What is not hashed yet: all of it, for most fingerprints.
    buffer: Vec<u8>,
    /// Two kilobytes, which only long inputs are worth.
    hasher: Option<Box<blake3::Hasher>>,
}

/// Beyond this the buffer is hashed.
const BUFFER: usize = 4096;

#[repr(u8)]
enum Tag {
    Domain = 1,
    Bytes,
    Str,
    U64,
    I64,
    F64,
    Bool,
    None,
    Some,
    List,
    Fingerprint,
}

impl FingerprintBuilder {
    /// Starts a fingerprint in a domain of its own: equal items in different domains differ.
    ///
    /// ```
    /// use everfresh::FingerprintBuilder;
    ///
    /// assert_ne!(FingerprintBuilder::new("length").u64(5).finish(), FingerprintBuilder::new("width").u64(5).finish());
    /// ```
    pub fn new(domain: &str) -> Self {
        Self { buffer: Vec::with_capacity(128), hasher: None }.sized(Tag::Domain, domain.as_bytes())
    }

    fn sized(mut self, tag: Tag, bytes: &[u8]) -> Self {
        self.buffer.push(tag as u8);
        self.buffer.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
        self.add(bytes);
        self
    }

    fn fixed(mut self, tag: Tag, bytes: &[u8]) -> Self {
        self.buffer.push(tag as u8);
        self.add(bytes);
        self
    }

    fn add(&mut self, bytes: &[u8]) {
        if self.buffer.len() + bytes.len() <= BUFFER {
            self.buffer.extend_from_slice(bytes);
            return;
        }
        self.hasher.get_or_insert_default().update(&self.buffer).update(bytes);
        self.buffer.clear();
    }

    /// Adds bytes.
    ///
    /// ```
    /// use everfresh::FingerprintBuilder;
    ///
    /// let key = || FingerprintBuilder::new("key");
    /// assert_ne!(key().bytes(b"ab").finish(), key().bytes(b"a").bytes(b"b").finish());
    /// ```
    pub fn bytes(self, bytes: &[u8]) -> Self {
        self.sized(Tag::Bytes, bytes)
    }

    /// Adds a text.
    ///
    /// ```
    /// use everfresh::FingerprintBuilder;
    ///
    /// let key = || FingerprintBuilder::new("key");
    /// assert_ne!(key().str("a").finish(), key().bytes(b"a").finish());
    /// ```
    pub fn str(self, text: &str) -> Self {
        self.sized(Tag::Str, text.as_bytes())
    }

    /// Adds an unsigned integer.
    ///
    /// ```
    /// use everfresh::FingerprintBuilder;
    ///
    /// let key = || FingerprintBuilder::new("key");
    /// assert_ne!(key().u64(1).finish(), key().u64(2).finish());
    /// ```
    pub fn u64(self, value: u64) -> Self {
        self.fixed(Tag::U64, &value.to_le_bytes())
    }

    /// Adds a signed integer.
    ///
    /// ```
    /// use everfresh::FingerprintBuilder;
    ///
    /// let key = || FingerprintBuilder::new("key");
    /// assert_ne!(key().i64(1).finish(), key().u64(1).finish());
    /// ```
    pub fn i64(self, value: i64) -> Self {
        self.fixed(Tag::I64, &value.to_le_bytes())
    }

    /// Adds a float by its bits: `0.0` and `-0.0` differ, and so do different NaNs.
    ///
    /// ```
    /// use everfresh::FingerprintBuilder;
    ///
    /// let key = || FingerprintBuilder::new("key");
    /// assert_ne!(key().f64(0.0).finish(), key().f64(-0.0).finish());
    /// ```
    pub fn f64(self, value: f64) -> Self {
        self.fixed(Tag::F64, &value.to_bits().to_le_bytes())
    }

    /// Adds a boolean.
    ///
    /// ```
    /// use everfresh::FingerprintBuilder;
    ///
    /// let key = || FingerprintBuilder::new("key");
    /// assert_ne!(key().bool(true).finish(), key().bool(false).finish());
    /// ```
    pub fn bool(self, value: bool) -> Self {
        self.fixed(Tag::Bool, &[u8::from(value)])
    }

    /// Adds another fingerprint.
    ///
    /// ```
    /// use everfresh::{Fingerprint, FingerprintBuilder};
    ///
    /// let of = |text: &[u8]| FingerprintBuilder::new("key").fingerprint(&Fingerprint::of_bytes(text)).finish();
    /// assert_eq!(of(b"one"), of(b"one"));
    /// assert_ne!(of(b"one"), of(b"two"));
    /// ```
    pub fn fingerprint(self, value: &Fingerprint) -> Self {
        self.fixed(Tag::Fingerprint, value.as_bytes())
    }

    /// Adds an optional item; absent differs from every present item.
    ///
    /// ```
    /// use everfresh::FingerprintBuilder;
    ///
    /// let of = |limit| FingerprintBuilder::new("key").option(limit, FingerprintBuilder::u64).finish();
    /// assert_ne!(of(None), of(Some(0)));
    /// ```
    pub fn option<T>(self, value: Option<T>, add: impl FnOnce(Self, T) -> Self) -> Self {
        match value {
            None => self.fixed(Tag::None, &[]),
            Some(value) => add(self.fixed(Tag::Some, &[]), value),
        }
    }

    /// Adds a list: its length, then each item.
    ///
    /// ```
    /// use everfresh::FingerprintBuilder;
    ///
    /// let of = |names: &[&str]| FingerprintBuilder::new("key").list(names, |key, name| key.str(name));
    /// assert_ne!(of(&["a", "b"]).finish(), of(&["a"]).str("b").finish());
    /// ```
    pub fn list<T, I: ExactSizeIterator<Item = T>>(
        self,
        items: impl IntoIterator<Item = T, IntoIter = I>,
        mut add: impl FnMut(Self, T) -> Self,
    ) -> Self {
        let items = items.into_iter();
        let mut builder = self.fixed(Tag::List, &(items.len() as u64).to_le_bytes());
        for item in items {
            builder = add(builder, item);
        }
        builder
    }

    /// The fingerprint of everything added so far.
    ///
    /// ```
    /// use everfresh::FingerprintBuilder;
    ///
    /// let key = FingerprintBuilder::new("key").u64(1);
    /// assert_eq!(key.finish(), key.finish());
    /// assert_ne!(key.finish(), key.clone().u64(2).finish());
    /// ```
    pub fn finish(&self) -> Fingerprint {
        match &self.hasher {
            None => blake3::hash(&self.buffer),
            Some(hasher) => hasher.clone().update(&self.buffer).finalize(),
        }
        .into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_is_told_from_its_neighbours_and_from_other_types() {
        let all = [
            FingerprintBuilder::new("t").u64(1).finish(),
            FingerprintBuilder::new("t").i64(1).finish(),
            FingerprintBuilder::new("t").bool(true).finish(),
            FingerprintBuilder::new("t").str("1").finish(),
            FingerprintBuilder::new("t").bytes(b"1").finish(),
            FingerprintBuilder::new("u").bytes(b"1").finish(),
            FingerprintBuilder::new("t").f64(0.0).finish(),
            FingerprintBuilder::new("t").f64(-0.0).finish(),
            FingerprintBuilder::new("t").option(None, FingerprintBuilder::u64).finish(),
            FingerprintBuilder::new("t").option(Some(1), FingerprintBuilder::u64).finish(),
            FingerprintBuilder::new("t").list([1, 2], FingerprintBuilder::u64).finish(),
            FingerprintBuilder::new("t").list([1], FingerprintBuilder::u64).u64(2).finish(),
        ];
        let distinct: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), all.len());
    }

    #[test]
    fn a_fingerprint_survives_its_hexadecimal_form() {
        let fingerprint = Fingerprint::of_bytes(b"abc");
        assert_eq!(Fingerprint::from_hex(&fingerprint.to_string()), Some(fingerprint));
        assert_eq!(Fingerprint::from_hex("zz"), None);
    }

    #[test]
    fn a_long_input_has_the_fingerprint_of_all_its_bytes() {
        let text = "a".repeat(3 * BUFFER);
        for cut in [0, 1, BUFFER - 60, BUFFER, 2 * BUFFER + 7] {
            let (one, other) = text.split_at(cut);
            let built = FingerprintBuilder::new("d").str(one).str(other).u64(7).finish();
            let mut bytes = Vec::new();
            for (tag, item) in [(1u8, "d"), (3, one), (3, other)] {
                bytes.push(tag);
                bytes.extend_from_slice(&(item.len() as u64).to_le_bytes());
                bytes.extend_from_slice(item.as_bytes());
            }
            bytes.push(4);
            bytes.extend_from_slice(&7u64.to_le_bytes());
            assert_eq!(built, Fingerprint::of_bytes(&bytes));
        }
    }

    #[test]
    fn the_encoding_is_pinned_by_golden_bytes() {
        let fingerprint =
            FingerprintBuilder::new("golden").str("a").u64(7).list(["x"], FingerprintBuilder::str).finish();
        assert_eq!(fingerprint.short(), "7bb67ad2d21c");
    }
}
