"""CPython's own tests of `functools.lru_cache` and `functools.cache`, run against ours, each in a process of its own.

On Debian they come with `libpython3.11-testsuite`. Ours take the place of theirs in both copies of `functools` that the
test module imports, with and without its C part, before the test classes are built.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys

import pytest

CLASSES = ("TestLRUC", "TestLRUPy", "TestCacheC", "TestCachePy")

# The test module imports `functools` afresh, with and without its C part; both get our functions.
PRELUDE = """
import sys, unittest
import everfresh
from test.support import import_helper
fresh = import_helper.import_fresh_module
def ours(name, *rest, **keywords):
    module = fresh(name, *rest, **keywords)
    if name == "functools" and module is not None:
        module.lru_cache = everfresh.lru_cache
        module.cache = everfresh.cache
    return module
import_helper.import_fresh_module = ours
import test.test_functools as tests
for name in ("C", "Py"):
    module = getattr(tests, f"{name.lower()}_functools")
    assert module.lru_cache is everfresh.lru_cache and module.cache is everfresh.cache
    tests.__dict__[f"TestCache{name}"] = type(
        f"TestCache{name}", (tests.TestCache, unittest.TestCase), {"module": module, "__module__": tests.__name__}
    )
assert type(tests.c_cached_func) is type(tests.py_cached_func) is type(everfresh.cache(int))
"""
LIST = """
loader = unittest.defaultTestLoader
for name in sys.argv[1:]:
    for test in loader.getTestCaseNames(getattr(tests, name)):
        print(f"{name}.{test}")
"""
RUN = """
suite = unittest.defaultTestLoader.loadTestsFromName(sys.argv[1], tests)
result = unittest.TextTestRunner(stream=sys.stderr, verbosity=2).run(suite)
for _, reason in result.skipped:
    print("skipped:", reason)
sys.exit(0 if result.testsRun == 1 and result.wasSuccessful() else 1)
"""


def python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(entry for entry in sys.path if entry)
    return subprocess.run(
        [sys.executable, "-c", PRELUDE + code, *arguments],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def names() -> list[str]:
    if importlib.util.find_spec("test.test_functools") is None:
        return []
    listed = python(LIST, *CLASSES)
    assert listed.returncode == 0, listed.stderr
    return listed.stdout.split()


NAMES = names()


@pytest.mark.skipif(not NAMES, reason="the interpreter comes without its tests (Debian: libpython3.11-testsuite)")
def test_the_interpreter_brings_tests_of_every_class() -> None:
    assert {name.split(".")[0] for name in NAMES} == set(CLASSES)


@pytest.mark.parametrize("name", NAMES)
def test_passes_as_functools_does(name: str) -> None:
    ran = python(RUN, name)
    assert ran.returncode == 0, ran.stderr
    if "skipped:" in ran.stdout:
        pytest.skip(ran.stdout)
