"""Every wrapper as a Python object: copied, pickled, inspected and collected as functions are."""

from __future__ import annotations

import asyncio
import copy
import doctest
import functools
import gc
import inspect
import pickle
import pydoc
import subprocess
import sys
import tempfile
import types
import typing
import weakref
from collections.abc import Callable
from typing import Any

import everfresh as ef
import pytest

# Any wrapper here.
Wrapper = Any
memory = ef.Memory(tempfile.mkdtemp(), verbose=0)
off = ef.Memory(None, verbose=0)


@ef.cached
def sync(x: int, y: str = "a") -> int:
    """Of a number."""
    return x


@ef.cached(ttl=60)
async def later(x: int, y: str = "a") -> int:
    """Of a number."""
    return x


@ef.lru_cache
def lru(x: int, y: str = "a") -> int:
    """Of a number."""
    return x


@ef.cache
def unbounded(x: int, y: str = "a") -> int:
    """Of a number."""
    return x


@memory.cache
def remembered(x: int, y: str = "a") -> int:
    """Of a number."""
    return x


@memory.cache
async def remembered_later(x: int, y: str = "a") -> int:
    """Of a number."""
    return x


@off.cache
def forgotten(x: int, y: str = "a") -> int:
    """Of a number."""
    return x


@ef.precomputed(range(9), range(9))
def table(x: int, y: str = "a") -> int:
    """Of a number."""
    return x


@ef.precomputed(range(9))
def native_table(x: int, y: str = "a") -> int:
    """Of a number."""
    return x


class Box:
    """A class with one of each."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Box)

    def __hash__(self) -> int:
        return 1

    @ef.cached
    def method(self, x: int, y: str = "a") -> int:
        """Of a number."""
        return x

    @ef.cached
    async def method_later(self, x: int, y: str = "a") -> int:
        """Of a number."""
        return x

    @memory.cache
    def stored(self, x: int, y: str = "a") -> int:
        """Of a number."""
        return x

    @off.cache
    async def unstored(self, x: int, y: str = "a") -> int:
        """Of a number."""
        return x

    @classmethod
    @ef.cached
    def of_class(cls, x: int, y: str = "a") -> int:
        """Of a number."""
        return x

    @staticmethod
    @ef.cached
    def static(x: int, y: str = "a") -> int:
        """Of a number."""
        return x


box = Box()
BOUND: dict[str, Callable[[], Wrapper]] = {
    "method of an instance": lambda: box.method,
    "async method of an instance": lambda: box.method_later,
    "class method": lambda: Box.of_class,
    "method of a memory": lambda: box.stored,
    "async method of a memory that is off": lambda: box.unstored,
}
FUNCTIONS: dict[str, Callable[[], Wrapper]] = {
    "cached": lambda: sync,
    "async cached": lambda: later,
    "lru_cache": lambda: lru,
    "cache": lambda: unbounded,
    "memory": lambda: remembered,
    "async memory": lambda: remembered_later,
    "memory that is off": lambda: forgotten,
    "precomputed": lambda: table,
    "precomputed, native": lambda: native_table,
    "static method": lambda: Box.static,
}
METHODS: dict[str, Callable[[], Wrapper]] = {
    "method of a class": lambda: Box.method,
    "memory's method of a class": lambda: Box.stored,
}
ALL = FUNCTIONS | METHODS | BOUND


def each(wrappers: dict[str, Callable[[], Wrapper]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("get", wrappers.values(), ids=wrappers.keys())


@each(FUNCTIONS | METHODS)
def test_a_copy_is_the_function_itself(get: Callable[[], Wrapper]) -> None:
    assert copy.copy(get()) is get()
    assert copy.deepcopy(get()) is get()
    assert copy.deepcopy([get()])[0] is get()


@each(FUNCTIONS | METHODS)
def test_a_function_is_pickled_by_its_name(get: Callable[[], Wrapper]) -> None:
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        assert pickle.loads(pickle.dumps(get(), protocol)) is get()


@each(BOUND)
def test_a_bound_method_is_copied_and_pickled_with_what_it_is_bound_to(get: Callable[[], Wrapper]) -> None:
    bound = get()
    assert bound == get() and hash(bound) == hash(get())
    assert copy.copy(bound) == bound
    for again in (copy.deepcopy(bound), pickle.loads(pickle.dumps(bound))):
        assert again.__self__ == bound.__self__
        assert again.__name__ == bound.__name__


def test_a_function_that_no_name_finds_is_not_pickled() -> None:
    local: Wrapper = ef.cached(lambda x: x)
    with pytest.raises((pickle.PicklingError, AttributeError)):
        pickle.dumps(local)


@each(ALL)
def test_it_has_the_attributes_of_what_it_wraps(get: Callable[[], Wrapper]) -> None:
    wrapper = get()
    function = wrapper.__wrapped__
    assert type(function) is types.FunctionType
    assert inspect.unwrap(wrapper) is function
    for name in ("__name__", "__qualname__", "__doc__", "__annotations__"):
        assert getattr(wrapper, name) == getattr(function, name)
    assert wrapper.__doc__ == "Of a number."
    assert typing.get_type_hints(wrapper) == {"x": int, "y": str, "return": int}


@each(FUNCTIONS | METHODS)
def test_it_belongs_to_the_module_of_what_it_wraps(get: Callable[[], Wrapper]) -> None:
    assert get().__module__ == __name__


@each(ALL)
def test_its_signature_is_that_of_what_it_wraps(get: Callable[[], Wrapper]) -> None:
    wrapper = get()
    own = str(inspect.signature(wrapper))
    first = "self, " if wrapper in (Box.method, Box.stored) else ""
    assert own == f"({first}x: 'int', y: 'str' = 'a') -> 'int'"
    assert inspect.signature(functools.partial(wrapper, y="b")).parameters["y"].default == "b"


@each(ALL)
def test_help_shows_the_function_and_not_the_wrapper(get: Callable[[], Wrapper]) -> None:
    text = pydoc.plain(pydoc.render_doc(get()))
    # Since 3.13 a `functools.partial` is shown as an object.
    assert f"{get().__name__}(" in text or (sys.version_info >= (3, 13) and isinstance(get(), functools.partial))
    assert "Of a number." in text
    assert "cache_info" not in text and "__slots__" not in text


def test_help_of_a_class_shows_its_cached_methods() -> None:
    text = pydoc.plain(pydoc.render_doc(Box))
    for name in ("method", "method_later", "stored", "unstored", "of_class", "static"):
        assert f"{name}(" in text
    assert text.count("Of a number.") == 6


@each(ALL)
def test_it_can_be_referred_to_weakly(get: Callable[[], Wrapper]) -> None:
    wrapper = get()
    assert weakref.ref(wrapper)() is wrapper


@each(ALL)
def test_it_takes_attributes_and_wraps_as_functions_do(get: Callable[[], Wrapper]) -> None:
    wrapper = get()

    @functools.wraps(wrapper)
    def around(*args: Any, **kwargs: Any) -> Any:
        return wrapper(*args, **kwargs)

    assert (around.__name__, around.__doc__) == (wrapper.__name__, "Of a number.")
    assert inspect.unwrap(around) is wrapper.__wrapped__
    assert callable(wrapper) and wrapper == wrapper and wrapper in {wrapper}
    assert bool(wrapper)


@each(FUNCTIONS | METHODS)
def test_a_function_takes_attributes(get: Callable[[], Wrapper]) -> None:
    get().mark = 1
    try:
        assert get().mark == 1
    finally:
        del get().mark


@each({name: get for name, get in ALL.items() if "async" in name})
def test_a_wrapper_of_a_coroutine_function_is_one(get: Callable[[], Wrapper]) -> None:
    is_one = inspect.iscoroutinefunction if sys.version_info >= (3, 12) else asyncio.iscoroutinefunction
    assert is_one(get())

    async def twice() -> list[int]:
        return [await get()(3), await asyncio.create_task(_awaited(get()(3)))]

    assert asyncio.run(twice()) == [3, 3]


async def _awaited(awaitable: Any) -> Any:
    return await awaitable


def test_doctest_finds_the_examples_of_cached_functions() -> None:
    module = types.ModuleType("examples")

    def double(x: int) -> int:
        """
        >>> 1 + 1
        2
        """
        return 2 * x

    double.__module__ = "examples"
    found: list[Wrapper] = [wrap(double) for wrap in made().values()]
    for number, wrapper in enumerate(found):
        setattr(module, f"f{number}", wrapper)
    cases = [test for test in doctest.DocTestFinder().find(module, globs={}) if test.examples]
    assert {case.name for case in cases} == {f"examples.f{number}" for number in range(len(found))}


def made() -> dict[str, Callable[[Wrapper], Wrapper]]:
    return {
        "cached": ef.cached,
        "cached with a key": ef.cached(key=lambda x: x),
        "lru_cache": ef.lru_cache,
        "cache": ef.cache,
        "memory": memory.cache,
        "memory that is off": off.cache,
        "precomputed": ef.precomputed(range(4)),
        "precomputed in steps": ef.precomputed(range(0, 4, 2)),
    }


@pytest.mark.parametrize("wrap", made().values(), ids=made().keys())
def test_a_wrapper_in_a_cycle_with_its_results_is_collected(wrap: Callable[[Wrapper], Wrapper]) -> None:
    def function(x: int) -> int:
        return x + len(seen)

    seen: list[Wrapper] = []
    wrapper = wrap(function)
    wrapper(1), wrapper(1), wrapper(2)
    wrapper.cycle = [wrapper, wrapper.__call__]
    gone = weakref.ref(wrapper), weakref.ref(function)
    del wrapper, function
    # The code of what is called last may be held a while.
    gc.collect()
    assert [reference() for reference in gone] == [None, None]


def test_an_instance_and_its_class_are_collected_with_their_cached_methods() -> None:
    class Local:
        @ef.cached
        def method(self) -> int:
            return 1

        @classmethod
        @ef.cached
        def of_class(cls) -> int:
            return 2

        @property
        @ef.cached
        def named(self) -> int:
            return 3

    def use() -> list[weakref.ref[Any]]:
        one = Local()
        assert (one.method(), one.of_class(), one.named, Local.method(one)) == (1, 2, 3, 1)
        return [weakref.ref(one)]

    gone = use()
    gc.collect()
    assert gone[0]() is None


def test_wrappers_survive_the_end_of_the_interpreter() -> None:
    script = """
import atexit, everfresh as ef, weakref
@ef.cached
def f(x): return x
@ef.precomputed(range(3))
def g(x): return x
@ef.lru_cache
def h(x): return x
class Box:
    @ef.cached
    def m(self): return 1
    def __del__(self): f(2), g(2), h(2)
f(1), g(1), h(1)
box = Box(); box.m(); f.box = box; f.cycle = f
atexit.register(lambda: print(f(5), g(2), h(7), box.m()))
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert (run.returncode, run.stdout) == (0, "5 2 7 1\n")
    assert "Traceback" not in run.stderr
