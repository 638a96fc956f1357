"""Programs of several files, run in fresh processes."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def write(folder: Path, **files: str) -> None:
    """Modules by their names, data by a name that ends in `_txt`."""
    for name, text in files.items():
        file = name.removesuffix("_txt") + (".txt" if name.endswith("_txt") else ".py")
        (folder / file).write_text(textwrap.dedent(text))


def run(folder: Path, script: str, **env: str) -> list[str]:
    """The lines that a script prints in a fresh process; what it warns of are lines that begin with the category."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        cwd=folder,
        env={**os.environ, "PYTHONHASHSEED": "random", "PYTHONDONTWRITEBYTECODE": "1", **env},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    warned = [line.partition(": ")[2] for line in done.stderr.splitlines() if "Warning: " in line]
    return done.stdout.splitlines() + warned
