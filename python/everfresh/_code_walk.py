"""A walk over what a function is made of.

How names are followed: a global that is a module is followed through the attributes taken from it; if the module
itself goes anywhere (into a variable, as an argument), every name that the function uses as an attribute is looked up
in it; with `getattr`, `vars` and their like, the whole module counts, and so does one that is an argument. Of a
class, everything that its body made counts, its bases too. A wrapper counts with what it wraps. A module that the
function imports is imported for the walk if it is the user's. Names are resolved anew at each walk.
"""

from __future__ import annotations

import builtins
import importlib.util
import re
import sys
from types import CellType, FunctionType, ModuleType
from typing import Any

from everfresh import _code_origin as origin
from everfresh._code_bytes import Bytecode, bytecode
from everfresh._code_label import distinguish
from everfresh._code_names import FOUND, resolve_object
from everfresh._code_origin import PYTHON, USER
from everfresh._code_places import Places, type_dict
from everfresh._code_values import LRU_CACHES, Unsure, Values, is_cython, random_words
from everfresh._code_written import adds, only_adds
from everfresh._native import Guard, blake3_of

# With one of these, a module's attributes may be taken by computed names.
DYNAMIC = frozenset({"getattr", "hasattr", "vars", "dir", "__dict__", "attrgetter", "methodcaller", "getmembers"})
# With one of these built in, or with one of those and `__name__`, any name of the function's own module may be taken.
OWN, BY_NAME = frozenset({"globals", "eval", "exec"}), frozenset({"modules", "import_module", "__import__"})
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
        # Of the function that is walked: names looked at, and whether each was there.
        self._seen: set[object] = set()
        self._there: list[tuple[object, ...]] = []
        # Values by the names of their items: one that several functions read is put in words once.
        self._valued: dict[str, object] = {}
        self._guard: Guard | None = None
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

    def _everything(self, module: ModuleType, seen: set[ModuleType]) -> None:
        """All that a module of the user's holds, and those of his modules that it holds; a package by its version."""
        name = module.__name__
        self.mention(name, module)
        if module in seen or origin.of_module(name) != USER:
            return
        seen.add(module)
        for key, value in sorted(self.places.contents(module.__dict__)):
            if issubclass(type(value), ModuleType):
                self._item(f"the global `{name}.{key}`", f"module {value.__name__!r}")
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
            self._item(name, words)
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
        owner = origin.of_module(name)
        if owner != USER:
            self._package(owner)
            return
        compiled = origin.extension(module or sys.modules.get(name))
        if compiled:
            self.items[f"the extension `{compiled[0]}`"] = compiled[1]

    def annotations(self, label: str, annotations: dict[str, Any]) -> None:
        """A package's decorator or base class may read them, and check or convert by them."""
        said = {
            name: note if isinstance(note, str) else re.sub(" at 0x[0-9a-fA-F]+", "", repr(note))
            for name, note in annotations.items()
        }
        if said:
            self._item(f"the annotations of `{label}`", repr(sorted(said.items())))

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
        self._item(name, words)
        self._valued[name] = value
        if values.volatile:
            self.volatile[name] = value
        return words

    def _item(self, name: str, words: str) -> None:
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
        names = code.co_varnames[: code.co_argcount]
        named = dict(zip(names[len(names) - len(defaults) :], defaults, strict=False)) | kwdefaults
        own = self.places.attributes(function)
        self._seen.clear()
        self._there = [("defaults", *named), ("attributes", *sorted(name for name, _ in own))]
        for name, value in named.items():
            self.value(f"the default `{name}` of `{label}`", value)
        cells = dict(zip(code.co_freevars, function.__closure__ or (), strict=False))
        for name, cell in cells.items():
            for held in self.places.cell(cell):
                if not only_adds(held, name, read):
                    self.value(f"the closure variable `{name}` of `{label}`", held)
        for name, value in own:
            self.value(f"the attribute `{name}` of `{label}`", value)
        self._names(function, read, cells)
        self._item(f"the names that `{label}` finds", repr(self._there))
        self._home(function)

    def _names(self, function: FunctionType, read: Bytecode, cells: dict[str, CellType]) -> None:
        names: dict[str, Any] = function.__globals__
        for chain in read.chains:
            self._global(names, function.__builtins__, chain, read)  # type: ignore[attr-defined, unused-ignore]
        for first, *rest in read.free_chains:
            for held in self.places.cell(cells[first]) if first in cells else ():
                if issubclass(type(held), ModuleType):
                    self._attributes(held, tuple(rest), read)
        for level, module, taken in read.imports:
            self._import(names, level, module, taken, read)
        for inner in read.nested:
            self._names(function, inner, cells)

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

    def _global(self, names: dict[str, Any], builtin: Any, chain: tuple[str, ...], read: Bytecode) -> None:
        # A module may go elsewhere in one function and not in another.
        if (id(names), chain, id(read)) in self._seen:
            return
        self._seen.add((id(names), chain, id(read)))
        name = f"the global `{names.get('__name__', '?')}.{chain[0]}`"
        there, value = self.places.name(names, chain[0])
        self._there.append((names.get("__name__"), chain[0], there))
        if not there:
            there, value = self.places.name(builtin, chain[0])
            standard = issubclass(type(value), type) or type(value) is type(len)
            if not there or (standard and getattr(value, "__module__", None) == "builtins") or value is builtins.open:
                self._builtin(names, chain[0], read)
                return
        if adds(value, chain):
            return
        self.value(name, value)
        if chain[0] == "__name__" and read.names & BY_NAME:
            self._own(names, read)
        if issubclass(type(value), ModuleType):
            self._attributes(value, chain[1:], read)

    def _builtin(self, names: dict[str, Any], name: str, read: Bytecode) -> None:
        """`globals()`, `eval` and `exec` show the module that they stand in."""
        if name in OWN:
            self._own(names, read)

    def _own(self, names: dict[str, Any], read: Bytecode) -> None:
        module = sys.modules.get(names.get("__name__", ""))
        if module is not None and module.__dict__ is names:
            self._whole(module, read)

    def _attributes(self, module: ModuleType, chain: tuple[str, ...], read: Bytecode) -> None:
        user = origin.of_module(module.__name__) == USER
        if not chain:
            if user and read.names & DYNAMIC:
                self._whole(module, read)
            elif user:
                for name in sorted(read.names):
                    self._attributes(module, (name,), read)
            return
        if (id(module), chain, id(read)) in self._seen:
            return
        self._seen.add((id(module), chain, id(read)))
        there, value = self.places.name(module.__dict__, chain[0])
        if user:
            self._there.append((module.__name__, chain[0], there))
        self.mention(module.__name__, module)
        if not there:
            there, hook = self.places.name(module.__dict__, "__getattr__")
            if there and user:
                self.value(f"the global `{module.__name__}.__getattr__`", hook)
            return
        if issubclass(type(value), ModuleType):
            if user:
                self.value(f"the global `{module.__name__}.{chain[0]}`", value)
            self._attributes(value, chain[1:], read)
        elif user or self._users(value):
            self.value(f"the global `{module.__name__}.{chain[0]}`", value)

    def _whole(self, module: ModuleType, read: Bytecode) -> None:
        for name, value in sorted(self.places.contents(module.__dict__)):
            if not name.startswith("__") and not issubclass(type(value), ModuleType):
                self._attributes(module, (name,), read)

    def _users(self, value: Any) -> bool:
        """Whether what a package's name stands for is the user's: the name was patched, or registered."""
        if type(value) is FunctionType:
            return origin.of_code(value.__code__, value.__globals__.get("__name__")) == USER
        if is_cython(type(value)):
            return False
        # Its type and not its `__class__`: a proxy may have no object to ask.
        return self.owner(value if issubclass(type(value), type) else type(value)) == USER

    def _import(self, names: dict[str, Any], level: int, name: str, taken: tuple[str, ...], read: Bytecode) -> None:
        if level:
            package = names.get("__package__") or str(names.get("__name__", "")).rpartition(".")[0]
            name = importlib.util.resolve_name("." * level + name, package) if package else name
        if origin.of_module(name) != USER:
            self.mention(name)
            return
        path = name.split(".")
        for end in range(len(path) if taken else 1, len(path) + 1):
            self._imported(".".join(path[:end]), taken, read)

    def _imported(self, name: str, taken: tuple[str, ...], read: Bytecode) -> None:
        module = sys.modules.get(name)
        if module is None:
            try:
                module = importlib.import_module(name)
            except Exception as error:  # whatever a module's body raises, the function would meet it too
                self._item(f"the module `{name}`", f"absent {type(error).__name__}")
        self.places.name(sys.modules, name)
        if module is None:
            return
        self.mention(name, module)
        if not taken:
            self._attributes(module, (), read)
        for wanted in taken:
            if wanted not in module.__dict__ and hasattr(module, "__path__"):
                self._imported(f"{name}.{wanted}", (), read)
            self._attributes(module, (wanted,), read)

    def _class(self, cls: type, label: str) -> None:
        order, own = self.places.of_class(cls)
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
        self._item(f"the class `{label}`", "\n".join([metaclass, *bases, *kinds]))
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
                    if type(value) is FunctionType and self._users(value):
                        self.value(f"the attribute `{key}` of `{name}`", value)


def _key(key: object) -> str:
    return key if isinstance(key, str) else getattr(key, "__qualname__", type(key).__qualname__)
