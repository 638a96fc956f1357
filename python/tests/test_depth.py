"""How deep a cached function may call itself."""

from __future__ import annotations

import functools
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from typing import Any

import everfresh as ef
import pytest
from everfresh import _watch


class Seen:
    """Outside of the keys: how deep a recursion went, and what hook was left on its thread."""

    deepest = 0
    hook: object = None


def depth(wrap: Callable[[Any], Any]) -> Seen:
    """How deep a wrapper lets a function get on a thread whose stack is large."""

    @wrap
    def down(n: int, seen: Seen) -> int:
        seen.deepest = n
        return int(down(n + 1, seen))

    def fall() -> None:
        with pytest.raises(RecursionError):
            down(1, seen)
        seen.hook = sys.getprofile()

    seen = Seen()
    usual = threading.stack_size(64 << 20)
    try:
        thread = threading.Thread(target=fall)
        thread.start()
    finally:
        threading.stack_size(usual)
    thread.join()
    return seen


def cached(function: Any) -> Any:
    return ef.cached(maxsize=None, ignore=("seen",))(function)


def test_a_cached_function_recurs_nearly_as_deep_as_with_functools() -> None:
    assert depth(cached).deepest > 0.85 * depth(functools.lru_cache(None)).deepest


def test_nothing_is_left_behind_by_a_recursion_that_was_too_deep() -> None:
    watched = _watch._depth
    assert depth(cached).hook is None
    assert _watch._depth == watched


def test_with_any_limit_a_recursion_ends_with_an_error_before_the_stack_does() -> None:
    code = """
        import sys, threading
        import everfresh as ef

        sys.setrecursionlimit(1_000_000)

        @ef.cached(maxsize=None)
        def down(n):
            return down(n - 1) if n else 0

        def go():
            try:
                down(1_000_000)
            except RecursionError:
                print("too deep", down(10))

        go()
        threading.stack_size(1 << 20)
        thread = threading.Thread(target=go)
        thread.start()
        thread.join()
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (0, "too deep 0\n" * 2), done.stderr
