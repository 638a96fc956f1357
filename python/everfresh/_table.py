"""What is said of a table of results, and what stands where there is none."""

from __future__ import annotations


class CacheInfo(tuple[int, int, "int | None", int]):
    """Hits, misses, the bound and the number of results, as `functools` gives them."""

    __slots__ = ()
    _fields = ("hits", "misses", "maxsize", "currsize")

    def __new__(cls, hits: int, misses: int, maxsize: int | None, currsize: int) -> CacheInfo:
        return super().__new__(cls, (hits, misses, maxsize, currsize))

    def __getnewargs__(self) -> tuple[int, int, int | None, int]:
        return self[0], self[1], self[2], self[3]

    @property
    def hits(self) -> int:
        """Calls that were answered without computing."""
        return self[0]

    @property
    def misses(self) -> int:
        """Calls that computed."""
        return self[1]

    @property
    def maxsize(self) -> int | None:
        """How many results are kept in memory at most."""
        return self[2]

    @property
    def currsize(self) -> int:
        """How many are."""
        return self[3]

    def __repr__(self) -> str:
        return "CacheInfo(" + ", ".join(f"{name}={value}" for name, value in zip(self._fields, self, strict=True)) + ")"


class NoTable:
    """Where nothing is kept in memory."""

    guard = None
    skip = epoch = 0

    def find(self, *_: object) -> None:
        """Nothing."""

    use = find

    def put(self, *_: object, **__: object) -> None:
        """Nothing."""

    def info(self) -> tuple[int, int, int | None, int, int | None, int]:
        """Nothing, as a table says it."""
        return 0, 0, 0, 0, None, 0

    def clear(self) -> None:
        """Nothing."""

    forget = clear

    def hit(self) -> None:
        """Nothing."""

    def miss(self) -> None:
        """Nothing."""

    def set_defaults(self, *_: object) -> None:
        """Nothing."""

    def remove(self, *_: object) -> bool:
        """Nothing."""
        return False
