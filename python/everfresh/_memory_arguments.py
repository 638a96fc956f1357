"""Fingerprints of a memory's arguments: also of objects that have none, by what they would be pickled as."""

from __future__ import annotations

import io
import pickle

from . import _native

_DESCENDED = frozenset({type(None), bool, int, float, complex, str, bytes, list, tuple, dict})


def fingerprint(value: object, what: str = "value") -> bytes:
    """The fingerprint of an argument; of an object of any other class by its class's code and its state.

    Raises:
        TypeError: if it has none, and cannot be pickled either.
    """
    try:
        return _native.fingerprint(value, what=what)
    except TypeError as error:
        written = io.BytesIO()
        try:
            _Words(written).dump(value)
        except Exception:  # whatever its class does there: it has no fingerprint
            raise error from None
        return _native.fingerprint(("by its state", written.getvalue()))


class _Words(pickle.Pickler):
    """A pickle that says the same of equal objects: without references, and with fingerprints where there are any."""

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file, protocol=5)
        # Nothing is referred to by its place: whether two parts are one object does not count. Cycles are refused.
        self.fast = True

    def persistent_id(self, value: object) -> bytes | None:
        if type(value) in _DESCENDED:
            return None
        try:
            return _native.fingerprint(value)
        except TypeError:
            return None
