"""How deep a cached function may call itself."""

from __future__ import annotations

import functools
import subprocess
import sys
import textwrap
from collections.abc import Callable
from typing import Any

import everfresh as ef
import pytest
from everfresh import _watch


class Seen:
    """Outside of the keys: how deep a recursion went."""

    deepest = 0


def depth(wrap: Callable[[Any], Any]) -> int:
    """How deep a wrapper lets a function get."""

    @wrap
    def down(n: int, seen: Seen) -> int:
        seen.deepest = n
        return int(down(n + 1, seen))

    seen = Seen()
    with pytest.raises(RecursionError):
        down(1, seen)
    return seen.deepest


def cached(function: Any) -> Any:
    return ef.cached(maxsize=None, ignore=("seen",))(function)


def test_a_cached_function_recurs_nearly_as_deep_as_with_functools() -> None:
    assert depth(cached) > 0.85 * depth(functools.lru_cache(None))


def test_nothing_is_left_behind_by_a_recursion_that_was_too_deep() -> None:
    hook, watched = sys.getprofile(), _watch._depth
    depth(cached)
    assert (sys.getprofile(), _watch._depth) == (hook, watched)


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
