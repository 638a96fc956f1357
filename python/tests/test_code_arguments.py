"""Modules and cached functions as arguments: each counts with all code that it stands for."""

# mypy: disable-error-code="no-any-return,untyped-decorator"

from __future__ import annotations

import functools
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import everfresh as ef
import pytest
from code_modules import HELPERS, STEPS, edited, loaded
from everfresh import _native as native

# What functions take and return here.
Data = Any
calls: list[Data] = []


@pytest.fixture(autouse=True)
def no_calls() -> None:
    calls.clear()


def fingerprint_in(make: Callable[[Any], object], steps: str = STEPS, helpers: str = HELPERS) -> bytes:
    with loaded(steps, helpers) as module:
        return native.fingerprint(make(module))


# Modules.


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("FACTOR = 3", "FACTOR = 4"),
        ("return x * 2", "return x * 3"),
        ("unrelated = 0", "unrelated = 1"),
        ("y=5", "y=7"),
        ('SEEN = {"a", "b", "c"}', 'SEEN = {"a", "b"}'),
        ("FACTOR = 3", "FACTOR = 3\nMORE = 1"),
        ("FACTOR = 3", "FACTOR = 3\ndef __getattr__(name): return 1"),
    ],
)
def test_a_module_of_the_users_counts_with_everything_in_it(old: str, new: str) -> None:
    assert fingerprint_in(lambda steps: steps) != fingerprint_in(lambda steps: steps, edited(STEPS, old, new))


@pytest.mark.parametrize(("old", "new"), [("LIMIT = 10", "LIMIT = 11"), ("return x - 1", "return x - 2")])
def test_a_module_counts_with_the_users_modules_that_it_holds(old: str, new: str) -> None:
    assert fingerprint_in(lambda steps: steps) != fingerprint_in(lambda steps: steps, helpers=edited(HELPERS, old, new))


@pytest.mark.parametrize(
    ("old", "new"), [("# a comment", "# another"), ("Steps.", "The steps."), ("Doc of f.", "What f does.")]
)
def test_comments_and_docstrings_of_a_module_do_not_count(old: str, new: str) -> None:
    assert fingerprint_in(lambda steps: steps) == fingerprint_in(lambda steps: steps, edited(STEPS, old, new))


def test_modules_are_told_by_their_names_too_and_packages_by_their_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    assert native.fingerprint(json) == native.fingerprint(json) != native.fingerprint(re)
    assert native.fingerprint(json) != native.fingerprint("json")
    before = native.fingerprint(json)
    from everfresh import _code_origin, _observed

    monkeypatch.setitem(_code_origin._versions, "Python", b"another version".ljust(32))
    monkeypatch.setattr(_observed, "_codes", {})
    assert native.fingerprint(json) != before


def test_a_cached_function_sees_that_a_module_among_its_arguments_was_edited() -> None:
    @ef.cached
    def run(module: ModuleType, x: int) -> Data:
        calls.append(x)
        return module.helper(x)

    with loaded() as steps:
        assert (run(steps, 2), run(steps, 2)) == (4, 4)
        steps.unrelated = 5
        assert run(steps, 2) == 4
        steps.helper = lambda x: x * 5
        assert (run(steps, 2), run(steps, 2)) == (10, 10)
    assert calls == [2, 2, 2]


def test_a_module_that_holds_what_nothing_tells_is_refused_with_the_ways_out() -> None:
    @ef.cached
    def run(module: ModuleType) -> int:
        return 1

    @ef.cached(ignore=("module",))
    def ignoring(module: ModuleType) -> int:
        return 2

    with loaded(STEPS + "\nimport itertools\ncounter = itertools.count()\n") as steps:
        with pytest.raises(TypeError) as raised:
            run(steps)
        for text in ("argument `module` of ", "the module steps", "`steps.counter`", "iterator", "`ignore=`", "`key=`"):
            assert text in str(raised.value)
        assert ignoring(steps) == 2


# Cached functions.

WRAPPERS: dict[str, Callable[[Data, Path], Data]] = {
    "cached": lambda function, _: ef.cached(function),
    "lru_cache": lambda function, _: ef.lru_cache(function),
    "cache": lambda function, _: ef.cache(function),
    "functools": lambda function, _: functools.lru_cache(function),
    "memory": lambda function, folder: ef.Memory(folder, verbose=0).cache(function),
    "memory that is off": lambda function, _: ef.Memory(None, verbose=0).cache(function),
    "precomputed": lambda function, _: ef.precomputed(range(4))(function),
    "partial of cached": lambda function, _: functools.partial(ef.cached(function), 1),
}


@pytest.mark.parametrize("wrap", WRAPPERS.values(), ids=WRAPPERS.keys())
def test_a_cached_function_counts_as_the_function_that_it_wraps(
    wrap: Callable[[Data, Path], Data], tmp_path: Path
) -> None:
    def make(steps: Any) -> Data:
        return wrap(steps.helper, tmp_path)

    def make_other(steps: Any) -> Data:
        return wrap(steps.count, tmp_path)

    before = fingerprint_in(make)
    assert fingerprint_in(make) == before
    assert fingerprint_in(make, edited(STEPS, "# a comment", "# another")) == before
    assert fingerprint_in(make, edited(STEPS, "return x * 2", "return x * 3")) != before
    assert fingerprint_in(make_other) != before


def test_what_a_cached_argument_reaches_counts_as_well(tmp_path: Path) -> None:
    def make(steps: Any) -> Data:
        return ef.cached(sys.modules["helpers"].clean)

    assert fingerprint_in(make) != fingerprint_in(make, helpers=edited(HELPERS, "return x - 1", "return x - 2"))


class Scale:
    def __init__(self, factor: int) -> None:
        self.factor = factor

    @ef.cached
    def times(self, x: int) -> int:
        return self.factor * x

    @classmethod
    @ef.cached
    def name(cls, x: int) -> str:
        return cls.__name__ * x


class Larger(Scale):
    pass


def test_cached_methods_count_with_what_they_are_bound_to() -> None:
    values: list[Data] = [Scale(2).times, Scale(3).times, Scale.times, Scale.name, Larger.name]
    fingerprints = [native.fingerprint(value) for value in values]
    assert len(set(fingerprints)) == len(values)
    again: list[Data] = [Scale(2).times, Scale(3).times, Scale.times, Scale.name, Larger.name]
    assert [native.fingerprint(value) for value in again] == fingerprints


def test_a_cached_function_may_be_called_by_the_one_that_gets_it(tmp_path: Path) -> None:
    path = tmp_path / "offset"
    path.write_text("1")

    @ef.cached
    def offset(x: int) -> int:
        return x + int(path.read_text())

    @ef.cached
    def apply(function: Callable[[int], int], x: int) -> int:
        calls.append(x)
        return function(x)

    assert (apply(offset, 1), apply(offset, 1)) == (2, 2)
    path.write_text("5")
    # What it read counts for its caller.
    assert apply(offset, 1) == 6
    assert calls == [1, 1]


@pytest.mark.parametrize("memo", [functools.lru_cache, ef.lru_cache])
def test_a_plain_memo_among_the_arguments_does_not_hide_what_it_read(memo: Data, tmp_path: Path) -> None:
    path = tmp_path / "offset"
    path.write_text("1")

    @memo
    def offset(x: int) -> int:
        return x + int(path.read_text())

    @ef.cached
    def apply(function: Callable[[int], int], x: int) -> int:
        return function(x)

    assert offset(1) == 2
    assert apply(offset, 1) == 2
    path.write_text("5")
    assert apply(offset, 1) == 6


def test_functions_that_no_name_finds_are_kept_as_arguments() -> None:
    @ef.cached
    def apply(functions: Data, x: int) -> int:
        calls.append(x)
        first = functions[0] if isinstance(functions, list) else functions
        return first(x)

    class Local:
        def __everfresh_key__(self) -> object:
            return ()

        def __call__(self, x: int) -> int:
            return x + 3

    def local(x: int) -> int:
        return x + 1

    instance = Local()
    given: list[Data] = [local, [local], functools.partial(local), instance, [instance.__call__], ef.lru_cache(local)]
    for functions in given:
        calls.clear()
        assert apply(functions, 1) == apply(functions, 1)
        assert calls == [1]


def test_a_memory_counts_code_of_arguments_though_nobody_asked_for_cached(tmp_path: Path) -> None:
    script = """
import sys
import everfresh as ef
def inner(x): return x + {step}
def outer(x): return inner(x)
memory = ef.Memory(sys.argv[1], verbose=0)
def apply(function, x): return function(x)
print(memory.cache(apply)(outer, 1))
"""
    printed = []
    for step in (1, 2):
        path = tmp_path / "script.py"
        path.write_text(script.format(step=step))
        run = [sys.executable, str(path), str(tmp_path / "cache")]
        printed.append(subprocess.run(run, check=True, capture_output=True, text=True, timeout=120).stdout.strip())
    assert printed == ["2", "3"]
