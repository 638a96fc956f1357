"""Cached methods: each instance has a table of its own, which dies with it."""

from __future__ import annotations

import functools
import sys
import weakref

from ._async import mark_coroutine
from ._verbs import Verbs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._cached import Function
    from ._call import Call


class Bound:
    """A cached method of an instance, which it holds as a bound method does."""

    __slots__ = ("__self__", "__weakref__", "_table")

    def __init__(self, instance: Any, table: Any) -> None:
        self.__self__, self._table = instance, table

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._table(*args, **kwargs)

    def __get__(self, _instance: object, _owner: type | None = None) -> Bound:
        return self

    def __getattr__(self, name: str) -> Any:
        return getattr(self._table, name)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Bound) and self._table is other._table

    def __hash__(self) -> int:
        return hash(self._table)

    def __repr__(self) -> str:
        return f"<bound cached method {self.__qualname__} of {self.__self__!r}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return getattr, (self.__self__, self.__name__)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        import copy

        return getattr(copy.deepcopy(self.__self__, memo), self.__name__)

    def __everfresh_key__(self) -> object:
        # As an argument: the function, and the instance as in the keys of its methods.
        from ._cached import state_of

        return self.__wrapped__, state_of(self.__self__)

    @property
    def __signature__(self) -> Any:
        return _without_first(self.__wrapped__)


Bound.__doc__ = property(lambda bound: bound._table.__doc__)  # type: ignore[assignment]


class BoundTo(functools.partial):  # type: ignore[type-arg]
    """A wrapper whose first argument is given: a cached class method of a class, a memory's function of an instance.

    Calls go through `partial`, whose code is C; the verbs give the first argument as well.
    """

    @property
    def __self__(self) -> Any:
        return self.args[0]

    @property
    def __signature__(self) -> Any:
        return _without_first(self.__wrapped__)

    def __get__(self, _instance: object, _owner: type | None = None) -> BoundTo:
        return self

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.func, name)
        return functools.partial(found, *self.args) if name in _VERBS_OF_CALLS else found

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BoundTo) and self.func is other.func and self.args[0] is other.args[0]

    def __hash__(self) -> int:
        return hash((self.func, id(self.args[0])))

    def __repr__(self) -> str:
        return f"<bound cached method {self.__qualname__} of {self.args[0]!r}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return getattr, (self.args[0], self.__name__)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        import copy

        return getattr(copy.deepcopy(self.args[0], memo), self.__name__)

    def __everfresh_key__(self) -> object:
        return self.__wrapped__, self.args[0]


BoundTo.__doc__ = property(lambda bound: bound.func.__doc__)  # type: ignore[assignment]
_VERBS_OF_CALLS = frozenset({
    "cache_contains", "cache_explain", "cache_invalidate", "cache_refresh", "call", "call_and_shelve",
    "check_call_in_cache",
})  # fmt: skip


class ClassMethod(classmethod):  # type: ignore[type-arg]
    """A class method whose verbs know the class: from Python 3.13 on `classmethod` does not tell its function."""

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return BoundTo(self.__func__, type(instance) if owner is None else owner)


def is_plain_class_method(function: Any, table: Any) -> bool:
    """Whether a table stands under a `classmethod` of the class that it was written in, as far as names find that."""
    home: Any = sys.modules.get(getattr(function, "__module__", ""))
    *path, name = getattr(function, "__qualname__", "").split(".")
    for part in path:
        home = getattr(home, part, None)
    held = home.__dict__.get(name) if isinstance(home, type) else None
    return type(held) is classmethod and held.__func__ is table


def _without_first(function: Any) -> Any:
    import inspect

    signature = inspect.signature(function)
    return signature.replace(parameters=list(signature.parameters.values())[1:])


class _ByClass(Verbs):
    """The verbs of a method that is reached by its class: the instance is their first argument."""

    __slots__ = ()

    def call_of(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call:
        if not args:
            raise TypeError(f"{self.function.name} is a method: reached by its class, it needs the instance first")
        of_instance: Verbs = self._table.verbs(args[0])
        return of_instance.call_of(args[1:], kwargs)


class Method:
    """A cached function in a class: what stands in its place once the class is made.

    The instance is a part of each key by its attributes, or by what its `__everfresh_key__` returns.
    """

    __qualname__: str

    def __init__(self, function: Function, table: Any) -> None:
        self._function, self._table = function, table
        self._tables: dict[int, tuple[weakref.ref[Any], Any]] = {}
        functools.update_wrapper(self, function.function)
        _ByClass(function, self).attach()
        if function.is_async:
            mark_coroutine(self)

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else self._bound(instance)

    def _bound(self, instance: Any) -> Bound:
        known = self._tables.get(id(instance))
        if known is not None and known[0]() is instance:
            return Bound(instance, known[1])
        return Bound(instance, self._new(instance))

    def _new(self, instance: Any) -> Any:
        function, place = self._function, id(instance)
        alive: Any
        try:
            alive = weakref.ref(instance, lambda _: self._died(place))
            dies = True
        except TypeError:
            # Nothing tells when it dies, so nothing is kept in memory for it: the table is for one call.
            dies, alive = False, lambda: instance

        def first() -> tuple[Any, ...]:
            return (alive(),)

        def slow(table: Any, args: tuple[Any, ...], kwargs: dict[str, Any] | None, held: Any) -> Any:
            return function.slow(table, args, kwargs, held, first())

        table = function.new_table(slow, skip=1)
        functools.update_wrapper(table, function.function)
        Verbs(function, table, first).attach()
        if function.is_async:
            mark_coroutine(table)
        if dies:
            self._tables[place] = (alive, table)
        else:
            table.hit, table.miss = self._table.hit, self._table.miss
        return table

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        if not args:
            # The error says what is missing.
            return self._function.function(**kwargs)
        return self._bound(args[0])(*args[1:], **kwargs)

    def verbs(self, instance: Any) -> Verbs:
        """Those of an instance."""
        verbs: Verbs = self._bound(instance)._verbs
        return verbs

    # As a Python object: found by its name, as functions are.

    def __reduce__(self) -> str:
        return str(self.__qualname__)

    def __copy__(self) -> Method:
        return self

    def __deepcopy__(self, _memo: object) -> Method:
        return self

    def __repr__(self) -> str:
        return f"<cached method {self.__qualname__}>"

    def __everfresh_key__(self) -> object:
        return (self._function.function,)

    # What the verbs ask of a table.

    def info(self) -> tuple[int, ...]:
        """The numbers of all instances."""
        each = [table.info() for table in self._every()]
        return tuple(sum(info[place] or 0 for info in each) for place in range(6))

    def clear(self) -> None:
        """Forgets the results of all instances, and counts from zero again."""
        for table in self._every():
            table.clear()

    def forget(self) -> None:
        """Forgets the results of all instances."""
        for table in self._every():
            table.forget()

    def _every(self) -> list[Any]:
        # The function's own counts what instances did that have no table any more.
        return [self._table, *(table for _, table in list(self._tables.values()))]

    def _died(self, place: int) -> None:
        hits, misses, *_ = self._tables.pop(place)[1].info()
        self._table.count(hits, misses)


def of_getter(function: Function, cls: type) -> Method | None:
    """The method that a cached function is which a class has as the getter of a property; `None` if it has none."""
    for base in cls.__mro__:
        for value in list(base.__dict__.values()):
            kind = type(value)
            if kind is property or kind.__name__ == "cached_property":
                getter = getattr(value, "fget", None) or getattr(value, "func", None)
                if getter is function.table:
                    found = (one for one in list(base.__dict__.values()) if type(one) is Method)
                    known = next((one for one in found if one._table is getter), None)
                    return known or Method(function, getter)
    return None
