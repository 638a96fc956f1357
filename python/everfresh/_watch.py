"""Wrappers around what raises no audit event, in place only while a cached function runs somewhere.

| wrapped | tells | in |
| --- | --- | --- |
| `os.stat`, `os.lstat`, `os.access`, `os.readlink`, entries of `os.scandir` | what is at a path | `_watch_paths` |
| `os.open` | a file relative to a descriptor | |
| `os.path.exists`, `isfile`, `isdir`, … | whether something is there, and what kind of thing | |
| `os.environ`, `os.environb`, `os.getenv` | environment variables, absent ones too | |
| `os.getcwd`, `os.getcwdb` | the working folder | |
| `Thread.start`, `ThreadPoolExecutor.submit`, … | nothing: they hand the computation on | `_watch_work` |
| `sqlite3.connect` | a database that a statement attaches | here |
| readers of polars and pyarrow | the files that they read by themselves | `_watch_readers` |
| `__import__`, `importlib.import_module` | nothing: it wraps what is in modules that are imported meanwhile | |

A wrapper looks first whether its thread records, then calls what it wraps. Who replaced one meanwhile is left alone.
"""

from __future__ import annotations

import builtins
import sys
import threading
from functools import partial

from . import _native, _watch_paths, _watch_readers, _watch_work
from ._watch_silence import tells

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

_lock = threading.RLock()
_depth = 0
_installed: list[tuple[Any, str, Any, Any]] = []


def _import_wrapper(original: Callable[..., Any]) -> Callable[..., Any]:
    def import_module(*args: Any, **kwargs: Any) -> Any:
        try:
            return original(*args, **kwargs)
        finally:
            install_late()
            # A statement gives five arguments: this is a call, by a name that may be computed.
            if len(args) < 5 and args and isinstance(args[0], str) and tells():
                from ._code_ran import asked

                asked(args[0])

    return import_module


def _wrappers() -> Iterator[tuple[Any, str, Any]]:
    yield from _watch_paths.wrappers()
    yield from _watch_work.wrappers()
    yield builtins, "__import__", _import_wrapper(builtins.__import__)


def _databases(module: Any) -> Iterator[tuple[Any, str, Any]]:
    original = module.connect

    def connect(*args: Any, **kwargs: Any) -> Any:
        connection = original(*args, **kwargs)
        if _native.is_recording():
            # Who sets another one takes its place.
            connection.set_authorizer(_native.authorize)
        return connection

    yield module, "connect", connect


def _imports(module: Any) -> Iterator[tuple[Any, str, Any]]:
    yield module, "import_module", _import_wrapper(module.import_module)


# By the module that has to be loaded.
_LATE: dict[str, Callable[[Any], Iterator[tuple[Any, str, Any]]]] = {
    "importlib": _imports,
    "sqlite3": _databases,
    "sqlite3.dbapi2": _databases,
    **_watch_work.LATE,
    **_watch_readers.LATE,
}


class _Watching:
    """Within it the wrappers are in place, for all threads."""

    def __enter__(self) -> None:
        global _depth
        with _lock:
            _depth += 1
            if _depth == 1:
                _install("", _wrappers)
        install_late()

    def __exit__(self, *_: object) -> None:
        global _depth
        with _lock:
            _depth -= 1
            if _depth == 0:
                for owner, name, original, wrapper in reversed(_installed):
                    if owner.__dict__.get(name) is wrapper:
                        setattr(owner, name, original)
                _installed.clear()
                _pending.update(_LATE)


_made: dict[str, list[tuple[Any, str, Any, Any]]] = {}


def _install(source: str, wrappers: Callable[[], Iterator[tuple[Any, str, Any]]]) -> None:
    made = _made.get(source)
    # Wrappers are made once, unless somebody replaced what they wrap.
    if made is None or any(getattr(owner, name) is not original for owner, name, original, _ in made):
        made = [(owner, name, getattr(owner, name), wrapper) for owner, name, wrapper in wrappers()]
        _made[source] = made
    for owner, name, _, wrapper in made:
        setattr(owner, name, wrapper)
    _installed.extend(made)


_pending = set(_LATE)


def install_late() -> None:
    """Wraps what is in modules that were imported meanwhile."""
    if _pending.isdisjoint(sys.modules):
        return
    with _lock:
        if not _depth:
            return
        for name in _pending & sys.modules.keys():
            try:
                _install(name, partial(_LATE[name], sys.modules[name]))
            except (AttributeError, KeyError):
                # It is still being imported.
                continue
            _pending.discard(name)


watching = _Watching()
