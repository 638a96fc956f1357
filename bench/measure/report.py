"""What was measured beside what should be: a table on the terminal, and a JSON file."""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Figure:
    """One measured quantity: a sample a round."""

    part: str
    name: str
    unit: str
    samples: Sequence[float]
    at_most: float | None = None
    at_least: float | None = None

    @property
    def median(self) -> float:
        return statistics.median(self.samples)

    @property
    def met(self) -> bool | None:
        """Whether the median meets the target; `None` if there is none."""
        if self.at_most is not None:
            return self.median <= self.at_most
        if self.at_least is not None:
            return self.median >= self.at_least
        return None

    @property
    def target(self) -> str:
        if self.at_most is not None:
            return f"<= {number(self.at_most)}"
        return "" if self.at_least is None else f">= {number(self.at_least)}"

    def as_json(self) -> dict[str, Any]:
        quartiles = statistics.quantiles(self.samples, n=4, method="inclusive") if len(self.samples) > 1 else None
        return {
            "part": self.part,
            "name": self.name,
            "unit": self.unit,
            "at_most": self.at_most,
            "at_least": self.at_least,
            "met": self.met,
            "median": self.median,
            "min": min(self.samples),
            "max": max(self.samples),
            "quartiles": quartiles,
            "samples": list(self.samples),
        }


@dataclass
class Report:
    """Everything that one call measured."""

    quick: bool
    figures: list[Figure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)
    load_before: float = field(default_factory=lambda: os.getloadavg()[0])

    def add(self, *figures: Figure) -> None:
        self.figures.extend(figures)
        for figure in figures:
            print("  " + line(figure), flush=True)

    def note(self, text: str) -> None:
        self.notes.append(text)
        print(f"  {text}", flush=True)

    @property
    def missed(self) -> list[Figure]:
        return [figure for figure in self.figures if figure.met is False]

    def table(self) -> str:
        lines = ["", line(None)]
        part = ""
        for figure in self.figures:
            if figure.part != part:
                part = figure.part
                lines.append(part)
            lines.append("  " + line(figure).rstrip())
        lines += ["", *self.notes]
        if self.load_before > 0.5:
            lines.append(
                f"The machine was busy (load {self.load_before:.1f} before the start): these figures are worth little."
            )
        return "\n".join(lines)

    def write(self, file: Path) -> None:
        machine = {"cores": os.cpu_count(), "system": platform.platform(), "load_before": self.load_before}
        content = {
            "quick": self.quick,
            "machine": machine,
            "versions": self.versions,
            "notes": self.notes,
            "figures": [figure.as_json() for figure in self.figures],
        }
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(content, indent=1) + "\n")


def line(figure: Figure | None) -> str:
    """One row of the table, or its head."""
    if figure is None:
        return f"  {'':<58} {'target':>9} {'measured':>10} {'min … max':>21}  unit"
    spread = f"{number(min(figure.samples))} … {number(max(figure.samples))}"
    mark = {None: "", True: "ok", False: "MISSED"}[figure.met]
    return f"{figure.name:<58} {figure.target:>9} {number(figure.median):>10} {spread:>21}  {figure.unit:<12} {mark}"


def number(value: float) -> str:
    """Three digits that count."""
    if value == 0 or 0.001 <= abs(value) < 1000:
        return f"{value:.3g}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.1e}"
