"""`module:path`: how code that ran is named, and found again in another process."""

from __future__ import annotations

import functools
import importlib
import sys
from types import CellType, CodeType, FunctionType
from typing import Any

from everfresh import _code_origin as origin
from everfresh._code_places import Places, type_dict

# How an item for it is named; a backtick ends it.
FOUND = "the code found as `"


def resolve_object(name: str, places: Places) -> tuple[bool, Any]:
    """What stands at `module:path` now; the user's module is imported if it is not yet."""
    module_name, _, path = name.partition(":")
    module = sys.modules.get(module_name)
    if module is None and origin.of_module(module_name) == origin.USER:
        try:
            module = importlib.import_module(module_name)
        except Exception:  # whatever its body raises: the name finds nothing
            module = None
    places.name(sys.modules, module_name)
    if module is None:
        return False, None
    there, found = True, module
    for number, part in enumerate(path.split(".")):
        if not number:
            there, found = places.name(module.__dict__, part)
        elif isinstance(found, type):
            there, found = _in_class(found, part, places)
        else:
            there = False
        if not there:
            return False, None
    return True, found


def _in_class(cls: type, name: str, places: Places) -> tuple[bool, Any]:
    for base in places.of_class(cls)[0]:
        own = dict(places.of_class(base)[1])
        if name in own:
            return True, own[name]
    return False, None


def same_cells(function: FunctionType, held: tuple[object, ...]) -> bool:
    """Whether the function closes over these very objects (None also for an empty cell)."""
    cells = function.__closure__ or ()
    return len(cells) == len(held) and all(_content(cell) is was for cell, was in zip(cells, held, strict=True))


def _content(cell: CellType) -> object:
    try:
        found: object = cell.cell_contents
    except ValueError:
        return None
    return found


def name_of(code: CodeType, module_name: object, held: tuple[object, ...] | None) -> str | None:
    """A name under which a function stands with this very code object, and these objects in its cells, if any."""
    module = sys.modules.get(module_name) if isinstance(module_name, str) else None
    if module is None:
        return None
    if "<locals>" not in code.co_qualname:
        there, found = resolve_object(f"{module_name}:{code.co_qualname}", Places())
        if there and _has(found, code, held, 0):
            return f"{module_name}:{code.co_qualname}"
    path = _search(module.__dict__, code, held, module_name, 0)
    return f"{module_name}:{path}" if path else None


def _search(names: Any, code: CodeType, held: tuple[object, ...] | None, module: object, depth: int) -> str | None:
    for name, value in list(names.items()):
        if _has(value, code, held, 0):
            return str(name)
        if isinstance(value, type) and depth < 3 and getattr(value, "__module__", None) == module:
            inner = _search(type_dict(value), code, held, module, depth + 1)
            if inner:
                return f"{name}.{inner}"
    return None


def _has(value: Any, code: CodeType, held: tuple[object, ...] | None, depth: int) -> bool:
    """Whether a function, or one that it wraps, has this code."""
    if depth > 6:
        return False
    inner: list[Any] = []
    if isinstance(value, FunctionType):
        if value.__code__ is code and (held is None or same_cells(value, held)):
            return True
        inner += [_content(cell) for cell in value.__closure__ or ()]
        inner.append(value.__dict__.get("__wrapped__"))
    elif isinstance(value, (staticmethod, classmethod)):
        inner.append(value.__func__)
    elif isinstance(value, property):
        inner += [value.fget, value.fset, value.fdel]
    elif isinstance(value, functools.partial):
        inner.append(value.func)
    elif not isinstance(value, type):
        held = type_dict(type(value)).get("__wrapped__")
        inner.append(held if held is not None else _wrapped(value))
    return any(_has(one, code, held, depth + 1) for one in inner if one is not None and one is not value)


def _wrapped(value: Any) -> Any:
    """What `functools.lru_cache` and its like wrap; an object that makes up attributes is not asked."""
    if hasattr(type(value), "__getattr__"):
        return None
    try:
        return object.__getattribute__(value, "__wrapped__")
    except AttributeError:
        return None
