"""How a memory's results lie in its store, and how they come back: arrays are mapped, not read."""

from __future__ import annotations

import contextlib
import functools
import mmap
import os

from . import _native

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Compression = tuple[str, int]

# What stands before compressed bytes; an encoding that is not compressed begins otherwise.
_COMPRESSED = b"EVFRCOMP"
_METHODS = ("zlib", "bz2", "lzma")
_NAMES = {"zlib": "zlib", "gzip": "zlib", "bz2": "bz2", "lzma": "lzma", "xz": "lzma"}
_LEVEL = 3


_key: bytes | None = None


def know_key() -> None:
    """Reads the user's key while nobody watches which files are read. What is wrong with it is said when it is used."""
    global _key
    if _key is None:
        from ._values_key import pickle_key

        with contextlib.suppress(OSError, ValueError):
            _key = pickle_key()


def compression(compress: bool | int | str | tuple[str, int]) -> Compression | None:
    """The method and level that joblib's `compress` stands for; `None` is no compression.

    Raises:
        ValueError: for a method that there is not, or a level beyond 0 to 9.
    """
    method, level = "zlib", _LEVEL
    if isinstance(compress, tuple):
        method, level = compress
    elif isinstance(compress, str):
        method = compress
    elif compress is not True:
        level = int(compress)
    if method not in _NAMES:
        raise ValueError(f"compress: there is no method {method!r}; there are {', '.join(_NAMES)}")
    if not isinstance(level, int) or not 0 <= level <= 9:
        raise ValueError(f"compress: the level is a number from 0 to 9, not {level!r}")
    return (_NAMES[method], level) if level else None


def encode(value: object, compressed: Compression | None) -> list[Any]:
    """The buffers that make up a stored result: safe encodings as far as there are any, the rest pickled and sealed."""
    parts = _native.encode(value, pickle=True, pickle_key=_key, checksum=False)
    if compressed is None:
        return parts
    method, level = compressed
    return [_COMPRESSED, bytes([_METHODS.index(method)]), _compress(method, b"".join(parts), level)]


def decode(stored: _native.Stored, mmap_mode: str | None) -> object:
    """A result of the caller's own, of which nothing that is done to it reaches the store.

    Arrays lie in the mapped file: read-only for `r` and in pandas' frames, which copy before they write, else so that a
    page is copied when it is first written to. They are `numpy.memmap` where a mode was asked for.

    Raises:
        Exception: whatever the classes of pickled parts raise; ValueError if the bytes are not what `encode` made.
    """
    view = memoryview(stored)
    if view[: len(_COMPRESSED)] == _COMPRESSED:
        method = _METHODS[view[len(_COMPRESSED)]]
        data = bytearray(_decompress(method, view[len(_COMPRESSED) + 1 :]))
        return _native.loads(data, pickle_key=_key, verified=True, writable=lambda: data)
    if mmap_mode == "r":
        path, start = stored.file or (None, 0)
        as_array = functools.partial(_memmap, stored, "r", path, start)
        return _native.loads(stored.with_arrays(as_array), pickle_key=_key, verified=True)
    return _native.loads(stored, pickle_key=_key, verified=True, writable=functools.partial(_map, stored, mmap_mode))


class Mapping(mmap.mmap):
    """A stored result as a mapping that never writes to its file."""

    path: str | None
    start: int
    mode: str | None

    def as_array(self, np: Any, array: Any) -> Any:
        """An array of this mapping as what its reader asked for."""
        return array if self.mode is None else _memmap(self, self.mode, self.path, 0, np, array)


def _memmap(memory: object, mode: str, path: str | None, start: int, np: Any, array: Any) -> Any:
    """An array in memory that is mapped from `start` on in a file, as a `numpy.memmap`: that would map it once more."""
    if array.size == 0:
        return array
    begin = np.frombuffer(memory, np.uint8).__array_interface__["data"][0]
    made = array.view(np.memmap)
    made._mmap, made.offset = memory, start + array.__array_interface__["data"][0] - begin
    made.mode, made.filename = mode, path
    return made


def _map(stored: _native.Stored, mmap_mode: str | None) -> memoryview:
    """The bytes of a result, where writing to them reaches nobody else."""
    opened = stored.open()
    if opened is None:
        view = memoryview(stored)
        if mmap_mode is None:
            return memoryview(bytearray(view))
        mapping = Mapping(-1, len(view))
        mapping[:] = view
        mapping.path, mapping.start = None, 0
    else:
        descriptor, path, start = opened
        try:
            mapping = Mapping(descriptor, 0, access=mmap.ACCESS_COPY)
        finally:
            os.close(descriptor)
        mapping.path, mapping.start = os.fspath(path), start
    mapping.mode = None if mmap_mode is None else "c"
    return memoryview(mapping)[mapping.start :]


def _compress(method: str, data: bytes, level: int) -> bytes:
    if method == "zlib":
        import zlib

        return zlib.compress(data, level)
    if method == "bz2":
        import bz2

        return bz2.compress(data, level)
    import lzma

    return lzma.compress(data, preset=level)


def _decompress(method: str, data: memoryview) -> bytes:
    if method == "zlib":
        import zlib

        return zlib.decompress(data)
    if method == "bz2":
        import bz2

        return bz2.decompress(data)
    import lzma

    return lzma.decompress(data)
