"""Fibonacci numbers by their definition.

Without a cache the calls grow as the numbers do, with one each number is computed once.

`python examples/fibonacci/fibonacci.py`
"""

from __future__ import annotations

from collections.abc import Callable

import everfresh as ef

calls = 0


def plain(n: int) -> int:
    global calls
    calls += 1
    return n if n < 2 else plain(n - 1) + plain(n - 2)


@ef.cache
def fib(n: int) -> int:
    global calls
    calls += 1
    return n if n < 2 else fib(n - 1) + fib(n - 2)


def counted(function: Callable[[int], int], n: int) -> tuple[int, int]:
    """The value of a function, and how often it was called."""
    global calls
    calls = 0
    return function(n), calls


def main() -> None:
    for n in (10, 20, 25):
        fib.cache_clear()
        (value, without), (_, cached) = counted(plain, n), counted(fib, n)
        print(f"fib({n}) = {value}: {without} calls without a cache, {cached} with one")
    fib.cache_clear()
    value, cached = counted(fib, 90)
    print(f"fib(90) = {value}: {cached} calls")
    info = fib.cache_info()
    print(f"the cache: {info.hits} hits, {info.misses} misses, {info.currsize} entries")


if __name__ == "__main__":
    main()
