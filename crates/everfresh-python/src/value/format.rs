//! The encoding of a value, version 1.
//!
//! ```text
//! value   = header, tree, hashes, zeros up to a multiple of 64, buffers
//! header  = "EFVALUE" 0x01          7 bytes of magic, the version
//!           flags                   1 byte: 1 if there is a checksum; the others are 0
//!           zeros                   7 bytes
//!           length of the tree      8 bytes
//!           length of the hashes    8 bytes: 32 for each buffer, or 0 if there are none, or a checksum
//!           checksum                32 bytes: BLAKE3 of everything that follows the header, or zeros
//! hashes  = for each buffer what the fingerprint of the array or table in it is made of (see `leaf`), or zeros
//! buffers = each at a multiple of 64 from the header's first byte, zeros between them, in the order in which the tree
//!           tells their lengths; the last one ends the value
//! tree    = one item
//! item    = 'N' None   'T' True   'F' False   '.' Ellipsis
//!         | 'i' varint                        int of 64 bits, zigzag
//!         | 'I' varint, bytes                 any other int: two's complement, little-endian, and how many bytes
//!         | 'f' 8 bytes                       float: its bits
//!         | 'c' 16 bytes                      complex: real, imaginary
//!         | 's' varint, bytes                 str: UTF-8
//!         | 'S' varint, bytes                 str with lone surrogates: UTF-8 as Python's "surrogatepass" writes it
//!         | 'b' varint, bytes                 bytes
//!         | 'x' varint                        bytes, in the next buffer
//!         | 'a' varint, bytes                 bytearray
//!         | 't' varint, items                 tuple, and so many items
//!         | 'l' varint, items                 list
//!         | 'e' varint, items                 set
//!         | 'z' varint, items                 frozenset
//!         | 'd' varint, pairs of items        dict: keys and values, in order
//!         | 'o' item, item, varint, varints   object: the name of its kind, its parts; the number of its buffers, each
//!                                             one's length; see `everfresh._values`
//!         | 'p' 32 bytes, varint, bytes       pickle: MAC (see `seal`), length, bytes
//! varint  = LEB128: seven bits a byte, the lowest first, the highest bit of all but the last byte set; 10 bytes at most
//! ```
//!
//! Numbers are little-endian. What `everfresh._values` makes of an object is part of the format, and so is what a fingerprint
//! makes of an array or a table: a change there, or here, is a new version.

pub(super) const MAGIC: &[u8; 8] = b"EFVALUE\x01";
/// Where the header has its flags, the lengths of the tree and of the hashes, and the checksum.
pub(super) const FLAGS: usize = 8;
pub(super) const TREE_LENGTH: usize = 16;
pub(super) const HASHES_LENGTH: usize = 24;
pub(super) const CHECKSUM: usize = 32;
/// How long the header is, and what buffers are aligned to.
pub(super) const HEADER: usize = 64;
pub(super) const CHECKED: u8 = 1;

/// Arrays from here on are stored with the hash of their items: what is smaller is hashed in no time.
pub(super) const HASHED: usize = 64 << 10;

/// `bytes` from here on lie in a buffer of their own, and are not copied when they are written.
pub(super) const LARGE: usize = 4096;

pub(super) mod tag {
    pub const NONE: u8 = b'N';
    pub const TRUE: u8 = b'T';
    pub const FALSE: u8 = b'F';
    pub const ELLIPSIS: u8 = b'.';
    pub const INT: u8 = b'i';
    pub const LARGE_INT: u8 = b'I';
    pub const FLOAT: u8 = b'f';
    pub const COMPLEX: u8 = b'c';
    pub const STR: u8 = b's';
    pub const SURROGATES: u8 = b'S';
    pub const BYTES: u8 = b'b';
    pub const LARGE_BYTES: u8 = b'x';
    pub const BYTEARRAY: u8 = b'a';
    pub const TUPLE: u8 = b't';
    pub const LIST: u8 = b'l';
    pub const SET: u8 = b'e';
    pub const FROZENSET: u8 = b'z';
    pub const DICT: u8 = b'd';
    pub const OBJECT: u8 = b'o';
    pub const PICKLE: u8 = b'p';
    /// An object as it is: only in what never leaves the process.
    pub const SHARED: u8 = b'r';
}

/// Writes a varint.
pub(super) fn write_varint(to: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        to.push(number as u8 | 0x80);
        number >>= 7;
    }
    to.push(number as u8);
}

/// Reads a varint off the front; `None` if there is none.
pub(super) fn read_varint(from: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for at in 0..10 {
        let (byte, rest) = from.split_first()?;
        *from = rest;
        let bits = u64::from(byte & 0x7f);
        if at == 9 && bits > 1 {
            return None;
        }
        number |= bits << (7 * at);
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

/// Small numbers of either sign are small.
pub(super) fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)) as u64
}

pub(super) fn unzigzag(number: u64) -> i64 {
    (number >> 1) as i64 ^ -((number & 1) as i64)
}

/// How many zeros follow `length` bytes.
pub(super) fn padding(length: usize) -> usize {
    length.wrapping_neg() % HEADER
}
