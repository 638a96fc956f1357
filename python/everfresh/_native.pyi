from collections.abc import Callable
from typing import Any

__version__: str

class LruCache:
    def __new__(
        cls,
        function: Callable[..., object],
        maxsize: int | None,
        typed: bool,
        cache_info_type: Callable[[int, int, int | None, int], object],
        /,
    ) -> LruCache: ...
    def __call__(self, *args: object, **kwargs: object) -> object: ...
    def __get__(self, instance: object, owner: type | None = ..., /) -> object: ...
    def cache_info(self) -> object: ...
    def cache_clear(self) -> None: ...
    def _table_bytes(self) -> int: ...

class CachedFunction:
    __wrapped__: Callable[..., object]
    guard: object | None
    def __new__(
        cls,
        function: Callable[..., object],
        slow: Callable[[CachedFunction, tuple[object, ...], dict[str, Any] | None, object | None], object],
        /,
        *,
        names: tuple[str, ...],
        positional_only: int,
        positional: int,
        defaults: tuple[tuple[int, object], ...],
        ignore: tuple[int, ...],
        var_positional: bool,
        var_keyword: bool,
        maxsize: int | None,
        maxbytes: int | None,
        typed: bool,
        idle_ns: int | None,
        guard: object | None,
    ) -> CachedFunction: ...
    def __call__(self, *args: object, **kwargs: object) -> object: ...
    def __get__(self, instance: object, owner: type | None = ..., /) -> object: ...
    def __len__(self) -> int: ...
    def put(
        self,
        args: tuple[object, ...],
        kwargs: dict[str, Any] | None,
        value: object,
        /,
        *,
        deadline_ns: int | None = None,
        size: int = 0,
        simple: bool = True,
        state: object | None = None,
        copy: Callable[[object], object] | None = None,
    ) -> bool: ...
    def find(
        self, args: tuple[object, ...], kwargs: dict[str, Any] | None, /
    ) -> tuple[object, object | None] | None: ...
    def remove(self, args: tuple[object, ...], kwargs: dict[str, Any] | None, /) -> bool: ...
    def clear(self) -> None: ...
    def info(self) -> tuple[int, int, int | None, int, int | None, int]: ...
    def items(
        self,
    ) -> list[tuple[tuple[object, ...], tuple[str, ...] | None, object, object | None, int | None, int]]: ...
    def hit(self) -> None: ...
    def miss(self) -> None: ...
