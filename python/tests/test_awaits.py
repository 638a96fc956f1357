"""What an async call of a cached function gives: for a hit a native awaitable, for a miss the engine's flight.

In the event loops of asyncio and of uvloop.
"""

from __future__ import annotations

import asyncio
import gc
import inspect
import os
import sys
import threading
import warnings
import weakref
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

import everfresh as ef
import pytest
from everfresh._native import Ready

Main = Coroutine[Any, Any, Any]
Use = Callable[[Any], object]


def uvloops() -> asyncio.AbstractEventLoop:
    module = pytest.importorskip("uvloop", reason="uvloop is not installed")
    loop: asyncio.AbstractEventLoop = module.new_event_loop()
    return loop


@pytest.fixture(params=[asyncio.new_event_loop, uvloops], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Callable[[Main], Any]:
    """Runs a coroutine in an event loop of its own."""

    def run(main: Main) -> Any:
        with asyncio.Runner(loop_factory=request.param) as runner:
            return runner.run(main)

    return run


@ef.cached
async def double(n: int) -> int:
    return n * 2


def hit(value: Any = 3) -> Any:
    """What a hit gives."""

    @ef.cached
    async def give(n: int) -> Any:
        return value

    asyncio.run(give(1))
    return give(1)


def test_a_hit_is_taken_wherever_a_coroutine_is(run: Callable[[Main], Any]) -> None:
    async def main() -> None:
        assert await double(2) == 4
        assert type(double(2)) is Ready
        assert await double(2) == 4
        assert await asyncio.create_task(double(2)) == 4
        assert await asyncio.ensure_future(double(2)) == 4
        assert list(await asyncio.gather(double(2), double(2))) == [4, 4]
        assert await asyncio.wait_for(double(2), 60) == 4
        assert await asyncio.shield(double(2)) == 4
        async with asyncio.TaskGroup() as group:
            task = group.create_task(double(2))
        assert task.result() == 4
        there = asyncio.get_running_loop()
        assert await asyncio.to_thread(lambda: asyncio.run_coroutine_threadsafe(double(2), there).result(60)) == 4

    run(main())
    run(double(2))


def test_a_hit_is_a_coroutine_to_those_who_ask() -> None:
    ready = hit()
    assert inspect.isawaitable(ready)
    assert asyncio.iscoroutine(ready)
    assert isinstance(ready, Coroutine)


@pytest.mark.parametrize("value", [None, 5, (), (1, 2), ValueError("a value"), StopIteration(7), [1]], ids=repr)
def test_any_value_comes_through(value: Any) -> None:
    async def awaits(ready: Any) -> Any:
        return await ready

    def delegates(ready: Any) -> Any:
        return (yield from ready)

    def ended(step: Callable[[], object]) -> Any:
        with pytest.raises(StopIteration) as end:
            step()
        return end.value.value

    expected = asyncio.run(awaits(Ready(value)))
    assert expected is value
    assert ended(lambda: awaits(Ready(value)).send(None)) is value
    assert ended(lambda: Ready(value).send(None)) is value
    assert ended(lambda: next(Ready(value))) is value
    assert ended(lambda: next(delegates(Ready(value)))) is value


def test_a_hit_is_awaited_once() -> None:
    ready = hit()

    async def main() -> None:
        assert await ready == 3
        with pytest.raises(RuntimeError, match="cannot reuse already awaited coroutine"):
            await ready

    asyncio.run(main())
    uses: tuple[Use, ...] = (next, lambda it: it.send(None), lambda it: it.throw(ValueError))
    for use in uses:
        closed = hit()
        closed.close()
        closed.close()
        with pytest.raises(RuntimeError, match="cannot reuse already awaited coroutine"):
            use(closed)


def test_what_is_thrown_into_a_hit_is_raised() -> None:
    error = ValueError("no")
    for thrown in ((error,), (ValueError, error), (ValueError, "no"), (ValueError, error, None)):
        ready = hit()
        with pytest.raises(ValueError, match="no"):
            ready.throw(*thrown)
        with pytest.raises(RuntimeError, match="already awaited"):
            ready.throw(*thrown)
    with pytest.raises(TypeError, match="non-None"):
        hit().send(1)
    with pytest.raises(TypeError):
        hit().throw(5)


def test_a_hit_that_nobody_awaits_warns_nobody() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        hit()
        gc.collect()


def test_a_hit_owns_its_value_and_nothing_else() -> None:
    value = object()
    before = sys.getrefcount(value)
    uses: tuple[Use, ...] = (id, lambda it: it.close(), lambda it: next(it, None))
    for use in uses:
        ready = Ready(value)
        assert sys.getrefcount(value) == before + 1
        use(ready)
        del ready
        assert sys.getrefcount(value) == before


def test_a_hit_in_a_cycle_is_collected() -> None:
    class Node:
        ready: Ready

    node = Node()
    node.ready = Ready(node)
    alive = weakref.ref(node)
    del node
    gc.collect()
    assert alive() is None


def test_an_error_that_is_kept_is_raised_to_who_awaits() -> None:
    @ef.cached(errors=True)
    async def fail(n: int) -> int:
        raise ValueError("no")

    async def main() -> None:
        for _ in range(2):
            assert isinstance((await asyncio.gather(fail(1), return_exceptions=True))[0], ValueError)

    asyncio.run(main())
    assert fail.cache_info()[:2] == (1, 1)


def test_tasks_that_ask_at_once_compute_once(run: Callable[[Main], Any]) -> None:
    @ef.cached
    async def slow(n: int) -> list[int]:
        await asyncio.sleep(0)
        return [n]

    async def main() -> list[list[int]]:
        return await asyncio.gather(*(slow(3) for _ in range(5)))

    assert run(main()) == [[3]] * 5
    assert slow.cache_info()[:2] == (4, 1)
    assert run(main()) == [[3]] * 5, "another event loop finds it too"
    assert slow.cache_info()[:2] == (9, 1)


def test_a_leader_that_is_cancelled_hands_over(run: Callable[[Main], Any]) -> None:
    async def main() -> int:
        begun, gate = asyncio.Event(), asyncio.Event()

        @ef.cached(ignore=("begun", "gate"))
        async def slow(begun: asyncio.Event, gate: asyncio.Event, n: int) -> int:
            begun.set()
            await gate.wait()
            return n

        leader = asyncio.create_task(slow(begun, gate, 1))
        await begun.wait()
        waiter = asyncio.create_task(slow(begun, gate, 1))
        await asyncio.sleep(0)
        leader.cancel()
        gate.set()
        with pytest.raises(asyncio.CancelledError):
            await leader
        result: int = await waiter
        assert slow.cache_info()[:2] == (0, 2)
        return result

    assert run(main()) == 1


def test_loops_in_threads_compute_once(run: Callable[[Main], Any]) -> None:
    begun, gate = threading.Event(), threading.Event()

    @ef.cached(ignore=("begun", "gate"))
    async def slow(begun: threading.Event, gate: threading.Event, n: int) -> int:
        begun.set()
        await asyncio.to_thread(gate.wait)
        return n

    results: list[int] = []
    threads = [threading.Thread(target=lambda: results.append(run(slow(begun, gate, 1)))) for _ in range(3)]
    for thread in threads:
        thread.start()
    begun.wait()
    gate.set()
    for thread in threads:
        thread.join()
    assert results == [1, 1, 1]
    assert slow.cache_info()[:2] == (2, 1)


@pytest.mark.parametrize("how", ["awaited", "gathered", "called_soon", "called_later"])
def test_what_tasks_of_a_computation_read_counts(run: Callable[[Main], Any], how: str, tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_text("one")

    async def read() -> str:
        return path.read_text()

    async def called(schedule: Callable[[Callable[[], None]], object]) -> str:
        done = asyncio.get_running_loop().create_future()

        def call() -> None:
            done.set_result(path.read_text())

        schedule(call)
        text: str = await done
        return text

    async def gathered() -> str:
        return (await asyncio.gather(read(), asyncio.sleep(0)))[0]

    async def later() -> str:
        return await called(lambda call: asyncio.get_running_loop().call_later(0, call))

    async def soon() -> str:
        return await called(asyncio.get_running_loop().call_soon)

    ways: dict[str, Callable[[], Awaitable[str]]] = {
        "awaited": read,
        "gathered": gathered,
        "called_soon": soon,
        "called_later": later,
    }
    way = ways[how]

    @ef.cached
    async def text() -> str:
        return await way()

    assert (run(text()), run(text())) == ("one", "one")
    path.write_text("three")
    os.utime(path, ns=(1, 1))
    assert run(text()) == "three"
