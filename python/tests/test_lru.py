"""What CPython's tests leave open: a model of `functools.lru_cache`, re-entry, changes under a search, references."""

from __future__ import annotations

import copy
import functools
import gc
import inspect
import itertools
import pickle
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import everfresh as ef
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

BOUNDS = (None, 0, 1, 2, 3, 7, 128)
# A cached function, or an argument of whatever kind.
Cached = Any


class Word(str):
    """Equal to the `str` of the same letters, and of another class."""


class Number(int):
    """Equal to the `int` of the same value, and of another class."""


NAN = float("nan")
NUMBERS = [0, 1, -1, -2, 2**30, -(2**30), 2**30 - 1, 2**61 - 1, 2**70, -(2**70), int("1073741824"), Number(1)]
OTHERS: list[object] = [True, False, 1.0, -1.0, 0.0, -0.0, NAN, None, (), (1,), ("a",), frozenset({1}), int, b"a", []]
WORDS = ["", "a", "b", "a" * 50, "".join(["a"] * 50), "\u00e9", "\u0416", "\U0001f40d", Word("a")]
ARGUMENTS = st.sampled_from([*NUMBERS, *OTHERS, *WORDS])
CALLS = st.tuples(
    st.lists(ARGUMENTS, max_size=3),
    st.lists(st.sampled_from(["x", "y", "self"]), unique=True, max_size=2),
    ARGUMENTS,
)


@settings(max_examples=400, deadline=None)
@given(
    maxsize=st.sampled_from(BOUNDS),
    typed=st.booleans(),
    calls=st.lists(st.one_of(CALLS, st.just("clear")), max_size=60),
)
def test_any_sequence_of_calls_answers_and_counts_as_functools_does(
    maxsize: Cached, typed: bool, calls: list[Any]
) -> None:
    def numbered() -> Callable[..., int]:
        count = itertools.count()

        def function(*arguments: object, **keywords: object) -> int:
            number = next(count)
            if arguments[:1] == (None,):
                raise LookupError(number)
            return number

        return function

    def outcome(cached: Cached, call: Cached) -> object:
        if call == "clear":
            return cached.cache_clear()
        arguments, names, value = call
        try:
            return cached(*arguments, **dict.fromkeys(names, value))
        except (LookupError, TypeError) as error:
            return type(error), str(error)

    ours: Cached = ef.lru_cache(maxsize, typed)(numbered())
    theirs: Cached = functools.lru_cache(maxsize, typed)(numbered())
    for call in calls:
        assert outcome(ours, call) == outcome(theirs, call)
        assert ours.cache_info() == theirs.cache_info()


@pytest.mark.parametrize("maxsize", [1, 10, 1000, None])
def test_thousands_of_keys_of_each_kind_are_found_again(maxsize: int | None) -> None:
    ours: Cached = ef.lru_cache(maxsize)(lambda *a, **k: (a, k))
    theirs: Cached = functools.lru_cache(maxsize)(lambda *a, **k: (a, k))
    for _round in range(2):
        for number in range(3000):
            for cached in (ours, theirs):
                assert cached(number) == ((number,), {})
                assert cached(str(number % 1500)) == ((str(number % 1500),), {})
                assert cached(number, b=number) == ((number,), {"b": number})
    assert ours.cache_info() == theirs.cache_info()


def test_every_attribute_of_the_wrapper_is_as_functools_has_it() -> None:
    def function(a: int, /, b: str = "b", *, c: bool = True) -> str:
        """What it does."""
        return f"{a}{b}{c}"

    ours: Cached = ef.lru_cache(maxsize=3, typed=True)(function)
    theirs: Cached = functools.lru_cache(maxsize=3, typed=True)(function)
    assert inspect.signature(ours) == inspect.signature(theirs)
    assert ours.cache_info() == theirs.cache_info()
    assert type(ours.cache_info()) is type(theirs.cache_info())
    assert ours.cache_parameters() == theirs.cache_parameters() == {"maxsize": 3, "typed": True}
    assert ours.__dict__.keys() == theirs.__dict__.keys()
    for name in (*functools.WRAPPER_ASSIGNMENTS, "__wrapped__"):
        assert getattr(ours, name) is getattr(theirs, name)
    assert str(inspect.signature(ours.cache_info)) == str(inspect.signature(ours.cache_clear)) == "()"
    assert ef.cache(function).cache_parameters() == functools.cache(function).cache_parameters()
    assert set(dir(theirs)) <= set(dir(ours))


@pytest.mark.parametrize("maxsize", [True, -5, 0, 2**40, None])
def test_every_maxsize_is_told_as_functools_tells_it(maxsize: int | None) -> None:
    ours, theirs = ef.lru_cache(maxsize)(abs), functools.lru_cache(maxsize)(abs)
    assert ours.cache_info() == theirs.cache_info()
    assert ours.cache_parameters() == theirs.cache_parameters()


@pytest.mark.parametrize("wrong", ["3", 3.0, [], object()])
def test_a_maxsize_that_is_no_number_is_refused(wrong: Cached) -> None:
    with pytest.raises(TypeError, match="Expected first argument to be an integer, a callable, or None"):
        ef.lru_cache(wrong)


def test_what_is_not_callable_is_refused() -> None:
    with pytest.raises(TypeError, match="the first argument must be callable"):
        ef.lru_cache(2)(3)  # type: ignore[arg-type]
    with pytest.raises(OverflowError):
        ef.lru_cache(2**80)(abs)


class Plain:
    @ef.lru_cache(maxsize=8)
    def method(self, x: int) -> tuple[object, int]:
        return self, x

    @staticmethod
    @ef.lru_cache(maxsize=8)
    def static(x: int) -> int:
        return x

    @classmethod
    @ef.cache
    def of_class(cls, x: int) -> tuple[object, int]:
        return cls, x


@ef.cache
def at_module(x: object) -> list[object]:
    return [x]


def test_methods_of_all_kinds_bind() -> None:
    instance = Plain()
    assert instance.method(1) == (instance, 1)
    assert Plain.method(instance, 1) == (instance, 1)
    assert Plain.method.cache_info().hits == 1
    assert (instance.static(2), Plain.static(2)) == (2, 2)
    assert Plain.of_class(3) == instance.of_class(3) == (Plain, 3)


def test_copies_and_pickles_are_the_function_itself() -> None:
    for function in (at_module, Plain.static, Plain.method):
        assert copy.copy(function) is copy.deepcopy(function) is function
        assert pickle.loads(pickle.dumps(function)) is function


def test_results_are_handed_out_as_they_are() -> None:
    assert at_module(1) is at_module(1)


@pytest.mark.parametrize("maxsize", [2, None])
@pytest.mark.parametrize("arguments", [([],), (1, {}), ({1: []}, 2, 3)])
def test_an_argument_without_a_hash_is_refused_and_nothing_counted(maxsize: int | None, arguments: Cached) -> None:
    cached: Cached = ef.lru_cache(maxsize)(lambda *_, **__: 0)
    with pytest.raises(TypeError, match="unhashable type"):
        cached(*arguments)
    with pytest.raises(TypeError, match="unhashable type"):
        cached(x=[])
    assert cached.cache_info()[:2] == (0, 0)


class Key:
    """Equal by number; `then` runs in each comparison that it takes part in."""

    def __init__(self, number: int, then: Callable[[], object] | None = None) -> None:
        self.number = number
        self.then = then

    def __hash__(self) -> int:
        return 7

    def __eq__(self, other: object) -> bool:
        for key in (self, other):
            if isinstance(key, Key) and key.then is not None:
                key.then()
        return isinstance(other, Key) and self.number == other.number


def shapes(key: Key) -> list[tuple[tuple[object, ...], dict[str, object]]]:
    return [((key,), {}), ((key, 1), {}), ((1,), {"k": key})]


@pytest.mark.parametrize("shape", range(3))
@pytest.mark.parametrize("maxsize", [1, 2, 5, None])
def test_an_eq_that_clears_the_cache_is_survived(maxsize: int | None, shape: int) -> None:
    cached: Cached = ef.lru_cache(maxsize)(lambda *a, **k: object())

    def call(key: Key) -> object:
        arguments, keywords = shapes(key)[shape]
        return cached(*arguments, **keywords)

    call(Key(1))
    call(Key(2))
    for _ in range(5):
        assert call(Key(1, cached.cache_clear)) is not None
    assert cached.cache_info().currsize <= 2


@pytest.mark.parametrize("shape", range(3))
@pytest.mark.parametrize("maxsize", [1, 2, 5, None])
def test_an_eq_that_fills_the_cache_is_survived(maxsize: int | None, shape: int) -> None:
    fresh = itertools.count(100)
    cached: Cached = ef.lru_cache(maxsize)(lambda *a, **k: object())

    def call(key: Key) -> object:
        arguments, keywords = shapes(key)[shape]
        return cached(*arguments, **keywords)

    def fill() -> None:
        for _ in range(20):
            cached(next(fresh))

    for number in range(4):
        call(Key(number))
    kept = call(Key(9, fill))
    assert kept is not None
    info = cached.cache_info()
    assert info.currsize == (maxsize if maxsize is not None else info.misses)


@pytest.mark.parametrize("maxsize", [1, 4, None])
def test_an_eq_that_searches_for_its_own_key_ends(maxsize: int | None) -> None:
    cached: Cached = ef.lru_cache(maxsize)(lambda key: key.number)
    depth = 0

    def again() -> None:
        nonlocal depth
        if depth < 10:
            depth += 1
            cached(Key(3, again))

    cached(Key(1))
    cached(Key(2))
    assert cached(Key(3, again)) == 3
    assert cached(Key(3)) == 3


@pytest.mark.parametrize("shape", range(3))
@pytest.mark.parametrize("maxsize", [3, None])
def test_what_eq_raises_is_raised_and_the_cache_stays_whole(maxsize: int | None, shape: int) -> None:
    cached: Cached = ef.lru_cache(maxsize)(lambda *a, **k: 5)

    def fail() -> None:
        raise ZeroDivisionError

    def call(key: Key) -> object:
        arguments, keywords = shapes(key)[shape]
        return cached(*arguments, **keywords)

    call(Key(1))
    with pytest.raises(ZeroDivisionError):
        call(Key(1, fail))
    assert call(Key(1)) == 5
    assert cached.cache_info()[:2] == (1, 1)


@pytest.mark.parametrize("maxsize", [3, None])
def test_what_hash_raises_is_raised(maxsize: int | None) -> None:
    class Bad:
        def __hash__(self) -> int:
            raise ZeroDivisionError

    cached: Cached = ef.lru_cache(maxsize)(lambda *a, **k: 5)
    for arguments in ((Bad(),), (1, Bad()), (Bad(), 1)):
        with pytest.raises(ZeroDivisionError):
            cached(*arguments)
        with pytest.raises(ZeroDivisionError):
            cached(k=arguments[-1], l=arguments[0])
    assert cached.cache_info()[:2] == (0, 0)


@pytest.mark.parametrize("maxsize", [4, None])
def test_a_key_that_comes_while_it_is_computed_is_stored_as_functools_does(maxsize: int | None) -> None:
    def results(lru_cache: Cached) -> list[object]:
        number = itertools.count()

        @lru_cache(maxsize)  # type: ignore[untyped-decorator]
        def function(x: int) -> int:
            first = next(number)
            if first == 0:
                function(x)
            return first

        return [function(1), function(1), function.cache_info()]

    assert results(ef.lru_cache) == results(functools.lru_cache)


def test_a_function_that_clears_its_own_cache_is_stored_after_it() -> None:
    @ef.lru_cache(2)
    def function(x: int) -> int:
        function.cache_clear()
        return x

    assert [function(1), function(2), function(2)] == [1, 2, 2]
    assert function.cache_info() == (1, 0, 2, 1)


@pytest.mark.parametrize("maxsize", [0, 1, 100, None])
@pytest.mark.parametrize("typed", [False, True])
def test_every_reference_is_given_back(maxsize: int | None, typed: bool) -> None:
    class Value:
        pass

    objects = [Value() for _ in range(6)]
    keyword = "k" + str(objects[0])
    before = [sys.getrefcount(thing) for thing in (*objects, keyword, Value)]
    cached: Cached = ef.lru_cache(maxsize, typed)(lambda *a, **k: objects[5])
    for _ in range(3):
        cached(objects[0])
        cached(objects[1], objects[2])
        cached(objects[3], **{keyword: objects[4]})
        cached(keyword)
        cached(10**30)
        with pytest.raises(TypeError):
            cached(objects[0], []) if maxsize != 0 else abs([])  # type: ignore[arg-type]
    assert cached(objects[0]) is objects[5]
    cached.cache_clear()
    del cached
    gc.collect()
    assert [sys.getrefcount(thing) for thing in (*objects, keyword, Value)] == before


@pytest.mark.parametrize("maxsize", [0, 5, None])
def test_a_cycle_through_the_cache_is_collected(maxsize: int | None) -> None:
    class Node:
        def __call__(self, x: object) -> object:
            return x

    node = Node()
    cached: Any = ef.lru_cache(maxsize)(node)
    node.cached = cached  # type: ignore[attr-defined]
    key = Node()
    key.cached = cached  # type: ignore[attr-defined]
    cached(key)
    cached(cached)
    cached.itself = cached
    gone = [weakref.ref(node), weakref.ref(cached), weakref.ref(key)]
    del node, cached, key
    gc.collect()
    assert [reference() for reference in gone] == [None, None, None]


def test_the_collector_sees_keys_and_results() -> None:
    cached: Cached = ef.lru_cache(4)(lambda *a, **k: result)
    result, one, two = object(), object(), object()
    cached(one)
    cached(1, two=two)
    referents = gc.get_referents(cached)
    assert all(any(thing is seen for seen in referents) for thing in (result, one, two, cached.__wrapped__))


def test_a_result_whose_end_calls_the_cache_again_is_survived() -> None:
    ended = []

    class Last:
        def __del__(self) -> None:
            ended.append(cached("from the end"))

    cached: Cached = ef.lru_cache(1)(lambda x: Last() if x == "first" else x)
    cached("first")
    cached("second")
    assert ended == ["from the end"]
    cached("first")
    cached.cache_clear()
    assert ended == ["from the end"] * 2
    assert cached.cache_info().currsize == 1


def test_a_chain_of_a_hundred_thousand_wrappers_is_freed() -> None:
    code = """
import everfresh
function = abs
for _ in range(100_000):
    function = everfresh.lru_cache(1)(function)
del function
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60, env={"PYTHONPATH": ":".join(sys.path)})


def test_recursion_without_end_is_an_error_not_a_crash() -> None:
    @ef.cache
    def down(n: int) -> int:
        return down(n + 1)

    with pytest.raises(RecursionError):
        down(0)


def test_threads_find_what_they_put_while_others_clear_and_evict() -> None:
    class Slow:
        """Lets other threads in wherever it is compared."""

        def __init__(self, number: int) -> None:
            self.number = number

        def __hash__(self) -> int:
            return self.number % 3

        def __eq__(self, other: object) -> bool:
            sys.getswitchinterval()
            return isinstance(other, Slow) and self.number == other.number

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for maxsize in (3, None):
            cached: Cached = ef.lru_cache(maxsize)(lambda key, cached=None: key.number)
            barrier = threading.Barrier(4)

            def work(seed: int, cached: Cached = cached, barrier: threading.Barrier = barrier) -> None:
                barrier.wait()
                for step in range(400):
                    number = (step * seed) % 11
                    assert cached(Slow(number)) == number
                    if step % 50 == seed:
                        cached.cache_clear()

            with ThreadPoolExecutor(4) as pool:
                for done in [pool.submit(work, seed) for seed in (1, 2, 3, 5)]:
                    done.result()
            assert cached.cache_info().currsize <= (maxsize or 11)
    finally:
        sys.setswitchinterval(before)


def test_a_subclass_keeps_its_own_attributes() -> None:
    class Special(type(ef.cache(abs))):  # type: ignore[misc]
        extra = 5

    special = Special(abs, 2, False, tuple)
    assert (special(-3), special.extra) == (3, 5)
    del special
    gc.collect()


def test_importing_the_package_imports_neither_typing_nor_inspect() -> None:
    code = """
import sys
before = set(sys.modules)
import everfresh
print(*{"typing", "inspect", "functools", "dataclasses", "collections"} & (set(sys.modules) - before))
"""
    path = ":".join(sys.path)
    ran = subprocess.run(
        [sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True, env={"PYTHONPATH": path}
    )
    assert ran.stdout.split() == []
