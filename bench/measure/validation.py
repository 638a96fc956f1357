"""A large input that did not change: validated by its stat alone, and if it was touched, by one hash."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

from measure.bench import Bench, outcomes, require, require_all_hits
from measure.process import Command
from measure.report import Figure
from measure.rounds import forget_pages, run_rounds

PART = "large input"
BYTES = 1 << 30
QUICK_BYTES = 1 << 27
# A stat that is younger than the file system's clock can tell apart proves nothing: the file is hashed again.
SETTLE_SECONDS = 3.0

PIPELINE = """\
name: large
sources:
  big: { file: big.parquet }
steps:
  total: { sql: "select sum(c0 % 1000) as total from big" }
"""


def measure(bench: Bench) -> None:
    size = QUICK_BYTES if bench.quick else BYTES
    folder = bench.new_folder("large")
    file = folder / "big.parquet"
    shutil.copyfile(random_file(bench, size), file)
    (folder / "everfresh.yaml").write_text(PIPELINE)
    exact = file.stat().st_size
    time.sleep(SETTLE_SECONDS)
    run = bench.everfresh(folder, "--json")
    finished, told = run.json()
    require(outcomes(told, "step") == {"ran": 1}, f"first run: {outcomes(told)}")
    peak = finished.peak_bytes / 2**20
    bench.report.note(f"{exact / 2**20:,.0f} MiB: first run {finished.seconds:.2f} s, peak {peak:,.0f} MiB")
    require_all_hits(run.json()[1], "second run")

    def unchanged() -> float:
        finished, told = run.json()
        require_all_hits(told, "unchanged")
        require(
            told["hashed_bytes"] == 0, f"unchanged: {told['hashed_bytes']:,} bytes were hashed, expected a stat alone"
        )
        return finished.seconds

    def touched(cold: bool = False) -> float:
        os.utime(file)
        time.sleep(SETTLE_SECONDS)
        if cold:
            forget_pages([file])
        finished, told = run.json()
        require_all_hits(told, "touched but equal")
        hashed = told["hashed_bytes"]
        require(hashed == exact, f"touched but equal: {hashed:,} bytes were hashed, expected one hash of {exact:,}")
        return finished.seconds

    def raw(cold: bool = False) -> float:
        if cold:
            forget_pages([file])
        return Command([bench.program("bench-file-hash"), file], folder).run().seconds

    contenders = {"unchanged": unchanged, "touched": touched, "raw": raw}
    samples = run_rounds(contenders, bench.rounds(15, 3), {"unchanged": 3, "raw": 3}, f"{exact / 2**20:,.0f} MiB")
    hashing = [touched - still for touched, still in zip(samples["touched"], samples["unchanged"], strict=True)]
    bench.report.add(
        Figure(PART, "unchanged: run", "ms", [seconds * 1e3 for seconds in samples["unchanged"]]),
        Figure(PART, "unchanged: bytes hashed", "bytes", [0.0], at_most=0),
        Figure(PART, "blake3 of the file, all cores, process included", "GiB/s", throughput(exact, samples["raw"])),
        Figure(PART, "touched: run, over an unchanged run", "GiB/s", throughput(exact, hashing)),
        Figure(
            PART,
            "touched: hashing speed in blake3's",
            "x",
            [raw / own for raw, own in zip(samples["raw"], hashing, strict=True)],
            at_least=0.8,
        ),
        Figure(
            PART,
            "touched: the whole run's speed in blake3's",
            "x",
            [raw / own for raw, own in zip(samples["raw"], samples["touched"], strict=True)],
        ),
    )
    cold = {"touched": lambda: touched(cold=True), "raw": lambda: raw(cold=True)}
    samples = run_rounds(cold, bench.rounds(5, 2), title="empty page cache")
    slower = [raw / own for raw, own in zip(samples["raw"], samples["touched"], strict=True)]
    bench.report.add(Figure(PART, "empty page cache: the whole run's speed in blake3's", "x", slower))


def random_file(bench: Bench, size: int) -> Path:
    name = f"random-{size >> 20}"
    unfinished = bench.new_folder("unfinished")
    make = Command([bench.program("bench-data"), "random", unfinished / "big.parquet", str(size)], unfinished)
    return bench.generated(name, [make], unfinished) / "big.parquet"


def throughput(size: int, seconds: list[float]) -> list[float]:
    return [size / 2**30 / value for value in seconds]
