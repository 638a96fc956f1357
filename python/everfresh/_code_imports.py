"""The files that the user's modules read when they were imported, as the process has read them.

A value that a module made of one counts by itself where the walk can see it; what the module told a package, and
objects of which only the class counts, do not show what they were made of. The files count with the content that they
had then, as the code itself does: a process that imported older ones uses older ones. Files that were read before
Everfresh was imported are not known.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from everfresh import _code_origin as origin
from everfresh._native import blake3_of, content_since, import_reads, reading_modules

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    Read = tuple[str, tuple[int, ...] | None]

#: Files of more bytes count by their stamp: to read them once more would take too long.
LARGE = 64 << 20

_known: dict[Read, bytes] = {}


def of_module(name: str) -> Iterator[tuple[str, bytes]]:
    """What a module of the user's read, by a name that a reason can print."""
    file = getattr(sys.modules.get(name), "__file__", None)
    if isinstance(file, str):
        yield from _of_file(file)


def of_all() -> Iterator[tuple[str, bytes]]:
    """What all modules of the user's read that were imported so far."""
    for file in reading_modules():
        if origin.of_file(file) == origin.USER:
            yield from _of_file(file)


def _of_file(module: str) -> Iterator[tuple[str, bytes]]:
    for path, stamp in import_reads(module):
        read = (os.fspath(path), stamp)
        if read not in _known:
            _known[read] = blake3_of(_content(path, stamp))
        yield f"the file `{read[0]}`, read when a module was imported", _known[read]


def _content(path: Path, stamp: tuple[int, ...] | None) -> bytes:
    if stamp is None:
        return b"absent"
    if stamp[2] > LARGE:
        return repr(stamp).encode()
    # Written before anybody asked: what was read then is not known any more, and matches nothing.
    return content_since(path, stamp) or os.urandom(32)
