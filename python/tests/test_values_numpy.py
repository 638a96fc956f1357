"""Fingerprints, encodings and protected copies of NumPy's types."""

from __future__ import annotations

import contextlib
import mmap
import pathlib
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import pytest
from everfresh import _native as native
from hypothesis import given
from hypothesis import strategies as st

np = pytest.importorskip("numpy", reason="NumPy is not installed")

PADDED = np.dtype([("a", "i1"), ("b", "f8")], align=True)
NESTED = np.dtype([("a", "i4", (2,)), ("b", [("c", "S3"), ("d", "M8[s]")])])

ARRAYS: list[Any] = [
    np.arange(6),
    np.arange(6).reshape(2, 3),
    np.arange(6).reshape(3, 2),
    np.arange(6, dtype="i4"),
    np.arange(6, dtype=">i8"),
    np.arange(6, dtype="u8"),
    np.arange(6, dtype="f2"),
    np.arange(6, dtype="f8"),
    np.arange(6, dtype="c16"),
    np.arange(6, dtype=np.longdouble),
    np.arange(6) > 2,
    np.array(5),
    np.empty((0, 3)),
    np.empty((3, 0)),
    np.array([0.0, -0.0, np.nan]),
    np.array(["a", "bc"]),
    np.array(["a", "bc"], dtype="U3"),
    np.array([b"a", b"bc"]),
    np.array(["2026-11-01", "NaT"], dtype="M8[ns]"),
    np.array(["2026-11-01", "NaT"], dtype="M8[s]"),
    np.array([1, 2], dtype="m8[h]"),
    np.array([(1, 2.0)], dtype=PADDED),
    np.array([(1, 2.0)], dtype=[("a", "i1"), ("b", "f8")]),
    np.array([([1, 2], (b"x", "2026-11-01"))], dtype=NESTED),
    np.array([1, "a", None, [2], (3,)], dtype=object),
    np.array([[1], ["a"]], dtype=object),
    np.array([(1, "a")], dtype=[("a", "i4"), ("b", "O")]),
    np.array(["a", "bc" * 50], dtype=np.dtypes.StringDType()),
    np.array(["a", None], dtype=np.dtypes.StringDType(na_object=None)),
    np.array([[1, 2]]).view(np.matrix),
    np.rec.array([(1, 2.0)], dtype=PADDED),
    np.array([b"xy"], dtype="V2"),
]
SCALARS: list[Any] = [
    np.float64(1),
    np.float32(1),
    np.int64(1),
    np.bool_(True),
    np.str_("a\0"),
    np.str_("a"),
    np.bytes_(b"a\0"),
    np.datetime64("2026-11-01"),
    np.timedelta64(3, "D"),
    np.longdouble(1) / 3,
    np.array([(1, 2.0)], dtype=PADDED)[0],
    np.dtype("f8"),
    np.dtype(">f8"),
    PADDED,
    NESTED,
]


def name(value: Any) -> str:
    return f"{type(value).__name__} {getattr(value, 'dtype', value)} {getattr(value, 'shape', '')}"


def alike(one: Any, other: Any) -> bool:
    """Whether two have one type, dtype, shape, and the same items, floats by their bits."""
    if type(one) is not type(other) or isinstance(one, np.dtype):
        return type(one) is type(other) and one == other and repr(one) == repr(other)
    same = one.dtype == other.dtype and one.shape == other.shape and repr(one) == repr(other)
    # The bytes of an extended float are not all its value's.
    return same and (one.dtype.hasobject or one.dtype.char == "g" or one.tobytes() == other.tobytes())


@pytest.mark.parametrize("value", ARRAYS + SCALARS, ids=name)
def test_each_survives_its_encoding(value: Any) -> None:
    decoded = native.loads(native.dumps(value))
    assert alike(decoded, value)
    assert native.fingerprint(decoded) == native.fingerprint(value)


def test_no_two_share_a_fingerprint() -> None:
    found = defaultdict(list)
    for value in [*ARRAYS, *SCALARS, 1, 1.0, True, "a", [0, 1, 2, 3, 4, 5], b"a"]:
        found[native.fingerprint(value)].append(value)
    assert [same for same in found.values() if len(same) > 1] == []


def layouts(array: Any) -> list[Any]:
    """The same array, laid out in other ways."""
    spread = np.zeros([3 * size for size in array.shape], array.dtype)
    spread[tuple(slice(1, None, 3) for _ in array.shape)] = array
    flipped = np.ascontiguousarray(array[tuple(slice(None, None, -1) for _ in array.shape)])
    moved = np.frombuffer(b"x" + array.tobytes(), np.uint8)[1:].view(array.dtype).reshape(array.shape)
    return [
        np.asfortranarray(array),
        np.ascontiguousarray(array),
        spread[tuple(slice(1, None, 3) for _ in array.shape)],
        flipped[tuple(slice(None, None, -1) for _ in array.shape)],
        np.ascontiguousarray(array.T).T,
        moved,
    ]


shapes = st.lists(st.integers(0, 5), min_size=1, max_size=4)
kinds = st.sampled_from(["u1", "i2", "f4", ">f8", "c16", "M8[us]", "S3", "U2", "?", "V5", "c8", "i8"])


@given(shapes, kinds, st.integers(0, 2**32))
def test_the_layout_does_not_count(shape: list[int], kind: str, seed: int) -> None:
    dtype = np.dtype(kind)
    size = int(np.prod(shape)) * dtype.itemsize
    random = np.random.default_rng(seed).integers(0, 2 if kind == "?" else 128, size, np.uint8)
    array = random.view(dtype).reshape(shape)
    expected = native.fingerprint(array)
    for other in layouts(array):
        assert native.fingerprint(other) == expected
        decoded: Any = native.loads(native.dumps(other))
        assert decoded.tobytes() == array.tobytes()
        assert (decoded.dtype, decoded.shape) == (array.dtype, array.shape)


@pytest.mark.parametrize("shape", [(300, 1000), (70_000, 5), (5, 70_000), (40, 50, 60), (1, 200_000), (3, 1, 100_000)])
@pytest.mark.parametrize("kind", ["f8", "u1", "S7"])
def test_the_layout_of_what_is_gathered_in_blocks_does_not_count(shape: tuple[int, ...], kind: str) -> None:
    size = int(np.prod(shape)) * np.dtype(kind).itemsize
    array = np.random.default_rng(1).integers(0, 128, size, np.uint8).view(kind).reshape(shape)
    assert {native.fingerprint(other) for other in layouts(array)} == {native.fingerprint(array)}
    turned = array.T
    assert native.fingerprint(turned) == native.fingerprint(np.ascontiguousarray(turned))


def test_bytes_between_fields_do_not_count() -> None:
    one, other = np.zeros(3, PADDED), np.zeros(3, PADDED)
    other.view(np.uint8)[1::16] = 7
    assert (one == other).all()
    assert native.fingerprint(one) == native.fingerprint(other)


def test_a_memmap_counts_as_an_array(tmp_path: pathlib.Path) -> None:
    array = np.arange(10.0)
    mapped = np.memmap(tmp_path / "x", "f8", "w+", shape=10)
    mapped[:] = array
    assert native.fingerprint(mapped) == native.fingerprint(array)
    assert native.fingerprint(native.loads(native.dumps(mapped))) == native.fingerprint(array)


def test_a_masked_array_is_refused_with_a_remedy() -> None:
    for make in (native.fingerprint, native.dumps):
        with pytest.raises(TypeError, match=r"value\['a'\]: masked arrays .* `.filled\(\)`"):
            make({"a": np.ma.array([1, 2], mask=[True, False])})


def test_a_subclass_is_refused() -> None:
    class Mine(np.ndarray):  # type: ignore[misc, name-defined]
        pass

    with pytest.raises(TypeError, match="Mine have no fingerprint"):
        native.fingerprint(np.arange(3).view(Mine))


def test_functions_of_numpy_have_fingerprints() -> None:
    assert native.fingerprint(np.sin) != native.fingerprint(np.cos)


def test_arrays_are_read_from_a_map_without_a_copy(tmp_path: pathlib.Path) -> None:
    value = {"a": np.arange(1000.0), "b": np.arange(12, dtype="i1").reshape(3, 4).T, "c": np.array(["x"])}
    path = tmp_path / "value"
    with path.open("wb") as file:
        file.writelines(native.encode(value))
    with path.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    start = np.frombuffer(mapped, np.uint8).ctypes.data
    decoded: Any = native.loads(mapped)
    size = len(mapped)
    del mapped
    for key, array in decoded.items():
        assert alike(array, value[key])
        assert not array.flags.writeable
        assert start <= array.ctypes.data < start + size
        assert (array.ctypes.data - start) % 64 == 0
    assert decoded["b"].flags.f_contiguous


def test_an_array_is_not_copied_into_its_encoding() -> None:
    array = np.arange(1000.0)
    pieces = native.encode([array, np.asfortranarray(array.reshape(10, 100))])
    found = [np.shares_memory(np.frombuffer(piece, np.uint8), array) for piece in pieces if len(piece) == array.nbytes]
    assert found == [True, False]


PINNED = {
    "ndarray int64 (6,)": "07f2c9c27b90",
    "ndarray int64 (2, 3)": "377ced560dd5",
    "ndarray int64 (3, 2)": "bdaa7683c69d",
    "ndarray int32 (6,)": "9f31c7a8ce9b",
    "ndarray >i8 (6,)": "6e8056793b2b",
    "ndarray uint64 (6,)": "84d2a70819dc",
    "ndarray float16 (6,)": "bc764bfdc097",
    "ndarray float64 (6,)": "f438897517d8",
}
PINNED_ARRAY = ("6f730d6e756d70792e6e646172726179740373033c6932740269066904730143010c", "000001000200030004000500")


def test_fingerprints_are_pinned() -> None:
    assert {name(value): native.fingerprint(value).hex()[:12] for value in ARRAYS[:8]} == PINNED


def test_the_encoding_of_an_array_is_pinned() -> None:
    array = np.arange(6, dtype="i2").reshape(3, 2)
    tree, buffer = PINNED_ARRAY
    encoded = native.dumps(array, checksum=False)
    assert encoded[64 : 64 + len(tree) // 2].hex() == tree
    assert encoded[128:].hex() == buffer
    assert native.dumps(np.asfortranarray(array))[128:].hex() == "000002000400010003000500"


def test_the_hashes_of_large_arrays_stand_before_them_in_their_order() -> None:
    small, plain, turned = np.arange(10), np.arange(1e4), np.arange(2e4).reshape(2, -1).T
    encoded = native.dumps([small, plain, turned], checksum=False)
    tree = int.from_bytes(encoded[16:24], "little")
    assert int.from_bytes(encoded[24:32], "little") == 3 * 32
    hashes = [bytes(32), native.blake3_of(plain.tobytes()), native.blake3_of(turned.tobytes("C"))]
    assert encoded[64 + tree :][: 3 * 32] == b"".join(hashes)
    read: Any = native.loads(encoded, verified=True)
    assert all(map(alike, read, [small, plain, turned]))
    assert native.dumps([small, plain, turned])[24:32] == bytes(8)


encodings = st.sampled_from([native.dumps(value) for value in ARRAYS + SCALARS])


@given(encodings, st.data())
def test_a_changed_byte_is_an_error(encoded: bytes, data: st.DataObject) -> None:
    damaged = bytearray(encoded)
    damaged[data.draw(st.integers(32, len(encoded) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(ValueError, match="damaged"):
        native.loads(damaged)


@given(encodings, st.data())
def test_bytes_wrongly_said_to_be_verified_are_a_value_or_an_error(encoded: bytes, data: st.DataObject) -> None:
    damaged = bytearray(encoded)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(16, len(encoded) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(ValueError):
        native.loads(damaged, verified=True)


MUTABLE: list[tuple[Callable[[], Any], Callable[[Any], object]]] = [
    (lambda: np.arange(4.0), lambda value: value.__setitem__(0, 9)),
    (lambda: np.arange(4.0).reshape(2, 2).T, lambda value: value.__setitem__((0, 1), 9)),
    (lambda: np.arange(8)[::-2], lambda value: value.fill(3)),
    (lambda: np.array([[1], "a"], dtype=object), lambda value: value[0].append(2)),
    (lambda: {"a": [np.arange(3)]}, lambda value: value["a"][0].__setitem__(0, 9)),
    (lambda: np.array([(1, 2.0)], dtype=PADDED)[0], lambda value: value.__setitem__("a", 5)),
    (lambda: np.ma.array([1, 2]), lambda value: value.__setitem__(0, 9)),
]


@pytest.mark.parametrize(("make", "mutate"), MUTABLE)
def test_no_mutation_reaches_what_is_kept(make: Callable[[], Any], mutate: Callable[[Any], object]) -> None:
    value, expected = make(), repr(make())
    kept, copier = native.protect(value)
    assert copier is not None
    mutate(value)
    first = copier(kept)
    assert repr(first) == expected
    with contextlib.suppress(ValueError):
        mutate(first)
    assert repr(copier(kept)) == expected


def test_what_is_kept_is_handed_out_as_views_that_no_one_can_make_writeable() -> None:
    array = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    kept, copier = native.protect(array)
    assert copier is not None
    one, other = copier(kept), copier(kept)
    assert one is not other
    assert one.flags.f_contiguous
    assert np.shares_memory(one, other)
    assert not np.shares_memory(one, array)
    for held in (one, one.base, kept):
        with pytest.raises(ValueError, match="WRITEABLE"):
            held.flags.writeable = True


def test_scalars_are_kept_as_they_are() -> None:
    for value in (np.float64(1), np.str_("a"), np.datetime64("2026"), np.dtype("f8"), np.sin):
        assert native.protect(value) == (value, None)
