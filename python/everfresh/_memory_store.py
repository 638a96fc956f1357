"""One store for each location, in a folder of its own there."""

from __future__ import annotations

import os
import threading
import weakref

from . import _native

# Beside a cache of joblib's in the same location, and whatever else lies there.
_FOLDER = "everfresh"
_lock = threading.RLock()
_stores: weakref.WeakValueDictionary[tuple[str, int | str | None], _native.Store] = weakref.WeakValueDictionary()


def absolute(location: str | os.PathLike[str]) -> str:
    """A location wherever the process goes."""
    return os.path.abspath(os.path.expanduser(os.fspath(location)))


def store_at(location: str, max_size: int | str | None) -> _native.Store:
    """The store of a location, which is absolute. Nothing is made before it is used."""
    place = os.path.join(location, _FOLDER), max_size
    with _lock:
        store = _stores.get(place)
        if store is None:
            store = _stores[place] = _native.Store(place[0], max_size=max_size)
        return store
