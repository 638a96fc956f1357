"""Cached methods: each instance has a table of its own, which dies with it."""

from __future__ import annotations

import functools
import weakref

from . import _native
from ._async import mark_coroutine
from ._table import NoTable
from ._verbs import Verbs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._cached import Function


class Bound:
    """A cached method of an instance, which it holds as a bound method does."""

    __slots__ = ("__self__", "_table")

    def __init__(self, instance: Any, table: Any) -> None:
        self.__self__, self._table = instance, table

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._table(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._table, name)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Bound) and self._table is other._table

    def __hash__(self) -> int:
        return hash(self._table)

    @property
    def __signature__(self) -> Any:
        import inspect

        signature = inspect.signature(self._table.__wrapped__)
        return signature.replace(parameters=list(signature.parameters.values())[1:])


class _Counted(NoTable):
    """Where nothing is kept in memory: another table counts the calls."""

    def __init__(self, table: Any) -> None:
        self.hit, self.miss = table.hit, table.miss  # type: ignore[method-assign]


def run(answer: Any) -> Any:
    """What a slow path gave where there is no table that runs what is pending."""
    return answer.run() if type(answer) is _native.Pending else answer


class Method:
    """A cached function in a class: what stands in its place once the class is made.

    The instance is a part of each key by its attributes, or by what its `__everfresh_key__` returns.
    """

    def __init__(self, function: Function, table: Any, name: str) -> None:
        self._function, self._table, self._name = function, table, name
        self._tables: dict[int, tuple[weakref.ref[Any], Any]] = {}
        functools.update_wrapper(self, function.function)
        Verbs(function, self).attach()
        if function.is_async:
            mark_coroutine(self)

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        if instance is None:
            return self
        known = self._tables.get(id(instance))
        if known is not None and known[0]() is instance:
            return Bound(instance, known[1])
        return self._new(instance)

    def _new(self, instance: Any) -> Any:
        function, place = self._function, id(instance)
        try:
            alive = weakref.ref(instance, lambda _: self._died(place))
        except TypeError:
            # Nothing tells when it dies, so nothing is kept in memory for it.
            counted = _Counted(self._table)
            return lambda *args, **kwargs: run(function.slow(counted, args, kwargs, None, (instance,)))

        def first() -> tuple[Any, ...]:
            return (alive(),)

        def slow(table: Any, args: tuple[Any, ...], kwargs: dict[str, Any] | None, held: Any) -> Any:
            return function.slow(table, args, kwargs, held, first())

        table = function.new_table(slow, skip=1)
        functools.update_wrapper(table, function.function)
        Verbs(function, table, first).attach()
        if function.is_async:
            mark_coroutine(table)
        self._tables[place] = (alive, table)
        return Bound(instance, table)

    def __call__(self, instance: Any, /, *args: Any, **kwargs: Any) -> Any:
        return self.__get__(instance)(*args, **kwargs)

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

    guard = None
    skip = epoch = 0

    def find(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """What the table of the first argument knows."""
        return self.__get__(args[0]).find(args[1:], kwargs)

    def remove(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Has the table of the first argument forget."""
        return self.__get__(args[0]).remove(args[1:], kwargs)

    def set_defaults(self, _: object) -> None:
        """Each table has its own."""
