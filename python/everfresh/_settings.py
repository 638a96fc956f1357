"""What `cached` was given, checked."""

from __future__ import annotations

from . import _native
from ._depends import Dependency

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class Settings:
    """What `cached` was given, checked."""

    check: float | None
    depends: tuple[Dependency, ...]
    errors: bool | float
    idle: float | None
    ignore: tuple[str, ...]
    key: Callable[..., object] | None
    maxbytes: int | None
    maxsize: int | None
    order_free: bool
    pickle: bool
    stale: float | None
    store: _native.Store | None
    strict: bool
    tags: tuple[str, ...]
    ttl: float | None
    typed: bool
    verify: float

    def __init__(self, **given: Any) -> None:
        duration = _native.parse_duration
        for name in ("ttl", "idle", "stale", "check"):
            value = given[name]
            given[name] = None if value is None else duration(value)
        if given["stale"] is not None and given["ttl"] is None:
            raise ValueError("stale: results that never expire are never stale; give a ttl")
        maxsize = given["maxsize"]
        if maxsize is not None and (not isinstance(maxsize, int) or isinstance(maxsize, bool)):
            raise TypeError(f"maxsize is a number of results or None, not {maxsize!r}")
        if maxsize is not None and maxsize < 0:
            given["maxsize"] = 0
        if given["maxbytes"] is not None:
            given["maxbytes"] = _native.parse_size(given["maxbytes"])
        for name in ("ignore", "tags"):
            if isinstance(given[name], str):
                given[name] = (given[name],)
            given[name] = tuple(given[name])
        depends = given["depends"]
        given["depends"] = tuple(depends) if isinstance(depends, tuple | list) else (depends,)
        for dependency in given["depends"]:
            if not isinstance(dependency, Dependency):
                raise TypeError(f"depends: {dependency!r} is none of file(…), dir(…), env(…) and value(…)")
        if not 0.0 <= given["verify"] <= 1.0:
            raise ValueError(f"verify is a share of hits, from 0 to 1, not {given['verify']!r}")
        errors = given["errors"]
        given["errors"] = errors if isinstance(errors, bool) else duration(errors)
        self.__dict__.update(given)
