"""The user's code that runs during a miss, for what names do not reach: `getattr`, registries, methods of arguments.

    with Ran() as ran:
        result = function(...)
    for name in ran.names(code):
        code.resolve(name)   # None: it cannot be found again, so the result must not be stored without a ttl

What ran is found again by `module:path`. Code that no name finds is covered if the walk met its function, or if the
code that it is nested in ran in the same block (it was made there, from what was observed). Else it is lost: a closure
that was made before and was found in a place that names do not reach. Of several closures with one code, those that ran
are told by what they hold.

Python 3.12 and later: `sys.monitoring`, the first tool id that is free, so coverage and debuggers keep theirs. A
package's code is switched off for good where it starts; the user's after `OFTEN` starts, while one block is active, and
is switched on again (for every tool) before the next block. 3.11: a profile hook on this thread and those that it
starts, which calls the hook that was there; if that is not a function (`cProfile`), or another takes its place, the
block is not `complete`: do not store its result.

With `sources`, calls of what may read a clock or a random source are heard too (`_sources.py`): on 3.11 by the same
hook, later by events in the user's code and in `random` and `uuid`, until a place made `OFTEN_CALLS` other calls.

Code that a block knows is passed over natively (`_native.Seen`), a closure if it is the same function.

Whose block: the context's (so tasks and, where the context is carried along, executors have their own), else that of
the thread. `here()` takes a block along to another thread, and `carried` to one that is being started. A block inside
hands what ran to the one around it."""

from __future__ import annotations

import sys
import threading
from contextlib import contextmanager
from contextvars import Token
from importlib.util import resolve_name
from types import CodeType, FrameType, TracebackType
from typing import TYPE_CHECKING, NamedTuple

from everfresh import _code_origin as origin
from everfresh import _native, _sources
from everfresh._code_active import IMPORT, active, blocks, current, listening, locked
from everfresh._code_hook import Hook
from everfresh._code_monitor import Monitor
from everfresh._code_names import FOUND, name_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from everfresh._code import Code

# Functions have it, bodies of modules and classes have not.
CO_OPTIMIZED = 0x1
MONITORING = sys.version_info >= (3, 12)


class Ran(_native.Seen):
    """Records code of the user's that starts within the block. Enter it once."""

    def __init__(self, *, sources: bool = False) -> None:
        #: What is known of the clocks and random sources that were read; None if nobody asks.
        self.sources = _sources.Sources() if sources else None
        #: What started: the code, the name of the module that it ran in, and for a closure what it closed over.
        self.starts: dict[tuple[int, ...], Start] = {}
        #: False if something kept the hook from being set, so that code may have run unseen.
        self.complete = True
        #: Whether a mock answered something.
        self.mocked = False
        # Modules that were asked for by a name: what is taken from them has no name in the code.
        self._asked: set[str] = set()
        # Code objects that started, kept so that their ids stay their own.
        self._met: dict[int, CodeType] = {}
        # Code objects that those which started make functions of.
        self._nested: set[int] = set()
        # Of modules that were imported in the block: their files, and the code objects in their bodies, which names
        # find unless they were lambdas and the like.
        self._modules: set[str] = set()
        self._fresh: set[int] = set()
        self._thread = 0
        self._in_task = False
        self._around: Ran | None = None
        self._token: Token[Ran | None] | None = None

    def __enter__(self) -> Ran:
        self._thread = threading.get_ident()
        loop = sys.modules.get("asyncio")
        self._in_task = loop is not None and loop._get_running_loop() is not None
        self._around, self._token = current.get(), current.set(self)
        with locked():
            active.append(self)
            if self.sources is not None:
                listening.append(self)
            self.complete = _monitor.begin()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with locked():
            active.remove(self)
            if self.sources is not None:
                listening.remove(self)
            self.complete &= _monitor.end()
        if self._token is not None:
            try:
                current.reset(self._token)
            except ValueError:
                # Left in another context than it was entered in (a generator's): that one ends with its context.
                current.set(self._around)
        if self._around is not None:
            self._around.starts.update(self.starts)
            self._around._nested |= self._nested
            self._around._modules |= self._modules
            self._around._fresh |= self._fresh
            self._around._asked |= self._asked
            self._around.mocked |= self.mocked
            self._around.complete &= self.complete

    @contextmanager
    def here(self) -> Iterator[None]:
        """On another thread: what runs in this block counts for it too."""
        token = current.set(self)
        with locked():
            self.complete &= _monitor.begin()
        try:
            yield
        finally:
            with locked():
                self.complete &= _monitor.end()
            current.reset(token)

    def functions(self) -> set[CodeType]:
        """The code objects that started."""
        return {start.code for start in self.starts.values()}

    def modules(self) -> list[str]:
        """The files of the user's modules that were imported in the block, or asked for by a name.

        What their bodies made is by these files.

        Observe them: `names` leaves out code of theirs that no name finds.
        """
        asked = [getattr(sys.modules.get(name), "__file__", None) for name in self._asked]
        return sorted(self._modules.union(file for file in asked if file and origin.of_file(file) == origin.USER))

    def names(self, code: Code, others: Iterable[Code] = ()) -> list[str]:
        """Items for what ran and names do not reach, for `code.resolve`, which gives None for one that is lost.

        What `others` are made of counts elsewhere: classes of arguments are a part of the key.
        """
        code.items()
        found, lost = set(), []
        for start in list(self.starts.values()):
            # The body of a module or class, and code from `exec`, shows in what it made.
            if (
                id(start.code) in self._nested
                or not start.code.co_flags & CO_OPTIMIZED
                or code.covers(start.code, start.held)
                or any(other.covers(start.code, start.held) for other in others)
            ):
                continue
            name = name_of(start.code, start.module, start.held)
            if name is None:
                # A lambda or comprehension of a module that was imported just now: its file counts.
                lost += [] if id(start.code) in self._fresh else [start]
            else:
                found.add(f"{FOUND}{name}`")
        for item in found:
            code.resolve(item)
        # What was found may hold the rest: a closure in a registry.
        left = [start for start in lost if not code.covers(start.code, start.held, found)]
        return sorted(found) + sorted({f"{FOUND}{start.module}:{start.code.co_qualname}`" for start in left})

    def _saw(self, code: CodeType, frame: FrameType) -> bool:
        """Records a start; whether it was known, so that it may go unseen from now on."""
        if id(code) not in self._met:
            self._met[id(code)] = code
            inside = {id(inner) for inner in code.co_consts if isinstance(inner, CodeType)}
            if _is_body_of_module(code, frame):
                self._modules.add(code.co_filename)
                self._fresh |= inside
            elif id(code) in self._fresh and not code.co_flags & CO_OPTIMIZED:
                self._fresh |= inside
            else:
                self._nested |= inside
        # Which of the closures with this code: told by what they hold.
        closure = code.co_freevars and "<locals>" in code.co_qualname and id(code) not in self._nested
        if closure:
            seen = frame.f_locals
            held = tuple(seen.get(name) for name in code.co_freevars)
            key = (id(code), *map(id, held))
            if key not in self.starts:
                self.starts[key] = Start(code, frame.f_globals.get("__name__"), held)
            self.done_closure(code, frame)
            return False
        often = self.is_done(code)
        if not often:
            self.done(code)
            self.starts.setdefault((id(code),), Start(code, frame.f_globals.get("__name__"), None))
        return often

    def _heed(self, code: CodeType, frame: FrameType) -> None:
        """Hears of a package's code that is of interest."""
        if code is IMPORT:
            name, package = frame.f_locals.get("name"), frame.f_locals.get("package")
            if isinstance(name, str):
                self.asked(resolve_name(name, package) if name.startswith(".") and package else name)
        else:
            self.mocked = True

    def asked(self, module: str) -> None:
        """Hears that a module was asked for by a name."""
        self._asked.add(module)

    def _calls(self, called: object, first: object, frame: FrameType) -> None:
        """Hears of a call that may read a source."""
        what = self.sources.read(called, first, frame) if self.sources is not None else None
        if what is not None:
            _native.impure(what)


class Start(NamedTuple):
    code: CodeType
    module: object
    held: tuple[object, ...] | None


def asked(module: str) -> None:
    """Says that code on this thread asks for a module by a name."""
    for ran in blocks():
        ran.asked(module)


def carried(function: Callable[[], object]) -> Callable[[], object]:
    """The function as another thread is to call it: what it runs counts for the block that is open on this one."""
    here = blocks()
    if not here:
        return function

    def call() -> object:
        with here[0].here():
            return function()

    return call


def _is_body_of_module(code: CodeType, frame: FrameType) -> bool:
    """Whether it is a module's own body that starts, and not what `exec` runs in one."""
    names = frame.f_globals
    module, file = sys.modules.get(str(names.get("__name__"))), names.get("__file__")
    return code.co_name == "<module>" and module is not None and vars(module) is names and file == code.co_filename


_monitor: Monitor | Hook = Monitor() if MONITORING else Hook()
