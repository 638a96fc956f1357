"""`everfresh.Cache`: a mapping with bounds, times to live and tags."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import MutableMapping

from . import _native
from ._size import size_of
from ._table import CacheInfo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, ItemsView, Iterable, Iterator, ValuesView
    from datetime import timedelta
    from typing import Any

    Duration = float | str | timedelta

_MISSING: Any = object()


class Cache(MutableMapping):  # type: ignore[type-arg]
    """A mapping that lets go of what is too old, too large or unused for longest.

    Threads may share it. Values are handed out as they are, as those of a dict. A cached function that reads from it is
    not kept, since nobody knows what it was filled from; `get_or_compute` computes there, so that what is read counts.

    Args:
        maxsize: how many entries there are at most, the last used; `None` is any number.
        maxbytes: how many bytes the values may take together: a number, or `"256MB"`.
        ttl: how long an entry lives at most: seconds, a `timedelta`, or `"5m"`.
        idle: how long an entry lives that nobody asks for.
        tags: names under which `invalidate_tag` finds all entries.

    Example:
        >>> import everfresh as ef
        >>> rates = ef.Cache(maxsize=1000, ttl="5m")
        >>> rates["EUR"] = 1.08
        >>> rates.get_or_compute("JPY", lambda: 0.0067)
        0.0067
        >>> sorted(rates)
        ['EUR', 'JPY']
    """

    def __init__(
        self,
        *,
        maxsize: int | None = 128,
        maxbytes: int | str | None = None,
        ttl: Duration | None = None,
        idle: Duration | None = None,
        tags: Iterable[str] = (),
    ) -> None:
        if maxsize is not None and (not isinstance(maxsize, int) or isinstance(maxsize, bool) or maxsize < 0):
            raise ValueError(f"maxsize is a number of entries or None, not {maxsize!r}")
        self._ttl = None if ttl is None else _native.parse_duration(ttl)
        self._tags = frozenset((tags,) if isinstance(tags, str) else tags)
        self._idle_ns = None if idle is None else int(_native.parse_duration(idle) * 1e9)
        self._sized = maxbytes is not None
        # Also who computes; the keys' own `__eq__` may come back.
        self._lock = threading.RLock()
        self._flights: dict[Any, _Flight] = {}
        self._table: Any = _native.CachedFunction(
            _no_value,
            _no_value,
            # As one argument alone 1 and 1.0 would be apart, as functools has it.
            names=("key", "padding"),
            positional_only=2,
            positional=2,
            defaults=(),
            ignore=(),
            var_positional=False,
            var_keyword=False,
            maxsize=maxsize,
            maxbytes=None if maxbytes is None else _native.parse_size(maxbytes),
            typed=False,
            idle_ns=self._idle_ns,
            guard=None,
            is_async=False,
        )
        _caches.append(weakref.ref(self))

    # The mapping.

    def __getitem__(self, key: object) -> Any:
        _read()
        value = self._table(key, None)
        if value is _MISSING:
            self._table.miss()
            raise KeyError(key)
        return value

    def get(self, key: object, default: Any = None) -> Any:
        """The value of a key, or `default`."""
        _read()
        value = self._table(key, None)
        if value is _MISSING:
            self._table.miss()
            return default
        return value

    def __setitem__(self, key: object, value: Any) -> None:
        self.set(key, value)

    def set(self, key: object, value: Any, *, ttl: Duration | None = None, tags: Iterable[str] = ()) -> None:
        """Keeps a value, with a time to live in place of the cache's own, and tags beside those of the cache.

        A value larger than `maxbytes` is not kept, nor what was there before it.
        """
        with self._lock:
            self._overtake(key)
            self._put(key, value, ttl, tags)

    def __delitem__(self, key: object) -> None:
        with self._lock:
            self._overtake(key)
            if not self._holds(key):
                raise KeyError(key)
            self._table.remove((key, None), None)

    def pop(self, key: object, default: Any = _MISSING) -> Any:
        """Removes an entry, and gives its value; `default` if there is none.

        Raises:
            KeyError: if there is none, and no `default`.
        """
        with self._lock:
            value = self.get(key, _MISSING)
            self._overtake(key)
            if value is _MISSING:
                if default is _MISSING:
                    raise KeyError(key)
                return default
            self._table.remove((key, None), None)
            return value

    def setdefault(self, key: object, default: Any = None) -> Any:
        """The value of a key; `default`, which is kept, if there is none."""
        with self._lock:
            value = self.get(key, _MISSING)
            if value is _MISSING:
                value = default
                self.set(key, value)
            return value

    def __contains__(self, key: object) -> bool:
        _read()
        with self._lock:
            return self._holds(key)

    def __iter__(self) -> Iterator[Any]:
        _read()
        return iter(self._live())

    def items(self) -> ItemsView[Any, Any]:
        """Keys with their values, as they are now."""
        _read()
        return self._live().items()

    def values(self) -> ValuesView[Any]:
        """The values, as they are now."""
        _read()
        return self._live().values()

    def __len__(self) -> int:
        _read()
        return len(self._live())

    def clear(self) -> None:
        """Removes everything, and counts from zero again."""
        with self._lock:
            for key in list(self._flights):
                self._overtake(key)
            self._table.clear()

    def __repr__(self) -> str:
        return f"<Cache of {self._table.info()[3]} entries>"

    # What a dict has not.

    def get_or_compute(
        self, key: object, function: Callable[[], Any], *, ttl: Duration | None = None, tags: Iterable[str] = ()
    ) -> Any:
        """The value of a key; if there is none, what `function()` returns, which is kept.

        Of all threads that ask for a key at once one computes, and the others wait. If it fails, the next one computes.
        What is set, removed or invalidated meanwhile stays so. Who would wait in a circle computes for itself.
        """
        if _native.is_recording():
            # What it reads counts for the function that calls.
            value = function()
            self.set(key, value, ttl=ttl, tags=tags)
            return value
        while True:
            value = self._table(key, None)
            if value is not _MISSING:
                return value
            with self._lock:
                flight = self._flights.get(key)
                if flight is None:
                    value = self._table(key, None)
                    if value is not _MISSING:
                        return value
                    self._table.miss()
                    flight = self._flights[key] = _Flight(self._tags.union((tags,) if isinstance(tags, str) else tags))
                    break
                if flight.leader == threading.get_ident():
                    # It asks for what it computes.
                    return function()
            if not _wait(flight):
                return function()
            if flight.value is not _MISSING:
                return flight.value
        try:
            value = function()
            with self._lock:
                if self._flights.get(key) is flight:
                    self._put(key, value, ttl, tags)
            flight.value = value
            return value
        finally:
            with self._lock:
                if self._flights.get(key) is flight:
                    del self._flights[key]
            flight.done.set()

    def invalidate_tag(self, tag: str) -> int:
        """Removes all entries with a tag. How many there were."""
        with self._lock:
            for key, flight in list(self._flights.items()):
                if tag in flight.tags:
                    self._overtake(key)
            tagged = [arguments for arguments, _, _, state, _, _ in self._table.items() if tag in state[0]]
            return sum(bool(self._table.remove(arguments, None)) for arguments in tagged)

    def info(self) -> CacheInfo:
        """Hits, misses, the bound and the number of entries, as `functools` gives them."""
        hits, misses, maxsize, size, _, _ = self._table.info()
        return CacheInfo(hits, misses, maxsize, size)

    def after_fork(self) -> None:
        """In a child: the lock is free, and nobody computes but who forked."""
        self._lock = threading.RLock()
        own = threading.get_ident()
        self._flights = {key: flight for key, flight in self._flights.items() if flight.leader == own}

    # With the lock held.

    def _put(self, key: object, value: Any, ttl: Duration | None, tags: Iterable[str]) -> None:
        seconds = self._ttl if ttl is None else _native.parse_duration(ttl)
        deadline = None if seconds is None else time.monotonic_ns() + int(seconds * 1e9)
        tagged = self._tags.union((tags,) if isinstance(tags, str) else tags)
        size = size_of(value) if self._sized else 0
        hash(key)
        if seconds == 0:
            # The table's clock is a few milliseconds behind.
            self._table.remove((key, None), None)
            return
        self._table.put(
            (key, None), None, value, deadline_ns=deadline, size=size, simple=True, state=(tagged, deadline), copy=None
        )

    def _overtake(self, key: object) -> None:
        """Whoever computes this key is too late."""
        self._flights.pop(key, None)

    def _holds(self, key: object) -> bool:
        hash(key)
        if self._idle_ns is not None:
            # Only the table knows when it was last asked for, which it then is.
            return self._table(key, None) is not _MISSING
        found = self._table.find((key, None), None)
        return found is not None and _in_time(found[1])

    def _live(self) -> dict[Any, Any]:
        """What is in time; removes all else. What nobody asked for is counted until somebody does."""
        with self._lock:
            live = {}
            for arguments, _, value, state, _, _ in self._table.items():
                if _in_time(state):
                    live[arguments[0]] = value
                else:
                    self._table.remove(arguments, None)
            return live


class _Flight:
    """Somebody who computes a value, for all who wait."""

    __slots__ = ("done", "leader", "tags", "value")

    def __init__(self, tags: frozenset[str]) -> None:
        self.tags, self.leader, self.done = tags, threading.get_ident(), threading.Event()
        self.value: Any = _MISSING


# What each thread waits for.
_waiting: dict[int, _Flight] = {}
_lock = threading.RLock()


def _wait(flight: _Flight) -> bool:
    """Waits for who computes, unless he waits for this thread, over others perhaps; whether it has waited."""
    own, leader = threading.get_ident(), flight.leader
    with _lock:
        while leader in _waiting:
            leader = _waiting[leader].leader
            if leader == own:
                return False
        _waiting[own] = flight
    try:
        flight.done.wait()
    finally:
        with _lock:
            del _waiting[own]
    return True


def _read() -> None:
    if _native.is_recording():
        _native.refuse("it reads an everfresh.Cache, and nobody knows what that was filled from")


def _in_time(state: tuple[frozenset[str], int | None]) -> bool:
    return state[1] is None or time.monotonic_ns() < state[1]


def _no_value(table: Any, args: tuple[Any, ...], kwargs: object = None, state: object = None) -> Any:
    """What the table asks where it has nothing in time."""
    hash(args[0])
    if _native.is_recording():
        # There the table answers nothing by itself.
        found = table.find(args, None)
        if found is not None and _in_time(found[1]):
            return found[0]
    return _MISSING


_caches: list[weakref.ref[Cache]] = []


def caches() -> Iterator[Cache]:
    """All that are alive."""
    for reference in list(_caches):
        cache = reference()
        if cache is None:
            _caches.remove(reference)
        else:
            yield cache
