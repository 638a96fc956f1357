"""Functions of a `Memory` without a location: nothing is kept."""

from __future__ import annotations

import functools

from ._memory_engine import bound, is_found_by_name
from ._memory_result import NotMemorizedResult

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class NotMemorizedFunc:
    """A function as it is, with the verbs of one that is cached: caching is off."""

    def __init__(self, func: Callable[..., Any]) -> None:
        self.func = func
        functools.update_wrapper(self, func)

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        return self.func(*args, **kwargs)

    def call(self, /, *args: Any, **kwargs: Any) -> Any:
        """The result, and no metadata."""
        return self.func(*args, **kwargs), {}

    def call_and_shelve(self, /, *args: Any, **kwargs: Any) -> Any:
        """The result, which stays in memory."""
        return NotMemorizedResult(self.func(*args, **kwargs))

    def check_call_in_cache(self, /, *args: Any, **kwargs: Any) -> bool:
        """Nothing is."""
        return False

    def clear(self, warn: bool = True) -> None:
        """Nothing is there."""

    def __everfresh_key__(self) -> object:
        return self.func

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else bound(self, instance)

    def __copy__(self) -> NotMemorizedFunc:
        return self

    def __reduce__(self) -> Any:
        return self.__qualname__ if is_found_by_name(self) else (type(self), (self.func,))  # type: ignore[attr-defined]

    def __repr__(self) -> str:
        return f"{type(self).__name__}(func={self.func})"


class AsyncNotMemorizedFunc(NotMemorizedFunc):
    """The same for a coroutine function."""

    def __init__(self, func: Callable[..., Any]) -> None:
        from ._async import mark_coroutine

        super().__init__(func)
        mark_coroutine(self)

    async def call(self, /, *args: Any, **kwargs: Any) -> Any:
        """The result, and no metadata."""
        return await self.func(*args, **kwargs), {}

    async def call_and_shelve(self, /, *args: Any, **kwargs: Any) -> Any:
        """The result, which stays in memory."""
        return NotMemorizedResult(await self.func(*args, **kwargs))
