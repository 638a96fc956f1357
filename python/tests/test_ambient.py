"""What no name in the code leads to: contexts, mocks, modules by computed names, attached databases."""

from __future__ import annotations

import decimal
import mimetypes
import sqlite3
from typing import TYPE_CHECKING, Any
from unittest import mock

import everfresh as ef
import pytest
from projects import run, write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def _context() -> Iterator[None]:
    with decimal.localcontext():
        yield


def third(n: int) -> decimal.Decimal:
    return decimal.Decimal(n) / 3


def thirds(n: decimal.Decimal) -> decimal.Decimal:
    return n / 3


@pytest.mark.parametrize(("function", "n"), [(third, 1), (thirds, decimal.Decimal(1))])
def test_the_context_of_decimal_counts(function: Callable[[Any], Any], n: object) -> None:
    cached = ef.cached(function)
    exact = cached(n)
    assert cached(n) == exact
    assert cached.cache_info().hits == 1
    decimal.getcontext().prec = 3
    assert cached(n) == function(n) != exact
    decimal.getcontext().rounding = decimal.ROUND_UP
    assert cached(n) == function(n) == decimal.Decimal("0.334")


def test_the_context_of_decimal_counts_in_another_process(tmp_path: Path) -> None:
    main = """
        import decimal
        import everfresh as ef

        @ef.cached(store=ef.Store("cache"))
        def third(n):
            return decimal.Decimal(n) / 3
    """
    write(tmp_path, main=main)
    script = (
        "import decimal, main; decimal.getcontext().prec = PREC; print(main.third(1), main.third.cache_info().misses)"
    )
    assert run(tmp_path, script.replace("PREC", "4")) == ["0.3333 1"]
    assert run(tmp_path, script.replace("PREC", "2")) == ["0.33 1"]
    assert run(tmp_path, script.replace("PREC", "4")) == ["0.3333 0"]


def test_without_decimals_its_context_does_not_count() -> None:
    cached = ef.cached(lambda n: n + 1)
    cached(1)
    decimal.getcontext().prec = 3
    cached(1)
    assert cached.cache_info().hits == 1


def kind() -> Any:
    return mimetypes.guess_type("a.zip")[0]


def extension() -> Any:
    return mimetypes.guess_extension("application/zip")


# The name that the function takes, and one that it does not know of.
@pytest.mark.parametrize(
    ("function", "name"), [(kind, "mimetypes.guess_type"), (extension, "mimetypes.MimeTypes.guess_all_extensions")]
)
def test_what_a_mock_answered_is_not_kept(function: Callable[[], Any], name: str) -> None:
    cached = ef.cached(function)
    with mock.patch(name, return_value=["mocked"]):
        assert cached() == function() == "mocked"
        assert cached.cache_explain().startswith("miss")
    assert cached() == function() != "mocked"


def test_a_mock_of_the_users_own_is_not_kept_either() -> None:
    fetch = mock.Mock(return_value=1)
    cached = ef.cached(ttl="1h")(lambda: fetch())
    assert (cached(), cached()) == (1, 1)
    assert fetch.call_count == 2
    assert (
        cached.cache_explain() == "miss: the last result was not kept: it calls a mock, whose answers nothing tells of"
    )


def test_a_name_that_the_function_takes_is_looked_at_again_under_a_mock() -> None:
    cached = ef.cached(kind)
    assert cached() == "application/zip"
    with mock.patch("mimetypes.guess_type", return_value=["mocked"]):
        assert cached() == "mocked"
    with mock.patch("mimetypes.guess_type", lambda path: ["patched"]):
        assert cached() == "patched"
    assert cached() == "application/zip"


BY_NAME = {
    "importlib": ("import importlib", "importlib.import_module('conf_' + 'a').LIMIT"),
    "bound before": ("from importlib import import_module", "import_module('conf_' + 'a').LIMIT"),
    "__import__": ("", "__import__('conf_' + 'a').LIMIT"),
    "relative": ("import importlib", "importlib.import_module('.' + 'inner', 'conf_a').LIMIT"),
}


@pytest.mark.parametrize("imported_before", [True, False])
@pytest.mark.parametrize("how", BY_NAME)
def test_a_constant_of_a_module_with_a_computed_name_counts(how: str, imported_before: bool, tmp_path: Path) -> None:
    bind, limit = BY_NAME[how]
    (tmp_path / "conf_a").mkdir()
    module = "conf_a/inner" if how == "relative" else "conf_a/__init__"
    main = f"""
        {bind}
        {"import conf_a, conf_a.inner" if imported_before else ""}
        import everfresh as ef

        @ef.cached(store=ef.Store("cache"))
        def limit():
            return {limit}
    """
    write(tmp_path, main=main, **{"conf_a/__init__": "", "conf_a/inner": ""})
    script = "import main; print(main.limit(), main.limit.cache_info().misses)"
    write(tmp_path, **{module: "LIMIT = 1"})
    assert run(tmp_path, script) == ["1 1"]
    assert run(tmp_path, script) == ["1 0"]
    write(tmp_path, **{module: "LIMIT = 22"})
    assert run(tmp_path, script) == ["22 1"]


def test_a_database_that_is_attached_to_a_connection_opened_before_counts(tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    with sqlite3.connect(other) as database:
        database.execute("create table numbers as select 1 as n")

    @ef.cached(ignore=("connection",))
    def total(connection: sqlite3.Connection) -> Any:
        connection.execute("attach ? as other", (str(other),))
        return connection.execute("select sum(n) from other.numbers").fetchone()[0]

    def asked() -> Any:
        connection = sqlite3.connect(tmp_path / "main.db")
        try:
            return total(connection)
        finally:
            connection.close()

    assert (asked(), asked()) == (1, 1)
    assert total.cache_info().hits == 1
    with sqlite3.connect(other) as database:
        database.execute("insert into numbers values (2)")
    assert asked() == 3
