//! The walk that makes a fingerprint.
//!
//! An int of 64 bits, a float and a bool are items of the builder, whose tags tell them apart; every other value is written
//! as the name of its type and then its content, of a length that type and content tell. So no two different values are
//! written alike. What has no order (sets, and dicts if asked for) is written as the sorted
//! fingerprints of its items. Large memory is hashed in place, without the interpreter's lock.

use super::{
    DEPTH,
    buffer::Buffer,
    code_hook,
    failure::{Failure, Outcome, index},
    leaf, parts,
    table::{self, Table},
    too_deep,
};
use crate::once::intern;
use everfresh::{Fingerprint, FingerprintBuilder};
use pyo3::{
    prelude::*,
    types::{
        PyBool, PyByteArray, PyBytes, PyComplex, PyComplexMethods, PyDict, PyEllipsis, PyFloat, PyFrozenSet,
        PyFunction, PyInt, PyList, PySet, PyString, PyTuple, PyType,
    },
};

const REMEDY: &str = "have no fingerprint: give the class a method `__everfresh_key__` that returns what counts, leave the \
                      argument out with `ignore=`, or make the key with `key=`";

/// The fingerprint of a value.
pub(super) fn fingerprint(value: &Bound<'_, PyAny>, order_free: bool) -> Outcome<Fingerprint> {
    let domain = if order_free { "everfresh.python.order_free.1" } else { "everfresh.python.1" };
    Ok(Walk { order_free, depth: 0 }.value(FingerprintBuilder::new(domain), value)?.finish())
}

struct Walk {
    order_free: bool,
    depth: usize,
}

impl Walk {
    fn value(&mut self, to: FingerprintBuilder, value: &Bound<'_, PyAny>) -> Outcome<FingerprintBuilder> {
        Ok(if let Ok(text) = value.cast_exact::<PyString>() {
            match text.to_str() {
                Ok(text) => to.str("str").str(text),
                Err(_) => to.str("str").bytes(&surrogates(text)?),
            }
        } else if let Ok(number) = value.cast_exact::<PyInt>() {
            match number.extract::<i64>() {
                Ok(number) => to.i64(number),
                Err(_) => to.str("int").bytes(&large_int(number)?),
            }
        } else if let Ok(number) = value.cast_exact::<PyFloat>() {
            to.f64(number.value())
        } else if value.is_none() {
            to.str("None")
        } else if let Ok(truth) = value.cast_exact::<PyBool>() {
            to.bool(truth.is_true())
        } else if let Ok(bytes) = value.cast_exact::<PyBytes>() {
            bytes_of(to.str("bytes"), value.py(), bytes.as_bytes())
        } else if value.is_exact_instance_of::<PyByteArray>() {
            self.leaf(to.str("bytearray"), value)?
        } else if let Ok(number) = value.cast_exact::<PyComplex>() {
            to.str("complex").f64(number.real()).f64(number.imag())
        } else if value.is_exact_instance_of::<PyEllipsis>() {
            to.str("Ellipsis")
        } else {
            self.nested(to, value)?
        })
    }

    /// A value that holds others.
    fn nested(&mut self, to: FingerprintBuilder, value: &Bound<'_, PyAny>) -> Outcome<FingerprintBuilder> {
        if self.depth == DEPTH {
            return Err(too_deep());
        }
        value.py().check_signals()?;
        self.depth += 1;
        let result = if let Ok(items) = value.cast_exact::<PyList>() {
            // A list may change while the code of one of its items runs.
            self.sequence(to.str("list"), &items.to_tuple())
        } else if let Ok(items) = value.cast_exact::<PyTuple>() {
            self.sequence(to.str("tuple"), items)
        } else if let Ok(items) = value.cast_exact::<PyDict>() {
            self.dict(to, items)
        } else if value.is_exact_instance_of::<PySet>() {
            self.set(to.str("set"), value)
        } else if value.is_exact_instance_of::<PyFrozenSet>() {
            self.set(to.str("frozenset"), value)
        } else {
            self.object(to, value)
        };
        self.depth -= 1;
        result
    }

    fn sequence(&mut self, to: FingerprintBuilder, items: &Bound<'_, PyTuple>) -> Outcome<FingerprintBuilder> {
        let mut to = to.u64(items.len() as u64);
        for (at, item) in items.iter_borrowed().enumerate() {
            to = self.value(to, &item).map_err(|failure| failure.at(|| format!("[{at}]")))?;
        }
        Ok(to)
    }

    fn dict(&mut self, to: FingerprintBuilder, dict: &Bound<'_, PyDict>) -> Outcome<FingerprintBuilder> {
        let order_free = self.order_free;
        // As they are now: a dict, too, may change meanwhile.
        let items = dict.items();
        let mut to = to.str("dict").u64(items.len() as u64);
        let mut item = |to, item: &Bound<'_, PyAny>| {
            let (key, value): (Bound<'_, PyAny>, Bound<'_, PyAny>) = item.extract()?;
            let to = self.value(to, &key).and_then(|to| self.value(to, &value));
            to.map_err(|failure| failure.at(|| index(&key)))
        };
        if order_free {
            let all = items.iter().map(|pair| Ok(item(part(), &pair)?.finish())).collect::<Outcome<Vec<_>>>()?;
            return Ok(sorted(to, all));
        }
        for pair in items.iter() {
            to = item(to, &pair)?;
        }
        Ok(to)
    }

    fn set(&mut self, to: FingerprintBuilder, set: &Bound<'_, PyAny>) -> Outcome<FingerprintBuilder> {
        let items = set.try_iter()?.map(|item| Ok(self.value(part(), &item?)?.finish()));
        Ok(sorted(to, items.collect::<Outcome<Vec<_>>>()?))
    }

    fn object(&mut self, mut to: FingerprintBuilder, object: &Bound<'_, PyAny>) -> Outcome<FingerprintBuilder> {
        let py = object.py();
        if object.is_exact_instance_of::<PyFunction>() || object.is_instance_of::<PyType>() {
            if let Some(hook) = code_hook(py) {
                let code = hook.bind(py).call1((object,))?;
                return Ok(to.str("code").bytes(code.cast::<PyBytes>().map_err(PyErr::from)?.as_bytes()));
            }
        } else if let Some(hook) = code_hook(py) {
            // What its methods do counts too, unless they are a package's.
            let code = hook.bind(py).call1((object.get_type(),))?;
            let code = code.cast::<PyBytes>().map_err(PyErr::from)?;
            if !code.as_bytes().is_empty() {
                to = to.str("class").bytes(code.as_bytes());
            }
        }
        if !object.is_instance_of::<PyType>()
            && let Some(key) = object.get_type().getattr_opt(intern!(py, "__everfresh_key__"))?
        {
            let class = object.get_type();
            let name = (class.module()?, class.qualname()?).into_pyobject(py)?;
            let to = self.value(to.str("key"), name.as_any())?;
            let key = key.call1((object,))?;
            return self.value(to, &key).map_err(|failure| failure.at(|| ".__everfresh_key__()".to_string()));
        }
        let Some(parts) = parts::take_apart(object, false)? else {
            return Err(parts::unknown(object, REMEDY));
        };
        let to = self.value(to.str("object").str(parts.name.to_str()?), &parts.value);
        let mut to = to.map_err(Failure::inside)?;
        to = to.u64(parts.buffers.len() as u64);
        for buffer in parts.buffers.iter_borrowed() {
            to = self.leaf(to, &buffer)?;
        }
        Ok(to)
    }

    /// Memory, or a table.
    fn leaf(&mut self, to: FingerprintBuilder, leaf: &Bound<'_, PyAny>) -> Outcome<FingerprintBuilder> {
        let Ok(buffer) = Buffer::get(leaf) else {
            table::check(leaf)?;
            return Ok(to.str("table").fingerprint(&Table::of(leaf)?.fingerprint(leaf.py())?));
        };
        Ok(to.u64(buffer.len() as u64).fingerprint(&leaf::hash_of(leaf.py(), &buffer)))
    }
}

/// Bytes enter by their hash, so that those that are gathered in blocks enter alike.
fn bytes_of(to: FingerprintBuilder, py: Python<'_>, bytes: &[u8]) -> FingerprintBuilder {
    to.u64(bytes.len() as u64).fingerprint(&leaf::hash_of_bytes(py, bytes))
}

/// The fingerprint of one of several items without an order.
fn part() -> FingerprintBuilder {
    FingerprintBuilder::new("everfresh.python.item.1")
}

fn sorted(to: FingerprintBuilder, mut items: Vec<Fingerprint>) -> FingerprintBuilder {
    items.sort_unstable();
    to.list(&items, FingerprintBuilder::fingerprint)
}

/// A text that is no UTF-8, with its lone surrogates.
pub(super) fn surrogates(text: &Bound<'_, PyString>) -> Result<Vec<u8>, Failure> {
    Ok(text.call_method1("encode", ("utf-8", "surrogatepass"))?.extract()?)
}

/// A large integer: the fewest bytes that hold it and its sign, little-endian.
pub(super) fn large_int(number: &Bound<'_, PyInt>) -> Result<Vec<u8>, Failure> {
    let bits: usize = number.call_method0("bit_length")?.extract()?;
    let named = PyDict::new(number.py());
    named.set_item("signed", true)?;
    Ok(number.call_method("to_bytes", (bits / 8 + 1, "little"), Some(&named))?.extract()?)
}
