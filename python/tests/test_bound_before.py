"""What a module bound to a name of its own before a cached function ran: it is seen, or nothing is kept."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

import pytest
from projects import run, write

if TYPE_CHECKING:
    from pathlib import Path

MAIN = """
    import everfresh as ef
    import helpers

    @ef.cached(store=ef.Store("cache"))
    def work():
        return helpers.read()
"""

# How the helper binds it, and what it reads of `data.txt`, which then gets longer.
BOUND = {
    "stat": ("from os import stat", "stat('data.txt').st_size"),
    "lstat": ("from os import lstat as look", "look('data.txt').st_size"),
    "stat as a default": ("import os\nSTAT = (os.stat,)", "STAT[0]('data.txt').st_size"),
    "access": ("from os import access, F_OK", "access('more.txt', F_OK)"),
    "scandir": ("from os import scandir", "[one.stat().st_size for one in scandir('.') if one.name == 'data.txt']"),
    "getsize": ("from os.path import getsize", "getsize('data.txt')"),
    "exists": ("from os.path import exists", "exists('more.txt')"),
    "isfile": ("from os.path import isfile", "isfile('more.txt')"),
    "listdir": ("from os import listdir", "'more.txt' in listdir()"),
    "walk": ("from os import walk", "['more.txt' in files for _, _, files in walk('.')][0]"),
    "glob": ("from glob import glob", "glob('*.txt')"),
    "open": ("from io import open as read_file", "read_file('data.txt').read()"),
    "a path's stat": ("from pathlib import Path\nstat = Path('data.txt').stat", "stat().st_size"),
    "getenv": ("from os import getenv", "getenv('REGION')"),
    "environ": ("from os import environ", "environ.get('REGION')"),
    "environ.get": ("import os\nget = os.environ.get", "get('REGION')"),
    "getcwd": ("from os import getcwd", "getcwd() and open('data.txt').read()"),
    "polars": ("from polars import read_csv", "read_csv('data.txt', has_header=False).shape"),
    "polars, lazily": ("from polars import scan_csv", "scan_csv('data.txt', has_header=False).collect().shape"),
    "pyarrow": ("from pyarrow.csv import read_csv", "read_csv('data.txt').shape"),
}
# Of these nothing is kept.
UNSEEN = {"stat", "lstat", "stat as a default", "access", "scandir", "getcwd", "polars", "polars, lazily", "pyarrow"}


@pytest.mark.parametrize("what", BOUND)
def test_what_is_read_by_a_name_bound_before_is_never_stale(what: str, tmp_path: Path) -> None:
    library = what.partition(",")[0]
    if library in ("polars", "pyarrow") and not importlib.util.find_spec(library):
        pytest.skip(f"{library} is not installed")
    bind, read = BOUND[what]
    write(tmp_path, main=MAIN, data_txt="1\n")
    write(tmp_path, helpers=f"{bind}\n\ndef read():\n    return {read}\n")
    script = "import main; print(repr(main.work())); print(main.work.cache_explain()[:3])"
    first, kept, *_ = run(tmp_path, script, REGION="north")
    assert kept == ("mis" if what in UNSEEN else "hit")
    write(tmp_path, data_txt="1\n2\n3\n", more_txt="")
    assert run(tmp_path, script, REGION="south")[0] != first or what == "getcwd"


def test_it_says_why_nothing_is_kept_and_keeps_it_with_a_ttl(tmp_path: Path) -> None:
    main = MAIN.replace('store=ef.Store("cache")', "OPTIONS")
    write(tmp_path, helpers="from os import stat\n\ndef read():\n    return stat('data.txt').st_size\n", data_txt="1")
    script = "import main; main.work(); print(main.work.cache_explain())"
    write(tmp_path, main=main.replace("OPTIONS", ""))
    assert "it uses the global `helpers.stat`: it is os.stat under a name of its own" in "".join(run(tmp_path, script))
    write(tmp_path, main=main.replace("OPTIONS", "ttl='1h'"))
    assert run(tmp_path, script)[0].startswith("hit")


def test_what_is_called_by_its_module_is_kept(tmp_path: Path) -> None:
    write(tmp_path, main=MAIN, data_txt="1")
    write(tmp_path, helpers="import os\n\ndef read():\n    return os.stat('data.txt').st_size\n")
    script = "import main; print(repr(main.work())); print(main.work.cache_explain()[:3])"
    assert run(tmp_path, script) == ["1", "hit"]
    write(tmp_path, data_txt="22")
    assert run(tmp_path, script) == ["2", "hit"]
