"""A code object's own fingerprint, and the names that it reads.

What a program can tell apart counts: instructions with their names, constants and jump targets, arguments, the kind of
function, exception handlers, nested code. What it cannot, or what is only written about it, does not: file, lines and
columns, `NOP`s that hold a line, the layout of blocks and jumps that lines bring about (`_code_flow.py`), docstrings,
annotations of nested functions, positions in tables (a docstring moves them), and in the body of a nested class
`__doc__`, `__firstlineno__`, `__static_attributes__` and the types of annotations (their names stay: a dataclass uses
them). `co_code` is the code as compiled: without specialisation, instrumentation or caches."""

from __future__ import annotations

import opcode
import struct
import sys
from types import CodeType

from everfresh._code_flow import Instruction, flow
from everfresh._native import blake3_of

NEW = sys.version_info >= (3, 12)
NAMES = frozenset(opcode.hasname)
CONSTS = frozenset(opcode.hasconst)
JUMPS = frozenset(opcode.hasjrel)
FREE = frozenset(opcode.hasfree)
OP = opcode.opmap
CACHE, EXTENDED_ARG, NOP = OP["CACHE"], OP["EXTENDED_ARG"], OP["NOP"]
ATTRIBUTES = frozenset({OP["LOAD_ATTR"], OP.get("LOAD_METHOD", -1)})
GLOBALS = frozenset({OP["LOAD_GLOBAL"], OP["LOAD_NAME"], OP.get("LOAD_FROM_DICT_OR_GLOBALS", -1)})
DEREFS = frozenset(OP.get(name, -1) for name in ("LOAD_DEREF", "LOAD_CLASSDEREF", "LOAD_FROM_DICT_OR_DEREF"))
# Joined only on one line: taken apart.
PAIRS = {
    OP.get("LOAD_FAST_LOAD_FAST", -1): (OP["LOAD_FAST"], OP["LOAD_FAST"]),
    OP.get("STORE_FAST_LOAD_FAST", -1): (OP["STORE_FAST"], OP["LOAD_FAST"]),
    OP.get("STORE_FAST_STORE_FAST", -1): (OP["STORE_FAST"], OP["STORE_FAST"]),
}
# How far a name's index is shifted in its argument; the low bits are flags.
SHIFT = {OP["LOAD_GLOBAL"]: 1}
if NEW:
    SHIFT |= {OP["LOAD_ATTR"]: 1, OP["LOAD_SUPER_ATTR"]: 2}
# Varargs, varkeywords, generator, coroutine, iterable coroutine, async generator.
FLAGS = 0x4 | 0x8 | 0x20 | 0x80 | 0x100 | 0x200
ABOUT = frozenset({"__doc__", "__firstlineno__", "__static_attributes__"})
# With one of these, the names of local variables are visible.
SHOW_LOCALS = frozenset({"locals", "vars", "eval", "exec", "dir"})


class Bytecode:
    """What is read off one code object; `chains` are global names with the attributes taken from them, in order."""

    __slots__ = ("chains", "code", "digest", "free_chains", "imports", "names", "nested")

    def __init__(self, code: CodeType) -> None:
        self.code = code
        instructions = decode(code)
        strip(instructions)
        kept = [i for i in instructions if i.kept]
        self.nested = [bytecode(c) for c in (i.value for i in kept) if isinstance(c, CodeType)]
        self.digest = blake3_of(text(code, instructions).encode())
        self.chains, self.free_chains = chains(kept, GLOBALS), chains(kept, DEREFS)
        self.imports = imports(kept)
        # Every name that is used as an attribute, here or in nested code.
        self.names = {i.value for i in kept if i.op in NAMES and isinstance(i.value, str)}
        for inner in self.nested:
            self.names |= inner.names


_known: dict[int, Bytecode] = {}


def bytecode(code: CodeType) -> Bytecode:
    """`code`, read once; the entry keeps it alive, so its id stays its own."""
    found = _known.get(id(code))
    if found is None:
        if len(_known) > 20_000:
            _known.clear()
        found = _known[id(code)] = Bytecode(code)
    return found


def constant(value: object) -> str:
    """A constant by its type and value; typed, and the same in every process."""
    if isinstance(value, CodeType):
        return f"code {bytecode(value).digest.hex()}"
    if isinstance(value, float):
        return f"float {struct.pack('<d', value).hex()}"
    if isinstance(value, complex):
        return f"complex {struct.pack('<dd', value.real, value.imag).hex()}"
    if isinstance(value, tuple):
        return f"tuple({','.join(map(constant, value))})"
    if isinstance(value, frozenset):
        return f"frozenset({','.join(sorted(map(constant, value)))})"
    return f"{type(value).__name__} {value!r}"


def decode(code: CodeType) -> list[Instruction]:
    raw, found, extended, start, last = code.co_code, [], 0, None, None
    for offset in range(0, len(raw), 2):
        op, arg = raw[offset], raw[offset + 1] | extended
        if op == CACHE:
            continue
        if last is not None:
            _aim(last, offset)
        if start is None:
            start = offset
        if op == EXTENDED_ARG:
            extended, last = arg << 8, None
            continue
        if op in PAIRS:
            found.append(Instruction(PAIRS[op][0], arg >> 4, start))
            op, arg, start = PAIRS[op][1], arg & 15, offset + 1
        last = Instruction(op, arg, start)
        found.append(last)
        extended, start = 0, None
        if op in NAMES:
            last.value = code.co_names[arg >> SHIFT.get(op, 0)]
        elif op in CONSTS:
            last.value = code.co_consts[arg]
        elif op in FREE:
            last.value = code._varname_from_oparg(arg)  # type: ignore[attr-defined]
    if last is not None:
        _aim(last, len(raw))
    return found


def _aim(instruction: Instruction, following: int) -> None:
    """Jumps count from the instruction that follows, its caches skipped."""
    if instruction.op in JUMPS:
        back = "BACKWARD" in opcode.opname[instruction.op]
        instruction.target = following + (-2 if back else 2) * instruction.arg


def strip(instructions: list[Instruction]) -> None:
    """Marks what is only written about the program."""
    targets = {i.target for i in instructions if i.target is not None}
    for at, i in enumerate(instructions):
        name = opcode.opname[i.op]
        if i.op == NOP or name == "SETUP_ANNOTATIONS":
            i.kept = False
        elif name == "STORE_NAME" and i.value in ABOUT and at:
            before = instructions[at - 1]
            if opcode.opname[before.op] in ("LOAD_CONST", "LOAD_FAST", "LOAD_NAME"):
                i.kept = before.kept = False
        elif name == "LOAD_NAME" and i.value == "__annotations__":
            _drop(instructions, _start(instructions, at), at, targets)
        elif name == "MAKE_FUNCTION":
            flags, last = (i.arg, at) if i.arg else _attributes(instructions, at)
            if flags & 4:
                end = at - 1
                if flags & 8:
                    end = _start(instructions, end)
                if _drop(instructions, _start(instructions, end), end, targets):
                    if i.arg:
                        i.arg &= ~4
                    for later in instructions[at + 1 : last + 1]:
                        later.kept = later.arg != 4


def _attributes(instructions: list[Instruction], at: int) -> tuple[int, int]:
    """3.13: the flags of the SET_FUNCTION_ATTRIBUTEs that follow, and where they end."""
    flags = 0
    while at + 1 < len(instructions) and opcode.opname[instructions[at + 1].op] == "SET_FUNCTION_ATTRIBUTE":
        at += 1
        flags |= instructions[at].arg
    return flags, at


def _start(instructions: list[Instruction], end: int) -> int:
    """Where the expression begins whose value is on the stack's top before `end`; -1 if it is no straight line."""
    need, at = 1, end
    while need and at:
        at -= 1
        i = instructions[at]
        if i.target is not None:
            return -1
        need -= opcode.stack_effect(i.op, i.arg if i.op >= opcode.HAVE_ARGUMENT else None)
    return -1 if need else at


def _drop(instructions: list[Instruction], start: int, end: int, targets: set[int]) -> bool:
    if start < 0 or any(i.offset in targets for i in instructions[start + 1 : end]):
        return False
    for i in instructions[start:end]:
        i.kept = False
    return True


def text(code: CodeType, instructions: list[Instruction]) -> str:
    """The code in words that depend on nothing but what it does."""
    arguments = code.co_argcount + code.co_kwonlyargcount + bool(code.co_flags & 4) + bool(code.co_flags & 8)
    shown = code.co_varnames if SHOW_LOCALS & set(code.co_names) else code.co_varnames[:arguments]
    counts = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags & FLAGS)
    head = repr((code.co_name, counts, shown, sorted(code.co_freevars)))
    return "\n".join([head, *flow(instructions, code.co_exceptiontable, words)])


def words(i: Instruction) -> str:
    """An instruction without its place."""
    name = opcode.opname[i.op]
    if i.op in CONSTS:
        return f"{name} {constant(i.value)}"
    if i.op in NAMES:
        return f"{name} {i.value!r} {i.arg & ((1 << SHIFT.get(i.op, 0)) - 1)}"
    return f"{name} {i.value!r}" if i.op in FREE else f"{name} {i.arg}"


def chains(kept: list[Instruction], loads: frozenset[int]) -> list[tuple[str, ...]]:
    """`a.b.c` for each load of `a` that is followed by attributes, each once."""
    found: dict[tuple[str, ...], None] = {}
    for at, i in enumerate(kept):
        if i.op in loads:
            chain = [str(i.value)]
            for later in kept[at + 1 :]:
                if later.op not in ATTRIBUTES:
                    break
                chain.append(str(later.value))
            found[tuple(chain)] = None
    return list(found)


def imports(kept: list[Instruction]) -> list[tuple[int, str, tuple[str, ...]]]:
    """Imports inside the function: level, module, names taken from it."""
    found = []
    for at, i in enumerate(kept):
        if i.op == OP["IMPORT_NAME"]:
            level, names = kept[at - 2].value, kept[at - 1].value
            found.append(
                (level if isinstance(level, int) else 0, str(i.value), names if isinstance(names, tuple) else ())
            )
    return found
