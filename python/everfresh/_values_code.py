"""What has a fingerprint and is never stored: functions, classes, and classes that extend builtin types."""

# Objects of every type come through here.

from __future__ import annotations

import functools
import types

from everfresh import _native
from everfresh._values import BUILTINS, state

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType
    from typing import Any

    from everfresh._values import Parts

#: As arguments, they are what they wrap.
WRAPPERS = (functools._lru_cache_wrapper, _native.LruCache, _native.CachedFunction, _native.Precomputed)


def take_apart(value: Any) -> Parts | None:
    """The parts of a function, class or module, or of a value whose class extends a builtin type; None for others."""
    if isinstance(value, types.FunctionType):
        code = value.__module__, value.__qualname__, _code(value.__code__), value.__defaults__, value.__kwdefaults__
        return "function", code, ()
    if isinstance(value, type):
        return "class", (value.__module__, value.__qualname__), ()
    if isinstance(value, types.BuiltinFunctionType):
        owner = value.__self__
        if owner is None or isinstance(owner, types.ModuleType):
            return "builtin", (value.__module__, value.__qualname__), ()
        return "builtin_method", (owner, value.__name__), ()
    if isinstance(value, types.MethodType):
        return "method", (value.__func__, value.__self__), ()
    if isinstance(value, types.ModuleType):
        from everfresh._observed import module_hook

        return "module", (value.__name__, module_hook(value)), ()
    if isinstance(value, types.GenericAlias):
        return "alias", (value.__origin__, value.__args__), ()
    if type(value) is functools.partial:
        return "partial", (value.func, value.args, value.keywords), ()
    if isinstance(value, WRAPPERS):
        wrapped: object = value.__wrapped__
        return "wrapper", wrapped, ()
    descriptors = types.MethodDescriptorType, types.WrapperDescriptorType, types.ClassMethodDescriptorType
    if isinstance(value, descriptors):
        return "descriptor", (value.__objclass__, value.__name__), ()
    if type(value).__module__ == "operator":
        return "operator", value.__reduce__(), ()
    return _take_subclass(value)


def _code(code: CodeType) -> tuple[object, ...]:
    """What a function's code does, without where it stands."""
    constants = tuple(_code(item) if isinstance(item, type(code)) else item for item in code.co_consts)
    flags = code.co_flags, code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount
    return code.co_code, constants, code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars, *flags


def _take_subclass(value: Any) -> Parts | None:
    """A value of a class that extends a builtin type."""
    cls = type(value)
    base: Any = next((base for base in BUILTINS if base in cls.__mro__), None)
    if base is None or base is cls:
        return None
    plain = _PLAIN[base](value) if base in _PLAIN else base(base.__iter__(value))
    return "subclass", (cls.__module__, cls.__qualname__, plain, state(value)), ()


# By the builtin type's own methods, which a subclass may override.
_PLAIN: dict[type, Callable[[Any], object]] = {
    bytearray: lambda value: bytearray.__add__(value, b""),
    bytes: lambda value: bytes.__add__(value, b""),
    complex: complex.__pos__,
    dict: lambda value: dict(dict.items(value)),
    float: float.__pos__,
    int: int.__pos__,
    str: lambda value: str.__add__(value, ""),
}
