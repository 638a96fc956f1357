"""Readers of files, observed: what the libraries open by themselves nobody would see."""

from __future__ import annotations

import _thread
import os
import sys
import threading
from contextlib import suppress

from . import _native
from ._watch_silence import silence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Literal

    Library = Literal["pandas", "polars", "pyarrow"]


def read_csv(path: str | os.PathLike[str], *, library: Library = "pandas", **options: Any) -> Any:
    """Reads a CSV file, so that a cached function is computed anew when the file changes.

    Args:
        path: the file; a folder or a glob pattern where the library takes one.
        library: whose table is returned: `"pandas"`, `"polars"` or `"pyarrow"`.
        options: what the library's own reader takes.

    Raises:
        ImportError: if the library is not installed.
        ValueError: for another library.
    """
    return _read("csv", path, library, options)


def read_parquet(path: str | os.PathLike[str], *, library: Library = "pandas", **options: Any) -> Any:
    """Reads a Parquet file, or a folder of them. As `read_csv`."""
    return _read("parquet", path, library, options)


def read_json(path: str | os.PathLike[str], *, library: Library = "pandas", **options: Any) -> Any:
    """Reads a JSON file; for pyarrow, of an object on each line. As `read_csv`."""
    return _read("json", path, library, options)


_PYARROW = {"csv": "read_csv", "parquet": "read_table", "json": "read_json"}


def _read(form: str, path: Any, library: str, options: dict[str, Any]) -> Any:
    reader = _reader(form, library)
    if not _native.is_recording() or not isinstance(path, str | os.PathLike):
        # An open file was seen when it was opened.
        return reader(path, **options)
    _observe(os.fspath(path))
    # To look whether the file is there is the library's own affair.
    with silence:
        return reader(path, **options)


def _reader(form: str, library: str) -> Callable[..., Any]:
    if library in ("pandas", "polars"):
        reader: Callable[..., Any] = getattr(_imported(library), f"read_{form}")
        if library == "pandas" and form == "parquet":
            with suppress(ImportError):
                # What pandas reads Parquet with, which it imports when it is needed.
                _imported("pyarrow.parquet")
    elif library == "pyarrow":
        reader = getattr(_imported(f"pyarrow.{form}"), _PYARROW[form])
    else:
        raise ValueError(f"library is 'pandas', 'polars' or 'pyarrow', not {library!r}")
    return reader


def _imported(name: str) -> Any:
    """A module, imported where nobody records: what a library looks at while it is loaded is no input."""
    module = sys.modules.get(name)
    if module is not None:
        return module
    from importlib import import_module

    if not _native.is_recording():
        return import_module(name)
    done = threading.Lock()
    outcome: list[Any] = []

    def load() -> None:
        try:
            outcome.append(import_module(name))
        except BaseException as error:
            outcome.append(error)
        finally:
            done.release()

    done.acquire()
    # The thread is known, and has no part in the computation.
    _native.set_carried(True)
    try:
        _thread.start_new_thread(load, ())
    finally:
        _native.set_carried(False)
    with done:
        if isinstance(outcome[0], BaseException):
            raise outcome[0]
        return outcome[0]


def _observe(path: str) -> None:
    """Tells of a file, of all files in a folder, or of those that match a pattern."""
    if "://" in path:
        _native.impure(f"it reads {path}")
        return
    path = os.path.expanduser(path)
    with silence:
        is_folder = os.path.isdir(path)
        is_pattern = not is_folder and not os.path.exists(path) and any(sign in path for sign in "*?[")
    if is_folder:
        for folder, _, files in os.walk(path):
            _native.observe_path("dir", folder)
            for name in sorted(files):
                _native.observe_path("file", os.path.join(folder, name))
    elif is_pattern:
        import glob

        # Looks into folders, which is seen.
        for found in sorted(glob.glob(path, recursive=True)):
            _native.observe_path("file", found)
    else:
        _native.observe_path("file", path)
