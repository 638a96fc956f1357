"""The mutable places that a walk reads, with what it found there: `_native.Guard` watches them afterwards.

Each place is read once, and every later question in the same walk gets the first answer, so that the guard compares
with just what was fingerprinted."""

from __future__ import annotations

from types import CellType, CodeType, FunctionType
from typing import Any

from everfresh._native import Guard, attributes_of

_MISSING = object()
type_dict = type.__dict__["__dict__"].__get__


class Places:
    """Reads places, and remembers them."""

    def __init__(self) -> None:
        self._names: dict[int, tuple[dict[str, Any], dict[str, Any], list[str]]] = {}
        self._contents: dict[int, tuple[dict[Any, Any], list[tuple[Any, Any]]]] = {}
        self._classes: dict[int, tuple[type, tuple[type, ...], list[tuple[str, Any]]]] = {}
        self._functions: dict[
            int, tuple[FunctionType, CodeType, tuple[Any, ...] | None, dict[str, Any] | None, bool]
        ] = {}
        self._cells: dict[int, tuple[CellType, tuple[Any, ...]]] = {}
        self._lists: dict[int, tuple[list[Any], tuple[Any, ...]]] = {}
        self._sets: dict[int, tuple[set[Any], tuple[Any, ...]]] = {}
        self._kinds: dict[int, tuple[object, type]] = {}

    def name(self, names: dict[str, Any], name: str) -> tuple[bool, Any]:
        """Whether `name` is in the dict, and its object."""
        _, present, absent = self._names.setdefault(id(names), (names, {}, []))
        if name in present:
            return True, present[name]
        if name in absent:
            return False, None
        found = names.get(name, _MISSING)
        if found is _MISSING:
            absent.append(name)
            return False, None
        present[name] = found
        return True, found

    def contents(self, mapping: dict[Any, Any]) -> list[tuple[Any, Any]]:
        found = self._contents.get(id(mapping))
        if found is None:
            found = self._contents[id(mapping)] = (mapping, list(mapping.items()))
        return found[1]

    def of_class(self, cls: type) -> tuple[tuple[type, ...], list[tuple[str, Any]]]:
        """Its method resolution order and its own attributes."""
        found = self._classes.get(id(cls))
        if found is None:
            order = type.__dict__["__mro__"].__get__(cls)
            found = self._classes[id(cls)] = (cls, order, list(type_dict(cls).items()))
        return found[1:]

    def function(self, function: FunctionType) -> tuple[CodeType, tuple[Any, ...], dict[str, Any]]:
        """Its code, its defaults, its keyword defaults."""
        found = self._functions.get(id(function))
        if found is None:
            held = bool(self.attributes(function))
            found = (function, function.__code__, function.__defaults__, function.__kwdefaults__, held)
            self._functions[id(function)] = found
        return found[1], found[2] or (), dict(self.contents(found[3])) if found[3] else {}

    def attributes(self, function: FunctionType) -> list[tuple[str, Any]]:
        """Those that were set on the function."""
        held = attributes_of(function)
        return [] if held is None else self.contents(held)

    def cell(self, cell: CellType) -> tuple[Any, ...]:
        """What it holds, nothing if it is empty."""
        found = self._cells.get(id(cell))
        if found is None:
            try:
                held: tuple[Any, ...] = (cell.cell_contents,)
            except ValueError:
                held = ()
            found = self._cells[id(cell)] = (cell, held)
        return found[1]

    def list(self, items: list[Any]) -> tuple[Any, ...]:
        return self._lists.setdefault(id(items), (items, tuple(items)))[1]

    def set(self, items: set[Any]) -> tuple[Any, ...]:
        return self._sets.setdefault(id(items), (items, tuple(items)))[1]

    def kind(self, instance: object) -> type:
        return self._kinds.setdefault(id(instance), (instance, type(instance)))[1]

    def guard(self, *, volatile: bool) -> Guard:
        """Watches every place from now on."""
        return Guard(
            names=list(self._names.values()),
            contents=list(self._contents.values()),
            classes=list(self._classes.values()),
            functions=list(self._functions.values()),
            cells=list(self._cells.values()),
            lists=list(self._lists.values()),
            sets=list(self._sets.values()),
            kinds=list(self._kinds.values()),
            volatile=volatile,
        )
