"""Fingerprints, encodings and protected copies of pandas, polars and pyarrow tables."""

from __future__ import annotations

import contextlib
import datetime
import decimal
import mmap
import pathlib
import sys
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import pytest
from everfresh import _native as native
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

np = pytest.importorskip("numpy", reason="NumPy is not installed")
pd = pytest.importorskip("pandas", reason="pandas is not installed")
pl = pytest.importorskip("polars", reason="polars is not installed")
pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")


def noted() -> Any:
    frame = pd.DataFrame({"a": [1]})
    frame.attrs["unit"] = ["m"]
    return frame


PANDAS: list[Any] = [
    pd.DataFrame({"a": [1, 2], "b": [1.5, np.nan], "c": ["x", None], "d": [True, False]}),
    pd.DataFrame({"a": [1, 2], "b": [1.5, np.nan], "c": ["x", None], "d": [True, False]}, index=["p", "q"]),
    pd.DataFrame({"b": [1.5, np.nan], "a": [1, 2]}),
    pd.DataFrame({"a": [1, 2]}),
    pd.DataFrame({"a": [1.0, 2.0]}),
    pd.DataFrame({"a": [1, 2]}, index=pd.Index([0, 1])),
    pd.DataFrame({"a": [1, 2]}, index=pd.RangeIndex(2, name="i")),
    pd.DataFrame({"a": [1, 2]}).rename_axis(columns="n"),
    pd.DataFrame([[1, 2], [3, 4]], columns=["a", "a"]),
    pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_tuples([("a", 1), ("b", 2)], names=["x", None])),
    pd.DataFrame({"a": [[1], "b", None, 2]}),
    pd.DataFrame({"a": pd.Series(["x", "y"], dtype=object)}),
    pd.DataFrame(),
    pd.DataFrame(index=[1, 2]),
    pd.DataFrame(columns=["a"]),
    noted(),
    pd.DataFrame({"a": [1]}).set_flags(allows_duplicate_labels=False),
    pd.Series([1, 2]),
    pd.Series([1, 2], name="n"),
    pd.Series([1, 2], name=("n", 1)),
    pd.Series(["x"], dtype=object),
    pd.Series([], dtype="f8"),
    pd.Series(pd.date_range("2026", periods=3, tz="Europe/Vienna")),
    pd.Series(pd.date_range("2026", periods=3)),
    pd.Series(pd.Categorical(["a", "b", "a"])),
    pd.date_range("2026", periods=3),
    pd.DatetimeIndex(["2026-01-01", "2026-01-02", "2026-01-03"]),
    pd.date_range("2026", periods=3, tz="UTC", unit="s"),
    pd.Index([1, 2]),
    pd.Index([1, 2], dtype="i4"),
    pd.Index(["a", "b"]),
    pd.Index(["a", "b"], dtype=object),
    pd.Index([(1, 2), "a"], tupleize_cols=False),
    pd.RangeIndex(0, 6, 2),
    pd.MultiIndex.from_product([[1, 2], ["a", "b"]], names=["x", None]),
    pd.CategoricalIndex(["a", "b"]),
    pd.interval_range(0, 3),
    pd.period_range("2026", periods=2, freq="M"),
    pd.timedelta_range("1D", periods=2),
    pd.array([1, None], dtype="Int64"),
    pd.array([1, None], dtype="Int32"),
    pd.array([1.5, None], dtype="Float64"),
    pd.array([True, None], dtype="boolean"),
    pd.array(["a", None], dtype="string[python]"),
    pd.array(["a", None], dtype="string[pyarrow]"),
    pd.array(["a", None], dtype="str"),
    pd.array([1, None], dtype="int64[pyarrow]"),
    pd.Categorical(["a", "b", "a"]),
    pd.Categorical(["a", "b", "a"], ordered=True),
    pd.Categorical(["a", "b", "a"], categories=["b", "a"]),
    pd.arrays.SparseArray([0, 1, 0]),
    pd.arrays.SparseArray([0, 1, 0], fill_value=1),
    pd.arrays.IntervalArray.from_breaks([0, 1, 2], closed="left"),
    pd.period_range("2026", periods=2, freq="M").array,
    pd.Timestamp("2026-01-01T01:02:03.123456789"),
    pd.Timestamp("2026-01-01T01:02:03.123456", tz="Europe/Vienna"),
    pd.Timestamp("2026-01-01").as_unit("s"),
    pd.Timedelta("1s"),
    pd.NaT,
    pd.NA,
    pd.Period("2026-01", "M"),
    pd.Interval(0, 1),
    pd.Interval(0, 1, closed="both"),
    pd.offsets.MonthEnd(2),
    pd.Int64Dtype(),
    pd.CategoricalDtype(["a"]),
]

NESTED = {"a": [1, None], "l": [[1], None], "s": [{"x": 1, "y": "z"}, None], "t": ["x", None]}
POLARS: list[Any] = [
    pl.DataFrame(NESTED),
    pl.DataFrame({"a": [1, 2]}),
    pl.DataFrame({"a": [1, 2]}, schema={"a": pl.Int32}),
    pl.DataFrame({"b": [1, 2]}),
    pl.DataFrame({"a": [1.0, None, float("nan")]}),
    pl.DataFrame({"a": ["x", "y"]}, schema={"a": pl.Enum(["x", "y"])}),
    pl.DataFrame({"a": ["x", "y"]}, schema={"a": pl.Enum(["y", "x"])}),
    pl.DataFrame({"a": ["x", "y"]}, schema={"a": pl.Categorical}),
    pl.DataFrame({"a": [decimal.Decimal("1.10")], "b": [datetime.date(2026, 1, 1)], "c": [b"x"]}),
    pl.DataFrame({"a": [datetime.datetime(2026, 1, 1)]}, schema={"a": pl.Datetime("us", "Europe/Vienna")}),
    pl.DataFrame(),
    pl.DataFrame({"a": [None], "l": [[]], "s": [{"x": None}]}),
    pl.DataFrame({"a": [None]}, schema={"a": pl.Array(pl.Null, (2, 1))}),
    pl.Series("a", [True, None]),
    pl.Series("a", [None, None]),
    pl.Series("a", [None, None], dtype=pl.Boolean),
    pl.Series("a", [1, 2]),
    pl.Series("b", [1, 2]),
    pl.Series("a", [[1, 2]], dtype=pl.Array(pl.Int64, 2)),
    pl.Int64(),
    pl.Datetime("us"),
]
PYARROW: list[Any] = [
    pa.table(NESTED),
    pa.table({"a": [1, 2]}),
    pa.table({"a": pa.array([1, 2], pa.int32())}),
    pa.table({"a": [1, 2]}).replace_schema_metadata({"k": "v"}),
    pa.table({"b": [1, 2]}),
    pa.table({"a": [1, None]}),
    pa.table({}),
    pa.table({"a": pa.array([], pa.int64())}),
    pa.record_batch({"a": [1, 2]}),
    pa.array([1, 2]),
    pa.array([1.0, None, float("nan")]),
    pa.array(["a", None]),
    pa.array(["a", None], pa.large_string()),
    pa.array(["a", "b", "a"]).dictionary_encode(),
    pa.array([{"x": 1}, None]),
    pa.array([[1], [], None]),
    pa.array([True, None, False]),
    pa.chunked_array([[1, 2]]),
    pa.chunked_array([], pa.int64()),
    pa.scalar(1),
    pa.scalar(None, pa.int64()),
    pa.scalar("a"),
    pa.schema([("a", pa.int64())]),
    pa.schema([("a", pa.int64())], metadata={"k": "v"}),
    pa.field("a", pa.int64()),
    pa.field("a", pa.int64(), nullable=False),
    pa.int64(),
    pa.timestamp("us", "UTC"),
]
ALL = PANDAS + POLARS + PYARROW


def name(value: Any) -> str:
    return f"{type(value).__module__.partition('.')[0]} {type(value).__name__}"


def shown(value: Any) -> object:
    """What pandas, polars or pyarrow tell of a value."""
    if isinstance(value, pd.DataFrame):
        flags = value.flags.allows_duplicate_labels
        columns = [shown(value.iloc[:, at]) for at in range(value.shape[1])]
        return "frame", shown(value.index), shown(value.columns), columns, value.attrs, flags
    if isinstance(value, pd.Series):
        return "series", repr(value), value.dtype, [*map(repr, value)], value.name, shown(value.index)
    if isinstance(value, pd.Index):
        names = list(value.names), getattr(value, "freq", None)
        return type(value), [*map(repr, value)], repr(value.dtype), names
    if isinstance(value, pa.Table | pa.RecordBatch):
        return type(value), value.to_pylist(), value.schema.to_string(show_schema_metadata=True)
    if isinstance(value, pa.Array | pa.ChunkedArray):
        return type(value), repr(value.to_pylist()), value.type
    if isinstance(value, pl.DataFrame):
        return type(value), repr(value.to_dict(as_series=False)), value.schema
    return type(value), repr(value), repr(getattr(value, "dtype", None)), repr(getattr(value, "type", None))


@pytest.mark.parametrize("value", ALL, ids=name)
def test_each_survives_its_encoding(value: Any) -> None:
    decoded = native.loads(native.dumps(value))
    assert shown(decoded) == shown(value)
    assert native.fingerprint(decoded) == native.fingerprint(value)


def test_no_two_share_a_fingerprint() -> None:
    found = defaultdict(list)
    for value in ALL:
        found[native.fingerprint(value)].append(value)
    assert [same for same in found.values() if len(same) > 1] == []


PINNED = ["717b87339392", "7add2b57f007", "2ac76ee99511"]

cells = st.one_of(
    st.lists(st.integers(-(2**63), 2**63 - 1), min_size=3, max_size=3),
    st.lists(st.floats(allow_nan=False), min_size=3, max_size=3),
    st.lists(st.text(max_size=3), min_size=3, max_size=3),
    st.lists(st.none() | st.booleans(), min_size=3, max_size=3),
)
columns = st.dictionaries(st.text("ab", min_size=1, max_size=2), cells, max_size=3)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(columns, columns)
def test_frames_have_one_fingerprint_if_and_only_if_they_are_alike(one: Any, other: Any) -> None:
    for make in (pd.DataFrame, pl.DataFrame, pa.table):
        first, same, second = make(one), make(one), make(other)
        assert native.fingerprint(first) == native.fingerprint(same)
        alike = shown(first) == shown(second) and repr(one) == repr(other)
        assert (native.fingerprint(first) == native.fingerprint(second)) == alike
        assert shown(native.loads(native.dumps(first))) == shown(first)


def test_fingerprints_are_pinned() -> None:
    if int(pd.__version__.partition(".")[0]) < 3:
        pytest.skip("the labels of columns have another dtype before pandas 3")
    columns = {"a": [1, 2], "b": ["x", None]}
    found = [native.fingerprint(make(columns)).hex()[:12] for make in (pd.DataFrame, pl.DataFrame, pa.table)]
    assert found == PINNED


def test_blocks_and_strides_of_a_frame_do_not_count() -> None:
    array = np.arange(12.0).reshape(4, 3)
    one = pd.DataFrame(array, columns=list("abc"))
    columns = {key: one[key].to_numpy().copy() for key in "abc"}
    others = [pd.DataFrame(columns), pd.DataFrame(np.asfortranarray(array), columns=list("abc")), one.copy()]
    others.append(pd.concat([one.iloc[:2], one.iloc[2:]]).reset_index(drop=True))
    others.append(pd.DataFrame(np.repeat(array, 2, axis=0), columns=list("abc")).iloc[::2].reset_index(drop=True))
    assert {native.fingerprint(other) for other in others} == {native.fingerprint(one)}


def test_what_stands_under_a_missing_value_does_not_count() -> None:
    one, other = (pd.arrays.IntegerArray(np.array([1, hidden]), np.array([False, True])) for hidden in (2, 3))
    assert native.fingerprint(one) == native.fingerprint(other)
    assert native.dumps(one) == native.dumps(other)


def test_chunks_slices_and_dictionaries_of_a_table_do_not_count() -> None:
    table = pa.table({"a": [1, None, 3, 4], "b": ["x", None, "y", "x"], "c": [[1], None, [], [2, 3]]})
    whole = native.fingerprint(table)
    pieces = pa.concat_tables([table.slice(0, 1), table.slice(1, 2), table.slice(3)])
    around = pa.concat_tables([table, table, table]).slice(4, 4)
    assert (native.fingerprint(pieces), native.fingerprint(around)) == (whole, whole)
    frame = pl.from_arrow(table)
    assert native.fingerprint(pl.concat([frame[:1], frame[1:]], rechunk=False)) == native.fingerprint(frame)
    array = pa.array(["x", None, "y", "x"])
    assert native.fingerprint(pa.concat_arrays([array, array])[4:]) == native.fingerprint(array)
    texts = pa.array(["x", None, "y", "x"]).dictionary_encode()
    other = pa.DictionaryArray.from_arrays(pa.array([1, None, 0, 1], pa.int32()), pa.array(["y", "x"]))
    assert native.fingerprint(texts) == native.fingerprint(other)


def test_arrow_texts_of_pandas_do_not_count_by_chunks() -> None:
    one = pd.Series(["a", "b", None], dtype="str")
    other = pd.concat([one[:1], one[1:]])
    assert native.fingerprint(one) == native.fingerprint(other)


def test_refusals_come_with_a_remedy() -> None:
    with pytest.raises(TypeError, match=r"value\[0\]: a LazyFrame is a plan.*collect"):
        native.fingerprint([pl.LazyFrame({"a": [1]})])
    objects = pl.DataFrame({"a": pl.Series([object()], dtype=pl.Object)})
    for make in (native.fingerprint, native.dumps):
        with pytest.raises(TypeError, match="a column of Python objects"):
            make(objects)
        with pytest.raises(TypeError, match="values of type object have no"):
            make(pd.DataFrame({"a": [object()]}))
    union = pa.UnionArray.from_sparse(pa.array([0], pa.int8()), [pa.array([1])])
    with pytest.raises(TypeError, match="cannot be fingerprinted"):
        native.fingerprint(union)


def test_a_frame_is_read_from_a_map_without_a_copy_and_can_be_changed(tmp_path: pathlib.Path) -> None:
    if int(pd.__version__.partition(".")[0]) < 3:
        pytest.skip("pandas copies on write from version 3 on")
    values = {"a": np.arange(1000.0), "b": np.arange(1000), "c": pd.array([1, None] * 500, dtype="Int64")}
    frame = pd.DataFrame(values)
    path = tmp_path / "value"
    with path.open("wb") as file:
        file.writelines(native.encode(frame))
    with path.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    memory = np.frombuffer(mapped, np.uint8)
    decoded: Any = native.loads(mapped)
    assert np.shares_memory(decoded["a"].to_numpy(), memory)
    assert np.shares_memory(decoded["b"].to_numpy(), memory)
    decoded.loc[0, "a"] = 7.0
    decoded["b"] += 1
    decoded.loc[1, "c"] = 5
    assert (decoded.loc[0, "a"], decoded.loc[0, "b"], decoded.loc[1, "c"]) == (7.0, 1, 5)
    pd.testing.assert_frame_equal(native.loads(path.read_bytes()), frame)


def test_a_table_is_read_without_a_copy() -> None:
    table = pa.table({"a": np.arange(1000.0)})
    encoded = native.dumps(table)
    decoded: Any = native.loads(encoded)
    memory = np.frombuffer(encoded, np.uint8)
    assert np.shares_memory(decoded["a"].chunk(0).to_numpy(), memory)


def test_a_batch_and_a_column_hold_what_a_table_of_them_holds() -> None:
    batch = pa.record_batch({"a": [1, 2]})
    found = {native.fingerprint(value) for value in (batch, pa.table(batch), batch.column(0), pa.table(batch)["a"])}
    assert len(found) == 4


encodings = st.sampled_from([native.dumps(value) for value in ALL])


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(encodings, st.data())
def test_a_changed_byte_is_an_error(encoded: bytes, data: st.DataObject) -> None:
    damaged = bytearray(encoded)
    damaged[data.draw(st.integers(32, len(encoded) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(ValueError, match="damaged"):
        native.loads(damaged)
    for cut in (encoded[: data.draw(st.integers(0, len(encoded) - 1))], encoded + b"\0"):
        with pytest.raises(ValueError, match="damaged"):
            native.loads(cut)


pandas_encodings = st.sampled_from([native.dumps(value) for value in PANDAS if b"pyarrow." not in native.dumps(value)])


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(pandas_encodings, st.data())
def test_frames_wrongly_said_to_be_verified_are_a_value_or_an_error(encoded: bytes, data: st.DataObject) -> None:
    damaged = bytearray(encoded)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(16, len(encoded) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(ValueError):
        native.loads(damaged, verified=True)


def put(value: Any) -> None:
    value.loc[0, "a"] = 7


def rename(value: Any) -> None:
    value.columns = ["z"] * value.shape[1]
    value.index.name = "i"
    value.attrs["k"] = 1


def write_below(value: Any) -> None:
    value["a"].array[0] = 7


def put_polars(value: Any) -> None:
    value[0, "a"] = 7


MUTABLE: list[tuple[Callable[[], Any], Callable[[Any], object]]] = [
    (lambda: pd.DataFrame({"a": [1, 2]}), put),
    (lambda: pd.DataFrame({"a": [1, 2]}), rename),
    (lambda: pd.DataFrame({"a": [1, 2]}), write_below),
    (lambda: pd.DataFrame({"a": pd.array([1, None], dtype="Int64")}), put),
    (lambda: pd.DataFrame({"a": pd.array([1, None], dtype="Int64")}), write_below),
    (lambda: pd.DataFrame({"a": pd.array([1, None], dtype="Int64")}), lambda value: value.__setitem__("a", 3)),
    (lambda: pd.DataFrame({"a": pd.Categorical(["x", "y"])}), lambda value: value.loc.__setitem__((0, "a"), "y")),
    (lambda: pd.DataFrame({"a": [[1], [2]]}), lambda value: value["a"][0].append(3)),
    (noted, lambda value: value.attrs["unit"].append("s")),
    (lambda: pd.Series([1, 2]), lambda value: value.__setitem__(0, 7)),
    (lambda: pd.Series(["x", "y"]), lambda value: value.__setitem__(0, "z")),
    (lambda: pd.Index([1, 2]), lambda value: setattr(value, "name", "n")),
    (lambda: pd.array([1, 2]), lambda value: value.__setitem__(0, 7)),
    (lambda: [pd.DataFrame({"a": [1, 2]})], lambda value: put(value[0])),
    (lambda: pl.DataFrame({"a": [1, 2]}), put_polars),
    (lambda: pl.DataFrame({"a": [1, 2]}), lambda value: value.drop_in_place("a")),
    (lambda: pl.DataFrame({"a": [1, 2]}), lambda value: setattr(value, "columns", ["z"])),
    (lambda: pl.Series("a", [1, 2]), lambda value: value.__setitem__(0, 7)),
    (lambda: pl.Series("a", [1, 2]), lambda value: value.append(pl.Series("a", [3]))),
]


@pytest.mark.parametrize(("make", "mutate"), MUTABLE)
def test_no_mutation_reaches_what_is_kept(make: Callable[[], Any], mutate: Callable[[Any], object]) -> None:
    value, expected = make(), native.fingerprint(make())
    kept, copier = native.protect(value)
    assert copier is not None
    mutate(value)
    first = copier(kept)
    assert native.fingerprint(first) == expected
    # Of what lies below a frame, some cannot be written to.
    with contextlib.suppress(ValueError):
        mutate(first)
        assert native.fingerprint(first) != expected
    assert native.fingerprint(copier(kept)) == expected


@pytest.mark.parametrize(
    "wrap",
    [pa.array, lambda array: pa.table({"a": array}), pl.Series, lambda array: pl.DataFrame({"a": array}), pd.Series],
)
def test_a_write_to_the_array_that_a_table_refers_to_does_not_reach_what_is_kept(wrap: Callable[[Any], Any]) -> None:
    array = np.arange(1000.0)
    kept, copier = native.protect(wrap(array))
    expected = native.fingerprint(wrap(np.arange(1000.0)))
    array[:] = -1
    assert native.fingerprint(kept if copier is None else copier(kept)) == expected


def test_tables_of_arrow_are_handed_out_as_they_are() -> None:
    for value in (pa.table({"a": [1]}), pa.array([1]), pa.int64(), pd.Timestamp("2026"), pl.Int64()):
        kept, copier = native.protect(value)
        assert copier is None
        assert native.fingerprint(kept) == native.fingerprint(value)


def test_a_frame_of_objects_without_an_encoding_can_be_kept() -> None:
    frame = pd.DataFrame({"a": [{1: bytearray(b"x")}, RuntimeError("y")]})
    kept, copier = native.protect(frame)
    assert copier is not None
    frame["a"][0].clear()
    assert copier(kept)["a"][0] == {1: bytearray(b"x")}


def test_a_child_of_a_fork_hashes_tables_too() -> None:
    if sys.platform == "win32":
        pytest.skip("there is no fork")
    import multiprocessing

    table = pa.table({"a": list(range(300_000)), "b": ["x"] * 300_000})
    expected = native.fingerprint(table)
    with multiprocessing.get_context("fork").Pool(1) as pool:
        assert pool.apply_async(native.fingerprint, (table,)).get(60) == expected
