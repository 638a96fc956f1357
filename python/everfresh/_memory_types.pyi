"""What type checkers know of functions that `Memory` caches."""

from collections.abc import Callable
from typing import Any, Generic, ParamSpec, TypeVar, overload

from ._types import OfClass, OfInstance

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
S = TypeVar("S")

class MemorizedFunction(Generic[P, R]):
    """A function whose results are kept on disk; `call` and `call_and_shelve` of a coroutine function are awaited."""

    __name__: str
    __qualname__: str
    __wrapped__: Callable[P, R]
    func: Callable[P, R]
    func_id: str
    ignore: list[str]
    location: str
    mmap_mode: str | None
    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R: ...
    @overload
    def __get__(self: OfClass[S, Q, R], instance: object, owner: type[S]) -> MemorizedFunction[Q, R]: ...
    @overload
    def __get__(self, instance: None, owner: type | None = None) -> MemorizedFunction[P, R]: ...
    @overload
    def __get__(self: OfInstance[S, Q, R], instance: S, owner: type | None = None) -> MemorizedFunction[Q, R]: ...
    @overload
    def __get__(self, instance: object, owner: type | None = None) -> MemorizedFunction[P, R]: ...
    def call(self, /, *args: P.args, **kwargs: P.kwargs) -> Any: ...
    def call_and_shelve(self, /, *args: P.args, **kwargs: P.kwargs) -> Any: ...
    def check_call_in_cache(self, /, *args: P.args, **kwargs: P.kwargs) -> bool: ...
    def cache_explain(self, /, *args: P.args, **kwargs: P.kwargs) -> str: ...
    def clear(self, warn: bool = True) -> None: ...
