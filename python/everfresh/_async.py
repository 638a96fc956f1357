"""What the engine asks of asyncio."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Coroutine
    from typing import Any


def ring(future: asyncio.Future[None]) -> None:
    """Ends a wait, in the thread of its event loop."""
    if not future.done():
        future.set_result(None)


class Child:
    """A coroutine of another task that works for the computation of this one: each of its steps is a part of that."""

    __slots__ = ("__weakref__", "_coroutine", "_run")

    def __init__(self, coroutine: Coroutine[Any, Any, Any], run: Callable[..., Any]) -> None:
        self._coroutine, self._run = coroutine, run

    def __await__(self) -> Child:
        return self

    __iter__ = __await__

    def __next__(self) -> Any:
        return self._run(self._coroutine.send, None)

    def send(self, value: Any) -> Any:
        """As a coroutine's."""
        return self._run(self._coroutine.send, value)

    def throw(self, *error: Any) -> Any:
        """As a coroutine's."""
        return self._run(self._coroutine.throw, *error)

    def close(self) -> None:
        """As a coroutine's."""
        self._run(self._coroutine.close)

    def __getattr__(self, name: str) -> Any:
        # Its name, its frame and whether it runs, for those who debug.
        return getattr(self._coroutine, name)

    def __repr__(self) -> str:
        return repr(self._coroutine)


def mark_coroutine(table: Any) -> None:
    """Has `inspect` and asyncio take a table for the coroutine function that it stands for."""
    import asyncio.coroutines
    import inspect
    import sys

    if sys.version_info >= (3, 12):
        inspect.markcoroutinefunction(table)
    else:
        table._is_coroutine = asyncio.coroutines._is_coroutine  # type: ignore[attr-defined]
