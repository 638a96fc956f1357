"""The decorator `cached`, and what concerns all cached functions."""

from __future__ import annotations

import functools

from . import _native
from ._async import mark_coroutine
from ._cache import caches
from ._cached import Function, functions
from ._method import BoundTo, Method
from ._settings import Settings
from ._targets import around, check_code
from ._verbs import Verbs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import timedelta
    from typing import Any, overload

    from ._depends import Dependency
    from ._types import CachedFunction, Decorator, Descriptor, P, R

    Duration = float | str | timedelta


_MISSING: Any = object()

if TYPE_CHECKING:

    @overload
    def cached(function: Descriptor, /) -> Descriptor: ...  # type: ignore[overload-overlap]

    @overload
    def cached(function: Callable[P, R], /) -> CachedFunction[P, R]: ...

    @overload
    def cached(
        *,
        maxsize: int | None = 128,
        maxbytes: int | str | None = None,
        ttl: Duration | None = None,
        idle: Duration | None = None,
        stale: Duration | None = None,
        typed: bool = False,
        key: Callable[..., object] | None = None,
        ignore: Iterable[str] = (),
        tags: Iterable[str] = (),
        depends: Dependency | Iterable[Dependency] = (),
        store: _native.Store | bool | None = None,
        errors: bool | Duration = False,
        verify: float = 0.0,
        strict: bool = False,
        check: Duration | None = None,
        order_free: bool = False,
        pickle: bool = False,
    ) -> Decorator: ...


def cached(
    function: Any = _MISSING,
    /,
    *,
    maxsize: int | None = 128,
    maxbytes: int | str | None = None,
    ttl: Duration | None = None,
    idle: Duration | None = None,
    stale: Duration | None = None,
    typed: bool = False,
    key: Callable[..., object] | None = None,
    ignore: Iterable[str] = (),
    tags: Iterable[str] = (),
    depends: Dependency | Iterable[Dependency] = (),
    store: _native.Store | bool | None = None,
    errors: bool | Duration = False,
    verify: float = 0.0,
    strict: bool = False,
    check: Duration | None = None,
    order_free: bool = False,
    pickle: bool = False,
) -> Any:
    """Caches a function's results, each served only while all that it was made from is unchanged.

    Counted are the arguments, the function's code and all code of yours that it reaches, in any module, the files,
    folders and environment variables that it reads, and what `depends` declares. `f.cache_explain(…)` says why a call
    would be computed. A result that callers could change is copied for each.

    Args:
        function: what is cached, a function or a coroutine function, also that of a `classmethod`, `staticmethod` or
            `property`.
        maxsize: how many results are kept in memory, the last used; `None` is any number.
        maxbytes: how many bytes they may take together: a number, or `"256MB"`.
        ttl: how long a result lives at most: seconds, a `timedelta`, or `"5m"`.
        idle: how long a result lives that nobody asks for.
        stale: how long after its `ttl` a result is still handed out while it is computed anew behind its callers.
        typed: whether 1, 1.0 and True are apart in memory. In a store they always are.
        key: what stands in place of the arguments. It gets them as they are bound to the parameters, defaults applied:
            by position, keyword-only ones by name, the instance of a method first. So `f(1, 2)`, `f(x=1, y=2)` and a
            default of 2 are one `key(1, 2)`.
        ignore: parameters that do not count.
        tags: names under which `invalidate_tag` finds the results.
        depends: what it reads that nobody can see: `file`, `dir`, `env`, `value`.
        store: a `Store` that outlives the process, or `True` for the user's own.
        errors: whether errors are kept too, or for how long; in memory alone.
        verify: the share of hits that are computed once more, to see whether the function is pure.
        strict: whether a function is refused that does what no pure function does.
        check: how long files and variables are taken to be as they were, in place of a look at each call.
        order_free: whether the order of a dict among the arguments counts for nothing.
        pickle: whether the store takes results of any type, pickled and sealed with a key of the user's.

    Raises:
        TypeError: for generators, classes and built-in functions; at a call, if an argument has no fingerprint, or a
            result no encoding.
        ValueError: for settings that make no sense.
    """
    settings = Settings(
        maxsize=maxsize,
        maxbytes=maxbytes,
        ttl=ttl,
        idle=idle,
        stale=stale,
        typed=typed,
        key=key,
        ignore=ignore,
        tags=tags,
        depends=depends,
        store=_native.Store() if store is True else (store or None),
        errors=errors,
        verify=verify,
        strict=strict,
        check=check,
        order_free=order_free,
        pickle=pickle,
    )

    def decorate(function: Any) -> Any:
        within = around(function, decorate)
        if within is not None:
            return within
        check_code(function, "cached")
        made = Function(function, settings)
        table = made.table
        functools.update_wrapper(table, function)
        Verbs(made, table).attach()
        table._class_bound = BoundTo
        table._on_set_name = lambda owner, name: setattr(owner, name, Method(made, table))
        if made.is_async:
            mark_coroutine(table)
        return table

    return decorate if function is _MISSING else decorate(function)


def invalidate_tag(tag: str) -> None:
    """Makes out of date all results of functions with this tag, and whatever was made with them.

    What has it in a `Cache` is removed.
    """
    for function in functions():
        if tag in function.settings.tags:
            function.engine.invalidate_tag(tag)
            function.table.forget()
    for cache in caches():
        cache.invalidate_tag(tag)


def stats() -> dict[str, dict[str, float]]:
    """What the cached functions of this process did, by name: hits, misses, seconds saved, `size` in memory."""
    said: dict[str, dict[str, float]] = {}
    for function in functions():
        own: dict[str, float] = function.engine.stats()
        hits, _, _, own["size"], *_ = function.table.info()
        # Since the table was last cleared, which the engine does not hear of.
        own["memory_hits"] = max(hits - own["disk_hits"], 0)
        # What came too late to compute did not fail.
        own["failures"] -= function.late
        said[function.name] = own
    return said
