"""Twelve months of flights, of which one changes: what a rerun costs of what the first run cost."""

from __future__ import annotations

import itertools
import shutil
import time
from pathlib import Path

from measure.bench import Bench, outcomes, require
from measure.process import Command
from measure.report import Figure
from measure.rounds import ratios, run_rounds

PART = "one month of twelve"
ROWS = 250_000
QUICK_ROWS = 25_000

PIPELINE = """\
name: months
sources:
  flights: { file: "data/flights-2013-*.parquet" }
steps:
  clean:
    sql: >
      select year, month, day, carrier, flight, origin, dest, dep_delay, arr_delay,
        dep_delay - arr_delay as gained, distance * 60.0 / air_time as speed,
        carrier || ' ' || cast(flight as varchar) as number
      from flights
      where dep_time is not null
    per: partition
"""


def measure(bench: Bench) -> None:
    rows = QUICK_ROWS if bench.quick else ROWS
    original = months(bench, rows)
    folder = bench.new_folder("months")
    data = folder / "data"
    (folder / "everfresh.yaml").write_text(PIPELINE)
    seeds = itertools.count(1000)
    run = bench.everfresh(folder, "--json")

    def first() -> float:
        shutil.rmtree(folder / ".everfresh", ignore_errors=True)
        shutil.rmtree(data, ignore_errors=True)
        shutil.copytree(original, data)
        return run_once("empty cache")

    def changed() -> float:
        first()
        # Content that was never there before: an earlier month's result would be found.
        changed = Command([bench.program("bench-data"), *month_args(data, 7, rows, next(seeds))], folder)
        changed.run()
        return run_once("one changed month")

    def run_once(what: str) -> float:
        # Settled, so that both sides look at files of the same age.
        time.sleep(0.5)
        finished, told = run.json()
        require(outcomes(told, "step") == {"ran": 1}, f"{what}: {outcomes(told, 'step')}")
        clean = next(step for step in told["steps"] if step["name"] == "clean")
        kept = rows * 12 - 12 * sum(1 for row in range(rows) if row % 65536 % 40 == 7)
        require(clean["rows"] == kept, f"{what}: {clean['rows']:,} rows, expected {kept:,}")
        return finished.seconds

    samples = run_rounds({"first": first, "changed": changed}, bench.rounds(9, 3), title=f"{rows:,} flights a month")
    bench.report.add(
        Figure(PART, f"first run, {12 * rows:,} flights", "s", samples["first"]),
        Figure(PART, "rerun after one month changed", "s", samples["changed"]),
        Figure(PART, "rerun in first runs", "x", ratios(samples["changed"], samples["first"]), at_most=0.25),
    )


def months(bench: Bench, rows: int) -> Path:
    unfinished = bench.new_folder("unfinished")
    program = bench.program("bench-data")
    make = [Command([program, *month_args(unfinished, month, rows, month)], unfinished) for month in range(1, 13)]
    return bench.generated(f"months-{rows}", make, unfinished)


def month_args(folder: Path, month: int, rows: int, seed: int) -> list[str]:
    return ["month", str(folder / f"flights-2013-{month:02}.parquet"), str(month), str(rows), str(seed)]
