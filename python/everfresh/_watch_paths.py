"""What a cached function looks at in the file system and in its environment, as far as no audit event tells."""

from __future__ import annotations

import os
import sys

from . import _native
from ._watch_silence import is_path, silence, tells

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

#: What no wrapper replaces where a module bound it to a name of its own.
ORIGINALS = {
    getattr(os, name): f"os.{name}" for name in ("stat", "lstat", "access", "readlink", "scandir", "getcwd", "getcwdb")
}


def _path_wrapper(original: Callable[..., Any], how: str) -> Callable[..., Any]:
    def wrapper(path: Any, *args: Any, **kwargs: Any) -> Any:
        if tells() and is_path(path) and not _for_python(path):
            if kwargs.get("dir_fd") is not None:
                _native.refuse(f"it looks at {os.fsdecode(path)!r} relative to a descriptor")
            else:
                _native.observe_path(how, os.fsdecode(path))
            with silence:
                return original(path, *args, **kwargs)
        return original(path, *args, **kwargs)

    wrapper.__name__ = wrapper.__qualname__ = getattr(original, "__name__", how)
    wrapper.__doc__ = original.__doc__
    wrapper.__wrapped__ = original  # type: ignore[attr-defined]
    return wrapper


_CODE = (".py", ".pyw", ".pyc", ".so", ".pyd")


def _for_python(path: Any = None) -> bool:
    """Whether the interpreter asks for itself: it imports a module, or shows a line of a traceback."""
    if path is not None and not os.fsdecode(path).endswith(_CODE):
        return False
    frame = sys._getframe(2)
    for _ in range(3):
        name = frame.f_code.co_filename
        if name.startswith("<frozen importlib") or name.endswith("/linecache.py"):
            return True
        if frame.f_back is None:
            return False
        frame = frame.f_back
    return False


def _link_wrapper(original: Callable[..., Any]) -> Callable[..., Any]:
    observing = _path_wrapper(original, "metadata")

    def wrapper(path: Any, *args: Any, **kwargs: Any) -> Any:
        if tells() and is_path(path) and not _for_python(path) and kwargs.get("dir_fd") is None:
            _observe_link(os.fsdecode(path))
        return observing(path, *args, **kwargs)

    wrapper.__name__ = wrapper.__qualname__ = original.__name__
    wrapper.__doc__ = original.__doc__
    wrapper.__wrapped__ = original  # type: ignore[attr-defined]
    return wrapper


def _observe_link(path: str) -> None:
    """What there is of a path is that of the file which it leads to: a link that leads nowhere has nothing."""
    with silence:
        if os.path.exists(path):
            return
        if os.path.lexists(path):
            if not _native.is_made(path):
                _native.refuse(f"it looks at `{path}`, a link that leads nowhere")
            return
    # `realpath` asks for the parts of any path.
    if sys._getframe(2).f_code.co_name not in ("realpath", "_joinrealpath"):
        _native.observe_path("dir", os.path.dirname(path) or ".")


def _open_wrapper(original: Callable[..., int]) -> Callable[..., int]:
    def open(path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        if dir_fd is None or not tells() or not is_path(path):
            return original(path, flags, mode, dir_fd=dir_fd)
        try:
            if not _native.set_opened_at((dir_fd, os.fsdecode(path), flags)):
                _native.refuse(f"it opens {os.fsdecode(path)!r} relative to a descriptor")
            return original(path, flags, mode, dir_fd=dir_fd)
        finally:
            _native.set_opened_at(None)

    return open


class _Entry:
    """An entry of a folder that tells when its `stat` is asked for."""

    __slots__ = ("_entry",)

    def __init__(self, entry: os.DirEntry[Any]) -> None:
        self._entry = entry

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return os.DirEntry

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        """As an entry's."""
        if tells():
            path = os.fsdecode(self._entry.path)
            if not follow_symlinks:
                _observe_link(path)
            _native.observe_path("metadata", path)
        return self._entry.stat(follow_symlinks=follow_symlinks)

    def is_dir(self, *, follow_symlinks: bool = True) -> bool:
        """As an entry's; the folder's listing tells of all but links."""
        if follow_symlinks and self._entry.is_symlink() and tells():
            _native.observe_path("kind", os.fsdecode(self._entry.path))
        return self._entry.is_dir(follow_symlinks=follow_symlinks)

    def is_file(self, *, follow_symlinks: bool = True) -> bool:
        """As an entry's; the folder's listing tells of all but links."""
        if follow_symlinks and self._entry.is_symlink() and tells():
            _native.observe_path("kind", os.fsdecode(self._entry.path))
        return self._entry.is_file(follow_symlinks=follow_symlinks)

    def __fspath__(self) -> Any:
        return self._entry.path

    def __getattr__(self, name: str) -> Any:
        return getattr(self._entry, name)

    def __repr__(self) -> str:
        return repr(self._entry)


class _Entries:
    """What `os.scandir` gives, of such entries."""

    __slots__ = ("_entries",)

    def __init__(self, entries: Any) -> None:
        self._entries = entries

    def __iter__(self) -> _Entries:
        return self

    def __next__(self) -> _Entry:
        return _Entry(next(self._entries))

    def __enter__(self) -> _Entries:
        return self

    def __exit__(self, *_: object) -> None:
        self._entries.close()

    def close(self) -> None:
        """As the iterator's."""
        self._entries.close()


def _scandir_wrapper(original: Callable[..., Any]) -> Callable[..., Any]:
    def scandir(path: Any = None) -> Any:
        entries = original(path)
        # The paths of entries that a descriptor gave are but names.
        return _Entries(entries) if tells() and not isinstance(path, int) else entries

    return scandir


def _getcwd_wrapper(original: Callable[[], Any]) -> Callable[[], Any]:
    def getcwd() -> Any:
        if tells() and not _for_python():
            _native.observe_working_dir()
        return original()

    return getcwd


def _environ_getitem(original: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def getitem(self: Any, key: Any) -> Any:
        if tells() and isinstance(key, str | bytes):
            _native.observe_env(os.fsdecode(key))
        return original(self, key)

    return getitem


def _environ_iter(original: Callable[[Any], Iterator[Any]]) -> Callable[[Any], Iterator[Any]]:
    def iterate(self: Any) -> Iterator[Any]:
        if tells():
            # All names, and with each value that is taken its own.
            _native.observe_env("")
        return original(self)

    return iterate


def wrappers() -> Iterator[tuple[Any, str, Any]]:
    """What is replaced, where, and by what."""
    for name in ("stat", "access"):
        yield os, name, _path_wrapper(getattr(os, name), "metadata")
    path = os.path
    for owner, name in ((os, "lstat"), (os, "readlink"), (path, "islink"), (path, "lexists")):
        yield owner, name, _link_wrapper(getattr(owner, name))
    yield os, "open", _open_wrapper(os.open)
    yield os, "scandir", _scandir_wrapper(os.scandir)
    yield path, "exists", _path_wrapper(path.exists, "exists")
    for name in ("isfile", "isdir"):
        yield path, name, _path_wrapper(getattr(path, name), "kind")
    for name in ("getsize", "getmtime", "getctime"):
        yield path, name, _path_wrapper(getattr(path, name), "metadata")
    for name in ("getcwd", "getcwdb"):
        yield os, name, _getcwd_wrapper(getattr(os, name))
    environ = type(os.environ)
    yield environ, "__getitem__", _environ_getitem(environ.__getitem__)
    yield environ, "__iter__", _environ_iter(environ.__iter__)
