"""Whose code it is: the user's, which is walked, or a package's, which counts by its version.

A package is what stands in `site-packages` or `dist-packages`, the standard library (the package `Python`) and
Everfresh itself. Everything else is the user's: `__main__`, notebook cells, editable installs, folders on `PYTHONPATH`.
The user's own compiled extensions count by the content of their file."""

from __future__ import annotations

import functools
import importlib.machinery
import os
import sys
import time
from pathlib import Path
from types import CodeType

from everfresh._native import __version__, blake3_of

USER = ""
PYTHON = "Python"
# What is installed or built later may differ from what this process has loaded.
STARTED = time.time()

_own = Path(__file__).parent.as_posix() + "/"
_standard = tuple({Path(os.__file__).parent.as_posix() + "/", Path(os.__file__).resolve().parent.as_posix() + "/"})
_suffixes = tuple(importlib.machinery.EXTENSION_SUFFIXES)
_folders: dict[str, Path] = {}
_owners: dict[str, str] = {}
_versions: dict[str, bytes] = {}
_extensions: dict[str, bytes] = {}


def of_file(path: str) -> str:
    """The package that the file belongs to, or `USER`."""
    found = _owners.get(path)
    if found is None:
        found = _owners[path] = _of_file(path.replace("\\", "/"))
    return found


def _of_file(path: str) -> str:
    if path.startswith(_own):
        return "everfresh"
    for marker in ("/site-packages/", "/dist-packages/"):
        folder, found, rest = path.rpartition(marker)
        if found:
            top = rest.partition("/")[0].partition(".")[0]
            _folders.setdefault(top, Path(folder + marker))
            return top
    return PYTHON if path.startswith((*_standard, "<frozen ")) else USER


def of_module(name: str) -> str:
    """The package of a module by its name, loaded or not; no module is imported."""
    module, top = sys.modules.get(name), name.partition(".")[0]
    file = getattr(module, "__file__", None)
    if module is None and top not in ("__main__", ""):
        file = _file_of(top)
    if isinstance(file, str):
        return of_file(file)
    if top in sys.stdlib_module_names and top != "__main__":
        return PYTHON
    places = list(getattr(module, "__path__", None) or ())
    return of_file(f"{places[0]}/") if places and isinstance(places[0], str) else USER


@functools.cache
def _file_of(top: str) -> str | None:
    import importlib.util

    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return None
    if spec is None:
        return None
    places = list(spec.submodule_search_locations or ())
    return spec.origin if spec.has_location else f"{places[0]}/" if places else None


def of_code(code: CodeType, module: object) -> str:
    """The owner of a code object; generated code belongs to the module that it was generated for."""
    name = code.co_filename
    if not name.startswith("<") or name.startswith("<frozen "):
        return of_file(name)
    if not isinstance(module, str):
        return USER
    # `collections.namedtuple` evaluates a constructor in a module of this name, which nobody finds.
    return PYTHON if module.startswith("namedtuple_") else of_module(module)


def version(package: str) -> bytes:
    """The fingerprint of a package's version, once a process."""
    found = _versions.get(package)
    if found is None:
        found = _versions[package] = blake3_of(f"{package} {_version(package)}".encode())
    return found


def _version(package: str) -> str:
    if package == PYTHON:
        return f"{sys.implementation.name} {sys.version} {sys.flags.optimize}"
    if package == "everfresh":
        return __version__
    folder = _folders.get(package)
    # Most distributions are named as their package; the folder's name has the version, and reading it costs no import.
    wanted = package.lower().replace("_", "-")
    for info in folder.glob("*-info") if folder else ():
        name, _, found = info.name.removesuffix(".dist-info").removesuffix(".egg-info").partition("-")
        if name.lower().replace("_", "-").replace(".", "-") == wanted and found:
            return found + _loaded(package, info)
    import importlib.metadata

    names = importlib.metadata.packages_distributions().get(package, ())
    if names:
        return ",".join(sorted(f"{name} {importlib.metadata.version(name)}" for name in set(names)))
    return _content(folder / package) if folder else "unknown"


def _loaded(package: str, info: Path) -> str:
    """Installed after this process began: the loaded modules may be older than the folder says."""
    if package not in sys.modules or info.stat().st_mtime < STARTED:
        return ""
    return f" loaded {getattr(sys.modules[package], '__version__', None) or os.urandom(16).hex()}"


def _content(package: Path) -> str:
    """A package that no distribution names counts by its files."""
    files = sorted(package.rglob("*")) if package.is_dir() else sorted(package.parent.glob(f"{package.name}.*"))
    seen = [(file.as_posix(), blake3_of(file.read_bytes())) for file in files if file.is_file()]
    return repr([entry for entry in seen if "__pycache__" not in entry[0]])


def extension(module: object) -> tuple[str, bytes] | None:
    """Name and fingerprint of a compiled extension by its file; None for other modules.

    A file that is newer than the process may not be what is loaded: it never matches.
    """
    file, name = getattr(module, "__file__", None), getattr(module, "__name__", None)
    if not isinstance(file, str) or not isinstance(name, str) or not file.endswith(_suffixes):
        return None
    if file not in _extensions:
        path = Path(file)
        fresh = path.stat().st_mtime >= STARTED
        _extensions[file] = os.urandom(32) if fresh else blake3_of(path.read_bytes())
    return name, _extensions[file]
