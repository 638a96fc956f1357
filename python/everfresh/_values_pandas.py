"""pandas frames, series, indexes, arrays and scalars, taken apart and put together.

A frame is its columns' arrays, whatever blocks they lie in. What is built from stored buffers refers to them and cannot
write to them: pandas copies a column before it is changed, as it does for any column that two frames share.
"""

# Objects of every type come through here.

from __future__ import annotations

import copy
import sys
from importlib import import_module

from everfresh._values import Refusal, is_constant

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from everfresh._values import Parts


def take_apart(value: Any, stored: bool) -> Parts | None:
    """The parts of a pandas object; None for those that have none."""
    taker = _TAKERS.get(type(value).__name__)
    if taker is None:
        return _take_other(value)
    return f"pandas.{type(value).__name__}", taker(value), ()


def put_together(name: str, parts: Any, buffers: list[memoryview], trusted: bool) -> object:
    """The object of these parts."""
    kind = name.removeprefix("pandas.")
    parts = _plain_arrays(parts)
    if kind == "DataFrame":
        parts = tuple(map(_plain_arrays, parts))
    return _BUILDERS[kind](sys.modules["pandas"], parts)


def _plain_arrays(parts: Any) -> Any:
    """Parts without `numpy.memmap`: what pandas makes of a class of arrays is not always the same."""
    np: Any = sys.modules["numpy"]
    if type(parts) is np.memmap:
        return parts.view(np.ndarray)
    if type(parts) is tuple and any(type(part) is np.memmap for part in parts):
        return tuple(part.view(np.ndarray) if type(part) is np.memmap else part for part in parts)
    return parts


def protect(value: Any) -> tuple[object, Callable[..., object] | None] | None:
    """A private copy in memory that cannot be written to; None for what has to be copied."""
    pd: Any = sys.modules["pandas"]
    if not isinstance(value, pd.DataFrame | pd.Series | pd.Index | pd.api.extensions.ExtensionArray):
        return value, None
    from everfresh import _native

    try:
        if not all(map(is_constant, _objects(pd, value))):
            return _native.dumps(value, checksum=False), _decode
        private = _native.private(value)
    except TypeError:
        import pickle

        return pickle.dumps(value, 5), pickle.loads
    if isinstance(value, pd.api.extensions.ExtensionArray):
        return private, type(value).copy
    return private, _shallow if _copies_on_write(pd) else type(value).copy


def _decode(encoded: bytes) -> object:
    from everfresh import _native

    return _native.loads(encoded, verified=True)


def _shallow(value: Any) -> object:
    return value.copy(deep=False)


def _copies_on_write(pd: Any) -> bool:
    return int(pd.__version__.partition(".")[0]) >= 3


def _objects(pd: Any, value: Any) -> list[tuple[object, ...]]:
    """The items of all that holds Python objects."""
    if isinstance(value, pd.DataFrame):
        columns = [value.iloc[:, at] for at, dtype in enumerate(value.dtypes) if dtype.name == "object"]
        return [tuple(value.attrs.values()), *(tuple(column.array) for column in columns)]
    attributes = tuple(getattr(value, "attrs", {}).values())
    return [attributes, tuple(value) if value.dtype.name == "object" else ()]


# Taken apart.


def _plain(array: Any) -> Any:
    """A NumPy array as it is, without the wrapper that pandas puts around it."""
    return array.to_numpy() if type(array).__name__ == "NumpyExtensionArray" else array


def _take_frame(frame: Any) -> object:
    # Several times faster than by the columns' series.
    arrays = tuple(map(_plain, frame._iter_column_arrays()))
    return frame.columns, frame.index, arrays, tuple(frame.attrs.items()), frame.flags.allows_duplicate_labels


def _take_series(series: Any) -> object:
    flags = series.flags.allows_duplicate_labels
    return _plain(series.array), series.index, series.name, tuple(series.attrs.items()), flags


def _frequency(offset: Any) -> str | None:
    """The name of a frequency."""
    if offset is None:
        return None
    to_offset = import_module("pandas.tseries.frequencies").to_offset

    name: str = offset.freqstr
    try:
        if to_offset(name) == offset:
            return name
    except ValueError:
        pass
    raise Refusal(f"the frequency {offset!r} cannot be told from its name: set `freq = None`")


def _take_times(array: Any) -> object:
    return array.view("i8"), array.unit, getattr(array, "tz", None)


def _take_index(index: Any) -> object:
    return _plain(index.array), index.name, _frequency(getattr(index, "freq", None))


def _take_masked(array: Any) -> object:
    data, mask = array._data, array._mask
    if mask.any():
        # What stands under a missing value is not seen.
        data = data.copy()
        data[mask] = 0
    return data, mask


def _take_sparse(array: Any) -> object:
    return array.to_dense(), array.fill_value, array.kind, array.dtype.subtype


def _take_dtype(dtype: Any) -> object:
    pandas_dtype = sys.modules["pandas"].api.types.pandas_dtype
    try:
        if pandas_dtype(str(dtype)) == dtype and type(pandas_dtype(str(dtype))) is type(dtype):
            return str(dtype)
    except (TypeError, ValueError):
        pass
    raise Refusal(f"the dtype {dtype!r} cannot be told from its name")


def _take_text(array: Any) -> object:
    """Texts, and what stands for missing ones."""
    texts = tuple(array.tolist()) if type(array).__name__ == "StringArray" else array._pa_array
    return texts, "NA" if repr(array.dtype.na_value) == "<NA>" else "NaN"


def _take_other(value: Any) -> Parts | None:
    pd: Any = sys.modules["pandas"]
    if isinstance(value, pd.offsets.BaseOffset):
        return "pandas.DateOffset", _frequency(value), ()
    if isinstance(value, pd.api.extensions.ExtensionDtype):
        return "pandas.dtype", _take_dtype(value), ()
    return None


_TAKERS: dict[str, Callable[[Any], object]] = {
    "ArrowExtensionArray": lambda array: array._pa_array,
    "ArrowStringArray": _take_text,
    "BooleanArray": _take_masked,
    "Categorical": lambda array: (array.codes, array.categories, array.ordered),
    "CategoricalDtype": lambda dtype: (dtype.categories, dtype.ordered),
    "CategoricalIndex": _take_index,
    "DataFrame": _take_frame,
    "DatetimeArray": _take_times,
    "DatetimeIndex": _take_index,
    "FloatingArray": _take_masked,
    "Index": _take_index,
    "IntegerArray": _take_masked,
    "Interval": lambda interval: (interval.left, interval.right, interval.closed),
    "IntervalArray": lambda array: (array.left, array.right, array.closed),
    "IntervalIndex": _take_index,
    "MultiIndex": lambda index: (tuple(index.levels), tuple(index.codes), tuple(index.names)),
    "NAType": lambda _: None,
    "NaTType": lambda _: None,
    "NumpyExtensionArray": _plain,
    "Period": lambda period: (period.ordinal, period.freqstr),
    "PeriodArray": lambda array: (array.asi8, array.freqstr),
    "PeriodIndex": lambda index: (index.array, index.name, None),
    "RangeIndex": lambda index: (index.start, index.stop, index.step, index.name),
    "Series": _take_series,
    "SparseArray": _take_sparse,
    "StringArray": _take_text,
    "Timedelta": lambda delta: (int(delta.asm8.view("i8")), delta.unit),
    "TimedeltaArray": _take_times,
    "TimedeltaIndex": _take_index,
    "Timestamp": lambda stamp: (int(stamp.asm8.view("i8")), stamp.unit, stamp.tz),
}


# Put together.


def _build_frame(pd: Any, parts: Any) -> object:
    columns, index, arrays, attributes, duplicates = parts
    plain = [array if array.dtype.kind in _AS_IT_IS else _series(pd, array, index) for array in arrays]
    frame = pd.DataFrame(dict(enumerate(plain)), index=index, copy=False)
    frame.columns = columns
    return _finish(pd, frame, attributes, duplicates)


# What a frame takes as it is; of the items of other arrays it may make another type.
_AS_IT_IS = "biufc"


def _series(pd: Any, array: Any, index: Any) -> Any:
    return pd.Series(array, index, dtype=array.dtype, copy=False)


def _build_series(pd: Any, parts: Any) -> object:
    array, index, name, attributes, duplicates = parts
    series = pd.Series(array, index, dtype=array.dtype, name=name, copy=False)
    return _finish(pd, series, attributes, duplicates)


def _finish(pd: Any, value: Any, attributes: Any, duplicates: bool) -> Any:
    if _copies_on_write(pd):
        # Its memory is not its own: one more reference to each block, and pandas copies before it writes.
        for block in value._mgr.blocks:
            block.refs.add_reference(_reference(pd))
    else:
        value = value.copy()
    if attributes:
        # Each caller's own, as pandas has it too when it copies a frame.
        value.attrs.update(copy.deepcopy(dict(attributes)))
    if not duplicates:
        value.flags.allows_duplicate_labels = False
    return value


_held: list[Any] = []


def _reference(pd: Any) -> Any:
    """A block that lives as long as the process."""
    if not _held:
        _held.append(pd.Series([0]))
    return _held[0]._mgr.blocks[0]


def _build_index(pd: Any, parts: Any) -> object:
    array, name, frequency = parts
    index = pd.Index(array, dtype=array.dtype, name=name, copy=False, tupleize_cols=False)
    if frequency is not None:
        index.freq = frequency
    return index


def _build_times(index: Any, parts: Any, kind: str) -> object:
    integers, unit, zone = parts
    index = index(integers.view(f"{kind}[{unit}]"))
    return (index if zone is None else index.tz_localize("UTC").tz_convert(zone)).array


def _build_interval_array(pd: Any, parts: Any) -> object:
    left, right, closed = parts
    return pd.arrays.IntervalArray.from_arrays(left, right, closed)


def _build_categorical(pd: Any, parts: Any) -> object:
    codes, categories, ordered = parts
    return pd.Categorical.from_codes(codes, dtype=pd.CategoricalDtype(categories, ordered), validate=True)


def _build_sparse(pd: Any, parts: Any) -> object:
    dense, fill, kind, subtype = parts
    return pd.arrays.SparseArray(dense, fill_value=fill, kind=kind, dtype=pd.SparseDtype(subtype, fill))


def _text_dtype(pd: Any, storage: str, missing: str) -> Any:
    return pd.StringDtype(storage, na_value=pd.NA if missing == "NA" else float("nan"))


def _build_text(pd: Any, parts: Any) -> object:
    texts, missing = parts
    return pd.array(list(texts), dtype=_text_dtype(pd, "python", missing))


def _build_arrow_text(pd: Any, parts: Any) -> object:
    texts, missing = parts
    return pd.arrays.ArrowStringArray(texts, dtype=_text_dtype(pd, "pyarrow", missing))


def _build_stamp(pd: Any, parts: Any) -> object:
    import numpy as np

    value, unit, zone = parts
    stamp = pd.Timestamp(np.datetime64(value, unit))
    return stamp if zone is None else stamp.tz_localize("UTC").tz_convert(zone)


def _build_delta(pd: Any, parts: Any) -> object:
    import numpy as np

    return pd.Timedelta(np.timedelta64(*parts))


def _build_offset(pd: Any, parts: Any) -> object:
    to_offset = import_module("pandas.tseries.frequencies").to_offset

    return to_offset(parts)


_BUILDERS: dict[str, Callable[[Any, Any], object]] = {
    "ArrowExtensionArray": lambda pd, parts: pd.arrays.ArrowExtensionArray(parts),
    "ArrowStringArray": _build_arrow_text,
    "BooleanArray": lambda pd, parts: pd.arrays.BooleanArray(*parts),
    "Categorical": _build_categorical,
    "CategoricalDtype": lambda pd, parts: pd.CategoricalDtype(*parts),
    "CategoricalIndex": _build_index,
    "DataFrame": _build_frame,
    "DateOffset": _build_offset,
    "DatetimeArray": lambda pd, parts: _build_times(pd.DatetimeIndex, parts, "M8"),
    "DatetimeIndex": _build_index,
    "FloatingArray": lambda pd, parts: pd.arrays.FloatingArray(*parts),
    "Index": _build_index,
    "IntegerArray": lambda pd, parts: pd.arrays.IntegerArray(*parts),
    "Interval": lambda pd, parts: pd.Interval(*parts),
    "IntervalArray": _build_interval_array,
    "IntervalIndex": _build_index,
    "MultiIndex": lambda pd, parts: pd.MultiIndex(parts[0], parts[1], names=parts[2]),
    "NAType": lambda pd, parts: pd.NA,
    "NaTType": lambda pd, parts: pd.NaT,
    "NumpyExtensionArray": lambda pd, parts: pd.arrays.NumpyExtensionArray(parts),
    "Period": lambda pd, parts: pd.Period(ordinal=parts[0], freq=parts[1]),
    "PeriodArray": lambda pd, parts: pd.arrays.PeriodArray(parts[0], dtype=pd.PeriodDtype(parts[1])),
    "PeriodIndex": _build_index,
    "RangeIndex": lambda pd, parts: pd.RangeIndex(*parts[:3], name=parts[3]),
    "Series": _build_series,
    "SparseArray": _build_sparse,
    "StringArray": _build_text,
    "Timedelta": _build_delta,
    "TimedeltaArray": lambda pd, parts: _build_times(pd.TimedeltaIndex, parts, "m8"),
    "TimedeltaIndex": _build_index,
    "Timestamp": _build_stamp,
    "dtype": lambda pd, parts: pd.api.types.pandas_dtype(parts),
}
