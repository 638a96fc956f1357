"""The blocks that record what runs, and whose code a thread runs now: see `_code_ran.py`."""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from contextvars import ContextVar
from importlib import import_module
from typing import TYPE_CHECKING

from everfresh import _code_origin as origin

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType, FrameType

    from everfresh._code_ran import Ran

# How many starts of code, and other calls at a place, are heard.
OFTEN, OFTEN_CALLS = 1_000, 100

current: ContextVar[Ran | None] = ContextVar("everfresh_ran", default=None)
active: list[Ran] = []
# Those of them that want to hear of calls.
listening: list[Ran] = []
_lock = threading.RLock()


@contextmanager
def locked() -> Iterator[None]:
    """While this thread alone changes the lists. A child of a fork has a lock of its own."""
    with _lock:
        yield


def blocks() -> list[Ran]:
    """The blocks that code on this thread counts for now."""
    own = current.get()
    if own is not None:
        return [own]
    thread = threading.get_ident()
    return [ran for ran in active if ran._thread == thread and not ran._in_task][-1:]


def is_foreign(code: CodeType, frame: FrameType) -> bool:
    """Whether it is a package's code that runs."""
    return origin.of_code(code, frame.f_globals.get("__name__")) != origin.USER


# What imports by a name, and all that answers for a mock.
IMPORT = import_module.__code__
MOCKS = os.path.join(os.path.dirname(os.__file__), "unittest", "mock.py")


def is_heeded(code: CodeType) -> bool:
    """Whether a package's code is of interest wherever it starts."""
    return code is IMPORT or code.co_filename == MOCKS
