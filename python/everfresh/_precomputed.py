"""`everfresh.precomputed`: a table of all results inside a small domain."""

from __future__ import annotations

import functools
from contextlib import contextmanager
from threading import get_ident

from . import _native
from ._api import cached
from ._signature import Signature

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from enum import Enum
    from typing import Any, TypeVar

    _F = TypeVar("_F", bound=Callable[..., Any])
    Domain = range | type[bool] | type[Enum]
    Table = Callable[[], tuple[Any, ...]]

# A list of so many results takes 128 MB, without the results.
_LARGEST = 1 << 24


def precomputed(*domains: Domain, store: _native.Store | bool | None = None) -> Callable[[_F], _F]:
    """Takes a function's results from a table that holds all of a small domain; outside it the function is called.

    The table is filled when it is first needed, and again if the function's code changed, or anything that it reads.

    Args:
        domains: for each parameter its values: a `range` of ints, `bool`, or an `Enum` class.
        store: a `Store` in which the table outlives the process, or `True` for the user's own.

    Raises:
        ValueError: if there is no domain, or more than 2**24 results. TypeError: for what is no domain; at the first
        call, if results can be changed by their callers, or if the function
            has another number of parameters.

    Example:
        >>> import everfresh as ef
        >>> @ef.precomputed(range(65_536))
        ... def ones(n): return n.bit_count()
        >>> ones(65_535), ones(1 << 40)
        (16, 1)
    """
    if not domains:
        raise ValueError("precomputed needs a domain for each parameter, such as range(256)")
    values = [_values(domain) for domain in domains]
    size = 1
    for each in values:
        size *= len(each)
    if size > _LARGEST:
        raise ValueError(f"a table of {size:,} results is too large: {_LARGEST:,} is the most")

    def decorate(function: _F) -> _F:
        progress = _Progress()

        def fill() -> tuple[Any, ...]:
            import itertools

            results: list[Any] = []
            with progress.of(results):
                for arguments in itertools.product(*values):
                    results.append(function(*arguments))
            filled = tuple(results)
            if _native.protect(filled)[1] is not None:
                name = getattr(function, "__qualname__", "the function")
                raise TypeError(f"{name} returns what its callers could change: return a tuple, or use ef.cached")
            return filled

        fill.__qualname__ = f"{getattr(function, '__qualname__', 'function')}.<table>"
        table: Any = cached(maxsize=1, store=store)(fill)
        first = values[0]
        slow = _general(function, table, progress, values)
        made: Any
        if len(values) == 1 and isinstance(first, range) and first.step == 1:
            made = _native_table(slow, table, first.start)
        else:
            made = _native.Precomputed(slow)
        functools.update_wrapper(made, function)
        return made  # type: ignore[no-any-return]

    return decorate


class _Progress:
    """The tables that are being filled, by thread: a function that calls itself finds there what is done."""

    __slots__ = ("filling",)

    def __init__(self) -> None:
        self.filling: dict[int, list[Any]] = {}

    @contextmanager
    def of(self, results: list[Any]) -> Iterator[None]:
        """While this thread fills a table."""
        own = get_ident()
        self.filling[own] = results
        try:
            yield
        finally:
            del self.filling[own]

    def find(self, function: Callable[..., Any], table: Table, at: int, args: Any, named: Any) -> Any:
        """The result at a place."""
        results = self.filling.get(get_ident()) if self.filling else None
        if results is None:
            return table()[at]
        return results[at] if at < len(results) else function(*args, **named)


def _values(domain: Domain) -> range | list[Any]:
    """The values of a domain, in order."""
    if isinstance(domain, range):
        return domain
    if domain is bool:
        return [False, True]
    import enum

    if isinstance(domain, type) and issubclass(domain, enum.Enum):
        return list(domain)
    raise TypeError(f"a domain is a range, bool or an Enum class, not {domain!r}")


def _native_table(slow: Callable[..., Any], table: Any, first: int) -> Any:
    """The same; native code has the table where nothing but the code's guard has to be looked at for it."""
    function = table._verbs.function
    handed: Any = None

    def fill(*args: Any, **named: Any) -> Any:
        nonlocal handed
        result = slow(*args, **named)
        guard = table.guard
        if guard is not handed:
            held = table.find((), None)
            # The guard was there before and after: it speaks for these results.
            if held is not None and table.guard is guard and function.stands_alone(held[1].found):
                made.fill(held[0], first, guard)
                handed = guard
        return result

    made = _native.Precomputed(fill)
    return made


def _general(
    function: Callable[..., Any], table: Table, progress: _Progress, values: list[range | list[Any]]
) -> Callable[..., Any]:
    """Any domains: the results lie in the order of the values, those of the last parameter beside each other."""
    signature = Signature(function)
    places = [_place(each) for each in values]
    count = len(places)

    def wrapper(*args: Any, **named: Any) -> Any:
        given: Any = args
        if named or len(args) != count:
            bound = signature.bind(args, named)
            given = () if bound is None or bound[1] or bound[2] else bound[0]
        if len(given) == count:
            at = 0
            for (place, size), value in zip(places, given, strict=True):
                here = place(value)
                if here is None:
                    break
                at = at * size + here
            else:
                return progress.find(function, table, at, args, named)
        return function(*args, **named)

    return wrapper


def _place(values: range | list[Any]) -> tuple[Callable[[Any], int | None], int]:
    """What tells where in a domain a value is, `None` if it is outside; and the domain's size."""
    if isinstance(values, range):
        inside = values

        def of_range(value: Any) -> int | None:
            return inside.index(value) if type(value) is int and value in inside else None

        return of_range, len(values)
    cls = type(values[0]) if values else object
    known = {value: place for place, value in enumerate(values)}

    def of_class(value: Any) -> int | None:
        return known.get(value) if type(value) is cls else None

    return of_class, len(values)
