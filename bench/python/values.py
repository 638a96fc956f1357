"""Times fingerprints and encodings of values against raw BLAKE3, `joblib.hash` and `joblib.dump`.

    PYTHONPATH=python python3.11 bench/python/values.py [rounds]

Needs NumPy, and uses pandas, polars, pyarrow, joblib and blake3 where they are installed. Every contender of a row runs
once in each round, in a random order, after a warm-up; what counts is the ratio to the row's baseline in that round.
Printed: the baseline's time, and for each contender the median of the ratios and, in brackets, the quartiles. `blake3`
is one thread of the Python package of that name, or of our own on bytes, over as many bytes as the value has; ours uses
all cores from a megabyte on. Files lie in the folder for temporary files.
"""

# Modules that may not be installed have no types here.
# ruff: noqa: ANN401

from __future__ import annotations

import functools
import importlib
import mmap
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import everfresh._native as native

Run = Callable[[], object]

ROWS = 1_000_000


def module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        print(f"without {name}: not installed")
        return None


def joblib_round_trip(joblib: Any, value: object, path: Path) -> object:
    joblib.dump(value, path)
    return joblib.load(path)


def round_trip(value: object, path: Path) -> object:
    with path.open("wb") as file:
        file.writelines(native.encode(value, checksum=False))
    with path.open("rb") as file:
        return native.loads(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), verified=True)


def rows(folder: Path) -> list[tuple[str, dict[str, Run]]]:
    np, joblib, blake3 = module("numpy"), module("joblib"), module("blake3")
    hashed = (lambda data: blake3.blake3(data).digest()) if blake3 else native.fingerprint

    def hashes(value: object, memory: object) -> dict[str, Run]:
        runs: dict[str, Run] = {"blake3": lambda: hashed(memory), "fingerprint": lambda: native.fingerprint(value)}
        if joblib:
            runs["joblib.hash"] = lambda: joblib.hash(value)
        return runs

    random_state = np.random.default_rng(7)
    floats = random_state.random(8 * ROWS)
    table = floats.reshape(-1, 8)
    memory = floats.tobytes()
    found = [
        ("float64, 64 MB", hashes(floats, memory)),
        ("float64, 64 kB", hashes(floats[:8192], memory[: 8 * 8192])),
        ("float64, 800 B", hashes(floats[:100], memory[:800])),
        ("Fortran order, 8 columns, 64 MB", hashes(np.asfortranarray(table), memory)),
        ("every other item, 32 MB", hashes(floats[::2], memory[: len(memory) // 2])),
        ("one column of 8, 8 MB", hashes(table[:, 3], memory[: len(memory) // 8])),
    ]
    small = {"name": "a", "limit": 3, "ratio": 0.5, "tags": ["x", "y"], "flag": True}
    numbers = list(range(100_000))
    found += [
        ("a dict of five", hashes(small, b"x" * 64)),
        ("a list of 100,000 ints", hashes(numbers, b"x" * 1_900_000)),
    ]
    if pandas := module("pandas"):
        columns = {f"c{at}": np.ascontiguousarray(table[:, at]) for at in range(5)}
        frame = pandas.DataFrame(columns)
        found.append(("pandas, 10^6 rows by 5, 40 MB", hashes(frame, memory[: 40 * ROWS])))
        in_and_out: dict[str, Run] = {"joblib.dump, load": lambda: joblib_round_trip(joblib, frame, folder / "joblib")}
        in_and_out["encode, loads by mmap"] = lambda: round_trip(frame, folder / "ours")
        in_and_out["dumps, loads, checked"] = lambda: native.loads(native.dumps(frame))
        found.append(("pandas, the same, in and out", in_and_out if joblib else {}))
        texts = pandas.DataFrame({"t": [f"text {at % 1000}" for at in range(ROWS)]})
        found.append(("pandas, 10^6 texts, 8 MB", hashes(texts, memory[: 8 * ROWS])))
        kept, copy = native.protect(frame)
        if copy:
            mine = functools.partial(copy, kept)
            found.append(("a caller's copy of the frame", {"copy()": frame.copy, "protect's": mine}))
    if pyarrow := module("pyarrow"):
        arrow = pyarrow.array(floats)
        found.append(("pyarrow float64, 64 MB", hashes(arrow, memory)))
        gaps = pyarrow.array(floats, mask=floats < 0.1)
        found.append(("pyarrow float64 with nulls, 64 MB", hashes(gaps, memory)))
        texts_of = pyarrow.array([f"text {at}" for at in range(ROWS)])
        found.append(("pyarrow, 10^6 texts, 15 MB", hashes(texts_of, memory[: texts_of.nbytes])))
    if polars := module("polars"):
        found.append(("polars, 10^6 rows by 8, 64 MB", hashes(polars.DataFrame(table.copy()), memory)))
    return found


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    with tempfile.TemporaryDirectory() as folder:
        for name, runs in rows(Path(folder)):
            if runs:
                print_row(name, runs, rounds)


def print_row(name: str, runs: dict[str, Run], rounds: int) -> None:
    times: dict[str, list[float]] = {contender: [] for contender in runs}
    order = list(runs)
    for turn in range(rounds + 1):
        random.shuffle(order)
        for contender in order:
            count = 1
            start = time.perf_counter()
            runs[contender]()
            taken = time.perf_counter() - start
            if taken < 1e-3:
                count = 200
                start = time.perf_counter()
                for _ in range(count):
                    runs[contender]()
                taken = time.perf_counter() - start
            if turn:
                times[contender].append(taken / count)
    baseline, *others = runs
    line = f"{name:36}{baseline} {statistics.median(times[baseline]) * 1e3:9.4f} ms"
    for other in others:
        ratios = [mine / its for mine, its in zip(times[other], times[baseline], strict=True)]
        low, middle, high = statistics.quantiles(ratios, n=4)
        line += f"   {other} {middle:.2f}x [{low:.2f}, {high:.2f}]"
    print(line, flush=True)


if __name__ == "__main__":
    main()
