"""Inputs that a function's author declares: `depends=(ef.file("dict.txt"), ef.env("REGION"))`."""

from __future__ import annotations

import os

from . import _native

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class Dependency:
    """Something that a function reads and that nobody could see otherwise; made by `file`, `dir`, `env` and `value`."""

    __slots__ = ("_kind", "_name", "_value")

    def __init__(self, kind: str, name: str, value: Callable[[], object] | None = None) -> None:
        self._kind, self._name, self._value = kind, name, value

    def now(self) -> tuple[str, str, bytes | None]:
        """Kind, name, and for a value its present fingerprint."""
        if self._value is None:
            return self._kind, self._name, None
        return self._kind, self._name, _native.fingerprint(self._value(), what=f"the value `{self._name}`")

    def __repr__(self) -> str:
        return f"{self._kind}({self._name!r})"


def file(path: str | os.PathLike[str]) -> Dependency:
    """A file whose content the function reads. It need not exist."""
    return Dependency("file", os.fspath(path))


def dir(path: str | os.PathLike[str]) -> Dependency:
    """A folder whose names the function reads; not what is in the files."""
    return Dependency("dir", os.fspath(path))


def env(name: str) -> Dependency:
    """An environment variable that the function reads. It need not be set."""
    return Dependency("env", name)


def value(name: str, of: Callable[[], object]) -> Dependency:
    """A value that the function depends on: what `of()` returns, asked for at each call."""
    return Dependency("value", name, of)
