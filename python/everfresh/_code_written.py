"""Containers that code only adds to: `seen.append(x)`. It cannot tell what is in them, so they are no input of it.

Counting one would make a function that keeps a tally of its calls compute each time.
"""

from __future__ import annotations

from collections import deque

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from everfresh._code_bytes import Bytecode

_KINDS = frozenset({list, set, dict, bytearray, deque})
# None of these returns anything but None, or raises for what is there.
_ADDS = frozenset(["add", "append", "appendleft", "clear", "discard", "extend", "extendleft", "insert", "update"])
# With one of these, a variable is read without its name.
_SHOWS = frozenset({"eval", "exec", "locals", "vars"})


def adds(value: object, chain: tuple[str, ...]) -> bool:
    """Whether this use of a container, by the attributes taken from it, only adds to it."""
    return len(chain) == 2 and chain[1] in _ADDS and type(value) in _KINDS


def only_adds(value: object, name: str, read: Bytecode) -> bool:
    """Whether all uses of a closure variable only add to it."""
    if type(value) not in _KINDS or read.names & _SHOWS:
        return False
    uses = list(_uses(name, read))
    return bool(uses) and all(adds(value, chain) for chain in uses)


def _uses(name: str, read: Bytecode) -> Iterator[tuple[str, ...]]:
    yield from (chain for chain in read.free_chains if chain[0] == name)
    for inner in read.nested:
        yield from _uses(name, inner)
