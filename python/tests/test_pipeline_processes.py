"""What the next process finds of a pipeline: one project of two modules, run, edited and run again over one folder."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

MAIN = """
import everfresh as ef
import helpers

p = ef.Pipeline("shop", cache_dir="cache")

@p.source
def orders():
    print("orders")
    return [int(line) for line in open("orders.txt")]

@p.source
def rate():
    print("rate")
    return helpers.RATE

@p.step
def paid(orders):
    print("paid")
    return helpers.clean(orders)

@p.check
def some(paid):
    print("some")
    return bool(paid)

@p.step
def total(paid, rate):
    print("total")
    return sum(paid) * rate

@p.sink
def report(total):
    print("report")
    with open("report.txt", "w") as file:
        file.write(str(total))

p.run()
"""

HELPERS = """
RATE = 2
LEAST = 0

def clean(orders):
    return [order for order in orders if order > LEAST]
"""


class Project:
    """Files in a folder, and what runs in a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.write("main.py", MAIN)
        self.write("helpers.py", HELPERS)
        self.write("orders.txt", "5\n-1\n7\n")

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text)

    def edit(self, name: str, old: str, new: str) -> None:
        text = (self.folder / name).read_text()
        assert old in text
        self.write(name, text.replace(old, new))

    def run(self) -> list[str]:
        """The nodes that ran."""
        done = subprocess.run(
            [sys.executable, "-B", "main.py"],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout.split()


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path)
    assert made.run() == ["orders", "rate", "paid", "some", "total", "report"]
    assert made.run() == []
    return made


Edit = Callable[[Project], None]


@pytest.mark.parametrize(
    ("edit", "ran"),
    [
        (lambda p: p.edit("helpers.py", "order > LEAST", "order >= LEAST"), ["paid"]),
        (lambda p: p.edit("helpers.py", "LEAST = 0", "LEAST = 6"), ["paid", "some", "total", "report"]),
        (lambda p: p.edit("helpers.py", "RATE = 2", "RATE = 3"), ["rate", "total", "report"]),
        (lambda p: p.edit("main.py", "sum(paid) * rate", "rate * sum(paid)"), ["total"]),
        (lambda p: p.edit("main.py", "@p.step\ndef total", "# The sum.\n\n@p.step\ndef total"), []),
        (lambda p: p.write("orders.txt", "5\n-2\n7\n"), ["orders", "paid"]),
        (lambda p: p.write("orders.txt", "5\n-1\n8\n"), ["orders", "paid", "some", "total", "report"]),
        (lambda p: os.utime(p.folder / "orders.txt", (1, 1)), []),
        (lambda p: (p.folder / "report.txt").unlink(), ["report"]),
        (lambda p: p.write("report.txt", "1000"), ["report"]),
    ],
    ids=["a helper, same result", "a constant", "a source", "a step, same result", "a comment", "data, same result",
         "data", "a stat", "a report removed", "a report edited"],
)  # fmt: skip
def test_the_next_process_runs_what_an_edit_touches(project: Project, edit: Edit, ran: list[str]) -> None:
    edit(project)
    assert project.run() == ran
    assert project.run() == []


def test_back_to_an_earlier_state_only_the_report_is_written(project: Project) -> None:
    project.edit("helpers.py", "RATE = 2", "RATE = 3")
    project.run()
    project.edit("helpers.py", "RATE = 3", "RATE = 2")
    assert project.run() == ["report"]
    assert (project.folder / "report.txt").read_text() == "24"
