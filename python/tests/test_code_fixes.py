"""What a review found: values that counted too little, code that hid, names that moved."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from code_modules import edited, loaded
from everfresh._code import Code, plain_lru_caches
from everfresh._code_ran import Ran


def items(steps: str) -> dict[str, bytes]:
    with loaded(steps) as module:
        return dict(Code(module.f).items())


def unsure(steps: str) -> dict[str, str]:
    with loaded(steps) as module:
        return Code(module.f).unsure()


def test_the_constructor_of_a_packages_named_tuple_is_not_the_users_code() -> None:
    with loaded("from urllib.parse import urlparse\ndef f(url): return urlparse(url).netloc") as module:
        code = Code(module.f)
        with Ran() as block:
            module.f("http://a/b")
        assert block.names(code) == []


VALUES = {
    "a parsed URL": ("from urllib.parse import urlparse\nG = urlparse('http://1/')", "1", "2"),
    "a request": ("from urllib.request import Request\nG = Request('http://1/')", "1", "2"),
    "a StringIO": ("from io import StringIO\nG = StringIO('1')", "1", "2"),
    "a BytesIO": ("from io import BytesIO\nG = BytesIO(b'1')", "1", "2"),
    "where a StringIO stands": ("from io import StringIO\nG = StringIO('abc')\nG.seek(1)", "(1)", "(2)"),
    "a process that ended": ("from subprocess import CompletedProcess\nG = CompletedProcess(['a'], 1)", "1", "2"),
    "a queue": ("import queue\nG = queue.Queue()\nG.put(1)", "(1)", "(2)"),
    "a weak dictionary": (
        "import weakref\nclass C: pass\nc = C()\nc.x = 1\nG = weakref.WeakValueDictionary(a=c)",
        "x = 1",
        "x = 2",
    ),
    "a weak set": ("import weakref\nclass C: pass\nc = C()\nc.x = 1\nG = weakref.WeakSet([c])", "x = 1", "x = 2"),
    "a logger's name": ("import logging\nG = logging.getLogger('a1')", "a1", "a2"),
}


@pytest.mark.parametrize("case", VALUES)
def test_what_a_standard_object_holds_counts(case: str) -> None:
    text, old, new = VALUES[case]
    text += "\ndef f(): return G"
    before, after = items(text), items(edited(text, old, new))
    assert before["the global `steps.G`"] == items(text)["the global `steps.G`"]
    assert before["the global `steps.G`"] != after["the global `steps.G`"]


@pytest.mark.parametrize(
    "made",
    [
        "threading.Lock()",
        "threading.RLock()",
        "threading.Condition()",
        "threading.Event()",
        "threading.Thread()",
        "asyncio.Lock()",
        "asyncio.Event()",
        "concurrent.futures.ThreadPoolExecutor(1)",
        "multiprocessing.Lock()",
        "logging.StreamHandler()",
        "sys.stderr",
        "open('/dev/null', 'w')",
    ],
)
def test_means_count_by_their_class_and_are_told_in_full(made: str) -> None:
    text = (
        f"import asyncio, concurrent.futures, logging, multiprocessing, sys, threading\nG = {made}\ndef f(): return G"
    )
    with loaded(text) as module:
        code = Code(module.f)
        assert code.items() == items(text)
        assert not code.unsure()
        assert not code.blind()


OPEN = [
    "sqlite3.connect(':memory:')",
    "sqlite3.connect(':memory:').cursor()",
    "open('/dev/null')",
    "open('/dev/null', 'rb')",
    "open('/dev/null', 'rb', 0)",
    "socket.socket()",
]


@pytest.mark.parametrize("made", OPEN)
def test_what_is_read_from_an_open_connection_or_file_is_not_seen_and_that_is_said(made: str) -> None:
    text = f"import socket, sqlite3\nG = {made}\ndef f(): return G"
    found = unsure(text)
    assert list(found) == ["the global `steps.G`"]
    assert "whose reads are not seen" in found["the global `steps.G`"]
    # The item itself holds, so that a result with a ttl is found until then.
    with loaded(text) as module:
        code = Code(module.f)
        before = dict(code.items())
        assert code.holds()
        assert before == items(text)


def test_an_open_file_is_met_in_a_closure_a_default_and_an_attribute() -> None:
    head = "class C: pass\nc = C()\nc.file = open('/dev/null')\n"
    made = "def make(file):\n    def f(): return file.read()\n    return f\nf = make(c.file)"
    for text in (made, "def f(file=c.file): return file.read()", "def f(): return c.file.read()"):
        assert len(unsure(head + text)) == 1, text


@pytest.mark.parametrize(
    "made",
    [
        "collections.defaultdict(list, {n: [n] for n in range(5000)})",
        "collections.OrderedDict((n, [n]) for n in range(5000))",
        "collections.Counter({(n,): n for n in range(5000)})",
        "collections.deque([n] for n in range(5000))",
    ],
)
def test_a_large_standard_container_counts_by_what_it_holds(made: str) -> None:
    text = f"import collections\nG = {made}\ndef f(): return G"
    before, after = items(text), items(edited(text, "5000", "5001"))
    assert before["the global `steps.G`"] == items(text)["the global `steps.G`"]
    assert before["the global `steps.G`"] != after["the global `steps.G`"]


LATE = """\\
RATE = 7

def plus(x):
    return x + RATE

def keep(function):
    def wrapper(x):
        return function(x)
    return wrapper

@keep
def kept(x):
    return x + 2

class Late:
    extra = [n for n in range(3)]

    def method(self):
        return self.deeper()

    def deeper(self):
        return plus(1)

once = (lambda: [n for n in range(2)])()
"""


def test_what_a_module_holds_that_is_imported_in_the_block_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "late_module.py").write_text(LATE)
    monkeypatch.syspath_prepend(str(tmp_path))
    text = (
        "import importlib\ndef f(name):\n"
        "    late = importlib.import_module(name)\n    return late.kept(late.Late().method())"
    )
    try:
        with loaded(text) as module:
            code = Code(module.f)
            with Ran() as outer, Ran() as block:
                module.f("late_" + "module")
            for one in (block, outer):
                names = one.names(code)
                assert names == [
                    "the code found as `late_module:Late.deeper`",
                    "the code found as `late_module:Late.method`",
                    "the code found as `late_module:keep`",
                    "the code found as `late_module:kept`",
                    "the code found as `late_module:plus`",
                ]
                assert None not in [code.resolve(name) for name in names]
                assert one.modules() == [str(tmp_path / "late_module.py")]
    finally:
        sys.modules.pop("late_module", None)


def test_a_module_that_was_there_is_not_among_the_modules_of_the_block() -> None:
    with loaded() as module:
        with Ran() as block:
            module.f(1)
        assert block.modules() == []


def test_code_from_exec_is_no_modules_body() -> None:
    with loaded("def f(): exec(compile('x = 1', 'other.py', 'exec'), globals())") as module:
        with Ran() as block:
            module.f()
        assert block.modules() == []
        assert block.names(Code(module.f)) == []


@pytest.mark.parametrize(
    ("decorator", "bound"), [("ef.lru_cache", 128), ("ef.lru_cache(maxsize=3)", 3), ("ef.cache", None)]
)
def test_everfreshs_plain_memos_are_listed_as_functools_are(decorator: str, bound: int | None) -> None:
    text = f"import everfresh as ef\n@{decorator}\ndef g(x): return x + 1\nD = {{'g': g}}\ndef f(x): return D['g'](x)"
    with loaded(text) as module:
        code = Code(module.f)
        assert plain_lru_caches(code.items()) == ["steps.g"]
        assert list(code.lru_caches().values()) == [module.g]
        assert module.g.cache_parameters()["maxsize"] == bound
    assert items(text)["the code of `steps.g`"] != items(edited(text, "x + 1", "x + 2"))["the code of `steps.g`"]


TWINS = """\
def make(n):
    def inner(x): return x + n
    return inner
def boxed(n):
    class Box:
        size = n
        def get(self): return self.size
    return Box
one = [lambda: 1, make(1), boxed(1)]
two = [lambda: 2, make(2), boxed(2)]
def f(): return one[0]() + two[0]() + one[1](0) + two[1](0) + one[2]().get() + two[2]().get()
def g(): return two[0]() + two[1](0) + two[2]().get()
"""


def test_functions_and_classes_of_one_name_are_called_the_same_by_every_walk() -> None:
    with loaded(TWINS) as module:
        outer, inner = dict(Code(module.f).items()), dict(Code(module.g).items())
        assert len([name for name in outer if name.startswith("the code of `steps.<lambda>#")]) == 2
        assert len([name for name in outer if name.startswith("the code of `steps.make.<locals>.inner#")]) == 2
        assert len([name for name in outer if name.startswith("the class `steps.boxed.<locals>.Box#")]) == 2
        assert {name for name in inner if outer.get(name) != inner[name]} == {
            "the code of `steps.g`",
            "the names that `steps.g` finds",
        }


def test_a_function_that_lost_its_name_to_another_is_told_by_its_code() -> None:
    text = "def h(): return 1\nold = h\ndef h(): return 2\ndef f(): return old() + h()"
    before = items(text)
    assert len([name for name in before if name.startswith("the code of `steps.h")]) == 2
    assert before != items(edited(text, "return 1", "return 3"))
    assert before == items(text)


def test_what_a_closure_appends_to_does_not_change_its_name() -> None:
    text = "def make():\n    seen = []\n    def inner(x): seen.append(x)\n    return inner\nf = make()"
    with loaded(text) as module:
        code = Code(module.f)
        before = dict(code.items())
        module.f(1)
        assert Code(module.f).items() == before


@pytest.mark.parametrize(
    "body",
    [
        "return eval('RA' + 'TE')",
        "exec('global out; out = RA' + 'TE'); return out",
        "return getattr(sys.modules[__name__], 'RA' + 'TE')",
        "return vars(importlib.import_module(__name__))['RA' + 'TE']",
    ],
)
def test_what_code_may_take_from_its_own_module_by_a_computed_name_counts(body: str) -> None:
    text = f"import importlib, sys\nRATE = 1\ndef f():\n    {body}"
    before, after = items(text), items(edited(text, "RATE = 1", "RATE = 2"))
    assert {name for name in before if before[name] != after.get(name)} == {"the global `steps.RATE`"}
