"""`everfresh.cached` in one process: what meets in one entry, what is kept, what is handed out, who computes."""

from __future__ import annotations

import asyncio
import copy
import gc
import inspect
import pickle
import threading
import warnings
import weakref
from pathlib import Path
from typing import Any

import everfresh as ef
import pytest

LIMIT = 10


def misses(function: Any) -> int:
    return int(function.cache_info().misses)


# Keys


def test_a_call_is_computed_once_however_its_arguments_are_written() -> None:
    @ef.cached
    def add(x: int, y: int = 2, *, z: int = 3) -> int:
        return x + y + z

    assert [add(1), add(x=1), add(1, 2), add(1, y=2), add(y=2, x=1, z=3)] == [6] * 5
    assert misses(add) == 1
    assert add(1, 2, z=4) == 7
    assert misses(add) == 2


def test_further_arguments_and_keywords_take_part() -> None:
    @ef.cached
    def collect(*args: int, **kwargs: int) -> tuple[object, ...]:
        return args, tuple(kwargs.items())

    assert collect(1, 2, a=3) == ((1, 2), (("a", 3),))
    assert collect(1, 2, a=4) == ((1, 2), (("a", 4),))
    assert collect(1, a=3) == ((1,), (("a", 3),))
    assert misses(collect) == 3


def test_arguments_that_have_no_hash_are_found_by_what_they_hold() -> None:
    @ef.cached
    def total(numbers: list[int]) -> int:
        return sum(numbers)

    numbers = [1, 2]
    assert (total(numbers), total([1, 2])) == (3, 3)
    assert misses(total) == 1
    numbers.append(4)
    assert total(numbers) == 7


def test_an_object_is_told_by_its_attributes_and_not_by_its_address() -> None:
    class Point:
        def __init__(self, x: int) -> None:
            self.x = x

        def __everfresh_key__(self) -> int:
            return self.x

    @ef.cached
    def double(point: Point) -> int:
        return point.x * 2

    point = Point(1)
    assert (double(point), double(Point(1))) == (2, 2)
    point.x = 5
    assert double(point) == 10


def test_ignored_parameters_do_not_count() -> None:
    @ef.cached(ignore="connection")
    def query(connection: object, text: str) -> str:
        return text

    assert query(object(), "a") == query(object(), "a") == "a"
    assert misses(query) == 1


def test_a_key_of_ones_own_stands_in_place_of_the_arguments() -> None:
    @ef.cached(key=lambda text: text.lower(), typed=True)
    def shout(text: str) -> str:
        return text.upper()

    assert (shout("a"), shout("A")) == ("A", "A")
    assert misses(shout) == 1


def test_an_argument_without_a_fingerprint_is_a_type_error_that_names_it_and_the_ways_out() -> None:
    @ef.cached
    def use(lock: object) -> None:
        return None

    with pytest.raises(TypeError, match=r"lock.*") as raised:
        use(threading.Lock())
    for way in ("__everfresh_key__", "ignore", "key"):
        assert way in str(raised.value)


def test_the_order_of_a_dict_counts_unless_it_is_said_to_be_free() -> None:
    def first(of: dict[str, int]) -> str:
        return next(iter(of))

    ordered, free = ef.cached(first), ef.cached(order_free=True)(first)
    assert (ordered({"a": 1, "b": 2}), ordered({"b": 2, "a": 1})) == ("a", "b")
    free({"a": 1, "b": 2})
    free({"b": 2, "a": 1})
    assert misses(free) == 1


# What is handed out


def test_a_callers_change_never_reaches_the_cache() -> None:
    @ef.cached
    def make(n: int) -> list[list[int]]:
        return [[n]]

    first = make(1)
    first[0].append(9)
    second = make(1)
    second.append([7])
    assert make(1) == [[1]]
    assert misses(make) == 1


def test_arrays_are_handed_out_read_only() -> None:
    numpy = pytest.importorskip("numpy")

    @ef.cached
    def make() -> Any:
        return numpy.arange(3)

    make()
    again = make()
    assert not again.flags.writeable
    assert again.tolist() == [0, 1, 2]


# What is kept


def test_maxsize_keeps_the_last_used() -> None:
    @ef.cached(maxsize=2)
    def square(n: int) -> int:
        return n * n

    for n in (1, 2, 1, 3):
        square(n)
    assert square.cache_info() == (1, 3, 2, 2)
    square(1)
    assert misses(square) == 3
    square(2)
    assert misses(square) == 4


def test_maxbytes_bounds_the_sum_of_all_results() -> None:
    @ef.cached(maxsize=None, maxbytes="10kB")
    def make(n: int) -> bytes:
        return bytes(4_000)

    for n in range(5):
        make(n)
    assert make.cache_info().currsize == 2


def test_errors_are_not_kept_unless_asked_for() -> None:
    def fail() -> None:
        raise ValueError("no")

    plain, kept = ef.cached(fail), ef.cached(errors=True)(fail)
    for function in (plain, plain, kept, kept):
        with pytest.raises(ValueError, match="no"):
            function()
    assert (misses(plain), misses(kept)) == (2, 1)


def test_a_result_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    @ef.cached(ttl=0.0)
    def now() -> int:
        return 1

    now()
    now()
    assert misses(now) == 2


def test_what_reads_a_file_is_computed_anew_when_it_changes_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_text("one")

    @ef.cached
    def read(path: Path) -> str:
        return path.read_text()

    assert (read(path), read(path), misses(read)) == ("one", "one", 1)
    path.write_text("two")
    assert read.cache_explain(path) == f"miss: the file `{path}` changed"
    assert read(path) == "two"
    assert read.cache_explain(path).startswith("hit in memory")


def test_a_global_that_changes_in_the_process_counts() -> None:
    @ef.cached
    def limited(n: int) -> int:
        return min(n, LIMIT)

    assert limited(20) == 10
    globals()["LIMIT"] = 12
    try:
        assert limited(20) == 12
    finally:
        globals()["LIMIT"] = 10
    assert limited(20) == 10


def test_declared_dependencies_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    level = {"now": 1}

    @ef.cached(depends=(ef.file(tmp_path / "a"), ef.env("EVERFRESH_TEST"), ef.value("level", lambda: level["now"])))
    def work() -> int:
        return 1

    work()
    work()
    assert misses(work) == 1
    (tmp_path / "a").write_text("x")
    work()
    assert misses(work) == 2
    monkeypatch.setenv("EVERFRESH_TEST", "x")
    work()
    assert misses(work) == 3
    level["now"] = 2
    work()
    assert misses(work) == 4


def test_a_caller_is_made_out_of_date_with_what_it_calls() -> None:
    @ef.cached(tags="rates")
    def inner(n: int) -> int:
        return n

    @ef.cached
    def outer(n: int) -> int:
        return inner(n) + 1

    outer(1)
    outer(1)
    assert misses(outer) == 1
    inner.cache_invalidate(1)
    outer(1)
    assert misses(outer) == 2
    ef.invalidate_tag("rates")
    outer(1)
    assert (misses(outer), misses(inner)) == (3, 3)


# Verbs


def test_invalidate_refresh_contains_and_clear() -> None:
    @ef.cached
    def square(n: int) -> int:
        return n * n

    assert not square.cache_contains(3)
    square(3)
    assert square.cache_contains(3)
    assert square.cache_invalidate(3)
    assert not square.cache_contains(3)
    square(3)
    assert square.cache_refresh(3) == 9
    assert misses(square) == 3
    square(3)
    assert misses(square) == 3
    square.cache_clear()
    assert not square.cache_contains(3)
    assert square.cache_parameters()["maxsize"] == 128


def test_it_looks_like_the_function() -> None:
    @ef.cached
    def documented(n: int) -> int:
        """Says what it does."""
        return n

    assert (documented.__name__, documented.__doc__) == ("documented", "Says what it does.")
    assert str(inspect.signature(documented)) == "(n: 'int') -> 'int'"
    assert copy.copy(documented) is documented
    assert documented.__wrapped__(4) == 4


@ef.cached
def at_the_top(n: int) -> int:
    return n


def test_it_is_pickled_by_its_name() -> None:
    assert pickle.loads(pickle.dumps(at_the_top)) is at_the_top


def test_generators_are_refused() -> None:
    with pytest.raises(TypeError, match="generator"):

        @ef.cached
        def numbers() -> object:
            yield 1


@pytest.mark.parametrize(
    "settings", [{"ttl": "soon"}, {"maxbytes": "many"}, {"verify": 2}, {"stale": "1h"}, {"ignore": "nothing"}]
)
def test_settings_that_make_no_sense_are_value_errors(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(settings)) + "|duration|size"):
        ef.cached(**settings)(lambda n: n)


def test_a_function_that_is_not_pure_is_reported_once(tmp_path: Path) -> None:
    target = tmp_path / "out"

    def write(n: int) -> int:
        target.write_text(str(n))
        return n

    with pytest.warns(ef.ImpureWarning, match="not pure: it writes .*ttl"):
        function = ef.cached(write)
        function(1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        function(2)
        ef.cached(ttl="1h")(write)(3)
    with pytest.raises(ef.ImpureError, match="writes"):
        ef.cached(strict=True)(write)(4)


# Methods


class Scale:
    def __init__(self, factor: int) -> None:
        self.factor = factor

    @ef.cached
    def of(self, n: int) -> int:
        return n * self.factor

    @classmethod
    @ef.cached
    def name(cls) -> str:
        return cls.__name__

    @staticmethod
    @ef.cached
    def twice(n: int) -> int:
        return n * 2


def test_methods_count_what_the_instance_holds() -> None:
    one, two = Scale(1), Scale(2)
    assert (one.of(5), two.of(5), one.of(5)) == (5, 10, 5)
    one.factor = 3
    assert one.of(5) == 15
    # What type checkers make of a class method of a generic callable differs.
    names: Any = Scale
    assert (names.name(), names(1).name(), names.twice(2), names(1).twice(2)) == ("Scale", "Scale", 4, 4)


def test_a_cache_does_not_keep_an_instance_alive() -> None:
    scale = Scale(1)
    scale.of(5)
    alive = weakref.ref(scale)
    del scale
    gc.collect()
    assert alive() is None


# Single flight


def test_threads_that_ask_for_one_key_compute_it_once() -> None:
    begun, gate = threading.Event(), threading.Event()

    @ef.cached(ignore=("begun", "gate"))
    def slow(begun: threading.Event, gate: threading.Event, n: int) -> int:
        begun.set()
        gate.wait()
        return n

    results: list[int] = []
    threads = [threading.Thread(target=lambda: results.append(slow(begun, gate, 7))) for _ in range(4)]
    for thread in threads:
        thread.start()
    begun.wait()
    gate.set()
    for thread in threads:
        thread.join()
    assert results == [7] * 4
    assert misses(slow) == 1


def test_a_recursive_function_computes_each_value_once() -> None:
    @ef.cached(maxsize=None)
    def fib(n: int) -> int:
        return n if n < 2 else fib(n - 1) + fib(n - 2)

    assert fib(60) == 1548008755920
    assert misses(fib) == 61


def test_tasks_that_await_one_key_compute_it_once() -> None:
    @ef.cached
    async def slow(n: int) -> list[int]:
        await asyncio.sleep(0)
        return [n]

    async def main() -> list[list[int]]:
        return await asyncio.gather(*(slow(3) for _ in range(5)))

    assert asyncio.run(main()) == [[3]] * 5
    assert asyncio.run(main()) == [[3]] * 5, "another event loop finds it too"
    assert misses(slow) == 1
    assert inspect.iscoroutinefunction(slow) or asyncio.iscoroutinefunction(slow)


def test_a_cancelled_leader_hands_over() -> None:
    async def main() -> int:
        begun, gate = asyncio.Event(), asyncio.Event()

        class Gate:
            def __everfresh_key__(self) -> int:
                return 1

        @ef.cached(ignore="gate")
        async def slow(gate: object, n: int) -> int:
            begun.set()
            await gate.wait()  # type: ignore[attr-defined]
            return n

        leader = asyncio.create_task(slow(gate, 1))
        await begun.wait()
        waiter = asyncio.create_task(slow(gate, 1))
        await asyncio.sleep(0)
        leader.cancel()
        gate.set()
        result = await waiter
        with pytest.raises(asyncio.CancelledError):
            await leader
        return result

    assert asyncio.run(main()) == 1


def test_an_async_error_reaches_the_caller_and_is_not_kept() -> None:
    @ef.cached
    async def fail() -> None:
        await asyncio.sleep(0)
        raise ValueError("no")

    for _ in range(2):
        with pytest.raises(ValueError, match="no"):
            asyncio.run(fail())
    assert misses(fail) == 2


# Stores


def test_results_in_a_store_are_found_by_another_function_object(tmp_path: Path) -> None:
    store = ef.Store(tmp_path / "results", max_size="1GB")

    def define() -> Any:
        @ef.cached(store=store)
        def double(values: list[int]) -> dict[str, list[int]]:
            return {"double": [value * 2 for value in values]}

        return double

    first, second = define(), define()
    assert first([1, 2]) == {"double": [2, 4]}
    assert second([1, 2]) == {"double": [2, 4]}
    assert (misses(first), misses(second)) == (1, 0)
    assert store.size() > 0
    store.clear()
    assert not define().cache_contains([1, 2])


def test_a_result_without_an_encoding_is_a_type_error_that_names_it_unless_it_may_be_pickled(tmp_path: Path) -> None:
    store = ef.Store(tmp_path / "results")

    class Odd:
        pass

    def make() -> object:
        return Exception("odd")

    with pytest.raises(TypeError, match=r"Exception.*pickle"):
        ef.cached(store=store)(make)()
    assert str(ef.cached(store=store, pickle=True)(make)()) == "odd"


def test_stats_tell_what_each_function_did() -> None:
    @ef.cached
    def counted(n: int) -> int:
        return n

    counted(1)
    counted(1)
    own = next(stats for name, stats in ef.stats().items() if name.endswith("counted"))
    assert (own["memory_hits"], own["loads"], own["size"]) == (1, 1, 1)
