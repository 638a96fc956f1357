"""What was hashed of memory that nobody can write to is not hashed again, and nothing that is done makes it wrong."""

from __future__ import annotations

import contextlib
import copy
import gc
import multiprocessing
import os
import pickle
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import everfresh as ef
import pytest
from everfresh import _native as native
from everfresh._memory_values import decode
from hypothesis import given, settings
from hypothesis import strategies as st

np = pytest.importorskip("numpy", reason="NumPy is not installed")
pd = pytest.importorskip("pandas", reason="pandas is not installed")
pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")

# Large enough that an array of its own gets pages of its own.
LENGTH = 1 << 17


def numbers(seed: int = 0) -> Any:
    return np.random.default_rng(seed).random(LENGTH)


def frame(seed: int = 0) -> Any:
    return pd.DataFrame({"a": numbers(seed), "b": numbers(seed + 1), "n": np.arange(LENGTH)})


def texts() -> Any:
    return pd.DataFrame({"t": [f"text {n % 1000}" for n in range(LENGTH)], "n": np.arange(LENGTH)})


def table() -> Any:
    words = pa.array([None if n % 7 == 0 else f"word {n % 99}" for n in range(LENGTH)])
    lists = pa.array([list(range(n % 3)) for n in range(LENGTH)])
    columns = {"f": pa.array(numbers()), "w": words, "d": words.dictionary_encode(), "l": lists}
    return pa.table(columns | {"b": pa.array(numbers() > 0.5)})


def plain(value: Any) -> Any:
    """The same value in memory that anybody may write to."""
    if isinstance(value, pa.Table):
        chunks = [column.chunks or [pa.array([], column.type)] for column in value.columns]
        return pa.table([pa.concat_arrays(column) for column in chunks], value.schema)
    if isinstance(value, pd.DataFrame | pd.Series):
        return value.copy(deep=True)
    return np.array(value, order="K")


def stored(value: object, folder: Path) -> native.Stored:
    """A value as a store gives it back."""
    store = ef.Store(folder)
    parts = native.encode(value, checksum=False)
    engine = native.Engine(
        "f", store=store, ttl=None, tags=[], versions=lambda name: b"", decode=lambda stored: (stored, None, 0, None)
    )
    computed = engine.call(bytes(32), [], lambda: (value, None, 0, parts))
    assert computed.output is not None
    found = engine.stored(bytes(32), computed.output)
    assert found is not None
    return found


OWNED: dict[str, Callable[[Any, Path], Any]] = {
    "kept": lambda value, _: handed_out(value),
    "stored": lambda value, folder: native.loads(stored(value, folder / "s"), verified=True),
    "memory": lambda value, folder: decode(stored(value, folder / "s"), "r"),
}


def handed_out(value: Any) -> Any:
    kept, make = native.protect(value)
    return kept if make is None else make(kept)


@pytest.fixture(params=OWNED)
def owned(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[Any], Any]:
    make = OWNED[request.param]
    return lambda value: make(value, tmp_path / os.urandom(8).hex())


def arrays(value: Any) -> list[Any]:
    if not isinstance(value, pd.DataFrame):
        return [value]
    return [getattr(value[name].array, "_pa_array", value[name].to_numpy()) for name in value]


def addresses(column: Any) -> list[int | None]:
    return [buffer and buffer.address for chunk in column.chunks for buffer in chunk.buffers()]


def is_known(value: Any) -> bool:
    """Whether its fingerprint is made without a look at its memory."""
    return all(map(native.is_known, arrays(value)))


# What travels.


@pytest.mark.parametrize("make", [numbers, frame, texts, table, lambda: numbers().reshape(-1, 16).T])
def test_what_a_cache_hands_out_is_hashed_once(make: Callable[[], Any], owned: Callable[[Any], Any]) -> None:
    value = owned(make())
    fingerprint = native.fingerprint(value)
    assert is_known(value)
    assert native.fingerprint(value) == fingerprint == native.fingerprint(plain(value)) == native.fingerprint(make())


@pytest.mark.parametrize("make", [numbers, frame, texts, table, lambda: numbers().reshape(-1, 16).T])
@pytest.mark.parametrize("mode", [None, "r"])
def test_what_is_stored_is_not_hashed_when_it_is_read(
    make: Callable[[], Any], mode: str | None, tmp_path: Path
) -> None:
    value: Any = decode(stored(make(), tmp_path / "s"), mode)
    may_be_written = mode is None and isinstance(value, np.ndarray)
    assert is_known(value) != may_be_written
    assert native.fingerprint(value) == native.fingerprint(make())


def test_what_came_out_of_a_cache_is_not_copied_into_another(owned: Callable[[Any], Any]) -> None:
    value = owned(numbers())
    assert np.shares_memory(handed_out(value), value)
    one, other = owned(frame()), owned(texts())
    assert all(np.shares_memory(handed_out(one)[name].to_numpy(), one[name].to_numpy()) for name in one)
    assert addresses(handed_out(other)["t"].array._pa_array) == addresses(other["t"].array._pa_array)
    columns = owned(table())
    assert handed_out(columns) is columns


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is counted by /proc")
def test_a_stored_frame_is_mapped_and_not_copied(tmp_path: Path) -> None:
    store = ef.Store(tmp_path / "s")

    def make() -> Any:
        return pd.DataFrame({"a": np.ones(8_000_000)})

    ef.cached(store=store)(make)()
    again = ef.cached(store=store)(make)
    pages = Path("/proc/self/statm")
    before = int(pages.read_text().split()[1])
    found = again()
    taken = (int(pages.read_text().split()[1]) - before) * os.sysconf("SC_PAGE_SIZE")
    assert taken < 8_000_000
    assert again.cache_info().misses == 0
    assert found["a"].sum() == 8_000_000


# Whatever is done, the fingerprint is that of a plain copy, or the doing fails.


def slices(length: int) -> st.SearchStrategy[slice]:
    return st.builds(slice, st.integers(-length, length), st.integers(-length, length), st.sampled_from([1, 2, -1, -3]))


VIEWS: st.SearchStrategy[Callable[[Any], Any]] = st.one_of(
    st.sampled_from(
        [
            lambda array: array.reshape(-1),
            lambda array: array.reshape(2, -1),
            lambda array: array.T,
            lambda array: array[None],
            lambda array: array.view("u1"),
            lambda array: array.view("i8"),
            lambda array: array.view(">i8"),
            lambda array: array.view("M8[ns]"),
            lambda array: array.view("V8"),
            lambda array: np.broadcast_to(array, (2, *array.shape)),
            lambda array: np.lib.stride_tricks.sliding_window_view(array, 2, axis=0)[:100],
            lambda array: np.asfortranarray(array),
            lambda array: np.frombuffer(array.reshape(-1).data, "f4"),
            lambda array: np.from_dlpack(array),
            lambda array: pickle.loads(pickle.dumps(array)),
            copy.copy,
            copy.deepcopy,
        ]
    ),
    slices(LENGTH).map(lambda part: lambda array: array[part]),
    slices(40).map(lambda part: lambda array: array[..., part]),
)
KEPT = handed_out(numbers())
KEPT_2D = handed_out(np.asfortranarray(numbers().reshape(-1, 16)))


@settings(deadline=None)
@given(st.sampled_from([KEPT, KEPT_2D]), st.lists(VIEWS, max_size=4))
def test_every_view_has_the_fingerprint_of_its_plain_copy(array: Any, views: list[Callable[[Any], Any]]) -> None:
    for view in views:
        # Not every step fits every array.
        with contextlib.suppress(ValueError, TypeError, BufferError):
            made = view(array)
            array = made if made.nbytes < 1 << 24 else array
        fingerprint = native.fingerprint(array)
        assert fingerprint == native.fingerprint(array) == native.fingerprint(plain(array))


TABLE_VIEWS: st.SearchStrategy[Callable[[Any], Any]] = st.one_of(
    slices(LENGTH).map(lambda part: lambda table: table[part.start : part.stop]),
    st.permutations(["f", "w", "d", "l", "b"]).map(lambda names: lambda table: table.select(names[:3])),
    st.sampled_from(
        [
            lambda table: pa.concat_tables([table, table]),
            lambda table: table.rename_columns([f"{name}x" for name in table.column_names]),
            lambda table: table.replace_schema_metadata({"a": "b"}),
            lambda table: table.set_column(0, "f", numbers_of(table).view("i8")),
            lambda table: table.set_column(0, "f", numbers_of(table).view("timestamp[ns]")),
            lambda table: table.set_column(0, "f", pa.nulls(len(table))),
            lambda table: table.combine_chunks(),
            lambda table: table.unify_dictionaries(),
            lambda table: pa.Table.from_batches(table.to_batches(max_chunksize=10_000), table.schema),
            lambda table: table.set_column(0, "f", table.column(0).cast(pa.string()).cast(pa.string_view())),
            lambda table: pickle.loads(pickle.dumps(table)),
        ]
    ),
)


def numbers_of(table: Any) -> Any:
    is_wide = table.schema.types[0] in (pa.float64(), pa.int64())
    return table.column(0).combine_chunks() if is_wide else pa.array(np.zeros(len(table)))


KEPT_TABLE = handed_out(table())


@settings(deadline=None, max_examples=50)
@given(st.lists(TABLE_VIEWS, max_size=4))
def test_every_part_of_a_table_has_the_fingerprint_of_its_plain_copy(views: list[Callable[[Any], Any]]) -> None:
    found = KEPT_TABLE
    for view in views:
        with contextlib.suppress(pa.ArrowException, KeyError):
            made = view(found)
            found = made if len(made) <= 2 * LENGTH else found
        fingerprint = native.fingerprint(found)
        assert fingerprint == native.fingerprint(found) == native.fingerprint(plain(found))


def test_a_column_read_as_another_type_is_another_one(owned: Callable[[Any], Any]) -> None:
    column = owned(table()).column("f").combine_chunks()
    kinds = [column, column.view("int64"), column.view("timestamp[ns]"), column.view("timestamp[s]"), column[1:]]
    kinds += [column.view(pa.timestamp("s", "UTC")), column.view(pa.binary(8)), column.view("duration[s]")]
    assert len({native.fingerprint(kind) for kind in kinds * 2}) == len(kinds)


def test_a_type_or_a_shape_counts_though_the_bytes_are_the_same(owned: Callable[[Any], Any]) -> None:
    array = owned(numbers())
    views = [array, array.view("i8"), array.view("u1"), array.reshape(2, -1), array.reshape(-1, 2), array[::-1]]
    assert len({native.fingerprint(view) for view in views * 2}) == len(views)


WRITES: list[Callable[[Any], Any]] = [
    lambda array: array.__setitem__(0, 7),
    lambda array: array.setflags(write=True),
    lambda array: array.view().setflags(write=True),
    lambda array: array.base.setflags(write=True),
    lambda array: memoryview(array).cast("B").__setitem__(0, 7),
    lambda array: np.put(array, 0, 7),
    lambda array: np.copyto(array, 7),
    lambda array: np.add(array, 1, out=array),
    lambda array: array.sort(),
    lambda array: array.byteswap(inplace=True),
    lambda array: array.fill(7),
    lambda array: array.partition(3),
    lambda array: array.resize(3),
    lambda array: np.frombuffer(array).__setitem__(0, 7),
    lambda array: np.asarray(memoryview(array)).setflags(write=True),
    lambda array: np.ndarray(array.shape, array.dtype, array).setflags(write=True),
    lambda array: np.ndarray(array.shape, array.dtype, array).__setitem__(0, 7),
    lambda array: np.lib.stride_tricks.as_strided(array, writeable=True).__setitem__(0, 7),
    lambda array: np.from_dlpack(array).__setitem__(0, 7),
    lambda array: array.__setstate__(numbers(5).__reduce__()[2]),
    lambda array: array.__setstate__((1, (3,), np.dtype("f8"), False, bytes(24))),
    lambda array: setattr(array, "shape", (2, -1)),
    lambda array: setattr(array, "dtype", np.dtype("i8")),
    lambda array: setattr(array, "strides", (0,)),
    lambda array: array.base.release() if isinstance(array.base, memoryview) else None,
    lambda array: memoryview(array).release(),
    lambda array: array.base.close(),
    lambda array: array.base.obj.close(),
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("write", WRITES)
def test_no_write_leaves_an_old_fingerprint(write: Callable[[Any], Any], owned: Callable[[Any], Any]) -> None:
    array = owned(numbers())
    before = native.fingerprint(array)
    with contextlib.suppress(ValueError, TypeError, AttributeError, BufferError):
        write(array)
    same = array.dtype == np.dtype("f8") and array.shape == (LENGTH,) and np.array_equal(array, numbers())
    assert (native.fingerprint(array) == before) == same
    assert native.fingerprint(array) == native.fingerprint(plain(array))


CHANGES: list[Callable[[Any], Any]] = [
    lambda table: table.__setitem__("a", 1.0),
    lambda table: table.__setitem__("a", table["b"]),
    lambda table: table.loc.__setitem__((0, "a"), 7.0),
    lambda table: table.iloc.__setitem__((slice(0, 3), 0), 7.0),
    lambda table: table.at.__setitem__((5, "b"), 7.0),
    lambda table: table.iat.__setitem__((5, 1), 7.0),
    lambda table: table.insert(0, "z", 1),
    lambda table: table.pop("a"),
    lambda table: table.drop(columns="a", inplace=True),
    lambda table: table.rename(columns={"a": "b", "b": "a"}, inplace=True),
    lambda table: table.columns.set_names("x", inplace=True),
    lambda table: setattr(table, "columns", ["b", "a", "n"]),
    lambda table: setattr(table, "index", table.index[::-1]),
    lambda table: table.sort_values("a", inplace=True),
    lambda table: table.mask(table > 0.5, 0, inplace=True),
    lambda table: table.replace(0, 7, inplace=True),
    lambda table: table["a"].__setitem__(0, 7.0),
    lambda table: table["a"].to_numpy().__setitem__(0, 7.0),
    lambda table: table["a"].array.__setitem__(0, 7.0),
    lambda table: table["a"].array.to_numpy().__setitem__(0, 7.0),
    lambda table: table.to_numpy().__setitem__((0, 0), 7.0),
    lambda table: table.to_numpy().setflags(write=True),
    lambda table: table["a"].update(pd.Series([7.0])),
    lambda table: table.update(pd.DataFrame({"a": [7.0]})),
    lambda table: table._mgr.blocks[0].values.__setitem__((0, 0), 7.0),
    lambda table: table._mgr.blocks[0].values.setflags(write=True),
    lambda table: table.eval("a = b", inplace=True),
    lambda table: table.__iadd__(1),
    lambda table: table.attrs.__setitem__("unit", "m"),
    lambda table: table.flags.__setattr__("allows_duplicate_labels", False),
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("mode", [None, "r", "c", "kept"])
def test_no_change_of_a_frame_leaves_an_old_fingerprint(
    change: Callable[[Any], Any], mode: str | None, tmp_path: Path
) -> None:
    if mode == "kept":
        table, other = handed_out(frame()), None
    else:
        found = stored(frame(), tmp_path / "s")
        table, other = decode(found, mode), decode(found, mode)
    before, copied = native.fingerprint(table), frame()
    assert before == native.fingerprint(copied)
    with contextlib.suppress(ValueError, TypeError, AttributeError):
        change(table)
    with contextlib.suppress(ValueError, TypeError, AttributeError):
        change(copied)
    assert native.fingerprint(table) == native.fingerprint(table.copy(deep=True))
    unchanged = table.equals(frame()) and table.columns.identical(frame().columns) and not table.attrs
    unchanged &= table.index.identical(frame().index) and table.flags.allows_duplicate_labels
    assert (native.fingerprint(table) == before) == unchanged
    assert other is None or native.fingerprint(other) == before


@pytest.mark.parametrize("mode", [None, "c"])
def test_an_array_that_its_reader_may_write_to_is_hashed_each_time(mode: str | None, tmp_path: Path) -> None:
    array: Any = decode(stored(numbers(), tmp_path / "s"), mode)
    before = native.fingerprint(array)
    array[LENGTH // 2] = 7
    assert native.fingerprint(array) == native.fingerprint(plain(array)) != before


def test_arrays_that_a_frame_holds_as_objects_can_be_written_to(tmp_path: Path) -> None:
    table = pd.DataFrame({"o": [np.zeros(3), np.ones(3)]})
    table.attrs["of the frame"] = np.ones(3)
    found: Any = decode(stored(table, tmp_path / "s"), None)
    before = native.fingerprint(found)
    found["o"][0][0] = 7
    assert native.fingerprint(found) != before
    found.attrs["of the frame"][0] = 7


def test_memory_that_is_used_again_is_hashed_again() -> None:
    seen: dict[int, bytes] = {}
    met_again = 0
    for seed in range(200):
        array = handed_out(numbers(seed))
        address, fingerprint = array.__array_interface__["data"][0], native.fingerprint(array)
        met_again += address in seen
        assert fingerprint not in seen.values()
        seen[address] = fingerprint
        del array
        gc.collect(0)
    assert met_again, "no address came twice: this tests nothing"


def test_a_plain_array_after_one_that_was_owned_is_hashed_each_time() -> None:
    for seed in range(50):
        kept = handed_out(numbers(seed))
        native.fingerprint(kept)
        del kept
        other = numbers(seed + 1000)
        before = native.fingerprint(other)
        other[3] = -1
        assert native.fingerprint(other) != before


def in_a_child(array: Any) -> bytes:
    return native.fingerprint(array)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_children_have_the_same_fingerprints(owned: Callable[[Any], Any]) -> None:
    array = owned(numbers())
    expected = native.fingerprint(array)
    for method in ("fork", "spawn"):
        with multiprocessing.get_context(method).Pool(1) as pool:
            assert pool.apply(in_a_child, (array,)) == expected
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, native.fingerprint(array) + native.fingerprint(array[1:]))
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reader, 64) == expected + native.fingerprint(numbers()[1:])


def test_threads_that_make_and_drop_see_their_own(owned: Callable[[Any], Any]) -> None:
    expected = [native.fingerprint(numbers(seed)) for seed in range(4)]
    wrong: list[int] = []

    def work(seed: int) -> None:
        wrong.extend(seed for _ in range(30) if native.fingerprint(handed_out(numbers(seed))) != expected[seed])

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


# Through functions.


def total(table: Any) -> float:
    return float(table["a"].sum())


@pytest.mark.parametrize("kind", ["cached", "stored", "memory"])
def test_a_changed_result_is_another_argument(kind: str, tmp_path: Path) -> None:
    decorate: Any = {
        "cached": ef.cached(),
        "stored": ef.cached(store=ef.Store(tmp_path / "s")),
        "memory": ef.Memory(tmp_path / "m", verbose=0).cache,
    }[kind]
    first, second = decorate(frame), ef.cached(total)
    for _ in range(3):
        assert second(first()) == numbers().sum()
    assert second.cache_info().misses == 1
    changed = first()
    changed.loc[0, "a"] += 1
    assert second(changed) == changed["a"].sum() != second(first())
    assert second.cache_info().misses == 2
