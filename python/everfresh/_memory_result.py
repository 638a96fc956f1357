"""Results that are handed on by reference: what `call_and_shelve` returns."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class MemorizedResult:
    """A result in a memory's store. Small, and can be pickled: `get` reads it, in any process of the machine.

    It stands for this one result, also after the function or what it read has changed.
    """

    def __init__(
        self,
        location: str,
        func_id: str,
        key: bytes,
        output: bytes,
        *,
        mmap_mode: str | None = None,
        max_size: int | str | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        self.location, self.func_id, self.mmap_mode = location, func_id, mmap_mode
        self.metadata = metadata or {}
        self._key, self._output, self._max_size = key, output, max_size

    @property
    def func(self) -> str:
        """The function's name."""
        return self.func_id

    @property
    def args_id(self) -> str:
        """The fingerprint of the arguments."""
        return self._key.hex()

    @property
    def duration(self) -> float | None:
        """How many seconds it took to compute."""
        return self.metadata.get("duration")

    def get(self) -> Any:
        """The result, mapped as `mmap_mode` says.

        Raises:
            KeyError: if it was cleared, or removed to make room.
        """
        from ._memory_values import decode

        stored = self._engine().stored(self._key, self._output)
        if stored is None:
            raise KeyError(f"the result of {self.func_id} is not in `{self.location}` any more")
        try:
            return decode(stored, self.mmap_mode)
        except ValueError as error:
            raise KeyError(f"the result of {self.func_id} in `{self.location}` is corrupted: {error}") from error

    def clear(self) -> None:
        """Forgets the results of these arguments, and makes out of date what was made with them."""
        self._engine().invalidate(self._key)

    def _engine(self) -> Any:
        from . import _native
        from ._memory_store import store_at

        store = store_at(self.location, self._max_size)
        return _native.Engine(self.func_id, store=store, ttl=None, tags=[], versions=_nothing, decode=_nothing)

    def __everfresh_key__(self) -> object:
        return self.func_id, self._key, self._output

    def __repr__(self) -> str:
        name = type(self).__name__
        return f'{name}(location="{self.location}", func="{self.func_id}", args_id="{self.args_id}")'


def _nothing(*_: object) -> Any:
    """A result is read by its name: nobody asks for versions, and nothing is encoded."""
    return None


class NotMemorizedResult:
    """A result that is in no store: caching is off, or it could not be kept."""

    __slots__ = ("valid", "value")

    def __init__(self, value: Any) -> None:
        self.value, self.valid = value, True

    def get(self) -> Any:
        """The result.

        Raises:
            KeyError: if it was cleared.
        """
        if self.valid:
            return self.value
        raise KeyError("No value stored.")

    def clear(self) -> None:
        """Forgets it."""
        self.value, self.valid = None, False

    def __repr__(self) -> str:
        return f"NotMemorizedResult({self.value!r})" if self.valid else "NotMemorizedResult with no value"
