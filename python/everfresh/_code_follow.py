"""How the names of a function are followed to what they stand for, anew at each walk.

A global that is a module is followed through the attributes taken from it; if the module itself goes anywhere (into a
variable, as an argument), every name that the function uses as an attribute is looked up in it; with `getattr`, `vars`
and their like, the whole module counts, and so does one that is an argument. A module that the function imports is
imported for the walk if it is the user's.
"""

from __future__ import annotations

import builtins
import importlib.util
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from everfresh import _code_origin as origin
from everfresh._code_origin import USER
from everfresh._code_written import adds

if TYPE_CHECKING:
    from types import CellType, FunctionType

    from everfresh._code_bytes import Bytecode
    from everfresh._code_places import Places
    from everfresh._code_walk import Walk

# With one of these, a module's attributes may be taken by computed names.
DYNAMIC = frozenset({"getattr", "hasattr", "vars", "dir", "__dict__", "attrgetter", "methodcaller", "getmembers"})
# With one of these built in, or with one of those and `__name__`, any name of the function's own module may be taken.
OWN, BY_NAME = frozenset({"globals", "eval", "exec"}), frozenset({"modules", "import_module", "__import__"})


class Names:
    """Follows the names of one function."""

    def __init__(self, walk: Walk, places: Places) -> None:
        self.walk, self.places = walk, places
        #: What was looked at, and whether it was there.
        self.there: list[tuple[object, ...]] = []
        self._seen: set[object] = set()

    def follow(self, function: FunctionType, read: Bytecode, cells: dict[str, CellType]) -> None:
        """Counts what the names in a function's code stand for, nested code included; `cells` by their names."""
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
            self.follow(function, inner, cells)

    def _global(self, names: dict[str, Any], builtin: Any, chain: tuple[str, ...], read: Bytecode) -> None:
        # A module may go elsewhere in one function and not in another.
        if (id(names), chain, id(read)) in self._seen:
            return
        self._seen.add((id(names), chain, id(read)))
        name = f"the global `{names.get('__name__', '?')}.{chain[0]}`"
        there, value = self.places.name(names, chain[0])
        self.there.append((names.get("__name__"), chain[0], there))
        if not there:
            there, value = self.places.name(builtin, chain[0])
            standard = issubclass(type(value), type) or type(value) is type(len)
            if not there or (standard and getattr(value, "__module__", None) == "builtins") or value is builtins.open:
                self._builtin(names, chain[0], read)
                return
        if adds(value, chain):
            return
        self.walk.value(name, value)
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
            self.there.append((module.__name__, chain[0], there))
            self.walk.made_in(module.__name__)
        self.walk.mention(module.__name__, module)
        if not there:
            there, hook = self.places.name(module.__dict__, "__getattr__")
            if there and user:
                self.walk.value(f"the global `{module.__name__}.__getattr__`", hook)
            return
        if issubclass(type(value), ModuleType):
            if user:
                self.walk.value(f"the global `{module.__name__}.{chain[0]}`", value)
            self._attributes(value, chain[1:], read)
        elif user or self.walk.is_users(value):
            if not user:
                self.there.append((module.__name__, chain[0], "patched"))
            self.walk.value(f"the global `{module.__name__}.{chain[0]}`", value)

    def _whole(self, module: ModuleType, read: Bytecode) -> None:
        for name, value in sorted(self.places.contents(module.__dict__)):
            if not name.startswith("__") and not issubclass(type(value), ModuleType):
                self._attributes(module, (name,), read)

    def _import(self, names: dict[str, Any], level: int, name: str, taken: tuple[str, ...], read: Bytecode) -> None:
        if level:
            package = names.get("__package__") or str(names.get("__name__", "")).rpartition(".")[0]
            name = importlib.util.resolve_name("." * level + name, package) if package else name
        if origin.of_module(name) != USER:
            self.walk.mention(name)
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
                self.walk.item(f"the module `{name}`", f"absent {type(error).__name__}")
        self.places.name(sys.modules, name)
        if module is None:
            return
        self.walk.mention(name, module)
        if not taken:
            self._attributes(module, (), read)
        for wanted in taken:
            if wanted not in module.__dict__ and hasattr(module, "__path__"):
                self._imported(f"{name}.{wanted}", (), read)
            self._attributes(module, (wanted,), read)
