"""Types of the extension module."""

from collections.abc import Iterable
from types import CellType, CodeType, FunctionType
from typing import Any

__version__: str

def attributes_of(function: FunctionType) -> dict[str, Any] | None: ...
def blake3_of(data: bytes, /) -> bytes: ...

class Guard:
    def __new__(
        cls,
        *,
        names: Iterable[tuple[dict[str, Any], dict[str, Any], list[str]]],
        contents: Iterable[tuple[dict[Any, Any], list[tuple[Any, Any]]]],
        classes: Iterable[tuple[type, tuple[type, ...], list[tuple[str, Any]]]],
        functions: Iterable[tuple[FunctionType, CodeType, tuple[Any, ...] | None, dict[str, Any] | None, bool]],
        cells: Iterable[tuple[CellType, tuple[Any, ...]]],
        lists: Iterable[tuple[list[Any], tuple[Any, ...]]],
        sets: Iterable[tuple[set[Any], tuple[Any, ...]]],
        kinds: Iterable[tuple[object, type]],
        volatile: bool,
    ) -> Guard: ...
    @property
    def volatile(self) -> bool: ...
    def holds(self) -> bool: ...
    def retire(self) -> None: ...
