"""Code that names do not reach: it is seen when it runs, and found again by name."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import cProfile
import importlib
import sys
import threading
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any

import pytest
from code_modules import HELPERS, edited, loaded
from everfresh import _code_active
from everfresh._code import Code
from everfresh._code_names import FOUND
from everfresh._code_ran import Ran, carried

DYNAMIC = "import sys\nREG = None\ndef f(name, x):\n    return getattr(sys.modules['helpers'], name)(x)"
NEW = sys.version_info >= (3, 12)


def ran(module: Any, *args: Any) -> tuple[Code, list[str]]:
    code = Code(module.f)
    with Ran() as block:
        module.f(*args)
    return code, block.names(code)


def found(path: str) -> str:
    return f"{FOUND}{path}`"


def test_a_function_found_by_a_computed_name_is_named_with_what_it_calls() -> None:
    with loaded(DYNAMIC) as module:
        _, names = ran(module, "clean", 1)
        assert names == [found("helpers:clean"), found("helpers:deeper")]


def test_an_edit_of_what_ran_changes_what_its_name_resolves_to() -> None:
    with loaded(DYNAMIC) as module:
        before = Code(module.f).resolve(found("helpers:clean"))
    with loaded(DYNAMIC) as module:
        assert Code(module.f).resolve(found("helpers:clean")) == before
    with loaded(DYNAMIC, edited(HELPERS, "x - 1", "x - 2")) as module:
        assert Code(module.f).resolve(found("helpers:clean")) != before
    with loaded(DYNAMIC, edited(HELPERS, "def clean", "def other")) as module:
        assert Code(module.f).resolve(found("helpers:clean")) is None


def test_what_ran_is_guarded_from_then_on() -> None:
    with loaded(DYNAMIC) as module:
        code = Code(module.f)
        old = code.guard()
        with Ran() as block:
            module.f("clean", 1)
        block.names(code)
        assert not old.holds()
        guard = code.guard()
        assert guard.holds()
        helpers: Any = sys.modules["helpers"]
        helpers.deeper = lambda x: x
        assert not guard.holds()


def test_methods_of_arguments_are_named() -> None:
    with loaded("def f(shape): return shape.parse() + shape.size") as module:
        _, names = ran(module, sys.modules["helpers"].Parser())
        assert found("helpers:Parser.parse") in names
        assert found("helpers:Parser.size") in names
        assert found("helpers:Base.rate") in names


def test_what_names_reach_is_not_named_again() -> None:
    with loaded() as module:
        assert ran(module, 1)[1] == []


def test_generated_methods_are_found_where_they_stand() -> None:
    text = "from dataclasses import dataclass\n@dataclass\nclass P:\n    x: int\ndef f(a, b): return a == b"
    with loaded(text) as module:
        code, names = ran(module, module.P(1), module.P(2))
        assert names == [found("steps:P.__eq__")]
        assert code.resolve(names[0]) is not None


def test_a_closure_made_within_the_run_is_covered_by_what_made_it() -> None:
    with loaded("import sys\ndef f(): return sys.modules['helpers'].double(lambda x: x)(1)") as module:
        assert ran(module)[1] == [found("helpers:double")]


def test_a_closure_made_before_in_a_place_without_a_name_is_lost() -> None:
    with loaded(DYNAMIC.replace("sys.modules['helpers']", "sys.modules['json'].hidden[0]")) as module:
        json: Any = importlib.import_module("json")
        json.hidden = [type("Box", (), {"go": staticmethod(sys.modules["helpers"].double(abs))})]
        try:
            code, names = ran(module, "go", 1)
        finally:
            del json.hidden
        assert [code.resolve(name) for name in names] == [None]


def test_the_standard_library_and_packages_are_not_named() -> None:
    with loaded("import sys\ndef f(): return sys.modules['json'].dumps({'a': [1]}, indent=2)") as module:
        importlib.import_module("json")
        assert ran(module)[1] == []


def test_every_block_sees_what_ran_often_in_another() -> None:
    with loaded(DYNAMIC + "\ndef many():\n    for n in range(5000): f('clean', n)") as module:
        code = Code(module.f)
        for _ in range(3):
            with Ran() as block:
                module.many()
            assert found("helpers:clean") in block.names(code)


def adder(n: int) -> Callable[[int], int]:
    def add(x: int) -> int:
        return x + n

    return add


def plain(x: int) -> int:
    return x


def test_each_closure_of_one_code_is_seen_however_often_another_ran() -> None:
    often, once = adder(1), adder(2)
    with Ran() as block:
        for work in (often, once, often):
            for _ in range(5_000 if work is often else 1):
                work(1)
    assert {start.held for start in block.starts.values() if start.code is often.__code__} == {(1,), (2,)}


def test_a_closure_that_gets_the_code_of_another_is_seen_anew() -> None:
    def scaler(n: int) -> Callable[[int], int]:
        def scale(x: int) -> int:
            return x * n

        return scale

    add, other = adder(1), scaler(5)
    with Ran() as block:
        add(1)
        other(1)
        other.__code__ = add.__code__
        other(1)
    assert {start.held for start in block.starts.values() if start.code is add.__code__} == {(1,), (5,)}


def test_a_thread_that_goes_on_after_its_block_hides_nothing_from_the_next() -> None:
    gate, done = threading.Event(), threading.Event()

    def work() -> None:
        gate.wait()
        for n in range(2_500):
            plain(n)
        done.set()

    with Ran() as first:
        thread = threading.Thread(target=carried(work))
        thread.start()
    with Ran() as second:
        gate.set()
        done.wait()
        plain(1)
    thread.join()
    assert plain.__code__ in first.functions()
    assert plain.__code__ in second.functions()


@pytest.mark.parametrize("work", [plain, adder(1)], ids=["function", "closure"])
@pytest.mark.parametrize("around", [True, False], ids=["in another block", "alone"])
def test_code_that_is_known_is_not_looked_at_each_time_that_it_starts(work: Callable[[int], int], around: bool) -> None:
    looked = []

    class Counting(Ran):
        def _saw(self, code: CodeType, frame: FrameType) -> bool:
            looked.append(code)
            return super()._saw(code, frame)

    with Ran() if around else contextlib.nullcontext(), Counting():
        for n in range(900):
            work(n)
    assert looked.count(work.__code__) == 1


def test_a_block_hands_what_ran_to_the_one_around_it() -> None:
    with loaded(DYNAMIC) as module:
        code = Code(module.f)
        with Ran() as outer:
            module.f("deeper", 1)
            with Ran() as inner:
                module.f("clean", 1)
        assert found("helpers:clean") in inner.names(code)
        assert found("helpers:clean") in outer.names(code)


def test_threads_that_were_given_the_block_count_and_others_do_not() -> None:
    with loaded(DYNAMIC) as module:
        code = Code(module.f)
        go, done = threading.Event(), threading.Event()

        def other() -> None:
            go.wait()
            module.f("twice", 1)
            done.set()

        outside = threading.Thread(target=other)
        outside.start()
        with Ran() as block:
            inside = threading.Thread(target=carried(lambda: module.f("clean", 1)))
            inside.start()
            inside.join()
            go.set()
            done.wait()
        outside.join()
        names = block.names(code)
        assert found("helpers:clean") in names
        assert found("helpers:twice") not in names


def test_a_block_is_taken_along_to_a_thread_that_was_there() -> None:
    with loaded(DYNAMIC) as module:
        go, done = threading.Event(), threading.Event()
        blocks: list[Ran] = []

        def worker() -> None:
            go.wait()
            with blocks[0].here():
                module.f("clean", 1)
            done.set()

        thread = threading.Thread(target=worker)
        thread.start()
        with Ran() as block:
            blocks.append(block)
            go.set()
            done.wait()
        thread.join()
        assert found("helpers:clean") in block.names(Code(module.f))


def test_tasks_on_one_thread_keep_their_own() -> None:
    with loaded(DYNAMIC) as module:
        code = Code(module.f)

        async def task(name: str) -> list[str]:
            with Ran() as block:
                await asyncio.sleep(0)
                module.f(name, 1)
                await asyncio.sleep(0)
            return block.names(code)

        async def both() -> tuple[list[str], list[str]]:
            return await asyncio.gather(task("clean"), task("deeper"))

        one, two = asyncio.run(both())
        assert found("helpers:clean") in one
        assert two == [found("helpers:deeper")]


def test_code_in_an_empty_context_counts_for_its_thread() -> None:
    with loaded(DYNAMIC) as module:
        with Ran() as block:
            contextvars.Context().run(module.f, "clean", 1)
        assert found("helpers:clean") in block.names(Code(module.f))


def test_an_error_ends_the_block() -> None:
    with pytest.raises(ZeroDivisionError), Ran():
        raise ZeroDivisionError
    assert not _code_active.active
    assert sys.getprofile() is None


def test_a_profile_hook_that_was_there_still_hears_all() -> None:
    heard = []

    def hook(frame: FrameType, event: str, arg: object) -> None:
        heard.append(frame.f_code.co_name)

    with loaded(DYNAMIC) as module:
        sys.setprofile(hook)
        try:
            with Ran() as block:
                module.f("clean", 1)
            assert sys.getprofile() is hook
        finally:
            sys.setprofile(None)
        assert "clean" in heard
        assert found("helpers:clean") in block.names(Code(module.f))


@pytest.mark.skipif(NEW, reason="a profile hook hears what runs on 3.11 only")
def test_the_error_of_a_profile_hook_that_was_there_is_raised_and_ends_the_hook() -> None:
    def hook(frame: FrameType, event: str, arg: object) -> None:
        if frame.f_code is plain.__code__:
            raise LookupError(event)

    sys.setprofile(hook)
    try:
        with Ran() as block, pytest.raises(LookupError, match="call"):
            plain(1)
        assert sys.getprofile() is None
        assert not block.complete
    finally:
        sys.setprofile(None)


@pytest.mark.skipif(NEW, reason="a profile hook hears what runs on 3.11 only")
def test_a_thread_that_goes_on_after_the_block_has_the_hook_that_was_there() -> None:
    gate, seen = threading.Event(), []

    def work() -> None:
        plain(1)
        gate.wait()
        plain(2)
        seen.append(sys.getprofile())

    with Ran():
        thread = threading.Thread(target=work)
        thread.start()
    gate.set()
    thread.join()
    assert seen == [None]


@pytest.mark.skipif(NEW, reason="cProfile takes the hook of 3.11 only")
def test_a_profiler_in_c_makes_the_block_incomplete() -> None:
    profiler = cProfile.Profile()
    profiler.enable()
    try:
        with Ran() as block:
            pass
    finally:
        profiler.disable()
    assert not block.complete


@pytest.mark.skipif(not NEW, reason="sys.monitoring is of 3.12")
def test_other_tools_keep_their_ids_and_a_free_one_is_taken() -> None:
    monitoring: Any = sys.monitoring  # type: ignore[attr-defined, unused-ignore]
    mine = [tool for tool in range(6) if monitoring.get_tool(tool) is None]
    for tool in mine[:-1]:
        monitoring.use_tool_id(tool, "another")
    try:
        with loaded(DYNAMIC) as module:
            with Ran() as block:
                module.f("clean", 1)
            assert block.complete
            assert found("helpers:clean") in block.names(Code(module.f))
        monitoring.use_tool_id(mine[-1], "the last")
        with Ran() as block:
            pass
        assert not block.complete
        monitoring.free_tool_id(mine[-1])
    finally:
        for tool in mine[:-1]:
            monitoring.free_tool_id(tool)
