"""Drop-ins for `functools.lru_cache` and `functools.cache`."""

from __future__ import annotations

from everfresh._native import LruCache

# `typing` takes longer to import than all the rest.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, overload

    from ._types import LruFunction, P, R
else:

    def overload(function: Callable[P, R]) -> Callable[P, R]:
        return function


@overload
def lru_cache(maxsize: int | None = 128, typed: bool = False) -> Callable[[Callable[P, R]], LruFunction[P, R]]: ...
@overload
def lru_cache(maxsize: Callable[P, R], typed: bool = False) -> LruFunction[P, R]: ...  # noqa: F811
def lru_cache(maxsize: Any = 128, typed: bool = False) -> Any:  # noqa: F811
    """Keep the last `maxsize` results of a function: `functools.lru_cache`, faster.

    `maxsize` is 128 unless given; `None` means no bound, 0 or less no caching. With `typed`, arguments of different
    classes are kept apart even if they are equal. Arguments must be hashable.

    `f.cache_info()` counts hits and misses, `f.cache_clear()` drops every result, `f.cache_parameters()` tells maxsize
    and typed, `f.__wrapped__` is the function itself. Results are handed out as they are, not copied; what the function
    raises is not kept. Threads that ask for the same missing result at the same time each compute it.
    """
    if isinstance(maxsize, int):
        maxsize = max(maxsize, 0)
    elif callable(maxsize) and isinstance(typed, bool):
        return _wrap(maxsize, 128, typed)
    elif maxsize is not None:
        raise TypeError("Expected first argument to be an integer, a callable, or None")
    bound = maxsize

    def decorating_function(user_function: Callable[P, R]) -> LruFunction[P, R]:
        return _wrap(user_function, bound, typed)

    return decorating_function


def cache(user_function: Callable[P, R], /) -> LruFunction[P, R]:
    """Keep every result of a function, without a bound: `functools.cache`, faster."""
    return _wrap(user_function, None, False)


def _wrap(function: Callable[P, R], maxsize: int | None, typed: bool) -> LruFunction[P, R]:
    from functools import _CacheInfo, update_wrapper

    wrapper: Any = LruCache(function, maxsize, bool(typed), _CacheInfo)
    wrapper.cache_parameters = lambda: {"maxsize": maxsize, "typed": typed}
    update_wrapper(wrapper, function)
    cached: LruFunction[P, R] = wrapper
    return cached
