"""Bits that are set in 32-bit numbers, from a table of all 16-bit numbers against computing them one by one.

`python examples/bit_count/bit_count.py`
"""

from __future__ import annotations

import time
from collections.abc import Callable

import everfresh as ef


def one_by_one(n: int) -> int:
    return sum(n >> bit & 1 for bit in range(32))


@ef.precomputed(range(65_536))
def ones(n: int) -> int:
    return one_by_one(n)


def by_halves(n: int) -> int:
    return ones(n >> 16) + ones(n & 0xFFFF)


# Many numbers, well spread.
NUMBERS = [n * 0x9E3779B9 & 0xFFFFFFFF for n in range(200_000)]


def timed(function: Callable[[int], int]) -> tuple[int, float]:
    start = time.perf_counter()
    return sum(map(function, NUMBERS)), time.perf_counter() - start


def main() -> None:
    for n in (0, 1, 255, 65_535, 65_536, 0xFFFFFFFF):
        print(f"{n} has {by_halves(n)} bits set")
    (looked_up, table), (computed, one) = timed(by_halves), timed(one_by_one)
    print(f"200000 numbers have {looked_up} bits set by the table and {computed} one by one")
    print(f"the table took {table:.3f} s, one by one {one:.3f} s")


if __name__ == "__main__":
    main()
