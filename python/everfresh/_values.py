"""What objects are made of: each kind of object as a name, a value of simpler types, and buffers.

`take_apart` serves fingerprints (`stored=False`) and encodings (`stored=True`); `put_together` is its inverse for the
latter. Names and parts are pinned by both formats: whoever changes them changes the formats' versions. Builtin types
are Rust's; NumPy, pandas, polars and pyarrow have modules of their own beside this one, which never import them to take
something apart: where there is such an object, its module is loaded.
"""

# Objects of every type come through here.

from __future__ import annotations

import sys
from importlib import import_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Parts = tuple[str, object, tuple[object, ...]]
    Taker = Callable[[Any, bool], Parts | None]
    Builder = Callable[[Any, list[memoryview], bool], object]


class Refusal(TypeError):  # noqa: N818
    """A value that has no fingerprint or no encoding; Rust adds where it stands."""


_LIBRARIES = {"numpy": "numpy", "pandas": "pandas", "polars": "tables", "pyarrow": "tables"}
BUILTINS = (int, float, complex, str, bytes, bytearray, list, tuple, dict, set, frozenset)
_FACTORIES: dict[str, Any] = {
    "list": list,
    "dict": dict,
    "set": set,
    "int": int,
    "float": float,
    "str": str,
    "tuple": tuple,
}


def take_apart(value: object, stored: bool) -> Parts | None:
    """The name, the parts and the buffers of an object; None if nothing is known of its type."""
    cls = type(value)
    root = str(cls.__module__).partition(".")[0]
    if root in _LIBRARIES:
        taken: Parts | None = _library(root).take_apart(value, stored)
        return taken
    taker = _DATA.get((root, cls.__name__))
    if taker is not None and getattr(sys.modules.get(root), cls.__name__, None) is cls:
        return taker(value, stored)
    enum = sys.modules.get("enum")
    if enum is not None and isinstance(value, enum.Enum):
        return _take_enum(value, stored)
    if isinstance(value, tuple) and hasattr(cls, "_fields") and hasattr(cls, "_make"):
        parts = (*_class_name(cls, stored), tuple(cls._fields), tuple(tuple.__iter__(value)))
        return "namedtuple", parts, ()
    if hasattr(cls, "__dataclass_fields__") and not isinstance(value, (*BUILTINS, type, BaseException)):
        fields = tuple(field.name for field in _fields(cls))
        return "dataclass", (*_class_name(cls, stored), fields, state(value)), ()
    return None if stored else _library("code").take_apart(value)


def put_together(name: object, parts: Any, buffers: list[memoryview], trusted: bool) -> object:
    """The object that has these parts; ValueError, or any other exception, if they do not fit."""
    if not isinstance(name, str):
        raise ValueError("the name of a kind of object is no text")
    root = name.partition(".")[0]
    if root in _LIBRARIES:
        import_module(root)
        return _library(root).put_together(name, parts, buffers, trusted)
    return _BUILDERS[name](parts)


def protect(value: object) -> tuple[object, Callable[..., object] | None]:
    """What a cache may keep of a value that Rust does not know, and what makes a caller's copy of that."""
    import copy

    cls = type(value)
    root = str(cls.__module__).partition(".")[0]
    if root in _LIBRARIES:
        kept = _library(root).protect(value)
        if kept is not None:
            return kept  # type: ignore[no-any-return]
    elif _is_constant(value):
        return value, None
    try:
        # A first copy now, which the caller does not have; another one at each hit.
        return copy.deepcopy(value), copy.deepcopy
    except (KeyboardInterrupt, SystemExit, MemoryError):
        raise
    except Exception as error:
        message = f"values of type {_full_name(cls)} cannot be kept in memory: they cannot be copied ({error})"
        raise TypeError(message) from error


def is_constant(value: object) -> bool:
    """Whether nothing in a value can change."""
    from everfresh import _native

    try:
        return _native.protect(value)[1] is None
    except TypeError:
        return False


def _is_constant(value: object) -> bool:
    cls = type(value)
    root = str(cls.__module__).partition(".")[0]
    if (root, cls.__name__) in _CONSTANTS and getattr(sys.modules.get(root), cls.__name__, None) is cls:
        return True
    if isinstance(value, type | type(sys)):
        return True
    if root in ("builtins", "types") and callable(value):
        return isinstance(getattr(value, "__self__", None), None.__class__ | type(sys))
    enum = sys.modules.get("enum")
    if enum is not None and isinstance(value, enum.Enum):
        return True
    if isinstance(value, tuple) and hasattr(cls, "_fields"):
        return not hasattr(value, "__dict__") and is_constant(tuple(tuple.__iter__(value)))
    # A class that extends a frozen one takes further attributes, and a cached property becomes one.
    frozen = cls.__dict__.get("__dataclass_params__")
    if frozen is not None and frozen.frozen and not isinstance(value, BUILTINS) and not _has_cached_property(cls):
        return all(map(is_constant, state(value).values()))
    return False


def _has_cached_property(cls: type) -> bool:
    return any(type(item).__name__ == "cached_property" for base in cls.__mro__ for item in vars(base).values())


def _library(root: str) -> Any:
    library = _loaded.get(root)
    if library is None:
        library = _loaded[root] = import_module(f"everfresh._values_{_LIBRARIES.get(root, root)}")
    return library


_loaded: dict[str, Any] = {}


def _full_name(cls: type) -> str:
    return cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"


# Classes of the user's own.


def _class_name(cls: type, stored: bool) -> tuple[str, str]:
    """The module and the name of a class, by which it is found again."""
    name = cls.__module__, cls.__qualname__
    if stored:
        try:
            found = _class(*name)
        except ValueError:
            found = None
        if found is not cls:
            raise Refusal(f"{_full_name(cls)} cannot be found by its name again: define it at the top of a module")
    return name


def _class(module: str, name: str) -> Any:
    """The dataclass, enum or named tuple of this name."""
    found: Any = sys.modules.get(module)
    try:
        if found is None:
            found = import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise ValueError(f"there is no class {module}.{name}") from error
    import enum

    if isinstance(found, type) and (
        hasattr(found, "__dataclass_fields__")
        or issubclass(found, enum.Enum)
        or (issubclass(found, tuple) and hasattr(found, "_fields"))
    ):
        return found
    raise ValueError(f"{module}.{name} is no dataclass, enum or named tuple")


def state(value: object) -> dict[str, object]:
    """All attributes that an instance has of its own: a dataclass's fields first, then slots, then others."""
    cls = type(value)
    names = list(getattr(cls, "__dataclass_fields__", ()))
    for base in cls.__mro__:
        slots = base.__dict__.get("__slots__", ())
        for slot in (slots,) if isinstance(slots, str) else slots:
            private = slot.startswith("__") and not slot.endswith("__")
            names.append(f"_{base.__name__.lstrip('_')}{slot}" if private else slot)
    held = getattr(value, "__dict__", {})
    names += [name for name in held if type(getattr(cls, name, None)).__name__ != "cached_property"]
    found: dict[str, object] = {}
    for name in names:
        if name in held:
            found[name] = held[name]
        elif type(getattr(cls, name, None)).__name__ == "member_descriptor" and hasattr(value, name):
            found[name] = getattr(value, name)
    return found


def _fields(cls: Any) -> tuple[Any, ...]:
    import dataclasses

    return dataclasses.fields(cls)


def _build_dataclass(parts: Any) -> object:
    module, name, fields, attributes = parts
    cls = _class(module, name)
    if tuple(field.name for field in _fields(cls)) != fields:
        raise ValueError(f"{module}.{name} has other fields")
    value = object.__new__(cls)
    for attribute, item in attributes.items():
        object.__setattr__(value, attribute, item)
    return value


def _build_namedtuple(parts: Any) -> object:
    module, name, fields, items = parts
    cls = _class(module, name)
    if cls._fields != fields or len(fields) != len(items):
        raise ValueError(f"{module}.{name} has other fields")
    return tuple.__new__(cls, items)


def _take_enum(value: Any, stored: bool) -> Parts:
    name, cls = value._name_, type(value)
    if name is not None and cls._member_map_.get(name) is value:
        return "enum", (*_class_name(cls, stored), name), ()
    # Flags that are a combination.
    return "flag", (*_class_name(cls, stored), value._value_), ()


def _build_enum(parts: Any) -> object:
    module, name, member = parts
    return _class(module, name)._member_map_[member]


def _build_flag(parts: Any) -> object:
    import enum

    module, name, value = parts
    cls = _class(module, name)
    if not issubclass(cls, enum.Flag) or not isinstance(value, int):
        raise ValueError(f"{module}.{name} is no flag")
    return cls(value)


# The standard library.


def _zone_key(zone: Any) -> str:
    if zone.key is None:
        raise Refusal("this time zone has no key, which ZoneInfo.from_file gives it with `key=`")
    return str(zone.key)


def _moment(value: Any) -> tuple[object, ...]:
    return value.hour, value.minute, value.second, value.microsecond, value.fold, value.tzinfo


def _build_datetime(parts: Any) -> object:
    import datetime

    year, month, day, hour, minute, second, microsecond, fold, zone = parts
    return datetime.datetime(year, month, day, hour, minute, second, microsecond, zone, fold=fold)


def _build_time(parts: Any) -> object:
    import datetime

    hour, minute, second, microsecond, fold, zone = parts
    return datetime.time(hour, minute, second, microsecond, zone, fold=fold)


def _take_defaultdict(value: Any, stored: bool) -> Parts:
    factory = value.default_factory
    if stored and factory is not None:
        name = getattr(factory, "__name__", "")
        if _FACTORIES.get(name) is not factory:
            raise Refusal("a defaultdict is stored only if its factory is a builtin type")
        factory = name
    return "defaultdict", (factory, dict(value.items())), ()


def _build_defaultdict(parts: Any) -> object:
    import collections

    factory, items = parts
    return collections.defaultdict(None if factory is None else _FACTORIES[factory], items)


def _simple(name: str, parts: Callable[[Any], object]) -> Taker:
    return lambda value, stored: (name, parts(value), ())


def _constructor(module: str, name: str, spread: bool = True) -> Callable[[Any], object]:
    def build(parts: Any) -> object:
        constructor = getattr(import_module(module), name)
        return constructor(*parts) if spread else constructor(parts)

    return build


_DATA: dict[tuple[str, str], Taker] = {
    ("builtins", "range"): _simple("range", lambda value: (value.start, value.stop, value.step)),
    ("builtins", "slice"): _simple("slice", lambda value: (value.start, value.stop, value.step)),
    ("collections", "Counter"): _simple("Counter", lambda value: dict(value.items())),
    ("collections", "OrderedDict"): _simple("OrderedDict", lambda value: tuple(value.items())),
    ("collections", "defaultdict"): _take_defaultdict,
    ("collections", "deque"): _simple("deque", lambda value: (tuple(value), value.maxlen)),
    ("datetime", "date"): _simple("date", lambda value: (value.year, value.month, value.day)),
    ("datetime", "datetime"): _simple("datetime", lambda value: (value.year, value.month, value.day, *_moment(value))),
    ("datetime", "time"): _simple("time", _moment),
    ("datetime", "timedelta"): _simple("timedelta", lambda value: (value.days, value.seconds, value.microseconds)),
    ("datetime", "timezone"): _simple("timezone", lambda value: value.__getinitargs__()),
    ("decimal", "Decimal"): _simple("Decimal", str),
    ("fractions", "Fraction"): _simple("Fraction", lambda value: (value.numerator, value.denominator)),
    ("pathlib", "PosixPath"): _simple("PosixPath", str),
    ("pathlib", "PurePosixPath"): _simple("PurePosixPath", str),
    ("pathlib", "PureWindowsPath"): _simple("PureWindowsPath", str),
    ("pathlib", "WindowsPath"): _simple("WindowsPath", str),
    ("re", "Pattern"): _simple("Pattern", lambda value: (value.pattern, value.flags)),
    ("uuid", "UUID"): _simple("UUID", lambda value: value.bytes),
    ("zoneinfo", "ZoneInfo"): _simple("ZoneInfo", _zone_key),
}

_CONSTANTS = (
    _DATA.keys()
    - {("collections", name) for name in ("Counter", "OrderedDict", "defaultdict", "deque")}
    - {("builtins", "slice")}
)

_BUILDERS: dict[str, Callable[[Any], object]] = {
    "Counter": _constructor("collections", "Counter", spread=False),
    "Decimal": _constructor("decimal", "Decimal", spread=False),
    "Fraction": _constructor("fractions", "Fraction"),
    "OrderedDict": _constructor("collections", "OrderedDict", spread=False),
    "Pattern": _constructor("re", "compile"),
    "PosixPath": _constructor("pathlib", "PosixPath", spread=False),
    "PurePosixPath": _constructor("pathlib", "PurePosixPath", spread=False),
    "PureWindowsPath": _constructor("pathlib", "PureWindowsPath", spread=False),
    "UUID": lambda parts: _constructor("uuid", "UUID")((None, parts)),
    "WindowsPath": _constructor("pathlib", "WindowsPath", spread=False),
    "ZoneInfo": _constructor("zoneinfo", "ZoneInfo", spread=False),
    "dataclass": _build_dataclass,
    "date": _constructor("datetime", "date"),
    "datetime": _build_datetime,
    "defaultdict": _build_defaultdict,
    "deque": _constructor("collections", "deque"),
    "enum": _build_enum,
    "flag": _build_flag,
    "namedtuple": _build_namedtuple,
    "range": _constructor("builtins", "range"),
    "slice": _constructor("builtins", "slice"),
    "time": _build_time,
    "timedelta": _constructor("datetime", "timedelta"),
    "timezone": _constructor("datetime", "timezone"),
}
