"""Readers that open their files by themselves, unseen by Python: those of polars and pyarrow."""

from __future__ import annotations

import os

from . import _native
from ._watch_silence import is_path, silence, tells

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

# What pyarrow reads paths with, by its modules. A class reads when it is made.
_PYARROW = {
    "pyarrow": ("input_stream",),
    "pyarrow.parquet": ("read_table", "read_pandas", "read_schema", "read_metadata"),
    "pyarrow.parquet.core": ("ParquetFile", "ParquetDataset"),
    "pyarrow.csv": ("read_csv", "open_csv"),
    "pyarrow.json": ("read_json", "open_json"),
    "pyarrow.feather": ("read_table", "read_feather", "FeatherDataset"),
    "pyarrow.orc": ("read_table", "ORCFile"),
    "pyarrow.dataset": ("dataset", "parquet_dataset"),
}
_NO_PATHS = ("read_database", "read_database_uri", "read_clipboard")


def is_reader(function: Any) -> bool:
    """Whether it reads files by itself, so that it is not seen where a module bound it to a name of its own."""
    module, name = str(getattr(function, "__module__", None)), function.__name__
    if module.startswith("polars."):
        return bool(name.startswith(("read_", "scan_")) and name not in _NO_PATHS)
    return module.startswith("pyarrow.") and any(name in names for names in _PYARROW.values())


def _reader_wrapper(original: Callable[..., Any], place: int = 0) -> Callable[..., Any]:
    def reader(*args: Any, **kwargs: Any) -> Any:
        if not tells():
            return original(*args, **kwargs)
        from ._readers import _observe

        # The first argument has a name of its own with each reader.
        source = args[place] if len(args) > place else next(iter(kwargs.values()), None)
        system = kwargs.get("filesystem")
        if system is not None and getattr(system, "type_name", None) != "local":
            _native.unseen("it reads through a file system of its own, and what that reads is not seen")
        else:
            paths = [source] if is_path(source) and not isinstance(source, bytes) else source
            for path in paths if isinstance(paths, list | tuple | set) else ():
                if isinstance(path, str | os.PathLike):
                    _observe(os.fspath(path))
        # To look whether the files are there is the library's own affair.
        with silence:
            return original(*args, **kwargs)

    for name in ("__module__", "__name__", "__qualname__", "__doc__"):
        setattr(reader, name, getattr(original, name, None) or "")
    reader.__wrapped__ = original  # type: ignore[attr-defined]
    return reader


def _polars(module: Any) -> Iterator[tuple[Any, str, Any]]:
    _ = module.read_parquet, module.scan_parquet
    for name in dir(module):
        if name.startswith(("read_", "scan_")) and name not in _NO_PATHS:
            yield module, name, _reader_wrapper(getattr(module, name))


def _pyarrow(module: Any) -> Iterator[tuple[Any, str, Any]]:
    for name in _PYARROW[module.__name__]:
        reader = getattr(module, name)
        if isinstance(reader, type):
            yield reader, "__init__", _reader_wrapper(reader.__init__, 1)  # type: ignore[misc]
        else:
            yield module, name, _reader_wrapper(reader)


# By the module that has to be loaded.
LATE: dict[str, Callable[[Any], Iterator[tuple[Any, str, Any]]]] = {
    "polars": _polars,
    **dict.fromkeys(_PYARROW, _pyarrow),
}
