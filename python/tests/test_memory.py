"""`Memory`: what joblib's has, and that it is never stale."""

from __future__ import annotations

import asyncio
import functools
import os
import pickle
import shutil
import subprocess
import sys
import textwrap
import threading
import warnings
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import everfresh as ef
import pytest
from everfresh._memory_function import MemorizedFunc

np = pytest.importorskip("numpy")


@pytest.fixture(autouse=True)
def own_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


@pytest.fixture
def memory(tmp_path: Path) -> ef.Memory:
    return ef.Memory(tmp_path / "cache", verbose=0)


@pytest.fixture
def calls() -> list[object]:
    """What a function adds to when it computes; it cannot tell what is in there, so that is no input of it."""
    return []


class Project:
    """Two modules, run in fresh processes over one folder."""

    MAIN = """
    import sys, everfresh as ef, helper
    memory = ef.Memory("cache", verbose=0)

    @memory.cache
    def work(n):
        print("computed")
        return BODY

    print(work(5))
    """

    def __init__(self, folder: Path, body: str, helper: str) -> None:
        self.folder = folder
        self.write("main.py", textwrap.dedent(self.MAIN).replace("BODY", body))
        self.write("helper.py", helper)

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(textwrap.dedent(text))

    def run(self, **environment: str) -> list[str]:
        """What it printed: `computed` if it did, then the result."""
        command = [sys.executable, "-W", "error", "-B", "main.py"]
        own = {**os.environ, **environment}
        run = subprocess.run(command, cwd=self.folder, env=own, capture_output=True, text=True, timeout=60, check=False)
        assert run.returncode == 0, run.stderr
        return run.stdout.split()


@pytest.fixture
def project(tmp_path: Path) -> Callable[[str, str], Project]:
    return functools.partial(Project, tmp_path)


# Never stale.


def test_a_result_outlives_the_process(project: Any) -> None:
    one = project("helper.twice(n)", "def twice(n): return 2 * n")
    assert [one.run(), one.run()] == [["computed", "10"], ["10"]]


def test_an_edited_helper_in_another_module_recomputes_and_its_comment_does_not(project: Any) -> None:
    one = project("helper.twice(n)", "def twice(n): return once(n) * 2\ndef once(n): return n")
    one.run()
    one.write("helper.py", "def twice(n): return once(n) * 2\ndef once(n): return n + 1")
    assert one.run() == ["computed", "12"]
    one.write("helper.py", "# why\n\ndef twice(n):\n    return once(n) * 2\n\ndef once(n):\n    return n + 1")
    assert one.run() == ["12"]


def test_a_file_and_its_absence_count(project: Any) -> None:
    helper = """
    import os
    def words(): return len(open("words").read()) if os.path.exists("words") else 0
    """
    one = project("n + helper.words()", helper)
    assert [one.run(), one.run()] == [["computed", "5"], ["5"]]
    one.write("words", "ab")
    assert [one.run(), one.run()] == [["computed", "7"], ["7"]]
    one.write("words", "abc")
    assert one.run() == ["computed", "8"]


def test_an_environment_variable_counts(project: Any) -> None:
    one = project("n + helper.offset()", "import os\ndef offset(): return int(os.environ.get('OFFSET', 0))")
    assert [one.run(), one.run(OFFSET="3"), one.run(OFFSET="3"), one.run()] == [
        ["computed", "5"],
        ["computed", "8"],
        ["8"],
        ["5"],
    ]


def test_a_redefined_helper_counts_within_a_process(memory: ef.Memory, calls: list[object]) -> None:
    scope: dict[str, Any] = {"calls": calls}
    exec("def helper(n): return n\ndef work(n):\n    calls.append(n)\n    return helper(n)", scope)
    work = memory.cache(scope["work"])
    assert (work(5), work(5), calls) == (5, 5, [5])
    exec("def helper(n): return n + 1", scope)
    assert (work(5), work(5), calls) == (6, 6, [5, 5])
    exec("def helper(n): return n", scope)
    assert (work(5), calls) == (5, [5, 5])


def test_a_result_at_hand_is_not_taken_for_one_of_other_code(memory: ef.Memory, calls: list[object]) -> None:
    scope: dict[str, Any] = {"calls": calls}
    exec("def helper(n): return n\ndef work(n):\n    calls.append(n)\n    return helper(n)", scope)
    work = memory.cache(scope["work"])
    assert [work(1) for _ in range(3)] == [1, 1, 1]
    exec("def helper(n): return [0, n + 1][n]", scope)
    # This looks at the code, and writes nothing to the store.
    with pytest.raises(IndexError):
        work(2)
    assert (work(1), calls) == (2, [1, 2, 1])


def test_a_folder_that_was_removed_is_made_anew(tmp_path: Path, memory: ef.Memory, calls: list[object]) -> None:
    @memory.cache
    def numbers(n: int) -> Any:
        calls.append(n)
        return np.arange(n)

    numbers(5_000)
    shutil.rmtree(tmp_path / "cache")
    # The first finds that it is gone, the next is kept again.
    assert [len(numbers(n)) for n in (5_000, 6_000, 6_000)] == [5_000, 6_000, 6_000]
    assert calls == [5_000, 5_000, 6_000]
    assert (tmp_path / "cache").is_dir()


def test_what_another_process_clears_is_computed_anew(tmp_path: Path, memory: ef.Memory, calls: list[object]) -> None:
    @memory.cache
    def square(n: int) -> int:
        calls.append(n)
        return n * n

    assert [square(3) for _ in range(3)] == [9, 9, 9]
    clear = f"import everfresh as ef; ef.Memory({str(tmp_path / 'cache')!r}, verbose=0).clear(warn=False)"
    subprocess.run([sys.executable, "-c", clear], check=True, timeout=60)
    assert (square(3), calls) == (9, [3, 3])


def test_who_calls_a_cached_function_depends_on_what_it_read(tmp_path: Path, memory: ef.Memory) -> None:
    words = tmp_path / "words"
    words.write_text("ab")

    @memory.cache
    def inner(path: str) -> int:
        return len(Path(path).read_text())

    @memory.cache
    def outer(path: str) -> int:
        return inner(path) * 10

    path = str(words)
    # Three times: a result that is at hand counts for its caller too.
    assert [inner(path), inner(path), outer(path), outer(path)] == [2, 2, 20, 20]
    words.write_text("abc")
    assert (outer(path), inner(path)) == (30, 3)


def test_what_a_function_reads_of_a_list_counts_what_it_only_adds_to_does_not(memory: ef.Memory) -> None:
    added: list[int] = []
    read = [1]

    @memory.cache
    def total(n: int) -> int:
        added.append(n)
        return n + sum(read)

    assert (total(1), total(1), added) == (2, 2, [1])
    read.append(5)
    assert (total(1), total(1), added) == (7, 7, [1, 1])
    added.clear()
    assert (total(1), added) == (7, [])


def test_who_only_appends_to_a_file_does_not_read_it(tmp_path: Path, memory: ef.Memory) -> None:
    log = tmp_path / "log"

    @memory.cache
    def logged(n: int, *, mode: str) -> int:
        with log.open(mode) as file:
            file.write(f"{n}\n")
            return len(file.read()) if "+" in mode else n

    with pytest.warns(ef.ImpureWarning, match="it writes"):
        assert [logged(1, mode="a"), logged(1, mode="a")] == [1, 1]
    assert log.read_text() == "1\n"
    # Read as well, and changed by the function itself: nothing that was computed holds afterwards.
    logged(2, mode="a+"), logged(2, mode="a+")
    assert log.read_text() == "1\n2\n2\n"


# Keys.


def test_a_default_a_place_and_a_name_are_one_call(memory: ef.Memory, calls: list[object]) -> None:
    @memory.cache
    def f(x: int, y: int = 2, *rest: int, z: int = 3, **named: int) -> int:
        calls.append(x)
        return x + y + z

    assert {f(1), f(x=1), f(1, 2), f(1, y=2), f(1, 2, z=3)} == {6}
    assert calls == [1]
    f(1, 2, 9)
    f(1, a=1)
    assert calls == [1, 1, 1]


@pytest.mark.parametrize("pair", [(1, True), (1, 1.0), (0.0, -0.0), ("1", b"1"), ((1,), [1]), (None, False)])
def test_values_of_other_types_are_other_arguments(memory: ef.Memory, pair: tuple[Any, Any]) -> None:
    @memory.cache
    def shown(value: Any) -> str:
        return repr(value)

    for _ in range(3):
        assert [shown(value) for value in pair] == [repr(value) for value in pair]


def test_arguments_that_have_no_hash(memory: ef.Memory, calls: list[object]) -> None:
    @memory.cache
    def total(rows: Any) -> float:
        calls.append(1)
        return float(sum(rows))

    assert [total([1, 2]), total([1, 2]), total(np.arange(3)), total(np.arange(3)), total({1: 0})] == [3, 3, 3, 3, 1]
    assert len(calls) == 3


class Estimator:
    """As people give them to cached functions: no fingerprint of its own."""

    def __init__(self, depth: int) -> None:
        self.depth, self.weights = depth, {"a": np.arange(depth)}


def test_an_object_of_any_class_counts_by_its_state(memory: ef.Memory, calls: list[object]) -> None:
    @memory.cache
    def fit(estimators: list[Estimator]) -> int:
        calls.append(1)
        return sum(one.depth for one in estimators)

    assert [fit([Estimator(2)]), fit([Estimator(2)]), fit([Estimator(3)])] == [2, 2, 3]
    assert len(calls) == 2
    changed = Estimator(2)
    changed.weights["a"][1] = 9
    assert (fit([changed]), len(calls)) == (2, 3)


def test_an_argument_that_cannot_be_told_is_named(memory: ef.Memory) -> None:
    @memory.cache
    def f(x: int, lock: object) -> int:
        return x

    with pytest.raises(TypeError, match="argument `lock`"):
        f(1, threading.Lock())


def test_ignored_parameters_do_not_count(memory: ef.Memory, calls: list[object]) -> None:
    @memory.cache(ignore=["verbose", "*"])
    def f(x: int, verbose: bool = False, *rest: object) -> int:
        calls.append(x)
        return x

    assert [f(1), f(1, verbose=True), f(1, True, object())] == [1, 1, 1]
    assert calls == [1]
    with pytest.raises(ValueError, match="there is no parameter `z`"):
        memory.cache(f, ignore=["z"])


def test_arguments_that_do_not_fit_are_an_error_of_both_kinds(memory: ef.Memory) -> None:
    @memory.cache
    def f(x: int) -> int:
        return x

    with pytest.raises(ValueError, match="Too many arguments for"):
        f(1, 2)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="missing a required argument: 'x'"):
        f()  # type: ignore[call-arg]


def test_partials_of_one_function_are_kept_apart(memory: ef.Memory, calls: list[object]) -> None:
    def power(base: int, n: int, plus: int = 0) -> int:
        calls.append(base)
        return int(base**n) + plus

    # More than a key has traces.
    for _ in range(2):
        for base in range(20):
            assert memory.cache(functools.partial(power, base, plus=1))(2) == base**2 + 1
    assert len(calls) == 20


class Model:
    def __init__(self, memory: ef.Memory, factor: int, calls: list[object]) -> None:
        self.factor, self._calls = factor, Calls(calls)
        self.scaled = memory.cache(self.scaled)  # type: ignore[method-assign]

    def scaled(self, n: int) -> int:
        self._calls.add(n)
        return n * self.factor


class Calls:
    """A list that counts for nothing where it is an attribute."""

    def __init__(self, calls: list[object]) -> None:
        self._calls = calls

    def add(self, what: object) -> None:
        self._calls.append(what)

    def __everfresh_key__(self) -> object:
        return "calls"


def test_a_method_is_cached_by_the_attributes_of_its_instance(memory: ef.Memory, calls: list[object]) -> None:
    two, three = Model(memory, 2, calls), Model(memory, 3, calls)
    assert [two.scaled(5), three.scaled(5), two.scaled(5), Model(memory, 2, calls).scaled(5)] == [10, 15, 10, 10]
    assert calls == [5, 5]
    two.factor = 7
    assert (two.scaled(5), calls) == (35, [5, 5, 5])


# Results.


def rows(n: int) -> dict[str, Any]:
    return {"c": np.arange(n, dtype="f8"), "f": [np.ones((n, 2), order="F")]}


@pytest.mark.parametrize("mode", ["r", "c", "r+", "w+"])
def test_arrays_are_mapped_from_one_file(memory: ef.Memory, mode: str) -> None:
    f = memory.cache(rows, mmap_mode=mode)
    for found in (f(1_000), f(1_000)):
        one, other = found["c"], found["f"][0]
        assert type(one) is type(other) is np.memmap
        assert one.mode == ("r" if mode == "r" else "c")
        assert one.flags.writeable == (mode != "r")
        assert one.filename == other.filename
        assert other.flags.f_contiguous
        again = np.memmap(one.filename, one.dtype, "r", one.offset, one.shape)
        np.testing.assert_array_equal(again, np.arange(1_000))


@pytest.mark.parametrize("mode", [None, "c", "r+"])
def test_what_a_caller_writes_is_his_alone(memory: ef.Memory, mode: str | None) -> None:
    f = memory.cache(rows, mmap_mode=mode)
    f(1_000)
    mine, other = f(1_000), f(1_000)
    mine["c"][:] = -1
    mine["f"].append("more")
    for found in (other, f(1_000)):
        assert found["c"].sum() == sum(range(1_000))
        assert len(found["f"]) == 1
    if mode is None:
        assert type(other["c"]) is np.ndarray


def test_a_mapped_result_cannot_be_written_to(memory: ef.Memory) -> None:
    f = memory.cache(rows, mmap_mode="r")
    f(1_000)
    with pytest.raises(ValueError, match="read-only"):
        f(1_000)["c"][0] = 1


def resident() -> int:
    """How many bytes of this process's memory are in use."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is counted by /proc")
@pytest.mark.parametrize("mode", [None, "r", "c"])
def test_opening_a_result_reads_none_of_it(memory: ef.Memory, mode: str | None) -> None:
    size = 64 << 20

    @memory.cache(mmap_mode=mode)
    def large() -> Any:
        return np.ones(size, "u1")

    large()
    before = resident()
    found = large()
    assert (resident() - before) < size // 8
    assert int(found[::4096].sum()) == size // 4096


def test_a_small_array_is_a_memmap_too_where_a_mode_is_asked_for(memory: ef.Memory) -> None:
    f = memory.cache(np.arange, mmap_mode="r")
    f(3)
    assert type(f(3)) is np.memmap
    assert f(3).tolist() == [0, 1, 2]
    assert f(3).filename is None


@pytest.mark.parametrize("compress", [True, 9, "bz2", ("lzma", 1)])
def test_results_can_be_compressed(tmp_path: Path, compress: Any) -> None:
    memory = ef.Memory(tmp_path, compress=compress, verbose=0)
    f = memory.cache(rows)
    f(10_000)
    found = f(10_000)
    np.testing.assert_array_equal(found["c"], np.arange(10_000))
    assert found["c"].flags.writeable
    assert memory.store is not None
    assert memory.store.size() < 80_000
    # Who reads it need not know.
    assert ef.Memory(tmp_path, verbose=0).cache(rows)(10_000)["f"][0].shape == (10_000, 2)


def test_a_mode_or_a_compression_that_there_is_not_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="mmap_mode"):
        ef.Memory(tmp_path, mmap_mode="x")
    with pytest.raises(ValueError, match="there is no method 'zip'"):
        ef.Memory(tmp_path, compress="zip").cache(rows)
    with pytest.raises(ValueError, match="from 0 to 9"):
        ef.Memory(tmp_path, compress=10).cache(rows)
    with pytest.warns(UserWarning, match="cannot be memmapped"):
        ef.Memory(tmp_path, compress=True, mmap_mode="r")
    with pytest.raises(TypeError, match="Unknown location"):
        ef.Memory(tmp_path, backend="s3")


def test_any_object_that_pickles_is_kept(memory: ef.Memory, calls: list[object]) -> None:
    @memory.cache
    def make(depth: int) -> Estimator:
        calls.append(depth)
        return Estimator(depth)

    one, other = make(3), make(3)
    assert (other.depth, calls) == (3, [3])
    other.weights["a"][0] = 7
    assert make(3).weights["a"].tolist() == one.weights["a"].tolist() == [0, 1, 2]


def test_a_result_that_does_not_pickle_is_returned_and_said(
    memory: ef.Memory, calls: list[object], caplog: pytest.LogCaptureFixture
) -> None:
    @memory.cache
    def make(n: int) -> Any:
        calls.append(n)
        return threading.Lock()

    for _ in range(2):
        assert make(1).acquire(blocking=False)
    assert calls == [1, 1]
    assert "is not kept" in caplog.text
    assert "lock" in caplog.text
    assert make.call_and_shelve(1).get().acquire(blocking=False)


def test_frames_come_back_as_they_were(memory: ef.Memory) -> None:
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"a": range(1_000), "b": np.linspace(0, 1, 1_000), "c": ["x"] * 1_000})

    @memory.cache
    def same(frame: Any) -> Any:
        return frame

    for mode in (None, "r"):
        f = memory.cache(same, mmap_mode=mode)
        f(frame)
        assert f.check_call_in_cache(frame)
        found = f(frame)
        pd.testing.assert_frame_equal(found, frame)
        found.loc[0, "a"] = 5
        pd.testing.assert_frame_equal(f(frame), frame)


def test_a_damaged_file_is_computed_anew(tmp_path: Path, memory: ef.Memory, calls: list[object]) -> None:
    @memory.cache(mmap_mode="r")
    def large(n: int) -> Any:
        calls.append(n)
        return np.arange(n)

    file = Path(large(10_000).filename)
    shelved = large.call_and_shelve(10_000)
    file.chmod(0o600)
    file.write_bytes(b"garbage")
    with pytest.raises(KeyError):
        shelved.get()
    assert (int(large(10_000)[-1]), calls) == (9_999, [10_000, 10_000])


def test_what_cannot_be_read_is_computed_anew_and_said(
    memory: ef.Memory, calls: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    @memory.cache
    def make(depth: int) -> Estimator:
        calls.append(depth)
        return Estimator(depth)

    said: list[str] = []
    monkeypatch.setattr(make, "warn", said.append)
    make(3), make(3)
    assert (calls, said) == ([3], [])
    with monkeypatch.context() as other:
        # Another user's key does not open what is pickled.
        other.setattr("everfresh._memory_values._key", b"other" * 8)
        assert make(3).depth == 3
    assert calls == [3, 3]
    assert "Exception while loading results for" in said[0]
    assert make(3).depth == 3


def test_errors_are_not_kept(memory: ef.Memory, calls: list[object]) -> None:
    @memory.cache
    def fails(n: int) -> int:
        calls.append(n)
        raise LookupError(n)

    for _ in range(2):
        with pytest.raises(LookupError):
            fails(1)
    assert calls == [1, 1]


# Verbs.


def test_call_computes_in_any_case_and_replaces_the_result(memory: ef.Memory, calls: list[object]) -> None:
    @memory.cache
    def f(x: int, y: int = 2) -> int:
        calls.append(x)
        return x + y

    assert f(1) == 3
    result, metadata = f.call(1)
    assert (result, calls) == (3, [1, 1])
    assert metadata["input_args"] == {"x": "1", "y": "2"}
    assert metadata["duration"] >= 0
    assert metadata["time"] > 1.7e9
    assert (f(1), calls) == (3, [1, 1])


def test_a_shelved_result_is_read_when_it_is_asked_for_in_any_process(tmp_path: Path, memory: ef.Memory) -> None:
    f = memory.cache(rows, mmap_mode="r")
    shelved = f.call_and_shelve(1_000)
    assert shelved.get()["c"].sum() == 499_500
    copy = pickle.loads(pickle.dumps(shelved))
    assert type(copy.get()["c"]) is np.memmap
    assert repr(copy) == repr(shelved)
    read = f"import pickle; print(int(pickle.loads({pickle.dumps(shelved)!r}).get()['c'].sum()))"
    run = subprocess.run([sys.executable, "-c", read], capture_output=True, text=True, check=True, timeout=60)
    assert run.stdout.strip() == "499500"


def test_a_relative_location_stays_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    memory = ef.Memory("cache", verbose=0)
    shelved = memory.cache(rows).call_and_shelve(10)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    assert len(shelved.get()["c"]) == 10
    assert memory.cache(rows).check_call_in_cache(10)
    assert memory.location == "cache"


@pytest.mark.parametrize("how", ["the result", "the function", "the memory"])
def test_a_shelved_result_that_was_cleared_is_a_key_error(memory: ef.Memory, calls: list[object], how: str) -> None:
    def f(n: int) -> int:
        calls.append(n)
        return n

    cached = memory.cache(f)
    shelved = cached.call_and_shelve(1)
    {"the result": shelved.clear, "the function": cached.clear, "the memory": memory.clear}[how]()
    with pytest.raises(KeyError):
        shelved.get()
    shelved.clear()
    assert (cached(1), len(calls)) == (1, 2)


def test_a_shelved_result_stands_for_what_it_was(memory: ef.Memory) -> None:
    scope: dict[str, Any] = {}
    exec("step = 1\ndef work(n): return n + step", scope)
    work = memory.cache(scope["work"])
    old = work.call_and_shelve(1)
    scope["step"] = 2
    new = work.call_and_shelve(1)
    assert (old.get(), new.get()) == (2, 3)


def test_shelved_results_are_arguments_by_what_they_hold(memory: ef.Memory, calls: list[object]) -> None:
    @memory.cache
    def load(n: int) -> Any:
        return np.arange(n)

    @memory.cache
    def total(shelved: Any) -> int:
        calls.append(1)
        return int(shelved.get().sum())

    assert [total(load.call_and_shelve(n)) for n in (3, 4, 3)] == [3, 6, 3]
    assert len(calls) == 2


def test_check_call_in_cache_computes_nothing(memory: ef.Memory, calls: list[object]) -> None:
    @memory.cache
    def f(x: int) -> int:
        calls.append(x)
        return x

    assert f.check_call_in_cache(1) is False
    f(1)
    assert f.check_call_in_cache(1) is True
    assert f.check_call_in_cache(2) is False
    assert calls == [1]


def test_clear_forgets_one_function(memory: ef.Memory, calls: list[object]) -> None:
    def one(n: int) -> int:
        calls.append("one")
        return n

    def other(n: int) -> int:
        calls.append("other")
        return n

    cached, untouched = memory.cache(one), memory.cache(other)
    for _ in range(2):
        cached(1), untouched(1)
    cached.clear(warn=False)
    cached(1), untouched(1)
    assert calls == ["one", "other", "one"]
    memory.clear(warn=False)
    cached(1), untouched(1)
    assert calls == ["one", "other", "one", "one", "other"]


def test_eval_calls_as_if_it_were_cached(memory: ef.Memory, calls: list[object]) -> None:
    def f(x: int) -> int:
        calls.append(x)
        return x

    assert [memory.eval(f, 1), memory.eval(f, x=1), memory.cache(f)(1)] == [1, 1, 1]
    assert calls == [1]


def test_without_a_location_nothing_is_kept(calls: list[object]) -> None:
    memory = ef.Memory(None, verbose=0)

    @memory.cache(ignore=["y"])
    def f(x: int, y: int = 0) -> int:
        calls.append(x)
        return x

    assert [f(1), f(1), f.call(1), f.check_call_in_cache(1)] == [1, 1, (1, {}), False]
    assert calls == [1, 1, 1]
    shelved = f.call_and_shelve(2)
    assert shelved.get() == 2
    shelved.clear()
    with pytest.raises(KeyError):
        shelved.get()
    f.clear()
    memory.clear()
    memory.reduce_size(items_limit=0)
    assert memory.eval(len, "abc") == 3


# Bounds.


def filled(memory: ef.Memory, n: int = 10) -> Any:
    def thousand(n: int) -> str:
        return chr(97 + n) * 1_000

    f = memory.cache(thousand)
    for each in range(n):
        f(each)
    return f


def kept(f: Any, n: int = 10) -> list[int]:
    return [each for each in range(n) if f.check_call_in_cache(each)]


def test_reduce_size_without_a_limit_removes_nothing(memory: ef.Memory) -> None:
    f = filled(memory)
    memory.reduce_size()
    memory.reduce_size(bytes_limit="1M", items_limit=10, age_limit=timedelta(days=1))
    assert len(kept(f)) == 10


@pytest.mark.parametrize(("limit", "left"), [("3K", 2), (3_072, 2), ("1K", 0), (0, 0), ("0.02M", 10)])
def test_reduce_size_by_bytes(memory: ef.Memory, limit: int | str, left: int) -> None:
    f = filled(memory)
    memory.reduce_size(bytes_limit=limit)
    assert len(kept(f)) == left


@pytest.mark.parametrize("limit", [0, 1, 4, 10])
def test_reduce_size_by_number(memory: ef.Memory, limit: int) -> None:
    f = filled(memory)
    memory.reduce_size(items_limit=limit)
    assert len(kept(f)) == limit


def test_reduce_size_keeps_what_was_used_last(memory: ef.Memory) -> None:
    f = filled(memory)
    # Each use is stamped later than the one before, by a clock that counts milliseconds.
    for each in (2, 7) * 50:
        f._simple.clear()
        f(each)
    memory.reduce_size(items_limit=2)
    assert kept(f) == [2, 7]


def test_reduce_size_by_age(memory: ef.Memory) -> None:
    f = filled(memory)
    with pytest.raises(ValueError, match="has to be a positive"):
        memory.reduce_size(age_limit=timedelta(seconds=-1))
    memory.reduce_size(age_limit=timedelta(hours=1))
    assert len(kept(f)) == 10


def test_results_of_equal_content_share_a_file_and_count_as_one_each(memory: ef.Memory) -> None:
    @memory.cache
    def same(n: int) -> str:
        return "a" * 10_000

    for each in range(5):
        same(each)
    memory.reduce_size(bytes_limit="12K")
    assert len(kept(same, 5)) == 5
    memory.reduce_size(items_limit=1)
    assert len(kept(same, 5)) == 1


def test_a_limit_that_is_no_number_is_an_error(memory: ef.Memory) -> None:
    with pytest.raises(ValueError, match="bytes_limit"):
        memory.reduce_size(bytes_limit="much")


def test_the_store_is_bounded(tmp_path: Path) -> None:
    memory = ef.Memory(tmp_path, verbose=0, backend_options={"max_size": "100KB"})
    f = memory.cache(rows)
    for n in range(1_000, 1_020):
        f(n)
    assert memory.store is not None
    assert memory.store.size() <= 100_000


# Callbacks.


def test_a_callback_judges_each_hit(memory: ef.Memory, calls: list[object]) -> None:
    asked: list[dict[str, Any]] = []
    answers = iter([True, False, True])

    def judge(metadata: dict[str, Any]) -> bool:
        asked.append(metadata)
        return next(answers)

    @memory.cache(cache_validation_callback=judge)
    def f(x: int) -> int:
        calls.append(x)
        return x

    assert [f(1), f(1), f(1), f(1)] == [1, 1, 1, 1]
    assert calls == [1, 1]
    assert [set(metadata) for metadata in asked] == [{"duration", "input_args", "time"}] * 3
    with pytest.raises(ValueError, match="needs to be callable"):
        memory.cache(cache_validation_callback=True)  # type: ignore[call-overload]


def test_results_expire_and_so_do_those_of_callers(memory: ef.Memory) -> None:
    @memory.cache(cache_validation_callback=ef.expires_after(hours=1))
    def inner(n: int) -> int:
        return n

    @memory.cache
    def outer(n: int) -> int:
        return inner(n)

    outer(1)
    cached: Any = outer
    found = cached._function.engine.find(cached._begin((1,), {}).key, [])
    assert found is not None
    assert 3_500 < found.remaining <= 3_600
    over = memory.cache(inner.func, cache_validation_callback=ef.expires_after())
    assert over.check_call_in_cache(1) is False


def test_nobody_keeps_what_hangs_on_a_callback(
    memory: ef.Memory, calls: list[object], caplog: pytest.LogCaptureFixture
) -> None:
    inner = memory.cache(abs, cache_validation_callback=lambda _: True)

    @memory.cache
    def outer(n: int) -> int:
        calls.append(n)
        return int(inner(n))

    inner(-1)
    assert [outer(-1), outer(-1)] == [1, 1]
    assert calls == [-1, -1]
    assert "whose results a callback judges" in caplog.text


def test_expires_after_adds_up() -> None:
    after = ef.expires_after(weeks=1, days=1, hours=1, minutes=1, seconds=1, milliseconds=1, microseconds=1)
    assert after.seconds == pytest.approx(694_861.001001)
    assert (after({"time": 0}), after({"time": 1e12})) == (False, True)


# Coroutine functions.


def test_tasks_that_ask_at_once_compute_once(memory: ef.Memory, calls: list[object]) -> None:
    @memory.cache
    async def f(n: int) -> list[int]:
        calls.append(n)
        await asyncio.sleep(0)
        return [n]

    async def main() -> None:
        results = await asyncio.gather(*(f(1) for _ in range(5)))
        assert results == [[1]] * 5
        assert len({id(result) for result in results}) == 5
        assert (await f.call_and_shelve(1)).get() == [1]
        assert calls == [1]
        assert (await f.call(1))[0] == [1]
        assert await memory.eval(f, 1) == [1]
        assert f.check_call_in_cache(1)

    asyncio.run(main())
    assert calls == [1, 1]
    assert asyncio.run(ef.Memory(None).cache(f).call_and_shelve(2)).get() == [2]


def test_threads_that_ask_at_once_compute_once_and_share_nothing(memory: ef.Memory, calls: list[object]) -> None:
    start, results = threading.Barrier(8), []

    @memory.cache
    def f(n: int) -> list[int]:
        calls.append(n)
        return [n]

    def ask() -> None:
        start.wait()
        results.append(f(1))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (results, calls) == ([[1]] * 8, [1])
    assert len({id(result) for result in results}) == 8


# Pickling, and what is said.


@pytest.fixture
def decorated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A module with a function that is decorated."""
    text = "import everfresh as ef\nmemory = ef.Memory('cache', verbose=0)\n@memory.cache\ndef f(x): return x + 1\n"
    (tmp_path / "decorated.py").write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    import decorated  # type: ignore[import-not-found]

    yield decorated
    del sys.modules["decorated"]


def test_a_decorated_function_is_pickled_by_its_name(decorated: Any) -> None:
    assert pickle.loads(pickle.dumps(decorated.f)) is decorated.f
    assert decorated.f(1) == 2


def test_others_are_pickled_with_their_function(memory: ef.Memory) -> None:
    f = memory.cache(rows, ignore=["n"], mmap_mode="r", cache_validation_callback=ef.expires_after(days=1))
    f(1_000)
    copy = pickle.loads(pickle.dumps(f))
    assert copy.func is rows
    assert copy.check_call_in_cache(2)
    assert (copy.ignore, copy.mmap_mode) == (["n"], "r")


def test_a_memory_is_pickled_with_its_settings(tmp_path: Path) -> None:
    memory = ef.Memory(tmp_path, compress=3, verbose=2, backend_options={"max_size": "1MB"})
    copy = pickle.loads(pickle.dumps(memory))
    assert vars(copy) == vars(memory)
    assert repr(copy) == f"Memory(location={tmp_path})"
    assert pickle.loads(pickle.dumps(ef.Memory(None))).location is None


def test_a_cached_method_is_pickled_with_its_instance(memory: ef.Memory, calls: list[object]) -> None:
    model = Model(memory, 2, calls)
    assert model.scaled(5) == 10
    copy = pickle.loads(pickle.dumps(model))
    assert (copy.scaled(5), copy.scaled.func.__self__ is copy) == (10, True)


def test_it_looks_like_the_function(memory: ef.Memory) -> None:
    f = memory.cache(rows)
    assert isinstance(f, MemorizedFunc)
    assert (f.__name__, f.__wrapped__, f.func) == ("rows", rows, rows)
    assert memory.cache(f).func is rows
    assert f.cache_explain(1) == "miss: nothing is kept for these arguments"


def test_it_says_what_it_computes_and_what_it_loads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    f = ef.Memory(tmp_path, verbose=5).cache(rows)
    f(3)
    said = capsys.readouterr().out
    assert "[Memory] Calling test_memory.rows...\ntest_memory.rows(3)" in said
    assert "rows - 0.0s, 0.0min" in said
    f(3)
    assert "rows cache loaded - 0.0s, 0.0min" in capsys.readouterr().out


def test_a_generator_function_is_refused(memory: ef.Memory) -> None:
    def numbers() -> Iterator[int]:
        yield 1

    with pytest.raises(TypeError, match="is a generator function"):
        memory.cache(numbers)


def test_simple_results_at_hand_are_bounded(memory: ef.Memory) -> None:
    f: Any = memory.cache(abs)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for n in range(1_100):
            assert f(n) == n
    assert len(f._simple) <= 1_024
