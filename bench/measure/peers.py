"""The peers: installed, pinned to the last dependency, each into a virtual environment of its own."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from measure import chain
from measure.bench import Bench, require
from measure.process import Command


@dataclass(frozen=True)
class Peer:
    """A tool that runs the same chain."""

    name: str
    package: str
    write: Callable[[Path, int], None]
    # The program in the environment's `bin` folder, and its arguments.
    run: tuple[str, ...]
    prepare: tuple[str, ...] = ()


PEERS = (
    Peer("Hamilton", "sf-hamilton", chain.hamilton, ("python", "run.py")),
    Peer("redun", "redun", chain.redun, ("redun", "run", "workflow.py", "main")),
    Peer("DVC", "dvc", chain.dvc, ("dvc", "repro", "--quiet"), ("dvc", "init", "--no-scm", "--quiet")),
    Peer("Snakemake", "snakemake", chain.snakemake, ("snakemake", "--cores", "1", "--quiet", "all")),
)


def install(bench: Bench, peer: Peer) -> Path:
    """The environment's `bin` folder. A peer that cannot be installed is an error."""
    requirements = bench.root / "bench" / "peers" / f"requirements-{peer.name.lower()}.txt"
    folder = bench.cache / "peers" / peer.name.lower()
    mark = folder / "installed.txt"
    wanted = requirements.read_text()
    if not mark.is_file() or mark.read_text() != wanted:
        print(f"  installing {peer.name}", flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        Command([bench.python, "-m", "venv", folder], bench.cache).run()
        pip: list[str | Path] = [
            folder / "bin" / "python",
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
        ]
        Command([*pip, "--requirement", requirements], bench.cache).run()
        mark.write_text(wanted)
    version = next(line.split("==")[1] for line in wanted.splitlines() if line.startswith(f"{peer.package}=="))
    bench.report.versions[peer.name] = version
    return folder / "bin"


def cached_chain(bench: Bench, peer: Peer, programs: Path, steps: int) -> Command:
    """A chain that has run: the command that runs it again. Tried first: it hits, and it notices a change."""
    folder = bench.new_folder(f"chains/{peer.name.lower()}-{steps}")
    peer.write(folder, steps)

    def command(words: tuple[str, ...]) -> Command:
        # A tool may start another program of its environment.
        path = f"{programs}:/usr/local/bin:/usr/bin:/bin"
        return Command([programs / words[0], *words[1:]], folder, {"PATH": path})

    if peer.prepare:
        command(peer.prepare).run()
    again = command(peer.run)

    def ran() -> int:
        """How many steps one more run computes."""
        log = folder / chain.LOG
        log.unlink(missing_ok=True)
        again.run()
        return len(set(log.read_text().split())) if log.exists() else 0

    require(ran() == steps, f"{peer.name}: the first run of {steps} steps did not compute them all")
    require(ran() == 0, f"{peer.name}: the second run of {steps} steps did not hit its cache")
    if steps <= 5:
        chain.write_source(folder, start=100)
        require(ran() == steps, f"{peer.name}: a changed source went unnoticed")
        require(ran() == 0, f"{peer.name}: the run after a change did not hit its cache")
    return again
