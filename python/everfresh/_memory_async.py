"""Coroutine functions whose results a `Memory` keeps."""

from __future__ import annotations

from . import _native
from ._memory_function import MemorizedFunc
from ._memory_result import NotMemorizedResult

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._call import Call
    from ._native import Kept


class AsyncMemorizedFunc(MemorizedFunc):
    """The same for a coroutine function."""

    async def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        return await self._value_async(*await self._found_async(args, kwargs))

    async def call(self, /, *args: Any, **kwargs: Any) -> Any:
        """Computes the result in any case and keeps it; returns it with its metadata."""
        call, found = await self._computed_async(self._begin(args, kwargs), anew=True)
        return await self._value_async(call, found), self._metadata(call, found)

    async def call_and_shelve(self, /, *args: Any, **kwargs: Any) -> Any:
        """The result by reference."""
        call, found = await self._found_async(args, kwargs)
        if found.output is None or found.unstorable is not None:
            return NotMemorizedResult(await self._value_async(call, found))
        return self._shelved(call, found)

    async def _found_async(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Call, _native.Found]:
        call = self._begin(args, kwargs)
        if self._verbose >= 20:
            self._say_what_is_asked(call)
        anew = False
        if self.cache_validation_callback is not None:
            found = self._find(call)
            if found is not None and self._is_valid(call, found):
                return call, found
            anew = found is not None
        return await self._computed_async(call, anew=anew)

    async def _computed_async(self, call: Call, *, anew: bool) -> tuple[Call, _native.Found]:
        async def compute() -> Kept:
            self._before(call)
            return await call.compute_async()

        found = await self._function.engine.call_async(call.key, [], compute, anew=anew)
        self._function.judged(found)
        self._function.engine.release(call.key)
        if call.has_original:
            self._say_how_it_went(found)
        return call, found

    async def _value_async(self, call: Call, found: _native.Found) -> Any:
        while True:
            read, value = self._read(call, found)
            if read:
                return value
            call, found = await self._computed_async(call, anew=True)
