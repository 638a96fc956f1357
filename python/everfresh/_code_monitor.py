"""Hears what runs on Python 3.12 and later: by events of `sys.monitoring`."""

from __future__ import annotations

import sys
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from everfresh import _code_active, _native, _sources
from everfresh._code_active import OFTEN, OFTEN_CALLS, active, blocks, current, is_foreign, is_heeded, listening

if TYPE_CHECKING:
    from types import CodeType, FrameType

    from everfresh._code_ran import Ran

GIL = getattr(sys, "_is_gil_enabled", lambda: True)()


class Monitor:
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
        """Whether events will come; under `_lock`, with the block in `active`."""
        self.uses += 1
        monitoring = sys.monitoring  # type: ignore[attr-defined, unused-ignore]
        if self.tool is None:
            # 0 to 2 and 5 belong by convention to debuggers, coverage, profilers, optimisers: taken last.
            free = [tool for tool in (3, 4, 5, 2, 1, 0) if monitoring.get_tool(tool) is None]
            if not free:
                return False
            self.tool = free[0]
            monitoring.use_tool_id(self.tool, "everfresh")
            starts = _native.Starts(current, self._start, OFTEN)
            monitoring.register_callback(self.tool, monitoring.events.PY_START, starts.start)
            monitoring.register_callback(self.tool, monitoring.events.CALL, self._call)
        if self.uses == 1:
            monitoring.set_events(self.tool, monitoring.events.PY_START)
        if self.dull:
            self._settle()
            self.dull = False
            monitoring.restart_events()
        if listening:
            for code in _sources.codes():
                self._hear(code)
        return True

    def _hear(self, code: CodeType) -> None:
        """Has calls in this code heard, until the last block ends."""
        if id(code) not in self.heard:
            self.heard[id(code)] = code
            monitoring = sys.monitoring  # type: ignore[attr-defined, unused-ignore]
            # A thread that began in a block may outlive it, and with it the tool.
            with suppress(TypeError, ValueError):
                monitoring.set_local_events(self.tool, code, monitoring.events.CALL)

    def end(self) -> bool:
        self.uses -= 1
        if not self.uses and self.tool is not None:
            monitoring = sys.monitoring  # type: ignore[attr-defined, unused-ignore]
            monitoring.set_events(self.tool, 0)
            for code in list(self.heard.values()):
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
        own, about = threading.get_ident(), (Monitor._start.__code__, Monitor._call.__code__)
        while any(_within(frame, about) for thread, frame in sys._current_frames().items() if thread != own):
            time.sleep(0)

    def _start(self, code: CodeType, offset: int) -> object:
        frame, own = sys._getframe(1), current.get()
        if (own is None or id(code) not in own._met) and is_foreign(code, frame):
            if is_heeded(code):
                for ran in blocks():
                    ran._heed(code, frame)
                return None
            return sys.monitoring.DISABLE  # type: ignore[attr-defined, unused-ignore]
        here = blocks()
        often = [ran._saw(code, frame) for ran in here]
        if any(ran.sources is not None for ran in here):
            self._hear(code)
        return self._off(here) if often == [True] else None

    def _call(self, code: CodeType, offset: int, called: object, first: object) -> object:
        here = blocks()
        if _sources.may_be(called):
            frame = sys._getframe(1)
            for ran in here:
                ran._calls(called, first, frame)
            return None
        count = self.others[id(code), offset] = self.others.get((id(code), offset), 0) + 1
        return self._off(here) if count >= OFTEN_CALLS else None

    def _off(self, here: list[Ran]) -> object:
        """What switches a place off that these blocks know, if nobody else needs to hear of it."""
        # Who begins a block holds the lock, and waits for us: never wait for it here.
        lock = _code_active._lock
        if GIL and lock.acquire(blocking=False):
            try:
                if active == here:
                    self.dull = True
                    return sys.monitoring.DISABLE  # type: ignore[attr-defined, unused-ignore]
            finally:
                lock.release()
        return None


def _within(frame: FrameType | None, codes: tuple[CodeType, ...]) -> bool:
    while frame is not None and frame.f_code not in codes:
        frame = frame.f_back
    return frame is not None
