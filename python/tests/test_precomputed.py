"""`precomputed`: a table inside a domain, the function outside it."""

from __future__ import annotations

import enum
import inspect
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import everfresh as ef
import pytest

# What functions take and return here.
Data = Any


class Side(enum.Enum):
    LEFT = 1
    RIGHT = 2


def test_inside_the_domain_the_function_is_called_once_for_each_value(capsys: pytest.CaptureFixture[str]) -> None:
    @ef.precomputed(range(4))
    def square(n: Data) -> Data:
        print(n)
        return n * n

    assert capsys.readouterr().out == ""
    assert [square(n) for n in (3, 0, 3)] == [9, 0, 9]
    assert capsys.readouterr().out.split() == ["0", "1", "2", "3"]
    assert [square(n) for n in (4, -1, 4)] == [16, 1, 16]
    assert capsys.readouterr().out.split() == ["4", "-1", "4"]


def test_only_an_int_is_in_a_range() -> None:
    @ef.precomputed(range(4))
    def kind(n: Data) -> Data:
        return type(n).__name__

    assert [kind(1), kind(True), kind(1.0), kind("1")] == ["int", "bool", "float", "str"]


@pytest.mark.parametrize("domain", [range(10), range(3, 9), range(0, 10, 3), range(9, -1, -2), range(0)])
def test_any_range_is_a_domain(domain: range) -> None:
    @ef.precomputed(domain)
    def tenfold(n: Data) -> Data:
        return 10 * n

    assert [tenfold(n) for n in range(-2, 12)] == [10 * n for n in range(-2, 12)]


def test_each_parameter_has_its_domain() -> None:
    @ef.precomputed(range(2, 5), bool, Side)
    def name(n: Data, loud: Data, side: Data = Side.LEFT) -> Data:
        return (n, loud, side.name)

    for n in range(7):
        for loud in (False, True):
            for side in Side:
                assert name(n, loud, side) == name(n, loud=loud, side=side) == (n, loud, side.name)
    assert name(3, True) == (3, True, "LEFT")
    # 1 equals True, and is none.
    assert name(3, 1, Side.LEFT) == (3, 1, "LEFT")


def test_arguments_may_be_named(capsys: pytest.CaptureFixture[str]) -> None:
    @ef.precomputed(range(3))
    def half(n: Data) -> Data:
        print("computed")
        return n / 2

    assert half(n=2) == 1
    assert capsys.readouterr().out.split() == ["computed"] * 3
    assert (half(n=2), half(n=4)) == (1, 2)
    assert capsys.readouterr().out.split() == ["computed"]


def test_wrong_arguments_are_the_functions_own_affair() -> None:
    @ef.precomputed(range(3))
    def half(n: Data) -> Data:
        return n / 2

    table: Data = half
    wrong: list[Callable[[], object]] = [table, lambda: table(1, 2), lambda: table(m=1), lambda: table(1, n=1)]
    for call in wrong:
        with pytest.raises(TypeError, match="half"):
            call()


def test_it_looks_like_the_function() -> None:
    def half(n: int) -> float:
        """Half of it."""
        return n / 2

    table: Data = ef.precomputed(range(3))(half)
    assert (table.__name__, table.__doc__, table.__wrapped__) == ("half", "Half of it.", half)
    assert inspect.signature(table) == inspect.signature(half)


def test_the_table_is_filled_again_when_something_changed_that_it_was_made_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "factor"
    path.write_text("2")

    @ef.precomputed(range(3))
    def scaled(n: Data) -> Data:
        return n * int(path.read_text())

    assert scaled(2) == 4
    path.write_text("3")
    assert scaled(2) == 6


@ef.precomputed(range(90))
def fib(n: int) -> int:
    return n if n < 2 else fib(n - 1) + fib(n - 2)


@ef.precomputed(range(1, 31), bool)
def steps(n: int, odd: bool) -> int:
    """The length of Collatz's sequence, or of what it has of odd numbers."""
    return 0 if n == 1 else steps(n // 2 if n % 2 == 0 else 3 * n + 1, odd) + (n % 2 if odd else 1)


def test_a_function_may_call_itself() -> None:
    assert (fib(89), fib(91)) == (1779979416004714189, 4660046610375530309)
    assert (steps(27, False), steps(27, True)) == (111, 41)


def test_a_table_may_outlive_the_process(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def made() -> Data:
        @ef.precomputed(range(3), store=ef.Store(tmp_path / "cache"))
        def square(n: Data) -> Data:
            print("computed")
            return n * n

        return square

    assert (made()(2), made()(2)) == (4, 4)
    assert capsys.readouterr().out.split() == ["computed"] * 3


def test_results_that_callers_could_change_are_refused() -> None:
    @ef.precomputed(range(3))
    def listed(n: Data) -> Data:
        return [n]

    with pytest.raises(TypeError, match="listed returns what its callers could change"):
        listed(1)
    assert listed(5) == [5]


def test_what_is_no_domain_is_refused() -> None:
    with pytest.raises(ValueError, match="a domain for each parameter"):
        ef.precomputed()
    with pytest.raises(TypeError, match="not 5"):
        ef.precomputed(5)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="not <class 'int'>"):
        ef.precomputed(int)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="4,294,967,296 results is too large"):
        ef.precomputed(range(65_536), range(65_536))


# The table in native code.


OFFSET = 1


@ef.precomputed(range(-2, 5))
def shifted(n: int) -> int:
    return n + OFFSET


def test_a_native_table_is_filled_again_when_code_or_a_global_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [shifted(n) for n in range(-3, 6)] == list(range(-2, 7))
    monkeypatch.setitem(globals(), "OFFSET", 10)
    assert [shifted(n) for n in range(-3, 6)] == list(range(7, 16))
    monkeypatch.undo()
    assert [shifted(n) for n in range(-3, 6)] == list(range(-2, 7))


def test_a_hit_runs_no_python(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (shifted(1), shifted(1)) == (2, 2)
    ran: list[str] = []
    before = sys.getprofile()
    sys.setprofile(lambda frame, event, argument: ran.append(frame.f_code.co_name) if event == "call" else None)
    try:
        found = shifted(-2), shifted(0), shifted(4)
    finally:
        sys.setprofile(before)
    assert (found, ran) == ((-1, 1, 5), [])


def test_a_caller_that_is_cached_is_made_of_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    @ef.cached
    def twice(n: int) -> int:
        return 2 * shifted(n)

    assert (shifted(1), twice(1), twice(1)) == (2, 4, 4)
    monkeypatch.setitem(globals(), "OFFSET", 10)
    assert twice(1) == 22


def test_a_table_is_shared_by_threads() -> None:
    computed: list[int] = []

    @ef.precomputed(range(100))
    def square(n: int) -> int:
        computed.append(n)
        return n * n

    barrier = threading.Barrier(4)
    found: list[list[int]] = []

    def work() -> None:
        barrier.wait(60)
        found.append([square(n) for n in range(100)])

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert found == [[n * n for n in range(100)]] * 4
    assert computed == list(range(100))


def test_results_are_referred_to_as_often_as_they_are_held() -> None:
    made = [object() for _ in range(3)]

    @ef.precomputed(range(3))
    def function(n: int) -> str:
        return f"{n} of {len(made)}"

    first = function(1)
    before = sys.getrefcount(first)
    held = [function(1) for _ in range(100)]
    assert all(one is first for one in held)
    assert sys.getrefcount(first) == before + 100
    del held
    assert sys.getrefcount(first) == before


def test_a_native_table_takes_what_it_is_given_alone() -> None:
    from everfresh import _native

    table: Data = _native.Precomputed(lambda *args, **named: (args, named))
    assert table(1) == ((1,), {})
    assert table(1, 2, a=3) == ((1, 2), {"a": 3})
    table.fill(("a", "b"), 5, True)
    assert [table(n) for n in (4, 5, 6, 7)] == [((4,), {}), "a", "b", ((7,), {})]
    assert table(True) == ((True,), {}) and table(5.0) == ((5.0,), {}) and table(2**70) == ((2**70,), {})
    assert table(n=5) == ((), {"n": 5})
    table.fill(("c",), 5, False)
    assert table(5) == ((5,), {})
    wrong: list[tuple[Data, ...]] = [(), ([], 0, True), ((), "0", True), ((), 2**70, True)]
    for arguments in wrong:
        with pytest.raises((TypeError, ValueError, OverflowError)):
            table.fill(*arguments)
    for arguments in ((), (5,), (len, len)):
        with pytest.raises((TypeError, ValueError)):
            _native.Precomputed(*arguments)
