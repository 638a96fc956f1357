"""Whatever way a cached function reads something: when that changes it computes anew."""

# What it reads with has few types.
# mypy: disable-error-code="no-any-return,arg-type,attr-defined,return-value,var-annotated"

# Each way of reading is tried.
# ruff: noqa: PTH102, PTH103, PTH108, PTH109, PTH114, PTH115, PTH116, PTH118, PTH123, PTH202, PTH207, PTH208, PTH211

from __future__ import annotations

import asyncio
import contextlib
import glob
import linecache
import multiprocessing
import os
import pkgutil
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import everfresh as ef
import pytest

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in "abc":
        Path(name).write_text("1")


def is_fresh(function: Any, change: Callable[[], object]) -> None:
    """Called twice it is a hit; after the change it gives what a call without a cache gives."""
    first = function()
    assert function() == first
    assert function.cache_info().hits == 1
    change()
    now = function.__wrapped__()
    assert now != first
    assert function() == now


def is_never_stale(function: Any, change: Callable[[], object]) -> None:
    """The same, where it may be that nothing is kept."""
    first = function()
    assert function() == first
    change()
    now = function.__wrapped__()
    assert now != first
    assert function() == now


def write(path: str, text: str = "22") -> Callable[[], object]:
    """A change."""
    return lambda: Path(path).write_text(text)


def read(path: str) -> str:
    return Path(path).read_text()


# Tasks.


async def read_in_task(path: str) -> str:
    await asyncio.sleep(0)
    return read(path)


async def gathered() -> Any:
    return await asyncio.gather(read_in_task("a"), read_in_task("b"))


async def created() -> str:
    task = asyncio.create_task(read_in_task("b"), name="reader")
    assert "read_in_task" in repr(task)
    await asyncio.sleep(0)
    return await task


async def waited_for() -> str:
    return await asyncio.wait_for(read_in_task("b"), 5)


async def grouped() -> str:
    async with asyncio.TaskGroup() as group:
        task = group.create_task(read_in_task("b"))
    return task.result()


async def nested() -> Any:
    return await asyncio.gather(created(), waited_for())


async def called_soon() -> str:
    loop = asyncio.get_running_loop()
    future = loop.create_future()
    loop.call_soon(lambda: future.set_result(read("b")))
    return str(await future)


async def called_later() -> str:
    loop = asyncio.get_running_loop()
    future = loop.create_future()
    loop.call_later(0, lambda: future.set_result(read("b")))
    return str(await future)


async def in_a_thread() -> str:
    return await asyncio.to_thread(read, "b")


class Run:
    """An asynchronous cached function as a plain one."""

    def __init__(self, function: Callable[[], Awaitable[Any]]) -> None:
        self.cached = ef.cached(function)

    def __call__(self) -> Any:
        return asyncio.run(self.cached())

    def __wrapped__(self) -> Any:
        return asyncio.run(self.cached.__wrapped__())

    def cache_info(self) -> Any:
        return self.cached.cache_info()


@pytest.mark.parametrize(
    "function", [gathered, created, waited_for, grouped, nested, called_soon, called_later, in_a_thread]
)
def test_what_a_task_reads_counts(function: Callable[[], Awaitable[Any]]) -> None:
    is_fresh(Run(function), write("b"))


def test_a_task_that_fails_or_is_cancelled_does_so_as_without_a_cache() -> None:
    async def fail() -> None:
        await asyncio.sleep(0)
        raise ValueError("no")

    async def forever() -> None:
        await asyncio.Event().wait()

    @ef.cached
    async def work() -> list[str]:
        tasks = [asyncio.create_task(fail()), asyncio.create_task(forever())]
        await asyncio.sleep(0)
        tasks[1].cancel()
        return [type(result).__name__ for result in await asyncio.gather(*tasks, return_exceptions=True)]

    assert asyncio.run(work()) == ["ValueError", "CancelledError"]


def test_a_task_that_outlives_its_computation_goes_on() -> None:
    go, done = [], []

    async def later() -> None:
        await go[0].wait()
        done.append(read("a"))

    tasks = []

    @ef.cached
    async def work() -> int:
        tasks.append(asyncio.create_task(later()))
        await asyncio.sleep(0)
        return 1

    async def main() -> int:
        go.append(asyncio.Event())
        result = await work()
        go[0].set()
        await tasks[0]
        return result

    assert (asyncio.run(main()), done) == (1, ["1"])


def test_what_another_task_reads_does_not_count() -> None:
    events: list[asyncio.Event] = []

    @ef.cached(ignore=("event",))
    async def work(event: list[asyncio.Event]) -> str:
        event[0].set()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return read("a")

    async def other(event: asyncio.Event) -> None:
        await event.wait()
        read("b")

    async def main() -> None:
        events[:] = [asyncio.Event()]
        own = asyncio.create_task(other(events[0]))
        await asyncio.sleep(0)
        await work(events)
        events[0].set()
        await own

    asyncio.run(main())
    Path("b").write_text("22")
    asyncio.run(main())
    assert work.cache_info().hits == 1


@contextlib.contextmanager
def a_loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def test_what_a_coroutine_reads_on_the_loop_of_another_thread_counts() -> None:
    @ef.cached(ignore=("loops",))
    def work(loops: list[asyncio.AbstractEventLoop]) -> str:
        return asyncio.run_coroutine_threadsafe(read_in_task("b"), loops[0]).result()

    with a_loop() as loop:
        assert (work([loop]), work([loop]), work.cache_info().hits) == ("1", "1", 1)
        Path("b").write_text("22")
        assert work([loop]) == "22"


# Files.


def test_a_nameless_file_in_a_folder_does_not_make_the_folder() -> None:
    @ef.cached
    def work() -> str:
        with tempfile.NamedTemporaryFile(dir=".") as file:
            file.write(b"x")
        with tempfile.TemporaryFile(dir=".") as file:
            file.write(b"x")
        return read("b")

    is_fresh(work, write("b"))


def test_a_file_that_was_to_be_made_and_is_there_is_read() -> None:
    @ef.cached
    def work() -> str:
        try:
            with open("b", "x") as file:
                file.write("default")
        except FileExistsError:
            pass
        return read("b")

    is_fresh(work, write("b"))


def test_a_descriptor_that_was_to_be_made_and_is_there_is_read() -> None:
    @ef.cached
    def work() -> str:
        with contextlib.suppress(FileExistsError):
            os.close(os.open("b", os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        return read("b")

    is_fresh(work, write("b"))


def test_whether_a_file_could_be_made_counts() -> None:
    @ef.cached
    def work() -> bool:
        try:
            open("b", "x").close()
        except FileExistsError:
            return False
        return True

    assert (work(), work(), work.cache_info().hits) == (False, False, 1)
    Path("b").unlink()
    with pytest.warns(ef.ImpureWarning):
        assert work() is True


@pytest.mark.parametrize(
    "make", [lambda: os.makedirs("data", exist_ok=True), lambda: Path("data").mkdir(exist_ok=True)]
)
def test_what_is_in_a_folder_that_was_there_counts(make: Callable[[], None]) -> None:
    make()
    Path("data/x").write_text("1")

    @ef.cached
    def work() -> tuple[str, list[str]]:
        make()
        return read("data/x"), sorted(os.listdir("data"))

    is_fresh(work, write("data/x"))
    is_fresh(ef.cached(work.__wrapped__), write("data/y"))


def entries_sizes() -> list[int]:
    with os.scandir(".") as entries:
        return sorted(entry.stat().st_size for entry in entries)


def walked_sizes() -> list[int]:
    return sorted(os.path.getsize(os.path.join(top, name)) for top, _, names in os.walk(".") for name in names)


def globbed_sizes() -> list[int]:
    return sorted(os.stat(path).st_size for path in glob.glob("**/*", recursive=True))


def a_line() -> str:
    linecache.clearcache()
    return linecache.getline("b", 1)


def listed_of_package() -> bytes | None:
    return pkgutil.get_data("data_of_package", "b")


def opened_in_a_folder() -> bytes:
    folder = os.open("folder", os.O_RDONLY)
    try:
        file = os.open("b", os.O_RDONLY, dir_fd=folder)
        content = os.read(file, 10)
        os.close(file)
        return content
    finally:
        os.close(folder)


def listed_by_descriptor() -> list[str]:
    folder = os.open(".", os.O_RDONLY)
    try:
        return sorted(os.listdir(folder))
    finally:
        os.close(folder)


@pytest.mark.parametrize(
    ("function", "path"),
    [
        (entries_sizes, "b"),
        (walked_sizes, "b"),
        (globbed_sizes, "folder/b"),
        (a_line, "b"),
        (opened_in_a_folder, "folder/b"),
        (listed_by_descriptor, "new"),
    ],
)
def test_a_file_that_is_read_in_a_roundabout_way_counts(function: Callable[[], object], path: str) -> None:
    os.mkdir("folder")
    Path("folder/b").write_text("1")
    is_fresh(ef.cached(function), write(path))


def test_the_data_of_a_package_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkdir("data_of_package")
    Path("data_of_package/__init__.py").write_text("")
    Path("data_of_package/b").write_text("1")
    monkeypatch.syspath_prepend(".")
    is_fresh(ef.cached(listed_of_package), write("data_of_package/b"))


def test_entries_are_as_without_a_cache() -> None:
    os.mkdir("folder")
    os.symlink("folder", "link")

    def look() -> list[object]:
        with os.scandir() as entries:
            return sorted(
                (
                    entry.name,
                    entry.path,
                    os.fspath(entry),
                    entry.is_dir(),
                    entry.is_file(),
                    entry.is_symlink(),
                    entry.inode(),
                )
                for entry in entries
                if isinstance(entry, os.DirEntry)
            )

    assert ef.cached(look)() == look()
    assert len(look()) == 5


def test_a_tree_that_the_function_makes_and_removes_does_not_count() -> None:
    @ef.cached
    def work() -> list[str]:
        with tempfile.TemporaryDirectory() as folder:
            os.makedirs(os.path.join(folder, "x", "y"))
            Path(folder, "x", "y", "z").write_text("1")
            shutil.copytree(os.path.join(folder, "x"), os.path.join(folder, "w"))
            return sorted(os.listdir(os.path.join(folder, "w", "y")))

    assert (work(), work(), work.cache_info().hits) == (["z"], ["z"], 1)


@pytest.mark.parametrize(
    "look", [os.path.lexists, os.path.islink, lambda path: os.path.islink(path) and os.readlink(path)]
)
def test_a_link_that_leads_nowhere_counts(look: Callable[[str], object]) -> None:
    @ef.cached
    def work() -> object:
        return look("link")

    assert work() is False
    os.symlink("nowhere", "link")
    assert work() == look("link")
    os.unlink("link")
    os.symlink("elsewhere", "link")
    assert work() == look("link")


def test_the_working_folder_in_bytes_counts() -> None:
    os.mkdir("folder")
    is_fresh(ef.cached(os_getcwdb), lambda: os.chdir("folder"))


def os_getcwdb() -> bytes:
    return os.getcwdb()


# Databases and processes.


def test_a_database_by_its_uri_counts() -> None:
    def execute(statement: str) -> list[Any]:
        connection = sqlite3.connect(f"file:{Path.cwd()}/my%20orders.db?mode=rwc", uri=True)
        try:
            with connection:
                return connection.execute(statement).fetchall()
        finally:
            connection.close()

    execute("CREATE TABLE t (n)")

    @ef.cached
    def count() -> list[Any]:
        return execute("SELECT count(*) FROM t")

    is_fresh(count, lambda: execute("INSERT INTO t VALUES (1)"))
    assert Path("my orders.db").exists()


@pytest.mark.parametrize(("statement", "arguments"), [("ATTACH 'b.db' AS b", ()), ("ATTACH ? AS b", ("b.db",))])
def test_an_attached_database_counts(statement: str, arguments: tuple[str, ...]) -> None:
    def execute(path: str, *statements: tuple[str, tuple[str, ...]]) -> list[Any]:
        connection = sqlite3.connect(path)
        try:
            with connection:
                return [connection.execute(*each).fetchall() for each in statements][-1]
        finally:
            connection.close()

    execute("a.db", ("CREATE TABLE s (n)", ()))
    execute("b.db", ("CREATE TABLE t (n)", ()))

    @ef.cached
    def count() -> list[Any]:
        return execute("a.db", (statement, arguments), ("SELECT count(*) FROM t", ()))

    is_never_stale(count, lambda: execute("b.db", ("INSERT INTO t VALUES (1)", ())))


def in_a_process(path: str, queue: Any) -> None:
    queue.put(read(path))


@pytest.mark.filterwarnings("ignore::everfresh.ImpureWarning")
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_what_a_process_reads_is_not_seen_so_nothing_is_kept(method: str) -> None:
    @ef.cached
    def work() -> object:
        context = multiprocessing.get_context(method)
        queue = context.SimpleQueue()
        process = context.Process(target=in_a_process, args=("b", queue))
        process.start()
        found = queue.get()
        process.join()
        return found

    is_never_stale(work, write("b"))


# Libraries that open files themselves.


def table(size: int) -> Any:
    pa = pytest.importorskip("pyarrow")
    return pa.table({"n": list(range(size))})


def write_parquet(path: str, size: int) -> None:
    pytest.importorskip("pyarrow.parquet").write_table(table(size), path)


def write_csv(path: str, size: int) -> None:
    Path(path).write_text("n\n" + "1\n" * size)


def polars_read() -> int:
    return pl.read_parquet("data/a.parquet").height


def polars_named() -> int:
    return pl.read_parquet(source=Path("data/a.parquet")).height


def polars_listed() -> int:
    return pl.read_parquet(["data/a.parquet", "data/b.parquet"]).height


def polars_of_a_folder() -> int:
    return pl.read_parquet("data").height


def polars_pattern() -> int:
    return pl.scan_parquet("data/*.parquet").collect().height


def polars_csv() -> int:
    return pl.scan_csv("data.csv").collect().height


def polars_imported_late() -> int:
    import polars

    return polars.read_csv("data.csv").height


def arrow_table() -> int:
    return pq.read_table("data/a.parquet").num_rows


def arrow_file() -> int:
    return pq.ParquetFile("data/a.parquet").metadata.num_rows


def arrow_metadata() -> int:
    return pq.read_metadata("data/a.parquet").num_rows


def arrow_csv() -> int:
    return pa_csv.read_csv("data.csv").num_rows


def arrow_dataset() -> int:
    return pa_dataset.dataset("data").count_rows()


def pandas_parquet() -> int:
    return len(pd.read_parquet("data/a.parquet"))


def one_more_file() -> None:
    write_parquet("data/c.parquet", 3)


def another_file() -> None:
    write_parquet("data/a.parquet", 5)


def another_csv() -> None:
    write_csv("data.csv", 5)


try:
    import pandas as pd
    import polars as pl
    import pyarrow.csv as pa_csv
    import pyarrow.dataset as pa_dataset
    import pyarrow.parquet as pq
except ImportError:
    libraries = False
else:
    libraries = True


@pytest.mark.skipif(not libraries, reason="needs pandas, polars and pyarrow")
@pytest.mark.parametrize(
    ("function", "change"),
    [
        (polars_read, another_file),
        (polars_named, another_file),
        (polars_listed, another_file),
        (polars_of_a_folder, one_more_file),
        (polars_pattern, one_more_file),
        (polars_csv, another_csv),
        (polars_imported_late, another_csv),
        (arrow_table, another_file),
        (arrow_file, another_file),
        (arrow_metadata, another_file),
        (arrow_csv, another_csv),
        (arrow_dataset, one_more_file),
        (pandas_parquet, another_file),
    ],
)
def test_what_a_library_reads_by_itself_counts(function: Callable[[], int], change: Callable[[], None]) -> None:
    os.mkdir("data")
    write_parquet("data/a.parquet", 1)
    write_parquet("data/b.parquet", 2)
    write_csv("data.csv", 1)
    inner = ef.cached(function)
    is_fresh(inner, change)
    write_parquet("data/a.parquet", 1)
    Path("data/c.parquet").unlink(missing_ok=True)
    write_csv("data.csv", 1)
    OUTER[0] = ef.cached(function)

    @ef.cached
    def outer() -> int:
        return int(OUTER[0]())

    is_fresh(outer, change)


OUTER: list[Any] = [None]


@pytest.mark.skipif(not libraries, reason="needs pandas, polars and pyarrow")
def test_a_library_that_is_imported_by_the_function_is_seen_through() -> None:
    write_csv("data.csv", 1)
    Path("late.py").write_text(
        "import everfresh as ef\n"
        "@ef.cached\n"
        "def work():\n"
        "    import polars as pl\n"
        "    return pl.read_csv('data.csv').height\n"
        "first = work(), work()\n"
        "open('data.csv', 'w').write('n\\n1\\n1\\n')\n"
        "print(*first, work(), work.cache_info().misses)\n"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(ef.__file__).parents[1])}
    done = subprocess.run([sys.executable, "late.py"], env=environment, capture_output=True, text=True, check=False)
    assert done.stdout.split()[:3] == ["1", "1", "2"], done.stderr
