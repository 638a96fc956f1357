"""Times hits of `everfresh.Memory` against `diskcache` and `joblib.Memory`.

    PYTHONPATH=python python3.11 bench/python/memory.py [rounds]

Every contender of a row runs once in each round, in a random order, after a warm-up; what counts is the ratio to the
row's baseline in the same round. Printed: the median of the ratios and their quartiles, and the baseline's median time.

| row | what is called |
| --- | --- |
| int | `f(n)` for 100 numbers that were computed before |
| int, each from the store | the same, with nothing at hand: as after each write of another process |
| frame in | `f(frame)` of 10^6 rows by 5 columns, which returns an int: the cost of telling the argument |
| frame out | `f(n)` that returns such a frame |
| frame in and out | `f(frame)` that returns such a frame |
| handed on | the same, for a frame that came out of a cached function |
| both | the same, with the call of that function |
| opening | `f(n)` that returns a frame of 10^5, 10^6 or 10^7 rows by 5 columns |
"""

from __future__ import annotations

import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import diskcache
import everfresh
import joblib
import numpy as np
import pandas as pd
from everfresh._memory_function import MemorizedFunc

Function = Callable[[Any], Any]


def of_int(number: int) -> int:
    return number + 1


def size(frame: pd.DataFrame) -> int:
    return len(frame)


def make(rows: int) -> pd.DataFrame:
    generator = np.random.default_rng(rows)
    return pd.DataFrame({name: generator.random(rows) for name in "abcde"})


def same(frame: pd.DataFrame) -> pd.DataFrame:
    return frame


def caches(folder: Path) -> dict[str, Callable[[Function], Function]]:
    """What decorates a function, by package."""
    return {
        "diskcache": lambda function: diskcache.Cache(str(folder / "diskcache"), size_limit=2**36).memoize()(function),
        "joblib": lambda function: joblib.Memory(folder / "joblib", verbose=0).cache(function),
        "everfresh": lambda function: everfresh.Memory(folder / "everfresh", verbose=0).cache(function),
        "everfresh r": lambda function: everfresh.Memory(folder / "everfresh", verbose=0).cache(
            function, mmap_mode="r"
        ),
    }


def row(
    title: str, functions: dict[str, Function], arguments: list[Any], baseline: str, rounds: int, times: int
) -> None:
    """Prints the ratios to the baseline."""
    for function in functions.values():
        for argument in arguments * 2:
            function(argument)
        check = getattr(function, "check_call_in_cache", None)
        assert check is None or check(arguments[0]), f"{title}: the result is not kept"
    taken: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(rounds):
        order = list(functions)
        random.shuffle(order)
        for name in order:
            function, start = functions[name], time.perf_counter_ns()
            for _ in range(times):
                for argument in arguments:
                    function(argument)
            taken[name].append((time.perf_counter_ns() - start) / times / len(arguments))
    base = statistics.median(taken[baseline]) / 1e3
    print(f"{title} ({baseline}: {base:,.1f} us)")
    for name, own in taken.items():
        ratios = [mine / other for mine, other in zip(own, taken[baseline], strict=True)]
        low, middle, high = statistics.quantiles(ratios, n=4)
        print(f"    {name:<24} {middle:8.4f}   [{low:.4f}, {high:.4f}]")


def from_store(function: Function) -> Function:
    """A function of `everfresh.Memory` that has no result at hand."""
    assert isinstance(function, MemorizedFunc)

    def call(argument: object) -> object:
        function._simple.clear()
        return function(argument)

    return call


def main(rounds: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        made = caches(Path(name))
        ints = {package: decorate(of_int) for package, decorate in made.items() if package != "everfresh r"}
        row("int", ints, list(range(100)), "diskcache", rounds, 5)
        ints["everfresh"] = from_store(ints["everfresh"])
        row("int, each from the store", ints, list(range(100)), "diskcache", rounds, 1)
        for title, function, argument in (
            ("frame in", size, make(1_000_000)),
            ("frame out", make, 1_000_000),
            ("frame in and out", same, make(1_000_000)),
        ):
            # diskcache compares pickled frames with its keys in the database: not in reach.
            frames = {package: decorate(function) for package, decorate in made.items() if package != "diskcache"}
            row(title, frames, [argument], "joblib", rounds, 1)
        made["everfresh cached"] = everfresh.cached()
        for title, link in (("handed on", handed_on), ("both", both)):
            chains = {package: link(decorate) for package, decorate in made.items() if package != "diskcache"}
            row(title, chains, [1_000_000], "joblib", rounds, 1)
        sizes = [10**5, 10**6, 10**7]
        opened = {f"10^{len(str(rows)) - 1} rows": opening(made["everfresh"](make), rows) for rows in sizes}
        row("opening", opened, [None], "10^5 rows", rounds, 5)


def handed_on(decorate: Callable[[Function], Function]) -> Function:
    """A cached function that gets what another one has handed out."""
    first, second = decorate(make), decorate(same)
    frames: dict[int, pd.DataFrame] = {}

    def call(rows: int) -> pd.DataFrame:
        if rows not in frames:
            # What is computed is its caller's; what is found is the cache's.
            first(rows)
            frames[rows] = first(rows)
        return second(frames[rows])

    return call


def both(decorate: Callable[[Function], Function]) -> Function:
    """Two cached functions, of which one gets the other's result."""
    first, second = decorate(make), decorate(same)
    return lambda rows: second(first(rows))


def opening(function: Function, rows: int) -> Function:
    """A stored result, opened."""
    return lambda _: function(rows)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 21)
