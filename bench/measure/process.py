"""One run of a program: how long it took, from before its start to after its end, and what it used."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# What would make two runs of one program differ, or slow one of them down, is not handed on.
_DROPPED = ("RUST_LOG", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PYTHONSTARTUP", "PYTHONDONTWRITEBYTECODE")
_QUIET = {"NO_COLOR": "1", "HAMILTON_TELEMETRY_ENABLED": "false", "DVC_NO_ANALYTICS": "true"}


class ProcessFailedError(Exception):
    """A program ended with another code than 0."""


@dataclass(frozen=True)
class Finished:
    """A run that succeeded."""

    seconds: float
    peak_bytes: int


@dataclass(frozen=True)
class Command:
    """A program with its arguments, and where it runs."""

    argv: Sequence[str | Path]
    folder: Path
    env: Mapping[str, str] = field(default_factory=dict)

    def run(self, output: Path | None = None) -> Finished:
        """Runs to the end; `output` takes what it prints on its standard output, which is dropped otherwise."""
        env = {name: value for name, value in os.environ.items() if name not in _DROPPED} | _QUIET | dict(self.env)
        argv = [str(word) for word in self.argv]
        with (
            tempfile.TemporaryFile() as errors,
            Path(output or os.devnull).open("wb") as out,
        ):
            start = time.perf_counter()
            process = subprocess.Popen(
                argv, cwd=self.folder, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=errors
            )
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - start
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode != 0:
                errors.seek(0)
                told = errors.read().decode(errors="replace")[-4000:]
                if output is not None:
                    told += output.read_text(errors="replace")[-4000:]
                raise ProcessFailedError(
                    f"`{' '.join(argv)}` in `{self.folder}` ended with {process.returncode}\n{told}"
                )
        unit = 1 if sys.platform == "darwin" else 1024
        return Finished(seconds, usage.ru_maxrss * unit)

    def json(self) -> tuple[Finished, Any]:
        """Runs to the end and reads what it printed as JSON."""
        with tempfile.TemporaryDirectory() as folder:
            output = Path(folder) / "output.json"
            finished = self.run(output)
            return finished, json.loads(output.read_text())

    def text(self) -> str:
        """Runs to the end; what it printed."""
        with tempfile.TemporaryDirectory() as folder:
            output = Path(folder) / "output.txt"
            self.run(output)
            return output.read_text()
