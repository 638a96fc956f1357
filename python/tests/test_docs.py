"""The code in the documentation runs as it stands."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs").glob("*.md"))


def blocks(page: Path) -> str:
    """The Python of a page, each line where it stands there."""
    lines, inside = [], False
    for line in page.read_text().splitlines():
        fence = re.match(r"```(\w*)", line)
        if fence:
            inside = not inside and fence[1] == "python"
        lines.append(line if inside and not fence else "")
    return "\n".join(lines)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_blocks_of_a_page_run_one_after_the_other(page: Path, tmp_path: Path) -> None:
    pytest.importorskip("numpy")
    source = blocks(page)
    assert source.strip(), "a page without code needs no test"
    (tmp_path / "page.py").write_text(source)
    own = {**os.environ, "XDG_DATA_HOME": str(tmp_path / "data")}
    command = [sys.executable, "-W", "error", "page.py"]
    run = subprocess.run(command, cwd=tmp_path, env=own, capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode == 0, run.stderr


def test_the_readme_runs_with_the_functions_that_it_names(tmp_path: Path) -> None:
    listed = tmp_path / "words"
    listed.write_text("received\nreceive\n")
    (tmp_path / "db.yaml").write_text("host: db\n")
    given = [
        "import difflib",
        "client = object()",
        "def search(word, words): return difflib.get_close_matches(word, words.read().split())",
    ]
    source = blocks(ROOT / "README.md")
    assert "/usr/share/dict/words" in source
    (tmp_path / "readme.py").write_text("\n".join(given) + source.replace("/usr/share/dict/words", str(listed)))
    own = {**os.environ, "XDG_DATA_HOME": str(tmp_path / "data")}
    command = [sys.executable, "-W", "error", "readme.py"]
    run = subprocess.run(command, cwd=tmp_path, env=own, capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith("hit")


def test_there_are_pages() -> None:
    assert ROOT / "docs" / "coming-from.md" in PAGES
