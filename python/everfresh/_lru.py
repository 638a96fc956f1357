"""Drop-ins for `functools.lru_cache` and `functools.cache`."""

from __future__ import annotations

from everfresh._native import LruCache

# `typing` takes longer to import than all the rest.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from functools import _lru_cache_wrapper
    from typing import Any, TypeVar, overload

    T = TypeVar("T")
else:

    def overload(function: Callable[..., T]) -> Callable[..., T]:
        return function


@overload
def lru_cache(
    maxsize: int | None = 128, typed: bool = False
) -> Callable[[Callable[..., T]], _lru_cache_wrapper[T]]: ...
@overload
def lru_cache(maxsize: Callable[..., T], typed: bool = False) -> _lru_cache_wrapper[T]: ...  # noqa: F811
def lru_cache(  # noqa: F811
    maxsize: int | Callable[..., T] | None = 128, typed: bool = False
) -> Callable[[Callable[..., T]], _lru_cache_wrapper[T]] | _lru_cache_wrapper[T]:
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

    def decorating_function(user_function: Callable[..., T]) -> _lru_cache_wrapper[T]:
        return _wrap(user_function, bound, typed)

    return decorating_function


def cache(user_function: Callable[..., T], /) -> _lru_cache_wrapper[T]:
    """Keep every result of a function, without a bound: `functools.cache`, faster."""
    return _wrap(user_function, None, False)


def _wrap(function: Callable[..., T], maxsize: int | None, typed: bool) -> _lru_cache_wrapper[T]:
    from functools import _CacheInfo, update_wrapper

    wrapper: Any = LruCache(function, maxsize, bool(typed), _CacheInfo)
    wrapper.cache_parameters = lambda: {"maxsize": maxsize, "typed": typed}
    update_wrapper(wrapper, function)
    cached: _lru_cache_wrapper[T] = wrapper
    return cached
