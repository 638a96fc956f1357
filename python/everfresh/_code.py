"""What a function is made of, transitively: `Code(function).items()`, each item by a name that a reason can print.

    the code of `helpers.clean`            bytecode as `_code_bytes.py` reads it, nested code included
    the default `x` of `m.f`               also of keyword-only arguments
    the closure variable `n` of `m.f`
    the global `helpers.LIMIT`             by a global's name, or as an attribute of a module; absent ones have no item
    the class `m.Parser`                   bases, metaclass, the names of its attributes and what kind each is
    the attribute `x` of `m.Parser`        values in a class, on a function
    the package `numpy`                    by its version, see `_code_origin.py`; `Python` is one
    the extension `fast`                   the user's compiled module, by its file
    the file `/a/b.json`, read when ...    by a module of the user's that is on the way, see `_code_imports.py`
    the names that `m.f` finds             which of them are there, so that one that appears or goes is seen
    the functools.lru_cache of `m.f`       a memo that hides what it read; `everfresh.lru_cache` likewise
    the code found as `m:f`                code that ran and names do not reach (`_code_ran.py`), and all it is made of;
                                           not among `items()`, but `resolve` knows it

Not reached by names, but seen by `_code_ran.py` when it runs: what `getattr` finds by a computed name, registries in
packages, methods of arguments, modules that are imported by a computed name, mocks. Not seen at all: data read by a
computed name (`globals()[name]`, `sys.modules[name]` with a module not at hand), constants that a package's own module
was patched with (but for those of the user's own), whether a closure made before the run by code that ran again in it
still holds what it held, and attributes of a package's instance beyond `FOREIGN_LIMIT` values.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from types import CodeType
from typing import Any

from everfresh._code_names import FOUND, same_cells
from everfresh._code_places import Places
from everfresh._code_walk import Walk
from everfresh._native import Guard


class Code:
    """What `target` is made of: a function, a class, a method, a partial, an object that is called, a module.

    Every method may be called by several threads; a walk belongs to the thread that does it.
    """

    def __init__(self, target: object) -> None:
        self.target = target
        # What ran and names do not reach, by `module:path`: walked and guarded too.
        self._ran: frozenset[str] = frozenset()
        self._walk: Walk | None = None

    def items(self) -> dict[str, bytes]:
        """Each item's own fingerprint, 32 bytes, by its name; from the last walk if it holds. Not to be changed."""
        return self._settled().items

    def resolve(self, name: str) -> bytes | None:
        """The fingerprint of any item now: one of `items()`, or `the code found as ...`, which is guarded from then on,
        or one of those that make up the latter.

        None if there is no such thing.
        """
        walk = self._settled()
        found = walk.items.get(name)
        if found is None and name.startswith(FOUND):
            path = name[len(FOUND) : -1]
            if path not in self._ran:
                self._ran |= {path}
                walk.guard().retire()
                walk = self._settled()
            found = walk.found.get(path)
        elif found is None:
            # Of a cached function that was found in this way, all items are its callers' as well.
            found = next((inner.items[name] for inner in walk.inner.values() if name in inner.items), None)
        return found

    def guard(self) -> Guard:
        """The guard of the walk that `items()` answers from; it is retired when `resolve` finds more to watch."""
        return self._settled().guard()

    def holds(self) -> bool:
        """Whether the last walk would come out the same: its guard holds, and so do its volatile values."""
        walk = self._walk
        return walk is not None and walk.guard().holds() and walk.volatile_hold()

    def unsure(self) -> dict[str, str]:
        """Items by the reason why they do not tell all: those that never match, and open connections and files.

        What is read from the latter is not seen, though the item itself holds: keep such a result with a ttl alone.
        """
        return self._settled().unsure

    def untold(self) -> dict[str, str]:
        """Items that never match, by the reason why."""
        walk = self._settled()
        return {name: walk.unsure[name] for name in walk.never}

    def blind(self) -> dict[str, str]:
        """Items that hold an object of a package of which only the class counts, by its name: report them once."""
        return self._settled().blind

    def sources(self) -> set[str]:
        """Modules and attributes on the way by which clocks and random sources are reached, see `_sources.py`."""
        return self._settled().sources

    def uses_decimal(self) -> bool:
        """Whether `decimal` is on the way."""
        return self._settled().decimal

    def lru_caches(self) -> dict[str, Any]:
        """Memos by `functools.lru_cache` or Everfresh's on the way of the user's code, by the names of their items."""
        return self._settled().lru_caches

    def covers(self, code: CodeType, held: tuple[object, ...] | None = None, found: Collection[str] = ()) -> bool:
        """Whether the last walk met a function with this very code object, by names or within the items `found`.

        Of closures, one that holds just the objects `held`.
        """
        walk = self._walk
        if walk is None:
            return False
        walks = [walk, *(inner for path, inner in walk.inner.items() if f"{FOUND}{path}`" in found)]
        return any(
            held is None or same_cells(function, held) for one in walks for function in one.codes.get(id(code), ())
        )

    def _settled(self) -> Walk:
        walk = self._walk
        if walk is None or not self.holds():
            walk = Walk(Places())
            walk.root(self.target)
            for path in sorted(self._ran):
                walk.find(path)
            self._walk = walk
        return walk


def plain_lru_caches(items: Iterable[str]) -> list[str]:
    """The functions under a plain `lru_cache`, of `functools` or Everfresh, among the names of `items`."""
    marked = (re.fullmatch("the (?:functools|everfresh).lru_cache of `(.*)`", name) for name in items)
    return [found[1] for found in marked if found]
