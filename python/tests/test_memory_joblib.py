"""joblib's own tests of its `Memory`, from the installed wheel, run against `everfresh.Memory`.

Each test runs in a process of its own with a time limit. Those that look into joblib's store are none of public names:
they name one of `INTERNAL`. Of the others at most a tenth is in `LEFT_OUT`, each with its reason.
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import textwrap
from importlib.util import find_spec
from pathlib import Path

import pytest

FILES = ("test_memory.py", "test_memory_async.py")

# What a test names that looks into joblib's store, and why that is no public name.
INTERNAL = {
    "_build_func_identifier": "the folder of a function",
    "_call_id": "the folder of a result",
    "_check_previous_func_code": "how joblib compares source text",
    "_get_args_id": "the folder of a result",
    "_setup_toy_cache": "looks at the folders of results; test_memory.py has the like for reduce_size and clear",
    "_store_backend_factory": "joblib's registry of backends",
    "corrupt_single_cache_item": "overwrites output.pkl; test_memory.py has the like for a damaged file",
    "FileSystemStoreBackend": "joblib's store",
    "listdir": "the layout of the folder",
    "register_store_backend": "joblib's registry of backends",
    "store_backend": "joblib's store",
}

COLLISIONS = "functions of one name do not collide here, so nobody is warned: the results of both are kept"
LEFT_OUT = {
    "test_memory_name_collision": COLLISIONS,
    "test_memory_warning_lambda_collisions": COLLISIONS,
    "test_memory_warning_collision_detection": COLLISIONS,
    "test_memory_creates_gitignore": "the file is in the store's own folder, and does not say that joblib made it",
}

OURS = """
from everfresh import Memory, expires_after
from everfresh._memory_async import AsyncMemorizedFunc
from everfresh._memory_function import MemorizedFunc
from everfresh._memory_off import AsyncNotMemorizedFunc, NotMemorizedFunc
from everfresh._memory_result import MemorizedResult, NotMemorizedResult
"""

# joblib uses pytest-asyncio, and unrolls what pytest would warn of.
CONFTEST = """
import asyncio, inspect, pytest

def pytest_configure(config):
    for marker in ("asyncio", "thread_unsafe"):
        config.addinivalue_line("markers", marker)

@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = pyfuncitem._fixtureinfo.argnames
    asyncio.run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names}))
    return True
"""


def sources() -> dict[str, str]:
    """The text of joblib's tests; none without joblib."""
    spec = find_spec("joblib.test")
    if spec is None or spec.origin is None:
        return {}
    return {name: Path(spec.origin).with_name(name).read_text() for name in FILES}


def cases() -> dict[str, tuple[str, str]]:
    """Place and text of each test, by its name."""
    found = {}
    for file, source in sources().items():
        tree = ast.parse(source)
        nodes = [("", node) for node in tree.body]
        nodes += [(f"{top.name}::", node) for top in tree.body if isinstance(top, ast.ClassDef) for node in top.body]
        for prefix, node in nodes:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                found[node.name] = f"{file}::{prefix}{node.name}", ast.get_source_segment(source, node) or ""
    return found


TESTS = cases()
PUBLIC = {name for name, (_, text) in TESTS.items() if not set(re.findall(r"\w+", text)).intersection(INTERNAL)}


def ours(source: str) -> str:
    """A test file with our names in place of joblib's."""
    source = re.sub(r"(from joblib.memory import \(.*?\n\)\n)", lambda found: found[1] + OURS, source, flags=re.DOTALL)
    source = source.replace("    from joblib import Memory\n", "    from everfresh import Memory\n")
    # What is computed anew is checked; that functions of one name collide is not said.
    return source.replace("    with warns(JobLibCollisionWarning):\n", "    if True:\n")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    package = tmp_path_factory.mktemp("joblib") / "joblib_tests"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "conftest.py").write_text(CONFTEST)
    for name, source in sources().items():
        (package / name).write_text(ours(source))
    return package


@pytest.mark.skipif(not TESTS, reason="joblib is not installed")
@pytest.mark.parametrize("name", sorted(PUBLIC - LEFT_OUT.keys()))
def test_joblibs_own_tests_hold(name: str, folder: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-x", "--rootdir", str(folder), "-p", "no:cacheprovider"]
    command += ["--basetemp", str(tmp_path / "base"), str(folder / TESTS[name][0])]
    environment = {**os.environ, "XDG_DATA_HOME": str(tmp_path)}
    run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert re.search(r"\d+ passed", run.stdout), textwrap.shorten(run.stdout, 200)


@pytest.mark.skipif(not TESTS, reason="joblib is not installed")
def test_at_most_a_tenth_is_left_out() -> None:
    assert LEFT_OUT.keys() <= PUBLIC
    assert len(LEFT_OUT) <= len(PUBLIC) / 10, sorted(PUBLIC)
