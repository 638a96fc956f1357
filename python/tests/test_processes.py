"""Several processes, one store: one computation for all, also after a fork."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

MODULE = """
import everfresh as ef

store = ef.Store("results")

@ef.cached(store=store)
def slow(n):
    print("computed")
    return [n]
"""


def run(folder: Path, script: str) -> str:
    """What a script prints that stands beside the module `work`."""
    (folder / "work.py").write_text(textwrap.dedent(MODULE))
    (folder / "main.py").write_text(textwrap.dedent(script))
    done = subprocess.run(
        [sys.executable, "main.py"], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_processes_that_ask_for_one_key_compute_it_once(tmp_path: Path) -> None:
    script = """
        import subprocess, sys
        ask = "from work import slow; print(slow(1))"
        asking = [subprocess.Popen([sys.executable, "-c", ask], stdout=subprocess.PIPE, text=True) for _ in range(4)]
        lines = "".join(process.communicate()[0] for process in asking).split("\\n")
        print(lines.count("computed"), lines.count("[1]"))
    """
    assert run(tmp_path, script) == "1 4\n"


def test_children_of_a_fork_share_the_store_with_their_parent(tmp_path: Path) -> None:
    script = """
        import multiprocessing
        from work import slow

        def ask(n):
            return slow(n), slow.cache_info().misses

        slow(1)
        with multiprocessing.get_context("fork").Pool(1) as pool:
            print(pool.map(ask, [1, 2]))
        print(slow(2), slow.cache_info().misses)
    """
    assert run(tmp_path, script).splitlines()[-2:] == ["[([1], 1), ([2], 2)]", "[2] 1"], "a child counts on"


def test_a_forked_child_that_never_used_the_store_leaves_it_to_its_parent(tmp_path: Path) -> None:
    script = """
        import os
        from work import slow, store

        slow(1)
        child = os.fork()
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)
        print(slow(1), slow.cache_info().misses, store.verify()["damaged"])
    """
    assert run(tmp_path, script).splitlines()[-1] == "[1] 1 []"
