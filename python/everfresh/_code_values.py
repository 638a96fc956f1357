"""Values that code refers to (globals, defaults, closures, class attributes), in words that are the same in every
process.

Typed and self-delimiting: equal words mean equal values. Functions, classes and modules are named here and walked by
`_code.py`.

| value | counts by |
| --- | --- |
| None, numbers, str, bytes, tuples, lists, dicts (ordered), sets, enums, dates, paths, patterns, ... | value |
| NumPy, pandas, Polars, PyArrow, anything with a buffer | content |
| an instance of the user's class | class and attributes, or `__everfresh_key__()` |
| an instance of a package's class | class, version, attributes or pickled state; else class and version, see `blind` |
| `StringIO`, `BytesIO` | content and position |
| locks, events, threads, pools, executors, event loops, files that are only written to | class alone |
| loggers | class and name |
| mocks | class alone; named in `unsure` |
| open connections and files | class alone; what is read from them is not seen: they are named in `unsure` |
| iterators, and values that are too large or too deep | nothing: it never matches, and is named in `unsure` |
"""

from __future__ import annotations

import functools
import os
import re
import sys
import types
import weakref
from collections import deque, namedtuple
from collections.abc import Iterable
from contextvars import ContextVar
from enum import Enum
from typing import TYPE_CHECKING, Any

from everfresh import _native
from everfresh._code_bytes import constant
from everfresh._code_origin import PYTHON, USER
from everfresh._code_places import Places, type_dict
from everfresh._native import blake3_of
from everfresh._watch_paths import ORIGINALS
from everfresh._watch_readers import is_reader

if TYPE_CHECKING:
    from everfresh._code_walk import Walk

LIMIT, FOREIGN_LIMIT, DEPTH = 2_000_000, 2_000, 80
PLAIN = (type(None), bool, int, float, complex, str, bytes, type(...), type(NotImplemented), types.CodeType)
PLAIN_TYPES = frozenset(PLAIN)
BY_REPR = frozenset({"datetime", "decimal", "fractions", "uuid", "pathlib", "ipaddress", "zoneinfo", "typing"})
REPR_TYPES = frozenset({range, slice, types.GenericAlias, types.UnionType})
# Means and not values: they count by their class. By name, so that nothing is imported for them; subclasses too.
MEANS = frozenset({
    "_thread.lock", "_thread.RLock", "threading._RLock", "threading.Condition", "threading.Semaphore",
    "threading.Event", "threading.Barrier", "threading.Thread", "asyncio.locks._ContextManagerMixin",
    "asyncio.locks.Event", "asyncio.locks.Barrier", "asyncio.events.AbstractEventLoop",
    "asyncio.events.AbstractEventLoopPolicy", "concurrent.futures._base.Executor", "multiprocessing.pool.Pool",
    "multiprocessing.context.BaseContext", "multiprocessing.process.BaseProcess",
    "multiprocessing.synchronize.SemLock", "multiprocessing.synchronize.Condition",
    "multiprocessing.synchronize.Event", "logging.Handler", "logging.Manager", "selectors.BaseSelector",
    "select.epoll", "select.poll", "select.kqueue", "_ssl._SSLContext", "_abc._abc_data",
})  # fmt: skip
# What is read from one of these later cannot be seen.
OPEN = {
    "sqlite3.Connection": "connection",
    "sqlite3.Cursor": "connection",
    "sqlite3.Blob": "connection",
    "_socket.socket": "connection",
    "_io._IOBase": "file",
    "tempfile._TemporaryFileWrapper": "file",
    "tempfile.SpooledTemporaryFile": "file",
}
CONTAINERS = (dict, list, tuple, set, frozenset, deque)
TABLES = frozenset({"numpy", "pandas", "polars", "pyarrow"})
BUILTINS = (
    types.BuiltinFunctionType,
    types.WrapperDescriptorType,
    types.MethodWrapperType,
    types.MethodDescriptorType,
    types.ClassMethodDescriptorType,
    types.GetSetDescriptorType,
    types.MemberDescriptorType,
)
_TUPLE_GETTER = type(namedtuple("_Pair", "a").a)  # type: ignore[attr-defined, unused-ignore]
#: Memos that hide what they read, by where their decorator is.
LRU_CACHES = {type(functools.lru_cache(lambda: None)): "functools", _native.LruCache: "everfresh"}


def is_cython(kind: type) -> bool:
    """Functions that Cython compiled: their class belongs to no module."""
    return kind.__name__ in ("cython_function_or_method", "fused_cython_function")


class Unsure(Exception):  # noqa: N818
    """The value cannot be told by what can be seen of it."""


class Values:
    """Words for the values of one walk. `volatile`: the last one holds something that no guard can watch."""

    def __init__(self, walk: Walk, places: Places) -> None:
        self.walk, self.places = walk, places
        self.volatile, self.left, self.foreign = False, LIMIT, 0
        #: A class of which only the name counted, if there was one.
        self.blind: str | None = None
        #: Why what the code reads by the value cannot be seen, though its words hold.
        self.unseen: str | None = None
        self.active: dict[int, int] = {}

    def words(self, value: object) -> str:
        """Raises `Unsure`."""
        self.volatile, self.left, self.foreign = False, LIMIT, 0
        self.active.clear()
        try:
            return self.of(value)
        except Unsure:
            raise
        except Exception as error:  # a proxy without its object, a key that fails: it is no reason to fail a call
            raise Unsure(f"looking at it raised {type(error).__name__}") from error

    def of(self, value: Any) -> str:
        kind = type(value)
        if kind in PLAIN_TYPES:
            return constant(value)
        if id(value) in self.active:
            return f"cycle {len(self.active) - self.active[id(value)]}"
        self.left -= 1
        if self.left < 0:
            raise Unsure("it is too large")
        if len(self.active) > DEPTH:
            raise Unsure("it is nested too deep")
        self.active[id(value)] = len(self.active)
        try:
            return self._compound(value, kind)
        finally:
            del self.active[id(value)]

    def _all(self, values: Iterable[object]) -> str:
        return ",".join(map(self.of, values))

    def _pairs(self, items: Iterable[tuple[object, object]]) -> str:
        return ",".join(f"{self.of(key)}:{self.of(value)}" for key, value in items)

    def _compound(self, value: Any, kind: type) -> str:
        walk = self.walk
        if kind is tuple:
            return f"tuple({self._all(value)})"
        if kind is list:
            return f"list({self._all(self.places.list(value))})"
        if kind is dict:
            return f"dict({self._pairs(self.places.contents(value))})"
        if kind is set or kind is frozenset:
            items = self.places.set(value) if kind is set else value
            return f"{kind.__name__}({','.join(sorted(map(self.of, items)))})"
        if kind is types.FunctionType:
            return walk.function(value, self)
        if issubclass(kind, type):
            return walk.class_(value)
        if issubclass(kind, types.ModuleType):
            return walk.module(value)
        if kind is types.MethodType:
            return f"method({self.of(value.__func__)},{self.of(value.__self__)})"
        if kind is staticmethod or kind is classmethod:
            return f"{kind.__name__}({self.of(value.__func__)})"
        if kind is property:
            return f"property({self._all((value.fget, value.fset, value.fdel))})"
        if issubclass(kind, BUILTINS) or is_cython(kind):
            return self._builtin(value)
        if kind is functools.partial:
            return f"partial({self.of(value.func)},{self._all(value.args)},{self.of(value.keywords)})"
        if kind in LRU_CACHES:
            return walk.lru_cache(value, self)
        if issubclass(kind, Enum):
            return f"{walk.class_(kind)}.{value._name_!r}({self.of(value._value_)})"
        if kind is types.MappingProxyType:
            self.volatile = True
            return f"mappingproxy({self._pairs(value.items())})"
        if kind is ContextVar:
            self.volatile = True
            return f"ContextVar({value.name!r},{self._all((value.get(...),))})"
        if kind is weakref.ref or (issubclass(kind, weakref.ref) and kind.__module__ == "weakref"):
            self.volatile = True
            return f"ref({self.of(value())})"
        if kind is _TUPLE_GETTER:
            return f"item {value.__reduce__()[1][0]}"
        if kind is re.Pattern:
            return f"pattern({constant(value.pattern)},{value.flags})"
        top = kind.__module__.partition(".")[0]
        if top == "decimal":
            walk.mention(top)
        if kind in REPR_TYPES or (top in BY_REPR and walk.owner(kind) != USER):
            return f"{kind.__module__}.{kind.__qualname__} {value!r}"
        if top in TABLES:
            try:
                # Not there in every build.
                found: bytes = _native.fingerprint(value)  # type: ignore[attr-defined, unused-ignore]
            except (AttributeError, TypeError):
                pass
            else:
                self.volatile = True
                return f"{walk.class_(kind)} {found.hex()}"
        return self._instance(value, kind, top)

    def _builtin(self, value: Any) -> str:
        bound = getattr(value, "__self__", None)
        if bound is None or isinstance(bound, types.ModuleType):
            module = getattr(value, "__module__", None) or getattr(value, "__objclass__", object).__module__
            self.walk.mention(module)
            self.is_bound(value)
            return f"builtin {module!r} {value.__qualname__!r}"
        return f"builtin {value.__qualname__!r} of ({self.of(bound)})"

    def is_bound(self, function: Any) -> None:
        """Notes what reads by itself: it is seen only by the name that its module has for it."""
        name = ORIGINALS.get(function) if type(function) is types.BuiltinFunctionType else None
        if name is None and is_reader(function):
            name = f"{function.__module__.partition('.')[0]}'s `{function.__name__}`"
        if name is not None:
            self.unseen = f"it is {name} under a name of its own, and what that reads is not seen"

    def _instance(self, value: Any, kind: type, top: str) -> str:
        label, owner = self.walk.class_(kind), self.walk.owner(kind)
        self.places.kind(value)
        if owner == "everfresh":
            # A bound method's instance, too.
            held = [getattr(value, name, None) for name in ("__wrapped__", "__self__")]
            return f"instance({label},{self._all(held)})"
        if owner == USER:
            if hasattr(kind, "__everfresh_key__"):
                self.volatile = True
                return f"instance({label},key {self.of(value.__everfresh_key__())})"
            return f"instance({label},{self._state(value, kind)})"
        if kind.__name__ == "_local" and top == "_thread":
            self.volatile = True
            return f"instance({label},{self._pairs(list(value.__dict__.items()))})"
        if issubclass(kind, CONTAINERS) and owner == PYTHON:
            return f"instance({label},{self._state(value, kind)})"
        known = {f"{base.__module__}.{base.__qualname__}" for base in kind.__mro__}
        if known & MEANS:
            return f"instance({label})"
        if "logging.Logger" in known:
            return f"instance({label},{value.name!r})"
        if "unittest.mock.NonCallableMock" in known:
            self.unseen = "it is a mock, whose answers nothing tells of"
            return f"instance({label})"
        special = self._special(value, known)
        if special is not None:
            return f"instance({label},{special})"
        if hasattr(kind, "__next__"):
            raise Unsure("it is an iterator, and changes as it is read")
        left, self.foreign = self.left, self.foreign + 1
        if self.foreign == 1 and not issubclass(kind, CONTAINERS):
            self.left = min(left, FOREIGN_LIMIT)
        try:
            state = self._state(value, kind)
            if top in TABLES and self.blind:
                raise Unsure("its content cannot be seen")
            return f"instance({label},{state})"
        except Unsure:
            if self.foreign > 1 or top in TABLES:
                raise
            self.blind = f"{kind.__module__}.{kind.__qualname__}"
            return f"instance({label})"
        finally:
            self.foreign -= 1
            if not self.foreign:
                self.left = left

    def _special(self, value: Any, known: set[str]) -> str | None:
        """Weak containers, text and bytes kept as files, what is open; None for everything else."""
        if not known.isdisjoint(("weakref.WeakValueDictionary", "weakref.WeakKeyDictionary")):
            self.volatile = True
            return self._pairs(list(value.items()))
        if "_weakrefset.WeakSet" in known:
            self.volatile = True
            return ",".join(sorted(map(self.of, list(value))))
        if not known.isdisjoint(("_io.StringIO", "_io.BytesIO")):
            self.volatile = True
            return "closed" if value.closed else f"{self.of(value.getvalue())} at {value.tell()}"
        for name in known & OPEN.keys():
            if OPEN[name] == "connection" or _is_readable(value):
                self.unseen = f"it is an open {OPEN[name]}, whose reads are not seen"
            return "open"
        return None

    def _state(self, value: Any, kind: type) -> str:
        """What it holds: as a container, in its `__dict__`, in its slots, in its buffer, or by its own reduction."""
        parts = []
        if issubclass(kind, (dict, list, set)):
            self.volatile = True
        if issubclass(kind, dict):
            parts.append(f"dict({self._pairs(list(dict.items(value)))})")
            parts += [self.of(value.default_factory)] if hasattr(value, "default_factory") else []
        base: Any
        for base in (list, tuple):
            if issubclass(kind, base):
                parts.append(f"items({self._all(base.__iter__(value))})")
        for base in (set, frozenset):
            if issubclass(kind, base):
                parts.append(f"set({','.join(sorted(map(self.of, base.__iter__(value))))})")
        for base in (str, bytes, int, float, complex):
            if issubclass(kind, base):
                parts.append(constant(base.__getnewargs__(value)))
        held = _dict_of(value)
        if held is not None:
            own = [item for item in self.places.contents(held) if not (isinstance(item[0], str) and item[0] in _WRAPS)]
            parts.append(f"dict({self._pairs(sorted(own, key=lambda item: str(item[0])))})")
        slots = [name for cls in kind.__mro__ for name in _slots(cls)]
        for name in slots:
            if kind.__module__ == "dataclasses":
                # Fields: nobody writes to them, and their types are annotations.
                if name in ("type", "metadata"):
                    continue
            else:
                self.volatile = True
            try:
                parts.append(f"{name}={self.of(object.__getattribute__(value, name))}")
            except AttributeError:
                parts.append(f"{name} unset")
        if not parts or (held is not None and _made_in_c(kind)):
            parts.append(self._native_state(value))
        return ",".join(parts)

    def _native_state(self, value: Any) -> str:
        """An object made in C."""
        self.volatile = True
        try:
            view = memoryview(value)
        except (TypeError, BufferError, ValueError):
            pass
        else:
            # Pointers are no content.
            if "O" not in view.format and "P" not in view.format:
                return f"buffer({view.format!r},{view.shape},{blake3_of(view.tobytes()).hex()})"
        try:
            reduced = value.__reduce_ex__(4)
        except Exception:  # what an object does there is its own affair
            self.blind = f"{type(value).__module__}.{type(value).__qualname__}"
            return "by class"
        if isinstance(reduced, str):
            return f"global {reduced!r}"
        return f"reduced({self._all(list(part) if hasattr(part, '__next__') else part for part in reduced)})"


_WRAPS = frozenset({"__doc__", "__annotations__", "__name__", "__qualname__", "__module__"})
_slot_kind = types.MemberDescriptorType


def _is_readable(file: Any) -> bool:
    """Whether something can still be read from it; of the standard streams only from the input."""
    if any(file is stream for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__)):
        return False
    try:
        return bool(not file.closed and file.readable())
    except (AttributeError, ValueError, OSError):
        return True


def _dict_of(value: object) -> dict[Any, Any] | None:
    try:
        held = object.__getattribute__(value, "__dict__")
    except AttributeError:
        return None
    return held if type(held) is dict else None


def _slots(cls: type) -> list[str]:
    """The slots that a Python class declares, by the names that its members have."""
    own = type_dict(cls)
    return [name for name, member in own.items() if type(member) is _slot_kind] if "__slots__" in own else []


def _made_in_c(kind: type) -> bool:
    """Whether a class below `object` has a layout of its own, besides `__dict__`, slots and builtin containers."""
    for cls in kind.__mro__[:-1]:
        made = not cls.__flags__ & 1 << 9 or isinstance(type_dict(cls).get("__new__"), types.BuiltinFunctionType)
        if made and cls not in (dict, list, tuple, set, frozenset, str, bytes, int, float, complex):
            return True
    return False


def random_words() -> str:
    """Matches nothing."""
    return f"unsure {os.urandom(16).hex()}"
