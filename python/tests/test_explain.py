"""`cache_explain` says why the last result of a call was not kept."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import everfresh as ef
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

WHY = "miss: the last result was not kept: it starts a process, and what that reads is not seen"
pytestmark = pytest.mark.filterwarnings("ignore::everfresh.ImpureWarning")


def work(n: int) -> int:
    if n > 0:
        subprocess.run([sys.executable, "-c", ""], check=True)
    return n


async def work_async(n: int) -> int:
    return work(n)


async def awaited(value: Any) -> Any:
    return await value


DOORS: dict[str, Callable[[Any, Path], Any]] = {
    "cached": lambda function, folder: ef.cached(function),
    "cached in a store": lambda function, folder: ef.cached(store=ef.Store(folder))(function),
    "memory": lambda function, folder: ef.Memory(folder, verbose=0).cache(function),
}


@pytest.mark.parametrize("function", [work, work_async])
@pytest.mark.parametrize("door", DOORS)
def test_it_says_why_a_result_was_not_kept(door: str, function: Any, tmp_path: Path) -> None:
    cached = DOORS[door](function, tmp_path)

    def called(n: int) -> Any:
        value = cached(n)
        return asyncio.run(awaited(value)) if function is work_async else value

    assert cached.cache_explain(1) == "miss: nothing is kept for these arguments"
    called(1)
    assert cached.cache_explain(1) == WHY
    called(0)
    assert cached.cache_explain(0).startswith("hit"), "another call's result is kept"
    assert cached.cache_explain(1) == WHY


def test_it_says_so_no_more_when_a_result_was_kept(tmp_path: Path) -> None:
    mark = tmp_path / "mark"

    @ef.cached
    def once(n: int) -> int:
        return work(n - mark.exists())

    once(1)
    assert once.cache_explain(1) == WHY
    mark.touch()
    once(1)
    assert once.cache_explain(1).startswith("hit")
    mark.unlink()
    assert str(mark) in once.cache_explain(1)


def test_methods_say_it_too() -> None:
    class Worker:
        @ef.cached
        def run(self, n: int) -> int:
            return work(n)

    worker = Worker()
    worker.run(1)
    assert worker.run.cache_explain(1) == WHY
