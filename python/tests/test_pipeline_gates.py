"""Checks stop what stands behind them; sinks write once, and heal what they wrote."""

from __future__ import annotations

import os
import pickle
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import everfresh as ef
import pytest

# What functions take and return here.
Data = Any
Ran = Callable[[], list[str]]


@pytest.fixture
def ran(capsys: pytest.CaptureFixture[str]) -> Ran:
    """Which nodes ran since it was last asked: each prints its name."""
    return lambda: capsys.readouterr().out.split()


def gated(verdict: Callable[[list[int]], object]) -> ef.Pipeline:
    """numbers -> total -> report, with a check of the numbers."""
    p = ef.Pipeline("gated")

    @p.source
    def numbers(upto: Data) -> Data:
        print("numbers")
        return list(range(upto))

    @p.check
    def enough(numbers: Data) -> Data:
        print("enough")
        return verdict(numbers)

    @p.step
    def total(numbers: Data) -> Data:
        print("total")
        return sum(numbers)

    @p.sink
    def report(total: Data) -> Data:
        print("report")
        return total

    return p


def asserted(numbers: list[int]) -> None:
    assert len(numbers) > 2, "too few"


@pytest.mark.parametrize(
    ("verdict", "said"),
    [
        (lambda numbers: len(numbers) > 2, ""),
        (lambda numbers: "too few" if len(numbers) < 3 else None, "too few"),
        (lambda numbers: "too few" if len(numbers) < 3 else "", "too few"),
        (asserted, "too few"),
    ],
)
@pytest.mark.parametrize("jobs", [1, 3])
def test_nothing_behind_a_failed_check_runs(
    verdict: Callable[[list[int]], object], said: str, jobs: int, ran: Ran
) -> None:
    p = gated(verdict)
    with pytest.raises(ef.CheckError, match="the check `enough` failed") as raised:
        p.run(upto=2, jobs=jobs)
    assert (raised.value.check, raised.value.message.partition("\n")[0]) == ("enough", said)
    assert ran() == ["numbers", "enough"]
    # A failure is not kept, what it looked at is.
    with pytest.raises(ef.CheckError):
        p.run(upto=2, jobs=jobs)
    assert ran() == ["enough"]
    assert dict(p.run(upto=3, jobs=jobs)) == {"numbers": [0, 1, 2], "enough": True, "total": 3, "report": 3}
    assert ran() == ["numbers", "enough", "total", "report"]
    p.run(upto=3, jobs=jobs)
    assert ran() == []


def test_a_verdict_is_true_false_none_or_a_message() -> None:
    with pytest.raises(TypeError, match="the check `enough` returns a list: a check returns True or None"):
        gated(lambda numbers: ["too few"]).run(upto=5)


def test_the_error_of_a_check_can_be_pickled() -> None:
    error = pickle.loads(pickle.dumps(ef.CheckError("enough", "too few")))
    assert (error.check, error.message, str(error)) == ("enough", "too few", "the check `enough` failed: too few")


def test_a_target_that_does_not_stand_behind_a_check_does_not_wait_for_it(ran: Ran) -> None:
    p = gated(lambda numbers: False)
    assert p.run("numbers", upto=2)["numbers"] == [0, 1]
    with pytest.raises(ef.CheckError):
        p.run("total", upto=2)
    assert ran() == ["numbers", "enough"]


def test_a_check_of_a_step_and_its_input_does_not_stop_that_step(ran: Ran) -> None:
    p = ef.Pipeline("both")

    @p.source
    def numbers() -> Data:
        print("numbers")
        return [1, 2]

    @p.step
    def doubled(numbers: Data) -> Data:
        print("doubled")
        return [2 * number for number in numbers]

    @p.check
    def as_many(numbers: Data, doubled: Data) -> Data:
        print("as_many")
        return len(numbers) == len(doubled)

    @p.step
    def total(doubled: Data) -> Data:
        print("total")
        return sum(doubled)

    assert p.run()["total"] == 6
    assert ran() == ["numbers", "doubled", "as_many", "total"]


def test_a_check_that_takes_no_result_stands_before_everything(ran: Ran) -> None:
    p = ef.Pipeline("settings")

    @p.source
    def numbers() -> Data:
        print("numbers")

    @p.check
    def known(region: Data) -> Data:
        return region in ("north", "south")

    with pytest.raises(ef.CheckError, match="known"):
        p.run(region="east")
    assert ran() == []
    p.run(region="north")
    assert ran() == ["numbers"]


def test_who_names_a_check_waits_for_it() -> None:
    p = ef.Pipeline("named")

    @p.check
    def ready() -> Data:
        return None

    @p.step
    def go(ready: Data) -> Data:
        return ready

    assert p.run("go")["go"] is True


def writing(path: Path, content: str = "") -> ef.Pipeline:
    """A sink that writes what its source gives."""
    p = ef.Pipeline("writing")

    @p.source
    def text(word: Data) -> Data:
        return word

    @p.sink
    def written(text: Data) -> Data:
        print("written")
        path.parent.mkdir(exist_ok=True)
        path.write_text(text + content)

    return p


def test_a_sink_writes_once_for_the_same_inputs(tmp_path: Path, ran: Ran) -> None:
    path = tmp_path / "out" / "report"
    p = writing(path)
    p.run(word="good")
    p.run(word="good")
    assert (ran(), path.read_text()) == (["written"], "good")
    p.run(word="bad")
    p.run(word="good")
    assert (ran(), path.read_text()) == (["written", "written"], "good")


def test_a_sink_heals_what_was_removed_or_edited(tmp_path: Path, ran: Ran) -> None:
    path = tmp_path / "report"
    p = writing(path)
    p.run(word="good")
    path.unlink()
    assert p.plan(word="good")["written"].reason == f"the file `{path}` is gone"
    p.run(word="good")
    assert path.read_text() == "good"
    path.write_text("forged")
    assert p.plan(word="good")["written"].reason == f"the file `{path}` changed"
    p.run(word="good")
    assert (len(ran()), path.read_text()) == (3, "good")
    # Only what is in it counts.
    os.utime(path, (1, 1))
    p.run(word="good")
    assert ran() == []


def test_a_sink_that_replaces_its_file_is_seen(tmp_path: Path, ran: Ran) -> None:
    p, path = ef.Pipeline("atomic"), tmp_path / "report"

    @p.sink
    def report() -> Data:
        print("report")
        new = path.with_suffix(".new")
        new.write_text("good")
        new.replace(path)

    p.run()
    p.run()
    assert ran() == ["report"]
    path.write_text("forged")
    p.run()
    assert (ran(), path.read_text()) == (["report"], "good")


def test_a_sink_appends_once(tmp_path: Path, ran: Ran) -> None:
    p, path = ef.Pipeline("log"), tmp_path / "log"
    path.write_text("begun\n")

    @p.sink
    def log(line: Data) -> Data:
        with path.open("a") as file:
            file.write(line + "\n")

    for line in ("one", "one", "two", "two"):
        p.run(line=line)
    assert path.read_text() == "begun\none\ntwo\n"


def test_a_sink_may_write_a_database(tmp_path: Path, ran: Ran) -> None:
    p, path = ef.Pipeline("database"), tmp_path / "orders.db"

    @p.source
    def orders(upto: Data) -> Data:
        return list(range(upto))

    @p.sink
    def table(orders: Data) -> Data:
        print("table")
        connection = sqlite3.connect(path)
        with connection:
            connection.execute("create table if not exists orders(number)")
            connection.execute("delete from orders")
            connection.executemany("insert into orders values (?)", [(order,) for order in orders])
        connection.close()

    def rows() -> list[int]:
        connection = sqlite3.connect(path)
        found = [number for (number,) in connection.execute("select number from orders")]
        connection.close()
        return found

    p.run(upto=2)
    p.run(upto=2)
    assert (ran(), rows()) == (["table"], [0, 1])
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("delete from orders")
    connection.close()
    p.run(upto=2)
    assert (ran(), rows()) == (["table"], [0, 1])


def test_files_that_a_library_writes_are_known_by_a_parameter_or_the_result(tmp_path: Path, ran: Ran) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    arrow = pytest.importorskip("pyarrow")
    p = ef.Pipeline("library")

    @p.sink
    def by_parameter(path: Data) -> Data:
        print("by_parameter")
        parquet.write_table(arrow.table({"n": [1]}), path)

    @p.sink
    def by_result(folder: Data) -> Data:
        print("by_result")
        path = f"{folder}/result.parquet"
        parquet.write_table(arrow.table({"n": [2]}), path)
        return path

    given, returned = tmp_path / "parameter.parquet", tmp_path / "result.parquet"
    inputs: dict[str, Data] = {"path": str(given), "folder": str(tmp_path)}
    p.run("by_parameter", **inputs)
    p.run("by_result", **inputs)
    assert ran() == ["by_parameter", "by_result"]
    p.run("by_parameter", **inputs)
    p.run("by_result", **inputs)
    assert ran() == []
    given.write_bytes(b"")
    returned.unlink()
    p.run("by_parameter", **inputs)
    p.run("by_result", **inputs)
    assert ran() == ["by_parameter", "by_result"]
    assert (parquet.read_table(given)["n"].to_pylist(), parquet.read_table(returned)["n"].to_pylist()) == ([1], [2])


def test_sinks_run_last_and_not_at_all_if_anything_failed(tmp_path: Path, ran: Ran) -> None:
    p = ef.Pipeline("last")

    @p.sink
    def early(numbers: Data) -> Data:
        print("early")

    @p.source
    def numbers() -> Data:
        print("numbers")
        return [1]

    @p.step
    def unrelated(fail: Data) -> Data:
        print("unrelated")
        if fail:
            raise ValueError("it fails")

    @p.check
    def after(early: Data) -> Data:
        print("after")

    with pytest.raises(ValueError, match="it fails"):
        p.run(fail=True)
    assert "early" not in ran()
    p.run(fail=False)
    assert ran() == ["unrelated", "early", "after"]


def test_a_check_may_compare_what_was_written_with_what_should_be(tmp_path: Path, ran: Ran) -> None:
    p, path = ef.Pipeline("compared"), tmp_path / "report"

    @p.source
    def numbers() -> Data:
        return [1, 2]

    @p.sink
    def report(numbers: Data) -> Data:
        print("report")
        path.write_text("1")
        return str(path)

    @p.check
    def complete(numbers: Data, report: Data) -> Data:
        print("complete")
        return f"{report} lacks numbers" if len(Path(report).read_text().split()) < len(numbers) else None

    @p.step
    def total(numbers: Data) -> Data:
        print("total")
        return sum(numbers)

    @p.sink
    def announced(report: Data) -> None:
        print("announced")

    with pytest.raises(ef.CheckError, match="report lacks numbers"):
        p.run()
    assert ran() == ["total", "report", "complete"]


def test_outputs_of_a_sink_are_known_to_the_next_process(tmp_path: Path, ran: Ran) -> None:
    path = tmp_path / "report"

    def made() -> ef.Pipeline:
        p = ef.Pipeline("stored", cache_dir=tmp_path / "cache")

        @p.sink
        def report() -> Data:
            print("report")
            path.write_text("good")

        return p

    made().run()
    made().run()
    assert ran() == ["report"]
    path.unlink()
    made().run()
    assert (ran(), path.read_text()) == (["report"], "good")
