"""Forked processes: a child uses neither its parent's stores nor locks that threads hold which it has not.

| lock | at a fork |
| --- | --- |
| of a module, held for moments | taken before, so that no thread is within; new in the child |
| of a cached function, held while its code is walked | new in the child, which walks anew what was begun |
| of a node's results and of a `Cache` | new in the child; who computed there for others is not in it |
| of the engine | no thread is inside of it |
| of the import of a module of the package | no thread imports one |
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import threading

from . import _native

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Each has a `_lock`, which is re-entrant: a signal's handler that forks may run in whoever holds it. The first is
# always loaded, so that its lock keeps two forks apart.
_MODULES = ("everfresh._watch", "everfresh._code_active", "everfresh._memory_store", "everfresh._cache")


class _Held(threading.local):
    """What a thread that forks has taken."""

    def __init__(self) -> None:
        # For each fork of this thread: a signal's handler may fork in the midst of another one.
        self.forks: list[list[tuple[Any, Any]]] = []


_held = _Held()


def register() -> None:
    """Has each child of a fork open its stores anew when it needs them, and find all locks free."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=_before, after_in_parent=_release, after_in_child=_in_child)


def _before() -> None:
    _hold()
    while begun := _begun_imports():
        _release()
        for name in begun:
            # Waits for it; who imports it hears what goes wrong.
            with contextlib.suppress(Exception):
                importlib.import_module(name)
        _hold()


def _hold() -> None:
    held: list[tuple[Any, Any]] = []
    _held.forks.append(held)
    for name in _MODULES:
        module: Any = sys.modules.get(name)
        lock = getattr(module, "_lock", None)
        if lock is not None:
            # In this order: an interrupt while it waits leaves nothing behind that is not given back.
            held.append((module, lock))
            lock.acquire()
    # Last: to come out of the engine takes none of these locks.
    _native.before_fork()


def _release() -> None:
    _native.after_fork(False)
    held = _held.forks.pop() if _held.forks else []
    for _, lock in reversed(held):
        # One may have been kept from being taken by an interrupt.
        with contextlib.suppress(RuntimeError):
            lock.release()


def _begun_imports() -> list[str]:
    """Modules of the package that other threads are importing. Python leaves their locks taken in a child."""
    own = threading.get_ident()
    bootstrap: Any = getattr(importlib, "_bootstrap", None)
    locks: dict[str, Any] = getattr(bootstrap, "_module_locks", {})
    begun = []
    for name, reference in tuple(locks.items()):
        lock = reference()
        if name.startswith(f"{__package__}.") and getattr(lock, "owner", None) not in (None, own):
            begun.append(name)
    return begun


def _in_child() -> None:
    _native.after_fork(True)
    while _held.forks:
        for module, _ in _held.forks.pop():
            module._lock = threading.RLock()
    from ._cached import functions

    for function in functions():
        function.after_fork()
    cache: Any = sys.modules.get("everfresh._cache")
    for one in () if cache is None else cache.caches():
        one.after_fork()
