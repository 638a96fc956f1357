"""Times what a miss of a cached function adds to a computation: its code and its reads are written down while it runs.

    PYTHONPATH=python python3.11 bench/python/misses.py [rounds]

Each function loops over one kind of cheap work, which is where it costs most. In each round, in a random order, it is
called bare and, cached, with an argument that it never had. What counts is the ratio of the two. Printed: the bare time
of one turn of the loop, the median of the ratios and their quartiles.
"""

from __future__ import annotations

import contextlib
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import everfresh as ef

Work = Callable[[int], object]

TURNS = 20_000
RATES = "rates.csv"
LINE = "2026-11-23,EUR,1.25"


def plain(x: int) -> int:
    return x + 1


def adder(n: int) -> Callable[[int], int]:
    def add(x: int) -> int:
        return x + n

    return add


add_one = adder(1)


def arithmetic(turns: int) -> int:
    total = 0
    for n in range(turns):
        total += n * n
    return total


def calls_of_a_function(turns: int) -> int:
    total = 0
    for _ in range(turns):
        total = plain(total)
    return total


def calls_of_a_closure(turns: int) -> int:
    total = 0
    for _ in range(turns):
        total = add_one(total)
    return total


def calls_of_builtins(turns: int) -> int:
    total = 0
    for n in range(turns):
        total += abs(-n)
    return total


def methods_of_strings(turns: int) -> int:
    total = 0
    for _ in range(turns):
        total += len(LINE.split(","))
    return total


def files_that_are_read(turns: int) -> int:
    total = 0
    for _ in range(turns // 100):
        total += len(Path(RATES).read_text())
    return total


WORK: tuple[Work, ...] = (
    arithmetic,
    calls_of_a_function,
    calls_of_a_closure,
    calls_of_builtins,
    methods_of_strings,
    files_that_are_read,
)


def took(work: Work, turns: int) -> int:
    start = time.perf_counter_ns()
    work(turns)
    return time.perf_counter_ns() - start


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 30
    print(f"Python {sys.version.split()[0]}, {rounds} rounds; a miss against the bare call, median (quartiles)")
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        Path(RATES).write_text("EUR,1.25\n" * 100)
        for work in WORK:
            cached = ef.cached(maxsize=4)(work)
            took(work, TURNS)
            took(cached, TURNS)
            bare, ratios = [], []
            for step in range(rounds):
                # Another number of turns is another argument.
                turns = TURNS + 1 + step
                order: list[tuple[str, Work]] = [("bare", work), ("cached", cached)]
                random.shuffle(order)
                times = {name: took(call, turns) for name, call in order}
                bare.append(times["bare"] / turns)
                ratios.append(times["cached"] / times["bare"])
            low, middle, high = statistics.quantiles(ratios, n=4)
            name = work.__name__.replace("_", " ")
            print(f"{name:24s} {statistics.median(bare):6.0f} ns  {middle:7.2f}  ({low:.2f} to {high:.2f})")


if __name__ == "__main__":
    main()
