"""Callers who wait for each other: how they are counted, and that a signal ends a wait."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from typing import Any

import everfresh as ef
import pytest


def script(tmp_path: Path, code: str) -> str:
    """What a program prints, of which `work` is a module."""
    (tmp_path / "work.py").write_text(textwrap.dedent(WORK))
    program = tmp_path / "program.py"
    program.write_text(textwrap.dedent(code))
    done = subprocess.run([sys.executable, program], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


WORK = """
    import signal, sys, threading
    import everfresh as ef

    begun, gate = threading.Event(), threading.Event()

    @ef.cached(ignore=("begun", "gate"))
    def slow(n, begun=begun, gate=gate):
        begun.set()
        gate.wait()
        return n

    @ef.cached(store=ef.Store("store"))
    def stored(n):
        print("begun", flush=True)
        sys.stdin.readline()
        return n

    class Alarm(Exception):
        pass

    def ring(*_):
        raise Alarm

    def ring_in_a_moment():
        signal.signal(signal.SIGALRM, ring)
        signal.setitimer(signal.ITIMER_REAL, 0.1)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGALRM")
def test_a_signal_ends_the_wait_for_another_thread_which_goes_on(tmp_path: Path) -> None:
    code = """
        import threading
        from work import *

        results = []
        other = threading.Thread(target=lambda: results.append(slow(1)))
        other.start()
        begun.wait()
        try:
            ring_in_a_moment()
            slow(1)
        except Alarm:
            print("interrupted")
        gate.set()
        other.join()
        print(results, slow(1), slow.cache_info())
    """
    assert script(tmp_path, code) == "interrupted\n[1] 1 CacheInfo(hits=1, misses=1, maxsize=128, currsize=1)\n"


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGALRM")
def test_an_interrupt_from_the_keyboard_ends_the_wait(tmp_path: Path) -> None:
    code = """
        import threading
        from work import *

        other = threading.Thread(target=lambda: slow(1))
        other.start()
        begun.wait()
        try:
            signal.signal(signal.SIGALRM, signal.default_int_handler)
            signal.setitimer(signal.ITIMER_REAL, 0.1)
            slow(1)
        except KeyboardInterrupt:
            print("interrupted")
        gate.set()
    """
    assert script(tmp_path, code) == "interrupted\n"


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGALRM")
def test_a_signal_ends_the_wait_for_another_process_which_goes_on(tmp_path: Path) -> None:
    code = """
        import subprocess, sys
        from work import *

        ask = [sys.executable, "-c", "import work; print(work.stored(1))"]
        other = subprocess.Popen(ask, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        print(other.stdout.readline(), end="")
        try:
            ring_in_a_moment()
            stored(1)
        except Alarm:
            print("interrupted")
        print(other.communicate("\\n")[0], stored(1), stored.cache_info())
    """
    ended = "begun\ninterrupted\n1\n 1 CacheInfo(hits=1, misses=0, maxsize=128, currsize=1)\n"
    assert script(tmp_path, code) == ended


def test_who_waits_for_another_thread_counts_as_a_hit() -> None:
    begun, gate = threading.Event(), threading.Event()

    @ef.cached(ignore=("begun", "gate"))
    def slow(begun: threading.Event, gate: threading.Event, n: int) -> list[int]:
        begun.set()
        gate.wait()
        return [n]

    threads = [threading.Thread(target=slow, args=(begun, gate, 7)) for _ in range(4)]
    for thread in threads:
        thread.start()
    begun.wait()
    gate.set()
    for thread in threads:
        thread.join()
    assert slow.cache_info()[:2] == (3, 1)


def test_threads_that_make_the_first_calls_of_a_function_compute_each_result_once() -> None:
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for _ in range(40):

            @ef.cached
            def square(n: int) -> list[int]:
                return [n * n]

            together = threading.Barrier(4)

            def ask(square: Any = square, together: threading.Barrier = together) -> None:
                for n in range(3):
                    together.wait()
                    assert square(n) == [n * n]

            threads = [threading.Thread(target=ask) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert square.cache_info()[:2] == (9, 3)
    finally:
        sys.setswitchinterval(interval)


def test_every_call_is_a_hit_or_a_miss_however_threads_meet() -> None:
    @ef.cached
    def square(n: int) -> list[int]:
        return [n * n]

    together = threading.Barrier(4)

    def ask() -> None:
        for n in range(40):
            together.wait()
            assert square(n) == [n * n]

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert square.cache_info()[:2] == (120, 40)


def test_calls_that_fail_count_as_misses_as_with_functools() -> None:
    @ef.cached
    def fail(n: int) -> int:
        raise ValueError(n)

    for _ in range(2):
        with pytest.raises(ValueError, match="1"):
            fail(1)
    wrong: Any = fail
    with pytest.raises(TypeError):
        wrong()
    assert fail.cache_info()[:2] == (0, 3)


def test_counts_outlive_changes_of_the_code_and_invalidations_but_not_a_clear(monkeypatch: pytest.MonkeyPatch) -> None:
    @ef.cached(tags=("t",))
    def scaled(n: int) -> int:
        return n * FACTOR

    assert (scaled(2), scaled(2)) == (4, 4)
    monkeypatch.setattr(sys.modules[__name__], "FACTOR", 3)
    assert (scaled(2), scaled(2)) == (6, 6)
    assert scaled.cache_info()[:2] == (2, 2)
    ef.invalidate_tag("t")
    assert scaled(2) == 6
    assert scaled.cache_info()[:2] == (2, 3)
    scaled.cache_clear()
    assert scaled.cache_info()[:2] == (0, 0)


FACTOR = 2


def test_each_instance_counts_its_own_calls_and_the_class_all_of_them() -> None:
    class Scale:
        def __init__(self, factor: int) -> None:
            self.factor = factor

        @ef.cached
        def times(self, n: int) -> int:
            return self.factor * n

    two, three = Scale(2), Scale(3)
    assert (two.times(1), two.times(1), three.times(1)) == (2, 2, 3)
    every: Any = Scale.times
    assert (two.times.cache_info()[:2], three.times.cache_info()[:2]) == ((1, 1), (0, 1))
    assert every.cache_info()[:2] == (1, 2)
    del two
    gc.collect()
    assert every.cache_info()[:2] == (1, 2), "those of instances that died too"


def test_instances_that_nobody_can_watch_are_counted_too() -> None:
    class Fixed:
        __slots__ = ()

        @ef.cached
        def next(self, n: int) -> int:
            return n + 1

    assert Fixed().next(1) == Fixed().next(1) == 2
    every: Any = Fixed.next
    hits, misses, *_ = every.cache_info()
    assert hits + misses == 2


def test_results_out_of_the_store_are_hits(tmp_path: Path) -> None:
    code = """
        from work import *
        print(stored(1), stored(1), stored.cache_info()[:2], ef.stats()["work.stored"]["disk_hits"])
    """
    (tmp_path / "work.py").write_text(textwrap.dedent(WORK))
    ask = [sys.executable, "-c", textwrap.dedent(code)]
    first, second = (
        subprocess.run(ask, cwd=tmp_path, input="\n", capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    )
    assert (first, second) == ("begun\n1 1 (1, 1) 0\n", "1 1 (2, 0) 1\n")


def test_a_task_that_waits_counts_as_a_hit() -> None:
    @ef.cached
    async def slow(n: int) -> int:
        await asyncio.sleep(0)
        return n

    async def main() -> None:
        await asyncio.gather(*(slow(1) for _ in range(5)))

    asyncio.run(main())
    assert slow.cache_info()[:2] == (4, 1)


def crosswise(left: Any, right: Any) -> list[Any]:
    """What two threads get that begin with one function each, which then asks for what the other computes."""
    together = threading.Barrier(2)

    def meet(calls: int) -> None:
        if calls == 1:
            together.wait(60)

    results: list[Any] = []
    threads = [
        threading.Thread(target=lambda first=first: results.append(first((), meet)), daemon=True)
        for first in (left, right)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return results


def test_threads_that_need_each_others_results_crosswise_end() -> None:
    @ef.cached(ignore=("seen", "meet"))
    def left(seen: tuple[str, ...], meet: Any) -> int:
        meet(len(seen) + 1)
        return 0 if "left" in seen else right((*seen, "left"), meet) + 1

    @ef.cached(ignore=("seen", "meet"))
    def right(seen: tuple[str, ...], meet: Any) -> int:
        meet(len(seen) + 1)
        return 0 if "right" in seen else left((*seen, "right"), meet) + 1

    assert len(crosswise(left, right)) == 2


def test_threads_that_need_each_others_entries_of_a_cache_crosswise_end() -> None:
    cache: ef.Cache = ef.Cache()

    def left(seen: tuple[str, ...], meet: Any) -> Any:
        return cache.get_or_compute("left", lambda: compute("left", right, seen, meet))

    def right(seen: tuple[str, ...], meet: Any) -> Any:
        return cache.get_or_compute("right", lambda: compute("right", left, seen, meet))

    def compute(name: str, other: Any, seen: tuple[str, ...], meet: Any) -> int:
        meet(len(seen) + 1)
        value: int = 0 if name in seen else other((*seen, name), meet) + 1
        return value

    assert len(crosswise(left, right)) == 2
