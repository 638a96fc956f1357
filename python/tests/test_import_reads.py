"""Files that the user's modules read while they are imported: their content counts, wherever it went."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from projects import run, write

if TYPE_CHECKING:
    from pathlib import Path

MAIN = """
    import everfresh as ef
    import settings

    @ef.cached(store=ef.Store("cache"))
    def work():
        print("computed")
        return BODY
"""
WORK = "import main; print(main.work())"

# How a module keeps what it reads, and what a function of another module makes of it.
KEPT = {
    "in a global": ("TEXT = open('data.txt').read()", "settings.TEXT"),
    "in an object of which only the class counts": (
        """
        import xml.etree.ElementTree as tree
        ROOT = tree.Element("root")
        for _ in range(5_000):
            tree.SubElement(ROOT, "item").text = open("data.txt").read()
        """,
        "settings.ROOT[0].text",
    ),
    "in a package": (
        """
        import mimetypes
        mimetypes.add_type("text/" + open("data.txt").read(), ".everfresh")
        guess = mimetypes.guess_type
        """,
        "settings.guess('a.everfresh')[0]",
    ),
    "in generated code": (
        "exec('def text():\\n    return ' + repr(open('data.txt').read()))",
        "settings.text()",
    ),
    "in a package, read by a function of another module": (
        """
        import mimetypes, reader
        mimetypes.add_type("text/" + reader.read(), ".everfresh")
        guess = mimetypes.guess_type
        """,
        "settings.guess('a.everfresh')[0]",
    ),
    "in a package, if the file is there": (
        """
        import mimetypes
        try:
            kind = open("absent.txt").read()
        except FileNotFoundError:
            kind = open("data.txt").read()
        mimetypes.add_type("text/" + kind, ".everfresh")
        guess = mimetypes.guess_type
        """,
        "settings.guess('a.everfresh')[0]",
    ),
}
READER = """
    def read():
        return open("data.txt").read()
"""


def project(folder: Path, how: str) -> None:
    settings, body = KEPT[how]
    write(folder, main=MAIN.replace("BODY", body), settings=settings, reader=READER, data_txt="one")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("how", KEPT)
def test_a_file_read_at_import_counts(how: str, tmp_path: Path) -> None:
    project(tmp_path, how)
    quiet = {"PYTHONWARNINGS": "ignore"}
    computed, first = run(tmp_path, WORK, **quiet)
    assert (computed, first.removeprefix("text/")) == ("computed", "one")
    assert run(tmp_path, WORK, **quiet) == [first], "without a change it is a hit"
    write(tmp_path, **({"absent_txt": "two"} if "if the file is there" in how else {"data_txt": "two"}))
    assert run(tmp_path, WORK, **quiet) == ["computed", first.replace("one", "two")]


@pytest.mark.parametrize("how", KEPT)
def test_a_process_that_read_an_older_file_makes_nothing_for_others(how: str, tmp_path: Path) -> None:
    project(tmp_path, how)
    quiet = {"PYTHONWARNINGS": "ignore"}
    name = "absent.txt" if "if the file is there" in how else "data.txt"
    late = f"import main, pathlib; pathlib.Path({name!r}).write_text('two'); print(main.work(), main.work())"
    _, both = run(tmp_path, late, **quiet)
    assert both.replace("text/", "") == "one one", "what it has read is what it goes by"
    computed, now = run(tmp_path, WORK, **quiet)
    assert (computed, now.removeprefix("text/")) == ("computed", "two")


def test_a_file_that_a_module_out_of_reach_reads_does_not_count(tmp_path: Path) -> None:
    write(tmp_path, main=MAIN.replace("BODY", "1"), settings="TEXT = open('data.txt').read()", data_txt="one")
    assert run(tmp_path, WORK) == ["computed", "1"]
    write(tmp_path, data_txt="two")
    assert run(tmp_path, WORK) == ["1"]


def test_a_file_that_a_module_makes_itself_does_not_count(tmp_path: Path) -> None:
    settings = "open('made.txt', 'w').write(str(id(object())))\nLENGTH = len(open('made.txt').read()) > 0"
    write(tmp_path, main=MAIN.replace("BODY", "settings.LENGTH"), settings=settings)
    assert run(tmp_path, WORK) == ["computed", "True"]
    assert run(tmp_path, WORK) == ["True"]


def test_what_a_script_opens_counts_by_what_it_makes_of_it(tmp_path: Path) -> None:
    script = """
        import everfresh as ef

        @ef.cached
        def double(n):
            print("computed")
            return n * 2

        for name in ("a.txt", "b.txt"):
            print(double(int(open(name).read())))
        print(double.cache_explain(1)[:3])
    """
    write(tmp_path, a_txt="1", b_txt="2", script=script)
    first = run(tmp_path, "import runpy; runpy.run_path('script.py', run_name='__main__')")
    assert first == ["computed", "2", "computed", "4", "hit"]


def test_a_module_that_is_imported_again_reads_again(tmp_path: Path) -> None:
    project(tmp_path, "in a package")
    again = """
        import importlib, pathlib, main, settings
        print(main.work())
        pathlib.Path("data.txt").write_text("two")
        importlib.reload(settings)
        print(main.work())
    """
    assert run(tmp_path, again) == ["computed", "text/one", "computed", "text/two"]
    assert run(tmp_path, WORK) == ["text/two"]


def test_a_large_file_counts_by_its_stamp(tmp_path: Path) -> None:
    project(tmp_path, "in a package")
    work = f"import everfresh._code_imports as imports; imports.LARGE = 1; {WORK}"
    assert run(tmp_path, work) == ["computed", "text/one"]
    assert run(tmp_path, work) == ["text/one"]
    write(tmp_path, data_txt="one")
    assert run(tmp_path, work) == ["computed", "text/one"]
