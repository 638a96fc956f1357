"""The user's code that runs during a miss, for what names do not reach: `getattr`, registries, methods of arguments.

    with Ran() as ran:
        result = function(...)
    for name in ran.names(code):
        code.resolve(name)   # None: it cannot be found again, so the result must not be stored without a ttl

What ran is found again by `module:path`. Code that no name finds is covered if the walk met its function, or if the code that it is
nested in ran in the same block (it was made there, from what was observed). Else it is lost: a closure that was made before and
was found in a place that names do not reach; its cells cannot be seen, so nothing could verify them.

Python 3.12 and later: `sys.monitoring`, the first tool id that is free, so coverage and debuggers keep theirs. A package's code is
switched off for good where it starts; the user's after `OFTEN` starts, while one block is active, and is switched on again (for
every tool) before the next block. 3.11: a profile hook on this thread and those that it starts, which calls the hook that was there; if
that is not a function (`cProfile`), the block is not `complete`.

Whose block: the context's (so tasks and, where the context is carried along, executors have their own), else that of the thread, else,
on a thread that began during a block, of all. `here()` takes a block along to another thread. A block inside hands what ran to
the one around it.
"""

from __future__ import annotations

import sys
import threading
import time
from contextlib import contextmanager
from contextvars import ContextVar, Token
from types import CodeType, FrameType, TracebackType
from typing import TYPE_CHECKING, Any

from everfresh import _code_origin as origin
from everfresh._code_names import FOUND, name_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from everfresh._code import Code

OFTEN = 1_000
MONITORING = sys.version_info >= (3, 12)
GIL = getattr(sys, "_is_gil_enabled", lambda: True)()

_current: ContextVar[Ran | None] = ContextVar("everfresh_ran", default=None)
_active: list[Ran] = []
_lock = threading.RLock()


class Ran:
    """Records code objects of the user's that start within the block. Enter it once."""

    def __init__(self) -> None:
        #: Code object by id, with the name of the module whose globals it ran in.
        self.code: dict[int, tuple[CodeType, object]] = {}
        #: False if something kept the hook from being set, so that code may have run unseen.
        self.complete = True
        self._starts: dict[int, int] = {}
        self._thread = 0
        self._in_task = False
        self._around: Ran | None = None
        self._token: Token[Ran | None] | None = None
        self._threads: set[int | None] = set()
        self._before: Any = None

    def __enter__(self) -> Ran:
        self._thread = threading.get_ident()
        loop = sys.modules.get("asyncio")
        self._in_task = loop is not None and loop._get_running_loop() is not None
        self._around, self._token = _current.get(), _current.set(self)
        with _lock:
            self._threads = {thread.ident for thread in threading.enumerate()}
            _active.append(self)
            self.complete = _monitor.begin() if MONITORING else True
        if not MONITORING:
            self._before = self._hook_in()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not MONITORING:
            self._hook_out(self._before)
        with _lock:
            _active.remove(self)
            if MONITORING:
                _monitor.end()
        if self._token is not None:
            try:
                _current.reset(self._token)
            except ValueError:
                # Left in another context than it was entered in (a generator's): that one ends with its context.
                _current.set(self._around)
        if self._around is not None:
            self._around.code.update(self.code)
            self._around.complete &= self.complete

    @contextmanager
    def here(self) -> Iterator[None]:
        """On another thread: what runs in this block counts for it too."""
        token = _current.set(self)
        before = None if MONITORING else self._hook_in()
        try:
            yield
        finally:
            if not MONITORING:
                self._hook_out(before)
            _current.reset(token)

    def functions(self) -> set[CodeType]:
        """The code objects that ran."""
        return {code for code, _ in self.code.values()}

    def names(self, code: Code) -> list[str]:
        """Items for what ran and `code` does not reach by names, for `code.resolve`, which gives None for one that is lost."""
        code.items()
        ran = dict(self.code)
        nested = {id(inner) for outer, _ in ran.values() for inner in outer.co_consts if isinstance(inner, CodeType)}
        found, lost = set(), {}
        for key, (one, module) in ran.items():
            # The body of a module or class, and code from `exec`, shows in what it made.
            if key in nested or one.co_name == "<module>" or code.covers(one):
                continue
            name = name_of(one, module)
            if name is None:
                lost[f"{FOUND}{module}:{one.co_qualname}`"] = one
            else:
                found.add(f"{FOUND}{name}`")
        for item in found:
            code.resolve(item)
        # What was found may hold the rest: a closure in a registry.
        return sorted(found) + sorted(item for item, one in lost.items() if not code.covers(one))

    def _saw(self, code: CodeType, frame: FrameType | None) -> bool:
        """Records a start; whether it may go unseen from now on."""
        starts = self._starts[id(code)] = self._starts.get(id(code), 0) + 1
        if starts == 1:
            self.code[id(code)] = code, frame.f_globals.get("__name__") if frame else None
        return starts >= OFTEN

    # 3.11

    def _hook_in(self) -> Any:
        before = sys.getprofile()
        if before is not None and not callable(before):
            self.complete = False
            return before
        after = threading.getprofile()
        hook = _hook(before)
        threading.setprofile(hook if after is None else _hook(after))
        sys.setprofile(hook)
        return before, after

    def _hook_out(self, before: Any) -> None:
        if isinstance(before, tuple):
            sys.setprofile(before[0])
            threading.setprofile(before[1])


def _blocks() -> list[Ran]:
    """The blocks that code on this thread counts for now."""
    current = _current.get()
    if current is not None:
        return [current]
    thread = threading.get_ident()
    own = [ran for ran in _active if ran._thread == thread and not ran._in_task]
    return own[-1:] or [ran for ran in _active if ran._thread != thread and thread not in ran._threads]


def _is_foreign(code: CodeType, frame: FrameType | None) -> bool:
    return origin.of_code(code, frame.f_globals.get("__name__") if frame else None) != origin.USER


def _hook(before: Callable[[FrameType, str, Any], object] | None) -> Callable[[FrameType, str, Any], object]:
    def hook(frame: FrameType, event: str, arg: Any) -> None:
        if event == "call":
            code = frame.f_code
            for ran in _blocks():
                if id(code) not in ran._starts and not _is_foreign(code, frame):
                    ran._saw(code, frame)
        if before is not None:
            before(frame, event, arg)

    return hook


class _Monitor:
    """The one tool of this process in `sys.monitoring`; used under `_lock`."""

    def __init__(self) -> None:
        self.tool: int | None = None
        # Whether the user's code was switched off somewhere.
        self.dull = False

    def begin(self) -> bool:
        """Called with the block in `_active`; whether events will come."""
        monitoring = sys.monitoring  # type: ignore[attr-defined, unused-ignore]
        if self.tool is None:
            # 0 to 2 and 5 belong by convention to debuggers, coverage, profilers, optimisers: taken last.
            free = [tool for tool in (3, 4, 5, 2, 1, 0) if monitoring.get_tool(tool) is None]
            if not free:
                return False
            self.tool = free[0]
            monitoring.use_tool_id(self.tool, "everfresh")
            monitoring.register_callback(self.tool, monitoring.events.PY_START, self._start)
        if len(_active) == 1:
            monitoring.set_events(self.tool, monitoring.events.PY_START)
        if self.dull:
            self._settle()
            self.dull = False
            monitoring.restart_events()
        return True

    def end(self) -> None:
        if not _active and self.tool is not None:
            monitoring = sys.monitoring  # type: ignore[attr-defined, unused-ignore]
            monitoring.set_events(self.tool, 0)
            # A tool id is for who needs it now.
            monitoring.register_callback(self.tool, monitoring.events.PY_START, None)
            monitoring.free_tool_id(self.tool)
            self.tool = None

    def _settle(self) -> None:
        """Waits until no thread is about to switch code off: that would land after the restart, and hide it from the new block."""
        own, start = threading.get_ident(), _Monitor._start.__code__
        while any(_within(frame, start) for thread, frame in sys._current_frames().items() if thread != own):
            time.sleep(0)

    def _start(self, code: CodeType, offset: int) -> object:
        off: object = sys.monitoring.DISABLE  # type: ignore[attr-defined, unused-ignore]
        frame, current = sys._getframe(1), _current.get()
        if (current is None or id(code) not in current._starts) and _is_foreign(code, frame):
            return off
        often = [ran._saw(code, frame) for ran in _blocks()]
        # Who begins a block holds the lock, and waits for us: never wait for it here.
        if often == [True] and GIL and _lock.acquire(blocking=False):
            try:
                if len(_active) == 1:
                    self.dull = True
                    return off
            finally:
                _lock.release()
        return None


def _within(frame: FrameType | None, code: CodeType) -> bool:
    while frame is not None and frame.f_code is not code:
        frame = frame.f_back
    return frame is not None


_monitor = _Monitor()
