"""Where results stand in memory: equal arguments that are others, those without a hash, and which go first."""

from __future__ import annotations

import datetime
import decimal
import math
import time
import zoneinfo
from pathlib import Path
from typing import Any

import everfresh as ef
import pytest
from everfresh._native import CachedFunction

# What functions take and return here.
Data = Any
calls: list[Data] = []
UTC = datetime.datetime(2026, 6, 1, tzinfo=datetime.UTC)


@pytest.fixture(autouse=True)
def no_calls() -> None:
    calls.clear()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (0.0, -0.0),
        ((1,), (1.0,)),
        ((True, 0), (1, False)),
        (decimal.Decimal("1.0"), decimal.Decimal("1.00")),
        (UTC, UTC.astimezone(zoneinfo.ZoneInfo("Europe/Vienna"))),
        (UTC.replace(tzinfo=None), UTC.replace(tzinfo=None, fold=1)),
        (frozenset({1}), frozenset({1.0})),
    ],
)
def test_arguments_that_are_equal_and_others_have_a_place_each(one: Data, other: Data) -> None:
    @ef.cached
    def f(x: Data) -> str:
        calls.append(x)
        return repr(x)

    assert one == other
    assert [f(one), f(other), f(one), f(other)] == [repr(one), repr(other)] * 2
    assert len(calls) == 2
    assert f.cache_contains(one) and f.cache_contains(other)
    assert f.cache_invalidate(one)
    assert not f.cache_contains(one) and f.cache_contains(other)


def test_numbers_beside_others_are_apart_with_typed_and_where_files_are_read(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("")

    @ef.cached(typed=True)
    def typed(x: Data, y: int) -> str:
        return repr(x)

    @ef.cached
    def reading(x: Data, y: int) -> str:
        calls.append(x)
        return repr(x) + path.read_text()

    values = [1, 1.0, True]
    assert [typed(x, 0) for x in values * 2] == ["1", "1.0", "True"] * 2
    assert [reading(x, 0) for x in values * 2] == ["1", "1.0", "True"] * 2
    assert calls == values


@pytest.mark.parametrize("make", [lambda: float("nan"), lambda: (float("nan"), 1), lambda: decimal.Decimal("NaN")])
def test_a_nan_is_found_again(make: Data) -> None:
    @ef.cached(maxsize=2)
    def f(x: Data) -> bool:
        calls.append(x)
        return True

    assert [f(make()) for _ in range(5)] == [True] * 5
    assert len(calls) == 1
    assert f.cache_info().currsize == 1
    assert math.isnan(make()[0] if isinstance(make(), tuple) else make())


@pytest.mark.parametrize("make", [lambda x: x, lambda x: [x], lambda x: decimal.Decimal(x)])
def test_what_was_used_the_longest_ago_goes_first(make: Data) -> None:
    @ef.cached(maxsize=2)
    def f(x: Data) -> None:
        calls.append(x)

    f(make(1)), f(make(2)), f(make(1)), f(make(3)), f(make(1))
    assert calls == [make(1), make(2), make(3)]


@pytest.mark.parametrize("make", [lambda x: x, lambda x: [x], lambda x: decimal.Decimal(x)])
def test_a_result_that_was_idle_for_too_long_is_computed_anew(make: Data) -> None:
    @ef.cached(idle=3600)
    def kept(x: Data) -> None:
        calls.append(x)

    @ef.cached(idle=1e-9)
    def gone(x: Data) -> None:
        calls.append(x)

    kept(make(1)), kept(make(1))
    assert calls == [make(1)]
    gone(make(1))
    begun = time.monotonic_ns()
    # The table's clock ticks every few milliseconds.
    while time.monotonic_ns() - begun < 50_000_000:
        pass
    gone(make(1))
    assert calls == [make(1)] * 3


def test_a_use_of_an_entry_is_told_from_a_look_at_it() -> None:
    function: Data = ef.cached(maxsize=2)(lambda x: x)
    assert type(function) is CachedFunction
    for key in ("a", "b"):
        function.put((key,), None, key, state=key)
    assert function.find(("a",), None) == function.use(("a",), None) == ("a", "a")
    function.put(("c",), None, "c", state="c")
    assert function.find(("b",), None) is None
    assert function.use(("b",), None) is None
    # A look changes nothing: the one that was used before the last goes.
    assert function.find(("a",), None) == ("a", "a")
    function.put(("d",), None, "d", state="d")
    assert function.find(("a",), None) is None
