"""Fingerprints of builtin and standard types, and what survives its encoding."""

from __future__ import annotations

import collections
import copy
import dataclasses
import datetime
import decimal
import enum
import fractions
import functools
import math
import operator
import pathlib
import re
import sqlite3
import struct
import subprocess
import sys
import uuid
import zoneinfo
from collections.abc import Callable
from typing import Any

import pytest
from everfresh import _native as native
from hypothesis import given
from hypothesis import strategies as st


class Color(enum.Enum):
    RED = 1
    BLUE = 2


class Right(enum.Flag):
    READ = 1
    WRITE = 2


class Level(enum.IntEnum):
    LOW = 1


Point = collections.namedtuple("Point", "x y")
Place = collections.namedtuple("Place", "x y")


@dataclasses.dataclass
class Order:
    number: int
    lines: list[str] = dataclasses.field(default_factory=list)

    @functools.cached_property
    def count(self) -> int:
        return len(self.lines)


@dataclasses.dataclass(frozen=True, slots=True)
class Fixed:
    name: str
    parts: tuple[object, ...] = ()


class Text(str):
    pass


class Items(list[object]):
    pass


class Client:
    def __init__(self, host: str, connection: object) -> None:
        self.host, self.connection = host, connection

    def __everfresh_key__(self) -> object:
        return self.host


DATA: list[object] = [
    None,
    True,
    False,
    ...,
    0,
    1,
    -1,
    2**63 - 1,
    -(2**63),
    2**63,
    -(2**63) - 1,
    2**64,
    -(2**200),
    0.0,
    -0.0,
    1.0,
    math.inf,
    math.nan,
    1j,
    complex(0.0, -0.0),
    "",
    "1",
    "é\0",
    "\ud800",
    b"",
    b"1",
    b"x" * 5000,
    bytearray(b"1"),
    (),
    (1,),
    (True,),
    ((1,), 2),
    (1, (2,)),
    [],
    [1],
    [[1], 2],
    {},
    {"a": 1, "b": 2},
    {"b": 2, "a": 1},
    {1: "a"},
    set(),
    {1, 2},
    {"1", b"1"},
    frozenset(),
    frozenset({1, 2}),
    decimal.Decimal("1.0"),
    decimal.Decimal("1.00"),
    decimal.Decimal("sNaN123"),
    datetime.datetime(2026, 11, 1, 2, 3, 4, 5),
    datetime.datetime(2026, 11, 1, 2, 3, 4, 5, fold=1),
    datetime.datetime(2026, 11, 1, 2, 3, 4, 5, tzinfo=datetime.UTC),
    datetime.datetime(2026, 11, 1, 2, 3, 4, 5, tzinfo=zoneinfo.ZoneInfo("Europe/Vienna")),
    datetime.date(2026, 11, 1),
    datetime.time(1, 2),
    datetime.timedelta(days=-1, microseconds=3),
    datetime.UTC,
    datetime.timezone(datetime.timedelta(hours=1)),
    datetime.timezone(datetime.timedelta(hours=1), "one"),
    zoneinfo.ZoneInfo("UTC"),
    uuid.UUID(int=7),
    pathlib.Path("a/b"),
    pathlib.PurePosixPath("a/b"),
    pathlib.PureWindowsPath("a/b"),
    fractions.Fraction(1, 3),
    re.compile("a+", re.IGNORECASE),
    Color.RED,
    Color.BLUE,
    Right.READ,
    Right.READ | Right.WRITE,
    Level.LOW,
    Point(1, 2),
    Place(1, 2),
    Order(1, ["a"]),
    Order(1),
    Fixed("a", (1,)),
    range(3),
    range(0, 3, 2),
    slice(None, 3),
    collections.OrderedDict(a=1),
    collections.Counter("aab"),
    collections.deque([1, 2]),
    collections.deque([1, 2], maxlen=2),
    collections.defaultdict(list, {1: [2]}),
    collections.defaultdict(None, {1: [2]}),
]

CODE: list[object] = [
    len,
    math.sin,
    [1].append,
    [2].append,
    str.upper,
    int,
    Color,
    math,
    list[int],
    functools.partial(int, base=2),
    functools.partial(int, base=3),
    Client("a", 1).__everfresh_key__,
    Client("b", 1).__everfresh_key__,
    operator.itemgetter(1),
    lambda x: x,
    lambda x: x + 1,
    lambda x, y=1: x,
    lambda x, y=2: x,
]

SUBCLASSED: list[object] = [Text("a"), Text("b"), Items([1]), Items([2]), Client("a", 1), Client("b", 1)]


def seen(value: object) -> object:
    """What tells a value from another one: its type, and all of its content."""
    kind = type(value)
    if kind is float:
        return kind, struct.pack("<d", value)
    if kind is complex:
        return kind, seen(value.real), seen(value.imag)  # type: ignore[attr-defined]
    if kind in (list, tuple):
        return kind, tuple(map(seen, value))  # type: ignore[call-overload]
    if kind is dict:
        return kind, tuple((seen(key), seen(item)) for key, item in value.items())  # type: ignore[attr-defined]
    if kind in (set, frozenset):
        return kind, frozenset(map(seen, value))  # type: ignore[call-overload]
    return kind, repr(value)


# Few leaves that are easily taken for one another, and small containers: equal pairs are common, and so are near ones.
leaves = st.sampled_from([None, True, False, 0, 1, 0.0, -0.0, 1.0, "", "1", "a", b"", b"1", b"a", 1j, math.nan])
hashable = st.recursive(leaves, lambda of: st.tuples(of) | st.tuples(of, of) | st.frozensets(of, max_size=2))
values = st.recursive(
    hashable,
    lambda of: (
        st.lists(of, max_size=3)
        | st.tuples(of, of)
        | st.dictionaries(hashable, of, max_size=3)
        | st.sets(hashable, max_size=3)
    ),
    max_leaves=8,
)


@given(values, values)
def test_values_have_one_fingerprint_if_and_only_if_they_are_alike(one: object, other: object) -> None:
    assert (native.fingerprint(one) == native.fingerprint(other)) == (seen(one) == seen(other))


@given(values)
def test_a_value_survives_its_encoding(value: object) -> None:
    encoded = native.dumps(value)
    decoded = native.loads(encoded)
    assert seen(decoded) == seen(value)
    assert native.fingerprint(decoded) == native.fingerprint(value)
    assert native.dumps(decoded) == encoded


@given(st.integers(), st.integers())
def test_integers_of_any_size_differ(one: int, other: int) -> None:
    assert (native.fingerprint(one) == native.fingerprint(other)) == (one == other)
    assert native.loads(native.dumps(one)) == one


@given(st.text(st.characters(exclude_categories=())))
def test_any_text_survives(text: str) -> None:
    assert native.loads(native.dumps(text)) == text


def test_no_two_of_many_types_share_a_fingerprint() -> None:
    found = collections.defaultdict(list)
    for value in DATA + CODE + SUBCLASSED:
        found[native.fingerprint(value)].append(value)
    assert [alike for alike in found.values() if len(alike) > 1] == []


@pytest.mark.parametrize("value", DATA, ids=repr)
def test_each_type_survives_its_encoding(value: object) -> None:
    decoded: Any = native.loads(native.dumps(value))
    assert type(decoded) is type(value)
    assert seen(decoded) == seen(value)
    assert native.fingerprint(decoded) == native.fingerprint(value)


@pytest.mark.parametrize("value", DATA, ids=repr)
def test_a_deep_copy_has_the_same_fingerprint(value: object) -> None:
    assert native.fingerprint(copy.deepcopy(value)) == native.fingerprint(value)


def test_the_order_of_a_dict_counts_unless_it_is_declared_not_to() -> None:
    one, other = {"a": {1: 2, 3: 4}, "b": 5}, {"b": 5, "a": {3: 4, 1: 2}}
    assert native.fingerprint(one) != native.fingerprint(other)
    assert native.fingerprint(one, order_free=True) == native.fingerprint(other, order_free=True)
    assert native.fingerprint(one, order_free=True) != native.fingerprint({"a": {}, "b": 5}, order_free=True)
    assert native.fingerprint([1, 2], order_free=True) != native.fingerprint([2, 1], order_free=True)


def test_nans_differ_by_their_bits() -> None:
    (other,) = struct.unpack("<d", struct.pack("<Q", 0x7FF8_0000_0000_0001))
    assert native.fingerprint(math.nan) == native.fingerprint(float("nan"))
    assert native.fingerprint(math.nan) != native.fingerprint(other)


def test_a_class_says_what_counts() -> None:
    assert native.fingerprint(Client("a", object())) == native.fingerprint(Client("a", object()))
    assert native.fingerprint(Client("a", 1)) != native.fingerprint("a")


def test_a_cached_property_is_no_part_of_a_dataclass() -> None:
    order = Order(1, ["a"])
    before = native.fingerprint(order)
    assert order.count == 1
    assert native.fingerprint(order) == before
    assert native.loads(native.dumps(order)) == order


def test_an_attribute_beyond_the_fields_is_part_of_a_dataclass() -> None:
    order, plain = Order(1), Order(1)
    order.note = "x"  # type: ignore[attr-defined]
    assert native.fingerprint(order) != native.fingerprint(plain)
    assert vars(native.loads(native.dumps(order))) == vars(order)


def test_code_is_fingerprinted_by_the_hook() -> None:
    native.set_code_hook(lambda code: code.__name__.encode())  # type: ignore[attr-defined]
    try:

        def one() -> int:
            return 1

        first = native.fingerprint([one, Order])

        def one() -> int:
            return 2

        assert native.fingerprint([one, Order]) == first
        assert native.fingerprint([one, Color]) != first
    finally:
        native.set_code_hook(None)
    assert native.fingerprint([one, Order]) != first


@pytest.mark.parametrize("make", [native.fingerprint, native.dumps])
def test_a_refusal_tells_type_place_and_remedy(make: Callable[[object], object]) -> None:
    value = {"a": [1, Fixed("b", (2, sqlite3.connect(":memory:")))]}
    with pytest.raises(TypeError) as error:
        make(value)
    assert str(error.value).startswith("value['a'][1]['parts'][1]: values of type sqlite3.Connection have no ")
    remedies = ["__everfresh_key__", "ignore=", "key="] if make is native.fingerprint else ["pickle=True"]
    assert all(remedy in str(error.value) for remedy in remedies)


def test_a_refusal_names_the_argument() -> None:
    with pytest.raises(TypeError, match=r"^argument `conn`: values of type object have no fingerprint"):
        native.fingerprint(object(), what="argument `conn`")


def test_a_local_class_is_not_stored() -> None:
    @dataclasses.dataclass
    class Local:
        x: int

    with pytest.raises(TypeError, match="Local cannot be found by its name again"):
        native.dumps(Local(1))


def nested(depth: int) -> object:
    value: object = ()
    for _ in range(depth):
        value = (value,)
    return value


def looped() -> object:
    value: list[object] = []
    value.append({"a": value})
    return value


@pytest.mark.parametrize("value", [nested(100_000), looped()], ids=["deep", "looped"])
@pytest.mark.parametrize("make", [native.fingerprint, native.dumps])
def test_depth_and_loops_are_errors(make: Callable[[object], object], value: object) -> None:
    with pytest.raises(TypeError, match="nested more than 500 levels deep, or contains itself"):
        make(value)


def test_what_is_deep_but_not_too_deep_survives() -> None:
    value = nested(499)
    assert native.loads(native.dumps(value)) == value


def test_an_exception_of_a_key_method_is_raised_as_it_is() -> None:
    class Broken:
        def __everfresh_key__(self) -> object:
            raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        native.fingerprint([Broken()])


def test_nothing_is_imported_for_builtin_values() -> None:
    command = (
        "import sys; before = set(sys.modules); from everfresh import _native as n\n"
        "value = {'a': [1, 2.0, None, (b'x', {3})]}\n"
        "assert n.loads(n.dumps(value)) == value; n.fingerprint(value); n.protect(value)\n"
        "print(sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, check=True, text=True)
    assert done.stdout.split() == ["['everfresh',", "'everfresh._native']"]
