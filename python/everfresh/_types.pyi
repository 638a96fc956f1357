"""What type checkers know of cached functions."""

from collections.abc import Callable
from functools import _CacheInfo, _CacheParameters
from typing import Any, Generic, ParamSpec, Protocol, TypeVar, overload

from ._table import CacheInfo

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
S = TypeVar("S")
# `cached` on top of one of these is the other order of the two.
Descriptor = TypeVar("Descriptor", bound=classmethod[Any, ..., Any] | staticmethod[..., Any] | property)

class Decorator(Protocol):
    """`cached` with settings."""

    # A descriptor is taken for one, whatever it can be called with.
    @overload
    def __call__(self, function: Descriptor, /) -> Descriptor: ...  # type: ignore[overload-overlap]
    @overload
    def __call__(self, function: Callable[P, R], /) -> CachedFunction[P, R]: ...

_S = TypeVar("_S", contravariant=True)
_R = TypeVar("_R", covariant=True)

class OfClass(Protocol[_S, Q, _R]):
    """What takes a class first. Mypy tells it from other functions as a protocol, and not by `Concatenate`."""

    def __call__(self, cls: type[_S], /, *args: Q.args, **kwargs: Q.kwargs) -> _R: ...

class OfInstance(Protocol[_S, Q, _R]):
    """What takes an instance first."""

    def __call__(self, instance: _S, /, *args: Q.args, **kwargs: Q.kwargs) -> _R: ...

class LruFunction(Generic[P, R]):
    """A function whose results are kept, with what `functools.lru_cache` gives it."""

    __name__: str
    __qualname__: str
    __wrapped__: Callable[P, R]
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R: ...
    # A class method, by its class or an instance; what a class has by its name; a method of an instance; a static one.
    @overload
    def __get__(self: OfClass[S, Q, R], instance: object, owner: type[S]) -> LruFunction[Q, R]: ...
    @overload
    def __get__(self, instance: None, owner: type | None = None) -> LruFunction[P, R]: ...
    @overload
    def __get__(self: OfInstance[S, Q, R], instance: S, owner: type | None = None) -> LruFunction[Q, R]: ...
    @overload
    def __get__(self, instance: object, owner: type | None = None) -> LruFunction[P, R]: ...
    def cache_info(self) -> _CacheInfo: ...
    def cache_clear(self) -> None: ...
    def cache_parameters(self) -> _CacheParameters: ...

class CachedFunction(Generic[P, R]):
    """A function with a cache in front."""

    __name__: str
    __qualname__: str
    __wrapped__: Callable[P, R]
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R: ...
    # A class method, by its class or an instance; what a class has by its name; a method of an instance; a static one.
    @overload
    def __get__(self: OfClass[S, Q, R], instance: object, owner: type[S]) -> CachedFunction[Q, R]: ...
    @overload
    def __get__(self, instance: None, owner: type | None = None) -> CachedFunction[P, R]: ...
    @overload
    def __get__(self: OfInstance[S, Q, R], instance: S, owner: type | None = None) -> CachedFunction[Q, R]: ...
    @overload
    def __get__(self, instance: object, owner: type | None = None) -> CachedFunction[P, R]: ...
    def cache_info(self) -> CacheInfo: ...
    def cache_clear(self) -> None: ...
    def cache_parameters(self) -> dict[str, Any]: ...
    def cache_contains(self, *args: P.args, **kwargs: P.kwargs) -> bool: ...
    def cache_explain(self, *args: P.args, **kwargs: P.kwargs) -> str: ...
    def cache_invalidate(self, *args: P.args, **kwargs: P.kwargs) -> bool: ...
    def cache_refresh(self, *args: P.args, **kwargs: P.kwargs) -> R: ...
