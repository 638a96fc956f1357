"""Pipelines: who takes what, what runs again, and what stops."""

from __future__ import annotations

import asyncio
import functools
import subprocess
import threading
import xml.etree.ElementTree as ET
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import everfresh as ef
import pytest

# What functions take and return here.
Data = Any
Ran = Callable[[], list[str]]


@pytest.fixture
def ran(capsys: pytest.CaptureFixture[str]) -> Ran:
    """Which nodes ran since it was last asked: each prints its name."""
    return lambda: capsys.readouterr().out.split()


def orders_pipeline(path: Path | None = None, **options: object) -> ef.Pipeline:
    """orders -> large -> total, and rates that only total takes."""
    p = ef.Pipeline("shop", cache_dir=path, **options)  # type: ignore[arg-type]

    @p.source
    def orders(least: Data) -> Data:
        print("orders")
        return [order for order in (5, 30, 12) if order >= least]

    @p.source
    def rate(currency: Data = "EUR") -> Data:
        print("rate")
        return {"EUR": 2, "JPY": 3}[currency]

    @p.step
    def large(orders: Data) -> Data:
        print("large")
        return [order for order in orders if order > 10]

    @p.step
    def total(large: Data, rate: Data) -> Data:
        print("total")
        return sum(large) * rate

    return p


def test_a_parameter_takes_the_node_of_its_name_or_what_run_is_given_or_its_default(ran: Ran) -> None:
    results = orders_pipeline().run(least=6, currency="JPY")
    assert dict(results) == {"orders": [30, 12], "rate": 3, "large": [30, 12], "total": 126}
    assert orders_pipeline().run(least=0)["total"] == 84


def test_functions_stay_as_they_were() -> None:
    p = ef.Pipeline("plain")

    def twice(n: int) -> int:
        return 2 * n

    assert p.step(twice) is twice
    assert p.sink(ttl="5m")(twice) is twice
    assert twice(4) == 8


def test_an_unchanged_run_computes_nothing(ran: Ran) -> None:
    p = orders_pipeline()
    p.run(least=6)
    assert sorted(ran()) == ["large", "orders", "rate", "total"]
    assert p.run(least=6)["total"] == 84
    assert ran() == []


def test_results_outlive_the_pipeline_in_its_folder(tmp_path: Path, ran: Ran) -> None:
    orders_pipeline(tmp_path / "cache").run(least=6)
    ran()
    assert orders_pipeline(tmp_path / "cache").run(least=6)["total"] == 84
    assert ran() == []


def test_only_what_takes_an_input_that_changed_runs_again(ran: Ran) -> None:
    p = orders_pipeline()
    p.run(least=6)
    ran()
    assert p.run(least=6, currency="JPY")["total"] == 126
    assert ran() == ["rate", "total"]


@pytest.mark.parametrize("stored", [False, True])
def test_a_node_that_gives_what_it_gave_before_stops_the_wave(stored: bool, tmp_path: Path, ran: Ran) -> None:
    p = orders_pipeline(tmp_path / "cache" if stored else None)
    p.run(least=13)
    ran()
    # 30 alone is left, as before.
    p.run(least=20)
    assert ran() == ["orders"]


def test_a_step_that_was_edited_runs_again_and_what_takes_it_if_it_gives_something_else(ran: Ran) -> None:
    p = ef.Pipeline("edited")

    @p.source
    def words() -> Data:
        return ["a", "bc"]

    def define(least: int) -> None:
        @p.step
        def lengths(words: Data) -> Data:
            print("lengths")
            return [len(word) for word in words if len(word) >= least]

    define(1)

    @p.step
    def longest(lengths: Data) -> Data:
        print("longest")
        return max(lengths)

    p.run()
    assert ran() == ["lengths", "longest"]
    define(0)
    p.run()
    assert ran() == ["lengths"]
    define(2)
    p.run()
    assert ran() == ["lengths", "longest"]


def test_a_file_that_a_source_reads_counts(tmp_path: Path, ran: Ran) -> None:
    p, path = ef.Pipeline("files"), tmp_path / "words"

    @p.source
    def words(path: Data) -> Data:
        print("words")
        return Path(path).read_text().split()

    path.write_text("one two")
    assert p.run(path=str(path))["words"] == ["one", "two"]
    assert p.run(path=str(path))["words"] == ["one", "two"]
    assert ran() == ["words"]
    path.write_text("three")
    assert p.run(path=str(path))["words"] == ["three"]


def test_targets_by_name_or_function_run_with_what_they_need_alone(ran: Ran) -> None:
    p = orders_pipeline()
    assert dict(p.run("large", least=6)) == {"large": [30, 12]}
    assert ran() == ["orders", "large"]

    @p.step
    def count(orders: Data) -> Data:
        print("count")
        return len(orders)

    assert dict(p.run(count, "rate", least=6)) == {"count": 2, "rate": 2}
    assert sorted(ran()) == ["count", "rate"]


def test_what_is_wrong_is_said_before_anything_runs(ran: Ran) -> None:
    p = orders_pipeline()
    with pytest.raises(ValueError, match="shop has no node `totals`; it has orders, rate, large, total"):
        p.run("totals", least=6)
    with pytest.raises(TypeError, match="the source `orders` of the pipeline `shop` needs `least`"):
        p.run()
    with pytest.raises(TypeError, match="no node of the pipeline `shop` takes `lest`: they take currency, least"):
        p.plan(lest=6)
    with pytest.raises(TypeError, match="the source `rate` of the pipeline `shop` is computed: it is no input"):
        p.run(least=6, rate=5)
    with pytest.raises(ValueError, match="jobs"):
        p.run(least=6, jobs=0)
    assert ran() == []


def test_nodes_that_wait_for_each_other_are_named() -> None:
    p = ef.Pipeline("round")

    @p.step
    def hen(egg: Data) -> Data:
        return egg

    @p.step
    def egg(hen: Data) -> Data:
        return hen

    with pytest.raises(
        ValueError, match=r"pipeline `round` wait for each other: (hen -> egg -> hen|egg -> hen -> egg)"
    ):
        p.run()
    with pytest.raises(ValueError, match="wait for each other"):
        p.plan("hen")


def test_a_name_belongs_to_one_function() -> None:
    p = orders_pipeline()

    def orders() -> Data:
        return []

    with pytest.raises(ValueError, match="shop has the source `orders` from test_pipeline already"):
        p.source(orders)

    def ask(jobs: Data) -> Data:
        return jobs

    with pytest.raises(ValueError, match="`jobs`, which is an option of run"):
        p.source(ask)


def test_generators_and_unknown_names_are_refused() -> None:
    p = ef.Pipeline("refused")
    with pytest.raises(TypeError, match=r"a step is a function with a name, not functools\.partial"):
        p.step(functools.partial(len, ()))

    def lines() -> Data:
        yield 1

    with pytest.raises(TypeError, match="generator"):
        p.source(lines)

    def line() -> Data:
        return 1

    with pytest.raises(ValueError, match="the step `line` has no parameter `conn`"):
        p.step(ignore=("conn",))(line)
    with pytest.raises(ValueError, match="duration"):
        ef.Pipeline("refused", ttl="soon")


def test_a_node_may_change_what_it_is_given_and_nobody_else_sees_it(ran: Ran) -> None:
    p = ef.Pipeline("own")

    @p.source
    def numbers() -> Data:
        return [3, 1, 2]

    @p.step
    def smallest(numbers: Data) -> Data:
        numbers.sort()
        return numbers[0]

    @p.step
    def first(numbers: Data) -> Data:
        return numbers[0]

    results = p.run()
    results["numbers"].clear()
    assert (results["smallest"], results["first"], p.run()["numbers"]) == (1, 3, [3, 1, 2])


def test_an_error_says_where_it_was_raised() -> None:
    p = ef.Pipeline("errors")

    @p.step
    def broken() -> Data:
        return 1 / 0

    for jobs in (1, 2):
        with pytest.raises(ZeroDivisionError) as raised:
            p.run(jobs=jobs)
        assert raised.value.__notes__ == ["in the step `broken` of the pipeline `errors`"]


def test_independent_nodes_run_at_once() -> None:
    p, both = ef.Pipeline("parallel"), threading.Barrier(2, timeout=60)

    @p.source
    def left() -> Data:
        both.wait()
        return 1

    @p.source
    def right() -> Data:
        both.wait()
        return 2

    @p.step
    def together(left: Data, right: Data) -> Data:
        return left + right

    assert p.run(jobs=2)["together"] == 3


def test_of_all_runs_at_once_one_computes(ran: Ran) -> None:
    p, ready = ef.Pipeline("hammered"), threading.Barrier(8, timeout=60)

    @p.source
    def numbers() -> Data:
        print("numbers")
        return [1, 2]

    @p.step
    def total(numbers: Data) -> Data:
        print("total")
        return sum(numbers)

    def run() -> Data:
        ready.wait()
        return p.run(jobs=2)["total"]

    with ThreadPoolExecutor(8) as pool:
        assert [future.result() for future in [pool.submit(run) for _ in range(8)]] == [3] * 8
    assert ran() == ["numbers", "total"]


def test_coroutine_functions_are_nodes_too() -> None:
    p = ef.Pipeline("async")

    @p.source
    async def answer() -> Data:
        await asyncio.sleep(0)
        return 41

    @p.step
    async def more(answer: Data) -> Data:
        return answer + 1

    async def in_a_loop() -> Data:
        p.clear()
        return p.run()["more"]

    assert p.run()["more"] == 42
    assert asyncio.run(in_a_loop()) == 42


def test_clear_forgets_one_stage_or_all(ran: Ran) -> None:
    p = orders_pipeline()
    p.run(least=6)
    ran()
    p.clear("large")
    p.run(least=6)
    assert ran() == ["large"]
    p.clear()
    p.run(least=6)
    assert sorted(ran()) == ["large", "orders", "rate", "total"]
    with pytest.raises(ValueError, match="no node `lage`"):
        p.clear("lage")


def test_options_are_those_of_cached(ran: Ran) -> None:
    p, seen = ef.Pipeline("options"), {"version": 1}
    version = ef.value("version", lambda: seen["version"])

    @p.source(ttl=0)
    def clock() -> Data:
        print("clock")
        return 12

    @p.source(depends=version)
    def rules() -> Data:
        print("rules")
        return "strict"

    @p.step(ignore=("conn",), tags=("rates",))
    def rates(conn: Data) -> Data:
        print("rates")
        return 1.5

    p.run(conn=object())
    assert sorted(ran()) == ["clock", "rates", "rules"]
    p.run(conn=object())
    assert ran() == ["clock"]
    seen["version"] = 2
    p.run(conn=object())
    assert ran() == ["clock", "rules"]
    ef.invalidate_tag("rates")
    p.run(conn=object())
    assert ran() == ["clock", "rates"]


def test_ttl_of_the_pipeline_is_that_of_nodes_that_have_none(ran: Ran) -> None:
    p = ef.Pipeline("ttl", ttl=0)

    @p.source
    def always() -> Data:
        print("always")

    @p.source(ttl="1h")
    def hourly() -> Data:
        print("hourly")

    p.run()
    p.run()
    assert ran() == ["always", "hourly", "always"]


def test_disabled_it_computes_everything_and_keeps_nothing(tmp_path: Path, ran: Ran) -> None:
    p = orders_pipeline(tmp_path / "cache", enabled=False)
    assert [p.run(least=6)["total"], p.run(least=6)["total"]] == [84, 84]
    assert len(ran()) == 8
    assert list(tmp_path.iterdir()) == []
    assert {planned.action for planned in p.plan(least=6)} == {"run"}


def test_the_plan_says_what_would_run_and_why_and_runs_nothing(tmp_path: Path, ran: Ran) -> None:
    p, path = ef.Pipeline("etl"), tmp_path / "numbers"
    path.write_text("1 2")

    @p.source
    def numbers(path: Data) -> Data:
        print("numbers")
        return [int(number) for number in Path(path).read_text().split()]

    @p.source
    def factor() -> Data:
        print("factor")
        return 2

    @p.step
    def scaled(numbers: Data, factor: Data) -> Data:
        print("scaled")
        return [factor * number for number in numbers]

    plan = p.plan(path=str(path))
    assert [(planned.name, planned.action) for planned in plan] == [
        ("numbers", "run"),
        ("factor", "run"),
        ("scaled", "maybe"),
    ]
    assert (plan["scaled"].kind, plan["scaled"].reason) == ("step", "if numbers or factor gives something new")
    assert ran() == []
    p.run(path=str(path))
    ran()
    assert p.plan(path=str(path)).runs == []
    path.write_text("1 2 3")
    assert str(p.plan(path=str(path))).splitlines() == [
        "etl: 2 of 3 would run",
        f"  numbers  source  run    the file `{path}` changed",
        "  factor   source  hit",
        "  scaled   step    maybe  if numbers gives something new",
    ]
    assert ran() == []


def test_explain_says_what_a_node_was_made_from_or_what_changed(tmp_path: Path) -> None:
    p, path = ef.Pipeline("why", cache_dir=tmp_path / "cache"), tmp_path / "numbers"
    path.write_text("1 2")

    @p.source
    def numbers(path: Data) -> Data:
        return Path(path).read_text().split()

    @p.step
    def count(numbers: Data) -> Data:
        return len(numbers)

    assert p.explain("count", path=str(path)) == "miss, if numbers gives something new"
    p.run(path=str(path))
    assert p.explain(numbers, path=str(path)).startswith("hit")
    assert f"file {path}" in p.explain(numbers, path=str(path))
    path.write_text("1 2 3")
    assert p.explain("numbers", path=str(path)) == f"miss: the file `{path}` changed"


def test_a_result_that_is_not_kept_says_why() -> None:
    p = ef.Pipeline("unkept")

    @p.source
    def processes() -> Data:
        return subprocess.run(["true"], check=True).returncode

    with pytest.warns(ef.ImpureWarning, match="unkept.processes is not pure: it starts a process"):
        p.run()
    assert p.plan()["processes"].reason == (
        "the last result was not kept: it starts a process, and what that reads is not seen"
    )


def test_a_cached_function_is_a_node_too(ran: Ran) -> None:
    p = ef.Pipeline("cached")

    @p.source
    @ef.cached
    def numbers(upto: Data) -> Data:
        print("numbers")
        return list(range(upto))

    assert p.run(upto=3)["numbers"] == numbers(3) == [0, 1, 2]
    assert p.run(upto=3)["numbers"] == [0, 1, 2]
    assert ran() == ["numbers"]


@pytest.mark.parametrize("library", ["numpy", "pandas", "polars", "pyarrow"])
def test_tables_go_through_the_store(library: str, tmp_path: Path, ran: Ran) -> None:
    module: Data = pytest.importorskip(library)
    make = {"numpy": "array", "pandas": "DataFrame", "polars": "DataFrame", "pyarrow": "table"}[library]

    def made() -> ef.Pipeline:
        p = ef.Pipeline("tables", cache_dir=tmp_path / "cache")

        @p.source
        def table(upto: Data) -> Data:
            print("table")
            return getattr(module, make)(list(range(upto)) if library == "numpy" else {"n": list(range(upto))})

        @p.step
        def rows(table: Data) -> Data:
            print("rows")
            return len(table)

        return p

    assert made().run(upto=1000)["rows"] == 1000
    assert made().run(upto=1000)["rows"] == 1000
    assert ran() == ["table", "rows"]


def test_progress_goes_to_stderr_a_line_for_each_node(capsys: pytest.CaptureFixture[str]) -> None:
    p = orders_pipeline(verbose=True)
    p.run("large", least=6)
    p.run("large", least=6)
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition(" ran in ")[0] for line in lines] == [
        "shop: source orders",
        "shop: step large",
        "shop: source orders hit",
        "shop: step large hit",
    ]
    p.run("large", least=6, verbose=False)
    assert capsys.readouterr().err == ""


def test_the_graph_is_text_and_a_picture() -> None:
    p = orders_pipeline()

    @p.check
    def some(orders: Data) -> Data:
        return bool(orders)

    assert str(p.graph()).splitlines() == [
        "shop",
        "  source  orders(least)",
        "  source  rate(currency)",
        "  step    large() <- orders; waits for some",
        "  step    total() <- large, rate",
        "  check   some() <- orders",
    ]
    picture = ET.fromstring(p.graph()._repr_svg_())
    texts = {element.text for element in picture.iter("{http://www.w3.org/2000/svg}text")}
    assert {"orders", "rate", "large", "total", "some"} <= texts
    edges = list(picture.iter("{http://www.w3.org/2000/svg}path"))
    assert [edge.get("stroke-dasharray") is not None for edge in edges] == [False] * 4 + [True]


def test_within_a_cached_function_all_that_the_nodes_read_counts(tmp_path: Path, ran: Ran) -> None:
    path = tmp_path / "numbers"
    path.write_text("1 2")
    p = ef.Pipeline("inner")

    def define(factor: int) -> None:
        @p.source
        def numbers(path: Data) -> Data:
            print("numbers")
            return [factor * int(number) for number in Path(path).read_text().split()]

    @ef.cached
    def total() -> Data:
        print("total")
        return sum(p.run(path=str(path), jobs=4)["numbers"])

    define(1)
    assert (total(), total()) == (3, 3)
    assert ran() == ["total", "numbers"]
    path.write_text("1 2 3")
    assert total() == 6
    assert ran() == ["total", "numbers"]
    # So does a node that is defined once more.
    define(100)
    assert total() == 600


def test_stats_know_the_nodes_by_the_name_of_the_pipeline() -> None:
    p = orders_pipeline()
    p.run("rate", least=0)
    p.run("rate", least=0)
    stats = ef.stats()["shop.rate"]
    assert (stats["loads"] >= 1, stats["memory_hits"] >= 1) == (True, True)
