//! From a buffer to the value that it encodes.
//!
//! Nothing in the bytes is trusted: every length is held against what is left, counts allocate nothing, and whatever a
//! constructor raises is an error in the bytes.

use super::{
    DEPTH,
    buffer::Buffer,
    format::{
        CHECKED, CHECKSUM, FLAGS, HASHES_LENGTH, HEADER, MAGIC, TREE_LENGTH, padding, read_varint, tag, unzigzag,
    },
    leaf, owned, parts, pool,
    seal::Seal,
};
use everfresh::Fingerprint;
use pyo3::{
    exceptions::{PyException, PyMemoryError, PyValueError},
    prelude::*,
    types::{
        PyByteArray, PyBytes, PyComplex, PyDict, PyEllipsis, PyFloat, PyFrozenSet, PyList, PyMemoryView, PySet,
        PySlice, PyString, PyTuple,
    },
};
use std::vec;

/// Reads a value; `verified` if the checksum need not be looked at, and what is said of its arrays is true. Arrays lie in
/// the memory that `writable` gives, if any: the same bytes, to which they may write.
pub(super) fn decode<'py>(
    buffer: &Bound<'py, PyAny>,
    seal: Option<Seal>,
    verified: bool,
    writable: Option<Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = buffer.py();
    let memory = Buffer::get(buffer)?;
    let Some(bytes) = memory.contiguous() else { return Err(PyValueError::new_err("the buffer is not contiguous")) };
    let (header, body) = bytes.split_first_chunk::<HEADER>().ok_or_else(|| damaged("it is too short"))?;
    if !header.starts_with(MAGIC) {
        return Err(damaged("it does not start as an encoded value of this version does"));
    }
    if !verified {
        if header[FLAGS] & CHECKED == 0 {
            return Err(damaged("it has no checksum, and is not verified otherwise"));
        }
        if *py.detach(|| pool::hash(body)).as_bytes() != header[CHECKSUM..] {
            return Err(damaged("its checksum is wrong"));
        }
    }
    let (tree, rest) = section(header, TREE_LENGTH, body)?;
    let (hashes, _) = section(header, HASHES_LENGTH, rest)?;
    if !hashes.is_empty() && header[FLAGS] & CHECKED != 0 {
        return Err(damaged("it has both a checksum and hashes"));
    }
    let whole = Whole {
        view: bytes_of(buffer)?.call_method0("toreadonly")?,
        writable,
        written: None,
        hashes,
        end: HEADER + tree.len() + hashes.len(),
        length: bytes.len(),
    };
    let mut decoder = Decoder { py, rest: tree, memory: Memory::Whole(whole), seal, verified, frozen: false, depth: 0 };
    let value = decoder.value()?;
    let is_at_end =
        matches!(&decoder.memory, Memory::Whole(whole) if whole.end == bytes.len() && whole.hashes.is_empty());
    if !decoder.rest.is_empty() || !is_at_end {
        return Err(damaged("it is longer than what it holds"));
    }
    Ok(value)
}

/// Cuts off as many bytes as the header tells at a place.
fn section<'a>(header: &[u8; HEADER], at: usize, rest: &'a [u8]) -> PyResult<(&'a [u8], &'a [u8])> {
    let length = u64::from_le_bytes(header[at..][..8].try_into().unwrap_or_default());
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    rest.split_at_checked(length).ok_or_else(|| damaged("it is cut off"))
}

/// Puts a value together from the tree, the buffers and the objects that it was just taken apart into.
pub(super) fn put_together<'py>(
    py: Python<'py>,
    tree: &[u8],
    buffers: Vec<Bound<'py, PyAny>>,
    shared: Vec<Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    let memory = Memory::Pieces { buffers: buffers.into_iter(), shared: shared.into_iter() };
    Decoder { py, rest: tree, memory, seal: None, verified: true, frozen: true, depth: 0 }.value()
}

/// The memory of an object as bytes.
fn bytes_of<'py>(object: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    PyMemoryView::from(object)?.call_method1("cast", ("B",))
}

fn damaged(why: &str) -> PyErr {
    PyValueError::new_err(format!("not an encoded value, or a damaged one: {why}"))
}

struct Decoder<'py, 'a> {
    py: Python<'py>,
    rest: &'a [u8],
    memory: Memory<'py, 'a>,
    seal: Option<Seal>,
    verified: bool,
    /// Whether what is read now never writes to its arrays.
    frozen: bool,
    depth: usize,
}

/// Where the buffers come from.
enum Memory<'py, 'a> {
    Whole(Whole<'py, 'a>),
    Pieces { buffers: vec::IntoIter<Bound<'py, PyAny>>, shared: vec::IntoIter<Bound<'py, PyAny>> },
}

/// All in one piece.
struct Whole<'py, 'a> {
    /// Read-only.
    view: Bound<'py, PyAny>,
    /// Gives the same bytes, to be written to; asked once.
    writable: Option<Bound<'py, PyAny>>,
    written: Option<Bound<'py, PyAny>>,
    /// Those of the buffers that were not read yet.
    hashes: &'a [u8],
    /// Where the last buffer that was read ends, or the hashes.
    end: usize,
    length: usize,
}

impl<'py, 'a> Decoder<'py, 'a> {
    fn value(&mut self) -> PyResult<Bound<'py, PyAny>> {
        // As deep as what was written, and a scalar in it.
        if self.depth == DEPTH + 1 {
            return Err(damaged("it is nested too deep"));
        }
        self.depth += 1;
        let value = self.item();
        self.depth -= 1;
        value
    }

    fn item(&mut self) -> PyResult<Bound<'py, PyAny>> {
        let py = self.py;
        let [tag] = *self.take_chunk::<1>()?;
        Ok(match tag {
            tag::NONE => py.None().into_bound(py),
            tag::TRUE => true.into_pyobject(py)?.to_owned().into_any(),
            tag::FALSE => false.into_pyobject(py)?.to_owned().into_any(),
            tag::ELLIPSIS => PyEllipsis::get(py).to_owned().into_any(),
            tag::INT => unzigzag(self.number()?).into_pyobject(py)?.into_any(),
            tag::LARGE_INT => {
                let named = PyDict::new(py);
                named.set_item("signed", true)?;
                let bytes = PyBytes::new(py, self.bytes()?);
                py.get_type::<pyo3::types::PyInt>().call_method("from_bytes", (bytes, "little"), Some(&named))?
            }
            tag::FLOAT => PyFloat::new(py, self.float()?).into_any(),
            tag::COMPLEX => {
                let (real, imaginary) = (self.float()?, self.float()?);
                PyComplex::from_doubles(py, real, imaginary).into_any()
            }
            tag::STR => PyString::from_bytes(py, self.bytes()?).map_err(|_| damaged("a text is no UTF-8"))?.into_any(),
            tag::SURROGATES => {
                let text = PyBytes::new(py, self.bytes()?).call_method1("decode", ("utf-8", "surrogatepass"));
                text.map_err(|_| damaged("a text is no UTF-8"))?
            }
            tag::BYTES => PyBytes::new(py, self.bytes()?).into_any(),
            tag::LARGE_BYTES => self.buffer()?.0.call_method0("tobytes")?,
            tag::BYTEARRAY => PyByteArray::new(py, self.bytes()?).into_any(),
            tag::TUPLE => PyTuple::new(py, self.items()?)?.into_any(),
            tag::LIST => PyList::new(py, self.items()?)?.into_any(),
            tag::SET => PySet::new(py, self.items()?).map_err(|error| made_wrong(py, error))?.into_any(),
            tag::FROZENSET => PyFrozenSet::new(py, self.items()?).map_err(|error| made_wrong(py, error))?.into_any(),
            tag::DICT => {
                let dict = PyDict::new(py);
                for _ in 0..self.count()? {
                    let (key, value) = (self.value()?, self.value()?);
                    dict.set_item(key, value).map_err(|error| made_wrong(py, error))?;
                }
                dict.into_any()
            }
            tag::OBJECT => {
                let name = self.value()?;
                let (around, frozen) = (self.frozen, parts::is_frozen(&name));
                self.frozen = frozen.unwrap_or(around);
                let (parts, buffers, mut hash) = (self.value()?, PyList::empty(py), None);
                self.frozen = around || frozen == Some(true);
                for _ in 0..self.count()? {
                    let (buffer, its_hash) = self.buffer()?;
                    buffers.append(buffer)?;
                    hash = its_hash;
                }
                self.frozen = around;
                let object = parts::put_together(&name, &parts, &buffers, self.verified)
                    .map_err(|error| made_wrong(py, error))?;
                if let Some(hash) = hash {
                    let learnt = leaf::at_place(&object, |place| owned::learn(place, hash));
                    learnt.map_err(|failure| failure.into_error("value"))?;
                }
                object
            }
            tag::SHARED => {
                let Memory::Pieces { shared, .. } = &mut self.memory else {
                    return Err(damaged("it has an unknown tag"));
                };
                shared.next().ok_or_else(|| damaged("it is cut off"))?
            }
            tag::PICKLE => {
                let mac = blake3::Hash::from_bytes(*self.take_chunk::<32>()?);
                let pickled = self.bytes()?;
                let Some(seal) = &self.seal else {
                    return Err(PyValueError::new_err(
                        "it holds a pickle, which is read only with the key that sealed it",
                    ));
                };
                if seal.mac(pickled) != mac {
                    return Err(PyValueError::new_err("it holds a pickle that was not written with this user's key"));
                }
                let loaded = py.import("pickle")?.call_method1("loads", (PyBytes::new(py, pickled),));
                loaded.map_err(|error| made_wrong(py, error))?
            }
            _ => return Err(damaged("it has an unknown tag")),
        })
    }

    fn take(&mut self, length: usize) -> PyResult<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or_else(|| damaged("it is cut off"))?;
        self.rest = rest;
        Ok(taken)
    }

    fn take_chunk<const N: usize>(&mut self) -> PyResult<&'a [u8; N]> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or_else(|| damaged("it is cut off"))?;
        self.rest = rest;
        Ok(taken)
    }

    fn number(&mut self) -> PyResult<u64> {
        read_varint(&mut self.rest).ok_or_else(|| damaged("it is cut off"))
    }

    fn bytes(&mut self) -> PyResult<&'a [u8]> {
        let length = self.number()?;
        self.take(usize::try_from(length).unwrap_or(usize::MAX))
    }

    fn float(&mut self) -> PyResult<f64> {
        Ok(f64::from_bits(u64::from_le_bytes(*self.take_chunk()?)))
    }

    /// How many items follow, each of which takes at least a byte.
    fn count(&mut self) -> PyResult<usize> {
        let count = self.number()?;
        usize::try_from(count).ok().filter(|count| *count <= self.rest.len()).ok_or_else(|| damaged("it is cut off"))
    }

    fn items(&mut self) -> PyResult<Vec<Bound<'py, PyAny>>> {
        (0..self.count()?).map(|_| self.value()).collect()
    }

    /// The next buffer, and the hash of the array in it.
    fn buffer(&mut self) -> PyResult<(Bound<'py, PyAny>, Option<Fingerprint>)> {
        let length = self.number()?;
        let whole = match &mut self.memory {
            Memory::Whole(whole) => whole,
            Memory::Pieces { buffers, .. } => {
                let buffer = buffers.next().ok_or_else(|| damaged("it is cut off"))?;
                return Ok((bytes_of(&buffer)?, None));
            }
        };
        let start = whole.end + padding(whole.end);
        let end = usize::try_from(length).ok().and_then(|length| start.checked_add(length));
        let end = end.filter(|end| *end <= whole.length).ok_or_else(|| damaged("it is cut off"))?;
        whole.end = end;
        let mut hash = None;
        if let Some((first, rest)) = whole.hashes.split_first_chunk() {
            whole.hashes = rest;
            hash = (*first != [0; 32]).then(|| Fingerprint::from_bytes(*first));
        }
        let view = match (&whole.writable, &mut whole.written) {
            (Some(_), Some(view)) if !self.frozen => &*view,
            (Some(writable), written) if !self.frozen => written.insert(bytes_of(&writable.call0()?)?),
            _ => &whole.view,
        };
        Ok((view.get_item(PySlice::new(self.py, start as isize, end as isize, 1))?, hash))
    }
}

/// What a constructor raised, as an error in the bytes, unless it is none.
fn made_wrong(py: Python<'_>, error: PyErr) -> PyErr {
    if error.is_instance_of::<PyValueError>(py)
        || error.is_instance_of::<PyMemoryError>(py)
        || !error.is_instance_of::<PyException>(py)
    {
        return error;
    }
    let damage = damaged(&format!("its parts do not fit: {error}"));
    damage.set_cause(py, Some(error));
    damage
}
