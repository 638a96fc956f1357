"""The flow of control of a code object, whatever the layout.

Where lines break, the compiler lays out blocks otherwise: it keeps or threads a jump, turns a condition around, joins
two instructions into one only on the same line. So the instructions are numbered as a walk from the entry finds them,
unconditional jumps are followed and left out, a condition names what comes if it is true first, and each instruction
names its exception handler. (What remains: about one function in 4,000 of the standard library differs after
`ast.unparse`, each with an `and` over lines.)"""

from __future__ import annotations

import opcode
from bisect import bisect_left, bisect_right
from collections.abc import Callable

OP = opcode.opmap
JUMPS = frozenset(OP.get(name, -1) for name in ("JUMP_FORWARD", "JUMP_BACKWARD", "JUMP_BACKWARD_NO_INTERRUPT"))
ENDS = frozenset(
    OP.get(name, -1) for name in ("RETURN_VALUE", "RETURN_CONST", "RAISE_VARARGS", "RERAISE", "INTERPRETER_EXIT")
)


class Instruction:
    __slots__ = ("arg", "kept", "offset", "op", "target", "value")

    def __init__(self, op: int, arg: int, offset: int) -> None:
        self.op, self.arg, self.offset, self.kept = op, arg, offset, True
        self.target: int | None = None
        # The name or constant behind the argument.
        self.value: object = None


def flow(instructions: list[Instruction], table: bytes, words: Callable[[Instruction], str]) -> list[str]:
    """A line for each instruction that can be reached: `words`, where it goes, its handler."""
    kept = [i for i in instructions if i.kept]
    offsets = [i.offset for i in kept]
    covered = handlers(table)
    starts = [start for start, _, _, _ in covered]

    def at(place: int) -> int:
        """The instruction at `place`, jumps followed; one past the end for a loop of jumps alone."""
        seen = set()
        while place < len(kept) and kept[place].op in JUMPS:
            if place in seen:
                return len(kept)
            seen.add(place)
            place = bisect_left(offsets, kept[place].target or 0)
        return place

    def handler(offset: int) -> tuple[int, int] | None:
        found = bisect_right(starts, offset) - 1
        if found < 0 or offset >= covered[found][1]:
            return None
        return at(bisect_left(offsets, covered[found][2])), covered[found][3]

    numbers: dict[int, int] = {}
    nodes = []
    todo = [at(0)]
    while todo:
        place = todo.pop()
        if place in numbers or place >= len(kept):
            continue
        numbers[place] = len(numbers)
        i = kept[place]
        name, goes = opcode.opname[i.op].replace("_FORWARD_", "_").replace("_BACKWARD_", "_"), []
        if i.op not in ENDS:
            goes = [at(place + 1)]
        if i.target is None:
            said = words(i)
        else:
            goes.append(at(bisect_left(offsets, i.target)))
            if name in ("POP_JUMP_IF_TRUE", "POP_JUMP_IF_NONE"):
                goes.reverse()
            said = name.replace("IF_FALSE", "IF_TRUE").replace("IF_NOT_NONE", "IF_NONE") if "POP_JUMP" in name else name
        guarded = handler(i.offset)
        nodes.append((said, goes, guarded))
        todo += [guarded[0]] if guarded else []
        todo += reversed(goes)
    lines = []
    for number, (said, goes, guarded) in enumerate(nodes):
        to = [numbers.get(place, -1) - number for place in goes]
        rest = "" if to == [1] else f" to {to}"
        caught = f" except {numbers.get(guarded[0], -1)} {guarded[1]}" if guarded else ""
        lines.append(said + caught + rest)
    return lines


def handlers(table: bytes) -> list[tuple[int, int, int, int]]:
    """The exception table, four numbers of six bits a byte an entry: start, end, target (offsets), depth and lasti."""
    numbers, value = [], 0
    for byte in table:
        value = value << 6 | byte & 63
        if not byte & 64:
            numbers.append(value)
            value = 0
    quads = zip(*[iter(numbers)] * 4, strict=True)
    return [(start * 2, (start + length) * 2, target * 2, rest) for start, length, target, rest in quads]
