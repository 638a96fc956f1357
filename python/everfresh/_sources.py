"""Clock and random sources that the user's code reads while it computes.

A C function that reads one is known by what it is, whatever name it was called by. It counts if the user's own code
calls it, or calls what does within `random`, `secrets` and `uuid`: what the rest of the standard library and packages
do for themselves (a log's times, the names of temporary files) is their affair. Pure are a generator with a seed of its
own, and the global one after it was given a seed in the same computation.

`_code_walk.py` says whether any of this can be reached; where not, nobody looks."""

from __future__ import annotations

import datetime
import opcode
import os
import sys
from types import BuiltinFunctionType, CodeType, FrameType, FunctionType, MethodDescriptorType, ModuleType
from typing import Any

from everfresh import _code_origin as origin

#: Whoever uses one of these modules, or one of these attributes, may read a source.
MODULES = frozenset({"time", "random", "_random", "secrets", "uuid", "numpy.random", "numpy.random.mtrand"})
ATTRIBUTES = frozenset({"now", "utcnow", "today", "urandom", "getrandom", "random", "seed"})
# The names of the C functions, which are looked at closer.
_CLOCKS = (
    *("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "process_time"),
    *("process_time_ns", "thread_time", "thread_time_ns", "clock_gettime", "clock_gettime_ns"),
)
# With so many arguments they only convert.
_CONVERTERS = {"gmtime": 1, "localtime": 1, "ctime": 1, "asctime": 1, "strftime": 2}
_DATES = frozenset({"now", "utcnow", "today"})
_RANDOM = frozenset({"random", "getrandbits", "seed", "setstate"})
NAMES = frozenset({*_CLOCKS, *_CONVERTERS, *_DATES, *_RANDOM, "urandom", "getrandom", "generate_time_safe"})
_KINDS = (BuiltinFunctionType, MethodDescriptorType)
_CALLS = (opcode.opmap["CALL"], opcode.opmap.get("PRECALL", -1))

_standard = os.path.dirname(os.__file__)
_through = frozenset(os.path.join(_standard, name) for name in ("random.py", "secrets.py", "uuid.py"))


def may_be(called: object) -> bool:
    """Whether it is worth a closer look."""
    return type(called) in _KINDS and called.__name__ in NAMES  # type: ignore[attr-defined]


class Sources:
    """What one computation reads."""

    __slots__ = ("_seeded",)

    def __init__(self) -> None:
        # Whether the global generator got a seed.
        self._seeded = False

    def read(self, called: Any, first: object, frame: FrameType) -> str | None:
        """What a call in this frame reads, in words; `first` is the first argument of what is not bound."""
        name, own = called.__name__, first if type(called) is MethodDescriptorType else called.__self__
        module = own.__name__ if type(own) is ModuleType else None
        if module == "time" and (name in _CLOCKS or _given(frame) < _CONVERTERS.get(name, 0)):
            kind = "the clock"
        elif name in _DATES and isinstance(own, type) and issubclass(own, datetime.date):
            kind, module = "the clock", f"{own.__module__}.{own.__qualname__}"
        elif (module == "posix" and name in ("urandom", "getrandom")) or name == "generate_time_safe":
            kind, module = "a random source", "os"
        elif name in _RANDOM and self._draws(own, name, frame):
            kind, module = "a random source", "random"
        else:
            return None
        inner = None
        while frame.f_code.co_filename in _through and frame.f_back is not None:
            frame, inner = frame.f_back, frame
        if origin.of_code(frame.f_code, frame.f_globals.get("__name__")) != origin.USER:
            return None
        if inner is not None:
            if inner.f_locals.get("k") == _NUMPY_SEED and "numpy.random" in sys.modules and _given(frame):
                # Numpy's old generators draw a seed before they take the one that they are given.
                return None
            module, name = inner.f_globals["__name__"], inner.f_code.co_qualname
            # Of the instance behind the module's functions, and of one that somebody made.
            name = name.removesuffix(".__init__") if name.endswith(".__init__") else name.removeprefix("Random.")
        return f"it reads {kind} ({module}.{name})"

    def _draws(self, own: object, name: str, frame: FrameType) -> bool:
        """Whether a method of a generator draws from the global one, or begins without a seed."""
        module = sys.modules.get("random")
        if module is None or not isinstance(own, module._random.Random):
            return False
        if name in ("seed", "setstate"):
            # `Random.seed` calls that of its base, so the seed is the caller's.
            given = name == "setstate" or frame.f_locals.get("a") is not None
            self._seeded |= given and own is module._inst
            return not given
        return own is module._inst and not self._seeded


def _given(frame: FrameType) -> int:
    """How many arguments a call has, if its instruction says so."""
    code, at = frame.f_code.co_code, frame.f_lasti
    return code[at + 1] if code[at] in _CALLS else 9


def codes() -> list[CodeType]:
    """The code objects in which Python's own modules read random sources for who calls them."""
    found: list[CodeType] = []
    random, uuid = sys.modules.get("random"), sys.modules.get("uuid")
    for cls in (random.Random, random.SystemRandom) if random is not None and hasattr(random, "SystemRandom") else ():
        found += [value.__code__ for value in vars(cls).values() if type(value) is FunctionType]
    for name in ("uuid1", "uuid4"):
        if hasattr(uuid, name):
            found.append(getattr(uuid, name).__code__)
    return found


class Numpy:
    """Whether numpy's global generator is drawn from, whose methods no hook hears: its state shows it."""

    __slots__ = ("_before",)

    def __init__(self) -> None:
        self._before = _numpy_state()

    def is_drawn_from(self) -> bool:
        """Since this was made."""
        now = _numpy_state()
        if self._before is None and now is not None:
            # Loaded meanwhile, with a block of numbers of which none was used.
            return bool(now[1] != _NUMPY_BLOCK)
        return now != self._before


# How many numbers its generator makes at once, and how many bits a seed has.
_NUMPY_BLOCK, _NUMPY_SEED = 624, 128


def _numpy_state() -> tuple[Any, ...] | None:
    module = sys.modules.get("numpy.random")
    if module is None or not hasattr(module, "get_state"):
        return None
    _, words, *rest = module.get_state()
    return words.tobytes(), *rest
