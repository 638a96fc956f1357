"""`run`: pipeline files, by the program."""

from __future__ import annotations

import pickle
import stat
import sys
from pathlib import Path

import everfresh as ef
import pytest

PROGRAM = """#!/bin/sh
echo "$@"
[ -n "$TELL" ] && echo "$EVERFRESH_PYTHON"
echo "a warning" >&2
exit ${CODE:-0}
"""


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Something in the place of `everfresh` that prints its arguments."""
    path = tmp_path / "bin" / "everfresh"
    path.parent.mkdir()
    path.write_text(PROGRAM)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{path.parent}:/usr/bin:/bin")


def test_the_program_gets_the_options_and_its_output_is_shown(
    program: None, capsys: pytest.CaptureFixture[str]
) -> None:
    ef.run()
    ef.run(Path("examples"), only=["delays", "report"], refresh="rates", params={"year": 2014}, jobs=3)
    assert capsys.readouterr().out.splitlines() == [
        "run -- everfresh.yaml",
        "a warning",
        "run --only=delays --only=report --refresh=rates --param=year=2014 --jobs=3 -- examples",
        "a warning",
    ]


@pytest.mark.parametrize(("code", "said"), [(1, "a step or a check failed"), (2, "an option is wrong"), (9, "code 9")])
def test_a_failure_is_an_error(program: None, monkeypatch: pytest.MonkeyPatch, code: int, said: str) -> None:
    monkeypatch.setenv("CODE", str(code))
    with pytest.raises(ef.RunError, match=f"`everfresh run shop.yaml` failed: .*{said}") as raised:
        ef.run("shop.yaml")
    again = pickle.loads(pickle.dumps(raised.value))
    assert (again.path, again.code) == ("shop.yaml", code)


def test_steps_in_python_run_with_this_interpreter_unless_another_was_chosen(
    program: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TELL", "1")
    monkeypatch.delenv("EVERFRESH_PYTHON", raising=False)
    ef.run()
    monkeypatch.setenv("EVERFRESH_PYTHON", "another")
    ef.run()
    lines = capsys.readouterr().out.splitlines()
    assert [lines[1], lines[4]] == [sys.executable, "another"]


def test_without_the_program_it_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="cargo install --path crates/everfresh-cli"):
        ef.run()
