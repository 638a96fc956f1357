"""`everfresh.run`: pipelines that are declared in `everfresh.yaml`."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_HOW_TO_GET_IT = (
    "the program `everfresh` is not on the PATH. It runs pipeline files, and is no part of the Python package: "
    "build it with `cargo install --path crates/everfresh-cli` in a checkout of Everfresh"
)


class RunError(RuntimeError):
    """A pipeline file was not run to its end.

    `code` is the program's exit code: 1 if a step or check failed, 2 if the file or an option is wrong.
    """

    def __init__(self, path: str, code: int) -> None:
        what = {1: "a step or a check failed", 2: "the file or an option is wrong"}.get(code, f"exit code {code}")
        super().__init__(f"`everfresh run {path}` failed: {what}; its output says more")
        self.path, self.code = path, code

    def __reduce__(self) -> tuple[type[RunError], tuple[str, int]]:
        return type(self), (self.path, self.code)


def run(
    path: str | os.PathLike[str] = "everfresh.yaml",
    *,
    only: Iterable[str] = (),
    refresh: Iterable[str] = (),
    params: Mapping[str, object] | None = None,
    jobs: int | None = None,
) -> None:
    """Runs a pipeline file with the program `everfresh`, and shows its output.

    Steps in Python run with this interpreter, unless the file or `EVERFRESH_PYTHON` says otherwise.

    Args:
        path: the file, or the folder that it is in.
        only: the steps that are wanted, and what they need; without, all.
        refresh: what is computed whatever the cache says.
        params: the pipeline's parameters.
        jobs: how many steps may compute at once.

    Raises:
        FileNotFoundError: if the program is not on the PATH; the message says how to get it.
        RunError: if the pipeline failed.
    """
    import shutil

    program = shutil.which("everfresh")
    if program is None:
        raise FileNotFoundError(_HOW_TO_GET_IT)
    path = os.fspath(path)
    command = [program, "run"]
    for option, names in (("--only", only), ("--refresh", refresh)):
        command += [f"{option}={name}" for name in ((names,) if isinstance(names, str) else names)]
    command += [f"--param={name}={value}" for name, value in (params or {}).items()]
    if jobs is not None:
        command.append(f"--jobs={jobs}")
    code = _stream([*command, "--", path])
    if code != 0:
        raise RunError(path, code)


def _stream(command: list[str]) -> int:
    """Runs a program whose output goes where Python's goes, in a notebook too."""
    import subprocess

    # Steps in Python run with this interpreter, unless somebody chose another.
    environment = {"EVERFRESH_PYTHON": sys.executable, **os.environ}
    out = sys.stdout
    if out is sys.__stdout__ and out is not None and out.isatty():
        out.flush()
        return subprocess.call(command, env=environment)
    running = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
        env=environment,
    )
    with running:
        for line in running.stdout or ():
            out.write(line)
    return running.returncode
