"""The guard: it holds while nothing that the walk read has changed, and not a moment longer."""

from __future__ import annotations

import gc
import importlib
import sys
import weakref
from collections.abc import Callable
from pathlib import Path
from types import CellType, FunctionType
from typing import Any

import pytest
from code_modules import loaded
from everfresh._code import Code


def replace_code(function: Any) -> None:
    function.__code__ = (lambda x: 0).__code__


def set_default(module: Any) -> None:
    inner = module.f.__closure__[0].cell_contents
    inner.__defaults__ = (6,)


def set_cell(function: Any, value: object) -> None:
    cell: CellType = function.__closure__[0]
    cell.cell_contents = value


CHANGES: dict[str, Callable[[Any, Any], object]] = {
    "a global": lambda m, h: setattr(m, "FACTOR", 4),
    "a global of another module": lambda m, h: setattr(h, "LIMIT", 11),
    "a global that goes": lambda m, h: delattr(m, "FACTOR"),
    "a global over a builtin": lambda m, h: setattr(h, "min", max),
    "a function": lambda m, h: setattr(m, "helper", lambda x: x),
    "a function of another module": lambda m, h: setattr(h, "clean", lambda x: x),
    "an alias": lambda m, h: setattr(m, "loud", str.lower),
    "code": lambda m, h: replace_code(m.helper),
    "code of a callee's callee": lambda m, h: replace_code(h.deeper),
    "code under a decorator": lambda m, h: replace_code(h.twice.__wrapped__),
    "defaults": lambda m, h: set_default(m),
    "keyword defaults": lambda m, h: setattr(m.f.__wrapped__, "__kwdefaults__", {"z": 7}),
    "the inside of keyword defaults": lambda m, h: m.f.__wrapped__.__kwdefaults__.update(z=7),
    "an attribute of a function": lambda m, h: setattr(m.helper, "limit", 1),
    "a cell": lambda m, h: set_cell(m.stepper, 8),
    "a class attribute": lambda m, h: setattr(h.Parser, "limits", (1, 3)),
    "an attribute of a base": lambda m, h: setattr(h.Base, "RATE", 3),
    "a method": lambda m, h: setattr(h.Parser, "parse", lambda self: 0),
    "a new attribute that hides a base's": lambda m, h: setattr(h.Parser, "rate", lambda self: 0),
    "a method's code": lambda m, h: replace_code(h.Base.rate),
    "the bases": lambda m, h: setattr(h.Parser, "__bases__", (type("Other", (h.Base,), {}),)),
    "a set": lambda m, h: m.SEEN.add("d"),
    "the inside of a set": lambda m, h: (m.SEEN.remove("a"), m.SEEN.add("d")),
    "a dict's inside": lambda m, h: h.SETTINGS.update(depth=[2]),
    "a new key": lambda m, h: h.SETTINGS.update(other=1),
    "a list in a dict": lambda m, h: h.SETTINGS["depth"].append(3),
    "an item of a list in a dict": lambda m, h: h.SETTINGS["depth"].__setitem__(0, 5),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_the_guard_fails_after_a_change(change: Callable[[Any, Any], object]) -> None:
    with loaded() as module:
        guard = Code(module.f).guard()
        assert guard.holds()
        assert guard.holds()
        assert not guard.volatile
        change(module, sys.modules["helpers"])
        assert not guard.holds()


def test_the_guard_holds_while_what_is_not_read_changes() -> None:
    with loaded() as module:
        helpers: Any = sys.modules["helpers"]
        guard = Code(module.f).guard()
        for number in range(100):
            module.unrelated = helpers.unrelated = number
            setattr(module, f"new_{number}", number)
            module.f(number)
            assert guard.holds()
        helpers.never_called = None
        assert guard.holds()


def test_a_store_that_the_interpreter_has_specialised_is_seen() -> None:
    text = (
        "N = 0\nclass P: pass\np = P()\np.x = 0\ndef f(): return N + p.x\n"
        "def write(n):\n    global N\n    N = n\ndef put(n): p.x = n"
    )
    with loaded(text) as module:
        code = Code(module.f)
        for store in (module.write, module.put):
            for number in range(300, 400):
                guard = code.guard()
                assert guard.holds()
                store(number)
                assert not guard.holds()


def test_an_instance_is_watched_by_its_class_and_attributes() -> None:
    text = "import helpers\nparser = helpers.Parser()\nparser.depth = [1]\ndef f(x): return parser.parse()"
    changes: list[Callable[[Any], object]] = [
        lambda p: setattr(p, "depth", 2),
        lambda p: setattr(p, "other", 2),
        lambda p: p.depth.append(2),
        lambda p: setattr(p, "__class__", type("Other", (type(p),), {})),
    ]
    for change in changes:
        with loaded(text) as module:
            guard = Code(module.f).guard()
            assert guard.holds()
            change(module.parser)
            assert not guard.holds()


def test_a_value_that_no_guard_can_watch_is_compared_by_content() -> None:
    text = "G = bytearray(b'abc')\nclass S:\n    __slots__ = ('x',)\ns = S()\ns.x = [1]\ndef f(): return G, s.x"
    with loaded(text) as module:
        code = Code(module.f)
        before = dict(code.items())
        assert code.guard().volatile
        assert code.holds()
        module.G[0] = 0
        assert code.guard() and code.items() != before
        assert code.holds()
        module.s.x = [2]
        assert not code.holds()


def test_an_equal_object_in_a_slot_is_looked_at_again() -> None:
    text = "class S:\n    __slots__ = ('x',)\ns = S()\ns.x = [1]\ndef f(): return s.x"
    with loaded(text) as module:
        code = Code(module.f)
        code.items()
        module.s.x = [1]
        assert code.holds()
        module.s.x.append(2)
        assert not code.holds()


USUAL = """
import abc, collections, enum, functools, logging, re, threading, typing
from dataclasses import dataclass, field
Pair = collections.namedtuple("Pair", "a b")
class Typed(typing.NamedTuple):
    a: int = 1
class Color(enum.Enum):
    RED = 1
@dataclass(frozen=True)
class Point:
    x: int
    y: list[int] = field(default_factory=list)
class Shape(abc.ABC):
    @abc.abstractmethod
    def area(self): ...
T = typing.TypeVar("T")
class Box(Shape, typing.Generic[T]):
    def area(self): return 1
    @functools.cached_property
    def cached(self): return 1
log = logging.getLogger("box")
lock = threading.Lock()
pattern = re.compile("a")
point = Point(1)
def f():
    log.info("a")
    with lock:
        return Pair, Typed, Color.RED, Point, Box, pattern, point, Box().cached
"""


def test_the_usual_kinds_of_classes_and_values_are_watched_and_not_compared() -> None:
    with loaded(USUAL) as module:
        code = Code(module.f)
        guard = code.guard()
        assert not guard.volatile
        assert not code.unsure()
        module.f()
        assert guard.holds()


def test_after_a_reload_the_new_code_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "reloaded_helpers.py").write_text("def g(x): return x")
    with loaded("import reloaded_helpers as h\ndef f(x): return h.g(x)") as module:
        code = Code(module.f)
        before, guard = dict(code.items()), code.guard()
        importlib.reload(module.h)
        assert not guard.holds()
        assert code.items() == before
        (tmp_path / "reloaded_helpers.py").write_text("def g(x): return x + 1")
        importlib.reload(module.h)
        assert {name for name, own in code.items().items() if before.get(name) != own} == {
            "the code of `reloaded_helpers.g`"
        }
    del sys.modules["reloaded_helpers"]


def test_a_replaced_module_is_seen() -> None:
    text = "def f(x):\n    import helpers\n    return helpers.clean(x)"
    with loaded(text) as module:
        guard = Code(module.f).guard()
        assert guard.holds()
        sys.modules["helpers"] = type(sys)("helpers")
        assert not guard.holds()


def test_a_retired_guard_never_holds() -> None:
    with loaded() as module:
        guard = Code(module.f).guard()
        guard.retire()
        assert not guard.holds()


def test_a_guard_in_a_cycle_is_collected() -> None:
    def function() -> int:
        return 1

    function.guard = Code(function).guard()  # type: ignore[attr-defined]
    seen = weakref.ref(function)
    assert isinstance(function, FunctionType)
    del function
    gc.collect()
    assert seen() is None


def test_a_guard_keeps_what_it_expects_until_it_is_dropped() -> None:
    with loaded("class G: pass\ng = G()\ndef f(): return g") as module:
        guard, seen = Code(module.f).guard(), weakref.ref(module.g)
        module.g = None
        assert not guard.holds()
        assert seen() is not None
        del guard
        gc.collect()
        assert seen() is None
