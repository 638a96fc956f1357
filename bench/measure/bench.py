"""What every part needs: where things are, the programs, how many rounds."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from measure.process import Command
from measure.report import Report


class MeasuredWrongError(Exception):
    """What was timed did not do what it is timed for."""


@dataclass(frozen=True)
class Bench:
    """One call of the benchmark."""

    root: Path
    cache: Path
    target: Path
    python: Path
    """Makes the peers' environments."""
    bare_python: Path
    """Is what a rerun is held against."""
    quick: bool
    report: Report

    @property
    def everfresh_program(self) -> Path:
        return self.target / "release" / "everfresh"

    def program(self, name: str) -> Path:
        """A program of `bench/src/bin`."""
        return self.target / "release" / name

    def rounds(self, full: int, quick: int) -> int:
        return quick if self.quick else full

    def everfresh(self, folder: Path, *args: str) -> Command:
        """`everfresh run FOLDER`."""
        return Command([self.everfresh_program, "run", folder, *args], folder)

    def baseline(self) -> Command:
        """The least that a program in Python costs: starting the interpreter, not a shim that looks for it."""
        return Command([self.bare_python, "-c", "pass"], self.cache)

    def new_folder(self, name: str) -> Path:
        """An empty folder in the cache."""
        folder = self.cache / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder

    def generated(self, name: str, make: Sequence[Command], into: Path) -> Path:
        """Generated data, made once: `make` writes into `into`, which becomes the folder when all is there."""
        folder = self.cache / "data" / name
        if not folder.is_dir():
            print(f"  generating {name}", flush=True)
            for command in make:
                command.run()
            folder.parent.mkdir(parents=True, exist_ok=True)
            into.rename(folder)
        return folder


def compile_programs(bench: Bench, parts: Sequence[str]) -> None:
    """Compiles the release binary, and what the parts need of `bench/`."""
    cargo = os.environ.get("CARGO", "cargo")
    release: list[str | Path] = ["build", "--release", "--locked", "--target-dir", bench.target]
    print("building everfresh", flush=True)
    Command([cargo, *release, "--package", "everfresh-cli"], bench.root).run()
    # Once the query engine is compiled, leaving it out would compile what it shares with the others anew.
    with_engine = "tpch" in parts or bench.program("bench-tpch-peer").exists()
    features = ["--features", "tpch"] if with_engine else []
    print("building the programs of bench/", flush=True)
    Command([cargo, *release, "--manifest-path", bench.root / "bench" / "Cargo.toml", *features], bench.root).run()


def outcomes(told: dict[str, Any], kind: str | None = None) -> dict[str, int]:
    """How many steps of a `run --json` came out how."""
    counts: dict[str, int] = {}
    for step in told["steps"]:
        if kind is None or step["kind"] == kind:
            counts[step["outcome"]] = counts.get(step["outcome"], 0) + 1
    return counts


def require(holds: bool, what: str) -> None:
    """Stops the benchmark: a figure of something else than was meant is worse than none."""
    if not holds:
        raise MeasuredWrongError(what)


def require_all_hits(told: dict[str, Any], what: str) -> None:
    """A run that found everything, without starting a query engine."""
    require(set(outcomes(told)) == {"hit"}, f"{what}: expected hits only, got {outcomes(told)}")
    require(told["engine_started"] is False, f"{what}: a query engine was started")
