"""What a cached function can be asked and told: `f.cache_info()`, `f.cache_invalidate(…)` and so on."""

from __future__ import annotations

from ._cached import Function
from ._call import Call
from ._table import CacheInfo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class Verbs:
    """The verbs of one table; `first` are arguments that somebody else gives, as an instance gives itself."""

    __slots__ = ("_first", "_table", "function")

    def __init__(self, function: Function, table: Any, first: Callable[[], tuple[Any, ...]] = tuple) -> None:
        self.function, self._table, self._first = function, table, first

    def attach(self) -> None:
        """Makes them attributes of the table."""
        self._table._verbs = self
        for name in dir(type(self)):
            if name.startswith("cache_"):
                setattr(self._table, name, getattr(self, name))

    def call_of(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call:
        """The call that a verb is about; it knows the table that would answer it.

        Raises:
            TypeError: if the arguments do not fit.
        """
        function, first = self.function, self._first()
        method = None if first else function.method_of(args)
        if method is not None:
            of_instance: Verbs = method.verbs(args[0])
            return of_instance.call_of(args[1:], kwargs)
        if not first and not (args and isinstance(args[0], type)) and self._is_of_class():
            raise TypeError(
                f"{function.name} is a class method, and this Python does not tell it the class: give the class as the "
                "first argument, or put `cached` on top of `classmethod`"
            )
        function.look_at_code(self._table)
        bound = function.signature.bind(first + args, kwargs)
        if bound is None:
            raise TypeError(f"{function.name} cannot be called with these arguments")
        return Call(function, self._table, bound, args, kwargs, first)

    def _is_of_class(self) -> bool:
        from ._method import is_plain_class_method

        return is_plain_class_method(self.function.function, self._table)

    def cache_info(self) -> CacheInfo:
        """Hits, misses, the bound and the number of results in memory, as `functools` gives them."""
        hits, misses, _, size, *_ = self._table.info()
        return CacheInfo(hits, misses, self.function.settings.maxsize, size)

    def cache_clear(self) -> None:
        """Forgets all results, and makes out of date whatever was made with them."""
        self.function.forget()
        self._table.clear()

    def cache_parameters(self) -> dict[str, Any]:
        """What the cache was given: `maxsize`, `typed`, `ttl` and so on."""
        return dict(vars(self.function.settings))

    def cache_contains(self, /, *args: Any, **kwargs: Any) -> bool:
        """Whether a call would be answered without computing."""
        return self.cache_explain(*args, **kwargs).startswith("hit")

    def cache_explain(self, /, *args: Any, **kwargs: Any) -> str:
        """What a call would do now, and why.

        `hit …` with all that was read; `miss: …` with what changed, or why this process did not keep the last result.
        """
        call = self.call_of(args, kwargs)
        held = call.held(call.table.find)
        return self.function.explain(call.key, None if held is None else held.found)

    def cache_invalidate(self, /, *args: Any, **kwargs: Any) -> bool:
        """Forgets the result of a call, and makes out of date whatever was made with it. Whether there was one."""
        call = self.call_of(args, kwargs)
        in_memory = call.held(call.table.find) is not None and call.table.remove(*call.place)
        return self.function.engine.invalidate(call.key) or bool(in_memory)

    def cache_refresh(self, /, *args: Any, **kwargs: Any) -> Any:
        """Computes a call anew, keeps the result and returns it; if that fails, the old result stays."""
        call = self.call_of(args, kwargs)
        call.table.miss()
        return call.refresh_async() if self.function.is_async else call.refresh()
