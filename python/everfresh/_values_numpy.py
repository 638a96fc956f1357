"""NumPy arrays, scalars and dtypes, taken apart and put together.

An array's fingerprint is that of its dtype, its shape, and its items in C order; stored, it stands as its memory does,
in C or Fortran order. The byte order is part of the dtype, as it is for NumPy. A `memmap` counts as the array that it
is.
"""

# Objects of every type come through here.

from __future__ import annotations

import contextlib
import math
import sys

from everfresh._values import Refusal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from everfresh._values import Parts


# From here on an array is kept in pages of its own, whose hash is remembered.
_LARGE = 1 << 20


def take_apart(value: Any, stored: bool) -> Parts | None:
    """The parts of a NumPy object; None for those that have none."""
    np: Any = sys.modules["numpy"]
    cls = type(value)
    if cls is np.ndarray or cls is np.memmap:
        return "numpy.ndarray", *_take_array(np, value, stored)
    if cls is np.str_:
        return "numpy.str_", str.__str__(value), ()
    if cls is np.bytes_:
        return "numpy.bytes_", value.tobytes(), ()
    if isinstance(value, np.generic):
        return "numpy.generic", *_take_array(np, np.asarray(value), stored)
    if cls in (np.matrix, np.recarray):
        return f"numpy.{cls.__name__}", *_take_array(np, value.view(np.ndarray), stored)
    if isinstance(value, np.ma.MaskedArray):
        raise Refusal("masked arrays have neither fingerprint nor encoding: use `.filled()`, or data and mask")
    if isinstance(value, np.dtype):
        return "numpy.dtype", _take_dtype(value), ()
    if isinstance(value, np.ufunc) and not stored:
        return "numpy.ufunc", value.__name__, ()
    return None


def put_together(name: str, parts: Any, buffers: list[memoryview], trusted: bool) -> object:
    """The object of these parts; arrays are read-only views of the buffer."""
    np: Any = sys.modules["numpy"]
    if name == "numpy.ndarray":
        return _build_array(np, parts, buffers)
    if name == "numpy.generic":
        return _build_array(np, parts, buffers)[()]
    if name == "numpy.str_":
        return np.str_(parts)
    if name == "numpy.bytes_":
        return np.bytes_(parts)
    if name == "numpy.matrix":
        return _build_array(np, parts, buffers).view(np.matrix)
    if name == "numpy.recarray":
        return _build_array(np, parts, buffers).view(np.recarray)
    if name == "numpy.dtype":
        return _build_dtype(np, parts)
    raise ValueError(f"no kind of object is named {name}")


def protect(value: Any) -> tuple[object, Callable[..., object] | None] | None:
    """A private array that cannot be written to, of which each caller gets a view; None for what has to be copied."""
    np: Any = sys.modules["numpy"]
    if isinstance(value, np.dtype | np.ufunc) or (isinstance(value, np.generic) and not isinstance(value, np.void)):
        return value, None
    if type(value) not in (np.ndarray, np.memmap) or value.dtype.hasobject:
        return None
    order = "F" if value.flags.f_contiguous and not value.flags.c_contiguous else "C"
    from everfresh import _native

    if _native.is_owned(value):
        return value.view(np.ndarray), np.ndarray.view
    if value.nbytes >= _LARGE:
        with contextlib.suppress(TypeError):  # a dtype that has no encoding
            return _native.private(value), np.ndarray.view
    # Bytes own the memory, so that no one can make the array writeable.
    memory = value.tobytes(order=order)
    return np.ndarray(value.shape, value.dtype, buffer=memory, order=order), np.ndarray.view


def _take_array(np: Any, array: Any, stored: bool) -> tuple[object, tuple[object, ...]]:
    dtype = array.dtype
    if dtype.hasobject or dtype.kind == "T":
        return (_take_dtype(dtype), array.shape, tuple(array.reshape(-1).tolist())), ()
    if not stored:
        return (_take_dtype(dtype), array.shape), (_canonical(np, array),)
    order = "C"
    if array.flags.f_contiguous and not array.flags.c_contiguous:
        order, array = "F", array.T
    parts = (_take_dtype(dtype), array.shape[::-1] if order == "F" else array.shape, order)
    if array.nbytes == 0:
        return parts, (b"",)
    flat = np.ascontiguousarray(array).view(np.ndarray).reshape(-1).view(np.uint8)
    return parts, (flat,)


def _build_array(np: Any, parts: Any, buffers: list[memoryview]) -> Any:
    if not buffers:
        dtype, shape, items = parts
        dtype = _build_dtype(np, dtype)
        if math.prod(shape) != len(items) or not (dtype.hasobject or dtype.kind == "T"):
            raise ValueError("an array of objects has another shape than its items")
        array = np.empty(len(items), dtype)
        if dtype.kind == "O":
            # One by one: NumPy would take sequences apart.
            for index, item in enumerate(items):
                array[index] = item
        else:
            array[:] = list(items)
        return array.reshape(shape)
    (dtype, shape, order), (buffer,) = parts, buffers
    array = np.ndarray(shape, _build_dtype(np, dtype), buffer=buffer, order=order)
    if array.nbytes != len(buffer):
        raise ValueError("an array has another length than its buffer")
    # A mapping whose reader asked for `numpy.memmap`.
    as_array = getattr(buffer.obj, "as_array", None)
    return array if as_array is None else as_array(np, array)


def _canonical(np: Any, array: Any) -> Any:
    """The same items without bytes that hold no value: those between fields, and after an extended float."""
    if array.dtype.names is not None and _is_padded(array.dtype):
        from numpy.lib.recfunctions import repack_fields

        return repack_fields(array, recurse=True)
    if array.dtype.char in "gG" and np.finfo(np.longdouble).nmant == 63:
        width = np.dtype(np.longdouble).itemsize
        return np.ascontiguousarray(array).reshape(-1).view(np.uint8).reshape(-1, width)[:, :10]
    return array


def _is_padded(dtype: Any) -> bool:
    if dtype.subdtype is not None:
        return _is_padded(dtype.subdtype[0])
    if dtype.names is None:
        return False
    fields = [dtype.fields[name][0] for name in dtype.names]
    return sum(field.itemsize for field in fields) != dtype.itemsize or any(map(_is_padded, fields))


def _take_dtype(dtype: Any) -> object:
    if dtype.isbuiltin == 1 and not dtype.metadata and dtype.kind != "T":
        return dtype.str
    if type(dtype).__module__.partition(".")[0] != "numpy" or dtype.isbuiltin == 2:
        raise Refusal(f"the dtype {dtype} is not NumPy's own: convert the array with `astype`")
    if dtype.kind == "T":
        has_missing = hasattr(dtype, "na_object")
        return "T", has_missing, dtype.na_object if has_missing else None, dtype.coerce
    if dtype.metadata:
        raise Refusal(f"the dtype {dtype} has metadata: convert the array to one without them")
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        return "A", _take_dtype(base), shape
    if dtype.names is not None:
        fields = [dtype.fields[name] for name in dtype.names]
        formats, offsets = tuple(_take_dtype(field[0]) for field in fields), tuple(field[1] for field in fields)
        titles = tuple(field[2] if len(field) > 2 else None for field in fields)
        return "S", dtype.names, formats, offsets, titles, dtype.itemsize, dtype.isalignedstruct
    return dtype.str


def _build_dtype(np: Any, parts: Any) -> Any:
    if isinstance(parts, str):
        return np.dtype(parts)
    kind, *rest = parts
    if kind == "T":
        has_missing, missing, coerce = rest
        if has_missing:
            return np.dtypes.StringDType(na_object=missing, coerce=coerce)
        return np.dtypes.StringDType(coerce=coerce)
    if kind == "A":
        base, shape = rest
        return np.dtype((_build_dtype(np, base), shape))
    if kind == "S":
        names, formats, offsets, titles, itemsize, align = rest
        fields = {"names": list(names), "formats": [_build_dtype(np, item) for item in formats]}
        fields |= {"offsets": list(offsets), "itemsize": itemsize}
        if any(title is not None for title in titles):
            fields["titles"] = list(titles)
        return np.dtype(fields, align=align)
    raise ValueError("no dtype")
