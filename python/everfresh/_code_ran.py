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
hook, later by events in the user's code and in `random` and `uuid`, until a place has called `OFTEN_CALLS` other things.

Whose block: the context's (so tasks and, where the context is carried along, executors have their own), else that of
the thread. `here()` takes a block along to another thread, and `carried` to one that is being started. A block inside
hands what ran to the one around it."""

from __future__ import annotations

import sys
import threading
import time
from contextlib import contextmanager
from contextvars import ContextVar, Token
from types import CodeType, FrameType, TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple

from everfresh import _code_origin as origin
from everfresh import _native, _sources
from everfresh._code_names import FOUND, name_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from everfresh._code import Code

# How many starts of code, and other calls at a place, are heard.
OFTEN, OFTEN_CALLS = 1_000, 100
# Functions have it, bodies of modules and classes have not.
CO_OPTIMIZED = 0x1
# Generators, coroutines, asynchronous generators.
GENERATORS = 0x20 | 0x80 | 0x200
MONITORING = sys.version_info >= (3, 12)
GIL = getattr(sys, "_is_gil_enabled", lambda: True)()

_current: ContextVar[Ran | None] = ContextVar("everfresh_ran", default=None)
_active: list[Ran] = []
_lock = threading.RLock()


class Ran:
    """Records code of the user's that starts within the block. Enter it once."""

    def __init__(self, *, sources: bool = False) -> None:
        #: What is known of the clocks and random sources that were read; None if nobody asks.
        self.sources = _sources.Sources() if sources else None
        #: What started: the code, the name of the module that it ran in, and for a closure what it closed over.
        self.starts: dict[tuple[int, ...], Start] = {}
        #: False if something kept the hook from being set, so that code may have run unseen.
        self.complete = True
        self._counts: dict[int, int] = {}
        # Code that need not be looked at again, kept so that its id stays its own.
        self._done: dict[int, CodeType] = {}
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
        self._around, self._token = _current.get(), _current.set(self)
        with _lock:
            _active.append(self)
            self.complete = _monitor.begin()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with _lock:
            _active.remove(self)
            self.complete &= _monitor.end()
        if self._token is not None:
            try:
                _current.reset(self._token)
            except ValueError:
                # Left in another context than it was entered in (a generator's): that one ends with its context.
                _current.set(self._around)
        if self._around is not None:
            self._around.starts.update(self.starts)
            self._around._nested |= self._nested
            self._around._modules |= self._modules
            self._around._fresh |= self._fresh
            self._around.complete &= self.complete

    @contextmanager
    def here(self) -> Iterator[None]:
        """On another thread: what runs in this block counts for it too."""
        token = _current.set(self)
        with _lock:
            self.complete &= _monitor.begin()
        try:
            yield
        finally:
            with _lock:
                self.complete &= _monitor.end()
            _current.reset(token)

    def functions(self) -> set[CodeType]:
        """The code objects that started."""
        return {start.code for start in self.starts.values()}

    def modules(self) -> list[str]:
        """The files of the user's modules that were imported in the block: what their bodies made is by these files.

        Observe them: `names` leaves out code of theirs that no name finds.
        """
        return sorted(self._modules)

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
        """Records a start; whether it may go unseen from now on."""
        count = self._counts[id(code)] = self._counts.get(id(code), 0) + 1
        if count == 1:
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
        else:
            self._done[id(code)] = code
            self.starts.setdefault((id(code),), Start(code, frame.f_globals.get("__name__"), None))
        return not closure and count >= OFTEN

    def _calls(self, called: object, first: object, frame: FrameType) -> None:
        """Hears of a call that may read a source."""
        what = self.sources.read(called, first, frame) if self.sources is not None else None
        if what is not None:
            _native.impure(what)


class Start(NamedTuple):
    code: CodeType
    module: object
    held: tuple[object, ...] | None


def _blocks() -> list[Ran]:
    """The blocks that code on this thread counts for now."""
    current = _current.get()
    if current is not None:
        return [current]
    thread = threading.get_ident()
    return [ran for ran in _active if ran._thread == thread and not ran._in_task][-1:]


def carried(function: Callable[[], object]) -> Callable[[], object]:
    """The function as another thread is to call it: what it runs counts for the block that is open on this one."""
    blocks = _blocks()
    if not blocks:
        return function

    def call() -> object:
        with blocks[0].here():
            return function()

    return call


def _is_body_of_module(code: CodeType, frame: FrameType) -> bool:
    """Whether it is a module's own body that starts, and not what `exec` runs in one."""
    names = frame.f_globals
    module, file = sys.modules.get(str(names.get("__name__"))), names.get("__file__")
    return code.co_name == "<module>" and module is not None and vars(module) is names and file == code.co_filename


def _is_foreign(code: CodeType, frame: FrameType) -> bool:
    return origin.of_code(code, frame.f_globals.get("__name__")) != origin.USER


class _Hook:
    """3.11: one hook a thread, however blocks overlap on it; `begin` and `end` are called under `_lock`."""

    def __init__(self) -> None:
        self.local = threading.local()
        self.uses = 0
        # What new threads had, and what they get.
        self.before: Any = None
        self.hook: Any = None

    def begin(self) -> bool:
        if not self.uses:
            self.before = threading.getprofile()
            self.hook = _hook(self.before)
            threading.setprofile(self.hook)
        self.uses += 1
        local, now = self.local, sys.getprofile()
        local.count = getattr(local, "count", 0) + 1
        if now is not None and now in (getattr(local, "hook", None), self.hook):
            return True
        local.before, local.hook = now, None
        if now is not None and not callable(now):
            return False
        local.hook = _hook(now)
        sys.setprofile(local.hook)
        return True

    def end(self) -> bool:
        self.uses -= 1
        if not self.uses and threading.getprofile() is self.hook:
            threading.setprofile(self.before)
        local, now = self.local, sys.getprofile()
        local.count -= 1
        if now is not None and now is getattr(local, "hook", None):
            if not local.count:
                sys.setprofile(local.before)
            return True
        # Another hook may have been set meanwhile, which heard what this one should have.
        return now is self.hook


def _hook(before: Any) -> Any:
    def hook(frame: FrameType, event: str, arg: Any) -> None:
        if event == "call":
            current, code = _current.get(), frame.f_code
            if current is None or id(code) not in current._done:
                _called(code, frame)
                if current is None and not _active:
                    # A thread that began in a block and goes on after it.
                    sys.setprofile(before)
        elif event == "c_call" and _sources.may_be(arg):
            for ran in _blocks():
                ran._calls(arg, None, frame)
        if before is not None:
            before(frame, event, arg)

    return hook


def _called(code: CodeType, frame: FrameType) -> None:
    # The argument of RESUME: not 0 where a generator or coroutine goes on.
    if code.co_flags & GENERATORS and code.co_code[frame.f_lasti + 1]:
        return
    foreign = _is_foreign(code, frame)
    for ran in _blocks():
        if foreign:
            ran._done[id(code)] = code
        else:
            ran._saw(code, frame)


class _Monitor:
    """The one tool of this process in `sys.monitoring`; used under `_lock`."""

    def __init__(self) -> None:
        self.tool: int | None = None
        # Whether the user's code was switched off somewhere.
        self.dull = False
        self.uses = 0
        # Code objects of which the calls are heard, and how often each place called something else.
        self.heard: dict[int, CodeType] = {}
        self.others: dict[tuple[int, int], int] = {}

    def begin(self) -> bool:
        """Whether events will come; under `_lock`, with the block in `_active`."""
        self.uses += 1
        monitoring = sys.monitoring  # type: ignore[attr-defined, unused-ignore]
        if self.tool is None:
            # 0 to 2 and 5 belong by convention to debuggers, coverage, profilers, optimisers: taken last.
            free = [tool for tool in (3, 4, 5, 2, 1, 0) if monitoring.get_tool(tool) is None]
            if not free:
                return False
            self.tool = free[0]
            monitoring.use_tool_id(self.tool, "everfresh")
            monitoring.register_callback(self.tool, monitoring.events.PY_START, self._start)
            monitoring.register_callback(self.tool, monitoring.events.CALL, self._call)
        if self.uses == 1:
            monitoring.set_events(self.tool, monitoring.events.PY_START)
        if self.dull:
            self._settle()
            self.dull = False
            monitoring.restart_events()
        if any(ran.sources is not None for ran in _active):
            for code in _sources.codes():
                self._hear(code)
        return True

    def _hear(self, code: CodeType) -> None:
        tool = self.tool
        if id(code) not in self.heard and tool is not None:
            self.heard[id(code)] = code
            monitoring = sys.monitoring  # type: ignore[attr-defined, unused-ignore]
            monitoring.set_local_events(tool, code, monitoring.events.CALL)

    def end(self) -> bool:
        self.uses -= 1
        if not self.uses and self.tool is not None:
            monitoring = sys.monitoring  # type: ignore[attr-defined, unused-ignore]
            monitoring.set_events(self.tool, 0)
            for code in self.heard.values():
                monitoring.set_local_events(self.tool, code, 0)
            self.heard.clear()
            self.others.clear()
            # A tool id is for who needs it now.
            monitoring.register_callback(self.tool, monitoring.events.PY_START, None)
            monitoring.register_callback(self.tool, monitoring.events.CALL, None)
            monitoring.free_tool_id(self.tool)
            self.tool = None
        return True

    def _settle(self) -> None:
        """Waits until no thread is about to switch code off: after the restart, it would hide it from the new block."""
        own, about = threading.get_ident(), (_Monitor._start.__code__, _Monitor._call.__code__)
        while any(_within(frame, about) for thread, frame in sys._current_frames().items() if thread != own):
            time.sleep(0)

    def _start(self, code: CodeType, offset: int) -> object:
        frame, current = sys._getframe(1), _current.get()
        if (current is None or id(code) not in current._counts) and _is_foreign(code, frame):
            return sys.monitoring.DISABLE  # type: ignore[attr-defined, unused-ignore]
        blocks = _blocks()
        often = [ran._saw(code, frame) for ran in blocks]
        if any(ran.sources is not None for ran in blocks):
            self._hear(code)
        return self._off() if often == [True] else None

    def _call(self, code: CodeType, offset: int, called: object, first: object) -> object:
        if _sources.may_be(called):
            frame = sys._getframe(1)
            for ran in _blocks():
                ran._calls(called, first, frame)
            return None
        count = self.others[id(code), offset] = self.others.get((id(code), offset), 0) + 1
        return self._off() if count >= OFTEN_CALLS else None

    def _off(self) -> object:
        """What switches a place off, if nobody else needs to hear of it."""
        # Who begins a block holds the lock, and waits for us: never wait for it here.
        if GIL and _lock.acquire(blocking=False):
            try:
                if len(_active) == 1:
                    self.dull = True
                    return sys.monitoring.DISABLE  # type: ignore[attr-defined, unused-ignore]
            finally:
                _lock.release()
        return None


def _within(frame: FrameType | None, codes: tuple[CodeType, ...]) -> bool:
    while frame is not None and frame.f_code not in codes:
        frame = frame.f_back
    return frame is not None


_monitor: _Monitor | _Hook = _Monitor() if MONITORING else _Hook()
