"""What type checkers know of functions that `Memory` caches."""

from collections.abc import Callable
from typing import Any, Generic, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

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
    def call(self, /, *args: P.args, **kwargs: P.kwargs) -> Any: ...
    def call_and_shelve(self, /, *args: P.args, **kwargs: P.kwargs) -> Any: ...
    def check_call_in_cache(self, /, *args: P.args, **kwargs: P.kwargs) -> bool: ...
    def cache_explain(self, /, *args: P.args, **kwargs: P.kwargs) -> str: ...
    def clear(self, warn: bool = True) -> None: ...
