"""The fingerprint of a table against raw BLAKE3 over the same bytes, and the memory that it takes."""

from __future__ import annotations

from measure.bench import Bench
from measure.process import Command
from measure.report import Figure
from measure.rounds import ratios

PART = "table fingerprint"


def measure(bench: Bench) -> None:
    program = bench.program("bench-table-hash")
    rounds = bench.rounds(15, 5)
    # The program interleaves both sides itself: a process start would hide what is measured.
    _, told = Command([program, "compare", str(rounds), "64" if bench.quick else "256"], bench.cache).json()
    for table in told:
        speed = ratios(table["raw_seconds"], table["table_seconds"])
        raw = [table["bytes"] / 2**30 / seconds for seconds in table["raw_seconds"]]
        own = [table["bytes"] / 2**30 / seconds for seconds in table["table_seconds"]]
        bench.report.add(
            Figure(PART, f"{table['name']}: raw blake3, all cores", "GiB/s", raw),
            Figure(PART, f"{table['name']}: table fingerprint", "GiB/s", own),
            Figure(PART, f"{table['name']}: in raw blake3's speed", "x", speed, at_least=0.7),
        )
    few, many = (64, 256) if bench.quick else (512, 4096)
    small, large = (Command([program, "stream", str(mib)], bench.cache).run().peak_bytes for mib in (few, many))
    bench.report.add(
        Figure(PART, f"peak memory while {few:,} MiB stream by", "MiB", [small / 2**20]),
        Figure(PART, f"peak memory while {many:,} MiB stream by", "MiB", [large / 2**20]),
        Figure(PART, f"growth of the peak, {many // few} times the data", "x", [large / small], at_most=1.1),
    )
