"""Times a hit of a cached coroutine function against a bare `await`, and its peers where they are installed.

    PYTHONPATH=python python3.11 bench/python/awaits.py [rounds]

All contenders are awaited in one coroutine of one event loop, each once in each round, in a random order, after a
warm-up. What counts is the ratio to awaiting the plain function in the same round. The cost of the loop itself is
measured in each round and taken off. Printed: the median of the ratios and their quartiles.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import importlib.util
import random
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import everfresh as ef

Function = Callable[[Any], Awaitable[Any]]

KEYS = [10_000 + number for number in range(1000)]
BOUND = 4096


async def bare(x: object) -> object:
    return x


async def awaits(call: Function) -> int:
    start = time.perf_counter_ns()
    for key in KEYS:
        await call(key)
    return time.perf_counter_ns() - start


async def loop(_call: Function) -> int:
    start = time.perf_counter_ns()
    for _key in KEYS:
        pass
    return time.perf_counter_ns() - start


def contenders() -> dict[str, Function]:
    """The bare function, ours, and memoizers of other packages, as far as they are installed."""

    async def plain(x: object) -> object:
        return x

    async def listed(x: object) -> list[object]:
        return [x]

    found: dict[str, Function] = {
        "a bare await": bare,
        "everfresh.cached": ef.cached(maxsize=BOUND)(plain),
        "everfresh.cached with a ttl": ef.cached(maxsize=BOUND, ttl="1h")(plain),
        "everfresh.cached, a list copied": ef.cached(maxsize=BOUND)(listed),
    }
    for package in ("moka_py", "cachebox", "aiocache"):
        if importlib.util.find_spec(package) is None:
            continue
        module = importlib.import_module(package)
        if package == "moka_py":
            found[package] = module.cached(maxsize=BOUND)(bare)
        elif package == "cachebox":
            found[package] = module.cached(module.LRUCache(BOUND))(bare)
        else:
            found[package] = module.cached()(bare)
    return found


async def measure(rounds: int) -> dict[str, list[float]]:
    calls = contenders()
    baseline = next(iter(calls))
    for call in calls.values():
        await awaits(call)
        await awaits(call)
    ratios: dict[str, list[float]] = {name: [] for name in calls}
    order = list(calls.items())
    gc.collect()
    gc.disable()
    for _round in range(rounds):
        random.shuffle(order)
        empty = min([await loop(bare) for _ in range(3)])
        took = {name: min([await awaits(call) for _ in range(3)]) - empty for name, call in order}
        for name in calls:
            ratios[name].append(took[name] / took[baseline])
    gc.enable()
    return ratios


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    ratios = asyncio.run(measure(rounds))
    baseline = next(iter(ratios))
    print(f"Python {sys.version.split()[0]}, {rounds} rounds; ratio to {baseline}, median (quartiles)")
    for name, values in ratios.items():
        if name != baseline:
            low, middle, high = statistics.quantiles(values, n=4)
            print(f"hit, int: {name:40s} {middle:7.2f}  ({low:.2f} to {high:.2f})")


if __name__ == "__main__":
    main()
