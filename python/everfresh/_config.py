"""`load_config`: a configuration file, loaded once until it changes."""

from __future__ import annotations

import os

from . import _native

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_load: Callable[[str], Any] | None = None


def load_config(path: str | os.PathLike[str]) -> Any:
    """What a configuration file says: YAML (`.yaml`, `.yml`), JSON (`.json`) or TOML (`.toml`).

    It is read once, and again when it changed. Each caller gets a copy of its own.

    Raises:
        ValueError: if the file has another ending, or is not what its ending says.
        OSError: if it cannot be read.
    """
    global _load
    if _load is None:
        from ._api import cached

        _load = cached(_parse)
    return _load(os.path.abspath(path))


def _parse(path: str) -> Any:
    ending = os.path.splitext(path)[1].lower()
    parse = _PARSERS.get(ending)
    if parse is None:
        raise ValueError(f"`{path}` has the ending {ending!r}: a configuration is one of {', '.join(_PARSERS)}")
    with open(path, encoding="utf-8") as file:
        text = file.read()
    try:
        return parse(text)
    except ValueError as error:
        raise ValueError(f"`{path}`: {error}") from error


def _json(text: str) -> Any:
    import json

    return json.loads(text)


def _toml(text: str) -> Any:
    import tomllib

    return tomllib.loads(text)


_PARSERS: dict[str, Callable[[str], Any]] = {
    ".yaml": _native.parse_yaml,
    ".yml": _native.parse_yaml,
    ".json": _json,
    ".toml": _toml,
}
