"""The heart of it: what makes a stored result stale, and what does not.

Each case is a project of two modules. It is run in a fresh process, edited, and run in a fresh process again, over one
store: after an edit that changes what the function could return it computes anew, after any other it does not.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import textwrap
from dataclasses import dataclass, field
from pathlib import Path

import pytest

MAIN = """
import os
import everfresh as ef
import helpers
from helpers import Scale, twice

store = ef.Store("cache")
OFFSET = 1
RATES = {"EUR": 2}

def plus(n):
    return n + 1

def adder(step):
    def add(n):
        return n + step
    return add

add_two = adder(2)

def shouted(function):
    def wrapper(*args):
        return function(*args) + 0
    return wrapper

@shouted
def decorated(n):
    return n

PLUGINS = {"first": helpers.plugin}

def run():
    return work(5)

@ef.cached(store=store)
def work(n, factor=1):
    print("computed")
    BODY
    return n
"""

HELPERS = """
LIMIT = 10

def plus(n):
    return deep(n) + 1

def deep(n):
    return n

def twice(n):
    return n * 2

def plugin(n):
    return n + 7

class Base:
    def scale(self):
        return 2

class Scale(Base):
    factor = 3
    def of(self, n):
        return n * self.factor * self.scale()
"""


@dataclass
class Case:
    """A function's body, and an edit: a file, and what is replaced in it; or something else that is done."""

    name: str
    body: str
    edit: tuple[str, str, str] | None = None
    write: tuple[str, str] | None = None
    remove: str | None = None
    env: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    main: str | None = None


STALE = [
    Case("own body", "n = n + 1", ("main.py", "n = n + 1", "n = n + 2")),
    Case("a constant in the body", "n = [n, 'a']", ("main.py", "[n, 'a']", "[n, 'b']")),
    Case(
        "a callee in the module", "n = plus(n)", ("main.py", "return n + 1\n\ndef adder", "return n + 2\n\ndef adder")
    ),
    Case("a callee in another module", "n = helpers.plus(n)", ("helpers.py", "deep(n) + 1", "deep(n) + 2")),
    Case(
        "a callee's callee",
        "n = helpers.plus(n)",
        ("helpers.py", "def deep(n):\n    return n", "def deep(n):\n    return n + 1"),
    ),
    Case("a name that was imported from a module", "n = twice(n)", ("helpers.py", "n * 2", "n * 3")),
    Case("a module imported inside", "import helpers as h; n = h.twice(n)", ("helpers.py", "n * 2", "n * 3")),
    Case("a method of a class", "n = Scale().of(n)", ("helpers.py", "n * self.factor", "1 + n * self.factor")),
    Case("a method of a base class", "n = Scale().of(n)", ("helpers.py", "return 2", "return 4")),
    Case("an attribute of a class", "n = Scale().of(n)", ("helpers.py", "factor = 3", "factor = 4")),
    Case("a function found by getattr", "n = getattr(helpers, 'tw' + 'ice')(n)", ("helpers.py", "n * 2", "n * 3")),
    Case("a function in a registry", "n = PLUGINS['first'](n)", ("helpers.py", "n + 7", "n + 8")),
    Case(
        "a monkeypatched function",
        "n = helpers.twice(n)",
        ("main.py", "def run():\n", "def run():\n    helpers.twice = lambda n: n * 5\n"),
    ),
    Case("a global", "n = n + OFFSET", ("main.py", "OFFSET = 1", "OFFSET = 2")),
    Case("a global of another module", "n = min(n, helpers.LIMIT)", ("helpers.py", "LIMIT = 10", "LIMIT = 3")),
    Case("what is in a global dict", "n = n * RATES['EUR']", ("main.py", '{"EUR": 2}', '{"EUR": 3}')),
    Case("a closure", "n = add_two(n)", ("main.py", "adder(2)", "adder(3)")),
    Case("the code of a closure", "n = add_two(n)", ("main.py", "return n + step", "return n - step")),
    Case("a default", "n = n * factor", ("main.py", "factor=1", "factor=2")),
    Case("a decorator", "n = decorated(n)", ("main.py", "+ 0", "+ 1")),
    Case(
        "what a decorator wraps",
        "n = decorated(n)",
        ("main.py", "def decorated(n):\n    return n", "def decorated(n):\n    return -n"),
    ),
    Case("an environment variable", "n = os.environ['REGION']", env={"REGION": "south"}),
    Case("an environment variable by getenv", "n = os.getenv('REGION')", env={"REGION": "south"}),
    Case("a variable that appears", "n = os.getenv('SWITCH')", env={"SWITCH": "on"}),
    Case("an opened file", "n = open('data.txt').read()", write=("data.txt", "two"), files={"data.txt": "one"}),
    Case(
        "a file opened by a helper",
        "n = helpers.load()",
        write=("data.txt", "two"),
        files={"data.txt": "one"},
    ),
    Case(
        "a file read by pathlib",
        "from pathlib import Path; n = Path('data.txt').read_bytes()",
        write=("data.txt", "two"),
        files={"data.txt": "one"},
    ),
    Case("a listed folder", "n = sorted(os.listdir('folder'))", write=("folder/b", ""), files={"folder/a": ""}),
    Case("a walked folder", "n = [x[2] for x in os.walk('folder')]", write=("folder/b", ""), files={"folder/a": ""}),
    Case("a file that is not there and appears", "n = os.path.exists('data.txt')", write=("data.txt", "")),
    Case(
        "a file that could not be opened and appears",
        "try:\n    n = open('data.txt').read()\nexcept FileNotFoundError:\n    n = None",
        write=("data.txt", "here"),
    ),
    Case("a file that is removed", "n = os.path.isfile('data.txt')", remove="data.txt", files={"data.txt": ""}),
    Case(
        "the size of a file", "n = os.path.getsize('data.txt')", write=("data.txt", "longer"), files={"data.txt": "1"}
    ),
    Case(
        "an argument that is a path",
        "n = n",
        write=("data.txt", "two"),
        files={"data.txt": "one"},
        main="work('data.txt')",
    ),
    Case(
        "a file read in a thread",
        "import threading\nseen = []\nread = lambda: seen.append(open('data.txt').read())"
        "\nthread = threading.Thread(target=read)\nthread.start(); thread.join(); n = seen[0]",
        write=("data.txt", "two"),
        files={"data.txt": "one"},
    ),
    Case(
        "a file read in an executor",
        "from concurrent.futures import ThreadPoolExecutor\nwith ThreadPoolExecutor(1) as pool:"
        "\n    n = pool.submit(lambda: open('data.txt').read()).result()",
        write=("data.txt", "two"),
        files={"data.txt": "one"},
    ),
    Case(
        "a cached callee",
        "n = inner(n)",
        ("main.py", "return n * 10", "return n * 11"),
        main="work(5)",
    ),
    Case("a file of a cached callee", "n = reads(n)", write=("data.txt", "two"), files={"data.txt": "one"}),
]

FRESH = [
    Case("nothing", "n = helpers.plus(n)"),
    Case("a comment", "n = plus(n)", ("main.py", "def plus(n):\n", "def plus(n):\n    # why\n")),
    Case("a docstring", "n = plus(n)", ("main.py", "def plus(n):\n", 'def plus(n):\n    """Says more."""\n')),
    Case("a comment in another module", "n = helpers.plus(n)", ("helpers.py", "LIMIT = 10", "# more\n\n\nLIMIT = 10")),
    Case("moved lines", "n = plus(n)", ("main.py", "OFFSET = 1", "\n\n\n\nOFFSET = 1")),
    Case("an annotation", "n = plus(n)", ("main.py", "def plus(n):", "def plus(n: int) -> int:")),
    Case(
        "formatting",
        "n = plus(n)",
        ("main.py", "return n + 1\n\ndef adder", "return (\n        n\n        + 1\n    )\n\ndef adder"),
    ),
    Case("a function that it does not use", "n = plus(n)", ("helpers.py", "n * 2", "n * 3")),
    Case("a global that it does not use", "n = plus(n)", ("main.py", "OFFSET = 1", "OFFSET = 2")),
    Case("a variable that it does not read", "n = os.getenv('REGION')", env={"OTHER": "x"}),
    Case(
        "a file written with the same bytes",
        "n = open('data.txt').read()",
        write=("data.txt", "one"),
        files={"data.txt": "one"},
    ),
    Case("a file beside", "n = open('folder/a').read()", write=("folder/b", ""), files={"folder/a": ""}),
    Case("a new process", "n = {'a', 'b', 'c'}"),
]

EXTRA = """
def load():
    return open("data.txt").read()
"""

INNER = """
@ef.cached(store=store)
def inner(n):
    return n * 10

@ef.cached(store=store)
def reads(n):
    return open("data.txt").read()

"""


class Project:
    """Two modules and a store in a folder."""

    def __init__(self, folder: Path, case: Case) -> None:
        self.folder = folder
        body = textwrap.indent(case.body, "    ").strip()
        main = MAIN.replace("BODY", body).replace("def run():", INNER + "def run():")
        if case.main:
            main = main.replace("return work(5)", f"return {case.main}")
        self.write("main.py", main)
        self.write("helpers.py", HELPERS + EXTRA)
        for name, text in case.files.items():
            self.write(name, text)

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def run(self, env: dict[str, str]) -> tuple[str, bool]:
        """What the function returned, and whether it was computed."""
        script = "import main; value = main.run(); print(sorted(value) if isinstance(value, set) else value)"
        done = subprocess.run(
            [sys.executable, "-c", script],
            cwd=self.folder,
            env={**os.environ, "REGION": "north", "PYTHONHASHSEED": "random", "PYTHONDONTWRITEBYTECODE": "1", **env},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        *before, value = done.stdout.splitlines()
        return value, before == ["computed"]

    def edit(self, case: Case) -> None:
        if case.edit is not None:
            name, old, new = case.edit
            text = (self.folder / name).read_text()
            assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {name}"
            self.write(name, text.replace(old, new))
        if case.write is not None:
            self.write(*case.write)
        if case.remove is not None:
            (self.folder / case.remove).unlink()


@pytest.mark.parametrize("case", STALE, ids=lambda case: case.name)
def test_computes_anew_after_a_change_of(case: Case, tmp_path: Path) -> None:
    project = Project(tmp_path, case)
    first = project.run({})
    assert first[1], "the first run computes"
    assert project.run({}) == (first[0], False), "without a change it is a hit"
    project.edit(case)
    _, computed = project.run(case.env)
    assert computed, "the old result was served"
    # Back again: the first result is still there.
    if case.env:
        assert project.run({}) == (first[0], False)


@pytest.mark.parametrize("case", FRESH, ids=lambda case: case.name)
def test_is_a_hit_after_a_change_of(case: Case, tmp_path: Path) -> None:
    project = Project(tmp_path, case)
    first = project.run({})
    assert first[1], "the first run computes"
    project.edit(case)
    assert project.run(case.env) == (first[0], False)


def test_computes_anew_after_a_change_of_a_database(tmp_path: Path) -> None:
    database = sqlite3.connect(tmp_path / "data.db")
    database.execute("create table numbers as select 1 as n")
    database.commit()
    body = "import sqlite3; n = sqlite3.connect('data.db').execute('select n from numbers').fetchall()"
    project = Project(tmp_path, Case("a database", body))
    assert project.run({}) == ("[(1,)]", True)
    assert project.run({}) == ("[(1,)]", False)
    database.execute("update numbers set n = 2")
    database.commit()
    assert project.run({}) == ("[(2,)]", True)
