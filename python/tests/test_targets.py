"""What `cached` and `Memory.cache` are put on: functions, properties, class and static methods; the rest is refused."""

# Mypy takes no decorator on top of `@property`.
# mypy: disable-error-code="prop-decorator,untyped-decorator"

from __future__ import annotations

import asyncio
import functools
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import everfresh as ef
import pytest

# What functions take and return here.
Data = Any
calls: list[Data] = []


@pytest.fixture(autouse=True)
def no_calls() -> None:
    calls.clear()


class Parser:
    """A class whose instances have no fingerprint but by their attributes."""

    def __init__(self, sign: str) -> None:
        self.sign = sign

    @ef.cached
    def parse(self, text: str, /, times: int = 1) -> list[str]:
        """Splits."""
        calls.append(text)
        return text.split(self.sign) * times

    @property
    @ef.cached
    def above(self) -> str:
        """A property over a cached method."""
        calls.append(self.sign)
        return self.sign * 2

    @ef.cached
    @property
    def below(self) -> str:
        """A property under `cached`."""
        calls.append(self.sign)
        return self.sign * 3

    @functools.cached_property
    @ef.cached
    def kept(self) -> str:
        calls.append(self.sign)
        return self.sign * 4

    @ef.cached
    def _length(self) -> int:
        calls.append(self.sign)
        return len(self.sign)

    length = property(_length)

    @classmethod
    @ef.cached
    def made(cls, sign: str = ",") -> tuple[str, str]:
        """A class method over a cached function."""
        calls.append(sign)
        return cls.__name__, sign

    @ef.cached(maxsize=None)
    @classmethod
    def made_below(cls, sign: str = ",") -> tuple[str, str]:
        calls.append(sign)
        return cls.__name__, sign

    @staticmethod
    @ef.cached
    def twice(x: int) -> int:
        calls.append(x)
        return 2 * x

    @ef.cached
    @staticmethod
    def twice_below(x: int) -> int:
        calls.append(x)
        return 2 * x

    @property
    @ef.cached
    async def later(self) -> str:
        calls.append(self.sign)
        return self.sign


class Special(Parser):
    pass


class Slotted:
    """No weak references: nothing tells when an instance dies."""

    __slots__ = ("sign",)

    def __init__(self, sign: str) -> None:
        self.sign = sign

    @ef.cached
    def parse(self, text: str) -> list[str]:
        calls.append(text)
        return text.split(self.sign)


# Methods by their class.


def test_a_method_by_its_class_has_all_verbs_with_the_instance_first() -> None:
    comma, dot = Parser(","), Parser(".")
    method: Data = Parser.parse
    assert method(comma, "a,b") == comma.parse("a,b") == ["a", "b"]
    assert calls == ["a,b"]
    assert method.cache_contains(comma, "a,b", times=1)
    assert not method.cache_contains(dot, "a,b")
    assert method.cache_explain(comma, "a,b").startswith("hit in memory")
    assert method.cache_explain(dot, "a,b").startswith("miss: nothing is kept")
    assert method.cache_refresh(comma, "a,b") == ["a", "b"]
    assert calls == ["a,b", "a,b"]
    assert method.cache_invalidate(comma, "a,b")
    assert not method.cache_invalidate(comma, "a,b")
    assert not comma.parse.cache_contains("a,b")
    assert method.cache_info().misses == 2


def test_without_an_instance_the_error_says_what_is_missing() -> None:
    method: Data = Parser.parse
    with pytest.raises(TypeError, match=r"parse\(\) missing 2 required positional arguments: 'self'"):
        method()
    with pytest.raises(TypeError, match=r"Parser.parse is a method: reached by its class, it needs the instance first"):
        method.cache_explain()
    with pytest.raises(TypeError, match=r"Parser.parse cannot be called with these arguments"):
        method.cache_explain(Parser(","))


def test_an_instance_without_weak_references_keeps_nothing_and_has_all_verbs() -> None:
    dot: Data = Slotted(".")
    assert dot.parse("a.b") == Slotted.parse(dot, "a.b") == ["a", "b"]
    assert calls == ["a.b", "a.b"]
    assert dot.parse.cache_explain("a.b").startswith("miss")
    assert not dot.parse.cache_invalidate("a.b")
    assert dot.parse.__self__ is dot


# Properties.


@pytest.mark.parametrize("name", ["above", "below", "length"])
def test_a_property_and_cached_go_in_either_order(name: str) -> None:
    comma = Parser(",")
    first = getattr(comma, name)
    assert getattr(comma, name) == first
    assert calls == [","]
    # The instance counts by its attributes.
    assert getattr(Parser(",,"), name) != first
    comma.sign = ";;;"
    assert getattr(comma, name) != first
    assert calls == [",", ",,", ";;;"]


@pytest.mark.parametrize("name", ["above", "below"])
def test_the_getter_of_a_property_has_the_verbs_of_a_method(name: str) -> None:
    comma = Parser(",")
    getter: Data = getattr(Parser, name).fget
    assert not getter.cache_contains(comma)
    getattr(comma, name)
    assert getter.cache_explain(comma).startswith("hit in memory")
    assert getter.cache_invalidate(comma)
    assert not getter.cache_contains(comma)


def test_a_property_does_not_keep_its_instance() -> None:
    import gc
    import weakref

    comma = Parser(",")
    assert (comma.above, comma.below, comma.length) == (",,", ",,,", 1)
    gone = weakref.ref(comma)
    del comma
    gc.collect()
    assert gone() is None


def test_a_property_keeps_its_setter_and_its_text() -> None:
    class Box:
        def __init__(self) -> None:
            self.items = [1]

        @property
        def total(self) -> int:
            """All of it."""
            calls.append(list(self.items))
            return sum(self.items)

        @total.setter
        def total(self, value: int) -> None:
            self.items = [value]

        cached_total: Data = ef.cached(total)

    box = Box()
    assert (box.cached_total, box.cached_total) == (1, 1)
    box.cached_total = 5
    assert (box.cached_total, box.cached_total) == (5, 5)
    assert calls == [[1], [5]]
    assert Box.cached_total.__doc__ == "All of it."


def test_a_cached_property_over_cached_and_an_asynchronous_one_work() -> None:
    comma: Data = Parser(",")
    assert (comma.kept, comma.kept) == (",,,,", ",,,,")

    async def twice() -> tuple[str, str]:
        return await comma.later, await comma.later

    assert asyncio.run(twice()) == (",", ",")
    assert calls == [",", ","]


# Class and static methods.


@pytest.mark.parametrize("name", ["made", "made_below"])
def test_a_class_method_and_cached_go_in_either_order(name: str) -> None:
    method: Data = getattr(Parser, name)
    assert method() == method(",") == method(sign=",") == getattr(Parser("."), name)() == ("Parser", ",")
    assert calls == [","]
    assert getattr(Special, name)() == ("Special", ",")
    assert calls == [",", ","]


# From 3.13 on `classmethod` does not ask its function what it is of a class.
TELLS = sys.version_info < (3, 13)


@pytest.mark.parametrize("name", ["made", "made_below"] if TELLS else ["made_below"])
def test_the_verbs_of_a_class_method_know_the_class(name: str) -> None:
    method: Data = getattr(Parser, name)
    method.cache_clear()
    method("x")
    assert method.cache_contains("x") and method.cache_contains(sign="x")
    assert not getattr(Special, name).cache_contains("x")
    assert method.cache_explain("x").startswith("hit in memory")
    assert method.cache_refresh("x") == ("Parser", "x")
    assert method.cache_invalidate("x") and not method.cache_invalidate("x")
    assert method.cache_info().misses >= 2


@pytest.mark.skipif(TELLS, reason="this Python tells a function under `classmethod` the class")
def test_where_a_class_method_is_not_told_its_class_its_verbs_say_so() -> None:
    method: Data = Parser.made
    method("y")
    with pytest.raises(TypeError, match=r"Parser.made is a class method, and this Python does not tell it the class"):
        method.cache_contains("y")
    assert method.cache_contains(Parser, "y") and not method.cache_contains(Special, "y")


@pytest.mark.parametrize("name", ["twice", "twice_below"])
def test_a_static_method_and_cached_go_in_either_order(name: str) -> None:
    method: Data = getattr(Parser, name)
    assert method(4) == getattr(Parser(","), name)(4) == 8
    assert calls == [4]
    assert method.cache_explain(4).startswith("hit in memory")


# What is refused.


async def coroutine() -> None: ...


def numbers() -> Iterator[int]:
    yield 1


async def later_numbers() -> AsyncIterator[int]:
    yield 1


def refused() -> list[tuple[str, Callable[[], Data], str]]:
    return [
        ("class", lambda: Parser, "Parser is a class, and cached takes a function"),
        ("builtin", lambda: len, "len is built in, and what it reads cannot be seen: cache a function of your own"),
        ("method of a builtin", lambda: str.upper, "upper is built in"),
        ("bound method of a builtin", lambda: "a".join, "join is built in"),
        ("generator function", lambda: numbers, "numbers is a generator function: .* Return a list or a tuple"),
        ("async generator function", lambda: later_numbers, "later_numbers is a generator function"),
        ("generator", numbers, "not the generator that a call of numbers returned: leave the call out"),
        ("async generator", later_numbers, "not the async generator that a call of later_numbers returned"),
        ("coroutine", coroutine, "not the coroutine that a call of coroutine returned: leave the call out"),
        ("None", lambda: None, "cached takes a function, not None"),
        ("number", lambda: 5, "cached takes a function, not 5"),
        ("property without a getter", property, "a property without a getter has nothing to cache"),
    ]


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")
@pytest.mark.parametrize(("make", "message"), [case[1:] for case in refused()], ids=[case[0] for case in refused()])
def test_what_is_no_function_of_the_users_is_refused_with_a_reason(make: Callable[[], Data], message: str) -> None:
    cached: Data = ef.cached
    for decorator in (cached, cached(ttl=60)):
        with pytest.raises(TypeError, match=message):
            decorator(make())


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")
@pytest.mark.parametrize("make", [numbers, later_numbers, coroutine, lambda: numbers, lambda: 5])
def test_a_memory_refuses_what_is_never_called(make: Callable[[], Data], tmp_path: Path) -> None:
    memory: Data = ef.Memory(tmp_path, verbose=0)
    with pytest.raises(TypeError, match=r"Memory.cache takes a function, not|is a generator function"):
        memory.cache(make())


def test_a_memory_takes_properties_and_class_and_static_methods_in_either_order(tmp_path: Path) -> None:
    memory: Data = ef.Memory(tmp_path, verbose=0)

    class Words:
        def __init__(self, text: str) -> None:
            self.text = text

        @memory.cache
        @property
        def below(self) -> list[str]:
            calls.append("below")
            return self.text.split()

        @property
        @memory.cache
        def above(self) -> list[str]:
            calls.append("above")
            return self.text.split()

        @memory.cache
        @classmethod
        def made(cls, x: int) -> int:
            calls.append("made")
            return x

        @memory.cache(ignore=["x"])
        @staticmethod
        def of(x: int) -> int:
            calls.append("of")
            return x

    words: Data = Words("a b")
    assert words.below == words.below == words.above == words.above == ["a", "b"]
    assert (Words.made(1), Words.made(1), Words.of(2), Words.of(3)) == (1, 1, 2, 2)
    assert calls == ["below", "above", "made", "of"]


def test_a_function_of_a_memory_in_a_class_is_a_method(tmp_path: Path) -> None:
    memory: Data = ef.Memory(tmp_path, verbose=0)

    class Words:
        def __init__(self, text: str) -> None:
            self.text = text

        @memory.cache
        def longer(self, size: int) -> list[str]:
            calls.append(self.text)
            return [word for word in self.text.split() if len(word) > size]

    words: Data = Words("a bb")
    assert words.longer(1) == words.longer(size=1) == Words.longer(words, 1) == Words("a bb").longer(1) == ["bb"]
    assert calls == ["a bb"]
    assert words.longer.check_call_in_cache(1) and not words.longer.check_call_in_cache(2)
    assert words.longer.cache_explain(1).startswith("hit")
    assert words.longer.call_and_shelve(1).get() == ["bb"]
    words.text = "ccc"
    assert words.longer(1) == ["ccc"]


# A key of one's own.


def test_key_gets_the_arguments_as_the_parameters_are_bound() -> None:
    seen: list[Data] = []

    def key(x: int, y: int, *, z: int) -> Data:
        seen.append((x, y, z))
        return x, y, z

    @ef.cached(key=key)
    def f(x: int, y: int = 2, *, z: int = 3) -> int:
        calls.append((x, y, z))
        return x + y + z

    assert f(1, 2) == f(x=1, y=2) == f(1) == f(y=2, x=1, z=3) == f(1, z=3) == 6
    assert calls == [(1, 2, 3)]
    assert set(seen) == {(1, 2, 3)}
    assert f.cache_contains(y=2, x=1)
    assert f.cache_info().currsize == 1


def test_key_may_name_its_parameters_otherwise_and_gets_the_further_ones() -> None:
    @ef.cached(key=lambda first, /, *rest, flag, **named: (first, rest, flag, sorted(named.items())))
    def f(x: int, *more: int, flag: bool = False, **named: int) -> int:
        calls.append(x)
        return x

    assert f(1, 2, b=1, a=2) == f(1, 2, a=2, b=1, flag=False) == 1
    assert f(1) == f(x=1) == f(x=1, flag=False)
    assert calls == [1, 1]


def test_key_of_a_method_gets_the_instance_first() -> None:
    class Of:
        def __init__(self, name: str, rest: object) -> None:
            self.name, self.rest = name, rest

        @ef.cached(key=lambda self, text="": (self.name, text))
        def f(self, text: str = "") -> str:
            calls.append(self.name)
            return self.name + text

    one: Data = Of("a", object())
    assert one.f() == one.f("") == one.f(text="") == "a"
    assert calls == ["a"]


def test_key_that_does_not_take_all_arguments_says_so() -> None:
    @ef.cached(key=lambda x: x)
    def f(x: int, y: int = 0) -> int:
        return x

    with pytest.raises(TypeError, match=r"key of .*f gets all arguments, bound .*Give it the parameters of the"):
        f(1)

    def failing(x: int) -> int:
        raise TypeError("of its own")

    with pytest.raises(TypeError, match=r"^of its own$"):
        ef.cached(key=failing)(lambda x: x)(1)
