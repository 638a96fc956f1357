"""What type checkers know of decorated functions: their parameters and their results, by mypy and by pyright."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import everfresh
import pytest

# A line ends in what a checker reveals there, or in `wrong` if it has to object. `{…}` is one of all decorators.
SOURCE = """\
import enum
from collections.abc import Callable
from typing import Any, assert_type

import everfresh as ef

memory = ef.Memory("folder")
p = ef.Pipeline("p")

{decorators}

@ef.cached
async def later(x: int, *, y: str = "") -> list[str]:
    return []

@memory.cache
async def stored_later(x: int) -> list[str]:
    return []

@ef.precomputed(range(9))
async def table_later(x: int) -> list[str]:
    return []

async def use() -> None:
    reveal_type(await later(1))  # list[str]
    reveal_type(await later(x=1, y=""))  # list[str]
    reveal_type(await stored_later(1))  # list[str]
    reveal_type(await table_later(1))  # list[str]
    await later("")  # wrong
    later(1).append("")  # wrong

class Box:
    @ef.cached
    def method(self, x: int, y: str = "") -> float:
        return 1.0

    @ef.cached(ttl="5m")
    async def method_later(self, x: int) -> float:
        return 1.0

    @ef.lru_cache
    def lru(self, x: int) -> float:
        return 1.0

    @memory.cache
    def stored(self, x: int) -> float:
        return 1.0

    @classmethod
    @ef.cached
    def made(cls, x: int) -> "Box":
        return cls()

    @ef.cached
    @classmethod
    def made_below(cls, x: int) -> "Box":
        return cls()

    @classmethod
    @memory.cache
    def stored_made(cls, x: int) -> "Box":
        return cls()

    @classmethod
    @ef.lru_cache
    def lru_made(cls, x: int) -> "Box":
        return cls()

    @staticmethod
    @ef.cached
    def of(x: int) -> str:
        return ""

    @ef.cached(maxsize=None)
    @staticmethod
    def of_below(x: int) -> str:
        return ""

    @property
    @ef.cached
    def above(self) -> bytes:
        return b""

    def below(self) -> bytes:
        return b""

    # Mypy takes no decorator on top of `@property`.
    cached_below = ef.cached(property(below))

class Special(Box):
    pass

box = Box()
reveal_type(box.method(1))  # float
reveal_type(box.method(x=1, y=""))  # float
reveal_type(Box.method(box, 1))  # float
reveal_type(box.lru(1))  # float
reveal_type(box.stored(1))  # float
reveal_type(Box.made(1))  # Box
reveal_type(Box.made_below(1))  # Box
reveal_type(box.made(1))  # Box
reveal_type(Box.stored_made(1))  # Box
reveal_type(Box.lru_made(1))  # Box
reveal_type(Box.of(1))  # str
reveal_type(box.of(1))  # str
reveal_type(box.of_below(1))  # str
reveal_type(Box.of_below(1))  # str
reveal_type(Special.made(1))  # Box
reveal_type(Special().made_below(1))  # Box
reveal_type(Special().method(1))  # float
reveal_type(Special.method(Special(), 1))  # float
reveal_type(box.above)  # bytes
reveal_type(box.method.cache_explain(1))  # str
reveal_type(Box.method.cache_explain(box, 1))  # str
reveal_type(box.method.cache_refresh(1))  # float
reveal_type(box.stored.check_call_in_cache(1))  # bool
box.method("")  # wrong
box.method(1, 2)  # wrong
box.method()  # wrong
Box.method(1)  # wrong
box.lru("")  # wrong
box.stored("")  # wrong
Box.made("")  # wrong
Box.made_below("")  # wrong
Box.of("")  # wrong
box.of_below("")  # wrong
box.method.cache_explain("")  # wrong
ef.cached(5)  # wrong
ef.cached(maxsize="many")  # wrong
ef.cached(tll="5m")  # wrong
"""
DECORATORS = {
    "cached": "@ef.cached",
    "cached_with": '@ef.cached(maxsize=10, ttl="5m", tags=("a",))',
    "lru": "@ef.lru_cache",
    "lru_with": "@ef.lru_cache(maxsize=None, typed=True)",
    "unbounded": "@ef.cache",
    "table": "@ef.precomputed(range(9), bool)",
    "stored": "@memory.cache",
    "stored_with": '@memory.cache(ignore=["y"])',
    "source": "@p.source",
    "step": '@p.step(ttl="5m")',
    "check": "@p.check",
    "sink": "@p.sink",
}
FUNCTION = """
{decorator}
def {name}(x: int, /, y: str = "", *more: float, flag: bool = False) -> dict[str, int]:
    return {{}}

reveal_type({name}(1))  # dict[str, int]
reveal_type({name}(1, "", 2.0, flag=True))  # dict[str, int]
{name}("")  # wrong
{name}()  # wrong
{name}(x=1)  # wrong
{name}(1, y=2)  # wrong
{name}(1, flag="")  # wrong
{name}(1, other=1)  # wrong
"""
OF_CACHED = """
reveal_type({name}.__wrapped__(1))  # dict[str, int]
reveal_type({name}.cache_info().hits)  # int
"""


def source() -> str:
    functions = [FUNCTION.format(name=name, decorator=decorator) for name, decorator in DECORATORS.items()]
    functions += [OF_CACHED.format(name=name) for name in ("cached", "cached_with", "lru", "lru_with", "unbounded")]
    return SOURCE.replace("{decorators}", "".join(functions))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "calls.py").write_text(source())
    return tmp_path


def package() -> Path:
    """Where the package lies that is tested."""
    return Path(everfresh.__file__).parent.parent


def plain(revealed: str) -> str:
    return re.sub(r"\b(builtins|calls)\.", "", revealed)


def expected() -> tuple[dict[int, str], set[int]]:
    """What each line reveals, and the lines that are wrong."""
    reveals, wrong = {}, set()
    for number, line in enumerate(source().splitlines(), 1):
        code, _, comment = line.partition("  # ")
        if comment == "wrong":
            wrong.add(number)
        elif code.strip().startswith("reveal_type"):
            reveals[number] = comment
    return reveals, wrong


def compare(revealed: dict[int, str], errors: dict[int, str]) -> None:
    """Says the line where a checker knows something else."""
    reveals, wrong = expected()
    lines = source().splitlines()
    assert {lines[at - 1]: said for at, said in errors.items() if at not in wrong} == {}
    assert [lines[at - 1] for at in sorted(wrong - errors.keys())] == []
    assert {lines[at - 1]: revealed.get(at) for at in reveals} == {lines[at - 1]: said for at, said in reveals.items()}


def program(checker: str, variable: str) -> str:
    """Where `cargo xtask` installed a checker, or else the user."""
    found = os.environ.get(variable) or shutil.which(checker)
    if found is None:
        pytest.skip(f"{checker} is not installed, and {variable} does not say where it is")
    return found


def test_mypy_knows_parameters_and_results(folder: Path) -> None:
    mypy = program("mypy", "EVERFRESH_MYPY")
    path = {} if package().name == "site-packages" else {"MYPYPATH": str(package())}
    command = [mypy, "--strict", "--output", "json", "--cache-dir", os.devnull, "--python-executable", sys.executable]
    run = subprocess.run(
        [*command, "calls.py"],
        cwd=folder,
        env=os.environ | path,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    revealed, errors = {}, {}
    for line in run.stdout.splitlines():
        said = json.loads(line)
        if said["file"] != "calls.py":
            continue
        found = re.fullmatch('Revealed type is "(.*)"', said["message"])
        if found:
            revealed[said["line"]] = plain(found[1])
        elif said["severity"] == "error":
            errors[said["line"]] = said["message"]
    assert revealed, run.stdout + run.stderr
    compare(revealed, errors)


def test_pyright_knows_parameters_and_results(folder: Path) -> None:
    # Pyright, with the `node` that it runs on in a wheel.
    pyright = program("basedpyright", "EVERFRESH_PYRIGHT")
    config = {"typeCheckingMode": "strict", "extraPaths": [str(package())], "include": ["calls.py"]}
    config |= dict.fromkeys(("reportUnusedCoroutine", "reportUnusedCallResult", "reportUnusedImport"), "none")
    (folder / "pyrightconfig.json").write_text(json.dumps(config))
    command = [pyright, "--outputjson", "--pythonpath", sys.executable]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600, check=False)
    revealed, errors = {}, {}
    for said in json.loads(run.stdout)["generalDiagnostics"]:
        line, message = said["range"]["start"]["line"] + 1, said["message"]
        found = re.fullmatch('Type of ".*" is "(.*)"', message, re.DOTALL)
        if found:
            revealed[line] = plain(found[1])
        elif said["severity"] == "error":
            errors[line] = message
    assert revealed, run.stdout + run.stderr
    compare(revealed, errors)
