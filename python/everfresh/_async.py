"""What the engine asks of asyncio."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from collections.abc import Generator


def ring(future: asyncio.Future[None]) -> None:
    """Ends a wait, in the thread of its event loop."""
    if not future.done():
        future.set_result(None)


class Ready:
    """A result that is there, as an awaitable."""

    __slots__ = ("_value",)

    def __init__(self, value: object) -> None:
        self._value = value

    def __await__(self) -> Generator[None, None, object]:
        return self

    __iter__ = __await__

    def __next__(self) -> None:
        raise StopIteration(self._value)

    def send(self, _value: object) -> None:
        """As a coroutine's."""
        raise StopIteration(self._value)

    def throw(self, error: BaseException | type[BaseException], value: object = None, traceback: object = None) -> None:
        """As a coroutine's."""
        raise error

    def close(self) -> None:
        """As a coroutine's."""
