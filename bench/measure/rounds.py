"""Rounds: in each, every contender runs, in a new random order, so that a slow minute hits all of them alike."""

from __future__ import annotations

import os
import random
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

Samples = dict[str, list[float]]


def run_rounds(
    contenders: Mapping[str, Callable[[], float]],
    rounds: int,
    repeat: Mapping[str, int] | None = None,
    title: str = "",
) -> Samples:
    """What each contender measured, one figure a round: its median, where `repeat` runs it several times a round."""
    order = [name for name in contenders for _ in range((repeat or {}).get(name, 1))]
    samples: Samples = {name: [] for name in contenders}
    generator = random.SystemRandom()
    for number in range(1, rounds + 1):
        print(f"\r  {title}: round {number} of {rounds}", end="", file=sys.stderr, flush=True)
        generator.shuffle(order)
        measured: Samples = {name: [] for name in contenders}
        for name in order:
            measured[name].append(contenders[name]())
        for name, values in measured.items():
            samples[name].append(statistics.median(values))
    print(file=sys.stderr)
    return samples


def ratios(samples: Sequence[float], baseline: Sequence[float]) -> list[float]:
    """Each round's figure in that round's baseline."""
    return [value / base for value, base in zip(samples, baseline, strict=True)]


def growth(many: Sequence[float], few: Sequence[float], steps: int) -> list[float]:
    """What each round's further step cost, in microseconds."""
    return [(larger - smaller) / steps * 1e6 for larger, smaller in zip(many, few, strict=True)]


def forget_pages(folders: Sequence[Path]) -> None:
    """Makes the next reader of these folders and files read from the disk.

    As root the whole page cache goes, programs and libraries included; otherwise what is asked of the kernel for each
    file is advice that it follows for clean pages.
    """
    os.sync()
    try:
        Path("/proc/sys/vm/drop_caches").write_text("1\n")
    except OSError:
        for folder in folders:
            for file in [folder] if folder.is_file() else folder.rglob("*"):
                if file.is_file():
                    with file.open("rb") as opened:
                        os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
