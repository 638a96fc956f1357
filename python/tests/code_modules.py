"""Two modules of a user's, loaded from text, so that a test can edit them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

STEPS = '''\
"""Steps."""
import functools
import helpers
from helpers import Parser, twice
from helpers import shout as loud

FACTOR = 3
SEEN = {"a", "b", "c"}
unrelated = 0

def counted(n):
    def wrap(function):
        @functools.wraps(function)
        def wrapper(*args):
            return function(*args) + n
        return wrapper
    return wrap

def helper(x):
    return x * 2

def count(step):
    def inner():
        return step
    return inner

add = functools.partial(helpers.plus, 10)
stepper = count(7)

@counted(1)
def f(x, y=5, *, z=6):
    """Doc of f."""
    # a comment
    def nested(q: int) -> int:
        """Doc of nested."""
        return q + FACTOR
    total = helper(x) + helpers.clean(y) + nested(z) + twice(1) + add(2) + stepper()
    if x in SEEN or x in {1, 2, 3, "set"}:
        total += 1
    return total + Parser().parse() + len(loud("a")) + (lambda v: v + 1)(1)
'''

HELPERS = """\
import functools

LIMIT = 10
SETTINGS = {"depth": [1, 2]}
unrelated = 0

def clean(x):
    return min(x, LIMIT) + SETTINGS["depth"][0] + deeper(x)

def deeper(x):
    return x - 1

def plus(a, b):
    return a + b

def double(function):
    @functools.wraps(function)
    def wrapper(x):
        return function(x) * 2
    return wrapper

@double
def twice(x):
    return x + 100

@functools.lru_cache(maxsize=8)
def shout(text):
    return text.upper()

def never_called(x):
    return x

class Base:
    RATE = 2

    def rate(self):
        return self.RATE

class Parser(Base):
    limits = (1, 2)

    def parse(self):
        return self.rate() + self.limits[0] + self.size

    @property
    def size(self):
        return 1

    @staticmethod
    def make():
        return Parser()
"""


def load(name: str, text: str) -> ModuleType:
    """The module as an import would make it."""
    module = ModuleType(name)
    module.__file__ = f"/home/user/project/{name}.py"
    sys.modules[name] = module
    exec(compile(text, module.__file__, "exec", dont_inherit=True), module.__dict__)
    return module


@contextmanager
def loaded(steps: str = STEPS, helpers: str = HELPERS, **more: str) -> Iterator[Any]:
    """The module `steps`, with `helpers` and others in `sys.modules` meanwhile."""
    names = ["helpers", *more, "steps"]
    before = {name: sys.modules.pop(name, None) for name in names}
    try:
        for name, text in {"helpers": helpers, **more}.items():
            load(name, text)
        yield load("steps", steps)
    finally:
        for name, module in before.items():
            sys.modules.pop(name, None)
            if module is not None:
                sys.modules[name] = module


def edited(text: str, old: str, new: str) -> str:
    assert text.count(old) == 1, f"{old!r} is in the text {text.count(old)} times"
    return text.replace(old, new)
