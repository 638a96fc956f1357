"""Hears what runs on Python 3.11: by a profile hook on the threads of a block, which calls the one that was there."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Any

from everfresh import _native, _sources
from everfresh._code_active import active, blocks, current, is_foreign, is_heeded, listening

if TYPE_CHECKING:
    from types import CodeType, FrameType

# Generators, coroutines, asynchronous generators.
GENERATORS = 0x20 | 0x80 | 0x200


class Hook:
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
        local.hook.begin()
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


def _hook(before: Any) -> _native.Hook:
    def called(code: CodeType, frame: FrameType) -> None:
        _called(code, frame)
        if not active and current.get() is None:
            # A thread that began in a block and goes on after it.
            sys.setprofile(before)

    return _native.Hook(current, listening, list(_sources.NAMES), called, _calls, before)


def _calls(called: object, frame: FrameType) -> None:
    for ran in blocks():
        ran._calls(called, None, frame)


def _called(code: CodeType, frame: FrameType) -> None:
    # The argument of RESUME: not 0 where a generator or coroutine goes on.
    if code.co_flags & GENERATORS and code.co_code[frame.f_lasti + 1]:
        return
    foreign = is_foreign(code, frame)
    for ran in blocks():
        if foreign and is_heeded(code):
            ran._heed(code, frame)
        elif foreign:
            ran.done(code)
        else:
            ran._saw(code, frame)
