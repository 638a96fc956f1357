"""From an empty target folder to the first result of the example."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from measure.bench import Bench
from measure.process import Command
from measure.report import Figure

PART = "build"


def measure(bench: Bench) -> None:
    target = bench.new_folder("build-target")
    example = bench.cache / "build-example"
    shutil.rmtree(example, ignore_errors=True)
    ignored = shutil.ignore_patterns(".everfresh", "out")
    shutil.copytree(bench.root / "examples" / "flights", example, ignore=ignored)
    cargo = os.environ.get("CARGO", "cargo")
    # Crates are downloaded before the clock starts: the network is not what is measured.
    Command([cargo, "fetch", "--locked"], bench.root).run()
    run: list[str | Path] = [cargo, "run", "--release", "--locked", "--target-dir", target, "--", "run", example]
    finished = Command(run, bench.root).run()
    minutes = finished.seconds / 60
    bench.report.add(
        Figure(PART, f"empty target folder to first result, {os.cpu_count()} cores", "min", [minutes], at_most=15)
    )
    shutil.rmtree(target)
