//! Tables in files: computed by one process, mapped by the next.
//!
//! ```text
//!   0  magic "EVRTABLE"
//!   8  format, u32
//!  12  element: 'i', 'u', 'f' or 'b', and its size in bytes, u32
//!  16  how many elements, u64
//!  24  the code that computed it, 32 bytes
//!  56  BLAKE3 of the elements, 32 bytes
//!  88  zeros
//! 128  the elements, little-endian
//! ```
//! A file that is anything else, or comes of other code, is computed anew and replaced: written to a temporary name
//! beside it, and renamed, so that who has the old one mapped keeps it. A file that cannot be read or written
//! only means computing.

use crate::{Fingerprint, FingerprintBuilder, build_id::build_id};
use memmap2::Mmap;
use std::{
    fs::File,
    io::{self, Write},
    marker::PhantomData,
    path::Path,
};

const MAGIC: &[u8; 8] = b"EVRTABLE";
const FORMAT: u32 = 1;
const HEADER: usize = 128;

/// What a table in a file is made of.
pub trait Element: Copy {
    /// Its kind and size, as the file says it.
    const KIND: u32;
    /// How many bytes it takes.
    const SIZE: usize;

    /// Reads one, if there are as many bytes.
    fn read(bytes: &[u8]) -> Option<Self>;

    /// Adds its bytes.
    fn write(self, bytes: &mut Vec<u8>);
}

macro_rules! elements {
    ($($kind:literal: $($number:ident)*;)*) => {$($(
        impl Element for $number {
            const KIND: u32 = ($kind as u32) << 8 | size_of::<Self>() as u32;
            const SIZE: usize = size_of::<Self>();

            #[inline]
            fn read(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map(Self::from_le_bytes)
            }

            fn write(self, bytes: &mut Vec<u8>) {
                bytes.extend_from_slice(&self.to_le_bytes());
            }
        }
    )*)*};
}

elements! {
    b'u': u8 u16 u32 u64 u128 usize;
    b'i': i8 i16 i32 i64 i128 isize;
    b'f': f32 f64;
}

impl Element for bool {
    const KIND: u32 = (b'b' as u32) << 8 | 1;
    const SIZE: usize = 1;

    #[inline]
    fn read(bytes: &[u8]) -> Option<Self> {
        bytes.first().map(|byte| *byte != 0)
    }

    fn write(self, bytes: &mut Vec<u8>) {
        bytes.push(self.into());
    }
}

/// Which code computed a table.
#[derive(Clone, Copy, Debug)]
pub struct Code {
    /// The function.
    pub function: &'static str,
    /// The first value and the number of values of each argument.
    pub domains: &'static [(i128, usize)],
    /// What stands for the code; without it, the executable does.
    pub version: Option<u64>,
}

impl Code {
    fn fingerprint(&self) -> Fingerprint {
        let mut code = FingerprintBuilder::new("everfresh table").str(self.function);
        for (first, len) in self.domains {
            code = code.bytes(&first.to_le_bytes()).u64(*len as u64);
        }
        match self.version {
            Some(version) => code.u64(version),
            None => code.fingerprint(&build_id()),
        }
        .finish()
    }
}

/// A table that lies in a file, or in memory where the file was not to be had.
#[derive(Debug)]
pub struct StoredTable<T> {
    bytes: Bytes,
    element: PhantomData<fn() -> T>,
}

#[derive(Debug)]
enum Bytes {
    /// The whole file.
    Mapped(Mmap),
    /// The elements alone.
    Computed(Vec<u8>),
}

impl<T: Element> StoredTable<T> {
    /// Opens the table in a file, or computes its `len` elements and stores them there.
    pub fn open(path: impl AsRef<Path>, len: usize, code: &Code, compute: impl Fn(usize) -> T) -> Self {
        let (path, code) = (path.as_ref(), code.fingerprint());
        let of = |bytes| Self { bytes, element: PhantomData };
        match map(path, |body| header::<T>(len, code, body), len * T::SIZE) {
            Ok(Some(mapped)) => return of(Bytes::Mapped(mapped)),
            Ok(None) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => tracing::warn!("`{}` cannot be read: {error}", path.display()),
        }
        let mut body = Vec::with_capacity(len * T::SIZE);
        (0..len).for_each(|place| compute(place).write(&mut body));
        if let Err(error) = store(path, &header::<T>(len, code, &body), &body) {
            tracing::warn!("`{}` cannot be written: {error}", path.display());
        }
        of(Bytes::Computed(body))
    }

    /// What is at a place; `None` if there is no such place.
    #[inline]
    pub fn get(&self, place: usize) -> Option<T> {
        let body = match &self.bytes {
            Bytes::Mapped(file) => file.get(HEADER..)?,
            Bytes::Computed(body) => body,
        };
        let start = place.checked_mul(T::SIZE)?;
        body.get(start..start.checked_add(T::SIZE)?).and_then(T::read)
    }
}

fn header<T: Element>(len: usize, code: Fingerprint, body: &[u8]) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[..8].copy_from_slice(MAGIC);
    header[8..12].copy_from_slice(&FORMAT.to_le_bytes());
    header[12..16].copy_from_slice(&T::KIND.to_le_bytes());
    header[16..24].copy_from_slice(&(len as u64).to_le_bytes());
    header[24..56].copy_from_slice(code.as_bytes());
    header[56..88].copy_from_slice(Fingerprint::of_bytes(body).as_bytes());
    header
}

/// The file, mapped, if it has the header that its elements ask for.
#[allow(unsafe_code)]
fn map(path: &Path, header: impl Fn(&[u8]) -> [u8; HEADER], size: usize) -> io::Result<Option<Mmap>> {
    // Before the open, which waits for a writer where the file is a pipe.
    if !std::fs::metadata(path)?.is_file() {
        return Ok(None);
    }
    let file = File::open(path)?;
    if file.metadata()?.len() != (HEADER + size) as u64 {
        return Ok(None);
    }
    // SAFETY: the mapping is read-only, and a table's file is never written after it got its name: it is replaced.
    let mapped = unsafe { Mmap::map(&file) }?;
    let is_good = mapped.split_at_checked(HEADER).is_some_and(|(own, body)| own == header(body));
    Ok(is_good.then_some(mapped))
}

fn store(path: &Path, header: &[u8], body: &[u8]) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(header)?;
    file.write_all(body)?;
    file.persist(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{cell::Cell, fs};

    const CODE: Code = Code { function: "squares", domains: &[(0, 100)], version: None };

    /// How many elements are computed when a table is opened, which is right all the same.
    fn computed(path: &Path, code: Code) -> u32 {
        let calls = Cell::new(0);
        let square = |place| {
            calls.set(calls.get() + 1);
            place as u32 * place as u32
        };
        let table = StoredTable::open(path, 100, &code, square);
        assert_eq!((table.get(0), table.get(99), table.get(100)), (Some(0), Some(9801), None));
        calls.get()
    }

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    #[test]
    fn a_table_is_computed_once_and_then_mapped() {
        let folder = folder();
        let path = folder.path().join("table");
        assert_eq!((computed(&path, CODE), computed(&path, CODE)), (100, 0));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn other_code_computes() {
        let folder = folder();
        let path = folder.path().join("table");
        computed(&path, CODE);
        let versioned = |version| Code { version: Some(version), ..CODE };
        assert_eq!([1, 1, 2, 2].map(|version| computed(&path, versioned(version))), [100, 0, 100, 0]);
        assert_eq!(computed(&path, Code { function: "cubes", ..versioned(2) }), 100);
        assert_eq!(computed(&path, Code { domains: &[(1, 100)], ..versioned(2) }), 100);
    }

    #[test]
    fn any_damage_computes_and_mends() {
        let folder = folder();
        let path = folder.path().join("table");
        computed(&path, CODE);
        let whole = fs::read(&path).unwrap();
        for at in [0, 8, 12, 16, 24, 56, 88, 127, 128, whole.len() - 1] {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            fs::write(&path, damaged).unwrap();
            assert_eq!((computed(&path, CODE), computed(&path, CODE)), (100, 0), "byte {at}");
        }
        for cut in [0, 100, whole.len() - 1] {
            fs::write(&path, &whole[..cut]).unwrap();
            assert_eq!((computed(&path, CODE), computed(&path, CODE)), (100, 0), "cut to {cut}");
        }
        assert_eq!(fs::read(&path).unwrap(), whole);
    }

    #[test]
    fn a_file_that_is_not_to_be_had_only_means_computing() {
        let folder = folder();
        assert_eq!(computed(&folder.path().join("no/such/folder"), CODE), 100);
        assert_eq!(computed(folder.path(), CODE), 100);
    }

    #[test]
    fn the_format_is_as_it_was() {
        let header = header::<u16>(3, Fingerprint::from_bytes([7; 32]), &[1, 0, 2, 0, 3, 0]);
        let golden = "4556525441424c45010000000275000003000000000000000707070707070707";
        assert!(hex(&header).starts_with(golden), "{}", hex(&header));
        assert_eq!(hex(&header[56..88]), Fingerprint::of_bytes(&[1, 0, 2, 0, 3, 0]).to_string());
        assert!(header[88..].iter().all(|byte| *byte == 0));
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
