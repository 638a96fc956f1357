"""A child of a fork that happened while another thread held one of the package's locks."""

from __future__ import annotations

import functools
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import everfresh as ef
import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")

SECONDS = 60


def in_child(work: Callable[[], object]) -> None:
    """Forks here; the child does the work, and is killed if it hangs."""
    with warnings.catch_warnings():
        # That is what is tested.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if not child:
        try:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(SECONDS)
            work()
        except BaseException:
            sys.excepthook(*sys.exc_info())
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0


class Held:
    """Another thread holds a lock, until it is told."""

    def __init__(self, lock: Any) -> None:
        self._lock = lock
        self._has, self._end = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._hold)

    def _hold(self) -> None:
        with self._lock:
            self._has.set()
            self._end.wait(SECONDS)

    def __enter__(self) -> None:
        self._thread.start()
        assert self._has.wait(SECONDS)

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()


class Counted:
    """A lock that says when somebody waits for it."""

    def __init__(self, lock: Any) -> None:
        self._lock, self.asked = lock, threading.Event()

    def acquire(self) -> Any:
        self.asked.set()
        return self._lock.acquire()

    def release(self) -> None:
        self._lock.release()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()


@pytest.mark.parametrize("module", ["_cache", "_code_active", "_memory_store", "_watch"])
def test_a_fork_waits_until_no_thread_is_within_a_module_and_its_child_finds_the_lock_free(
    module: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    @ef.cached
    def double(x: int) -> int:
        return 2 * x

    assert double(1) == 2
    place: Any = __import__(f"everfresh.{module}", fromlist=["_lock"])
    lock = Counted(threading.RLock())
    monkeypatch.setattr(place, "_lock", lock)
    has = threading.Event()
    left: list[bool] = []

    def hold() -> None:
        with lock:
            has.set()
            left.append(lock.asked.wait(SECONDS))

    thread = threading.Thread(target=hold)
    thread.start()
    assert has.wait(SECONDS)
    memory = ef.Memory(tmp_path, verbose=0)

    def work() -> None:
        assert left == [True]
        assert double(3) == 6
        assert memory.eval(len, "four") == 4
        assert memory.cache(double)(4) == 8

    in_child(work)
    thread.join()
    # The parent goes on as well.
    assert double(5) == 10


def test_a_child_does_not_wait_for_who_walks_the_code_of_a_function_in_its_parent() -> None:
    @ef.cached
    def double(x: int) -> int:
        return 2 * x

    assert double(1) == 2
    function: Any = double
    with Held(function._verbs.function.lock):
        in_child(lambda: [double(1), double(2)] == [2, 4] or pytest.fail("other results"))
    assert double(3) == 6


def test_a_child_does_not_wait_for_who_uses_a_cache_in_its_parent() -> None:
    rates: ef.Cache = ef.Cache()
    begun, gate = threading.Event(), threading.Event()

    def slow() -> int:
        begun.set()
        gate.wait(SECONDS)
        return 1

    computing = threading.Thread(target=lambda: rates.get_or_compute("a", slow))
    computing.start()
    assert begun.wait(SECONDS)

    def work() -> None:
        assert rates.get_or_compute("a", lambda: 2) == 2
        rates["b"] = 3
        assert rates.get_or_compute("b", lambda: 4) == 3

    with Held(rates._lock):
        in_child(work)
    gate.set()
    computing.join()
    assert rates["a"] == 1


def test_a_child_does_not_wait_for_who_runs_a_pipeline_in_its_parent() -> None:
    p = ef.Pipeline("forked")

    @p.source
    def words(text: str) -> list[str]:
        return text.split()

    p.run(text="a b")
    node = p._nodes["words"]
    with Held(node.table._lock), Held(node.lock):
        in_child(lambda: p.run(text="a b c")["words"] == ["a", "b", "c"] or pytest.fail("other results"))
    assert p.run(text="d")["words"] == ["d"]


def test_a_child_uses_the_stores_that_threads_of_its_parent_compute_for(tmp_path: Path) -> None:
    store = ef.Store(tmp_path / "store")
    memory = ef.Memory(tmp_path / "memory", verbose=0)
    begun, gate = threading.Event(), threading.Event()
    computed: list[int] = []

    def slow(x: int) -> int:
        if not x:
            begun.set()
            gate.wait(SECONDS)
        computed.append(x)
        return 2 * x

    stored: Any = ef.cached(store=store)(slow)
    remembered: Any = memory.cache(slow)
    computing = [threading.Thread(target=function, args=(0,)) for function in (stored, remembered)]
    for thread in computing:
        thread.start()
        assert begun.wait(SECONDS)
        begun.clear()

    def work() -> None:
        assert stored(3) == 6
        assert remembered(4) == 8
        assert computed == [3, 4]

    in_child(work)
    gate.set()
    for thread in computing:
        thread.join()
    computed.clear()
    # What the child stored, and what goes on here.
    assert stored(3) == 6
    assert remembered(4) == 8
    assert stored(0) == remembered(0) == 0
    assert not computed


IMPORTING = """
import importlib.machinery, importlib.util, os, signal, sys, threading
import everfresh as ef
from everfresh import _fork

begun, waited = threading.Event(), threading.Event()

class Slow(importlib.machinery.SourceFileLoader):
    def exec_module(self, module):
        begun.set()
        waited.wait()
        super().exec_module(module)

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "everfresh._memory_arguments":
            place = os.path.join(os.path.dirname(ef.__file__), "_memory_arguments.py")
            return importlib.util.spec_from_loader(name, Slow(name, place))

@ef.cached
def double(x):
    return 2 * x

sys.meta_path.insert(0, Finder())
threading.Thread(target=importlib.import_module, args=("everfresh._memory_arguments",)).start()
begun.wait()
really = importlib.import_module

def import_module(name):
    waited.set()
    return really(name)

_fork.importlib.import_module = import_module
child = os.fork()
if not child:
    signal.alarm(60)
    assert really("everfresh._memory_arguments") and double(1) == 2
    os._exit(0)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_a_fork_waits_until_no_thread_imports_a_module_of_the_package() -> None:
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", IMPORTING], timeout=2 * SECONDS, capture_output=True, text=True
    )
    assert (ran.returncode, ran.stderr) == (0, "")


INTERRUPTED = """
import os, signal, threading
import everfresh as ef
from everfresh import _code_active

@ef.cached
def double(x):
    return 2 * x

def stop(*_):
    gate.set()
    raise KeyboardInterrupt

def hold():
    with _code_active.locked():
        has.set()
        gate.wait()

double(1)
has, gate = threading.Event(), threading.Event()
holding = threading.Thread(target=hold)
holding.start()
has.wait()
signal.signal(signal.SIGALRM, stop)
signal.setitimer(signal.ITIMER_REAL, 0.1)
child = os.fork()
if not child:
    os._exit(0)
os.waitpid(child, 0)
holding.join()
other = threading.Thread(target=double, args=(2,))
other.start()
other.join()
"""
FOREIGN = """
import os, threading
import everfresh as ef

lock, opening = threading.RLock(), threading.Event()
os.register_at_fork(before=lambda: (opening.set(), lock.acquire()), after_in_parent=lock.release)

@ef.cached
def size(path):
    with lock:
        has.set()
        opening.wait()
        return len(open(path).read())

has = threading.Event()
reading = threading.Thread(target=size, args=(__file__,))
reading.start()
has.wait()
child = os.fork()
if not child:
    os._exit(0)
os.waitpid(child, 0)
reading.join()
"""


@pytest.mark.parametrize("script", [INTERRUPTED, FOREIGN], ids=["an interrupt", "a lock that others hold over a fork"])
def test_threads_go_on_after_a_fork_that_was_kept_waiting(script: str, tmp_path: Path) -> None:
    file = tmp_path / "forks.py"
    file.write_text(script)
    ran = subprocess.run([sys.executable, "-W", "ignore", str(file)], timeout=SECONDS, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr


def test_a_fork_within_a_computation_goes_on_in_the_child() -> None:
    @ef.cached(ttl=60)
    def outer(x: int) -> int:
        in_child(lambda: inner(x) == x + 1 or pytest.fail("another result"))
        return inner(x)

    @ef.cached
    def inner(x: int) -> int:
        return x + 1

    assert outer(1) == 2


def test_forks_of_many_threads_do_not_wait_for_each_other() -> None:
    @ef.cached
    def double(x: int) -> int:
        return 2 * x

    failed: list[BaseException] = []
    ends = time.monotonic() + SECONDS

    def fork(number: int) -> None:
        try:
            for step in range(4):
                in_child(functools.partial(double, -step))
                double(number * 10 + step)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=fork, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(ends - time.monotonic(), 0))
    assert not failed and not any(thread.is_alive() for thread in threads)
