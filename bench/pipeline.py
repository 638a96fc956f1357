"""Measures `everfresh run` against its targets and peers. Called by `cargo xtask bench pipeline`."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from measure import build, fingerprint, months, noop, tpch, validation
from measure.bench import Bench, MeasuredWrongError, compile_programs
from measure.process import ProcessFailedError
from measure.report import Report

PARTS = {
    "noop": noop.measure,
    "validation": validation.measure,
    "fingerprint": fingerprint.measure,
    "tpch": tpch.measure,
    "months": months.measure,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="cargo xtask bench pipeline", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds and smaller data: to see that it works")
    parser.add_argument("--only", choices=PARTS, nargs="+", metavar="PART", help=f"some of {', '.join(PARTS)}")
    parser.add_argument("--peers-only", action="store_true", help="only the peers' own reruns, without Everfresh")
    parser.add_argument("--build", action="store_true", help="also time a build from an empty target folder")
    parser.add_argument("--target-dir", type=Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--cache-dir", type=Path, required=True, help=argparse.SUPPRESS)
    options = parser.parse_args()

    root = Path(__file__).resolve().parent.parent
    options.cache_dir.mkdir(parents=True, exist_ok=True)
    report = Report(options.quick)
    cache, target = options.cache_dir.resolve(), options.target_dir.resolve()
    interpreters = real_interpreters()
    bench = Bench(root, cache, target, interpreters[0], quickest(interpreters), options.quick, report)
    report.versions["python"] = sys.version.split()[0]
    parts = list(dict.fromkeys(options.only or PARTS))
    try:
        if options.peers_only:
            noop.measure_peers(bench, None)
        else:
            compile_programs(bench, parts)
            for part in parts:
                print(f"\n{part}", flush=True)
                PARTS[part](bench)
            if options.build:
                print("\nbuild", flush=True)
                build.measure(bench)
    except (MeasuredWrongError, ProcessFailedError) as error:
        print(f"\nstopped: {error}", file=sys.stderr)
        return 1
    print(report.table())
    # Part of the figures would replace all of them.
    if not (options.only or options.peers_only):
        report.write(cache / "quick.json" if options.quick else root / "bench" / "results" / "pipeline.json")
    if options.quick:
        return 0
    for figure in report.missed:
        print(f"missed: {figure.part}: {figure.name}", file=sys.stderr)
    return 1 if report.missed else 0


def real_interpreters() -> list[Path]:
    """The programs that the `python3` on the PATH end up in: no version manager's shim, no environment's link."""
    code = "import os, sys; print(os.path.realpath(getattr(sys, '_base_executable', sys.executable)))"
    env = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    found = [shutil.which("python3", path=folder) for folder in os.environ.get("PATH", "").split(os.pathsep)]
    asked = (
        subprocess.run([shown, "-c", code], env=env, check=True, capture_output=True, text=True).stdout.strip()
        for shown in [*filter(None, found), sys.executable]
    )
    return list(dict.fromkeys(map(Path, asked)))


def quickest(interpreters: list[Path]) -> Path:
    """The one that starts quickest, so that the comparison flatters nobody."""

    def start(interpreter: Path) -> float:
        begun = time.perf_counter()
        subprocess.run([interpreter, "-c", "pass"], check=True)
        return time.perf_counter() - begun

    return min(interpreters, key=lambda interpreter: min(start(interpreter) for _ in range(10)))


if __name__ == "__main__":
    sys.exit(main())
