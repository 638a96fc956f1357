"""The encoding of a value to the byte, damaged ones, and pickled parts."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import datetime
import decimal
import enum
import os
import pathlib
import pickle
import sqlite3
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from everfresh import _native as native
from everfresh import _values_key
from hypothesis import given
from hypothesis import strategies as st

KEY = bytes(range(32))


class Color(enum.Enum):
    RED = 1


class Plain:
    pass


@dataclasses.dataclass
class Order:
    number: int
    lines: tuple[str, ...] = ()


class Opaque:
    def __init__(self, content: object) -> None:
        self.content = content


PINNED: list[object] = [None, True, 7, -1, 2**64, 1.5, 1j, "é", "\ud800", b"x", bytearray(b"y"), (1, [2]), {"a": {1}}]
PINNED += [frozenset(), decimal.Decimal("1.0"), datetime.date(2026, 11, 1), range(3)]

PINNED_FINGERPRINTS = {
    "None": "f621cec3d512",
    "True": "352cbfa5901c",
    "7": "60c425539146",
    "-1": "e74798803dd3",
    "18446744073709551616": "c09dc35e4ad8",
    "1.5": "96af3b641dc5",
    "1j": "5216a3a3fd81",
    "'é'": "09ca4d588688",
    "'\\ud800'": "d9a619a525cf",
    "b'x'": "392d046ce547",
    "bytearray(b'y')": "8845047ede09",
    "(1, [2])": "1a49067c50b7",
    "{'a': {1}}": "218af28ebd59",
    "frozenset()": "22e0aea3a5eb",
    "Decimal('1.0')": "506887ac4e04",
    "datetime.date(2026, 11, 1)": "18eb3f2daad8",
    "range(0, 3)": "d3c22540c5ba",
}

PINNED_ENCODINGS = {
    "None": "4e",
    "True": "54",
    "7": "690e",
    "-1": "6901",
    "18446744073709551616": "4909000000000000000001",
    "1.5": "66000000000000f83f",
    "1j": "630000000000000000000000000000f03f",
    "'é'": "7302c3a9",
    "'\\ud800'": "5303eda080",
    "b'x'": "620178",
    "bytearray(b'y')": "610179",
    "(1, [2])": "740269026c016904",
    "{'a': {1}}": "640173016165016902",
    "frozenset()": "7a00",
    "Decimal('1.0')": "6f7307446563696d616c7303312e3000",
    "datetime.date(2026, 11, 1)": "6f730464617465740369d41f6916690200",
    "range(0, 3)": "6f730572616e6765740369006906690200",
}


def test_fingerprints_are_pinned() -> None:
    assert {repr(value): native.fingerprint(value).hex()[:12] for value in PINNED} == PINNED_FINGERPRINTS


def test_encodings_are_pinned() -> None:
    assert {repr(value): native.dumps(value, checksum=False)[64:].hex() for value in PINNED} == PINNED_ENCODINGS


def test_the_header_is_pinned() -> None:
    encoded = native.dumps(7)
    assert encoded[:32] == b"EFVALUE\x01" + b"\x01" + bytes(7) + (2).to_bytes(8, "little") + bytes(8)
    assert len(encoded) == 66
    assert native.dumps(7, checksum=False)[:64] == b"EFVALUE\x01" + bytes(8) + (2).to_bytes(8, "little").rjust(
        8
    ) + bytes(40)


def test_sets_are_encoded_in_an_order_of_their_own() -> None:
    command = "from everfresh import _native as n; print(n.dumps({'a', 'b', 'c', 'd', 'e'}).hex())"
    found = {
        subprocess.run(
            [sys.executable, "-c", command], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(found) == 1


def test_large_bytes_are_not_copied_into_the_encoding() -> None:
    data = b"x" * 100_000
    pieces = native.encode(["a", data])
    assert any(piece is data for piece in pieces)
    assert native.loads(b"".join(pieces)) == ["a", data]


CORPUS: list[object] = [
    *PINNED,
    Color.RED,
    Order(1, ("a", "b")),
    [2**70, {"k": [1.5, None, b"x"]}, {1, 2}, ("é", True)],
    b"x" * 5000,
    [b"x" * 5000, b"y" * 4096],
    datetime.datetime(2026, 11, 1, tzinfo=datetime.timezone(datetime.timedelta(hours=1), "one")),
    collections.deque([1, 2], maxlen=2),
    collections.defaultdict(list, {1: [2]}),
    uuid.UUID(int=7),
    pathlib.PurePosixPath("a/b"),
    slice(1, None),
]
encodings = st.sampled_from([native.dumps(value) for value in CORPUS])


@given(encodings, st.data())
def test_a_changed_byte_is_an_error(encoded: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(encoded) - 1))
    damaged = bytearray(encoded)
    damaged[at] ^= data.draw(st.integers(1, 255))
    # Zeros of the header are of no use yet, and not looked at.
    if at in range(9, 16) or (at == 8 and damaged[at] & 1):
        native.loads(damaged)
    else:
        with pytest.raises(ValueError, match="damaged"):
            native.loads(damaged)


@given(encodings, st.data())
def test_a_cut_or_longer_encoding_is_an_error(encoded: bytes, data: st.DataObject) -> None:
    cut = encoded[: data.draw(st.integers(0, len(encoded) - 1))]
    for damaged in (cut, encoded + b"\0"):
        for verified in (False, True):
            with pytest.raises(ValueError, match="damaged"):
                native.loads(damaged, verified=verified)


@given(encodings, st.data())
def test_bytes_wrongly_said_to_be_verified_are_a_value_or_an_error(encoded: bytes, data: st.DataObject) -> None:
    damaged = bytearray(encoded)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(8, len(encoded) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(ValueError):
        native.loads(damaged, verified=True)


@given(st.binary(max_size=80))
def test_a_tree_of_any_bytes_is_a_value_or_an_error(tree: bytes) -> None:
    header = b"EFVALUE\x01" + bytes(8) + len(tree).to_bytes(8, "little") + bytes(40)
    with contextlib.suppress(ValueError):
        native.loads(header + tree, verified=True)


def test_what_has_no_checksum_has_to_be_verified() -> None:
    encoded = native.dumps([1], checksum=False)
    assert native.loads(encoded, verified=True) == [1]
    with pytest.raises(ValueError, match="no checksum"):
        native.loads(encoded)


def test_only_data_classes_are_looked_up() -> None:
    encoded = native.dumps(Color.RED)
    other = encoded.replace(b"Color", b"Plain")
    with pytest.raises(ValueError, match="no dataclass, enum or named tuple"):
        native.loads(other, verified=True)


@pytest.mark.parametrize("number", [b"\xff" * 10, b"\xff" * 9 + b"\x02", b"\x80" * 9])
def test_a_number_of_more_than_64_bits_is_an_error(number: bytes) -> None:
    tree = b"i" + number
    with pytest.raises(ValueError, match="damaged"):
        native.loads(b"EFVALUE\x01" + bytes(8) + len(tree).to_bytes(8, "little") + bytes(40) + tree, verified=True)


# Pickles.


def test_without_leave_nothing_is_pickled() -> None:
    with pytest.raises(TypeError, match="Opaque have no safe encoding"):
        native.dumps(Opaque(1))


def test_a_pickled_part_survives_with_its_key() -> None:
    encoded = native.dumps([1, Opaque({"a": 2})], pickle=True, pickle_key=KEY)
    decoded: Any = native.loads(encoded, pickle_key=KEY)
    first, second = decoded
    assert (first, second.content) == (1, {"a": 2})


class Loud:
    loaded = 0

    def __reduce__(self) -> tuple[Callable[[], object], tuple[()]]:
        return _count, ()


def _count() -> int:
    Loud.loaded += 1
    return Loud.loaded


def test_nothing_is_unpickled_before_its_mac_is_checked() -> None:
    encoded = native.dumps(Loud(), pickle=True, pickle_key=KEY)
    forged = encoded.replace(pickle.dumps(Loud(), 5)[-12:], b"x" * 12)
    before = Loud.loaded
    for damaged, key, message in [
        (encoded, None, "with the key"),
        (encoded, bytes(32), "not written with this user's key"),
        (forged, KEY, "not written with this user's key"),
    ]:
        with pytest.raises(ValueError, match=message):
            native.loads(damaged, pickle_key=key, verified=True)
    assert Loud.loaded == before
    assert native.loads(encoded, pickle_key=KEY) == before + 1


def test_a_loop_is_pickled_whole() -> None:
    value: list[object] = []
    value.append({"a": value})
    loop: Any = native.loads(native.dumps(value, pickle=True, pickle_key=KEY), pickle_key=KEY)
    assert loop[0]["a"] is loop


def test_what_cannot_be_pickled_is_refused() -> None:
    with pytest.raises(TypeError, match=r"^value\[1\]: values of type sqlite3.Connection .* cannot be pickled"):
        native.dumps([1, sqlite3.connect(":memory:")], pickle=True, pickle_key=KEY)


def test_a_safe_value_needs_no_key_although_pickles_were_allowed() -> None:
    assert native.loads(native.dumps({"a": [1]}, pickle=True, pickle_key=KEY)) == {"a": [1]}


@pytest.fixture
def data_home(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[pathlib.Path]:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    return tmp_path  # type: ignore[return-value]


def test_the_users_key_is_made_once_and_is_his_alone(data_home: pathlib.Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(lambda _: _values_key.pickle_key(), range(32)))
    path = data_home / "everfresh" / "key"
    assert keys == {path.read_bytes()}
    assert (path.stat().st_mode & 0o777, path.stat().st_size) == (0o600, 32)
    assert [file.name for file in path.parent.iterdir()] == ["key"]
    encoded = native.dumps(Opaque(1), pickle=True)
    assert native.loads(encoded, pickle_key=path.read_bytes()).content == 1  # type: ignore[attr-defined]


def test_a_key_that_others_can_read_is_refused(data_home: pathlib.Path) -> None:
    _values_key.pickle_key()
    (data_home / "everfresh" / "key").chmod(0o644)
    with pytest.raises(PermissionError, match="chmod 600"):
        native.dumps(Opaque(1), pickle=True)


def test_a_short_key_is_refused(data_home: pathlib.Path) -> None:
    _values_key.pickle_key()
    (data_home / "everfresh" / "key").write_bytes(b"short")
    with pytest.raises(ValueError, match="no key of 32 bytes"):
        native.dumps(Opaque(1), pickle=True)
    with pytest.raises(ValueError, match="32 bytes or more"):
        native.loads(native.dumps(1), pickle_key=b"short")
