"""Whether what a thread does is told to the cached function that it works for."""

from __future__ import annotations

import os
import sys
import threading

from . import _native

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


def tells() -> bool:
    """Whether a cached function runs on this thread, and its wrappers are not silent."""
    return _native.is_recording() and not getattr(_silent, "depth", 0)


def is_path(value: object) -> bool:
    """Whether it may be the path of something."""
    return isinstance(value, str | bytes | os.PathLike)
