"""What `cached` is put on: functions, and descriptors around them; everything else is refused with a reason."""

from __future__ import annotations

import types

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_BUILT_IN = (
    types.BuiltinFunctionType,
    types.MethodDescriptorType,
    types.WrapperDescriptorType,
    types.MethodWrapperType,
    types.ClassMethodDescriptorType,
)
_CALLED = {
    types.GeneratorType: "generator",
    types.AsyncGeneratorType: "async generator",
    types.CoroutineType: "coroutine",
}


def around(target: Any, decorate: Callable[[Any], Any]) -> Any:
    """A `property`, `classmethod` or `staticmethod` whose function is decorated; None for everything else.

    Raises:
        TypeError: for a property without a getter.
    """
    if isinstance(target, classmethod):
        from ._method import ClassMethod

        return ClassMethod(decorate(target.__func__))
    if isinstance(target, staticmethod):
        return type(target)(decorate(target.__func__))
    if isinstance(target, property):
        if target.fget is None:
            raise TypeError("a property without a getter has nothing to cache")
        return type(target)(decorate(target.fget), target.fset, target.fdel, target.__doc__)
    return None


def check(target: Any, by: str) -> None:
    """Refuses what is never called, or was called already.

    Raises:
        TypeError: which says what to do.
    """
    kind = _CALLED.get(type(target))
    if kind is not None:
        raise TypeError(
            f"{by} takes a function, not the {kind} that a call of {target.__qualname__} returned: leave the call out"
        )
    if not callable(target):
        raise TypeError(f"{by} takes a function, not {target!r}")


def check_code(target: Any, by: str) -> None:
    """Refuses also what has no code of its own that anybody sees.

    Raises:
        TypeError: which says what to do.
    """
    check(target, by)
    if isinstance(target, type):
        raise TypeError(
            f"{target.__qualname__} is a class, and {by} takes a function: cache one that returns what it makes, or "
            "its methods"
        )
    if isinstance(target, _BUILT_IN):
        name = target.__name__
        raise TypeError(
            f"{name} is built in, and what it reads cannot be seen: cache a function of your own that calls it"
        )
