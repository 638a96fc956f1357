"""What tells two functions or classes of one name apart, the same in every process and every walk.

Lambdas of one module, closures from one factory: a walk that begins elsewhere must call each the same, because results
are kept by the names of what they were made of."""

from __future__ import annotations

from collections.abc import Iterable
from types import FunctionType

from everfresh._code_bytes import bytecode, constant
from everfresh._code_places import Places
from everfresh._code_values import PLAIN_TYPES
from everfresh._native import blake3_of

DEPTH = 6


def distinguish(thing: object, places: Places) -> tuple[str, bool]:
    """Eight hexadecimal digits of its code and of what it closes over, as far as that is plain or code.

    And whether that is all that can be told of it: then two of one name and these digits are the same.
    """
    words = _Words(places)
    found = words.of(thing, DEPTH)
    return blake3_of(found.encode("utf-8", "surrogatepass")).hex()[:8], words.complete


class _Words:
    """What may be added to while it is used (a list, an instance) counts by its class: the name must hold."""

    def __init__(self, places: Places) -> None:
        self.places = places
        self.complete = True
        self.known: dict[tuple[int, int], str] = {}

    def of(self, thing: object, depth: int) -> str:
        key = (id(thing), depth)
        if key not in self.known:
            self.known[key] = self._new(thing, depth)
        return self.known[key]

    def _new(self, thing: object, depth: int) -> str:
        kind = type(thing)
        if kind in PLAIN_TYPES:
            return constant(thing)
        if depth and isinstance(thing, tuple) and kind is tuple:
            return f"tuple({self._all(thing, depth)})"
        if depth and isinstance(thing, FunctionType):
            code, defaults, keywords = self.places.function(thing)
            held = [value for cell in thing.__closure__ or () for value in self.places.cell(cell)]
            own = self.places.attributes(thing)
            self.complete &= not own
            parts = self._all([*defaults, *keywords.values(), *held, dict(own).get("__wrapped__")], depth)
            return f"function({bytecode(code).digest.hex()},{parts})"
        if kind in (staticmethod, classmethod, property):
            inner = (thing.fget, thing.fset, thing.fdel) if isinstance(thing, property) else (thing.__func__,)  # type: ignore[attr-defined]
            return f"{kind.__name__}({self._all(inner, depth)})" if depth else kind.__name__
        if isinstance(thing, type) and "<locals>" not in thing.__qualname__:
            return f"{thing.__module__}.{thing.__qualname__}"
        self.complete = False
        if depth and isinstance(thing, type):
            own = [(name, value) for name, value in self.places.of_class(thing)[1] if _counts(name, value)]
            own.sort(key=lambda pair: pair[0])
            parts = self._all([*thing.__bases__, *(value for _, value in own)], depth)
            return f"class({','.join(name for name, _ in own)},{parts})"
        if isinstance(thing, (FunctionType, type)):
            return f"{thing.__module__}.{thing.__qualname__}"
        return f"{kind.__module__}.{kind.__qualname__}"

    def _all(self, things: Iterable[object], depth: int) -> str:
        # A digest: what is met again and again would double at each level.
        words = ",".join(self.of(thing, depth - 1) for thing in things)
        return blake3_of(words.encode("utf-8", "surrogatepass")).hex()


def _counts(name: str, value: object) -> bool:
    """What the body of a class made, and not what the interpreter adds."""
    return isinstance(value, (FunctionType, staticmethod, classmethod, property)) or not name.startswith("__")
