"""The examples print what they should, each in a process and folders of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def printed(example: str, *arguments: str, cache: Path, **environment: str) -> list[str]:
    """The lines of an example."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / example), *arguments],
        env={**os.environ, "EVERFRESH_CACHE_DIR": str(cache), **environment},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=300,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def expected(name: str) -> list[str]:
    """What it should print."""
    return (ROOT / "examples" / name).read_text(encoding="utf-8").splitlines()


def test_fibonacci(tmp_path: Path) -> None:
    assert printed("fibonacci/fibonacci.py", cache=tmp_path) == [
        *expected("fibonacci/output.txt")[:-1],
        "the cache: 88 hits, 91 misses, 91 entries",
    ]


def test_bit_count(tmp_path: Path) -> None:
    *lines, times = printed("bit_count/bit_count.py", cache=tmp_path)
    assert lines == expected("bit_count/output.txt")
    assert times.startswith("the table took ")


def test_levenshtein(tmp_path: Path) -> None:
    dictionary, cache = tmp_path / "words", tmp_path / "cache"
    words = ["believe", "desperate", "federate", "receive", "relieve", "separate"]
    dictionary.write_text("".join(f"{word}\n" for word in words))

    def run() -> list[str]:
        lines = printed("levenshtein/levenshtein.py", cache=cache, DICTIONARY=str(dictionary))
        return [line.replace(str(tmp_path), "…") for line in lines]

    computed = [
        "recieve: receive, relieve, believe (computed: nothing is kept for these arguments)",
        "seperate: separate, desperate, federate (computed: nothing is kept for these arguments)",
    ]
    assert run() == computed
    assert run() == [
        "recieve: receive, relieve, believe (found)",
        "seperate: separate, desperate, federate (found)",
    ]
    dictionary.write_text("".join(f"{word}\n" for word in [*words, "recieved"]))
    assert run() == [
        "recieve: receive, recieved, relieve (computed: the file `…/words` changed)",
        "seperate: separate, desperate, federate (computed: the file `…/words` changed)",
    ]


def test_config(tmp_path: Path) -> None:
    message = "error: `a.ini` has the ending '.ini': a configuration is one of .yaml, .yml, .json, .toml"
    lines = [
        line.replace("error: a configuration is YAML, JSON or TOML", message) for line in expected("config/output.txt")
    ]
    assert printed("config/config.py", cache=tmp_path) == lines


def test_http(tmp_path: Path) -> None:
    assert printed("http/http_rates.py", cache=tmp_path) == expected("http/output_python.txt")


def test_etl(tmp_path: Path) -> None:
    assert printed("etl/etl.py", cache=tmp_path) == expected("etl/output.txt")
