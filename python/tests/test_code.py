"""What a function is made of: which edits change an item, and which change none."""

from __future__ import annotations

import ast
import functools
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from code_modules import HELPERS, STEPS, edited, load, loaded
from everfresh import _code_origin, _native
from everfresh._code import Code, plain_lru_caches


def items(steps: str = STEPS, helpers: str = HELPERS, **more: str) -> dict[str, bytes]:
    with loaded(steps, helpers, **more) as module:
        return Code(module.f).items()


def changed(before: dict[str, bytes], after: dict[str, bytes]) -> set[str]:
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


BODY = "the code of `steps.f`"
EDITS = [
    ("own body", "steps", "total += 1", "total += 2", BODY),
    ("nested function", "steps", "return q + FACTOR", "return q - FACTOR", BODY),
    ("lambda", "steps", "lambda v: v + 1", "lambda v: v + 2", BODY),
    ("set constant", "steps", '{1, 2, 3, "set"}', '{1, 2, 4, "set"}', BODY),
    ("1 to 1.0", "steps", "total += 1", "total += 1.0", BODY),
    ("1 to True", "steps", "total += 1", "total += True", BODY),
    (
        "argument's name",
        "steps",
        "def helper(x):\n    return x",
        "def helper(w):\n    return w",
        "the code of `steps.helper`",
    ),
    ("argument's kind", "steps", "y=5, *, z", "y=5, z", BODY),
    ("function to generator", "steps", "return x * 2", "yield x * 2", "the code of `steps.helper`"),
    ("callee in the module", "steps", "x * 2", "x * 3", "the code of `steps.helper`"),
    ("callee in another module", "helpers", "min(x, LIMIT)", "max(x, LIMIT)", "the code of `helpers.clean`"),
    ("callee of a callee", "helpers", "x - 1", "x - 2", "the code of `helpers.deeper`"),
    ("method", "helpers", "self.rate() + ", "self.rate() - ", "the code of `helpers.Parser.parse`"),
    ("property", "helpers", "def size(self):\n        return 1", "def size(self):\n        return 2", "Parser.size"),
    ("static method", "helpers", "return Parser()", "return Parser", "the code of `helpers.Parser.make`"),
    ("method of a base class", "helpers", "return self.RATE", "return -self.RATE", "the code of `helpers.Base.rate`"),
    ("class attribute", "helpers", "limits = (1, 2)", "limits = (1, 3)", "the attribute `limits` of `helpers.Parser`"),
    ("attribute of a base", "helpers", "RATE = 2", "RATE = 3", "the attribute `RATE` of `helpers.Base`"),
    ("base class", "helpers", "class Parser(Base)", "class Parser(Base, dict)", "the class `helpers.Parser`"),
    ("method to static", "helpers", "    @staticmethod\n", "", "the class `helpers.Parser`"),
    ("global", "steps", "FACTOR = 3", "FACTOR = 4", "the global `steps.FACTOR`"),
    ("global set", "steps", '"b", "c"', '"b", "d"', "the global `steps.SEEN`"),
    ("global elsewhere", "helpers", "LIMIT = 10", "LIMIT = 11", "the global `helpers.LIMIT`"),
    ("global's inside", "helpers", "[1, 2]}", "[2, 2]}", "the global `helpers.SETTINGS`"),
    ("default", "steps", "y=5", "y=6", "the default `y` of `steps.f`"),
    ("keyword default", "steps", "z=6", "z=7", "the default `z` of `steps.f`"),
    ("closure", "steps", "count(7)", "count(8)", "the closure variable `step` of `steps.count.<locals>.inner#"),
    (
        "decorator's body",
        "steps",
        "function(*args) + n",
        "function(*args) - n",
        "the code of `steps.counted.<locals>.wrap.<locals>.wrapper#",
    ),
    ("decorator's argument", "steps", "@counted(1)", "@counted(2)", "the closure variable `n` of `steps.counted"),
    ("decorator taken off", "steps", "@counted(1)\n", "", "the code of `steps.counted"),
    ("decorated callee", "helpers", "x + 100", "x + 101", "the code of `helpers.twice`"),
    ("callee's decorator", "helpers", "* 2", "* 3", "the code of `helpers.double.<locals>.wrapper#"),
    ("callee under lru_cache", "helpers", "text.upper()", "text.lower()", "the code of `helpers.shout`"),
    ("lru_cache's bound", "helpers", "maxsize=8", "maxsize=9", "the functools.lru_cache of `helpers.shout`"),
    ("partial's argument", "steps", "plus, 10", "plus, 11", "the global `steps.add`"),
    ("partial's function", "helpers", "return a + b", "return a * b", "the code of `helpers.plus`"),
    (
        "a name that appears",
        "helpers",
        "unrelated = 0",
        "def min(*a): return 0",
        "the names that `helpers.clean` finds",
    ),
]


@pytest.mark.parametrize(("module", "old", "new", "item"), [e[1:] for e in EDITS], ids=[e[0] for e in EDITS])
def test_an_edit_changes_the_item_that_it_touches(module: str, old: str, new: str, item: str) -> None:
    texts = {"steps": STEPS, "helpers": HELPERS}
    after = items(**{**texts, module: edited(texts[module], old, new)})
    differing = changed(items(), after)
    assert any(item in name for name in differing), differing


def test_an_edit_changes_no_item_but_those_that_it_touches() -> None:
    after = items(helpers=edited(HELPERS, "x - 1", "x - 2"))
    assert changed(items(), after) == {"the code of `helpers.deeper`"}


SAME = [
    ("comment", STEPS, "# a comment", "# another\n    # comment"),
    ("docstring", STEPS, '"""Doc of f."""', '"""Another."""'),
    ("no docstring", STEPS, '    """Doc of f."""\n', ""),
    ("nested docstring", STEPS, '        """Doc of nested."""\n', ""),
    ("module's docstring", STEPS, '"""Steps."""', ""),
    (
        "annotations",
        STEPS,
        "def f(x, y=5, *, z=6):",
        "def f(x: int, y: 'str' = 5, *, z: list[int] = 6) -> dict[str, int]:",
    ),
    ("nested annotations", STEPS, "def nested(q: int) -> int:", "def nested(q: dict[str, list[int]]):"),
    ("local annotation", STEPS, "total = helper", "total: int = helper"),
    ("moved down", STEPS, "FACTOR = 3", "\n" * 300 + "FACTOR = 3"),
    ("call over lines", STEPS, "helper(x) + helpers.clean(y)", "helper(\n        x\n    ) + helpers \\\n    .clean(y)"),
    ("condition over lines", STEPS, "if x in SEEN or x in", "if (x in SEEN\n            or x\n            in"),
    ("unused global", STEPS, "unrelated = 0", "unrelated = 1\nanother = 2"),
    ("unused function", HELPERS, "def never_called(x):\n    return x", "def never_called(x):\n    return -x"),
    ("class docstring", HELPERS, "limits = (1, 2)", '"""Doc."""\n    limits: tuple = (1, 2)'),
    ("method docstring", HELPERS, "return self.RATE", '"""Doc."""\n        return self.RATE'),
    ("order of methods", HELPERS, "    RATE = 2\n\n    def rate(self):\n        return self.RATE\n", ""),
]


@pytest.mark.parametrize(("text", "old", "new"), [e[1:] for e in SAME], ids=[e[0] for e in SAME])
def test_what_only_looks_different_changes_nothing(text: str, old: str, new: str) -> None:
    if "RATE = 2" in old:
        new = "    def rate(self):\n        return self.RATE\n\n    RATE = 2\n"
    if "or x in" in old:
        new, old = new + ' {1, 2, 3, "set"}):', old + ' {1, 2, 3, "set"}:'
    after = edited(text, old, new)
    differing = changed(items(), items(steps=after) if text is STEPS else items(helpers=after))
    assert not differing


def test_another_layout_of_the_whole_file_changes_nothing() -> None:
    assert not changed(items(), items(ast.unparse(ast.parse(STEPS)), ast.unparse(ast.parse(HELPERS))))


def test_layout_does_not_show_in_the_bytecode_of_real_programs() -> None:
    # Loops, conditions and handlers over many lines, against the same on few.
    text = Path(subprocess.__file__).read_text(encoding="utf-8")
    one = Code(load("layout", text).Popen).items()
    two = Code(load("layout", ast.unparse(ast.parse(text))).Popen).items()
    del sys.modules["layout"]
    assert len(one) > 40
    assert not changed(one, two)


SCRIPT = """
import json, sys
sys.path.insert(0, {tests!r})
import test_code
print(json.dumps({{name: own.hex() for name, own in test_code.items().items()}}))
"""


def test_items_are_the_same_in_every_process() -> None:
    tests = Path(__file__).parent
    script = SCRIPT.format(tests=str(tests))
    found = []
    for seed in ("0", "1", "4242"):
        env = {**os.environ, "PYTHONHASHSEED": seed}
        out = subprocess.run([sys.executable, "-c", script], env=env, check=True, capture_output=True, timeout=60)
        found.append(json.loads(out.stdout))
    assert found[0] == found[1] == found[2]
    assert "the global `steps.SEEN`" in found[0]


def test_a_monkeypatched_function_counts() -> None:
    with loaded() as module:
        code = Code(module.f)
        before = dict(code.items())
        module.helpers.clean = lambda x: 0
        assert "the global `helpers.clean`" in changed(before, code.items())


def test_a_function_of_a_package_that_the_user_patched_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    with loaded("import json\ndef f(x): return json.dumps(x)\ndef mine(x): return 'mine'") as module:
        code = Code(module.f)
        before = dict(code.items())
        monkeypatch.setattr(json, "dumps", module.mine)
        assert not code.holds()
        assert "the code of `steps.mine`" in changed(before, code.items())


def test_a_redefinition_counts() -> None:
    with loaded() as module:
        code = Code(module.f)
        before = dict(code.items())
        exec("def helper(x):\n    return x * 7", module.__dict__)
        assert changed(before, code.items()) == {"the code of `steps.helper`"}


def test_a_module_that_the_function_imports_is_followed() -> None:
    texts = [
        "def f(x):\n    import helpers\n    return helpers.clean(x)",
        "def f(x):\n    from helpers import clean\n    return clean(x)",
        "def f(x):\n    import helpers as h\n    g = h\n    return g.clean(x)",
        "import helpers\ndef f(x):\n    return getattr(helpers, 'cl' + 'ean')(x)",
        "import helpers\ndef f(x):\n    return vars(helpers)['cl' + 'ean'](x)",
        "import helpers\ndef f(x, run=lambda m, x: m.clean(x)):\n    return run(helpers, x)",
    ]
    for text in texts[:5]:
        differing = changed(items(text), items(text, edited(HELPERS, "x - 1", "x - 2")))
        assert differing == {"the code of `helpers.deeper`"}, text


def test_an_instance_counts_by_its_class_and_its_attributes() -> None:
    text = "import helpers\nparser = helpers.Parser()\nparser.depth = [1]\ndef f(x): return parser.parse()"
    before = items(text)
    assert changed(before, items(edited(text, "[1]", "[2]"))) == {"the global `steps.parser`"}
    assert changed(before, items(text, edited(HELPERS, "return self.RATE", "return 1"))) == {
        "the code of `helpers.Base.rate`",
    }


def test_slots_count() -> None:
    text = "class P:\n    __slots__ = ('x',)\np = P()\np.x = 1\ndef f(): return p.x"
    assert changed(items(text), items(edited(text, "p.x = 1", "p.x = 2"))) == {"the global `steps.p`"}


DATACLASS = (
    "from dataclasses import dataclass, field\n@dataclass\nclass P:\n    x: int\n    y: int = 2\ndef f(): return P(1)"
)


def test_a_dataclass_counts_by_its_fields_and_not_by_their_types() -> None:
    before = items(DATACLASS)
    assert not changed(before, items(edited(DATACLASS, "x: int", "x: float")))
    for old, new in [("x: int", "z: int"), ("y: int = 2", "y: int = 3"), ("@dataclass", "@dataclass(frozen=True)")]:
        assert changed(before, items(edited(DATACLASS, old, new))), new


def test_an_enum_counts_by_its_members() -> None:
    text = "from enum import Enum\nclass E(Enum):\n    A = 1\n    B = 2\ndef f(): return E.A"
    assert not changed(items(text), items(text))
    assert changed(items(text), items(edited(text, "B = 2", "B = 3")))


def test_functions_in_a_registry_count() -> None:
    text = "REG = {'a': lambda x: x + 1}\ndef f(n, x): return REG[n](x)"
    assert changed(items(text), items(edited(text, "x + 1", "x + 2")))


def test_functions_under_a_single_dispatch_count_and_calls_do_not() -> None:
    text = (
        "import functools\n@functools.singledispatch\ndef g(x): return 0\n"
        "@g.register\ndef _(x: int): return 1\ndef f(x): return g(x)"
    )
    assert changed(items(text), items(edited(text, "return 1", "return 2")))
    with loaded(text) as module:
        code = Code(module.f)
        before = dict(code.items())
        module.f(1)
        assert code.items() == before


def test_the_version_of_a_package_counts_and_only_that(monkeypatch: pytest.MonkeyPatch) -> None:
    np = pytest.importorskip("numpy")
    text = "import numpy as np\ndef f(x): return np.mean(x)"
    before = items(text)
    assert "the package `numpy`" in before
    assert not [name for name in before if name.startswith("the code of `numpy")]
    assert np.__version__ in _code_origin._version("numpy")
    monkeypatch.setattr(_code_origin, "_versions", {})
    monkeypatch.setattr(_code_origin, "_version", lambda package: "999" if package == "numpy" else "same")
    assert changed(before, items(text)) == {"the package `numpy`", "the package `Python`"}


def test_a_users_extension_counts_by_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    suffix = next(iter(_code_origin._suffixes))
    file = tmp_path / f"fast{suffix}"

    def built(content: bytes) -> dict[str, bytes]:
        file.write_bytes(content)
        os.utime(file, (1, 1))
        monkeypatch.setattr(_code_origin, "_extensions", {})
        with loaded("import fast\ndef f(x): return fast.run(x)", fast=f"__file__ = {str(file)!r}\nrun = len") as module:
            return dict(Code(module.f).items())

    assert built(b"one") == built(b"one")
    assert changed(built(b"one"), built(b"two")) == {"the extension `fast`"}


def test_an_extension_that_was_built_after_the_process_began_never_matches(tmp_path: Path) -> None:
    file = tmp_path / f"fresh{next(iter(_code_origin._suffixes))}"
    file.write_bytes(b"one")
    os.utime(file, (_code_origin.STARTED + 9, _code_origin.STARTED + 9))
    module = load("fresh", f"__file__ = {str(file)!r}")
    found = _code_origin.extension(module)
    _code_origin._extensions.clear()
    assert found != _code_origin.extension(module)


def test_plain_lru_caches_are_named() -> None:
    with loaded() as module:
        code = Code(module.f)
        assert plain_lru_caches(code.items()) == ["helpers.shout"]
        assert list(code.lru_caches().values()) == [sys.modules["helpers"].shout]


def test_what_cannot_be_told_never_matches_and_is_named() -> None:
    with loaded("numbers = iter([1, 2])\ndef f(): return next(numbers)") as module:
        code = Code(module.f)
        first = code.items()["the global `steps.numbers`"]
        assert not code.holds()
        assert code.items()["the global `steps.numbers`"] != first
        assert "iterator" in code.unsure()["the global `steps.numbers`"]


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("1", "True"),
        ("0.0", "-0.0"),
        ("(1, 2)", "[1, 2]"),
        ("'1'", "1"),
        ("{1: 2, 3: 4}", "{3: 4, 1: 2}"),
        ("b''", "''"),
    ],
)
def test_values_of_other_types_or_signs_or_orders_differ(one: str, two: str) -> None:
    assert changed(items(f"G = {one}\ndef f(): return G"), items(f"G = {two}\ndef f(): return G"))


def test_values_that_are_equal_are_equal() -> None:
    text = "import datetime, decimal, pathlib, re\nG = [{}, {{3, 'a', None}}, float('nan'), {}]\ndef f(): return G"
    values = "datetime.date(2024, 1, 2), decimal.Decimal('1.0'), pathlib.Path('a'), re.compile('a')"
    assert not changed(
        items(text.format(values, "frozenset({'x', 'y'})")), items(text.format(values, "frozenset({'y', 'x'})"))
    )


def test_a_value_that_holds_itself_has_a_fingerprint() -> None:
    text = "G = [1]\nG.append(G)\ndef f(): return G"
    assert not changed(items(text), items(text))


def test_partials_methods_classes_and_instances_have_items() -> None:
    with loaded() as module:
        helpers = sys.modules["helpers"]
        targets: list[Any] = [
            functools.partial(module.f, 1),
            helpers.Parser().parse,
            helpers.Parser,
            helpers.Parser.make,
        ]
        for target in targets:
            assert [name for name in Code(target).items() if name.startswith("the code of")], target


def test_a_method_counts_with_its_class() -> None:
    with loaded() as module:
        assert module and "the code of `helpers.Base.rate`" in Code(sys.modules["helpers"].Parser.parse).items()


def test_the_state_of_an_object_made_in_c_counts() -> None:
    text = "import collections, random\nR = random.Random(1)\nQ = collections.deque([1])\ndef f(): return R, Q"
    assert not changed(items(text), items(text))
    assert changed(items(text), items(edited(text, "Random(1)", "Random(2)"))) == {"the global `steps.R`"}
    assert changed(items(text), items(edited(text, "[1]", "[2]"))) == {"the global `steps.Q`"}


@pytest.mark.parametrize("package", ["numpy", "pandas", "polars", "pyarrow"])
def test_of_a_packages_values_only_the_content_and_the_version_count(package: str) -> None:
    pytest.importorskip(package)
    if package in ("pandas", "polars") and not hasattr(_native, "fingerprint"):
        pytest.skip("its frames show their content to the fingerprint alone")
    made = {
        "numpy": "p.arange(33)",
        "pandas": "p.DataFrame({'a': [1, 2]})",
        "polars": "p.DataFrame({'a': [1, 2]})",
        "pyarrow": "p.table({'a': [1, 2]})",
    }[package]
    text = f"import {package} as p\nG = {made}\ndef f(): return G, p.array"
    assert not changed(items(text), items(text))
    after = items(text.replace("33)", "34)").replace("2]", "3]"))
    assert changed(items(text), after) == {"the global `steps.G`"}
    assert not [name for name in after if "class" in name or "attribute" in name]


def test_an_object_that_shows_nothing_but_its_class_is_named() -> None:
    text = "import zlib\nZ = zlib.compressobj()\ndef f(): return Z"
    with loaded(text) as module:
        code = Code(module.f)
        assert code.blind() == {"the global `steps.Z`": "zlib.Compress"}


def test_an_object_that_cannot_be_looked_at_never_matches() -> None:
    text = (
        "class Proxy:\n    @property\n    def __class__(self): raise RuntimeError\n"
        "    def __everfresh_key__(self): raise RuntimeError\np = Proxy()\ndef f(): return p"
    )
    with loaded(text) as module:
        code = Code(module.f)
        assert not code.holds()
        assert code.unsure() == {"the global `steps.p`": "looking at it raised RuntimeError"}
