"""Readers of pandas, polars and pyarrow, whose files are seen."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import everfresh as ef
import pytest

# Of whatever library.
Table = Any
Rows = dict[str, list[int]]
LIBRARIES = ("pandas", "polars", "pyarrow")


def rows(table: Table) -> Rows:
    """A table of any library."""
    if hasattr(table, "to_pydict"):
        return cast(Rows, table.to_pydict())
    if hasattr(table, "to_dicts"):
        return cast(Rows, table.to_dict(as_series=False))
    return {name: table[name].tolist() for name in table.columns}


@pytest.mark.parametrize("library", LIBRARIES)
def test_it_gives_what_the_library_gives(library: Table, tmp_path: Path) -> None:
    pytest.importorskip(library)
    path = tmp_path / "table.csv"
    path.write_text("a,b\n1,3\n2,4\n")
    assert rows(ef.read_csv(path, library=library)) == {"a": [1, 2], "b": [3, 4]}


def test_options_are_handed_on(tmp_path: Path) -> None:
    pytest.importorskip("pandas")
    path = tmp_path / "table.csv"
    path.write_text("1;2\n")
    assert ef.read_csv(path, sep=";", header=None).values.tolist() == [[1, 2]]


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("form", ["csv", "parquet", "json"])
def test_a_cached_function_is_computed_anew_when_its_file_changed(form: str, library: Table, tmp_path: Path) -> None:
    pytest.importorskip(library)
    parquet, arrow = pytest.importorskip("pyarrow.parquet"), pytest.importorskip("pyarrow")
    path, read = tmp_path / f"table.{form}", getattr(ef, f"read_{form}")

    def write(numbers: list[int]) -> None:
        if form == "csv":
            path.write_text("n\n" + "".join(f"{number}\n" for number in numbers))
        elif form == "parquet":
            parquet.write_table(arrow.table({"n": numbers}), path)
        elif library == "pyarrow":
            path.write_text("".join(f'{{"n": {number}}}\n' for number in numbers))
        else:
            path.write_text("[" + ", ".join(f'{{"n": {number}}}' for number in numbers) + "]")

    @ef.cached
    def total() -> int:
        return sum(rows(read(path, library=library))["n"])

    write([1, 2])
    assert (total(), total()) == (3, 3)
    assert total.cache_contains()
    write([1, 2, 4])
    assert total() == 7


def test_all_files_of_a_folder_count(tmp_path: Path) -> None:
    pytest.importorskip("pandas")
    parquet, arrow = pytest.importorskip("pyarrow.parquet"), pytest.importorskip("pyarrow")

    @ef.cached
    def total() -> int:
        return int(ef.read_parquet(tmp_path)["n"].sum())

    parquet.write_table(arrow.table({"n": [1]}), tmp_path / "a.parquet")
    parquet.write_table(arrow.table({"n": [2]}), tmp_path / "b.parquet")
    assert total() == 3
    parquet.write_table(arrow.table({"n": [5]}), tmp_path / "b.parquet")
    assert total() == 6
    parquet.write_table(arrow.table({"n": [7]}), tmp_path / "c.parquet")
    assert total() == 13


def test_all_files_that_match_a_pattern_count(tmp_path: Path) -> None:
    pytest.importorskip("polars")

    @ef.cached
    def total() -> int:
        return int(ef.read_csv(f"{tmp_path}/*.csv", library="polars")["n"].sum())

    (tmp_path / "a.csv").write_text("n\n1\n")
    assert total() == 1
    (tmp_path / "b.csv").write_text("n\n2\n")
    assert total() == 3
    (tmp_path / "a.csv").write_text("n\n5\n")
    assert total() == 7


def test_other_libraries_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="library is 'pandas', 'polars' or 'pyarrow', not 'duckdb'"):
        ef.read_csv(tmp_path / "table.csv", library="duckdb")  # type: ignore[arg-type]
