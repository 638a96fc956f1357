"""What a memory tier keeps of builtin and standard types."""

from __future__ import annotations

import collections
import dataclasses
import datetime
import decimal
import enum
import functools
import math
import pathlib
import sqlite3
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from everfresh import _native as native
from hypothesis import given
from hypothesis import strategies as st


class Color(enum.Enum):
    RED = 1


Point = collections.namedtuple("Point", "x y")


@dataclasses.dataclass
class Order:
    number: int
    lines: list[str] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True, slots=True)
class Fixed:
    name: str
    parts: tuple[object, ...] = ()


@dataclasses.dataclass(frozen=True)
class Lazy:
    name: str

    @functools.cached_property
    def parts(self) -> list[str]:
        return [self.name]


@dataclasses.dataclass(frozen=True)
class Narrow:
    name: str


class Wider(Narrow):
    pass


class Wide(collections.namedtuple("Wide", "x")):
    pass


class Items(list[object]):
    pass


def looped() -> object:
    value: list[object] = []
    value.append({"a": value})
    return value


def handed_out(kept: object, make: Callable[[Any], Any] | None) -> Any:
    return kept if make is None else make(kept)


@pytest.mark.parametrize(
    "value",
    [
        1,
        2**70,
        -0.0,
        1j,
        "a",
        b"a",
        datetime.datetime(2026, 11, 1, tzinfo=datetime.UTC),
        Color.RED,
        (1, ("a", frozenset({b"b"}))),
        Point(1, 2),
        Fixed("a", (1,)),
        decimal.Decimal(1),
        uuid.UUID(int=1),
        pathlib.Path("a"),
        range(3),
        None,
        len,
        Color,
        math,
    ],
    ids=repr,
)
def test_what_cannot_change_is_kept_as_it_is(value: object) -> None:
    kept, make = native.protect(value)
    assert kept is value
    assert make is None


MUTABLE: list[tuple[Callable[[], Any], Callable[[Any], object]]] = [
    (lambda: [1, 2], lambda value: value.append(3)),
    (lambda: {"a": 1}, lambda value: value.clear()),
    (lambda: {1, 2}, lambda value: value.add(3)),
    (lambda: bytearray(b"ab"), lambda value: value.extend(b"c")),
    (lambda: [1, {"a": [2]}], lambda value: value[1]["a"].append(3)),
    (lambda: (1, [2]), lambda value: value[1].append(3)),
    (lambda: {"a": {1}, "b": (bytearray(b"x"),)}, lambda value: value["b"][0].extend(b"c")),
    (lambda: {"a": {1}}, lambda value: value["a"].add(3)),
    (lambda: Order(1, ["a"]), lambda value: value.lines.append("b")),
    (lambda: Fixed("a", ([],)), lambda value: value.parts[0].append(1)),
    (lambda: Point(1, [2]), lambda value: value.y.append(1)),
    (lambda: collections.deque([1]), lambda value: value.append(2)),
    (lambda: collections.defaultdict(list, {1: [2]}), lambda value: value[1].append(3)),
    (lambda: functools.partial(int, [1]), lambda value: value.args[0].append(2)),
    (lambda: [Items([1])], lambda value: value[0].append(2)),
]


@pytest.mark.parametrize(("make", "mutate"), MUTABLE)
def test_no_mutation_reaches_what_is_kept(make: Callable[[], Any], mutate: Callable[[Any], object]) -> None:
    value, expected = make(), native.fingerprint(make())
    kept, copier = native.protect(value)
    mutate(value)
    first = handed_out(kept, copier)
    assert native.fingerprint(first) == expected
    mutate(first)
    assert native.fingerprint(first) != expected
    assert native.fingerprint(handed_out(kept, copier)) == expected


leaves = st.sampled_from([None, True, 1, 1.0, "a", b"a"])
values = st.recursive(
    leaves,
    lambda of: (
        st.lists(of, max_size=3)
        | st.tuples(of, of)
        | st.dictionaries(leaves, of, max_size=3)
        | st.sets(leaves)
        | st.builds(bytearray, st.binary(max_size=2))
    ),
    max_leaves=8,
)


@given(values)
def test_a_copy_is_the_value(value: object) -> None:
    made = handed_out(*native.protect(value))
    assert native.fingerprint(made) == native.fingerprint(value)
    assert made == value


def extended(value: object) -> Any:
    """An object with an attribute that neither its class nor its fields tell of."""
    value.more = [1]  # type: ignore[attr-defined]
    return value


@pytest.mark.parametrize("make", [lambda: Wider("a"), lambda: Wide(1)])
def test_an_attribute_that_a_caller_adds_is_his_alone(make: Callable[[], Any]) -> None:
    kept, copier = native.protect(make())
    extended(handed_out(kept, copier)).more.append(2)
    assert not hasattr(handed_out(kept, copier), "more")


def test_what_a_cached_property_gave_is_its_callers_alone() -> None:
    kept, copier = native.protect(Lazy("a"))
    handed_out(kept, copier).parts.append("b")
    assert handed_out(kept, copier).parts == ["a"]


def test_what_is_shared_stays_shared_and_a_loop_closed() -> None:
    row = [1]
    one, other = handed_out(*native.protect([row, row]))
    assert one is other
    loop = handed_out(*native.protect(looped()))
    assert loop[0]["a"] is loop


def test_what_cannot_be_copied_cannot_be_kept() -> None:
    with pytest.raises(TypeError, match=r"sqlite3.Connection cannot be kept in memory"):
        native.protect({"a": sqlite3.connect(":memory:")})
