"""What a cached function's code is now, and everything that it does while it computes."""

from __future__ import annotations

import os
import sys
import warnings
import weakref
from itertools import islice
from types import FunctionType, MethodType, ModuleType

from . import _ambient, _native
from ._watch import watching
from ._watch_silence import caller_level, silence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from typing import Any

    from ._code import Code
    from ._code_ran import Ran

# Longer texts are no paths.
_LONGEST_PATH = 4096


class ImpureError(RuntimeError):
    """A function that is cached as `strict` did something that no pure function does."""


class ImpureWarning(UserWarning):
    """A cached function did something that no pure function does, and has no `ttl`."""


class CodeNow:
    """The code that a function is made of, walked again only if its guard no longer holds."""

    __slots__ = ("_code", "_digest", "epoch", "guard", "items")

    def __init__(self, function: Callable[..., Any]) -> None:
        from ._code import Code

        self._code: Code = Code(function)
        self.guard: _native.Guard | None = None
        self.items: dict[str, bytes] = {}
        #: How often the code was found to be another one.
        self.epoch = 0
        self._digest: bytes | None = None

    def refresh(self) -> bool:
        """Looks again. Whether the code is another one than at the last look."""
        before = self.items
        # A walk may import the user's modules.
        with silence:
            self.items = self._code.items()
            self.guard = self._code.guard()
        if before == self.items:
            return False
        self.epoch += 1
        self._digest = None
        return True

    def interrupted(self) -> None:
        """A look that nobody ended may have found another code, and told nobody."""
        self.epoch += 1
        self.guard = self._digest = None

    def walk_openly(self) -> None:
        """The first walk, with what the modules that it imports read while they are imported told to the engine."""
        self._code.items()
        self.refresh()

    @property
    def digest(self) -> bytes:
        """All items in one fingerprint."""
        if self._digest is None:
            self._digest = _native.fingerprint(sorted(self.items.items()))
        return self._digest

    def sources(self) -> set[str]:
        """By what clocks and random sources are reached."""
        return self._code.sources()

    def uses_decimal(self) -> bool:
        """Whether the context of `decimal` counts."""
        return self._code.uses_decimal()

    def lru_caches(self) -> dict[str, Any]:
        """Plain memos on the way, which hide what they read."""
        return self._code.lru_caches()

    def unseen(self) -> list[str]:
        """What is read and cannot be observed: open connections and files, values that tell nothing of themselves."""
        return [f"it uses {name}: {why}" for name, why in self._code.unsure().items()]

    def blind(self) -> list[str]:
        """What counts by its class alone."""
        return [f"it reads {name}, of which nothing but its class counts" for name in self._code.blind()]

    def untold(self) -> dict[str, str]:
        """Items that are never found equal, and why."""
        return self._code.untold()

    def ran(self, ran: Ran, others: list[CodeNow]) -> list[str]:
        """The names of what ran beyond `items`, and beyond what others are made of."""
        with silence:
            return ran.names(self._code, [other._code for other in others])

    def version(self, name: str) -> bytes | None:
        """The fingerprint of an item now, wherever the function meets it."""
        found = self.items.get(name)
        if found is not None:
            return found
        with silence:
            return _ambient.version(name) or self._code.resolve(name)


# Functions, classes and modules that were arguments, which a walk keeps alive: so only the last of them.
_MOST_CODES = 256
_codes: dict[Any, CodeNow] = {}
# So many values are looked through for such.
_MOST_GIVEN = 1_000
_SEVERAL = frozenset({tuple, list, dict, set, frozenset})
_foreign: weakref.WeakSet[type] = weakref.WeakSet()


def code_hook(value: Any) -> bytes:
    """What tells one version of a function or class among the arguments from another; nothing for a package's class."""
    if isinstance(value, type) and value in _foreign:
        return b""
    code = _codes.pop(value, None)
    if code is None:
        from ._code_origin import USER, of_module

        if isinstance(value, type) and of_module(value.__module__) != USER:
            _foreign.add(value)
            return b""
        code = CodeNow(value)
    # The last used stand last; what is forgotten here is walked again.
    _codes[value] = code
    while len(_codes) > _MOST_CODES:
        _codes.pop(next(iter(_codes)), None)
    code.refresh()
    return code.digest


def module_hook(module: ModuleType) -> bytes:
    """What tells one version of a module among the arguments from another: a user's by all that it holds.

    Raises:
        TypeError: if it holds something that nothing tells.
    """
    digest = code_hook(module)
    for name, why in _codes[module].untold().items():
        from ._values import Refusal

        raise Refusal(
            f"the module {module.__name__} has no fingerprint, since nothing tells {name}: {why}. Pass what counts of "
            "it, leave the argument out with `ignore=`, or make the key with `key=`"
        )
    return digest


class Given:
    """The functions, classes and modules among the arguments, also in containers: their code is a part of the key."""

    __slots__ = ("codes", "memos")

    def version(self, name: str) -> bytes | None:
        """The fingerprint of an item of theirs, as it was when the key was made."""
        return next((code.items[name] for code in self.codes if name in code.items), None)

    def __init__(self, values: list[Any]) -> None:
        from functools import partial

        from ._code_values import LRU_CACHES
        from ._values_code import WRAPPERS

        self.codes: list[CodeNow] = []
        #: Plain memos: what they hold was read by somebody else, and nobody knows what.
        self.memos: list[Any] = []
        left, queue = _MOST_GIVEN, values.copy()
        while queue and left:
            value, left = queue.pop(), left - 1
            kind = type(value)
            for one in (kind, value) if isinstance(value, FunctionType | ModuleType | type) else (kind,):
                code = _codes.get(one)
                if code is not None and code not in self.codes:
                    self.codes.append(code)
                    self.memos += code.lru_caches().values()
            if kind in _SEVERAL:
                queue += islice(value.values() if kind is dict else value, left)
            elif kind is partial:
                queue += (value.func, value.args, value.keywords)
            elif kind is MethodType:
                queue += (value.__func__, value.__self__)
            elif kind in WRAPPERS or kind.__module__ in ("everfresh._method", "everfresh._memory_function"):
                queue += (value.__wrapped__, getattr(value, "__self__", None))
            if kind in LRU_CACHES:
                self.memos.append(value)


class Purity:
    """What a function did that no pure function does, said once."""

    __slots__ = ("_excused", "_name", "_said", "_strict")

    def __init__(self, name: str, *, strict: bool, excused: bool) -> None:
        self._name, self._strict, self._excused, self._said = name, strict, excused, False

    def judge(self) -> None:
        """Looks at what the computation on this thread has done.

        Raises:
            ImpureError: if there was anything, and the function is `strict`.
        """
        if self._said and not self._strict:
            return
        done = _native.impurities()
        if not done:
            return
        what = f"{self._name} is not pure: {'; '.join(done)}"
        if self._strict:
            raise ImpureError(f"{what}. It is cached as strict, so nothing is kept.")
        if not self._excused:
            self._said = True
            warnings.warn(
                f"{what}. Give it a ttl, so that its results grow old.", ImpureWarning, stacklevel=caller_level()
            )


class Paths:
    """Arguments that are paths of files or folders: whoever reads them, they count."""

    __slots__ = ("_seen",)

    def __init__(self, values: list[Any]) -> None:
        self._seen: list[tuple[str, tuple[int, ...]]] = []
        with silence:
            for value in values:
                if isinstance(value, os.PathLike):
                    value = os.fspath(value)
                if isinstance(value, str) and 0 < len(value) < _LONGEST_PATH and "\0" not in value:
                    before = stamp(value)
                    if before is not None:
                        self._seen.append((value, before))

    def observe(self) -> None:
        """Tells of those that the function did not write itself."""
        for path, before in self._seen:
            with silence:
                after = stamp(path)
                folder = os.path.isdir(path)
            if after == before or folder:
                _native.observe_path("dir" if folder else "file", path)
            elif not _native.is_made(path):
                _native.refuse(f"`{path}` was written to while it was computed")


def stamp(path: str) -> tuple[int, ...] | None:
    """What changes whenever somebody writes a file; `None` if there is none."""
    try:
        seen = os.stat(path)
    except (OSError, ValueError):
        return None
    return seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns


def _connections(values: list[Any]) -> list[Any]:
    """Arguments that are connections to SQLite, ignored ones too: their files count."""
    return [value for value in values if type(value).__module__ == "sqlite3" and type(value).__name__ == "Connection"]


def _observe_databases(connections: list[Any], known: set[str]) -> set[str]:
    found: set[str] = set()
    for value in connections:
        try:
            files = [row[2] for row in value.execute("pragma database_list")]
        except Exception as error:
            _native.unseen(f"it uses a connection that says nothing of its files: {error}")
            continue
        found.update(filter(None, files))
    for path in found - known:
        for suffix in ("", "-wal", "-journal"):
            _native.observe_path("metadata", path + suffix)
    return found


class Computation:
    """One computation of a function, with everything that it does written down."""

    __slots__ = (
        "_before",
        "_code",
        "_connections",
        "_databases",
        "_given",
        "_numpy",
        "_paths",
        "_purity",
        "_ran",
        "_watched",
    )

    def __init__(self, code: CodeNow, purity: Purity, values: list[Any], given: Given | None = None) -> None:
        from ._code_ran import Ran
        from ._sources import Numpy, may_be

        self._code, self._purity, self._paths = code, purity, Paths(values)
        self._given = given or Given(values)
        # Another call may look at the code while this one computes.
        self._before = code.items
        sources = code.sources().union(*(cls.sources() for cls in self._given.codes))
        # Who gives it a seed draws what follows from that.
        drawn = not sources.isdisjoint(("random", "numpy.random")) and "seed" not in sources
        self._numpy = Numpy() if drawn and "numpy" in sys.modules else None
        self._ran = Ran(sources=bool(sources) or any(map(may_be, values)))
        self._connections = _connections(values)
        self._databases = _observe_databases(self._connections, set())
        if code.uses_decimal() or any(map(_ambient.is_decimal, values)):
            _native.observe_version(_ambient.DECIMAL, _ambient.decimal_context())
        for memo in (*code.lru_caches().values(), *self._given.memos):
            # What it holds was read by somebody else, and nobody knows what.
            memo.cache_clear()

    def watching(self) -> AbstractContextManager[Any]:
        """Within it code that runs on this thread is written down, and what it reads."""
        return _Both(self._ran)

    def watch(self) -> None:
        """Begins such a block, which lasts until `unwatch`: for who has no frame to hold it in."""
        self._watched = self.watching()
        self._watched.__enter__()

    def unwatch(self) -> None:
        """Ends it."""
        self._watched.__exit__(None, None, None)

    def end(self) -> None:
        """Tells the engine what the result was made by."""
        self._paths.observe()
        # Statements may have attached further ones.
        _observe_databases(self._connections, self._databases)
        self._code.refresh()
        before = self._before
        for name, version in before.items():
            _native.observe_version(name, version)
        if not self._ran.complete:
            _native.unseen("what ran could not be seen: somebody else profiles this thread")
        if self._ran.mocked:
            _native.refuse("it calls a mock, whose answers nothing tells of")
        if before is not self._code.items:
            for name in sorted(name for name, version in before.items() if self._code.items.get(name) != version):
                # A result that hangs on what it changes itself would never be found again.
                _native.impure(f"while it ran, {name} changed, which it reads")
        for why in self._code.unseen():
            _native.unseen(why)
        for why in self._code.blind():
            _native.impure(why)
        if self._numpy is not None and self._numpy.is_drawn_from():
            _native.impure("it reads a random source (numpy.random)")
        for path in self._ran.modules():
            _native.observe_path("file", path)
        for name in self._code.ran(self._ran, self._given.codes):
            found = self._code.version(name)
            if found is None:
                _native.unseen(f"it ran {name}, which no name finds again")
            else:
                _native.observe_version(name, found)
        # What was found is watched from now on.
        self._code.refresh()
        self._purity.judge()


class _Both:
    __slots__ = ("_ran",)

    def __init__(self, ran: Any) -> None:
        self._ran = ran

    def __enter__(self) -> None:
        watching.__enter__()
        try:
            self._ran.__enter__()
        except BaseException:
            watching.__exit__()
            raise

    def __exit__(self, *error: object) -> None:
        try:
            self._ran.__exit__(*error)
        finally:
            watching.__exit__(*error)
