"""`everfresh.Memory`: joblib's `Memory`, and never stale."""

from __future__ import annotations

import os
import warnings

from ._memory_store import absolute, store_at
from ._targets import around, check

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta
    from typing import Any, TypeVar, overload

    from ._memory_types import MemorizedFunction, P, R
    from ._native import Store

    Callback = Callable[[dict[str, Any]], object]
    T = TypeVar("T")

_MODES = (None, "r", "r+", "w+", "c")
_UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


class Memory:
    """Keeps functions' results on disk, each served only while all that it was made from is unchanged.

        memory = ef.Memory("cache_dir", mmap_mode="r", verbose=0)

        @memory.cache
        def f(x): ...

    Counted are the arguments, the function's code and all code of yours that it reaches in any module, and the files,
    folders and environment variables that it reads. What else joblib's class of this name does, it does too, but for
    the layout of the folder, other backends than `local`, and writing through a mapping.

    Args:
        location: the folder; results lie in `everfresh` there. `None`: nothing is kept, and functions are called as
            they are.
        backend: `local` alone.
        mmap_mode: how callers get NumPy arrays: mapped and read-only (`r`), or mapped so that what is written stays
            with the caller (`c`; `r+` and `w+` mean the same, since nothing ever writes to a stored result). With
            `None` they are plain arrays that can be written to, mapped like `c`: opening one takes no longer for a
            larger one.
        compress: whether results are compressed: `True`, a level from 1 to 9, a method (`zlib`, `bz2`, `lzma`), or
            both. What is compressed cannot be mapped.
        verbose: 0 says nothing, 1 what is computed, 5 what is loaded, 11 more, 20 every call.
        backend_options: `max_size` bounds the store (5 GB unless said otherwise; `"50GB"`): what saves the least time
            for its size goes first. Others are taken and mean nothing.

    Raises:
        TypeError: for another backend.
        ValueError: for a mode that there is not.
    """

    def __init__(
        self,
        location: str | os.PathLike[str] | None = None,
        backend: str = "local",
        mmap_mode: str | None = None,
        compress: bool | int | str | tuple[str, int] = False,
        verbose: int = 1,
        backend_options: dict[str, Any] | None = None,
    ) -> None:
        if backend != "local":
            raise TypeError(f"Unknown location {location} or backend {backend}: results are kept in local folders")
        if mmap_mode not in _MODES:
            raise ValueError(f"mmap_mode is one of {_MODES}, not {mmap_mode!r}")
        if compress and mmap_mode is not None:
            warnings.warn("Compressed results cannot be memmapped", stacklevel=2)
        self.location = location
        self._place = None if location is None else absolute(location)
        self.backend, self.mmap_mode, self.compress = backend, mmap_mode, compress
        self.backend_options = {} if backend_options is None else backend_options
        self._verbose = verbose

    @property
    def store(self) -> Store | None:
        """The store in the folder; `None` without one."""
        return None if self._place is None else store_at(self._place, self._max_size)

    @property
    def _max_size(self) -> int | str | None:
        return self.backend_options.get("max_size")

    if TYPE_CHECKING:

        @overload
        def cache(
            self,
            func: Callable[P, R],
            ignore: list[str] | None = None,
            verbose: int | None = None,
            mmap_mode: str | bool | None = False,
            cache_validation_callback: Callback | None = None,
        ) -> MemorizedFunction[P, R]: ...

        @overload
        def cache(
            self,
            func: None = None,
            ignore: list[str] | None = None,
            verbose: int | None = None,
            mmap_mode: str | bool | None = False,
            cache_validation_callback: Callback | None = None,
        ) -> Callable[[Callable[P, R]], MemorizedFunction[P, R]]: ...

    def cache(
        self,
        func: Callable[..., Any] | None = None,
        ignore: list[str] | None = None,
        verbose: int | None = None,
        mmap_mode: str | bool | None = False,
        cache_validation_callback: Callback | None = None,
    ) -> Any:
        """Caches a function, coroutine functions too; also as a decorator, with arguments or without.

        Args:
            func: the function, also that of a `classmethod`, `staticmethod` or `property`. An instance whose method it
                is counts by its attributes or its `__everfresh_key__`.
            ignore: parameters that do not count.
            verbose: in place of the memory's own.
            mmap_mode: in place of the memory's own.
            cache_validation_callback: asked at each hit, with the result's `duration`, `time` and `input_args`; unless
                it says yes, the result is computed anew. See `expires_after`.

        Raises:
            ValueError: if the callback cannot be called, or there is no parameter of a name that is ignored.
            TypeError: for generators, and for what is no function.
        """
        if cache_validation_callback is not None and not callable(cache_validation_callback):
            raise ValueError(f"cache_validation_callback needs to be callable. Got {cache_validation_callback}.")
        if func is None:
            return lambda func: self.cache(func, ignore, verbose, mmap_mode, cache_validation_callback)
        from ._memory_async import AsyncMemorizedFunc
        from ._memory_function import MemorizedFunc
        from ._memory_off import AsyncNotMemorizedFunc, NotMemorizedFunc

        if isinstance(func, MemorizedFunc | NotMemorizedFunc):
            func = func.func
        within = around(func, lambda inner: self.cache(inner, ignore, verbose, mmap_mode, cache_validation_callback))
        if within is not None:
            return within
        check(func, "Memory.cache")
        is_async = bool(getattr(getattr(func, "__code__", None), "co_flags", 0) & 0x80)
        if self._place is None:
            return (AsyncNotMemorizedFunc if is_async else NotMemorizedFunc)(func)
        return (AsyncMemorizedFunc if is_async else MemorizedFunc)(
            func,
            self._place,
            self.backend,
            ignore,
            self.mmap_mode if mmap_mode is False else mmap_mode,  # type: ignore[arg-type]
            self.compress,
            self._verbose if verbose is None else verbose,
            None,
            cache_validation_callback,
            self._max_size,
        )

    def eval(self, func: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Calls a function as if it were cached by `cache`."""
        return self.cache(func)(*args, **kwargs)

    def clear(self, warn: bool = True) -> None:
        """Removes all results, for all processes. What somebody has mapped stays readable for him."""
        if warn:
            import logging

            logging.getLogger("everfresh.Memory").warning("[%s]: Flushing completely the cache", self)
        store = self.store
        if store is not None:
            store.clear()

    def reduce_size(
        self,
        bytes_limit: int | str | None = None,
        items_limit: int | None = None,
        age_limit: timedelta | None = None,
    ) -> None:
        """Removes results, those that were used the longest ago first, until all limits are kept.

        Args:
            bytes_limit: how many bytes they may take: a number, or `"100M"` (also `K` and `G`, by powers of 1024).
            items_limit: how many calls' results there may be.
            age_limit: how long ago they may have been used last.

        Raises:
            ValueError: for an age below 0, or a limit that is no number.
        """
        if age_limit is not None and age_limit.total_seconds() < 0:
            raise ValueError("age_limit has to be a positive timedelta")
        store = self.store
        if store is None or (bytes_limit is None and items_limit is None and age_limit is None):
            return
        store.reduce(
            max_size=None if bytes_limit is None else _bytes(bytes_limit),
            max_results=items_limit,
            unused_for=None if age_limit is None else age_limit.total_seconds(),
        )

    def __everfresh_key__(self) -> object:
        # Where results are kept is no input.
        return "everfresh.Memory"

    def __reduce__(self) -> Any:
        options = (self.location, self.backend, self.mmap_mode, self.compress, self._verbose, self.backend_options)
        return _rebuilt, (type(self), options)

    def __repr__(self) -> str:
        return f"Memory(location={self.location})"


def _rebuilt(cls: type[Memory], options: tuple[Any, ...]) -> Memory:
    with warnings.catch_warnings():
        # Whoever made it was told.
        warnings.simplefilter("ignore")
        return cls(*options)


def _bytes(limit: int | str) -> int:
    """As joblib reads it."""
    if not isinstance(limit, str):
        return limit
    unit = _UNITS.get(limit[-1:])
    if unit is not None:
        try:
            return int(float(limit[:-1]) * unit)
        except ValueError:
            pass
    raise ValueError(f"bytes_limit is a number, or one with K, M or G, such as 10M, not {limit!r}")


class expires_after:  # noqa: N801 — joblib's name
    """A `cache_validation_callback`: a result is used for this long. Who calls the function inherits the time.

    @memory.cache(cache_validation_callback=ef.expires_after(minutes=5))
    """

    __slots__ = ("seconds",)

    def __init__(
        self,
        days: float = 0,
        seconds: float = 0,
        microseconds: float = 0,
        milliseconds: float = 0,
        minutes: float = 0,
        hours: float = 0,
        weeks: float = 0,
    ) -> None:
        hours += (weeks * 7 + days) * 24
        #: The time in seconds.
        self.seconds = (hours * 60 + minutes) * 60 + seconds + milliseconds / 1e3 + microseconds / 1e6

    def __call__(self, metadata: dict[str, Any]) -> bool:
        import time

        return bool(time.time() - metadata["time"] < self.seconds)
