"""A walk over what a function is made of.

Names are followed by `_code_follow.py`. Of a class, everything that its body made counts, its bases too. A wrapper
counts with what it wraps. The files that the modules of these functions read when they were imported count too.
"""

from __future__ import annotations

import re
import sys
from types import FunctionType, ModuleType
from typing import Any

from everfresh import _code_imports as imports
from everfresh import _code_origin as origin
from everfresh._code_bytes import bytecode
from everfresh._code_follow import Names
from everfresh._code_label import distinguish
from everfresh._code_names import FOUND, resolve_object
from everfresh._code_origin import PYTHON, USER
from everfresh._code_places import Places, type_dict
from everfresh._code_values import LRU_CACHES, Unsure, Values, is_cython, random_words
from everfresh._code_written import only_adds
from everfresh._native import Guard, blake3_of
from everfresh._sources import ATTRIBUTES, MODULES

DECIMAL = frozenset({"decimal", "_decimal", "_pydecimal"})
# Written by the interpreter, or about the class, or made from what counts already.
UNSEEN = frozenset({
    "__dict__", "__weakref__", "__doc__", "__annotations__", "__annotations_cache__", "__annotate__",
    "__annotate_func__", "__firstlineno__", "__static_attributes__", "__slotnames__", "__module__", "__qualname__",
    "__parameters__", "__orig_bases__", "__type_params__", "_abc_impl", "__abstractmethods__", "__slots__",
})  # fmt: skip
ENUM_UNSEEN = frozenset(
    {"_member_names_", "_member_map_", "_value2member_map_", "_unhashable_values_", "_hashable_values_"}
)


class Walk:
    """One walk: the items, and the places that they were read from."""

    def __init__(self, places: Places) -> None:
        self.places = places
        self.items: dict[str, bytes] = {}
        self.unsure: dict[str, str] = {}
        self.blind: dict[str, str] = {}
        #: Modules and attributes by which clocks and random sources are reached.
        self.sources: set[str] = set()
        #: Whether `decimal` is reached, whose results hang on a context.
        self.decimal = False
        self.lru_caches: dict[str, Any] = {}
        self.volatile: dict[str, Any] = {}
        #: Items that have other words at each walk.
        self.never: set[str] = set()
        #: The functions that were walked, by the id of their code; their places keep them.
        self.codes: dict[int, list[FunctionType]] = {}
        #: Fingerprints of what `module:path` found; None for nothing.
        self.found: dict[str, bytes | None] = {}
        self.inner: dict[str, Walk] = {}
        self._labels: dict[int, tuple[object, str]] = {}
        self._taken: dict[str, int] = {}
        self._queue: list[tuple[Any, str]] = []
        # Values by the names of their items: one that several functions read is put in words once.
        self._valued: dict[str, object] = {}
        self._guard: Guard | None = None
        # Modules of which the files that they read count already.
        self._homes: set[object] = set()
        self.mention("sys")

    def guard(self) -> Guard:
        if self._guard is None:
            self._guard = self.places.guard(volatile=bool(self.volatile))
        return self._guard

    def root(self, target: object) -> None:
        if isinstance(target, (FunctionType, type)):
            Values(self, self.places).words(target)
        elif isinstance(target, ModuleType):
            self._everything(target, set())
        else:
            self.value(f"the callable `{getattr(target, '__qualname__', type(target).__qualname__)}`", target)
        self._drain()
        if self.blind:
            # Any module may have made them.
            self.items |= dict(imports.of_all())

    def _everything(self, module: ModuleType, seen: set[ModuleType]) -> None:
        """All that a module of the user's holds, and those of his modules that it holds; a package by its version."""
        name = module.__name__
        self.mention(name, module)
        if module in seen or origin.of_module(name) != USER:
            return
        seen.add(module)
        for key, value in sorted(self.places.contents(module.__dict__)):
            if issubclass(type(value), ModuleType):
                self.item(f"the global `{name}.{key}`", f"module {value.__name__!r}")
                self._everything(value, seen)
            elif not key.startswith("__") or key == "__getattr__":
                self.value(f"the global `{name}.{key}`", value)

    def find(self, path: str) -> None:
        """Walks what `module:path` finds as a whole of its own, with one fingerprint for all of it."""
        inner = Walk(self.places)
        there, target = resolve_object(path, self.places)
        self.found[path] = None
        if there:
            inner.root(target)
            lines = [f"{item}={own.hex()}" for item, own in sorted(inner.items.items())]
            self.found[path] = blake3_of("\n".join(lines).encode())
        self.inner[path] = inner
        self.unsure |= inner.unsure
        self.blind |= inner.blind
        self.lru_caches |= inner.lru_caches
        self.sources |= inner.sources
        self.decimal |= inner.decimal
        if inner.volatile:
            self.volatile[f"{FOUND}{path}`"] = inner

    def volatile_hold(self) -> bool:
        """Whether the values that no guard can watch are as they were; asked after the guard."""
        for name, value in self.volatile.items():
            if isinstance(value, Walk):
                if not value.volatile_hold():
                    return False
            elif name in self.never or self._fresh(value) != self.items[name]:
                return False
        return True

    def _fresh(self, value: object) -> bytes | None:
        try:
            words = Values(self, Places()).words(value)
        except Unsure:
            return None
        # A function or class that was not there before: nobody has walked it.
        return None if self._queue else blake3_of(words.encode("utf-8", "surrogatepass"))

    # What values call when they meet code.

    def function(self, function: FunctionType, values: Values) -> str:
        module = function.__globals__.get("__name__")
        owner = origin.of_code(function.__code__, module)
        wraps = any(held == "__wrapped__" for held, _ in self.places.attributes(function))
        name = f"{module}.{function.__code__.co_qualname if wraps else function.__qualname__}"
        if owner != USER:
            return self._foreign_function(function, name, owner, values)
        label = self._label(function, name)
        if values.foreign:
            self.annotations(label, function.__annotations__)
        return f"function {label!r}"

    def _foreign_function(self, function: FunctionType, name: str, owner: str, values: Values) -> str:
        """A package's function by its name; a package's wrapper with what it closes over: the user's code."""
        self._package(owner)
        values.is_bound(function)
        self.sources |= MODULES & {function.__globals__.get("__name__")}
        if not function.__closure__ or len(values.active) > 12:
            return f"package {owner} {name!r}"
        checked = owner not in (PYTHON, "everfresh")
        values.foreign += checked
        try:
            held = [
                self._of_wrapper(value, values) for cell in function.__closure__ for value in self.places.cell(cell)
            ]
        finally:
            values.foreign -= checked
        return f"package {owner} {name!r} over {held}"

    def _of_wrapper(self, value: Any, values: Values) -> str:
        """Callables and plain values; the rest is the wrapper's own state, such as the cache of a `singledispatch`."""
        if isinstance(value, (dict, list, tuple)) and type(value) in (dict, list, tuple):
            pairs = self.places.contents(value) if type(value) is dict else enumerate(value)
            return str([(_key(key), self._of_wrapper(held, values)) for key, held in pairs if callable(held)])
        if callable(value) or isinstance(
            value, (int, float, str, bytes, type(None), staticmethod, classmethod, property)
        ):
            return values.of(value)
        return type(value).__qualname__

    def class_(self, cls: type) -> str:
        owner = self.owner(cls)
        name = f"{cls.__module__}.{cls.__qualname__}"
        if owner == USER:
            return f"class {self._label(cls, name)!r}"
        self._package(owner)
        self.decimal |= cls.__module__ in DECIMAL
        if id(cls) not in self._labels:
            self._labels[id(cls)] = (cls, name)
            self._patched(cls, name)
        return f"package {owner} class {name!r}"

    def module(self, module: ModuleType) -> str:
        name = module.__name__
        self.mention(name, module)
        return f"module {name!r}"

    def lru_cache(self, cache: Any, values: Values) -> str:
        wrapped = values.of(cache.__wrapped__)
        label = self._labels.get(id(cache.__wrapped__), (None, ""))[1]
        words = f"lru_cache({wrapped},{sorted(cache.cache_parameters().items())})"
        if label:
            name = f"the {LRU_CACHES[type(cache)]}.lru_cache of `{label}`"
            self.lru_caches[name] = cache
            self.item(name, words)
        return words

    def owner(self, cls: type) -> str:
        module = cls.__module__
        if not isinstance(module, str):
            return USER
        # Code that was generated elsewhere, such as a named tuple's, has the name of the module that it was made for.
        return PYTHON if module == "builtins" else origin.of_module(module)

    def mention(self, name: object, module: ModuleType | None = None) -> None:
        """Counts a module's package, or its file if it is the user's extension."""
        if not isinstance(name, str) or not name:
            return
        self.sources |= MODULES & {name}
        self.decimal |= name in DECIMAL
        owner = origin.of_module(name)
        if owner != USER:
            self._package(owner)
            return
        compiled = origin.extension(module or sys.modules.get(name))
        if compiled:
            self.items[f"the extension `{compiled[0]}`"] = compiled[1]

    def made_in(self, module: object) -> None:
        """Counts the files that a module of the user's read when it was imported."""
        if module not in self._homes and isinstance(module, str):
            self._homes.add(module)
            read = dict(imports.of_module(module))
            if read:
                self.items |= read
                # Another one when the module is loaded again, and reads again.
                self.places.name(sys.modules[module].__dict__, "__spec__")

    def annotations(self, label: str, annotations: dict[str, Any]) -> None:
        """A package's decorator or base class may read them, and check or convert by them."""
        said = {
            name: note if isinstance(note, str) else re.sub(" at 0x[0-9a-fA-F]+", "", repr(note))
            for name, note in annotations.items()
        }
        if said:
            self.item(f"the annotations of `{label}`", repr(sorted(said.items())))

    # The queue.

    def value(self, name: str, value: object) -> str:
        """Adds an item for a value, unless it is a function or a class that has that very name."""
        if self._valued.get(name, self) is value:
            return ""
        values = Values(self, self.places)
        try:
            words = values.words(value)
        except Unsure as why:
            self.unsure[name], words, values.volatile = str(why), random_words(), True
            self.never.add(name)
        if name.endswith("`") and words in (f"function {name[12:-1]!r}", f"class {name[12:-1]!r}"):
            return words
        if values.unseen:
            self.unsure.setdefault(name, values.unseen)
        if values.blind:
            self.blind[name] = values.blind
        self.item(name, words)
        self._valued[name] = value
        if values.volatile:
            self.volatile[name] = value
        return words

    def item(self, name: str, words: str) -> None:
        fingerprint = blake3_of(words.encode("utf-8", "surrogatepass"))
        known = self.items.get(name)
        if known is not None and known != fingerprint:
            # Two things of one name (two modules called alike): both count.
            fingerprint = blake3_of(known + fingerprint)
            self.volatile.pop(name, None)
            self.unsure.setdefault(name, "two objects have this name")
        self.items[name] = fingerprint

    def _package(self, owner: str) -> None:
        self.items.setdefault(f"the package `{owner}`", origin.version(owner))

    def _label(self, thing: object, name: str) -> str:
        known = self._labels.get(id(thing))
        if known is None:
            # Without a name of its own, or with another's: told by what it is, and not by the order of this walk.
            same = False
            if "<" in name or name in self._taken:
                digits, same = distinguish(thing, self.places)
                name = f"{name}#{digits}"
            count = self._taken[name] = self._taken.get(name, 0) + 1
            known = self._labels[id(thing)] = (thing, name if count == 1 or same else f"{name} ({count})")
            self._queue.append((thing, known[1]))
        return known[1]

    def _drain(self) -> None:
        at = 0
        while at < len(self._queue):
            thing, label = self._queue[at]
            at += 1
            if isinstance(thing, FunctionType):
                self._function(thing, label)
            else:
                self._class(thing, label)
        self._queue.clear()

    def _function(self, function: FunctionType, label: str) -> None:
        code, defaults, kwdefaults = self.places.function(function)
        read = bytecode(code)
        self.codes.setdefault(id(code), []).append(function)
        self.items[f"the code of `{label}`"] = read.digest
        given = code.co_varnames[: code.co_argcount]
        named = dict(zip(given[len(given) - len(defaults) :], defaults, strict=False)) | kwdefaults
        own = self.places.attributes(function)
        names = Names(self, self.places)
        names.there = [("defaults", *named), ("attributes", *sorted(name for name, _ in own))]
        for name, value in named.items():
            self.value(f"the default `{name}` of `{label}`", value)
        cells = dict(zip(code.co_freevars, function.__closure__ or (), strict=False))
        for name, cell in cells.items():
            for held in self.places.cell(cell):
                if not only_adds(held, name, read):
                    self.value(f"the closure variable `{name}` of `{label}`", held)
        for name, value in own:
            self.value(f"the attribute `{name}` of `{label}`", value)
        names.follow(function, read, cells)
        self.sources |= ATTRIBUTES & read.names
        self.item(f"the names that `{label}` finds", repr(names.there))
        self.made_in(function.__globals__.get("__name__"))
        self._home(function)

    def _home(self, function: FunctionType) -> None:
        """A method may call the others on `self`: the class that it is found in by its qualified name counts."""
        path = function.__qualname__.split(".")[:-1]
        if not path or "<locals>" in path:
            return
        there, home = self.places.name(function.__globals__, path[0])
        for name in path[1:]:
            home = dict(self.places.of_class(home)[1]).get(name) if there and issubclass(type(home), type) else None
        if issubclass(type(home), type) and self.owner(home) == USER:
            self.class_(home)

    def is_users(self, value: Any) -> bool:
        """Whether what a package's name stands for is the user's: the name was patched, or registered."""
        if type(value) is FunctionType:
            return origin.of_code(value.__code__, value.__globals__.get("__name__")) == USER
        if is_cython(type(value)):
            return False
        if type(value).__module__ == "unittest.mock":
            return True
        # Its type and not its `__class__`: a proxy may have no object to ask.
        return self.owner(value if issubclass(type(value), type) else type(value)) == USER

    def _class(self, cls: type, label: str) -> None:
        order, own = self.places.of_class(cls)
        self.made_in(cls.__module__)
        enum = "_member_map_" in type_dict(cls)
        kinds = []
        for name, value in sorted(own):
            if name in UNSEEN or (enum and name in ENUM_UNSEEN):
                continue
            words = self._attribute(name, value, cls, label)
            kinds.append(f"{name}={words}")
        if enum:
            kinds.append(repr(list(type_dict(cls)["_member_map_"])))
        bases, metaclass = [self.class_(base) for base in cls.__bases__], self.class_(type(cls))
        slots = type_dict(cls).get("__slots__", ())
        kinds.append(f"slots {sorted(slots) if not isinstance(slots, str) else [slots]}")
        self.item(f"the class `{label}`", "\n".join([metaclass, *bases, *kinds]))
        foreign = {self.owner(c) for c in (type(cls), *order)} - {USER, PYTHON}
        if foreign:
            self.annotations(label, type_dict(cls).get("__annotations__") or {})

    def _attribute(self, name: str, value: object, cls: type, label: str) -> str:
        kind = type(value)
        if type(value) is FunctionType:
            return self.function(value, Values(self, self.places))
        if kind.__name__ in ("member_descriptor", "getset_descriptor"):
            return "slot"
        self.value(f"the attribute `{name}` of `{label}`", value)
        return "value"

    def _patched(self, cls: type, name: str) -> None:
        """The user's functions in a package's class that can be written to."""
        for base in type.__dict__["__mro__"].__get__(cls):
            if base.__flags__ & 1 << 9 and not base.__flags__ & 1 << 8 and self.owner(base) != USER:
                for key, value in self.places.of_class(base)[1]:
                    if type(value) is FunctionType and self.is_users(value):
                        self.value(f"the attribute `{key}` of `{name}`", value)


def _key(key: object) -> str:
    return key if isinstance(key, str) else getattr(key, "__qualname__", type(key).__qualname__)
