"""Whatever way a cached function reads something: when that changes it computes anew."""

# ruff: noqa: PTH, SIM115 (each way of reading is tried)

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import everfresh as ef
import pytest

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in "abc":
        Path(name).write_text("1")


def is_fresh(function: Any, change: Callable[[], object]) -> None:
    """Called twice it is a hit; after the change it gives what a call without a cache gives."""
    first = function()
    assert function() == first
    assert function.cache_info().hits == 1
    change()
    now = function.__wrapped__()
    assert now != first
    assert function() == now


def is_never_stale(function: Any, change: Callable[[], object]) -> None:
    """The same, where it may be that nothing is kept."""
    first = function()
    assert function() == first
    change()
    now = function.__wrapped__()
    assert now != first
    assert function() == now


def write(path: str, text: str = "22") -> Callable[[], object]:
    """A change."""
    return lambda: Path(path).write_text(text)


def read(path: str) -> str:
    return Path(path).read_text()


# Tasks.


async def read_in_task(path: str) -> str:
    await asyncio.sleep(0)
    return read(path)


async def gathered() -> Any:
    return await asyncio.gather(read_in_task("a"), read_in_task("b"))


async def created() -> str:
    task = asyncio.create_task(read_in_task("b"), name="reader")
    assert "read_in_task" in repr(task)
    await asyncio.sleep(0)
    return await task


async def waited_for() -> str:
    return await asyncio.wait_for(read_in_task("b"), 5)


async def grouped() -> str:
    async with asyncio.TaskGroup() as group:
        task = group.create_task(read_in_task("b"))
    return task.result()


async def nested() -> Any:
    return await asyncio.gather(created(), waited_for())


async def called_soon() -> str:
    loop = asyncio.get_running_loop()
    future = loop.create_future()
    loop.call_soon(lambda: future.set_result(read("b")))
    return str(await future)


async def called_later() -> str:
    loop = asyncio.get_running_loop()
    future = loop.create_future()
    loop.call_later(0, lambda: future.set_result(read("b")))
    return str(await future)


async def in_a_thread() -> str:
    return await asyncio.to_thread(read, "b")


class Run:
    """An asynchronous cached function as a plain one."""

    def __init__(self, function: Callable[[], Awaitable[Any]]) -> None:
        self.cached = ef.cached(function)

    def __call__(self) -> Any:
        return asyncio.run(self.cached())

    def __wrapped__(self) -> Any:
        return asyncio.run(self.cached.__wrapped__())

    def cache_info(self) -> Any:
        return self.cached.cache_info()


@pytest.mark.parametrize(
    "function", [gathered, created, waited_for, grouped, nested, called_soon, called_later, in_a_thread]
)
def test_what_a_task_reads_counts(function: Callable[[], Awaitable[Any]]) -> None:
    is_fresh(Run(function), write("b"))


def test_a_task_that_fails_or_is_cancelled_does_so_as_without_a_cache() -> None:
    async def fail() -> None:
        await asyncio.sleep(0)
        raise ValueError("no")

    async def forever() -> None:
        await asyncio.Event().wait()

    @ef.cached
    async def work() -> list[str]:
        tasks = [asyncio.create_task(fail()), asyncio.create_task(forever())]
        await asyncio.sleep(0)
        tasks[1].cancel()
        return [type(result).__name__ for result in await asyncio.gather(*tasks, return_exceptions=True)]

    assert asyncio.run(work()) == ["ValueError", "CancelledError"]


def test_a_task_that_outlives_its_computation_goes_on() -> None:
    go, done = [], []

    async def later() -> None:
        await go[0].wait()
        done.append(read("a"))

    tasks = []

    @ef.cached
    async def work() -> int:
        tasks.append(asyncio.create_task(later()))
        await asyncio.sleep(0)
        return 1

    async def main() -> int:
        go.append(asyncio.Event())
        result = await work()
        go[0].set()
        await tasks[0]
        return result

    assert (asyncio.run(main()), done) == (1, ["1"])


def test_what_another_task_reads_does_not_count() -> None:
    events: list[asyncio.Event] = []

    @ef.cached(ignore=("event",))
    async def work(event: list[asyncio.Event]) -> str:
        event[0].set()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return read("a")

    async def other(event: asyncio.Event) -> None:
        await event.wait()
        read("b")

    async def main() -> None:
        events[:] = [asyncio.Event()]
        own = asyncio.create_task(other(events[0]))
        await asyncio.sleep(0)
        await work(events)
        events[0].set()
        await own

    asyncio.run(main())
    Path("b").write_text("22")
    asyncio.run(main())
    assert work.cache_info().hits == 1


@contextlib.contextmanager
def a_loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def test_what_a_coroutine_reads_on_the_loop_of_another_thread_counts() -> None:
    @ef.cached(ignore=("loops",))
    def work(loops: list[asyncio.AbstractEventLoop]) -> str:
        return asyncio.run_coroutine_threadsafe(read_in_task("b"), loops[0]).result()

    with a_loop() as loop:
        assert (work([loop]), work([loop]), work.cache_info().hits) == ("1", "1", 1)
        Path("b").write_text("22")
        assert work([loop]) == "22"


# Files.


def test_a_nameless_file_in_a_folder_does_not_make_the_folder() -> None:
    @ef.cached
    def work() -> str:
        with tempfile.NamedTemporaryFile(dir=".") as file:
            file.write(b"x")
        with tempfile.TemporaryFile(dir=".") as file:
            file.write(b"x")
        return read("b")

    is_fresh(work, write("b"))


def test_a_file_that_was_to_be_made_and_is_there_is_read() -> None:
    @ef.cached
    def work() -> str:
        try:
            with open("b", "x") as file:
                file.write("default")
        except FileExistsError:
            pass
        return read("b")

    is_fresh(work, write("b"))


def test_a_descriptor_that_was_to_be_made_and_is_there_is_read() -> None:
    @ef.cached
    def work() -> str:
        with contextlib.suppress(FileExistsError):
            os.close(os.open("b", os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        return read("b")

    is_fresh(work, write("b"))


def test_whether_a_file_could_be_made_counts() -> None:
    @ef.cached
    def work() -> bool:
        try:
            open("b", "x").close()
        except FileExistsError:
            return False
        return True

    assert (work(), work(), work.cache_info().hits) == (False, False, 1)
    Path("b").unlink()
    with pytest.warns(ef.ImpureWarning):
        assert work() is True


@pytest.mark.parametrize(
    "make", [lambda: os.makedirs("data", exist_ok=True), lambda: Path("data").mkdir(exist_ok=True)]
)
def test_what_is_in_a_folder_that_was_there_counts(make: Callable[[], None]) -> None:
    make()
    Path("data/x").write_text("1")

    @ef.cached
    def work() -> tuple[str, list[str]]:
        make()
        return read("data/x"), sorted(os.listdir("data"))

    is_fresh(work, write("data/x"))
    is_fresh(ef.cached(work.__wrapped__), write("data/y"))
