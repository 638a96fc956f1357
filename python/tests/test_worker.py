"""The process that runs the `python:` steps of pipeline files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pa = pytest.importorskip("pyarrow")

STEPS = """
import pandas as pd
from helpers import doubled

def score(delays: pd.DataFrame, bonus: int = 1) -> pd.DataFrame:
    print("scoring")
    return delays.assign(score=doubled(delays["delay"]) + bonus)
"""
HELPERS = """
def doubled(x):
    return x * 2
"""


class Worker:
    """A process for `steps.py` in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        # Edits of files that are as new as the process would not be believed.
        time.sleep(0.15)
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "everfresh._worker", str(folder / "steps.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=folder,
        )
        self.hello = self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def ask(self, **request: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def look(self, function: str = "score") -> dict[str, Any]:
        return self.ask(do="look", function=function)

    def compute(self, tables: dict[str, Any], function: str = "score", **params: Any) -> dict[str, Any]:
        inputs = []
        for name, table in tables.items():
            path = self._folder / f"{name}.arrow"
            with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
                writer.write_table(table)
            inputs.append([name, [[str(path), 0]]])
        output = str(self._folder / "result.arrow")
        request = {"inputs": inputs, "params": params, "output": output, "has_ttl": False}
        return self.ask(do="compute", function=function, **request)

    def result(self) -> Any:
        return pa.ipc.open_file(str(self._folder / "result.arrow")).read_all()

    def end(self) -> tuple[int, str]:
        """Its exit code, and what was printed."""
        _, printed = self._process.communicate(timeout=60)
        return self._process.returncode, "".join(line for line in printed.splitlines(True) if line[0] != "\0")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "steps.py").write_text(STEPS)
    (tmp_path / "helpers.py").write_text(HELPERS)
    return tmp_path


@pytest.fixture
def worker(folder: Path) -> Iterator[Worker]:
    worker = Worker(folder)
    yield worker
    worker.end()


def computed(folder: Path, steps: str, tables: dict[str, Any], function: str = "score", **params: Any) -> Any:
    """The answer for steps written just now, and the columns of the result."""
    (folder / "steps.py").write_text(steps)
    worker = Worker(folder)
    answer = worker.compute(tables, function, **params)
    result = None if "failed" in answer else worker.result()
    worker.end()
    return answer, result


DELAYS = pa.table({"delay": [1, 2]})


def test_a_function_gets_tables_and_parameters_and_its_prints_do_not_disturb(worker: Worker) -> None:
    answer = worker.compute({"delays": DELAYS}, bonus=5)
    assert "failed" not in answer, answer
    assert worker.result().to_pydict() == {"delay": [1, 2], "score": [7, 9]}
    assert answer["unstorable"] is None
    assert answer["impure"] == []
    assert worker.end() == (0, "scoring\n")


def test_the_process_ends_when_nobody_can_ask_any_more(worker: Worker) -> None:
    assert worker.end()[0] == 0


def test_a_look_tells_all_code_and_is_the_same_in_every_process(folder: Path) -> None:
    looks = []
    for _ in range(2):
        worker = Worker(folder)
        looks.append(worker.look())
        worker.end()
    assert looks[0] == looks[1]
    assert {"the code of `steps.score`", "the code of `helpers.doubled`"} <= looks[0]["items"].keys()
    assert looks[0]["parameters"] == ["delays", "bonus"]
    assert looks[0]["storable"]
    assert str(folder) in looks[0]["folders"]


@pytest.mark.parametrize(
    ("file", "before", "after", "same"),
    [
        ("helpers.py", "x * 2", "x * 3", False),
        ("helpers.py", "return", "# doubled\n    return", True),
        ("steps.py", "+ bonus", "- bonus", False),
        ("steps.py", "delays: pd.DataFrame", "delays", False),
        ("steps.py", "bonus: int", "bonus: float", True),
    ],
)
def test_edits_that_change_a_result_change_the_items(
    folder: Path, file: str, before: str, after: str, same: bool
) -> None:
    items = []
    for edit in (False, True):
        if edit:
            text = (folder / file).read_text()
            assert before in text
            (folder / file).write_text(text.replace(before, after))
        worker = Worker(folder)
        items.append(worker.look()["items"])
        worker.end()
    assert (items[0] == items[1]) is same


@pytest.mark.parametrize(
    ("annotation", "imports", "kind"),
    [
        ("pd.DataFrame", "import pandas as pd", "pandas.DataFrame"),
        ("'pd.DataFrame'", "", "pandas.DataFrame"),
        ("pl.DataFrame", "import polars as pl", "polars.DataFrame"),
        ("pl.LazyFrame", "import polars as pl", "polars.LazyFrame"),
        ("pa.Table", "import pyarrow as pa", "pyarrow.Table"),
    ],
)
def test_a_function_gets_what_its_annotation_says(folder: Path, annotation: str, imports: str, kind: str) -> None:
    if "pl" in annotation:
        pytest.importorskip("polars")
    steps = f"""
{imports}
def score(delays: {annotation}):
    import pyarrow
    kind = f"{{type(delays).__module__.partition('.')[0]}}.{{type(delays).__name__}}"
    return pyarrow.table({{"kind": [kind]}})
"""
    _, result = computed(folder, steps, {"delays": DELAYS})
    assert result.to_pydict() == {"kind": [kind]}


@pytest.mark.parametrize(
    ("returned", "columns"),
    [
        ("t.to_pandas().set_index('delay').assign(x=1)", {"delay": [1, 2], "x": [1, 1]}),
        ("t.to_pandas().query('delay > 1')", {"delay": [2]}),
        ("t.to_pandas().astype('category')", {"delay": [1, 2]}),
        ("t.to_pandas()['delay']", {"delay": [1, 2]}),
        ("t.to_batches()[0]", {"delay": [1, 2]}),
        ("pa.table({'s': pa.array(['a', 'a']).dictionary_encode()})", {"s": ["a", "a"]}),
        ("pa.table({'s': pa.array(['a'], pa.large_string())})", {"s": ["a"]}),
    ],
)
def test_every_kind_of_table_may_be_returned(folder: Path, returned: str, columns: dict[str, list[Any]]) -> None:
    answer, result = computed(folder, f"import pyarrow as pa\ndef score(t):\n    return {returned}\n", {"t": DELAYS})
    assert "failed" not in answer, answer
    assert result.to_pydict() == columns
    assert not any(pa.types.is_dictionary(field.type) or field.type == pa.large_string() for field in result.schema)


def test_tables_go_by_name_if_all_have_one_and_else_in_order(folder: Path) -> None:
    tables = {"a": pa.table({"x": [1]}), "b": pa.table({"x": [2]})}
    by_name = "def score(b, a):\n    return b\n"
    in_order = "def score(first, second):\n    return second\n"
    starred = "def score(*tables):\n    return tables[1]\n"
    for steps in (by_name, in_order, starred):
        assert computed(folder, steps, tables)[1].to_pydict() == {"x": [2]}


@pytest.mark.parametrize(
    ("steps", "function", "said"),
    [
        ("def score(delays, limit): ...", "score", "needs `limit`, which is neither in `from` nor in `params`"),
        ("def score(): ...", "score", "takes 0 tables, and `from` has 1"),
        ("def score(delays): return {}", "score", "returned a dict: return a table"),
        ("def score(delays: list): ...", "score", "annotate the parameter"),
        ("def other(delays): ...", "score", "has no function `score`; it has other"),
        ("def score(delays: 5 5): ...", "score", "SyntaxError"),
        ("def score(delays):\n    raise ValueError('late')", "score", "ValueError: late"),
        ("raise SystemExit(3)", "score", "SystemExit: 3"),
    ],
)
def test_what_goes_wrong_is_told(folder: Path, steps: str, function: str, said: str) -> None:
    answer, _ = computed(folder, steps, {"delays": DELAYS}, function)
    assert said in answer["failed"]


def test_an_error_is_told_from_the_users_lines_on(folder: Path) -> None:
    answer, _ = computed(folder, "def score(delays):\n    return late()\ndef late():\n    1 / 0\n", {"delays": DELAYS})
    lines = answer["failed"].splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert "steps.py" in lines[1]
    assert "everfresh" not in answer["failed"]


def test_what_a_function_reads_is_told(folder: Path) -> None:
    (folder / "names.txt").write_text("x")
    steps = """
import os, subprocess
def score(delays):
    open("names.txt").close()
    os.environ.get("EVERFRESH_TEST_UNSET")
    return delays
def shell(delays):
    subprocess.run(["true"])
    return delays
"""
    answer, _ = computed(folder, steps, {"delays": DELAYS})
    seen = bytes.fromhex(answer["observed"])
    assert b"names.txt" in seen
    assert b"EVERFRESH_TEST_UNSET" in seen
    assert answer["unstorable"] is None
    answer, _ = computed(folder, steps, {"delays": DELAYS}, "shell")
    assert answer["impure"] or answer["unstorable"]


def test_what_modules_read_while_they_are_imported_is_told_and_what_packages_read_is_not(folder: Path) -> None:
    (folder / "settings.txt").write_text("x")
    (folder / "helpers.py").write_text("import os, pandas\nLIMIT = len(open('settings.txt').read())\n" + HELPERS)
    worker = Worker(folder)
    answer = worker.look()
    worker.end()
    seen = b"".join(bytes.fromhex(one) for one in answer["observed"])
    assert b"settings.txt" in seen
    assert b"site-packages/pandas" not in seen
    assert b"zoneinfo" not in seen
    assert answer["storable"]


def test_a_module_that_gives_another_value_each_time_is_looked_at_each_time(folder: Path) -> None:
    (folder / "helpers.py").write_text("import subprocess\nsubprocess.run(['true'])\n" + HELPERS)
    worker = Worker(folder)
    assert not worker.look()["storable"]
    worker.end()


def test_an_archive_of_modules_counts_though_it_is_not_there_yet(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    places = [str(folder / "late.zip"), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, places)))
    worker = Worker(folder)
    seen = b"".join(bytes.fromhex(one) for one in worker.look()["observed"])
    worker.end()
    assert places[0].encode() in seen


def test_code_that_no_name_reaches_counts_by_the_files_of_all_modules(folder: Path) -> None:
    (folder / "plugins.py").write_text("def plus(x):\n    return x\n")
    steps = """
import importlib
def score(delays):
    return importlib.import_module("snigulp"[::-1]).plus(delays)
"""
    answer, _ = computed(folder, steps, {"delays": DELAYS})
    # All of the user's: what such code is made of nobody has walked.
    assert answer["files"] == [str(folder / "plugins.py"), str(folder / "steps.py")]
