"""Equal arguments hit, others never collide, and nobody changes what the cache keeps: over arguments of all types."""

from __future__ import annotations

import functools
import itertools
import tempfile
from collections.abc import Callable
from typing import Any

import everfresh as ef
import pytest
from arguments import ARGUMENTS, again, form
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

# What functions take and return here.
Data = Any
Wrap = Callable[[Callable[..., Data]], Callable[..., Data]]
numbers = itertools.count()


def few(examples: int) -> Callable[[Data], Data]:
    """Each example makes cached functions anew."""
    return settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))


@functools.cache
def folder() -> str:
    return tempfile.mkdtemp(prefix="everfresh-arguments-")


def stored(function: Callable[..., Data]) -> Callable[..., Data]:
    return ef.cached(typed=True, maxsize=None, store=ef.Store(f"{folder()}/{next(numbers)}"))(function)


def remembered(function: Callable[..., Data]) -> Callable[..., Data]:
    return ef.Memory(f"{folder()}/{next(numbers)}", verbose=0).cache(function)


def keyed(function: Callable[..., Data]) -> Callable[..., Data]:
    return ef.cached(key=lambda *args: args, maxsize=None)(function)


KINDS: dict[str, tuple[Wrap, int]] = {
    "cached": (ef.cached(typed=True, maxsize=None), 300),
    "cached with a key": (keyed, 100),
    "cached in a store": (stored, 40),
    "memory": (remembered, 40),
}


def each(kinds: dict[str, tuple[Wrap, int]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(("wrap", "examples"), kinds.values(), ids=kinds.keys())


@each(KINDS)
def test_equal_arguments_hit_and_others_never_collide(wrap: Wrap, examples: int) -> None:
    computed: list[str] = []

    def function(x: Data) -> str:
        computed.append(form(x))
        return form(x)

    cached = wrap(function)

    @few(examples)
    @given(st.lists(ARGUMENTS, min_size=1, max_size=6), st.data())
    def holds(values: list[Data], data: st.DataObject) -> None:
        for value in data.draw(st.permutations([*values, *map(again, values), *values])):
            assert cached(value) == form(value)

    holds()
    # Over all examples together.
    assert len(computed) == len(set(computed))


@each(KINDS)
def test_a_call_by_place_by_name_and_by_default_is_one(wrap: Wrap, examples: int) -> None:
    computed: list[int] = []
    default: Data = [0.0, ("default", {"a": 1})]

    def function(x: Data, y: Data = default, *, z: Data = default) -> tuple[str, str, str]:
        computed.append(1)
        return form(x), form(y), form(z)

    cached = ef.cached(key=lambda x, y, *, z: (x, y, z))(function) if wrap is keyed else wrap(function)

    @few(examples)
    @given(ARGUMENTS)
    def holds(x: Data) -> None:
        cached(x)
        before = len(computed)
        results = [
            cached(again(x)),
            cached(x=again(x)),
            cached(again(x), again(default)),
            cached(x, y=default),
            cached(y=again(default), x=x, z=again(default)),
            cached(x, default, z=default),
        ]
        assert results == [(form(x), form(default), form(default))] * len(results)
        assert len(computed) == before
        # Places are told from each other.
        assert cached(default, x) == (form(default), form(x), form(default))
        assert cached(default, z=x) == (form(default), form(default), form(x))

    holds()


@few(100)
@given(st.lists(st.tuples(ARGUMENTS, ARGUMENTS), min_size=1, max_size=5))
def test_further_arguments_are_told_apart(pairs: list[tuple[Data, Data]]) -> None:
    @ef.cached(typed=True)
    def function(*args: Data, **named: Data) -> list[str]:
        return [*map(form, args), *named, *map(form, named.values())]

    for one, other in [*pairs, *map(again, pairs)]:
        assert function(one, other) == [form(one), form(other)]
        assert function(one, b=other) == [form(one), "b", form(other)]
        assert function((one, other)) == [form((one, other))]
        assert function() == []


@few(100)
@given(st.dictionaries(st.text(max_size=2), ARGUMENTS, max_size=4), st.data())
def test_the_order_of_a_dict_counts_unless_it_is_free(value: dict[str, Data], data: st.DataObject) -> None:
    computed: list[int] = []

    @ef.cached(order_free=True)
    def free(x: Data) -> None:
        computed.append(1)

    @ef.cached
    def ordered(x: Data) -> list[str]:
        return list(x)

    other = dict(data.draw(st.permutations(list(value.items()))))
    free(value), free(again(other))
    assert computed == [1]
    assert (ordered(value), ordered(other)) == (list(value), list(other))


# Results that their callers change.


def changed(value: Data, depth: int = 0) -> None:
    """Changes a value in every way that it allows."""
    kind = type(value).__name__
    if isinstance(value, list):
        for item in value:
            changed(item, depth + 1)
        value.append("changed")
        value.reverse()
    elif isinstance(value, dict):
        for item in value.values():
            changed(item, depth + 1)
        value["changed"] = "changed"
    elif isinstance(value, set):
        value.add("changed")
    elif isinstance(value, bytearray):
        value += b"changed"
    elif isinstance(value, tuple):
        for item in value:
            changed(item, depth + 1)
    elif kind == "Order":
        changed(value.number, depth + 1)
        value.number = "changed"
    elif kind == "Fixed":
        changed(value.number, depth + 1)
    elif kind == "ndarray":
        try:
            value[...] = value.ravel()[::-1].reshape(value.shape)
            value[...] = np_default(value)
        except ValueError:
            pass
    elif kind == "DataFrame" and type(value).__module__.startswith("pandas"):
        value["changed"] = 1
        if len(value):
            value.iloc[0, 0] = None
        value.index.name = "changed"
    elif kind == "DataFrame":
        value.insert_column(0, value.to_series().alias("changed"))


def np_default(array: Data) -> Data:
    return array.dtype.type() if array.dtype.kind not in "MS" else array


@each({name: kind for name, kind in KINDS.items() if name != "cached with a key"})
def test_what_a_caller_does_to_a_result_never_reaches_the_cache(wrap: Wrap, examples: int) -> None:
    computed: list[int] = []

    def function(x: Data) -> Data:
        computed.append(1)
        return [again(x), bytearray(b"1"), {"a": again(x)}]

    cached = wrap(function)

    @few(examples)
    @given(ARGUMENTS)
    def holds(value: Data) -> None:
        made = form([value, bytearray(b"1"), {"a": value}])
        before = None
        for _ in range(3):
            result = cached(value)
            assert before in (None, len(computed))
            before = len(computed)
            assert form(result) == made
            changed(result)

    holds()
