"""A cold run with the cache on, against the same SQL and sinks through DataFusion alone."""

from __future__ import annotations

import shutil
import statistics
from collections.abc import Callable
from pathlib import Path

from measure.bench import Bench, outcomes, require
from measure.process import Command
from measure.report import Figure
from measure.rounds import forget_pages, ratios, run_rounds

PART = "TPC-H"
TABLES = ("lineitem", "orders", "customer", "supplier", "nation", "region")
QUERIES = ("q1", "q3", "q5", "q6", "q10", "q12")
MODES = ("one-by-one", "at-once")


def measure(bench: Bench) -> None:
    scale = "0.1" if bench.quick else "1"
    data = tables(bench, scale)
    folder = bench.new_folder("tpch")
    write_pipeline(bench, folder, data)
    run = bench.everfresh(folder, "--json")

    def everfresh() -> float:
        shutil.rmtree(folder / ".everfresh", ignore_errors=True)
        shutil.rmtree(folder / "out", ignore_errors=True)
        finished, told = run.json()
        require(outcomes(told, "step") == {"ran": len(QUERIES)}, f"cold run: {outcomes(told, 'step')}")
        return finished.seconds

    def peer(mode: str) -> Callable[[], float]:
        out = folder / mode
        program = bench.program("bench-tpch-peer")
        command = Command([program, mode, data, folder / "sql", out], folder)

        def plain() -> float:
            shutil.rmtree(out, ignore_errors=True)
            return command.run().seconds

        return plain

    def forgetting(contender: Callable[[], float]) -> Callable[[], float]:
        def run() -> float:
            forget_pages([data])
            return contender()

        return run

    contenders = {"everfresh": everfresh, **{mode: peer(mode) for mode in MODES}}
    for contender in contenders.values():
        contender()
    for mode in MODES:
        Command([bench.program("bench-tpch-peer"), "compare", folder / "out", folder / mode], folder).run()
    samples = run_rounds(contenders, bench.rounds(9, 3), title=f"scale {scale}")
    best = min(MODES, key=lambda mode: statistics.median(samples[mode]))
    for name, seconds in samples.items():
        label = "everfresh run, empty cache" if name == "everfresh" else f"DataFusion, {name}"
        bench.report.add(Figure(PART, f"scale {scale}: {label}", "s", seconds))
    times = ratios(samples["everfresh"], samples[best])
    bench.report.add(Figure(PART, f"cold run in DataFusion's, {best}", "x", times, at_most=1.15))
    cold = {name: forgetting(contender) for name, contender in contenders.items()}
    samples = run_rounds(cold, bench.rounds(5, 2), title="empty page cache")
    best = min(MODES, key=lambda mode: statistics.median(samples[mode]))
    times = ratios(samples["everfresh"], samples[best])
    bench.report.add(Figure(PART, f"empty page cache: cold run in DataFusion's, {best}", "x", times))


def tables(bench: Bench, scale: str) -> Path:
    unfinished = bench.new_folder("unfinished")
    make = Command([bench.program("bench-tpch-data"), unfinished, scale], unfinished)
    return bench.generated(f"tpch-{scale}", [make], unfinished)


def write_pipeline(bench: Bench, folder: Path, data: Path) -> None:
    (folder / "sql").mkdir()
    (folder / "data").symlink_to(data)
    lines = ["name: tpch", "sources:"]
    lines += [f"  {table}: {{ file: data/{table}.parquet }}" for table in TABLES]
    lines.append("steps:")
    for query in QUERIES:
        shutil.copyfile(bench.root / "bench" / "tpch" / f"{query}.sql", folder / "sql" / f"{query}.sql")
        lines.append(f"  {query}: {{ sql_file: sql/{query}.sql }}")
    lines.append("sinks:")
    lines += [f"  {query}_file: {{ from: {query}, file: out/{query}.parquet }}" for query in QUERIES]
    (folder / "everfresh.yaml").write_text("\n".join(lines) + "\n")
