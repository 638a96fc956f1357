"""Times `everfresh.lru_cache` and `everfresh.cache` against `functools` and, where installed, its peers.

    PYTHONPATH=python python3.11 bench/python/lru.py [rounds]

Every contender of a row runs once in each round, in a random order, after a warm-up; what counts is the ratio to the
row's baseline in the same round. Printed: the median of the ratios and their quartiles. The cost of the loop itself,
measured in each round too, is taken off, so that a row compares calls. Cold rows write over 64 MiB before each run and
visit the keys at random.
"""

from __future__ import annotations

import functools
import gc
import importlib
import importlib.util
import random
import statistics
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import everfresh
from everfresh._native import CachedFunction

Function = Callable[..., Any]
Runner = Callable[[Function, Sequence[Any]], int]
Rows = list[tuple[str, float, float, float, str]]

BOUND = 4096
KEYS = 1000
WASTE = bytearray(64 << 20)


def one(call: Function, keys: Sequence[Any]) -> int:
    start = time.perf_counter_ns()
    for key in keys:
        call(key)
    return time.perf_counter_ns() - start


def two(call: Function, keys: Sequence[Any]) -> int:
    start = time.perf_counter_ns()
    for key in keys:
        call(key, 7)
    return time.perf_counter_ns() - start


def keyword(call: Function, keys: Sequence[Any]) -> int:
    start = time.perf_counter_ns()
    for key in keys:
        call(key, y=7)
    return time.perf_counter_ns() - start


def loop(_call: Function, keys: Sequence[Any]) -> int:
    start = time.perf_counter_ns()
    for _key in keys:
        pass
    return time.perf_counter_ns() - start


def of_one(x: object) -> object:
    return x


def of_two(x: object, y: object) -> object:
    return x


def ints(count: int) -> list[int]:
    return [10_000 + number for number in range(count)]


def texts(count: int) -> list[str]:
    return [f"key-{number}" for number in range(count)]


def cool() -> None:
    """Push what a run left out of the processor's caches."""
    WASTE[::64] = bytes(len(WASTE) // 64)


def peers(function: Function) -> dict[str, Function]:
    """Bounded memoizers of other packages, as far as they are installed."""
    found: dict[str, Function] = {}
    for package in ("cachetools", "cachebox", "moka_py", "theine"):
        if importlib.util.find_spec(package) is None:
            continue
        module = importlib.import_module(package)
        if package in ("cachetools", "cachebox"):
            found[package] = module.cached(module.LRUCache(BOUND))(function)
        elif package == "moka_py":
            found[package] = module.cached(maxsize=BOUND)(function)
        else:
            found[package] = module.Memoize(BOUND, None)(function)
    return found


def row(
    title: str,
    run: Runner,
    contenders: dict[str, Function],
    fill: Iterable[Any],
    keys: Sequence[Any],
    *,
    rounds: int,
    cold: bool = False,
) -> Rows:
    """The first of `contenders` is the baseline. `keys` are asked for after `fill` was."""
    keys = list(keys)
    if cold:
        random.shuffle(keys)
    order = [("loop", loop, of_one), *((name, run, call) for name, call in contenders.items())]
    fill = list(fill)
    for name, runner, call in order:
        if name != "loop":
            runner(call, fill)
        runner(call, keys)
    ratios: dict[str, list[float]] = {name: [] for name in contenders}
    baseline = next(iter(contenders))
    gc.collect()
    gc.disable()
    for _round in range(rounds):
        random.shuffle(order)
        took: dict[str, int] = {}
        for name, runner, call in order:
            if cold:
                cool()
            took[name] = runner(call, keys) if cold else min(runner(call, keys) for _ in range(3))
        base = took[baseline] - took["loop"]
        for name in contenders:
            ratios[name].append((took[name] - took["loop"]) / base)
    gc.enable()
    rows: Rows = []
    for name, values in ratios.items():
        if name != baseline:
            low, middle, high = statistics.quantiles(values, n=4)
            rows.append((f"{title}: {name}", middle, low, high, baseline))
    return rows


def lru(function: Function, *, others: bool = True, size: int = BOUND) -> dict[str, Function]:
    contenders: dict[str, Function] = {
        "functools.lru_cache": functools.lru_cache(size)(function),
        "everfresh.lru_cache": everfresh.lru_cache(size)(function),
    }
    return contenders | (peers(function) if others else {})


def tabled(function: Function, deadline_ns: int | None = None) -> Function:
    """The table behind `everfresh.cached`, with a slow path that does nothing but call and store."""
    names = function.__code__.co_varnames[: function.__code__.co_argcount]

    def slow(me: CachedFunction, args: tuple[Any, ...], kwargs: dict[str, Any] | None, _state: object) -> object:
        value = function(*args, **(kwargs or {}))
        me.put(args, kwargs, value, deadline_ns=deadline_ns)
        return value

    return CachedFunction(
        function,
        slow,
        names=names,
        positional_only=0,
        positional=len(names),
        defaults=(),
        ignore=(),
        var_positional=False,
        var_keyword=False,
        maxsize=BOUND,
        maxbytes=None,
        typed=False,
        idle_ns=None,
        guard=None,
        is_async=False,
    )


def tables(function: Function) -> dict[str, Function]:
    ttl = time.monotonic_ns() + 3_600_000_000_000
    return {
        "functools.lru_cache": functools.lru_cache(BOUND)(function),
        "cached's table": tabled(function),
        "cached's table with a ttl": tabled(function, deadline_ns=ttl),
    }


def precomputed() -> dict[str, Function]:
    domain = range(10_000, 10_000 + KEYS)
    return {
        "functools.lru_cache": functools.lru_cache(BOUND)(of_one),
        "everfresh.precomputed": everfresh.precomputed(domain)(of_one),
    }


def unbounded(function: Function) -> dict[str, Function]:
    return {"functools.cache": functools.cache(function), "everfresh.cache": everfresh.cache(function)}


def bytes_per_entry(wrap: Function, count: int = 20_000) -> float:
    """What the allocator counts for a full cache, keys and values left out."""
    keys = ints(count)
    gc.collect()
    tracemalloc.start()
    cached = wrap(of_one)
    for key in keys:
        cached(key)
    gc.collect()
    # Ours takes its table from the system, where `tracemalloc` does not look.
    table = cached._table_bytes() if hasattr(cached, "_table_bytes") else 0
    size = tracemalloc.get_traced_memory()[0] + table
    tracemalloc.stop()
    return float(size) / count


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    keys, words, cold = ints(KEYS), texts(KEYS), ints(KEYS)
    rows: Rows = []
    rows += row("hit, int", one, lru(of_one), keys, ints(KEYS), rounds=rounds)
    rows += row("hit, str, same object", one, lru(of_one), words, words, rounds=rounds)
    rows += row("hit, str, equal but distinct", one, lru(of_one), words, texts(KEYS), rounds=rounds)
    rows += row("hit, 2 arguments", two, lru(of_two), keys, ints(KEYS), rounds=rounds)
    rows += row("hit, with a keyword", keyword, lru(of_two), keys, ints(KEYS), rounds=rounds)
    rows += row("hit, int, inside a domain", one, precomputed(), keys, ints(KEYS), rounds=rounds)
    floats = [number / 4 for number in range(KEYS)]
    rows += row("hit, float", one, lru(of_one, others=False), floats, floats, rounds=rounds)
    rows += row("hit, int, cold", one, lru(of_one, others=False), keys, cold, rounds=rounds, cold=True)
    scan = ints(2 * KEYS)
    rows += row("miss, int", one, lru(of_one, others=False, size=KEYS), scan, scan, rounds=rounds)
    scanned = texts(2 * KEYS)
    rows += row("miss, str", one, lru(of_one, others=False, size=KEYS), scanned, scanned, rounds=rounds)
    rows += row("unbounded hit, int", one, unbounded(of_one), keys, ints(KEYS), rounds=rounds)
    rows += row("unbounded hit, int, cold", one, unbounded(of_one), keys, cold, rounds=rounds, cold=True)
    rows += row("unbounded hit, str, cold", one, unbounded(of_one), words, words, rounds=rounds, cold=True)
    rows += row("hit, int", one, tables(of_one), keys, ints(KEYS), rounds=rounds)
    rows += row("hit, str, same object", one, tables(of_one), words, words, rounds=rounds)
    rows += row("hit, 2 arguments", two, tables(of_two), keys, ints(KEYS), rounds=rounds)
    rows += row("hit, with a keyword", keyword, tables(of_two), keys, ints(KEYS), rounds=rounds)
    print(f"Python {sys.version.split()[0]}, {rounds} rounds; ratio to functools, median (quartiles)")
    for title, middle, low, high, baseline in rows:
        print(f"{title:56s} {middle:6.2f}  ({low:.2f} to {high:.2f})  of {baseline}")
    for name, wrap in (
        ("functools.lru_cache", functools.lru_cache(None)),
        ("functools.lru_cache, bounded", functools.lru_cache(1 << 20)),
        ("everfresh.cache", everfresh.cache),
        ("everfresh.lru_cache, bounded", everfresh.lru_cache(1 << 20)),
    ):
        print(f"bytes per entry, int: {name:34s} {bytes_per_entry(wrap):6.0f}")


if __name__ == "__main__":
    main()
