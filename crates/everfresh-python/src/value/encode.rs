//! From a value to the buffers that encode it.

use super::{
    DEPTH,
    buffer::Buffer,
    decode,
    failure::{Failure, Outcome, index, type_name},
    format::{
        self, CHECKED, CHECKSUM, FLAGS, HASHED, HASHES_LENGTH, HEADER, LARGE, MAGIC, TREE_LENGTH, padding, tag,
        write_varint, zigzag,
    },
    hash::{fingerprint, large_int, surrogates},
    leaf, owned, parts, pool,
    seal::Seal,
    too_deep,
};
use everfresh::Fingerprint;
use pyo3::{
    exceptions::PyException,
    prelude::*,
    types::{
        PyBool, PyByteArray, PyBytes, PyComplex, PyComplexMethods, PyDict, PyEllipsis, PyFloat, PyFrozenSet, PyInt,
        PyList, PySet, PyString, PyTuple,
    },
};

const REMEDY: &str = "have no safe encoding: return another type, or allow pickles with `pickle=True`";

/// A copy of a value that shares no memory with it that anybody can write to: arrays are read-only.
pub(super) fn private<'py>(value: &Bound<'py, PyAny>) -> Outcome<Bound<'py, PyAny>> {
    let mut encoder = Encoder { shared: Some(Vec::new()), ..Encoder::default() };
    encoder.value(value)?;
    let buffers = encoder.buffers.iter().map(|(buffer, _)| owned::sealed(buffer)).collect::<PyResult<Vec<_>>>()?;
    Ok(decode::put_together(value.py(), &encoder.tree, buffers, encoder.shared.unwrap_or_default())?)
}

/// The buffers to write one after the other; parts without an encoding are pickled if there is something to seal them.
pub(super) fn encode<'py>(
    value: &Bound<'py, PyAny>,
    seal: Option<Seal>,
    checksum: bool,
) -> Outcome<Bound<'py, PyList>> {
    let py = value.py();
    let mut encoder = Encoder { tree: vec![0; HEADER], seal, hashes: !checksum, ..Encoder::default() };
    let written = encoder.value(value);
    encoder.or_pickle(written, value, HEADER, 0)?;
    let Encoder { tree: mut head, buffers, .. } = encoder;
    let tree_length = head.len() - HEADER;
    if buffers.iter().any(|(_, hash)| hash.is_some()) {
        for (_, hash) in &buffers {
            head.extend_from_slice(hash.as_ref().map_or(&[0; blake3::OUT_LEN], |hash| hash.as_bytes()));
        }
        let length = head.len() - HEADER - tree_length;
        head[HASHES_LENGTH..][..8].copy_from_slice(&(length as u64).to_le_bytes());
    }
    let buffers: Vec<_> = buffers.into_iter().map(|(buffer, _)| buffer).collect();
    head.resize(head.len() + if buffers.is_empty() { 0 } else { padding(head.len()) }, 0);
    head[..MAGIC.len()].copy_from_slice(MAGIC);
    head[TREE_LENGTH..][..8].copy_from_slice(&(tree_length as u64).to_le_bytes());
    if checksum {
        head[FLAGS] = CHECKED;
        let mut hasher = blake3::Hasher::new();
        hasher.update(&head[HEADER..]);
        for (at, buffer) in buffers.iter().enumerate() {
            let memory = Buffer::get(buffer)?;
            let bytes = memory.contiguous().unwrap_or_default();
            let zeros = &ZEROS[..zeros_after(at, &buffers, bytes.len())];
            py.detach(|| pool::update(&mut hasher, bytes));
            hasher.update(zeros);
        }
        head[CHECKSUM..HEADER].copy_from_slice(hasher.finalize().as_bytes());
    }
    let pieces = PyList::new(py, [PyBytes::new(py, &head)])?;
    for (at, buffer) in buffers.iter().enumerate() {
        let zeros = zeros_after(at, &buffers, Buffer::get(buffer)?.len());
        pieces.append(buffer)?;
        if zeros > 0 {
            pieces.append(PyBytes::new(py, &ZEROS[..zeros]))?;
        }
    }
    Ok(pieces)
}

const ZEROS: [u8; HEADER] = [0; HEADER];

/// How many zeros follow a buffer: none, if it is the last.
fn zeros_after<T>(at: usize, buffers: &[T], length: usize) -> usize {
    if at + 1 == buffers.len() { 0 } else { padding(length) }
}

#[derive(Default)]
struct Encoder<'py> {
    tree: Vec<u8>,
    /// Each with the hash of the array or table in it, if that is wanted and it is large.
    buffers: Vec<(Bound<'py, PyAny>, Option<Fingerprint>)>,
    seal: Option<Seal>,
    hashes: bool,
    /// Objects that may stand as they are, if that is wanted.
    shared: Option<Vec<Bound<'py, PyAny>>>,
    depth: usize,
}

impl<'py> Encoder<'py> {
    fn value(&mut self, value: &Bound<'py, PyAny>) -> Outcome<()> {
        if let Ok(text) = value.cast_exact::<PyString>() {
            match text.to_str() {
                Ok(text) => self.bytes(tag::STR, text.as_bytes()),
                Err(_) => self.bytes(tag::SURROGATES, &surrogates(text)?),
            }
        } else if let Ok(number) = value.cast_exact::<PyInt>() {
            match number.extract::<i64>() {
                Ok(number) => self.number(tag::INT, zigzag(number)),
                Err(_) => self.bytes(tag::LARGE_INT, &large_int(number)?),
            }
        } else if let Ok(number) = value.cast_exact::<PyFloat>() {
            self.tree.push(tag::FLOAT);
            self.float(number.value());
        } else if value.is_none() {
            self.tree.push(tag::NONE);
        } else if let Ok(truth) = value.cast_exact::<PyBool>() {
            self.tree.push(if truth.is_true() { tag::TRUE } else { tag::FALSE });
        } else if let Ok(bytes) = value.cast_exact::<PyBytes>() {
            let bytes = bytes.as_bytes();
            if bytes.len() < LARGE {
                self.bytes(tag::BYTES, bytes);
            } else {
                self.number(tag::LARGE_BYTES, bytes.len() as u64);
                self.buffers.push((value.clone(), None));
            }
        } else if let Ok(bytes) = value.cast_exact::<PyByteArray>() {
            self.bytes(tag::BYTEARRAY, &bytes.to_vec());
        } else if let Ok(number) = value.cast_exact::<PyComplex>() {
            self.tree.push(tag::COMPLEX);
            self.float(number.real());
            self.float(number.imag());
        } else if value.is_exact_instance_of::<PyEllipsis>() {
            self.tree.push(tag::ELLIPSIS);
        } else {
            return self.nested(value);
        }
        Ok(())
    }

    /// A value that holds others.
    fn nested(&mut self, value: &Bound<'py, PyAny>) -> Outcome<()> {
        if self.depth == DEPTH {
            return Err(too_deep());
        }
        value.py().check_signals()?;
        self.depth += 1;
        let result = if let Ok(items) = value.cast_exact::<PyList>() {
            self.sequence(tag::LIST, &items.to_tuple())
        } else if let Ok(items) = value.cast_exact::<PyTuple>() {
            self.sequence(tag::TUPLE, items)
        } else if let Ok(items) = value.cast_exact::<PyDict>() {
            self.dict(items)
        } else if value.is_exact_instance_of::<PySet>() {
            sorted(value).and_then(|items| self.sequence(tag::SET, &items))
        } else if value.is_exact_instance_of::<PyFrozenSet>() {
            sorted(value).and_then(|items| self.sequence(tag::FROZENSET, &items))
        } else {
            self.object(value)
        };
        self.depth -= 1;
        result
    }

    fn number(&mut self, tag: u8, number: u64) {
        self.tree.push(tag);
        write_varint(&mut self.tree, number);
    }

    fn float(&mut self, number: f64) {
        self.tree.extend_from_slice(&number.to_bits().to_le_bytes());
    }

    fn bytes(&mut self, tag: u8, bytes: &[u8]) {
        self.number(tag, bytes.len() as u64);
        self.tree.extend_from_slice(bytes);
    }

    fn sequence(&mut self, tag: u8, items: &Bound<'py, PyTuple>) -> Outcome<()> {
        self.number(tag, items.len() as u64);
        for (at, item) in items.iter_borrowed().enumerate() {
            self.value(&item).map_err(|failure| failure.at(|| format!("[{at}]")))?;
        }
        Ok(())
    }

    fn dict(&mut self, dict: &Bound<'py, PyDict>) -> Outcome<()> {
        let items = dict.items();
        self.number(tag::DICT, items.len() as u64);
        for item in items.iter() {
            let (key, value): (Bound<'py, PyAny>, Bound<'py, PyAny>) = item.extract()?;
            let written = self.value(&key).and_then(|()| self.value(&value));
            written.map_err(|failure| failure.at(|| index(&key)))?;
        }
        Ok(())
    }

    fn object(&mut self, object: &Bound<'py, PyAny>) -> Outcome<()> {
        // Where its parts turn out to have no encoding, all of it is pickled.
        let (tree, buffers) = (self.tree.len(), self.buffers.len());
        let written = self.parts(object);
        self.or_pickle(written, object, tree, buffers)
    }

    /// Pickles a value that was refused, if that is allowed, in place of what was written of it.
    fn or_pickle(
        &mut self,
        written: Outcome<()>,
        value: &Bound<'py, PyAny>,
        tree: usize,
        buffers: usize,
    ) -> Outcome<()> {
        if !matches!(written, Err(Failure::Refused { .. })) {
            return written;
        }
        // Where pickle fails, what stands around the value is not tried either.
        let Some(seal) = self.seal.take() else { return written };
        let pickled = value.py().import("pickle")?.call_method1("dumps", (value, 5)).map_err(|error| {
            if !error.is_instance_of::<PyException>(value.py()) {
                return error.into();
            }
            let class = type_name(value);
            Failure::refused(format!("values of type {class} have no safe encoding, and cannot be pickled: {error}"))
        })?;
        let pickled = pickled.cast::<PyBytes>().map_err(PyErr::from)?.as_bytes();
        self.tree.truncate(tree);
        self.buffers.truncate(buffers);
        self.tree.push(tag::PICKLE);
        self.tree.extend_from_slice(seal.mac(pickled).as_bytes());
        write_varint(&mut self.tree, pickled.len() as u64);
        self.tree.extend_from_slice(pickled);
        self.seal = Some(seal);
        Ok(())
    }

    fn parts(&mut self, object: &Bound<'py, PyAny>) -> Outcome<()> {
        if let Some(shared) = &mut self.shared
            && leaf::is_owned_table(object)?
        {
            shared.push(object.clone());
            self.tree.push(tag::SHARED);
            return Ok(());
        }
        let Some(parts) = parts::take_apart(object, true)? else {
            return Err(parts::unknown(object, REMEDY));
        };
        self.tree.push(tag::OBJECT);
        self.value(parts.name.as_any())?;
        self.value(&parts.value).map_err(Failure::inside)?;
        write_varint(&mut self.tree, parts.buffers.len() as u64);
        for buffer in parts.buffers.iter() {
            let length = Buffer::get(&buffer)?.len();
            write_varint(&mut self.tree, length as u64);
            let hash = if self.hashes && length >= HASHED { leaf::hash_of_object(object)? } else { None };
            self.buffers.push((buffer, hash));
        }
        Ok(())
    }
}

/// The items of a set, ordered by their fingerprints where they have them, so that equal sets are encoded alike.
fn sorted<'py>(set: &Bound<'py, PyAny>) -> Outcome<Bound<'py, PyTuple>> {
    let items = set.try_iter()?.collect::<PyResult<Vec<_>>>()?;
    let fingerprints = items.iter().map(|item| fingerprint(item, false)).collect::<Outcome<Vec<_>>>();
    let ordered = match fingerprints {
        Ok(fingerprints) => {
            let mut pairs: Vec<_> = fingerprints.into_iter().zip(items).collect();
            pairs.sort_by_key(|(fingerprint, _)| *fingerprint);
            pairs.into_iter().map(|(_, item)| item).collect()
        }
        Err(Failure::Refused { .. }) => items,
        Err(raised) => return Err(raised),
    };
    Ok(PyTuple::new(set.py(), ordered)?)
}

const _: () = assert!(format::CHECKSUM + blake3::OUT_LEN == HEADER);
