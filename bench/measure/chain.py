"""One chain of steps, written for Everfresh and for each peer: a CSV source, then steps that add 1 to its column.

Each peer's step writes its name into `ran.log`, so that it can be told what ran; Everfresh tells it itself.
"""

from __future__ import annotations

import json
from pathlib import Path

SOURCE = "data.csv"
LOG = "ran.log"
ROWS = 10


def write_source(folder: Path, start: int = 0) -> None:
    """The source; another `start` makes other values."""
    (folder / SOURCE).write_text("a\n" + "".join(f"{start + row}\n" for row in range(ROWS)))


def everfresh(folder: Path, steps: int) -> None:
    write_source(folder)
    lines = ["name: chain", "sources:", f"  s0: {{ file: {SOURCE} }}", "steps:"]
    lines += [f'  s{n}: {{ sql: "select a + 1 as a from s{n - 1}" }}' for n in range(1, steps + 1)]
    (folder / "everfresh.yaml").write_text("\n".join(lines) + "\n")


_PYTHON_READ = f"""
def ran(name):
    with open({LOG!r}, "a") as log:
        log.write(name + "\\n")


def read(text):
    return [int(value) for value in text.split()[1:]]

"""


def hamilton(folder: Path, steps: int) -> None:
    write_source(folder)
    # The loader runs on every run: it is how a change of the file is noticed.
    lines = [
        "from hamilton.function_modifiers import cache",
        "from files import ran, read",
        "",
        '@cache(behavior="recompute")',
        "def s0() -> list:",
        f"    return read(open({SOURCE!r}).read())",
    ]
    for n in range(1, steps + 1):
        lines += ["", f"def s{n}(s{n - 1}: list) -> list:", f"    ran('s{n}')", f"    return [a + 1 for a in s{n - 1}]"]
    (folder / "files.py").write_text(_PYTHON_READ)
    (folder / "chain.py").write_text("\n".join(lines) + "\n")
    (folder / "run.py").write_text(
        "from hamilton import driver\nimport chain\n"
        'driver.Builder().with_modules(chain).with_cache(path="cache").build()'
        f'.execute(["s{steps}"])\n'
    )


def redun(folder: Path, steps: int) -> None:
    write_source(folder)
    lines = [
        "from redun import File, task",
        "from files import ran, read",
        "",
        'redun_namespace = "chain"',
        "",
        "@task()",
        "def s0(file):",
        "    return read(file.read())",
    ]
    for n in range(1, steps + 1):
        lines += ["", "@task()", f"def s{n}(a):", f"    ran('s{n}')", "    return [x + 1 for x in a]"]
    lines += ["", "@task()", "def main():", f"    a = s0(File({SOURCE!r}))"]
    lines += [f"    a = s{n}(a)" for n in range(1, steps + 1)] + ["    return a"]
    (folder / "files.py").write_text(_PYTHON_READ)
    (folder / "workflow.py").write_text("\n".join(lines) + "\n")


def _add_one(step: int, source: str, target: str) -> str:
    return f"echo s{step} >> {LOG} && awk 'NR > 1 {{ $1 = $1 + 1 }} {{ print }}' {source} > {target}"


def _file(step: int) -> str:
    return SOURCE if step == 0 else f"s{step}.csv"


def dvc(folder: Path, steps: int) -> None:
    write_source(folder)
    stages = {
        f"s{n}": {"cmd": _add_one(n, _file(n - 1), _file(n)), "deps": [_file(n - 1)], "outs": [_file(n)]}
        for n in range(1, steps + 1)
    }
    # JSON is YAML.
    (folder / "dvc.yaml").write_text(json.dumps({"stages": stages}, indent=1))


def snakemake(folder: Path, steps: int) -> None:
    write_source(folder)
    lines = ["rule all:", f"    input: {_file(steps)!r}"]
    for n in range(1, steps + 1):
        # Braces are Snakemake's own marks inside a shell command.
        shell = _add_one(n, _file(n - 1), _file(n)).replace("{", "{{").replace("}", "}}")
        lines += [
            "",
            f"rule s{n}:",
            f"    input: {_file(n - 1)!r}",
            f"    output: {_file(n)!r}",
            f"    shell: {shell!r}",
        ]
    (folder / "Snakefile").write_text("\n".join(lines) + "\n")
