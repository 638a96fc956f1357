"""Wrappers around what raises no audit event, in place only while a cached function runs somewhere.

| wrapped | tells |
| --- | --- |
| `os.stat`, `os.lstat`, `os.access`, `os.readlink`, entries of `os.scandir` | what is at a path |
| `os.open` | a file relative to a descriptor |
| `os.path.exists`, `isfile`, `isdir`, … | whether something is there, and what kind of thing |
| `os.environ`, `os.environb`, `os.getenv` | environment variables, absent ones too |
| `os.getcwd`, `os.getcwdb` | the working folder |
| `Thread.start`, `ThreadPoolExecutor.submit`, … | nothing: they hand the computation on to their threads and tasks |
| `sqlite3.connect` | a database that a statement attaches |
| readers of polars and pyarrow | the files that they read by themselves |
| `__import__`, `importlib.import_module` | nothing: it wraps what is in modules that are imported meanwhile |

A wrapper looks first whether its thread records, then calls what it wraps. Who replaced one meanwhile is left alone.
"""

from __future__ import annotations

import builtins
import os
import sys
import threading
from functools import partial

from . import _native

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

_lock = threading.RLock()
_depth = 0
_installed: list[tuple[Any, str, Any, Any]] = []
_silent = threading.local()


def caller_level() -> int:
    """The `stacklevel` of the user's own line, for a warning that is given one call above."""
    own, level, frame = os.path.dirname(__file__), 1, sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(own):
        frame, level = frame.f_back, level + 1
    return level


class _Silence:
    """Within it this thread's wrappers tell nothing."""

    def __enter__(self) -> None:
        _silent.depth = getattr(_silent, "depth", 0) + 1

    def __exit__(self, *_: object) -> None:
        _silent.depth -= 1


silence = _Silence()


def _tells() -> bool:
    return _native.is_recording() and not getattr(_silent, "depth", 0)


def _is_path(value: object) -> bool:
    return isinstance(value, str | bytes | os.PathLike)


def _path_wrapper(original: Callable[..., Any], how: str) -> Callable[..., Any]:
    def wrapper(path: Any, *args: Any, **kwargs: Any) -> Any:
        if _tells() and _is_path(path) and not _for_python(path):
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
        if _tells() and _is_path(path) and not _for_python(path) and kwargs.get("dir_fd") is None:
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
        if dir_fd is None or not _tells() or not _is_path(path):
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
        if _tells():
            path = os.fsdecode(self._entry.path)
            if not follow_symlinks:
                _observe_link(path)
            _native.observe_path("metadata", path)
        return self._entry.stat(follow_symlinks=follow_symlinks)

    def is_dir(self, *, follow_symlinks: bool = True) -> bool:
        """As an entry's; the folder's listing tells of all but links."""
        if follow_symlinks and self._entry.is_symlink() and _tells():
            _native.observe_path("kind", os.fsdecode(self._entry.path))
        return self._entry.is_dir(follow_symlinks=follow_symlinks)

    def is_file(self, *, follow_symlinks: bool = True) -> bool:
        """As an entry's; the folder's listing tells of all but links."""
        if follow_symlinks and self._entry.is_symlink() and _tells():
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
        return _Entries(entries) if _tells() and not isinstance(path, int) else entries

    return scandir


def _getcwd_wrapper(original: Callable[[], Any]) -> Callable[[], Any]:
    def getcwd() -> Any:
        if _tells() and not _for_python():
            _native.observe_working_dir()
        return original()

    return getcwd


def _environ_getitem(original: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def getitem(self: Any, key: Any) -> Any:
        if _tells() and isinstance(key, str | bytes):
            _native.observe_env(os.fsdecode(key))
        return original(self, key)

    return getitem


def _environ_iter(original: Callable[[Any], Iterator[Any]]) -> Callable[[Any], Iterator[Any]]:
    def iterate(self: Any) -> Iterator[Any]:
        if _tells():
            # All names, and with each value that is taken its own.
            _native.observe_env("")
        return original(self)

    return iterate


def _start_wrapper(original: Callable[[Any], None]) -> Callable[[Any], None]:
    def start(self: Any) -> None:
        if not _tells():
            return original(self)
        from ._code_ran import carried

        context, run = _native.Context(), carried(self.run)

        def run_in_context() -> None:
            # What the thread holds of itself would keep it alive.
            self.__dict__.pop("run", None)
            context.run(run)

        self.run = run_in_context
        _native.set_carried(True)
        try:
            return original(self)
        finally:
            _native.set_carried(False)

    return start


def _submit_wrapper(original: Callable[..., Any]) -> Callable[..., Any]:
    def submit(self: Any, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        if not _native.is_recording():
            return original(self, function, *args, **kwargs)
        from ._code_ran import carried

        context = _native.Context()
        work = carried(lambda: function(*args, **kwargs))
        # The pool's own threads outlive the computation and work for others: they start without a context.
        _native.set_carried(True)
        try:
            with silence:
                return original(self, context.run, work)
        finally:
            _native.set_carried(False)

    return submit


def _refusing_wrapper(original: Callable[..., Any]) -> Callable[..., Any]:
    def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
        _native.unseen("it hands work to other processes or to a pool, and what those read is not seen")
        return original(self, *args, **kwargs)

    return wrapper


def _create_task_wrapper(original: Callable[..., Any]) -> Callable[..., Any]:
    def create_task(self: Any, coro: Any, **kwargs: Any) -> Any:
        if _native.is_recording():
            from ._async import Child

            coro = Child(coro, _native.Context().run)
        return original(self, coro, **kwargs)

    return create_task


def _call_wrapper(original: Callable[..., Any], place: int) -> Callable[..., Any]:
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        # The steps of tasks, and what asyncio itself calls back, know what they work for.
        if _native.is_recording() and len(args) > place and _is_users(args[place]):
            args = (*args[:place], _native.Context().run, *args[place:])
        return original(self, *args, **kwargs)

    return call


def _is_users(callback: Any) -> bool:
    callback = getattr(callback, "func", callback)
    return hasattr(callback, "__code__") and not (callback.__module__ or "").startswith("asyncio")


def _threadsafe_wrapper(original: Callable[..., Any]) -> Callable[..., Any]:
    def run_coroutine_threadsafe(coro: Any, loop: Any) -> Any:
        if not _native.is_recording():
            return original(coro, loop)
        from ._async import Child
        from ._code_ran import _blocks

        context, blocks = _native.Context(), _blocks()

        def run(step: Callable[..., Any], *args: Any) -> Any:
            if not blocks:
                return context.run(step, *args)
            with blocks[0].here():
                return context.run(step, *args)

        return original(Child(coro, run), loop)

    return run_coroutine_threadsafe


def _import_wrapper(original: Callable[..., Any]) -> Callable[..., Any]:
    def import_module(*args: Any, **kwargs: Any) -> Any:
        try:
            return original(*args, **kwargs)
        finally:
            install_late()

    return import_module


def _wrappers() -> Iterator[tuple[Any, str, Any]]:
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
    yield threading.Thread, "start", _start_wrapper(threading.Thread.start)
    yield builtins, "__import__", _import_wrapper(builtins.__import__)


def _thread_pools(module: Any) -> Iterator[tuple[Any, str, Any]]:
    pool = module.ThreadPoolExecutor
    yield pool, "submit", _submit_wrapper(pool.submit)


def _process_pools(module: Any) -> Iterator[tuple[Any, str, Any]]:
    pool = module.ProcessPoolExecutor
    yield pool, "submit", _refusing_wrapper(pool.submit)


def _pools(module: Any) -> Iterator[tuple[Any, str, Any]]:
    for name in ("apply_async", "_map_async", "imap", "imap_unordered"):
        yield module.Pool, name, _refusing_wrapper(getattr(module.Pool, name))


def _processes(module: Any) -> Iterator[tuple[Any, str, Any]]:
    yield module.BaseProcess, "start", _refusing_wrapper(module.BaseProcess.start)


def _loops(module: Any) -> Iterator[tuple[Any, str, Any]]:
    loop = module.BaseEventLoop
    yield loop, "create_task", _create_task_wrapper(loop.create_task)
    yield loop, "call_soon", _call_wrapper(loop.call_soon, 0)
    yield loop, "call_at", _call_wrapper(loop.call_at, 1)
    yield loop, "call_soon_threadsafe", _call_wrapper(loop.call_soon_threadsafe, 0)


def _uvloop(module: Any) -> Iterator[tuple[Any, str, Any]]:
    loop = module.Loop
    yield loop, "create_task", _create_task_wrapper(loop.create_task)
    yield loop, "call_soon", _call_wrapper(loop.call_soon, 0)
    yield loop, "call_later", _call_wrapper(loop.call_later, 1)
    yield loop, "call_at", _call_wrapper(loop.call_at, 1)
    yield loop, "call_soon_threadsafe", _call_wrapper(loop.call_soon_threadsafe, 0)


def _tasks(module: Any) -> Iterator[tuple[Any, str, Any]]:
    wrapper = _threadsafe_wrapper(module.run_coroutine_threadsafe)
    yield module, "run_coroutine_threadsafe", wrapper
    yield sys.modules["asyncio"], "run_coroutine_threadsafe", wrapper


# What pyarrow reads paths with, by its modules. A class reads when it is made.
_PYARROW = {
    "pyarrow": ("input_stream",),
    "pyarrow.parquet": ("read_table", "read_pandas", "read_schema", "read_metadata"),
    "pyarrow.parquet.core": ("ParquetFile", "ParquetDataset"),
    "pyarrow.csv": ("read_csv", "open_csv"),
    "pyarrow.json": ("read_json", "open_json"),
    "pyarrow.feather": ("read_table", "read_feather", "FeatherDataset"),
    "pyarrow.orc": ("read_table", "ORCFile"),
    "pyarrow.dataset": ("dataset", "parquet_dataset"),
}
_NO_PATHS = ("read_database", "read_database_uri", "read_clipboard")


def _reader_wrapper(original: Callable[..., Any], place: int = 0) -> Callable[..., Any]:
    def reader(*args: Any, **kwargs: Any) -> Any:
        if not _tells():
            return original(*args, **kwargs)
        from ._readers import _observe

        # The first argument has a name of its own with each reader.
        source = args[place] if len(args) > place else next(iter(kwargs.values()), None)
        system = kwargs.get("filesystem")
        if system is not None and getattr(system, "type_name", None) != "local":
            _native.unseen("it reads through a file system of its own, and what that reads is not seen")
        else:
            paths = [source] if _is_path(source) and not isinstance(source, bytes) else source
            for path in paths if isinstance(paths, list | tuple | set) else ():
                if isinstance(path, str | os.PathLike):
                    _observe(os.fspath(path))
        # To look whether the files are there is the library's own affair.
        with silence:
            return original(*args, **kwargs)

    for name in ("__module__", "__name__", "__qualname__", "__doc__"):
        setattr(reader, name, getattr(original, name, None) or "")
    reader.__wrapped__ = original  # type: ignore[attr-defined]
    return reader


def _polars(module: Any) -> Iterator[tuple[Any, str, Any]]:
    _ = module.read_parquet, module.scan_parquet
    for name in dir(module):
        if name.startswith(("read_", "scan_")) and name not in _NO_PATHS:
            yield module, name, _reader_wrapper(getattr(module, name))


def _pyarrow(module: Any) -> Iterator[tuple[Any, str, Any]]:
    for name in _PYARROW[module.__name__]:
        reader = getattr(module, name)
        if isinstance(reader, type):
            yield reader, "__init__", _reader_wrapper(reader.__init__, 1)  # type: ignore[misc]
        else:
            yield module, name, _reader_wrapper(reader)


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
    "concurrent.futures.thread": _thread_pools,
    "concurrent.futures.process": _process_pools,
    "multiprocessing.pool": _pools,
    "multiprocessing.process": _processes,
    "asyncio.base_events": _loops,
    "asyncio.tasks": _tasks,
    "uvloop": _uvloop,
    "polars": _polars,
    **dict.fromkeys(_PYARROW, _pyarrow),
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
