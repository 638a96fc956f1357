"""What once went wrong with `everfresh.cached`, each as a case of its own."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import textwrap
import threading
import weakref
from decimal import Decimal
from pathlib import Path
from typing import Any

import everfresh as ef
import pytest

VERSION = 1


def run(folder: Path, script: str) -> str:
    """What a script prints in a process of its own."""
    (folder / "main.py").write_text(textwrap.dedent(script))
    done = subprocess.run(
        [sys.executable, "main.py"], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_code_that_changes_while_a_result_is_computed_is_not_taken_for_what_computed_it() -> None:
    begun, gate = threading.Event(), threading.Event()

    @ef.cached(ignore=("begun", "gate"))
    def work(n: int, begun: threading.Event, gate: threading.Event) -> int:
        seen = VERSION
        if n == 1:
            begun.set()
            gate.wait()
        return seen

    thread = threading.Thread(target=lambda: work(1, begun, gate))
    thread.start()
    begun.wait()
    globals()["VERSION"] = 2
    try:
        assert work(2, begun, gate) == 2
        gate.set()
        thread.join()
        assert work(1, begun, gate) == 2
    finally:
        globals()["VERSION"] = 1


@pytest.mark.parametrize(
    ("one", "other"),
    [(Decimal("1.0"), Decimal("1.00")), (0.0, -0.0), ((1,), (1.0,)), (range(0, 3, 2), range(0, 4, 2))],
)
def test_equal_arguments_of_one_type_that_a_program_can_tell_apart_are_apart(one: Any, other: Any) -> None:
    @ef.cached(typed=True)
    def show(value: Any) -> str:
        return repr(value)

    assert one == other
    assert (show(one), show(other)) == (repr(one), repr(other))


class Holder:
    def __init__(self, value: int) -> None:
        self.value = value

    @ef.cached
    def get(self) -> int:
        return self.value


class Slotted:
    __slots__ = ("__weakref__", "value")

    def __init__(self, value: int) -> None:
        self.value = value

    @ef.cached
    def get(self) -> int:
        return self.value


class Words(list[str]):
    @ef.cached
    def total(self) -> int:
        return len(self)


class Name(str):
    @ef.cached
    def shout(self) -> str:
        return self.upper()


def test_a_method_of_an_object_that_nobody_else_holds() -> None:
    assert Holder(7).get() == 7
    method = Holder(8).get
    gc.collect()
    assert method() == 8


def test_instances_are_told_by_slots_and_by_what_they_inherit_from_builtin_types() -> None:
    slotted = Slotted(1)
    assert (slotted.get(), Slotted(2).get()) == (1, 2)
    slotted.value = 3
    assert slotted.get() == 3
    words = Words(["a"])
    assert words.total() == 1
    words.append("b")
    assert words.total() == 2
    assert (Name("a").shout(), Name("b").shout()) == ("A", "B")


def test_the_key_function_is_a_part_of_the_key(tmp_path: Path) -> None:
    store = ef.Store(tmp_path / "results")

    def define(key: Any) -> Any:
        @ef.cached(store=store, key=key)
        def pair(a: int, b: int) -> tuple[int, int]:
            return a, b

        return pair

    assert define(lambda a, b: a)(1, 2) == (1, 2)
    assert define(lambda a, b: b)(7, 1) == (7, 1)


def test_a_cached_function_and_what_it_holds_can_be_collected() -> None:
    class Held:
        pass

    held = Held()
    alive = weakref.ref(held)

    def define(held: Held) -> None:
        @ef.cached
        def use(n: int) -> str:
            return f"{n} {held}"

        assert callable(use)

    define(held)
    del held
    gc.collect()
    assert alive() is None


def test_files_that_are_open_at_exit_are_written(tmp_path: Path) -> None:
    script = """
        import everfresh as ef

        @ef.cached
        def double(n):
            return [n * 2]

        log = open("out", "w")
        log.write("hello")
        double(1)
    """
    run(tmp_path, script)
    assert (tmp_path / "out").read_text() == "hello"


def test_a_child_of_a_fork_keeps_its_store_when_another_function_hung_on_it(tmp_path: Path) -> None:
    script = """
        import os
        import everfresh as ef

        store = ef.Store("results")

        @ef.cached(store=store)
        def inner(n):
            return [n]

        @ef.cached
        def outer(n):
            return inner(n)

        inner(1)
        outer(1)
        child = os.fork()
        if child == 0:
            inner(2)
            os._exit(0)
        os.waitpid(child, 0)
        print(inner(2), inner.cache_info().misses)
    """
    assert run(tmp_path, script) == "[2] 1\n"


def test_a_result_whose_time_is_over_is_served_while_it_is_computed_anew() -> None:
    anew = threading.Event()

    @ef.cached(ttl=0.0001, stale="1h", ignore="anew")
    def count(anew: threading.Event) -> int:
        anew.set()
        return 1

    assert count(anew) == 1
    anew.clear()
    while not anew.is_set():
        assert count(anew) == 1


def test_an_old_result_stands_in_when_it_cannot_be_computed_anew(tmp_path: Path) -> None:
    tried = threading.Event()
    broken: list[bool] = []

    @ef.cached(ttl=0.0001, stale="1h", ignore=("tried", "broken"))
    def fetch(tried: threading.Event, broken: list[bool]) -> int:
        tried.set()
        if broken:
            raise OSError("down")
        return 1

    assert fetch(tried, broken) == 1
    broken.append(True)
    tried.clear()
    while not tried.is_set():
        assert fetch(tried, broken) == 1
    assert fetch(tried, broken) == 1


def test_methods_of_coroutine_functions_are_coroutine_functions() -> None:
    class Client:
        @ef.cached
        async def get(self, n: int) -> int:
            return n

    client = Client()
    assert asyncio.iscoroutinefunction(client.get)
    assert asyncio.run(client.get(3)) == 3


def test_kept_errors_do_not_grow() -> None:
    @ef.cached(errors=True)
    def fail() -> None:
        raise ValueError("no")

    def depth() -> int:
        with pytest.raises(ValueError, match="no") as raised:
            fail()
        return len(raised.traceback)

    depth()
    assert depth() == depth()


def test_a_dependency_that_is_none_is_refused() -> None:
    wrong: Any = "a.txt"
    with pytest.raises(TypeError, match="file"):
        ef.cached(depends=wrong)(lambda: 1)


def test_within_its_check_a_result_is_over_with_its_time_and_with_an_invalidation(tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_text("one")

    @ef.cached(check="1h", ttl="1h")
    def read(path: Path) -> str:
        return path.read_text()

    @ef.cached
    def outer(path: Path) -> str:
        return read(path) + "!"

    assert read(path) == "one"
    path.write_text("two")
    assert read(path) == "one", "files need no look within the time of `check`"
    assert outer(path) == "two!", "but whoever is made from it has to hear of them"
    path.write_text("three")
    assert outer(path) == "three!"

    @ef.cached(check="1h", ttl=0.0001)
    def short(path: Path) -> str:
        return path.read_text()

    assert short(path) == "three"
    path.write_text("four")
    while short(path) != "four":
        pass


@pytest.mark.parametrize(
    "function", [lambda *, rows: len(rows), lambda *rows: len(rows), lambda **rows: len(rows), lambda a, *, rows=(): 1]
)
def test_arguments_without_a_hash_are_found_whatever_the_parameters(function: Any) -> None:
    cached: Any = ef.cached(function)
    kind = function.__code__.co_varnames[0]
    args: tuple[Any, ...] = ([1],) if function.__code__.co_flags & 4 or kind == "a" else ()
    kwargs: dict[str, Any] = {} if args else {"rows": [1]}
    first = cached(*args, **kwargs)
    assert cached(*args, **kwargs) == first
    assert cached.cache_info()[:2] == (1, 1)


def test_functions_that_were_arguments_are_not_kept_for_ever() -> None:
    @ef.cached
    def use(function: Any) -> int:
        return int(function())

    def make(n: int) -> Any:
        return lambda: n

    one = make(1)
    alive = weakref.ref(one)
    use(one)
    del one
    use.cache_clear()
    for n in range(300):
        use(make(n))
    use.cache_clear()
    gc.collect()
    assert alive() is None


def test_an_async_hit_is_awaited_like_a_coroutine() -> None:
    @ef.cached
    async def double(n: int) -> list[int]:
        return [n * 2]

    async def main() -> None:
        first = await double(2)
        first.append(9)
        assert await double(2) == [4]
        assert await asyncio.create_task(double(2)) == [4]
        assert list(await asyncio.gather(double(2), double(3))) == [[4], [6]]

    asyncio.run(main())
    assert double.cache_info()[:2] == (3, 2)
