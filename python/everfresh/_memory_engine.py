"""What a memory's functions are to the engine: their keys, and results that are in a store alone."""

from __future__ import annotations

import functools
import sys
import types

from . import _native
from ._cached import Function
from ._settings import Settings
from ._signature import Signature
from ._table import NoTable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    from ._memory_values import Compression
    from ._native import Kept
    from ._signature import Bound


class _Fresh:
    """A result that was computed just now: it is its caller's, and others read theirs from the store."""

    __slots__ = ("value",)

    def __init__(self, value: object) -> None:
        self.value = value


class _NoTable(NoTable):
    def info(self) -> tuple[int, int, int | None, int, int | None, int]:
        """As a table tells it: nothing was found here, and nothing is here."""
        return 0, 0, 0, 0, None, 0


class StoredFunction(Function):
    """A cached function whose results are in a store alone."""

    def __init__(self, function: Callable[..., Any], settings: Settings, compressed: Compression | None) -> None:
        self.compressed = compressed
        # Varying arguments have no name of their own.
        self.without = frozenset(settings.ignore) & {"*", "**"}
        settings.ignore = tuple(name for name in settings.ignore if name not in self.without)
        super().__init__(function, settings)
        self.signature = _signature(function)
        self.signature.places(settings.ignore)

    def new_table(self, slow: Callable[..., Any] | None = None, skip: int = 0) -> Any:
        return _NoTable()

    def look_at_code(self, table: Any) -> None:
        code = self.code
        with self.lock:
            if code.refresh():
                self.signature = _signature(self.function)

    def key(self, bound: Bound, *, of_method: bool) -> bytes:
        values, further, keywords = bound
        further = () if "*" in self.without else further
        keywords = {} if "**" in self.without else keywords
        return super().key((values, further, keywords), of_method=False)

    def _fingerprint(self, value: Any, what: str) -> bytes:
        from ._memory_arguments import fingerprint

        return fingerprint(value, what)

    def _decode(self, stored: _native.Stored) -> Kept:
        # Each caller reads a value of its own.
        return stored, None, 0, None

    def kept(self, value: Any, *, new: bool = False) -> Kept:
        from ._memory_values import encode

        parts: Iterable[Any]
        try:
            parts = encode(value, self.compressed)
        except Exception as error:  # whatever its class does there: the caller gets it, and the engine says why
            parts = _failing(error)
        return _Fresh(value), None, 0, parts


def _failing(error: Exception) -> Iterator[Any]:
    """In place of an encoding, why there is none."""
    raise error
    yield


def _signature(function: Callable[..., Any]) -> Signature:
    """The parameters of what a wrapper wraps: it says that it takes the same."""
    while hasattr(function, "__wrapped__"):
        function = function.__wrapped__
    return Signature(function)


def taken_apart(func: Any) -> tuple[Any, tuple[Any, ...], dict[str, Any]]:
    """The function that methods and partials end in, and the arguments that they give it, which count as any others."""
    first: tuple[Any, ...] = ()
    named: dict[str, Any] = {}
    while True:
        if isinstance(func, types.MethodType):
            func, first = func.__func__, (func.__self__, *first)
        elif type(func) is functools.partial:
            func, first, named = func.func, (*func.args, *first), func.keywords | named
        else:
            return func, first, named


def is_found_by_name(wrapper: Any) -> bool:
    """Whether its name finds it again, as that of a function which `Memory.cache` decorates."""
    found: Any = sys.modules.get(getattr(wrapper, "__module__", ""))
    for part in getattr(wrapper, "__qualname__", "").split("."):
        found = getattr(found, part, None)
    return found is wrapper


def bound(wrapper: Any, instance: Any) -> Any:
    """A memory's function as a method of an instance."""
    from ._method import BoundTo

    return BoundTo(wrapper, instance)
