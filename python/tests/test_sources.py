"""Clock and random sources that a cached function reads are reported once; what packages read for themselves is not."""

from __future__ import annotations

import asyncio
import datetime
import functools
import importlib.util
import logging
import os
import random
import secrets
import tempfile
import threading
import time
import uuid
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import time as now
from typing import TYPE_CHECKING, Any

import everfresh as ef
import pytest
from projects import run, write

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow")
CLOCK = {"wall": time.time}


class Day(datetime.date):
    pass


class Timer:
    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock

    def read(self) -> float:
        return self.clock()


def in_a_thread() -> list[float]:
    seen: list[float] = []
    thread = threading.Thread(target=lambda: seen.append(time.time()))
    thread.start()
    thread.join()
    return seen


def in_an_executor() -> float:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(time.time).result() + pool.submit(lambda: time.time()).result()


def in_a_generator() -> list[float]:
    return list(map(abs, (time.time() for _ in range(2))))


def imported_inside() -> str:
    import uuid as ids

    return ids.uuid1().hex


def seeded_by_nothing() -> float:
    random.seed()
    return random.random()


IMPURE: dict[str, tuple[Callable[[], Any], str]] = {
    "time": (lambda: time.time(), "the clock (time.time)"),
    "time by another name": (lambda: now(), "the clock (time.time)"),
    "time in a registry": (lambda: CLOCK["wall"](), "the clock (time.time)"),
    "time in an attribute": (lambda: Timer().read(), "the clock (time.monotonic)"),
    "time in a thread": (in_a_thread, "the clock (time.time)"),
    "time in an executor": (in_an_executor, "the clock (time.time)"),
    "time in a generator": (in_a_generator, "the clock (time.time)"),
    "perf_counter_ns": (lambda: time.perf_counter_ns(), "the clock (time.perf_counter_ns)"),
    "localtime": (lambda: time.localtime(), "the clock (time.localtime)"),
    "strftime": (lambda: time.strftime("%Y"), "the clock (time.strftime)"),
    "now": (lambda: datetime.datetime.now(), "the clock (datetime.datetime.now)"),
    "now of a zone": (lambda: datetime.datetime.now(datetime.UTC), "the clock (datetime.datetime.now)"),
    "utcnow": (lambda: datetime.datetime.utcnow(), "the clock (datetime.datetime.utcnow)"),
    "today of a subclass": (lambda: Day.today(), "the clock (test_sources.Day.today)"),
    "urandom": (lambda: os.urandom(4), "a random source (os.urandom)"),
    "random": (lambda: random.random(), "a random source (random.random)"),
    "randint": (lambda: random.randint(1, 6), "a random source (random.randint)"),
    "shuffle": (lambda: random.shuffle([1, 2, 3]), "a random source (random.shuffle)"),
    "a generator without a seed": (lambda: random.Random().random(), "a random source (random.Random)"),
    "SystemRandom": (lambda: random.SystemRandom().random(), "a random source (random.SystemRandom.random)"),
    "seeded by nothing": (seeded_by_nothing, "a random source (random.seed)"),
    "uuid1": (imported_inside, "(uuid.uuid1)"),
    "uuid4": (lambda: uuid.uuid4(), "a random source (uuid.uuid4)"),
    "secrets": (lambda: secrets.token_hex(4), "a random source (secrets.token_hex)"),
}


def seeded() -> float:
    random.seed(7)
    return random.random() + random.randint(1, 6)


def logged() -> int:
    logging.getLogger("quiet").warning("a record has a time")
    return 1


def temporary() -> int:
    with tempfile.TemporaryDirectory() as folder:
        return len(list(Path(folder).iterdir()))


def waited() -> bool:
    return threading.Event().wait(0.001)


@functools.lru_cache(maxsize=4)
def remembered(n: int) -> int:
    return n


def unread(*, verbose: bool = False) -> int:
    if verbose:
        print(time.time())
    return 1


PURE: dict[str, Callable[[], Any]] = {
    "a generator with a seed": lambda: random.Random(1).random(),
    "the global generator with a seed": seeded,
    "a converted time": lambda: (time.gmtime(0), time.strftime("%Y", time.gmtime(0))),
    "a date of its own": lambda: datetime.datetime.fromtimestamp(0, datetime.UTC),
    "a uuid of a name": lambda: uuid.uuid5(uuid.NAMESPACE_DNS, "a"),
    "a log": logged,
    "a temporary folder": temporary,
    "a wait": waited,
    "a memo of functools": lambda: remembered(1),
    "a clock that is not read": unread,
}


@pytest.mark.parametrize("way", IMPURE)
def test_a_source_that_is_read_is_reported_once(way: str) -> None:
    function, what = IMPURE[way]
    cached = ef.cached(lambda n: (function(), n)[1])
    with pytest.warns(ef.ImpureWarning) as said:
        cached(1)
    text = next(str(one.message) for one in said if one.category is ef.ImpureWarning)
    assert " is not pure: it reads " in text
    assert what in text
    assert "Give it a ttl" in text
    with warnings.catch_warnings():
        warnings.simplefilter("error", ef.ImpureWarning)
        cached(2)


@pytest.mark.parametrize("way", IMPURE)
def test_a_source_is_refused_by_who_is_strict_and_allowed_with_a_ttl(way: str) -> None:
    function, _ = IMPURE[way]
    with pytest.raises(ef.ImpureError, match="is not pure: it reads "):
        ef.cached(strict=True)(lambda: function() and None)()
    with warnings.catch_warnings():
        warnings.simplefilter("error", ef.ImpureWarning)
        ef.cached(ttl="1h")(lambda: function() and None)()


@pytest.mark.parametrize("way", PURE)
def test_what_is_no_source_is_not_reported(way: str) -> None:
    cached = ef.cached(strict=True)(PURE[way])
    assert cached() == cached()
    assert cached.cache_info().hits == 1


def test_a_source_behind_many_other_calls_is_heard() -> None:
    @ef.cached(strict=True)
    def late(clock: Callable[[], float]) -> list[float]:
        return [read() for read in [*[float] * 50, clock]]

    with pytest.raises(ef.ImpureError, match=r"time\.time"):
        late(time.time)


def test_every_computation_hears_for_itself() -> None:
    def often() -> float:
        for _ in range(5_000):
            len("")
        return time.time()

    for _ in range(3):
        with pytest.raises(ef.ImpureError, match=r"time\.time"):
            ef.cached(strict=True)(often)()


@pytest.mark.skipif(not importlib.util.find_spec("numpy"), reason="numpy is not installed")
def test_sources_of_numpy() -> None:
    import numpy as np

    def legacy_with_seed() -> float:
        np.random.seed(1)
        return float(np.random.rand())

    impure: list[Callable[[], Any]] = [
        lambda: np.random.rand(2),
        lambda: np.random.default_rng().random(),
        lambda: np.random.RandomState().rand(),
    ]
    for one in impure:
        with pytest.raises(ef.ImpureError, match="a random source"):
            ef.cached(strict=True)(one)()
    pure: list[Callable[[], Any]] = [
        lambda: np.random.default_rng(1).random(),
        lambda: np.random.RandomState(1).rand(),
        legacy_with_seed,
        lambda: np.arange(3).sum(),
    ]
    for one in pure:
        ef.cached(strict=True)(one)()


def test_a_clock_read_by_another_module_is_reported_by_each_process(tmp_path: Path) -> None:
    write(
        tmp_path,
        main="""
            import everfresh as ef
            import helpers

            @ef.cached(store=ef.Store("cache"))
            def work(n):
                print("computed")
                return helpers.stamp() * 0 + n
        """,
        helpers="""
            import random
            from time import time

            def stamp():
                return time()
        """,
    )
    script = "import main; print(main.work(1))"
    computed, value, warned = run(tmp_path, script)
    assert (computed, value) == ("computed", "1.0")
    assert "main.work is not pure: it reads the clock (time.time). Give it a ttl" in warned
    assert run(tmp_path, script) == ["1.0"]


def test_the_word_of_a_memory_is_the_same(tmp_path: Path) -> None:
    @ef.Memory(tmp_path, verbose=0).cache
    def stamp() -> float:
        return time.time()

    with pytest.warns(ef.ImpureWarning, match=r"reads the clock \(time\.time\)"):
        stamp()


def test_a_coroutine_is_heard_and_the_task_beside_it_is_not() -> None:
    @ef.cached(strict=True)
    async def impure(gate: float) -> float:
        await asyncio.sleep(gate)
        return time.time()

    @ef.cached(strict=True)
    async def pure(gate: float) -> float:
        await asyncio.sleep(gate)
        return gate

    async def both() -> Any:
        return await asyncio.gather(impure(0.0), pure(0.0), return_exceptions=True)

    error, value = asyncio.run(both())
    assert isinstance(error, ef.ImpureError)
    assert value == 0.0
