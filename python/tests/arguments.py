"""Arguments of all documented types, and what tells one from another: its types and parts, written as text."""

from __future__ import annotations

import copy
import dataclasses
import datetime
import decimal
import enum
import math
import pathlib
import uuid
import zoneinfo
from typing import Any

from hypothesis import strategies as st

Data = Any


class Side(enum.Enum):
    LEFT = 1
    RIGHT = 2


class Other(enum.Enum):
    LEFT = 1


@dataclasses.dataclass
class Order:
    number: Data
    lines: Data = None


@dataclasses.dataclass(frozen=True)
class Fixed:
    number: Data
    lines: Data = None


try:
    import numpy as np
except ImportError:
    np = None  # type: ignore[assignment]
try:
    import pandas as pd
except ImportError:
    pd = None
try:
    import polars as pl
except ImportError:
    pl = None  # type: ignore[assignment]
try:
    import pyarrow as pa
except ImportError:
    pa = None


def form(value: Data) -> str:
    """The same text for what counts as one argument, another for all else."""
    cls = type(value)
    name = f"{cls.__module__}.{cls.__qualname__}"
    if isinstance(value, enum.Enum):
        return f"{name}.{value.name}"
    if cls is float:
        return f"{name} {'nan' if math.isnan(value) else value.hex()}"
    if cls is datetime.datetime:
        return f"{name} {value.replace(tzinfo=None).isoformat()} {value.fold} {value.tzinfo!r}"
    if cls in (list, tuple):
        return f"{name}[{','.join(map(form, value))}]"
    if cls in (set, frozenset):
        return f"{name}[{','.join(sorted(map(form, value)))}]"
    if cls is dict:
        return f"{name}[{','.join(form(key) + ':' + form(item) for key, item in value.items())}]"
    if dataclasses.is_dataclass(cls):
        return f"{name}[{','.join(form(getattr(value, field.name)) for field in dataclasses.fields(cls))}]"
    if np is not None and isinstance(value, np.ndarray | np.generic):
        return f"{name} {value.dtype.str} {value.shape} {value.tobytes().hex()}"
    if pd is not None and isinstance(value, pd.DataFrame | pd.Series | pd.Index):
        return f"{name}[{_form_of_pandas(value)}]"
    if pl is not None and isinstance(value, pl.DataFrame):
        return f"{name} {value.schema} {value.height} {form(value.rows())}"
    if pl is not None and isinstance(value, pl.Series):
        return f"{name} {value.name!r} {value.dtype} {form(value.to_list())}"
    if pa is not None and isinstance(value, pa.Table):
        return f"{name} {[(one.name, str(one.type)) for one in value.schema]} {form(value.to_pylist())} {len(value)}"
    return f"{name} {value!r}"


def _form_of_pandas(value: Data) -> str:
    if isinstance(value, pd.Index):
        return f"{value.dtype} {value.names} {form(value.tolist())}"
    index = form(value.index)
    if isinstance(value, pd.Series):
        return f"{value.name!r} {value.dtype} {form(value.tolist())} {index}"
    return f"{form(value.columns)} {[_form_of_pandas(value.iloc[:, at]) for at in range(value.shape[1])]} {index}"


def again(value: Data) -> Data:
    """The same argument once more, in other objects, and in another layout where there are several."""
    cls = type(value)
    if cls in (list, tuple, set, frozenset):
        # A set is filled in another order.
        return cls(again(item) for item in (reversed(list(value)) if cls in (set, frozenset) else value))
    if cls is dict:
        return {again(key): again(item) for key, item in value.items()}
    if dataclasses.is_dataclass(cls):
        return cls(**{field.name: again(getattr(value, field.name)) for field in dataclasses.fields(cls)})
    if cls is float:
        return float(repr(value))
    if cls in (str, bytes):
        return cls().join([value[:1], value[1:]])
    if np is not None and cls is np.ndarray:
        spread = np.zeros([2 * size for size in value.shape], value.dtype, order="F")
        every_other: Data = ..., *(slice(None, None, 2) for _ in value.shape)
        spread[every_other] = value
        return spread[every_other]
    if pa is not None and cls is pa.Table:
        return pa.concat_tables([value.slice(0, 1), value.slice(1)])
    return copy.deepcopy(value)


ZONES = st.sampled_from([
    None, datetime.UTC, datetime.timezone(datetime.timedelta(hours=1)), zoneinfo.ZoneInfo("Europe/Vienna"),
    zoneinfo.ZoneInfo("UTC"),
])  # fmt: skip
# Few of each, so that equal ones and those that `==` takes for equal meet.
HASHABLE: st.SearchStrategy[Data] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 2),
    st.integers(),
    st.sampled_from([0.0, -0.0, 1.0, -1.0, 2.0, math.nan, math.inf, -math.inf]),
    st.floats(allow_nan=False),
    st.sampled_from(["", "1", "a", "None", "\0", "\ud800"]),
    st.text(max_size=4),
    st.binary(max_size=3),
    st.sampled_from(
        [decimal.Decimal(text) for text in ("1", "1.0", "1.00", "-0", "0", "NaN", "Infinity", "1E+2", "100")]
    ),
    st.builds(
        lambda at, fold, zone: at.replace(fold=fold, tzinfo=zone),
        st.datetimes(datetime.datetime(2026, 10, 25, 0), datetime.datetime(2026, 10, 25, 3)).map(
            lambda at: at.replace(minute=at.minute // 30 * 30, second=0, microsecond=0)
        ),
        st.integers(0, 1),
        ZONES,
    ),
    st.dates(datetime.date(2026, 1, 1), datetime.date(2026, 1, 3)),
    st.builds(uuid.UUID, int=st.integers(0, 2)),
    st.sampled_from(["a", "a/b", "/a", "."]).map(pathlib.PurePosixPath),
    st.sampled_from(["a", "a/b", "."]).map(pathlib.PureWindowsPath),
    st.sampled_from(["no-such-file", "no-such-folder/file"]).map(pathlib.Path),
    st.sampled_from([Side.LEFT, Side.RIGHT, Other.LEFT]),
)


def _nested(inner: st.SearchStrategy[Data]) -> st.SearchStrategy[Data]:
    return st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(HASHABLE.filter(lambda key: key == key), inner, max_size=3),
        st.builds(Order, inner, inner),
        st.builds(Fixed, inner, inner),
        st.sets(HASHABLE.filter(lambda key: key == key), max_size=3),
        st.frozensets(HASHABLE.filter(lambda key: key == key), max_size=3),
    )


NUMBERS = st.lists(st.sampled_from([0, 1, -1, 2]), max_size=4)


def _tables() -> list[st.SearchStrategy[Data]]:
    found: list[st.SearchStrategy[Data]] = []
    if np is not None:
        kinds = st.sampled_from(["i1", "i8", ">i4", "f4", "f8", "?", "U2", "S1", "M8[s]", "c16"])
        flat = st.builds(lambda items, kind: np.array(items, "i8").astype(kind), NUMBERS, kinds)
        found += [
            flat,
            st.builds(lambda array, order: np.array([array, array], order=order), flat, st.sampled_from("CF")),
            st.builds(lambda items, kind: np.array(items, "i8").astype(kind)[0], NUMBERS.filter(bool), kinds),
            st.sampled_from([np.zeros((0, 2)), np.zeros((2, 0)), np.zeros(0), np.array(0.0), np.array(-0.0)]),
        ]
    if pd is not None:
        index = st.sampled_from([None, "a", "b"])
        frame = st.builds(
            lambda items, kind, name, column: pd.DataFrame(
                {column: pd.Series(items, dtype=kind)}, index=pd.RangeIndex(len(items), name=name)
            ),
            NUMBERS,
            st.sampled_from(["int64", "int32", "float64", "Int64", "object", "category"]),
            index,
            st.sampled_from(["x", "y", 1]),
        )
        found += [frame, frame.map(lambda one: one.iloc[:, 0]), frame.map(lambda one: one.index.astype("int64"))]
    if pl is not None:
        polars = st.builds(
            lambda items, kind, name: pl.DataFrame({name: pl.Series(items, dtype=kind)}),
            NUMBERS,
            st.sampled_from([pl.Int64, pl.Int8, pl.Float64]),
            st.sampled_from(["x", "y"]),
        )
        found += [polars, polars.map(lambda one: one.to_series())]
    if pa is not None:
        found.append(
            st.builds(
                lambda items, kind, name: pa.table({name: pa.array(items, kind)}),
                NUMBERS,
                st.sampled_from([pa.int64(), pa.int8(), pa.float64()]),
                st.sampled_from(["x", "y"]),
            )
        )
    return found


LEAVES = st.one_of(HASHABLE, *_tables())
#: One argument.
ARGUMENTS: st.SearchStrategy[Data] = st.one_of(LEAVES, st.recursive(LEAVES, _nested, max_leaves=6))
