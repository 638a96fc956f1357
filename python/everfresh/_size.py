"""About how many bytes a value takes, for `maxbytes`."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def size_of(value: Any) -> int:
    """The bytes of a value and of all that it holds, each object once; arrays and frames with their buffers."""
    total, seen, open_ = 0, set(), [value]
    while open_:
        one = open_.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        total += sys.getsizeof(one, 64) + _buffers(one)
        if isinstance(one, dict):
            open_.extend(one)
            open_.extend(one.values())
        elif isinstance(one, list | tuple | set | frozenset):
            open_.extend(one)
        elif hasattr(one, "__dict__") and not isinstance(one, type):
            open_.append(one.__dict__)
    return total


def _buffers(value: Any) -> int:
    """What `sys.getsizeof` does not count."""
    library = type(value).__module__.partition(".")[0]
    if library == "polars" and hasattr(value, "estimated_size"):
        return int(value.estimated_size())
    if library == "numpy":
        return 0 if getattr(value, "base", None) is None else int(getattr(value, "nbytes", 0))
    if library == "pyarrow":
        return int(getattr(value, "nbytes", 0) or 0)
    return 0
