"""Containers that code only adds to do not count; those that it could read do."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import pytest
from everfresh._code import Code

BODY = """
def make():
    seen = KIND
    def function(x):
        BODY
        return x
    return function, seen

seen = KIND
def function(x):
    BODY
    return x
"""


def counts(kind: str, body: str, *, closure: bool) -> bool:
    """Whether a function is another one after something was put into the container that it uses as `body` says."""
    names: dict[str, Any] = {"deque": deque, "__name__": "written", "use": lambda value: value}
    exec(BODY.replace("KIND", kind).replace("BODY", body), names)
    function, seen = names["make"]() if closure else (names["function"], names["seen"])
    code = Code(function)
    before = dict(code.items())
    add: Callable[[object], object] = seen.add if isinstance(seen, set) else seen.append
    add(1)
    return before != dict(code.items())


@pytest.mark.parametrize("closure", [True, False])
@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("[]", "seen.append(x)"),
        ("[]", "seen.extend([x]); seen.insert(0, x)"),
        ("set()", "seen.add(x)"),
        ("deque()", "seen.appendleft(x)"),
        ("[]", "[seen.append(one) for one in (1, 2)]"),
        ("[]", "(lambda: seen.append(x))()"),
    ],
)
def test_what_is_only_added_to_does_not_count(kind: str, body: str, closure: bool) -> None:
    assert not counts(kind, body, closure=closure)


@pytest.mark.parametrize("closure", [True, False])
@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("[]", "seen.append(x); x += len(seen)"),
        ("[]", "x = seen.pop()"),
        ("[]", "seen.remove(x)"),
        ("[]", "use(seen)"),
        ("[]", "other = seen; other.append(x)"),
        ("[]", "seen.append.__self__"),
        ("[]", "(lambda: seen)()"),
        ("set()", "x in seen"),
        ("deque()", "for one in seen: pass"),
    ],
)
def test_what_could_be_read_counts(kind: str, body: str, closure: bool) -> None:
    assert counts(kind, body, closure=closure)


def test_an_object_with_such_a_method_counts() -> None:
    class Log:
        def __init__(self) -> None:
            self.level = 0

        def append(self, value: object) -> None:
            self.level += 1

    log = Log()

    def function() -> None:
        log.append(1)

    code = Code(function)
    before = dict(code.items())
    log.level = 5
    assert before != dict(code.items())
